"""When people, rooms and devices are on duty: hours and extra openings, less absences and closures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from scheduling.planner import facts, ticks

from .days import LANE_BYTES, Bits, Blocks, ByDate, Lost, is_plain, lane, part_of_day, span, wall_minute

Dates = NDArray[np.intp]  # ordinals


class Weekly(Protocol):
    """Weekly hours, from wherever they come."""

    @property
    def weekday(self) -> int: ...
    @property
    def valid_from(self) -> date: ...
    @property
    def valid_to(self) -> date | None: ...
    @property
    def every_weeks(self) -> int: ...


class HoursRow(NamedTuple):
    weekday: int
    from_time: time
    until_time: time
    valid_from: date
    valid_to: date | None
    every_weeks: int


class Opening(NamedTuple):
    on: date
    from_time: time
    until_time: time


@dataclass(frozen=True, slots=True)
class Worker:
    """A person, room or device with all that says when it is there."""

    pk: int
    resource: facts.ResourceFacts
    active_from: date | None
    active_to: date | None
    hours: Sequence[HoursRow]
    openings: Sequence[Opening]
    absences: Sequence[Lost]


def on_duty(workers: Sequence[Worker], days: Mapping[date, facts.Day], closures: Sequence[Lost], zone: str) -> ByDate:
    """Return ticks on duty per resource and date, for dates in a row: hours and openings, less absences and closures.

    What is alike on many dates is written on all of them at once. Where the clocks change each date is asked by itself.
    """
    every = list(days.values())
    ordinals = np.arange(every[0].on.toordinal(), every[0].on.toordinal() + len(every))
    weekly = np.zeros((7, len(workers) + 1, LANE_BYTES), np.uint8)
    passing: list[tuple[int, HoursRow]] = []
    for row, worker in enumerate(workers):
        for hours in worker.hours:
            if _hold_throughout(hours, ordinals):
                weekly[hours.weekday, row] |= _lane_of(hours)
            else:
                passing.append((row, hours))

    def find(first: int, until: int) -> Bits:
        some = ordinals[first:until]
        bits = weekly[(some - 1) % 7]
        for row, hours in passing:
            bits[_on_dates(hours, some), row] |= _lane_of(hours)
        for row, worker in enumerate(workers):
            _put_own(bits[:, row], worker, some)
        for closure in closures:
            _take_away(bits, closure, some)
        for at, day in enumerate(every[first:until]):
            if not is_plain(day):
                for row, worker in enumerate(workers):
                    bits[at, row] = lane(ticks_on(worker, day, closures, zone))
        return bits

    return ByDate([worker.resource.id for worker in workers], every[0].on, Blocks(len(every), find))


def _put_own(bits: Bits, worker: Worker, ordinals: Dates) -> None:
    """Write on dates what is of one worker alone."""
    for opening in worker.openings:
        bits[ordinals == opening.on.toordinal()] |= _lane_of(opening)
    for lost in worker.absences:
        _take_away(bits, lost, ordinals)
    if worker.active_from is not None:
        bits[ordinals < worker.active_from.toordinal()] = 0
    if worker.active_to is not None:
        bits[ordinals > worker.active_to.toordinal()] = 0


def ticks_on(worker: Worker, day: facts.Day, closures: Iterable[Lost], zone: str) -> int:
    """Return ticks on duty on one day, whatever its clocks do."""
    on, duty = day.on, 0
    if day.closed or (worker.active_from or on) > on or on > (worker.active_to or on):
        return 0
    for hours in worker.hours:
        if is_on(hours, on):
            duty |= span(day, hours.from_time, hours.until_time, zone)
    for opening in worker.openings:
        if opening.on == on:
            duty |= span(day, opening.from_time, opening.until_time, zone)
    for lost in (*worker.absences, *closures):
        if lost.first_on <= on <= lost.last_on:
            duty &= ~part_of_day(day, lost.from_time, lost.until_time, zone)
    return duty


def is_on(hours: Weekly, on: date) -> bool:
    """Whether weekly hours hold on a date: its weekday, inside their validity, in one of their weeks."""
    if on.weekday() != hours.weekday or on < hours.valid_from or (hours.valid_to is not None and on > hours.valid_to):
        return False
    return (_week(on.toordinal()) - _week(hours.valid_from.toordinal())) % hours.every_weeks == 0


def _hold_throughout(hours: Weekly, ordinals: Dates) -> bool:
    """Whether weekly hours hold on each of the dates that is of their weekday."""
    valid_to = hours.valid_to
    return (
        hours.every_weeks == 1
        and hours.valid_from.toordinal() <= ordinals[0]
        and (valid_to is None or valid_to.toordinal() >= ordinals[-1])
    )


def _on_dates(hours: Weekly, ordinals: Dates) -> NDArray[np.bool_]:
    """Return on which dates weekly hours hold; see `is_on`."""
    begins, ends = hours.valid_from.toordinal(), (hours.valid_to or date.max).toordinal()
    is_their_week = ((ordinals - 1) // 7 - _week(begins)) % hours.every_weeks == 0
    found: NDArray[np.bool_] = is_their_week & ((ordinals - 1) % 7 == hours.weekday)
    found &= (ordinals >= begins) & (ordinals <= ends)
    return found


def _week(ordinal: int) -> int:
    """Return the number of the date's week, Monday first."""
    return (ordinal - 1) // 7


def _take_away(bits: Bits, lost: Lost, ordinals: Dates) -> None:
    first, last = lost.first_on.toordinal() - int(ordinals[0]), lost.last_on.toordinal() - int(ordinals[0])
    if last < 0 or first >= len(ordinals):
        return
    those = bits[max(first, 0) : last + 1]
    if lost.from_time is None or lost.until_time is None:
        those[:] = 0
    else:
        those &= ~lane(ticks.span(wall_minute(lost.from_time), wall_minute(lost.until_time)))


def _lane_of(hours: HoursRow | Opening) -> Bits:
    return lane(ticks.span(wall_minute(hours.from_time), wall_minute(hours.until_time)))
