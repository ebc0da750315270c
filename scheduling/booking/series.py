"""The sessions of a course as a series: what of its history counts, sessions opened besides, and where they stand.

Primitives: the acts call these inside their own transaction, under their own locks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime
from typing import Any

from django.db.models import F
from django.utils.translation import gettext as _

from clinic.errors import Conflict, Problem
from clinic.models import User
from patients.models import Area
from scheduling import roster
from scheduling.models import Appointment, Course, CourseState, Resource, Session, SessionState, SessionUse, Step
from scheduling.planner.evaluation import RESTARTED, TOO_SOON, evaluate

from .states import change_session, note

GONE = (SessionState.SKIPPED, SessionState.DROPPED)


class CapReached(Conflict):
    """The protocol allows no more sessions of this step."""

    code = "cap_reached"
    title = "The protocol allows no more sessions of this step."


def record_performed(
    session: Session,
    *,
    performed_on: date,
    performed_at: datetime | None,
    by: User | None,
    now: datetime,
    reason: str = "",
    minutes: int | None = None,
    treated_areas: Iterable[Area] | None = None,
    uses: Mapping[str, Resource] | None = None,
) -> tuple[Session, ...]:
    """Record that an open session took place, and `judge` the history it is part of. Never refuses the truth."""
    change_session(
        session,
        SessionState.PERFORMED,
        reason=reason,
        by=by,
        now=now,
        performed_on=performed_on,
        performed_at=performed_at,
        performed_minutes=minutes,
        state_reason="",
    )
    session.treated_areas.set(session.planned_areas.all() if treated_areas is None else treated_areas)
    SessionUse.objects.bulk_create(
        [SessionUse(session=session, role=role, resource=resource) for role, resource in (uses or {}).items()]
    )
    not_replaced = judge(session.course, by=by, now=now)
    session.refresh_from_db(fields=["counts", "counts_reason", "position"])
    return not_replaced


def correct_performed(
    session: Session, *, performed_on: date, performed_at: datetime | None, reason: str, by: User | None, now: datetime
) -> tuple[Session, ...]:
    """Write when a performed session really took place, and judge the history anew, as `judge` does."""
    was_on = session.performed_on
    Session.objects.filter(pk=session.pk).update(performed_on=performed_on, performed_at=performed_at)
    corrected = {"from": was_on.isoformat() if was_on else None, "to": performed_on.isoformat()}
    note(
        session.course,
        session,
        from_state=session.state,
        to_state=session.state,
        reason=reason,
        details={"performed_on": corrected},
        by=by,
        now=now,
    )
    not_replaced = judge(session.course, by=by, now=now)
    session.refresh_from_db()
    return not_replaced


def reopen_session(session: Session, *, reason: str, by: User | None, now: datetime) -> None:
    """Open a session again whose performance was recorded in error, and judge the history that is left.

    The visit it had stays what it was.
    """
    fields = {
        "performed_on": None,
        "performed_at": None,
        "performed_minutes": None,
        "counts": True,
        "counts_reason": "",
    }
    performed = Session.objects.filter(pk=session.pk, state=SessionState.PERFORMED)
    if not performed.update(state=SessionState.OPEN, **fields):
        return
    session.treated_areas.clear()
    session.uses.all().delete()
    note(
        session.course,
        session,
        from_state=SessionState.PERFORMED,
        to_state=SessionState.OPEN,
        reason=reason,
        by=by,
        now=now,
    )
    judge(session.course, by=by, now=now)
    session.refresh_from_db()


def judge(course: Course, *, by: User | None, now: datetime) -> tuple[Session, ...]:
    """Write which performed sessions count, and open another of its step right after each that turns out too soon.

    Where the step's cap forbids another, the session is named in the answer. Nothing is opened in a course that has
    ended, in whose place another goes on, or whose patient has died. One that counts after all gives up the session
    that was opened for it, unless that is performed or booked.
    """
    as_it_stands = roster.history(course)
    known = {session.id: session for session in as_it_stands.sessions}
    wrong = {one.session: one.counts for one in evaluate(as_it_stands) if one.counts != known[one.session].counts}
    is_over = course.state != CourseState.OPEN and not _may_open_again(course)
    not_replaced = []
    for session in course.sessions.filter(uid__in=wrong).select_related("course__version", "step").order_by("position"):
        session.refresh_from_db(fields=["position"])  # one opened before it has moved it
        counts = wrong[session.uid]
        set_counts(session, counts=counts, reason="" if counts else TOO_SOON, by=by, now=now)
        if counts:
            _give_up_replacement(session, by=by, now=now)
        elif is_over:
            continue
        elif has_room(course, session.step):
            areas = list(session.planned_areas.all())
            details = {"replaces": str(session.uid)}
            open_session(
                course,
                _step_now(session),
                session.position + 1,
                areas=areas,
                details=details,
                reason=TOO_SOON,
                by=by,
                now=now,
            )
        else:
            not_replaced.append(session)
    _put_in_order(course)
    return tuple(not_replaced)


def _put_in_order(course: Course) -> None:
    """Let what took place stand in the order of its dates, before what is to come: each kind on the places it has.

    What a window counts from and whose outcome a gate asks for is the session before it by position. One performed out
    of its turn, or whose date was corrected, would else be passed over. Assessments stay where their protocol has them.
    """
    rows = course.sessions.exclude(state__in=GONE).exclude(step__kind=Step.Kind.ASSESSMENT).order_by("position")
    by_kind: dict[str, list[tuple[int, int, date | None]]] = {}
    for kind, pk, position, performed_on in rows.values_list("step__kind", "pk", "position", "performed_on"):
        by_kind.setdefault(kind, []).append((pk, position, performed_on))
    for own in by_kind.values():
        in_order = sorted(own, key=lambda one: (one[2] or date.max, one[1]))
        for (_other, place, _on), (pk, position, _performed_on) in zip(own, in_order, strict=True):
            if position != place:
                Session.objects.filter(pk=pk).update(position=place)


def _may_open_again(course: Course) -> bool:
    is_completed = course.state == CourseState.COMPLETED
    return is_completed and course.patient.is_active and not has_successor(course)


def has_successor(course: Course) -> bool:
    """Whether a completed course has another of its protocol after it, which goes on in its place."""
    others = Course.objects.open().filter(patient=course.patient_id, version__protocol=course.version.protocol_id)
    return course.state == CourseState.COMPLETED and others.exists()


def set_counts(session: Session, *, counts: bool, reason: str, by: User | None, now: datetime) -> None:
    """Write whether a performed session counts, and why not."""
    Session.objects.filter(pk=session.pk).update(counts=counts, counts_reason=reason)
    session.counts, session.counts_reason = counts, reason
    note(
        session.course,
        session,
        from_state=session.state,
        to_state=session.state,
        reason=reason,
        details={"counts": counts},
        by=by,
        now=now,
    )


def set_late_action(session: Session, action: str) -> None:
    """Write what a clinician decided for an open session that comes late."""
    Session.objects.filter(pk=session.pk).update(late_action=action)


def set_planned_areas(
    course: Course, areas: Mapping[Session, Collection[Area]], *, by: User | None, now: datetime
) -> list[Session]:
    """Write which areas open sessions of a course are to treat; return those for which they were others before.

    A primitive of `sessions.plan_areas`.
    """
    changed = []
    for session, chosen in areas.items():
        old, new = (sorted(area.code for area in some) for some in (session.planned_areas.all(), chosen))
        if old != new:
            session.planned_areas.set(chosen)
            details = {"areas": {"from": old, "to": new}}
            note(course, session, from_state=session.state, to_state=session.state, details=details, by=by, now=now)
            changed.append(session)
    if changed:
        Course.objects.filter(pk=course.pk).update(revision=F("revision") + 1)
    return changed


def has_room(course: Course, step: Step) -> bool:
    """Whether the step's cap allows another session; those from before a restart are none of the series."""
    allowed = course.version.steps.filter(key=step.key).values_list("max_sessions", flat=True).first()
    series = course.sessions.filter(step_key=step.key).exclude(state__in=GONE).exclude(counts_reason=RESTARTED)
    return allowed is None or series.count() < allowed


def refuse_beyond_cap(course: Course, step: Step) -> None:
    if not has_room(course, step):
        raise CapReached(
            Problem(
                "cap_reached",
                _("The protocol allows no more sessions of “%(step)s”. End the course, or move it to another version.")
                % {"step": step.name},
                "step",
                {"at_most": step.max_sessions},
            )
        )


def open_session(
    course: Course,
    step: Step,
    position: int,
    *,
    areas: Iterable[Area],
    by: User | None,
    now: datetime,
    reason: str = "",
    details: Mapping[str, Any] | None = None,
) -> Session:
    """Open one more session of a step at a position; those that stood there or later stand one further."""
    course.sessions.filter(position__gte=position).update(position=F("position") + 1)
    session = Session.objects.create(course=course, position=position, step=step, step_key=step.key)
    session.planned_areas.set(areas)
    note(course, session, to_state=SessionState.OPEN, reason=reason, details=details, by=by, now=now)
    return session


def position_of_another(course: Course, step: Step) -> int:
    """Return where a further session of a step of the course's version stands; see `place_of_another`."""
    order = dict(course.version.steps.values_list("key", "position"))
    rows = course.sessions.exclude(state__in=GONE).order_by("position").values_list("position", "step_key", "state")
    return place_of_another(step.position, [(at, order.get(key), state) for at, key, state in rows])


def place_of_another(order: int, rows: Iterable[tuple[int, int | None, str]]) -> int:
    """Return the position of a further session of the step that comes in this order in its protocol.

    It stands after every session of that step and the steps before it, and after all that was performed: it is still to
    come. `rows` are (position, order of its step, state) of the sessions that are not given up.
    """
    before = [
        position
        for position, other, state in rows
        if state == SessionState.PERFORMED or (other is not None and other <= order)
    ]
    return max(before, default=0) + 1


def reopen(course: Course, *, reason: str, by: User | None, now: datetime) -> None:
    """Open a completed course again, for a session that is added to it."""
    Course.objects.filter(pk=course.pk).update(state=CourseState.OPEN, ended_at=None, revision=F("revision") + 1)
    note(course, from_state=course.state, to_state=CourseState.OPEN, reason=reason, by=by, now=now)
    course.refresh_from_db()


def _step_now(session: Session) -> Step:
    """Return the session's step as the course's version has it; a step it has no longer stays as it was."""
    return session.course.version.steps.filter(key=session.step_key).first() or session.step


def _give_up_replacement(session: Session, *, by: User | None, now: datetime) -> None:
    opened = Session.objects.filter(
        course=session.course_id, state=SessionState.OPEN, changes__details__replaces=str(session.uid)
    )
    for other in opened.select_related("course"):
        if not Appointment.objects.live().filter(session=other).exists():
            change_session(other, SessionState.DROPPED, reason="not_needed", by=by, now=now)
