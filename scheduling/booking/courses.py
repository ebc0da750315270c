"""Courses: start one with all its sessions, what the patient would like, what happened beside it, and its end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time
from typing import Any

from django.db.models import F
from django.utils.translation import gettext as _

from clinic import rights
from clinic.acts import act
from clinic.errors import Conflict, Problem, RuleBroken
from clinic.models import Site, User
from clinic.wellformed import language_problems
from patients.models import Area, Patient
from scheduling import roster, wording
from scheduling.models import (
    Assessment,
    Course,
    CourseState,
    NamedEvent,
    ProtocolVersion,
    Resource,
    ResourceKind,
    Session,
    SessionState,
    Step,
)
from scheduling.planner import facts, gates

from .series import record_performed
from .states import change_session, given_up, note, refuse_unless_open
from .windows import refresh_windows


class NotStartable(Conflict):
    code = "course_not_startable"
    title = "This course cannot be started."


@act
def start_course(
    patient: Patient,
    version: ProtocolVersion,
    site: Site,
    *,
    lead: Resource | None = None,
    areas: Iterable[Area] = (),
    wishes: facts.Wishes = facts.Wishes(),  # noqa: B008  (frozen)
    started_on: date | None = None,
    by: User | None,
    now: datetime,
) -> Course:
    """Open a course with all its sessions; raise NotStartable with everything that stands against it.

    An assessment that the patient already has for this protocol counts as the course's assessment session, unless it is
    too old or found the treatment unsuitable: then a clinician must assess again, and that session is there for it.
    A course that was begun elsewhere says on which day.
    """
    rights.require(by, site, *rights.FRONT_DESK)
    patient = Patient.objects.select_for_update(no_key=True).get(pk=patient.pk)
    site = roster.keep_site(site)
    on = roster.today(site, now)
    chosen = list(areas)
    problems = given_up(site) + _against_starting(patient, version, lead, chosen, on)
    if started_on is not None and started_on > on:
        problems.append(Problem("started_in_future", _("A course that was begun has its day behind it."), "started_on"))
    if problems:
        raise NotStartable(*problems)
    course = Course.objects.create(
        patient=patient,
        version=version,
        site=site,
        lead=lead,
        started_at=now,
        started_on=started_on or on,
        started_by=by,
        **_wish_fields(wishes),
    )
    course.areas.set(chosen)
    _open_sessions(course, chosen)
    note(course, to_state=CourseState.OPEN, by=by, now=now)
    _take_over_assessment(course, on=on, by=by, now=now)
    refresh_windows(course)
    return course


def _against_starting(
    patient: Patient, version: ProtocolVersion, lead: Resource | None, areas: Sequence[Area], on: date
) -> list[Problem]:
    problems = []
    if not patient.is_active:
        problems.append(Problem("patient_inactive", _("The patient has died, or the record was merged."), "patient"))
    if not ProtocolVersion.objects.usable_on(on).filter(pk=version.pk).exists():
        problems.append(
            Problem("protocol_not_usable", _("This protocol version is not approved, or not in force."), "protocol")
        )
    allowed = roster.protocol_facts(version).areas
    if allowed and not areas:
        problems.append(Problem("areas_missing", _("Say which areas are to be treated."), "areas"))
    problems += [
        Problem(
            "area_not_allowed", wording.sentence("area_not_allowed", subject=area.name), "areas", {"area": area.code}
        )
        for area in areas
        if area.code not in allowed
    ]
    if lead is not None and lead.kind != ResourceKind.PRACTITIONER:
        problems.append(Problem("lead_not_a_practitioner", _("The lead must be a person."), "lead"))
    if Course.objects.open().filter(patient=patient, version__protocol=version.protocol_id).exists():
        problems.append(
            Problem(
                "course_already_open", _("The patient has an open course of this protocol. Use that one."), "protocol"
            )
        )
    return problems


def _open_sessions(course: Course, areas: list[Area]) -> None:
    rows = [
        Session(course=course, position=position, step=step, step_key=step.key)
        for position, step in enumerate(
            (step for step in course.version.steps.order_by("position") for _number in range(step.sessions)), start=1
        )
    ]
    sessions = Session.objects.bulk_create(rows)
    planned = Session.planned_areas.through
    planned.objects.bulk_create(
        [planned(session_id=session.pk, area_id=area.pk) for session in sessions for area in areas]
    )


def _take_over_assessment(course: Course, *, on: date, by: User | None, now: datetime) -> None:
    done = (
        Assessment.objects.filter(patient=course.patient, protocol=course.version.protocol_id, error_at=None)
        .order_by("-assessed_on", "-id")
        .first()
    )
    opening = course.assessment_session
    if done is not None and opening is not None and _still_counts(course, opening, on):
        record_performed(
            opening, performed_on=done.assessed_on, performed_at=None, reason="assessed_before", by=by, now=now
        )


def _still_counts(course: Course, opening: Session, on: date) -> bool:
    """Whether the patient's assessment says on that day that the treatment may be given, now or after a while."""
    as_it_stands = roster.course_facts(course)
    asked = next(session for session in as_it_stands.sessions if session.id == opening.uid)
    codes = {answer.code for answer in gates.assessment.ask(gates.DatedSession(asked, on, as_it_stands, on))}
    return not codes & {"assessment_expired", "assessment_unsuitable"}


@act
def set_wishes(course: Course, wishes: facts.Wishes, *, by: User | None, now: datetime) -> Course:
    """Replace what the patient would like; booked visits stay where they are."""
    rights.require(by, course.site, *rights.FRONT_DESK)
    course = roster.lock(course, now=now)
    refuse_unless_open(course)
    changed = _wish_fields(wishes) | {"revision": F("revision") + 1}
    Course.objects.filter(pk=course.pk).update(**changed)
    note(
        course,
        from_state=course.state,
        to_state=course.state,
        reason="wishes",
        details={"changed": "wishes"},
        by=by,
        now=now,
    )
    course.refresh_from_db(fields=changed)
    return course


def write_event(
    course: Course, key: str, happened_on: date, *, note: str, by: User | None, now: datetime
) -> NamedEvent:
    """Write something from which a spacing counts, or correct its date. A primitive of `intake.record_event`."""
    refuse_unless_open(course)
    event, _created = NamedEvent.objects.update_or_create(
        course=course,
        key=key,
        defaults={"happened_on": happened_on, "note": note, "recorded_at": now, "recorded_by": by},
    )
    return event


def follow_version(
    course: Course, version: ProtocolVersion, steps: Mapping[int, Step], *, reason: str, by: User | None, now: datetime
) -> Course:
    """Give a course another version, and its open sessions (by primary key) the steps of that one.

    A primitive of `versions.move`. What was performed keeps the step by which it was done.
    """
    before = course.version
    rows = list(Session.objects.filter(pk__in=steps))
    for row in rows:
        row.step = steps[row.pk]
    Session.objects.bulk_update(rows, ["step"])
    Course.objects.filter(pk=course.pk).update(version=version, revision=F("revision") + 1)
    note(
        course,
        from_state=course.state,
        to_state=course.state,
        reason=reason,
        details={"version": {"from": before.number, "to": version.number}},
        by=by,
        now=now,
    )
    return Course.objects.for_facts().get(pk=course.pk)


@act
def close_course(course: Course, *, reason: str, by: User | None, now: datetime, completed: bool = False) -> Course:
    """End a course whose visits are released already: open sessions are dropped with the reason, rows stay.

    A primitive: `visits.end_course` cancels the visits and the messages around it.
    """
    state = CourseState.COMPLETED if completed else CourseState.ENDED
    for session in course.sessions.filter(state=SessionState.OPEN):
        change_session(session, SessionState.DROPPED, reason=reason or "course_completed", by=by, now=now)
    changed = {
        "state": state,
        "ended_at": now,
        "end_reason": "" if completed else reason,
        "revision": F("revision") + 1,
    }
    Course.objects.filter(pk=course.pk).update(**changed)
    note(course, from_state=course.state, to_state=state, reason=reason, by=by, now=now)
    course.refresh_from_db(fields=changed)
    return course


def _wish_fields(wishes: facts.Wishes) -> dict[str, Any]:
    practitioner = None
    if wishes.practitioner is not None:
        practitioner = Resource.objects.practitioners().filter(uid=wishes.practitioner).first()
        if practitioner is None:
            raise RuleBroken(
                Problem("practitioner_unknown", _("There is no such practitioner."), "wishes.practitioner")
            )
    if not wishes.weekdays <= set(range(7)):
        raise RuleBroken(Problem("weekday_unknown", _("Weekdays are 0 (Monday) to 6."), "wishes.weekdays"))
    if not 0 <= wishes.from_minute < wishes.until_minute <= 24 * 60:
        raise RuleBroken(Problem("wish_times_reversed", _("“Not before” must be earlier than “done by”."), "wishes"))
    if wishes.language and (problems := language_problems(wishes.language, "wishes.language")):
        raise RuleBroken(*problems)
    return {
        "wish_weekdays": sorted(wishes.weekdays),
        "wish_from_time": _time_of(wishes.from_minute) if wishes.from_minute else None,
        "wish_until_time": _time_of(wishes.until_minute) if wishes.until_minute < 24 * 60 else None,
        "wish_practitioner": practitioner,
        "wish_avoid_dates": sorted(wishes.avoid_dates),
        "wish_language": wishes.language,
        "wish_is_strict": wishes.strict,
    }


def _time_of(minute: int) -> time:
    return time(minute // 60, minute % 60)
