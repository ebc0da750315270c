"""What is known of a site: its days, its people, rooms and devices, and their time.

Inside the planner a moment of a day is a *tick*: whole minutes elapsed since the first instant of that local
date at the site. A day has 1440 ticks, or 1380 and 1500 (1410, 1470 at Lord Howe) when the clock changes. Sets of
ticks are ints used as bit sets (bit ``t`` is the minute ``[t, t + 1)``), so a resource's free time on a day is one int.
Only `clinic.localtime` turns wall-clock time into UTC; `scheduling.roster` hands the results over in `Day`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from uuid import UUID


@dataclass(frozen=True, slots=True)
class CapabilityFacts:
    code: str
    from_on: date | None = None
    until_on: date | None = None  # last day, inclusive


@dataclass(frozen=True, slots=True)
class ResourceFacts:
    id: UUID
    kind: str  # practitioner, room, device
    name: str
    capabilities: tuple[CapabilityFacts, ...]
    places: int = 1
    languages: frozenset[str] = frozenset()

    def is_able(self, capability: str, on: date) -> bool:
        """Whether the resource has the capability on that date."""
        return any(
            c.code == capability and (c.from_on is None or c.from_on <= on) and (c.until_on is None or on <= c.until_on)
            for c in self.capabilities
        )


@dataclass(frozen=True, slots=True)
class ClockChange:
    """From this tick on, wall-clock minute = tick + shift."""

    tick: int
    shift_minutes: int


@dataclass(frozen=True, slots=True)
class Day:
    """One local date of a site: where its ticks lie in UTC and on the wall."""

    on: date
    starts_at: datetime  # UTC, the first instant of the date
    length_minutes: int = 1440
    changes: tuple[ClockChange, ...] = ()  # by tick; empty on all but two days a year
    closed: str = ""  # why the whole site is closed, e.g. the holiday's name; empty when open

    def wall_minute(self, tick: int) -> int:
        """Local wall-clock minutes after midnight that the site's clocks show at this tick."""
        shift = 0
        for change in self.changes:
            if tick >= change.tick:
                shift = change.shift_minutes
        return tick + shift

    def instant(self, tick: int) -> datetime:
        return self.starts_at + timedelta(minutes=tick)


@dataclass(frozen=True, slots=True)
class Roster:
    """Everything a plan at one site needs to know about time and resources in [first_on, last_on]."""

    site: UUID
    days: Mapping[date, Day]  # every date of the span
    resources: tuple[ResourceFacts, ...]  # by id
    # ticks on duty: hours and extra openings less absences and closures; a missing key means none
    on_duty: Mapping[tuple[UUID, date], int]
    # Ticks taken, per place; a missing key (or place) means none taken. The course's own live appointments are left out
    # here and in `patient_busy`: the planner knows them from `SessionFacts.booked` and adds those that stay.
    busy: Mapping[tuple[UUID, date], tuple[int, ...]] = field(default_factory=dict)
    patient_busy: Mapping[date, int] = field(default_factory=dict)  # the patient's appointments outside this course
    grid_minutes: int = 5  # a session starts on a multiple of it on the wall clock
    not_before: datetime | None = None  # UTC: nothing is booked before this instant
    shortest_useful_minutes: int = 20  # a shorter hole in a practitioner's day counts as awkward
    horizon_on: date | None = None  # the last date that could be booked, where the days end before it
