"""When people, rooms and devices are on duty: hours and extra openings, less absences and closures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from scheduling.planner import facts, ticks
from scheduling.planner.timetable import FIVE, TimeTable, Words, as_words, moments_as_fives

from .days import Lost, is_plain, part_of_day, span, wall_minute

Dates = NDArray[np.intp]  # as ordinals
Pack = Callable[[int], Words]  # minutes of a day


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


def on_duty(
    workers: Sequence[Worker], days: Mapping[date, facts.Day], closures: Sequence[Lost], zone: str
) -> TimeTable:
    """Return ticks on duty per resource and date, for dates in a row: hours and openings, less absences and closures.

    What is alike on many dates is written on all of them at once. Where the clocks change each date is asked by itself.
    """
    first_on, last_on = min(days), max(days)
    pack = moments_as_fives if _are_by_fives(workers, days, closures) else as_words
    weekly = np.zeros((7, len(workers) + 1, len(pack(0))), np.uint64)
    passing: list[tuple[int, HoursRow]] = []
    for row, worker in enumerate(workers):
        for hours in worker.hours:
            if _hold_throughout(hours, first_on, last_on):
                weekly[hours.weekday, row] |= pack(_minutes_of(hours))
            else:
                passing.append((row, hours))
    odd = [day for day in days.values() if not is_plain(day)]

    def find(first: int, until: int) -> Words:
        dates = np.arange(first, until)
        words = weekly[(dates - 1) % 7]
        for row, hours in passing:
            words[_on_dates(hours, dates), row] |= pack(_minutes_of(hours))
        for row, worker in enumerate(workers):
            _put_own(words[:, row], worker, dates, pack)
        for closure in closures:
            _take_away(words, closure, dates, pack)
        for day in odd:
            if first <= day.on.toordinal() < until:
                for row, worker in enumerate(workers):
                    words[day.on.toordinal() - first, row] = pack(ticks_on(worker, day, closures, zone))
        return words

    return TimeTable((worker.resource.id for worker in workers), first_on, len(days), find)


def _are_by_fives(workers: Sequence[Worker], days: Mapping[date, facts.Day], closures: Sequence[Lost]) -> bool:
    """Whether all that is on duty begins and ends on a multiple of five minutes of its day."""
    times: set[time | None] = set()
    for lost in closures:
        times |= {lost.from_time, lost.until_time}
    for worker in workers:
        for rows in (worker.hours, worker.openings, worker.absences):
            times.update(one.from_time for one in rows)
            times.update(one.until_time for one in rows)
    odd = [day for day in days.values() if not is_plain(day)]
    clocks = {day.length_minutes for day in odd} | {
        at for day in odd for change in day.changes for at in (change.tick, change.shift_minutes)
    }
    return not any(minute % FIVE for minute in (*(wall_minute(at) for at in times if at is not None), *clocks))


def _put_own(words: Words, worker: Worker, dates: Dates, pack: Pack) -> None:
    """Write on dates what is of one worker alone."""
    for opening in worker.openings:
        words[dates == opening.on.toordinal()] |= pack(_minutes_of(opening))
    for lost in worker.absences:
        _take_away(words, lost, dates, pack)
    if worker.active_from is not None:
        words[dates < worker.active_from.toordinal()] = 0
    if worker.active_to is not None:
        words[dates > worker.active_to.toordinal()] = 0


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


def _hold_throughout(hours: Weekly, first_on: date, last_on: date) -> bool:
    """Whether weekly hours hold on each of the dates that is of their weekday."""
    return hours.every_weeks == 1 and hours.valid_from <= first_on and (hours.valid_to or last_on) >= last_on


def _on_dates(hours: Weekly, dates: Dates) -> NDArray[np.bool_]:
    """Return on which dates weekly hours hold; see `is_on`."""
    begins, ends = hours.valid_from.toordinal(), (hours.valid_to or date.max).toordinal()
    is_their_week = ((dates - 1) // 7 - _week(begins)) % hours.every_weeks == 0
    found: NDArray[np.bool_] = is_their_week & ((dates - 1) % 7 == hours.weekday)
    found &= (dates >= begins) & (dates <= ends)
    return found


def _week(ordinal: int) -> int:
    """Return the number of the date's week, Monday first."""
    return (ordinal - 1) // 7


def _take_away(words: Words, lost: Lost, dates: Dates, pack: Pack) -> None:
    first, last = lost.first_on.toordinal() - int(dates[0]), lost.last_on.toordinal() - int(dates[0])
    if last < 0 or first >= len(dates):
        return
    those = words[max(first, 0) : last + 1]
    if lost.from_time is None or lost.until_time is None:
        those[:] = 0
    else:
        those &= ~pack(ticks.span(wall_minute(lost.from_time), wall_minute(lost.until_time)))


def _minutes_of(hours: HoursRow | Opening) -> int:
    return ticks.span(wall_minute(hours.from_time), wall_minute(hours.until_time))
