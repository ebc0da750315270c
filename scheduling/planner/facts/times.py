"""One session's dates and times: its window, the late band of a date, a slot with what it takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

from .protocols import LateAction


@dataclass(frozen=True, slots=True)
class Window:
    """The dates a session may, should and must happen. `None` means the protocol leaves it blank.

    `overdue_on` and `lapse_on` are the first day that is late, or too late.
    """

    floor_on: date | None = None
    earliest_on: date | None = None
    target_on: date | None = None
    overdue_on: date | None = None
    lapse_on: date | None = None
    tolerance_days: int = 0
    provisional: bool = False  # a reference is not performed yet: counted from a booked or projected date


@dataclass(frozen=True, slots=True)
class Late:
    """The late band in which a date lies."""

    action: LateAction
    note: str
    first_on: date
    last_on: date | None  # None: it has no end


@dataclass(frozen=True, slots=True)
class Use:
    """One place of one resource, taken during [from_tick, until_tick) of the slot's day, buffers included."""

    phase: int
    role: str
    resource: UUID
    place: int
    from_tick: int
    until_tick: int


@dataclass(frozen=True, slots=True)
class Slot:
    """A proposed (or booked) time and resources for one session."""

    session: UUID
    on: date
    tick: int
    minutes: int
    lead: UUID  # resource in the step's lead role
    uses: tuple[Use, ...]
    is_confirmed: bool = field(default=False, compare=False)  # by the patient, where it is booked: no part of the time
