"""Times that are free for one session, while all other visits stay where they are. Writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from scheduling import booking, roster
from scheduling.models import Session, SessionState
from scheduling.planner import facts, search


@dataclass(frozen=True, slots=True)
class Free:
    """Times for a session of a course as it stands; the resources are those that could be used, by id."""

    course: facts.CourseFacts
    times: list[facts.PlannedSession]
    resources: Sequence[facts.ResourceFacts]


def free_times(
    session: Session, *, first_on: date, last_on: date, now: datetime, limit: int = 50
) -> list[facts.PlannedSession]:
    """Return lawful times for one session between two dates, by time; the course's other visits stay where they are."""
    return find_free(session, first_on=first_on, last_on=last_on, now=now, limit=limit).times


def find_free(session: Session, *, first_on: date, last_on: date, now: datetime, limit: int) -> Free:
    """Return the same with the facts that they were found by. Wants the session's course with site and version."""
    course = session.course
    as_it_stands = roster.course_facts(course)
    on = roster.today(course.site, now)
    horizon_on = on + timedelta(days=course.site.booking_horizon_days)
    first_on, last_on = max(first_on, on), min(last_on, horizon_on)
    if first_on > last_on or session.state != SessionState.OPEN:
        return Free(as_it_stands, [], ())
    wanted = next(one for one in as_it_stands.sessions if one.id == session.uid)
    times = roster.load(course, first_on, last_on, now=now)
    between = (first_on, last_on)
    found = search.free_times(wanted, as_it_stands, times, booking.WEIGHTS, today=on, between=between, limit=limit)
    return Free(as_it_stands, found, times.resources)
