"""A site with patients in treatment: what booking, lists and mail are measured on.

The first course is cleared by the service's own acts, the others are copies of its rows.
"""

from __future__ import annotations

from datetime import date, timedelta
from itertools import count
from typing import TypeVar

from django.db.models import Model

from patients.models import Answer, Patient
from scheduling import roster
from scheduling.models import Assessment, Consent, Course, Session
from scheduling.planner import facts
from scheduling.planner.shapes import stretches_of
from tests import build

Row = TypeVar("Row", bound=Model)

LEADS = 12
CAPABILITIES = {"sclerotherapy": "practitioner", "treatment_room": "room", "walking_supervision": "practitioner"}
VISITS_A_DAY = 50
BEGINS = (540, 585, 630, 675, 795)  # minutes after midnight; lunch between the last two
WEEKS_BETWEEN = 4


class Desk(build.Clinic):
    """The shipped microsclerotherapy, with enough people and rooms that a day's patients come on one day."""

    def __init__(self) -> None:
        super().__init__(leads=LEADS)
        self._able = {
            capability: [build.resource(capability, at=self.site, kind=kind) for _ in range(LEADS)]
            for capability, kind in CAPABILITIES.items()
        }
        self._number = count(1)
        self._model = self.cleared_course()

    def courses(self, wanted: int) -> list[Course]:
        """Return so many courses, each of a patient of its own, that are ready to be booked."""
        model = self._model
        patients = [
            _copy(model.patient, family_name=f"Sørensen {n}", search_name=f"maria sorensen {n}")
            for n in (next(self._number) for _ in range(wanted))
        ]
        Patient.objects.bulk_create(patients)
        courses = Course.objects.bulk_create([_copy(model, patient=patient) for patient in patients])
        Assessment.objects.bulk_create(
            _copy(row, patient=patient, session=None)
            for row in Assessment.objects.filter(patient=model.patient)
            for patient in patients
        )
        Answer.objects.bulk_create(
            _copy(row, patient=patient) for row in Answer.objects.filter(patient=model.patient) for patient in patients
        )
        Consent.objects.bulk_create(
            _copy(row, course=course) for row in Consent.objects.filter(course=model) for course in courses
        )
        for row in model.sessions.prefetch_related("planned_areas"):
            sessions = Session.objects.bulk_create([_copy(row, course=course) for course in courses])
            areas = Session.planned_areas.through
            areas.objects.bulk_create(
                areas(session_id=session.pk, area_id=area.pk)
                for session in sessions
                for area in row.planned_areas.all()
            )
        return list(Course.objects.for_facts().filter(pk__in=[course.pk for course in courses]).order_by("pk"))

    def slots(self, course: Course, number: int, first_on: date) -> list[facts.Slot]:
        """Return times for the sessions of the `number`th course that begins on that Monday, four weeks apart."""
        turn, who = divmod(number, LEADS)
        steps = {step.key: step for step in roster.protocol_facts(course.version).steps}
        return [
            self._slot(
                session, steps[session.step_key], first_on + timedelta(weeks=WEEKS_BETWEEN * index), BEGINS[turn], who
            )
            for index, session in enumerate(build.sessions_of(course))
        ]

    def _slot(self, session: Session, step: facts.Step, on: date, tick: int, who: int) -> facts.Slot:
        uses = tuple(
            facts.Use(
                stretch.phase,
                stretch.role,
                self._able[stretch.capability][who].uid,
                0,
                tick + stretch.from_minute,
                tick + stretch.until_minute,
            )
            for stretch in stretches_of(step)
        )
        lead = next(use.resource for use in uses if use.role == step.lead_role)
        return facts.Slot(session.uid, on, tick, step.minutes, lead, uses)


def _copy(row: Row, **changes: object) -> Row:
    """Return an unsaved row that is equal but for its keys and the changes."""
    names = [field.attname for field in row._meta.concrete_fields if field.name not in {"id", "uid", *changes}]
    return type(row)(**{name: getattr(row, name) for name in names}, **changes)
