"""A clinic-wide replan ("replan/1") as rows of the service's own tables, and as what the service reads of them."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any
from uuid import UUID

from clinic import localtime
from patients.models import Patient
from scheduling import booking, models, roster
from scheduling.planner import facts

from .as_facts import day_of, skill
from .as_replan import Problem, followers_in, spacing_of, surplus_of, visits_of, weights_of, without_courses
from .as_rows import LONG_AGO, Laid, Rows, patient_named, without_triggers
from .replan_instances import Replan


class ReplanRows(Rows):
    """A replan in the database: the clinic as it is now, and the courses, all still booked as they were."""

    def __init__(self, replan: Replan, name: str) -> None:
        super().__init__(without_courses(replan), name)
        self._replan = replan
        self._steps: dict[int, models.Step] = {}  # by treatment
        self._bookings: dict[UUID, int] = {}
        # The time of the format ends with its days.
        self.site.booking_horizon_days = self.clinic["days"] - 1 - replan["today"]
        self.site.save(update_fields=["booking_horizon_days"])
        self._open_courses()
        booking.rebuild_busy_map()

    def read_protocols(self) -> None:
        """Read what the courses ask for, which a process remembers."""
        for step in self._steps.values():
            roster.protocol_facts(step.version)

    def problem(self) -> Problem:
        """Return what the service hands to the planner; it reads as `replanning.together` does for its own repairs."""
        # New times are after today: its last minute is too late for any.
        now = localtime.first_instant(day_of(self.clinic, self._replan["today"] + 1), self.clinic["tz"])
        now -= timedelta(minutes=1)
        courses = list(
            models.Course.objects.open()
            .for_facts()
            .filter(version__in=[step.version_id for step in self._steps.values()])
            .order_by("patient_id", "pk")
        )
        by_pk = roster.courses_facts(courses)
        today = roster.today(self.site, now)
        booked_on = [session.booked.on for one in by_pk.values() for session in one.sessions if session.booked]
        horizon_on = today + timedelta(days=self.site.booking_horizon_days)
        first_on, last_on = min([today, *booked_on]), max([horizon_on, *booked_on])
        times = roster.load_together(courses, self.site, first_on, last_on, now=now)
        return Problem(
            [by_pk[course.pk] for course in courses],
            times,
            patients_busy=roster.patients_busy(courses, times.days),
            weights=weights_of(self._replan),
            today=today,
            bookings=self._bookings,
            people={person.uid: number for number, person in enumerate(self.people)},
            rooms={room.uid: number for number, room in enumerate(self.rooms)},
            followers=followers_in(self._replan, self._bookings),
            surplus=surplus_of(self._replan),
        )

    # --- rows ---------------------------------------------------------------------------------------------------------

    def _open_courses(self) -> None:
        """Write the courses: what was held last, then each visit as it was booked."""
        given = self._replan["courses"]
        self._steps |= {treatment: self._step_of(treatment) for treatment in {course["treatment"] for course in given}}
        with without_triggers():
            patients = Patient.objects.bulk_create(
                patient_named(f"{self.name} {number}") for number in range(len(given))
            )
            courses = models.Course.objects.bulk_create(
                self._begun(patient, course) for patient, course in zip(patients, given, strict=True)
            )
            opened = list(zip(courses, given, strict=True))
            models.Session.objects.bulk_create(self._held(row, course) for row, course in opened)
        for treatment, step in self._steps.items():
            visits = [
                (position, row, visit)
                for row, course in opened
                if course["treatment"] == treatment
                for position, visit in enumerate(visits_of(course), start=2)
            ]
            laid = [
                Laid(uuid.uuid4(), position, row, self._replan["clinic"]["bookings"][visit])
                for position, row, visit in visits
            ]
            self._lay(step, laid)
            self._bookings |= {one.session: visit for one, (_, _, visit) in zip(laid, visits, strict=True)}

    def _step_of(self, treatment: int) -> models.Step:
        asked = self.clinic["treatments"][treatment]
        version = self._version(f"{self.name}-{treatment}", asked["minutes"], skill(treatment), asked["room_kind"])
        sessions = max(1 + len(visits_of(course)) for course in self._replan["courses"])
        return self._step(version, 1, "visit", sessions, spacing_of(self._replan))

    def _begun(self, patient: Patient, course: dict[str, Any]) -> models.Course:
        lead = self.people[course["practitioner"]]
        return models.Course(
            patient=patient,
            version=self._steps[course["treatment"]].version,
            site=self.site,
            lead=lead,
            wish_practitioner=lead,  # see `as_replan.weights_of`
            started_at=LONG_AGO,
            started_on=day_of(self.clinic, course["prev"]),
        )

    def _held(self, row: models.Course, course: dict[str, Any]) -> models.Session:
        return models.Session(
            course=row,
            position=1,
            step=self._steps[course["treatment"]],
            step_key="visit",
            state=facts.SessionState.PERFORMED,
            performed_on=day_of(self.clinic, course["prev"]),
        )
