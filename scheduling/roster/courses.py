"""Courses to facts: sessions, live visits, and all that the gates look at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from django.db.models import Prefetch, QuerySet

from clinic import localtime
from scheduling.models import Appointment, Course, Occupancy
from scheduling.planner import facts
from scheduling.planner.amounts import birthday
from scheduling.planner.evaluation import RESTARTED
from scheduling.planner.gates import GATES

from .course_rows import CourseRows, Json, history_of, rows_of
from .days import day_or_none, wall_minute
from .periods import minute_of
from .protocols import protocols_facts

Steps = Mapping[tuple[int, str], facts.Step]  # by version and key


def course_facts(course: Course) -> facts.CourseFacts:
    """Return a course as it stands, with every session, its live visits and all that its gates look at."""
    return courses_facts([course])[course.pk]


def courses_facts(courses: Sequence[Course]) -> dict[int, facts.CourseFacts]:
    """Return courses as they stand, by primary key, in one statement for one and for many.

    Each course has its site and version at hand, else those are read one by one.
    """
    stored = rows_of([course.pk for course in courses])
    protocols = protocols_facts(
        [course.version for course in courses],
        _versions_in(row for rows in stored.values() for row in rows.sessions or ()),
    )
    steps = _steps_of(protocols)
    return {course.pk: _course(course, stored[course.pk], protocols[course.version_id], steps) for course in courses}


def history(course: Course) -> facts.CourseFacts:
    """Return a course with nothing but its sessions and events: what its history is judged by, in one statement."""
    sessions, events = history_of(course.pk)
    protocols = protocols_facts([course.version], _versions_in(sessions or ()))
    steps = _steps_of(protocols)
    return facts.CourseFacts(
        id=course.uid,
        protocol=protocols[course.version_id],
        patient=facts.PatientFacts(course.uid),  # nobody asks who it is
        sessions=tuple(_session(row, steps, booked=None, consent=None) for row in sessions or ()),
        started_on=course.started_on,
        events=_events(events),
    )


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
    standing: Iterable[Occupancy] = getattr(appointment, "standing", None) or appointment.occupancies.filter(
        released_at=None
    ).select_related("resource").order_by("phase", "id")
    return _slot(
        appointment.session.uid,
        appointment.on,
        appointment.zone,
        minute_of(appointment.during.lower),
        appointment.minutes,
        appointment.lead.uid,
        [
            (one.phase, one.role, one.resource.uid, one.place, minute_of(one.during.lower), minute_of(one.during.upper))
            for one in standing
        ],
        is_confirmed=appointment.confirmed_at is not None,
    )


# --- rows to facts ----------------------------------------------------------------------------------------------------


def _course(course: Course, rows: CourseRows, protocol: facts.Protocol, steps: Steps) -> facts.CourseFacts:
    consents = {session: _consent(*row) for session, *row in rows.consents or ()}
    *_of_patient, lead, wished = rows.people
    return facts.CourseFacts(
        id=course.uid,
        protocol=protocol,
        patient=_patient(course, protocol, rows),
        sessions=tuple(
            _session(row, steps, booked=_booked(row), consent=consents.get(row["id"])) for row in rows.sessions or ()
        ),
        started_on=course.started_on,
        lead=_uid_or_none(lead),
        events=_events(rows.events),
        wishes=_wishes(course, _uid_or_none(wished)),
        assessment=_assessment(*rows.assessment) if rows.assessment else None,
        consent=consents.get(None),
        holds=tuple(facts.HoldFacts(*row) for row in rows.holds or ()),
        overrides=tuple(_override(*row) for row in rows.overrides or ()),
        elsewhere=tuple(_treatment(*row) for row in rows.elsewhere or ()),
        place="-".join(part for part in (course.site.country, course.site.subdivision) if part),
    )


def _versions_in(sessions: Iterable[Json]) -> set[int]:
    """Return the versions of which there are steps: what was performed before a course moved keeps its own."""
    return {row["version"] for row in sessions}


def _steps_of(protocols: Mapping[int, facts.Protocol]) -> Steps:
    return {(version, step.key): step for version, protocol in protocols.items() for step in protocol.steps}


def _session(
    row: Json, steps: Steps, *, booked: facts.Slot | None, consent: facts.ConsentFacts | None
) -> facts.SessionFacts:
    return facts.SessionFacts(
        id=UUID(row["uid"]),
        position=row["position"],
        step=steps[row["version"], row["step_key"]],
        state=facts.SessionState(row["state"]),
        areas=frozenset(row["areas"]),
        performed_on=day_or_none(row["performed_on"]),
        counts=row["counts"],
        outcome=facts.OutcomeFacts(facts.OutcomeResult(row["result"]), row["is_cleared"]) if row["result"] else None,
        booked=booked,
        consent=consent,
        late_action=row["late_action"],
        restarted=row["counts_reason"] == RESTARTED,
    )


def _booked(session: Json) -> facts.Slot | None:
    visit = session["booked"]
    if visit is None:
        return None
    return _slot(
        UUID(session["uid"]),
        date.fromisoformat(visit["on"]),
        visit["zone"],
        visit["begins"],
        visit["minutes"],
        UUID(visit["lead"]),
        [(phase, role, UUID(uid), *rest) for phase, role, uid, *rest in visit["uses"] or ()],
        is_confirmed=visit["is_confirmed"],
    )


def _slot(
    session: UUID,
    on: date,
    zone: str,
    begins: int,
    minutes: int,
    lead: UUID,
    uses: Iterable[tuple[Any, ...]],
    *,
    is_confirmed: bool,
) -> facts.Slot:
    """Return a slot of moments in minutes since 1970."""
    day_begins = minute_of(localtime.day_shape(on, zone).starts_at)
    return facts.Slot(
        session=session,
        on=on,
        tick=begins - day_begins,
        minutes=minutes,
        lead=lead,
        uses=tuple(
            # Rows number places from 1, the planner from 0.
            facts.Use(phase, role, resource, place - 1, first - day_begins, until - day_begins)
            for phase, role, resource, place, first, until in uses
        ),
        is_confirmed=is_confirmed,
    )


def _patient(course: Course, protocol: facts.Protocol, rows: CourseRows) -> facts.PatientFacts:
    uid, deceased_on, is_merged_away, born, *_others = rows.people
    born_on = day_or_none(born)
    # Whoever was of age when the course began needs no guardian.
    may_be_under_age = born_on is not None and birthday(born_on, protocol.adult_age) > course.started_on
    return facts.PatientFacts(
        id=UUID(uid),
        deceased_on=day_or_none(deceased_on),
        merged_away=is_merged_away,
        answers={
            question: facts.AnswerFacts(value, date.fromisoformat(given_on), is_reviewed)
            for question, value, given_on, is_reviewed in rows.answers or ()
        },
        born_on=born_on,
        guardians=tuple(
            facts.GuardianFacts(day_or_none(from_on), day_or_none(until_on))
            for from_on, until_on in rows.guardians or ()
            if may_be_under_age
        ),
    )


def _wishes(course: Course, practitioner: UUID | None) -> facts.Wishes:
    return facts.Wishes(
        weekdays=frozenset(course.wish_weekdays),
        from_minute=wall_minute(course.wish_from_time) if course.wish_from_time else 0,
        until_minute=wall_minute(course.wish_until_time) if course.wish_until_time else 24 * 60,
        practitioner=practitioner,
        avoid_dates=frozenset(course.wish_avoid_dates),
        language=course.wish_language,
        strict=course.wish_is_strict,
    )


def _uid_or_none(text: str | None) -> UUID | None:
    return UUID(text) if text else None


def _assessment(
    assessed_on: str, suitable: bool, reflux: str, reflux_clear_on: str | None, expires_on: str | None
) -> facts.AssessmentFacts:
    return facts.AssessmentFacts(
        assessed_on=date.fromisoformat(assessed_on),
        suitable=suitable,
        reflux=facts.Reflux(reflux),
        reflux_clear_on=day_or_none(reflux_clear_on),
        expires_on=day_or_none(expires_on),
    )


def _consent(
    informed_on: str, signed_on: str | None, withdrawn_on: str | None, expires_on: str | None, by_guardian: bool
) -> facts.ConsentFacts:
    return facts.ConsentFacts(
        date.fromisoformat(informed_on),
        day_or_none(signed_on),
        day_or_none(withdrawn_on),
        day_or_none(expires_on),
        by_guardian,
    )


def _events(rows: Mapping[str, str] | None) -> dict[str, date]:
    return {key: date.fromisoformat(happened_on) for key, happened_on in (rows or {}).items()}


def _override(rule: str, session: str | None, expires_on: str, subject: str) -> facts.OverrideFacts:
    return facts.OverrideFacts(rule, UUID(session) if session else None, date.fromisoformat(expires_on), subject)


def _treatment(protocol: str, on: str, is_performed: bool, areas: list[str], apart: list[Json]) -> facts.TreatmentFacts:
    keeps = tuple(facts.Gate("apart", GATES["apart"].read(takes)) for takes in apart)
    return facts.TreatmentFacts(protocol, date.fromisoformat(on), is_performed, frozenset(areas), keeps)
