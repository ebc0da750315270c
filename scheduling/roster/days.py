"""The days of a site, what is found on them, and minutes of the clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from clinic import localtime
from clinic.models import Site
from scheduling.planner import facts, ticks

Bits = NDArray[np.uint8]
LANE_BYTES = 192  # the longest day has 1500 minutes


class Lost(NamedTuple):
    """Dates, both inclusive, or a part of each, on which a site is shut or somebody is not there."""

    first_on: date
    last_on: date
    from_time: time | None
    until_time: time | None
    name: str = ""


def today(site: Site, now: datetime) -> date:
    """Return the local date at the site."""
    return localtime.local_date(now, site.zone)


def days_between(zone: str, first_on: date, last_on: date, closures: Iterable[Lost]) -> dict[date, facts.Day]:
    """Return the days between two dates, both inclusive, with the name of what closes the whole of one."""
    days = {**_days(zone, first_on, last_on)}
    for closure in closures:
        if closure.from_time is None:
            for on in dates(max(closure.first_on, first_on), min(closure.last_on, last_on)):
                days[on] = replace(days[on], closed=closure.name)
    return days


@lru_cache(maxsize=64)
def _days(zone: str, first_on: date, last_on: date) -> Mapping[date, facts.Day]:
    return MappingProxyType({on: _day(on, zone) for on in dates(first_on, last_on)})


@lru_cache(maxsize=8192)
def _day(on: date, zone: str) -> facts.Day:
    shape = localtime.day_shape(on, zone)
    changes = tuple(facts.ClockChange(*change) for change in shape.changes)
    return facts.Day(on, shape.starts_at, shape.length_minutes, changes)


def dates(first_on: date, last_on: date) -> Iterable[date]:
    """Return the dates between two, both inclusive."""
    return (first_on + timedelta(days=number) for number in range((last_on - first_on).days + 1))


class Blocks:
    """The bytes of many dates, found for several at once when one is asked for: a plan looks at few of a year."""

    DATES = 28

    def __init__(self, dates: int, find: Callable[[int, int], Bits]) -> None:
        self._dates, self._find = dates, find
        self._found: dict[int, Bits] = {}

    def __len__(self) -> int:
        return self._dates

    def __getitem__(self, at: int) -> Bits:
        block, number = divmod(at, self.DATES)
        if block not in self._found:
            first = block * self.DATES
            self._found[block] = self._find(first, min(first + self.DATES, self._dates))
        found: Bits = self._found[block][number]
        return found


class ByDate(Mapping[tuple[UUID, date], int]):
    """Sets of minutes per resource and date: for each date in a row, what is found for all, as bytes side by side.

    Where nothing is found there is no entry. One row more than there are resources belongs to nobody, and is empty.
    """

    def __init__(self, resources: Sequence[UUID], first_on: date, bits: Blocks) -> None:
        self.resources, self.first_on, self.bits = resources, first_on, bits
        self._rows = {uid: row for row, uid in enumerate(resources)}

    def __getitem__(self, key: tuple[UUID, date]) -> int:
        uid, on = key
        at, row = (on - self.first_on).days, self._rows.get(uid)
        minutes = 0
        if row is not None and 0 <= at < len(self.bits):
            minutes = int.from_bytes(self.bits[at][row].tobytes(), "little")
        if not minutes:
            raise KeyError(key)
        return minutes

    def __iter__(self) -> Iterator[tuple[UUID, date]]:
        for at in range(len(self.bits)):
            for row in np.flatnonzero(self.bits[at].any(axis=1)).tolist():
                yield self.resources[row], self.first_on + timedelta(days=at)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class ByPlace(Mapping[tuple[UUID, date], tuple[int, ...]]):
    """Sets of minutes per resource, date and place, one table for all first places, one for all second places, …"""

    def __init__(self, places: Sequence[ByDate]) -> None:
        self.places = places

    def __getitem__(self, key: tuple[UUID, date]) -> tuple[int, ...]:
        found = [table.get(key, 0) for table in self.places]
        while found and not found[-1]:
            found.pop()
        if not found:
            raise KeyError(key)
        return tuple(found)

    def __iter__(self) -> Iterator[tuple[UUID, date]]:
        return iter(dict.fromkeys(key for table in self.places for key in table))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def lane(minutes: int) -> Bits:
    """Return a set of minutes as the bytes of a table's row."""
    return np.frombuffer(minutes.to_bytes(LANE_BYTES, "little"), np.uint8)


def part_of_day(day: facts.Day, from_time: time | None, until_time: time | None, zone: str) -> int:
    """Return the ticks of a day between two times of the clock; no times mean the whole day."""
    if from_time is None or until_time is None:
        return ticks.span(0, day.length_minutes)
    return span(day, from_time, until_time, zone)


def span(day: facts.Day, from_time: time, until_time: time, zone: str) -> int:
    """Return the ticks of a day between two times of the clock."""
    if is_plain(day):
        return ticks.span(wall_minute(from_time), wall_minute(until_time))
    return ticks.span(
        localtime.elapsed_minutes(day.on, from_time, zone), localtime.elapsed_minutes(day.on, until_time, zone)
    )


def is_plain(day: facts.Day) -> bool:
    """Whether ticks are minutes after midnight on the wall."""
    return not day.changes and day.length_minutes == 1440


def day_or_none(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


def wall_minute(at: time) -> int:
    return at.hour * 60 + at.minute


def minutes_between(start: datetime, end: datetime) -> int:
    return (end - start) // localtime.ONE_MINUTE
