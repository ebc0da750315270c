"""Plans: what they cost, how they differ, what they would move, and why no date is nearer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from .times import Slot, Window
from .verdicts import GateAnswer


@dataclass(frozen=True, slots=True)
class CostParts:
    """What a plan costs, part by part, in the units of `Weights`."""

    spacing: int = 0
    lateness: int = 0
    continuity: int = 0
    wishes: int = 0
    holes: int = 0
    moves: int = 0

    @property
    def total(self) -> int:
        return self.spacing + self.lateness + self.continuity + self.wishes + self.holes + self.moves


@dataclass(frozen=True, slots=True)
class PlannedSession:
    slot: Slot
    window: Window  # as counted under this plan
    cost: CostParts
    pinned: bool = False
    gates: tuple[GateAnswer, ...] = ()  # every gate that is not open for it on its date


@dataclass(frozen=True, slots=True)
class Plan:
    """One time for each session left that is planned with the course, by position."""

    sessions: tuple[PlannedSession, ...]
    cost: CostParts
    proven: bool = True  # no plan of its kind, with a date of its own for each session, costs less


@dataclass(frozen=True, slots=True)
class Difference:
    """How a plan differs from the best one; less or sooner is negative."""

    starts_days: int  # the first session that gets a time
    ends_days: int  # the last session of the plan
    changes: int  # of practitioner
    wishes_missed: int  # how many, a session and a kind of wish each
    cost: int
    moved: int  # sessions on another date
    other_leads: int  # sessions with another lead


@dataclass(frozen=True, slots=True)
class Alternative:
    """A plan and the kind of plan it is; see `search.alternatives`."""

    kind: str
    plan: Plan
    differs: Difference = Difference(0, 0, 0, 0, 0, 0, 0)
    nearer: tuple[Nearer, ...] = ()  # of the best plan, when asked for: see `explain.why_not_nearer`


@dataclass(frozen=True, slots=True)
class NotOn:
    """Why a date that would itself cost less is not the one in the plan."""

    on: date
    # A rule that leaves no time on it; else `dearer` (all else best, the plan costs that much more), `as_good` (as
    # much: a tie), `others_stuck` (then `session` has no time), or `not_tried` (the bound was reached).
    code: str
    cost: CostParts = CostParts()  # dearer: what the plan would cost more, part by part
    session: UUID | None = None


@dataclass(frozen=True, slots=True)
class Nearer:
    """What stands between a planned session and its best date."""

    session: UUID
    on: date
    best_on: date  # the target, or where there is none the first lawful date
    dates: tuple[NotOn, ...]  # inside its window, by date; none when nothing costs less than the date it has


@dataclass(frozen=True, slots=True)
class Move:
    """What a repair does with one session; `old` is None when it had no live appointment."""

    session: UUID
    old: Slot | None
    new: Slot


@dataclass(frozen=True, slots=True)
class Repair:
    """The cheapest way on for a course, and how it differs from what is booked. No moves: nothing to do."""

    plan: Plan  # for the booked visits; for every session left when the others were to be planned too
    moves: tuple[Move, ...]
