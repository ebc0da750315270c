"""Sessions that took place: record one, correct when it was; windows, calls and the rest of the course follow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.utils.translation import gettext as _

from clinic import localtime, rights
from clinic.acts import act
from clinic.errors import Problem, RuleBroken
from clinic.models import Role, User
from patients.models import Area
from scheduling import booking, holds, outbox, replanning, roster
from scheduling.models import (
    Appointment,
    Assessment,
    Course,
    CourseState,
    FollowUpTask,
    Occupancy,
    Proposal,
    Resource,
    Session,
    SessionState,
)
from scheduling.planner.amounts import Amount

from .courses import hold, is_done, look_at_other_courses
from .outcomes import OutcomeInput, write_outcome


@dataclass(frozen=True, slots=True)
class Performed:
    """What really happened. `at_time` is the site's wall clock; areas are codes, None for those planned."""

    performed_on: date
    at_time: time | None = None
    outcome: OutcomeInput | None = None
    treated_areas: tuple[str, ...] | None = None
    minutes: int | None = None
    lead: Resource | None = None


@dataclass(frozen=True, slots=True)
class PerformResult:
    session: Session
    proposal: Proposal | None


@act
def perform(session: Session, what: Performed, *, by: User | None, now: datetime) -> PerformResult:
    """Record that a session took place, with its outcome if there is one; return a proposal for visits it pushes out.

    Windows and gates are not asked: what happened, happened. Refused are a date to come and a session not open. A
    session that came too soon does not count, and another of its step is opened right after it; where the step's cap
    forbids that, the course goes on hold until a clinician decides.
    """
    rights.require(by, session.course.site, *rights.CLINICAL)
    course = roster.lock(session.course, now=now)
    session = course.sessions.select_related("step").get(pk=session.pk)
    performed_at = _when_performed(course, what, now)
    uses = _booked_uses(session)
    if what.lead is not None:
        uses[session.step.lead_role] = what.lead
    booking.release_reservations_and_visits([session.pk], visits_from=now, now=now)
    not_replaced = booking.record_performed(
        session,
        performed_on=what.performed_on,
        performed_at=performed_at,
        minutes=what.minutes,
        treated_areas=None if what.treated_areas is None else _areas(what.treated_areas),
        uses=uses,
        by=by,
        now=now,
    )
    booking.finish_visit(session, by=by, now=now)
    if what.outcome is not None:
        write_outcome(session, what.outcome, by=by, now=now)
    _promise_follow_ups(session, roster.today(course.site, now))
    _hold_not_replaced(course, not_replaced, by=by, now=now)
    after = roster.course_facts(course)
    booking.refresh_windows(course, after)
    outbox.promise_aftercare(session, now=now)
    if is_done(course):
        booking.close_course(course, reason="", by=by, now=now, completed=True)
    outbox.reconcile(course, now=now)
    proposal = replanning.examine(course, after, reason="performed", by=by, now=now)
    look_at_other_courses(course, reason="other_course", by=by, now=now)
    return PerformResult(session, proposal)


@act
def correct_performed(
    session: Session,
    *,
    performed_on: date,
    at_time: time | None = None,
    reason: str,
    by: User | None,
    now: datetime,
) -> PerformResult:
    """Correct when a performed session took place; the whole history is judged anew, and the rest looked at again.

    The date of an assessment is its record's own, and is corrected there.
    """
    rights.require(by, session.course.site, *rights.CLINICAL)
    course = roster.lock(session.course, now=now)
    session = course.sessions.select_related("step").get(pk=session.pk)
    if session.state != SessionState.PERFORMED:
        raise booking.NotPossibleNow(
            Problem("session_not_performed", _("Only a performed session has a date to correct."), str(session.uid))
        )
    problems = []
    if not reason.strip():
        problems.append(Problem("reason_missing", _("Say what was wrong."), "reason"))
    if Assessment.objects.filter(session=session, error_at=None).exists():
        problems.append(
            Problem("date_is_the_assessments", _("Record the assessment anew with its right date."), str(session.uid))
        )
    if problems:
        raise RuleBroken(*problems)
    performed_at = _when_performed(course, Performed(performed_on, at_time), now)
    not_replaced = booking.correct_performed(
        session, performed_on=performed_on, performed_at=performed_at, reason=reason.strip(), by=by, now=now
    )
    _move_follow_ups(session)
    _hold_not_replaced(course, not_replaced, by=by, now=now)
    _settle(course, not_replaced, reason=reason.strip(), by=by, now=now)
    after = roster.course_facts(course)
    booking.refresh_windows(course, after)
    outbox.promise_aftercare(session, now=now)
    outbox.reconcile(course, now=now)
    proposal = replanning.examine(course, after, reason="corrected", by=by, now=now)
    look_at_other_courses(course, reason="other_course", by=by, now=now)
    return PerformResult(session, proposal)


def _hold_not_replaced(course: Course, not_replaced: Sequence[Session], *, by: User | None, now: datetime) -> None:
    """Hold a course in which a session does not count and the protocol allows no other, until a clinician decides."""
    if not_replaced and not course.holds.filter(code=holds.NOT_REPLACED, lifted_at=None).exists():
        reason = _("A session came too soon and does not count, and the protocol allows no other. A clinician decides.")
        hold(course, holds.NOT_REPLACED, reason, Role.CLINICIAN, by=by, now=now)


def _settle(course: Course, not_replaced: Sequence[Session], *, reason: str, by: User | None, now: datetime) -> None:
    """Open a completed course again for a session to come, or complete one that has none left."""
    has_more = course.sessions.filter(state=SessionState.OPEN).exists()
    if course.state == CourseState.COMPLETED and (has_more or not_replaced):
        booking.reopen(course, reason=reason, by=by, now=now)
    elif course.state == CourseState.OPEN and is_done(course):
        booking.close_course(course, reason="", by=by, now=now, completed=True)


def _promise_follow_ups(session: Session, today: date) -> None:
    """Write the tasks that a person has to do some time after this session; messages are the outbox's.

    Of a session recorded long after, those whose last day has passed are no use to anybody.
    """
    on = session.performed_on
    if on is None:
        return
    is_last = not session.course.sessions.filter(step=session.step, state=SessionState.OPEN).exists()
    tasks = []
    for follow_up in session.step.follow_ups.filter(kind="call"):
        if follow_up.last_session_only and not is_last:
            continue
        due_on = Amount.parse(follow_up.after).after(on)
        until_on = due_on + timedelta(days=follow_up.tolerance_days)
        tasks.append(FollowUpTask(session=session, follow_up=follow_up, due_on=due_on, until_on=until_on))
    FollowUpTask.objects.bulk_create([task for task in tasks if task.until_on >= today])


def _move_follow_ups(session: Session) -> None:
    """Count the calls that are still to be made from the date on which the session really took place."""
    if session.performed_on is None:
        return
    for task in FollowUpTask.objects.open().filter(session=session).select_related("follow_up"):
        due_on = Amount.parse(task.follow_up.after).after(session.performed_on)
        until_on = due_on + timedelta(days=task.follow_up.tolerance_days)
        FollowUpTask.objects.filter(pk=task.pk).update(due_on=due_on, until_on=until_on)


def _when_performed(course: Course, what: Performed, now: datetime) -> datetime | None:
    """Return the instant it began, if a time was given; raise RuleBroken for one that is still to come."""
    at = (
        localtime.typed_instant(what.performed_on, what.at_time, course.site.zone) if what.at_time is not None else None
    )
    if what.performed_on > roster.today(course.site, now) or (at is not None and at > now):
        raise RuleBroken(
            Problem("performed_in_future", _("A session is recorded when it has taken place."), "performed_on")
        )
    if what.minutes is not None and not 0 < what.minutes <= 24 * 60:
        raise RuleBroken(Problem("minutes_out_of_range", _("A session takes between a minute and a day."), "minutes"))
    return at


def _booked_uses(session: Session) -> dict[str, Resource]:
    taken = Occupancy.objects.standing().filter(appointment__in=Appointment.objects.live().filter(session=session))
    return {use.role: use.resource for use in taken.select_related("resource")}


def _areas(codes: Iterable[str]) -> list[Area]:
    wanted = set(codes)
    found = list(Area.objects.filter(code__in=wanted))
    if unknown := sorted(wanted - {area.code for area in found}):
        raise RuleBroken(
            *(
                Problem("area_unknown", _("There is no area “%(code)s”.") % {"code": code}, "treated_areas")
                for code in unknown
            )
        )
    return found
