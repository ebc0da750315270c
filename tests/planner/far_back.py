"""A course of which a search must remember two dates, and has no plan: what takes a search longest."""

from __future__ import annotations

from scheduling.planner.facts import CourseFacts, Reference, Roster
from tests.planner.build import ANNA, BEN, course, day, open_session, roster, spacing, step

SINCE_FIRST = spacing(Reference.STEP, "first", minimum="8 weeks")
NEXT = spacing(minimum="4 weeks", target="5 weeks")


def far_back() -> CourseFacts:
    """The third session counts from the first; the last has one date for each of the third's, 29 days after it."""
    end = spacing(minimum="29 days", lapse="30 days")
    steps = step("first"), step("second", NEXT), step("third", NEXT, SINCE_FIRST), step("last", end)
    return course(*(open_session(number, one) for number, one in enumerate(steps)))


def every_other_day(days: int) -> Roster:
    """Somebody is there on even days only."""
    return roster(days, off=[(who, day(number)) for who in (ANNA, BEN) for number in range(1, days, 2)])
