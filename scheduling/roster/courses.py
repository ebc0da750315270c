"""Courses to facts: sessions, live visits, and all that the gates look at."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple, TypeVar

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Model, OuterRef, Prefetch, QuerySet, Value

from clinic import localtime
from patients.models import Answer, Guardian, Patient
from scheduling.models import (
    Appointment,
    Assessment,
    Consent,
    Course,
    Hold,
    NamedEvent,
    Occupancy,
    Override,
    Session,
    StepGate,
)
from scheduling.planner import facts
from scheduling.planner.amounts import birthday
from scheduling.planner.evaluation import RESTARTED
from scheduling.planner.gates import GATES

from .days import minutes_between, wall_minute
from .protocols import protocols_facts

Row = TypeVar("Row")


class Treatment(NamedTuple):
    """A treatment of a patient in one of the courses."""

    course: int
    patient: int
    protocol: str
    on: date
    is_performed: bool
    areas: list[str]
    apart: list[dict[str, Any]]  # what its step's gates `apart` take, as it is stored

    def as_facts(self) -> facts.TreatmentFacts:
        apart = tuple(facts.Gate("apart", GATES["apart"].read(takes)) for takes in self.apart)
        return facts.TreatmentFacts(self.protocol, self.on, self.is_performed, frozenset(self.areas), apart)


def course_facts(course: Course) -> facts.CourseFacts:
    """Return a course as it stands, with every session, its live visits and all that its gates look at."""
    return courses_facts([course])[course.pk]


def courses_facts(courses: Sequence[Course]) -> dict[int, facts.CourseFacts]:
    """Return courses as they stand, by primary key, in the same number of statements for one and for many.

    Each course has its patient, lead, wished practitioner and version at hand (`for_facts` of its queryset), else those
    are read one by one.
    """
    sessions = _grouped(_sessions(courses), "course_id")
    protocols = protocols_facts([course.version for course in courses], _versions_in(sessions))
    steps = {(version, step.key): step for version, protocol in protocols.items() for step in protocol.steps}
    areas = _areas(courses)
    live = live_appointments().filter(session__course__in=courses)
    booked = {appointment.session_id: slot_of(appointment) for appointment in live}
    answers = _grouped(_newest_answers(courses), "patient_id")
    assessments = _newest_assessments(courses)
    consents = _newest_consents(courses)
    guardians = _guardians([course for course in courses if _may_be_under_age(course, protocols[course.version_id])])
    treatments = _treatments(courses)
    holds = _grouped(Hold.objects.standing().filter(course__in=courses).order_by("pk"), "course_id")
    events = _grouped(NamedEvent.objects.filter(course__in=courses), "course_id")
    overrides = _grouped(
        Override.objects.filter(course__in=courses, revoked_at=None).select_related("session").order_by("pk"),
        "course_id",
    )
    return {
        course.pk: facts.CourseFacts(
            id=course.uid,
            protocol=protocols[course.version_id],
            patient=_patient(course.patient, answers[course.patient_id], guardians[course.patient_id]),
            sessions=tuple(
                _session(
                    row,
                    step,
                    areas=areas.get(row.id, frozenset()),
                    booked=booked.get(row.id),
                    consent=consents.get((course.pk, row.id)),
                )
                for row in sessions[course.pk]
                for step in (steps[row.step__version_id, row.step_key],)
            ),
            started_on=course.started_on,
            lead=course.lead.uid if course.lead else None,
            events={event.key: event.happened_on for event in events[course.pk]},
            wishes=wishes_of(course),
            assessment=assessments.get((course.patient_id, course.version.protocol_id)),
            consent=consents.get((course.pk, None)),
            holds=tuple(facts.HoldFacts(hold.code, hold.reason, hold.lifted_by_role) for hold in holds[course.pk]),
            overrides=tuple(_override(override) for override in overrides[course.pk]),
            elsewhere=tuple(one.as_facts() for one in treatments[course.patient_id] if one.course != course.pk),
            place="-".join(part for part in (course.site.country, course.site.subdivision) if part),
        )
        for course in courses
    }


def history(course: Course) -> facts.CourseFacts:
    """Return a course with nothing but its sessions and events: what its history is judged by, in few statements."""
    rows = list(_sessions([course]))
    protocols = protocols_facts([course.version], _versions_in({course.pk: rows}))
    steps = {(version, step.key): step for version, protocol in protocols.items() for step in protocol.steps}
    areas = _areas([course])
    return facts.CourseFacts(
        id=course.uid,
        protocol=protocols[course.version_id],
        patient=facts.PatientFacts(course.uid),  # nobody asks who it is
        sessions=tuple(
            _session(
                row,
                steps[row.step__version_id, row.step_key],
                areas=areas.get(row.id, frozenset()),
                booked=None,
                consent=None,
            )
            for row in rows
        ),
        started_on=course.started_on,
        events=dict(NamedEvent.objects.filter(course=course).values_list("key", "happened_on")),
    )


def _grouped(rows: Iterable[Row], key: str) -> dict[int, list[Row]]:
    found: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        found[getattr(row, key)].append(row)
    return found


def live_appointments() -> QuerySet[Appointment]:
    """Return live appointments with all that a slot is made of."""
    standing = Occupancy.objects.standing().select_related("resource").order_by("phase", "id")
    return (
        Appointment.objects.live()
        .select_related("lead", "session")
        .prefetch_related(Prefetch("occupancies", standing, to_attr="standing"))
    )


def slot_of(appointment: Appointment) -> facts.Slot:
    """Return a live appointment in the planner's own shape. Wants `occupancies` as `live_appointments` fetches them."""
    starts_at = localtime.day_shape(appointment.on, appointment.zone).starts_at
    standing: Iterable[Occupancy] = getattr(appointment, "standing", None) or appointment.occupancies.filter(
        released_at=None
    ).select_related("resource").order_by("phase", "id")
    return facts.Slot(
        session=appointment.session.uid,
        on=appointment.on,
        tick=minutes_between(starts_at, appointment.during.lower),
        minutes=appointment.minutes,
        lead=appointment.lead.uid,
        uses=tuple(
            facts.Use(
                phase=taken.phase,
                role=taken.role,
                resource=taken.resource.uid,
                place=taken.place - 1,  # rows number places from 1, the planner from 0
                from_tick=minutes_between(starts_at, taken.during.lower),
                until_tick=minutes_between(starts_at, taken.during.upper),
            )
            for taken in standing
        ),
    )


def wishes_of(course: Course) -> facts.Wishes:
    return facts.Wishes(
        weekdays=frozenset(course.wish_weekdays),
        from_minute=wall_minute(course.wish_from_time) if course.wish_from_time else 0,
        until_minute=wall_minute(course.wish_until_time) if course.wish_until_time else 24 * 60,
        practitioner=course.wish_practitioner.uid if course.wish_practitioner else None,
        avoid_dates=frozenset(course.wish_avoid_dates),
        language=course.wish_language,
        strict=course.wish_is_strict,
    )


def _sessions(courses: Collection[Course]) -> QuerySet[Session, Any]:
    return (
        Session.objects.filter(course__in=courses)
        .order_by("position")
        .values_list(
            "id",
            "uid",
            "course_id",
            "position",
            "step_key",
            "state",
            "performed_on",
            "counts",
            "counts_reason",
            "late_action",
            "step__version_id",
            "outcome__result",
            "outcome__cleared_at",
            named=True,
        )
    )


def _versions_in(sessions: Mapping[int, Iterable[Any]]) -> set[int]:
    """Return the versions of which there are steps: what was performed before a course moved keeps its own."""
    return {row.step__version_id for rows in sessions.values() for row in rows}


def _session(
    row: Any,
    step: facts.Step,
    *,
    areas: frozenset[str],
    booked: facts.Slot | None,
    consent: facts.ConsentFacts | None,
) -> facts.SessionFacts:
    return facts.SessionFacts(
        id=row.uid,
        position=row.position,
        step=step,
        state=facts.SessionState(row.state),
        areas=areas,
        performed_on=row.performed_on,
        counts=row.counts,
        outcome=facts.OutcomeFacts(facts.OutcomeResult(row.outcome__result), row.outcome__cleared_at is not None)
        if row.outcome__result
        else None,
        booked=booked,
        consent=consent,
        late_action=row.late_action,
        restarted=row.counts_reason == RESTARTED,
    )


def _areas(courses: Collection[Course]) -> dict[int, frozenset[str]]:
    """Return the areas of each session by its primary key: those treated when it is performed, else those planned."""
    planned = Session.planned_areas.through.objects.filter(session__course__in=courses, session__performed_on=None)
    treated = Session.treated_areas.through.objects.filter(
        session__course__in=courses, session__performed_on__isnull=False
    )
    found: dict[int, set[str]] = defaultdict(set)
    for session, code in planned.values_list("session_id", "area__code").union(
        treated.values_list("session_id", "area__code")
    ):
        found[session].add(code)
    return {session: frozenset(codes) for session, codes in found.items()}


def _patient(patient: Patient, newest: Iterable[Any], guardians: Iterable[Guardian]) -> facts.PatientFacts:
    return facts.PatientFacts(
        id=patient.uid,
        deceased_on=patient.deceased_on,
        merged_away=patient.merged_into_id is not None,
        answers={
            answer.question__code: facts.AnswerFacts(answer.value, answer.given_on, answer.reviewed_at is not None)
            for answer in newest
        },
        born_on=patient.born_on,
        guardians=tuple(facts.GuardianFacts(one.from_on, one.until_on) for one in guardians),
    )


def _may_be_under_age(course: Course, protocol: facts.Protocol) -> bool:
    """Whether the patient was not of age when the course began. No guardian is asked for otherwise."""
    born_on = course.patient.born_on
    return born_on is not None and birthday(born_on, protocol.adult_age) > course.started_on


def _guardians(courses: Collection[Course]) -> dict[int, list[Guardian]]:
    patients = {course.patient_id for course in courses}
    return _grouped(Guardian.objects.filter(patient__in=patients).order_by("pk") if patients else (), "patient_id")


def _treatments(courses: Collection[Course]) -> dict[int, list[Treatment]]:
    """Return every treatment of the courses' patients that is performed or booked, in whatever course.

    One statement: each has its areas, and what its own protocol asks to be kept apart from, in arrays.
    """
    found: dict[int, list[Treatment]] = defaultdict(list)
    patients = {course.patient_id for course in courses}
    performed = Session.objects.filter(
        course__patient__in=patients, step__kind=facts.StepKind.TREATMENT, performed_on__isnull=False
    ).values_list(
        "course_id",
        "course__patient_id",
        "course__version__protocol__key",
        "performed_on",
        Value(True),
        _area_codes(Session.treated_areas.through, "pk"),
        _kept_apart("step"),
    )
    booked = (
        Appointment.objects.live()
        .filter(patient__in=patients, session__step__kind=facts.StepKind.TREATMENT)
        .values_list(
            "session__course_id",
            "patient_id",
            "session__course__version__protocol__key",
            "on",
            Value(False),
            _area_codes(Session.planned_areas.through, "session"),
            _kept_apart("session__step"),
        )
    )
    for row in performed.union(booked, all=True).order_by("performed_on"):
        treatment = Treatment(*row)
        found[treatment.patient].append(treatment)
    return found


def _area_codes(through: type[Model], session: str) -> ArraySubquery:
    return ArraySubquery(through._default_manager.filter(session=OuterRef(session)).values("area__code"))


def _kept_apart(step: str) -> ArraySubquery:
    return ArraySubquery(StepGate.objects.filter(step=OuterRef(step), name="apart").order_by("pk").values("parameters"))


def _newest_answers(courses: Collection[Course]) -> QuerySet[Answer, Any]:
    return (
        Answer.objects.filter(patient__in={course.patient_id for course in courses}, error_at=None)
        .order_by("patient_id", "question_id", "-given_on", "-recorded_at", "-id")
        .distinct("patient_id", "question_id")
        .values_list("patient_id", "question__code", "value", "given_on", "reviewed_at", named=True)
    )


def _newest_assessments(courses: Sequence[Course]) -> dict[tuple[int, int], facts.AssessmentFacts]:
    newest = (
        Assessment.objects.filter(patient__in={course.patient_id for course in courses}, error_at=None)
        .order_by("patient_id", "protocol_id", "-assessed_on", "-id")
        .distinct("patient_id", "protocol_id")
    )
    return {
        (row.patient_id, row.protocol_id): facts.AssessmentFacts(
            assessed_on=row.assessed_on,
            suitable=row.is_suitable,
            reflux=facts.Reflux(row.reflux),
            reflux_clear_on=row.reflux_clear_on,
            expires_on=row.expires_on,
        )
        for row in newest
    }


def _newest_consents(courses: Collection[Course]) -> dict[tuple[int, int | None], facts.ConsentFacts]:
    """Return consents by course and session (None: for the whole course)."""
    newest = (
        Consent.objects.filter(course__in=courses)
        .order_by("course_id", "session_id", "-informed_on", "-id")
        .distinct("course_id", "session_id")
    )
    return {
        (row.course_id, row.session_id): facts.ConsentFacts(
            row.informed_on, row.signed_on, row.withdrawn_on, row.expires_on, row.given_by_guardian_id is not None
        )
        for row in newest
    }


def _override(override: Override) -> facts.OverrideFacts:
    session = override.session.uid if override.session else None
    return facts.OverrideFacts(override.rule, session, override.expires_on, override.subject)
