"""Look at one course after something happened to it, and propose the least change."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime, timedelta
from uuid import UUID

from clinic import rights
from clinic.acts import act
from clinic.errors import Conflict, Problem
from clinic.models import User
from scheduling import booking, roster, wording
from scheduling.models import Course, CourseState, Proposal
from scheduling.planner import facts
from scheduling.planner.rules import violations

from .answers import settle
from .rows import Found, booked_in, propose, to_plan
from .rows import withdraw as withdraw_proposals


class NothingToReplan(Conflict):
    """The course has no visit that might be put elsewhere, or is on hold."""

    code = "nothing_to_replan"


def examine(
    course: Course,
    as_it_stands: facts.CourseFacts | None = None,
    *,
    reason: str,
    by: User | None,
    now: datetime,
    plan_unbooked: Collection[UUID] = (),
) -> Proposal | None:
    """Look at the rest of a course after something happened; return a proposal if booked visits should move.

    Part of an act that holds the course's lock, and hands on the facts of the course as it leaves it, if it has them.
    An older open proposal for the course is overtaken by this look. A course on hold, or over, is left alone: lifting
    the hold looks again. The proposal also gives times to those sessions of `plan_unbooked` that have none, as after a
    hold whose visits were freed, and to those that the older one gave a time to.
    """
    planned = withdraw_proposals(course, by=by, now=now).union(plan_unbooked)
    course.refresh_from_db(fields=["state"])
    as_it_stands = as_it_stands or roster.course_facts(course)
    unbooked = to_plan(as_it_stands, planned)
    if course.state != CourseState.OPEN or as_it_stands.holds or not (booked_in(as_it_stands) or unbooked):
        return None
    on = roster.today(course.site, now)
    if not unbooked and _may_stay(course, as_it_stands, on=on, now=now):
        return None
    return _propose(course, as_it_stands, reason=reason, on=on, by=by, now=now, plan_unbooked=unbooked)


@act
def replan_course(course: Course, *, by: User | None, now: datetime) -> Proposal | None:
    """Look for the best way on for a course when every visit to come may move, at its cost; None when all may stay.

    Raises NothingToReplan, NotPossibleNow when the course is over, or NotAllowed.
    """
    rights.require(by, course.site, *rights.FRONT_DESK)
    course = roster.lock(course, now=now)
    booking.refuse_unless_open(course)
    planned = withdraw_proposals(course, by=by, now=now)
    as_it_stands = roster.course_facts(course)
    if as_it_stands.holds:
        raise NothingToReplan(Problem("course_on_hold", wording.sentence("course_on_hold"), str(course.uid)))
    if not booked_in(as_it_stands):
        raise NothingToReplan(
            Problem("nothing_to_replan", wording.sentence("nothing_to_replan"), str(course.uid)),
        )
    on = roster.today(course.site, now)
    unbooked = to_plan(as_it_stands, planned)
    return _propose(course, as_it_stands, reason="asked", on=on, by=by, now=now, plan_unbooked=unbooked, whole=True)


def withdraw(course: Course, *, by: User | None, now: datetime) -> None:
    """Let a course's open proposal be overtaken: what it proposes is not asked any more. The caller holds the lock."""
    withdraw_proposals(course, by=by, now=now)


def _propose(
    course: Course,
    as_it_stands: facts.CourseFacts,
    *,
    reason: str,
    on: date,
    by: User | None,
    now: datetime,
    plan_unbooked: Collection[UUID],
    whole: bool = False,
) -> Proposal | None:
    booked_on = [slot.on for slot in booked_in(as_it_stands)]
    horizon_on = on + timedelta(days=course.site.booking_horizon_days)
    times = roster.load(course, min([on, *booked_on]), max([horizon_on, *booked_on]), now=now)
    found = Found()
    repair = settle(as_it_stands, times, course.site, found, today=on, whole=whole, plan_unbooked=plan_unbooked)
    if not (found.moves or found.stuck):
        return None
    found.cost = found.bound = repair.plan.cost.total if repair is not None else 0
    return propose(course, found, reason=reason, by=by, now=now)


def _may_stay(course: Course, as_it_stands: facts.CourseFacts, *, on: date, now: datetime) -> bool:
    """Whether every visit to come breaks no rule where it is, and no session without one waits before another visit.

    The common case, and cheap: a look at the days of the visits instead of a search through a year.
    """
    last = max(session.position for session in as_it_stands.sessions if session.booked is not None)
    if any(booking.is_to_plan(session) and session.position < last for session in as_it_stands.sessions):
        return False
    booked = booked_in(as_it_stands)
    times = roster.load(course, min(slot.on for slot in booked), max(slot.on for slot in booked), now=now)
    to_come = {slot.session for slot in booked if times.days[slot.on].instant(slot.tick) >= now}
    return not any(violation.session in to_come for violation in violations(booked, as_it_stands, times, on))
