"""Minutes of many resources on many dates, packed side by side, so that one operation on an int serves them all.

A *lane* is the time of one resource on one date: `LANE` bits, of which a date uses no more than 1500. *Lanes* are an int
with lane `n` in the bits from `n * LANE` on. What is shifted out of a lane is lost, as with single days in `ticks`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from functools import lru_cache
from itertools import zip_longest
from typing import Self
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

LANE_BYTES = 192
LANE = 8 * LANE_BYTES
UNUSED = LANE - 1500  # bits above the longest day
ONE_LANE = (1 << LANE) - 1

Rows = NDArray[np.intp]


class TimeTable(Mapping[tuple[UUID, date], int]):
    """Sets of minutes per resource and date. Where there are none, there is no entry.

    `bits` is [date from `first_on` on, resource, byte], and has one resource more than are named: it has no time.
    """

    def __init__(self, resources: Iterable[UUID], first_on: date, bits: NDArray[np.uint8]) -> None:
        self._rows = {resource: row for row, resource in enumerate(resources)}
        self._first, self._bits = first_on.toordinal(), bits

    @classmethod
    def of(cls, minutes: Mapping[tuple[UUID, date], int]) -> Self:
        """Pack minutes that are given one by one."""
        resources = list(dict.fromkeys(resource for resource, _ in minutes))
        first_on = min((on for _, on in minutes), default=date.min)
        days = max(((on - first_on).days + 1 for _, on in minutes), default=0)
        table = cls(resources, first_on, np.zeros((days, len(resources) + 1, LANE_BYTES), np.uint8))
        for (resource, on), mask in minutes.items():
            table._put(resource, on, mask)
        return table

    def __getitem__(self, key: tuple[UUID, date]) -> int:
        resource, on = key
        row, at = self._rows.get(resource, -1), on.toordinal() - self._first
        minutes = int.from_bytes(self._bits[at, row].tobytes(), "little") if 0 <= at < len(self._bits) else 0
        if not minutes:
            raise KeyError(key)
        return minutes

    def __iter__(self) -> Iterator[tuple[UUID, date]]:
        resources = list(self._rows)
        for at, row in np.argwhere(self._bits.any(axis=2)):
            yield resources[row], date.fromordinal(self._first + int(at))

    def __len__(self) -> int:
        return int(self._bits.any(axis=2).sum())

    def rows(self, resources: Iterable[UUID]) -> Rows:
        """Return where these resources stand in the table, for `bits`; those it does not know have no time."""
        return np.array([self._rows.get(resource, -1) for resource in resources], np.intp)

    def bits(self, rows: Rows, first: int, days: int) -> NDArray[np.uint8]:
        """Return the minutes of these rows, in their order, on so many dates from an ordinal on: [date, row, byte]."""
        since = first - self._first
        known = self._bits[max(since, 0) : max(since + days, 0)].take(rows, axis=1)
        if len(known) == days:
            return known
        whole = np.zeros((days, len(rows), LANE_BYTES), np.uint8)
        whole[max(-since, 0) : max(-since, 0) + len(known)] = known
        return whole

    def with_changes(self, minutes: Mapping[tuple[UUID, date], int]) -> TimeTable:
        """Return a table in which these entries are others; those on dates outside the table are left out."""
        known = len(self._rows)
        rows = dict.fromkeys([*self._rows, *(resource for resource, _ in minutes)])
        bits = np.zeros((len(self._bits), len(rows) + 1, LANE_BYTES), np.uint8)
        bits[:, :known] = self._bits[:, :known]
        table = TimeTable(rows, date.fromordinal(self._first), bits)
        for (resource, on), mask in minutes.items():
            if 0 <= on.toordinal() - self._first < len(bits):
                table._put(resource, on, mask)
        return table

    def _put(self, resource: UUID, on: date, minutes: int) -> None:
        at = on.toordinal() - self._first
        self._bits[at, self._rows[resource]] = np.frombuffer(minutes.to_bytes(LANE_BYTES, "little"), np.uint8)


def packed(minutes: Mapping[tuple[UUID, date], int]) -> TimeTable:
    """Return minutes as a table."""
    return minutes if isinstance(minutes, TimeTable) else TimeTable.of(minutes)


class Taken(Mapping[tuple[UUID, date], tuple[int, ...]]):
    """What is taken of each place of resources: a table for the first places, one for the second places, and so on."""

    def __init__(self, places: Iterable[TimeTable]) -> None:
        self.places = tuple(places)

    @classmethod
    def of(cls, minutes: Mapping[tuple[UUID, date], tuple[int, ...]]) -> Self:
        """Pack minutes that are given one by one."""
        return cls(TimeTable.of(of_place) for of_place in _by_place(minutes))

    def with_changes(self, minutes: Mapping[tuple[UUID, date], tuple[int, ...]]) -> Taken:
        """Return what is taken when these entries are others, of as many places as before or more."""
        changes = _by_place(minutes)
        before = [*self.places, *[None] * (len(changes) - len(self.places))]
        return Taken(
            TimeTable.of(of_place) if table is None else table.with_changes(of_place)
            for table, of_place in zip_longest(before, changes, fillvalue={})
        )

    def __getitem__(self, key: tuple[UUID, date]) -> tuple[int, ...]:
        taken = [table.get(key, 0) for table in self.places]
        while taken and not taken[-1]:
            taken.pop()
        if not taken:
            raise KeyError(key)
        return tuple(taken)

    def __iter__(self) -> Iterator[tuple[UUID, date]]:
        return iter(dict.fromkeys(key for table in self.places for key in table))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _by_place(minutes: Mapping[tuple[UUID, date], tuple[int, ...]]) -> list[dict[tuple[UUID, date], int]]:
    most = max(map(len, minutes.values()), default=0)
    return [{key: taken[place] for key, taken in minutes.items() if place < len(taken)} for place in range(most)]


def repeated(minutes: int, times: int) -> int:
    """Return that many lanes, each with these minutes."""
    return int.from_bytes(minutes.to_bytes(LANE_BYTES, "little") * times, "little")


def lane(lanes: int, number: int) -> int:
    return lanes >> number * LANE & ONE_LANE


def each_lane(lanes: int) -> Iterator[tuple[int, int]]:
    """Yield the lanes that are not empty, with their numbers."""
    number = 0
    while lanes:
        empty = ((lanes & -lanes).bit_length() - 1) // LANE
        number, lanes = number + empty, lanes >> empty * LANE
        yield number, lanes & ONE_LANE
        number, lanes = number + 1, lanes >> LANE


def united(lanes: int, number: int) -> int:
    """Return the minutes that are in one of so many lanes at least."""
    while number > 1:
        number = (number + 1) // 2
        lanes |= lanes >> number * LANE
    return lanes & ONE_LANE


def shifted(lanes: int, by: int, number: int) -> int:
    """Move the minutes of each of so many lanes `by` later (earlier when negative)."""
    if by == 0:
        return lanes
    if abs(by) >= LANE:
        return 0
    return (lanes << by if by > 0 else lanes >> -by) & _kept(by, number)


def starts(free: int, minutes: int, number: int) -> int:
    """Return every minute of each of so many lanes from which `minutes` minutes in a row are free."""
    have = 1
    while have < minutes:
        step = min(have, minutes - have)
        # What a short step brings in from the next lane meets bits that no date uses.
        free &= free >> step if step <= UNUSED else shifted(free, -step, number)
        have += step
    return free


@lru_cache(maxsize=1024)
def _kept(by: int, number: int) -> int:
    """Return the bits that minutes of their own lane are moved to."""
    return repeated(ONE_LANE >> by << by if by > 0 else ONE_LANE >> -by, number)
