"""Why there is no plan, and what would have to be given up for one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from .plans import Plan


@dataclass(frozen=True, slots=True)
class Removed:
    """How many dates and starts of a session one rule took away, after the rules before it."""

    code: str  # of `explain.ASKED_IN_ORDER`
    dates: int
    starts: int


@dataclass(frozen=True, slots=True)
class Reason:
    """What became of one session when no plan was found.

    `first_on` lies after `last_on` where no date at all was in question.
    """

    session: UUID
    position: int
    first_on: date  # the dates that were in question
    last_on: date
    removed: tuple[Removed, ...]  # in the order in which the rules were asked
    dates_left: int
    starts_left: int
    binding: str = ""  # the rule that took the most of its dates; empty when dates are left
    # Where no date was in question:
    because: str = ""  # what the bound is: "asked_first" (first_on was asked for), "asked_last", "asked", "booked"
    latest: tuple[UUID, date] | None = None  # the session after it whose last date (asked, booked) leaves it none


@dataclass(frozen=True, slots=True)
class GivenUp:
    """One thing that would have to be given up."""

    code: str  # see `relax`
    session: UUID | None = None  # None: of the whole course
    days: int = 0  # by how many days, where it is a matter of days
    subject: str = ""
    override: str = ""  # the role that may decide it; "" where nobody needs to


@dataclass(frozen=True, slots=True)
class Relaxation:
    """The fewest things that would have to be given up for a plan, and that plan, for the whole course."""

    gives_up: tuple[GivenUp, ...]
    plan: Plan
