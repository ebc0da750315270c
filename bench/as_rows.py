"""Instances as rows of the service's own tables, in bulk: what no act would ever write in one go.

Triggers are off meanwhile, so no history is kept of a year that never was; the constraints stay.
"""

from __future__ import annotations

import contextlib
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from functools import cached_property
from itertools import count
from typing import Any, NamedTuple

from django.db import connection, transaction

from clinic import localtime
from clinic.models import Site
from patients.models import Patient
from scheduling import booking, models
from scheduling.planner import facts
from tests import triggers

from .as_facts import LEAD, READY, ROOM, day_of, skill, spacings_of
from .instances import Clinic, Course
from .kernel import CLOSES, OPENS

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
VISITS_OF_A_COURSE = 6  # the database chooses how to find the sessions of one by how many most have


class Laid(NamedTuple):
    """A visit to be written, and the session that it is of."""

    session: uuid.UUID
    position: int
    course: models.Course
    booking: list[int]


class Rows:
    """A clinic in the database. Capabilities bear its name, so that clinics do not lend each other their rooms."""

    def __init__(self, clinic: Clinic, name: str) -> None:
        self.clinic, self.name = clinic, name
        with without_triggers():
            self.site = Site.objects.create(
                name=name,
                zone=clinic["tz"],
                country="GB",
                sender_name=name,
                sender_email="desk@bench.example",
                grid_minutes=clinic["grid"],
            )
            self.people = [self._resource("practitioner", one["id"]) for one in clinic["practitioners"]]
            self.rooms = [self._resource("room", one["id"]) for one in clinic["rooms"]]
            self._capabilities()
            self._hours()
            self._away()
            self.book(clinic["bookings"])
        booking.rebuild_busy_map()

    def course(self, course: Course, name: str) -> models.Course:
        """Open a course of a protocol of its own, in the database what `Facts.course` is in memory."""
        treatment = self.clinic["treatments"][course["treatment"]]
        version = self._version(name, treatment["minutes"], skill(course["treatment"]), treatment["room_kind"])
        steps = [
            self._step(version, position, key, sessions, spacing)
            for position, (key, sessions, spacing) in enumerate(
                zip(("first", "further"), (1, course["n"] - 1), spacings_of(course), strict=True), start=1
            )
        ]
        patient = patient_named(name)
        patient.save()
        on = day_of(self.clinic, course["earliest"])
        from_minute, until_minute = course["window"]
        made = models.Course.objects.create(
            patient=patient,
            version=version,
            site=self.site,
            started_at=LONG_AGO,
            started_on=on,
            wish_weekdays=course["weekdays"],
            wish_from_time=_time(from_minute),
            wish_until_time=_time(until_minute),
        )
        models.NamedEvent.objects.create(course=made, key=READY, happened_on=on, recorded_at=LONG_AGO)
        models.Session.objects.bulk_create(
            models.Session(course=made, position=number + 1, step=step, step_key=step.key)
            for number in range(course["n"])
            for step in (steps[min(number, 1)],)
        )
        return models.Course.objects.for_facts().get(pk=made.pk)

    def now_of(self, course: Course) -> datetime:
        """Return the first instant of the course's first day."""
        return localtime.first_instant(day_of(self.clinic, course["earliest"]), self.clinic["tz"])

    # --- people, rooms and their time ---------------------------------------------------------------------------------

    def _resource(self, kind: str, number: int) -> models.Resource:
        return models.Resource.objects.create(kind=kind, name=f"{self.name} {kind} {number}")

    @cached_property
    def _capability(self) -> dict[str, models.Capability]:
        treatments = self.clinic["treatments"]
        codes = {skill(one["id"]) for one in treatments} | {one["room_kind"] for one in treatments}
        return {code: models.Capability.objects.create(code=f"{self.name}-{code}", name=code) for code in codes}

    def _capabilities(self) -> None:
        able = [
            (self.people[one["id"]], skill(number)) for one in self.clinic["practitioners"] for number in one["skills"]
        ]
        able += [(self.rooms[room["id"]], room["kind"]) for room in self.clinic["rooms"]]
        models.ResourceCapability.objects.bulk_create(
            models.ResourceCapability(resource=resource, capability=self._capability[code]) for resource, code in able
        )

    def _hours(self) -> None:
        spans = [
            (self.people[one["id"]], int(weekday), begins, ends)
            for one in self.clinic["practitioners"]
            for weekday, stretches in one["hours"].items()
            for begins, ends in stretches
        ]
        spans += [(room, weekday, OPENS, CLOSES) for room in self.rooms for weekday in range(7)]
        models.Hours.objects.bulk_create(
            models.Hours(
                resource=resource,
                site=self.site,
                weekday=weekday,
                from_time=_time(begins),
                until_time=_time(ends),
                valid_from=LONG_AGO.date(),
            )
            for resource, weekday, begins, ends in spans
        )

    def _away(self) -> None:
        spans = [(self.people[one["id"]], span) for one in self.clinic["practitioners"] for span in one["leave"]]
        spans += [(self.rooms[room["id"]], span) for room in self.clinic["rooms"] for span in room["closed"]]
        models.Absence.objects.bulk_create(
            models.Absence(
                resource=resource,
                first_on=day_of(self.clinic, first),
                last_on=day_of(self.clinic, last),
                recorded_at=LONG_AGO,
            )
            for resource, (first, last) in spans
        )
        models.Closure.objects.bulk_create(
            models.Closure(site=self.site, first_on=on, last_on=on, name="Holiday", recorded_at=LONG_AGO)
            for on in (day_of(self.clinic, day) for day in self.clinic["holidays"])
        )

    # --- protocols ----------------------------------------------------------------------------------------------------

    def _version(self, name: str, minutes: int, *capabilities: str) -> models.ProtocolVersion:
        self._phases = (minutes, dict(zip((LEAD, ROOM), capabilities, strict=True)))
        protocol = models.Protocol.objects.create(key=name, name=name)
        return models.ProtocolVersion.objects.create(
            protocol=protocol, number=1, state=models.VersionState.APPROVED, consent_at="", created_at=LONG_AGO
        )

    def _step(
        self, version: models.ProtocolVersion, position: int, key: str, sessions: int, spacing: facts.Spacing
    ) -> models.Step:
        step = models.Step.objects.create(
            version=version,
            position=position,
            key=key,
            name=key,
            kind=models.Step.Kind.TREATMENT,
            sessions=sessions,
            lead_role=LEAD,
        )
        minutes, needs = self._phases
        phase = models.Phase.objects.create(step=step, position=1, name="visit", minutes=minutes)
        for role, code in needs.items():
            models.PhaseNeed.objects.create(phase=phase, role=role, capability=self._capability[code])
        models.Spacing.objects.create(
            step=step,
            reference=spacing.reference,
            reference_key=spacing.reference_key,
            minimum=str(spacing.minimum or ""),
            target=str(spacing.target or ""),
            lapse=str(spacing.lapse or ""),
        )
        return step

    # --- bookings -----------------------------------------------------------------------------------------------------

    def book(self, bookings: Sequence[list[int]]) -> None:
        """Write visits; VISITS_OF_A_COURSE in a row of a practitioner's are one patient's, and overlap no more."""
        turns: dict[int, Iterator[int]] = defaultdict(count)
        visits = [(visit, *divmod(next(turns[visit[0]]), VISITS_OF_A_COURSE)) for visit in bookings]
        courses = self._courses(sorted({(visit[0], turn) for visit, turn, _position in visits}))
        self._lay(
            self._visit,
            [Laid(uuid.uuid4(), position, courses[visit[0], turn], visit) for visit, turn, position in visits],
        )

    def _lay(self, step: models.Step, visits: Iterable[Laid]) -> None:
        """Write sessions of a step, each with its visit and what that takes."""
        given: dict[str, Any] = {
            "site": self.site.pk,
            "zone": self.site.zone,
            "step": step.pk,
            "at": LONG_AGO,
            "lead": LEAD,
            "room": ROOM,
        }
        with without_triggers() as cursor:
            cursor.execute(LAID)
            with cursor.copy("COPY laid FROM STDIN") as copy:
                for session, position, course, (practitioner, room, day, begins, ends, _treatment) in visits:
                    on = day_of(self.clinic, day)
                    starts_at = localtime.day_shape(on, self.clinic["tz"]).starts_at
                    copy.write_row(
                        (
                            position,
                            course.pk,
                            course.patient_id,
                            self.people[practitioner].pk,
                            self.rooms[room].pk,
                            on,
                            _time(begins),
                            ends - begins,
                            starts_at + timedelta(minutes=begins),
                            starts_at + timedelta(minutes=ends),
                            session,
                        )
                    )
            for statement in (SESSIONS, APPOINTMENTS, OCCUPANCIES):
                cursor.execute(statement, given)
            cursor.execute("DROP TABLE laid")

    @cached_property
    def _visit(self) -> models.Step:
        version = self._version(f"{self.name}-year", 30, skill(0), self.clinic["treatments"][0]["room_kind"])
        return self._step(version, 1, "visit", 1, facts.Spacing(facts.Reference.PREVIOUS))

    def _courses(self, keys: Sequence[tuple[int, int]]) -> dict[tuple[int, int], models.Course]:
        """Open courses for visits, by practitioner and turn, each of a patient of its own."""
        step = self._visit
        with without_triggers():
            patients = Patient.objects.bulk_create(
                patient_named(self.people[practitioner].name) for practitioner, _ in keys
            )
            courses = models.Course.objects.bulk_create(
                models.Course(
                    patient=patient,
                    version=step.version,
                    site=self.site,
                    started_at=LONG_AGO,
                    started_on=LONG_AGO.date(),
                )
                for patient in patients
            )
        return dict(zip(keys, courses, strict=True))


@contextlib.contextmanager
def without_triggers() -> Iterator[Any]:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(triggers.OFF)
        cursor.execute("SET LOCAL statement_timeout = 0")  # a year of a large clinic in one statement
        yield cursor
        cursor.execute(triggers.ON_AGAIN)


LAID = """
    CREATE TEMP TABLE laid (position int, course bigint, patient bigint, practitioner bigint, room bigint, day date,
                            at time, minutes int, starts timestamptz, ends timestamptz, uid uuid)
"""
SESSIONS = """
    INSERT INTO scheduling_session (uid, course_id, position, step_key, step_id, state, state_reason, counts,
                                    counts_reason, late_action, window_is_provisional)
    SELECT uid, course, position, 'visit', %(step)s, 'open', '', true, '', '', false FROM laid
"""
APPOINTMENTS = """
    INSERT INTO scheduling_appointment (uid, session_id, patient_id, site_id, lead_id, state, "on", at_time, fold, zone,
        minutes, during, revision, calendar_uid, calendar_sequence, booked_at, cancel_reason, cancel_asked_by, note)
    SELECT l.uid, s.id, l.patient, %(site)s, l.practitioner, 'booked', l.day, l.at, 0, %(zone)s,
           l.minutes, tstzrange(l.starts, l.ends), 1, l.uid::text, 0, %(at)s, '', '', ''
    FROM laid l JOIN scheduling_session s ON s.uid = l.uid
    ORDER BY l.starts
"""
OCCUPANCIES = """
    INSERT INTO scheduling_occupancy (appointment_id, phase, role, resource_id, place, during)
    SELECT a.id, 0, taken.role, taken.resource, 1, a.during
    FROM laid l JOIN scheduling_appointment a ON a.uid = l.uid
    CROSS JOIN LATERAL (VALUES (%(lead)s, l.practitioner), (%(room)s, l.room)) taken (role, resource)
    ORDER BY l.starts
"""


def patient_named(name: str) -> Patient:
    return Patient(given_name="Bench", family_name=name, search_name=name, registered_at=LONG_AGO)


def _time(minute: int) -> time:
    return time(minute // 60, minute % 60)
