"""Minutes of many resources on many dates, packed, so that one operation on an array serves them all.

The minutes of one resource on one date are `WORDS` words of 64 bits, bit `t % 64` of word `t // 64` for the minute `t`.
An array of them has the words last: [date, resource, word], say. What is shifted out is lost, as with ints in `ticks`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Self
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

WORDS = 24
UNUSED = 64 * WORDS - 1500  # bits beyond the longest day

Words = NDArray[np.uint64]
Rows = NDArray[np.intp]


def as_words(minutes: int) -> Words:
    return np.frombuffer((minutes & _WHOLE).to_bytes(8 * WORDS, "little"), "<u8")


def as_int(words: Words) -> int:
    return int.from_bytes(words.tobytes(), "little")


def shifted(words: Words, by: int) -> Words:
    """Move minutes `by` later (earlier when negative)."""
    moved = np.zeros_like(words)
    whole, bits = divmod(abs(by), 64)
    if by >= 0:
        moved[..., whole:] = words[..., : max(WORDS - whole, 0)] << bits
        if bits:
            moved[..., whole + 1 :] |= words[..., : max(WORDS - whole - 1, 0)] >> 64 - bits
    else:
        moved[..., : max(WORDS - whole, 0)] = words[..., whole:] >> bits
        if bits:
            moved[..., : max(WORDS - whole - 1, 0)] |= words[..., whole + 1 :] << 64 - bits
    return moved


def starts(free: Words, minutes: int) -> Words:
    """Return every minute from which `minutes` minutes in a row are free; log2(minutes) steps."""
    found, have = free.copy(), 1
    row, by_less, by_more = found.reshape(-1), np.empty(found.size, np.uint64), np.empty(found.size, np.uint64)
    while have < minutes:
        step = min(have, minutes - have)
        if step <= UNUSED:
            # All in one row: what comes in from the next day meets bits that no day uses.
            np.right_shift(row, step, out=by_less)
            np.left_shift(row, 64 - step, out=by_more)
            by_less[:-1] |= by_more[1:]
            row &= by_less
        else:
            found &= shifted(found, -step)
        have += step
    return found


class TimeTable(Mapping[tuple[UUID, date], int]):
    """Sets of minutes per resource and date. Where there are none, there is no entry.

    `words` is [date from `first_on` on, resource, word], and has one resource more than are named: it has no time.
    """

    def __init__(self, resources: Iterable[UUID], first_on: date, words: Words) -> None:
        self._rows = {resource: row for row, resource in enumerate(resources)}
        self._first, self._words = first_on.toordinal(), words

    @classmethod
    def of(cls, minutes: Mapping[tuple[UUID, date], int]) -> Self:
        """Pack minutes that are given one by one."""
        resources = list(dict.fromkeys(resource for resource, _ in minutes))
        first_on = min((on for _, on in minutes), default=date.min)
        days = max(((on - first_on).days + 1 for _, on in minutes), default=0)
        table = cls(resources, first_on, np.zeros((days, len(resources) + 1, WORDS), np.uint64))
        for (resource, on), mask in minutes.items():
            table._put(resource, on, mask)
        return table

    def __getitem__(self, key: tuple[UUID, date]) -> int:
        resource, on = key
        row, at = self._rows.get(resource, -1), on.toordinal() - self._first
        minutes = as_int(self._words[at, row]) if 0 <= at < len(self._words) else 0
        if not minutes:
            raise KeyError(key)
        return minutes

    def __iter__(self) -> Iterator[tuple[UUID, date]]:
        resources = list(self._rows)
        for at, row in np.argwhere(self._words.any(axis=2)):
            yield resources[row], date.fromordinal(self._first + int(at))

    def __len__(self) -> int:
        return int(self._words.any(axis=2).sum())

    def rows(self, resources: Iterable[UUID]) -> Rows:
        """Return where these resources stand in the table, for `words`; those it does not know have no time."""
        return np.array([self._rows.get(resource, -1) for resource in resources], np.intp)

    def words(self, rows: Rows, first: int, days: int) -> Words:
        """Return the minutes of these rows, in their order, on so many dates from an ordinal on: [date, row, word]."""
        since = first - self._first
        known = self._words[max(since, 0) : max(since + days, 0)].take(rows, axis=1)
        if len(known) == days:
            return known
        whole = np.zeros((days, len(rows), WORDS), np.uint64)
        whole[max(-since, 0) : max(-since, 0) + len(known)] = known
        return whole

    def with_changes(self, minutes: Mapping[tuple[UUID, date], int]) -> TimeTable:
        """Return a table in which these entries are others; those on dates outside the table are left out."""
        known = len(self._rows)
        rows = dict.fromkeys([*self._rows, *(resource for resource, _ in minutes)])
        words = np.zeros((len(self._words), len(rows) + 1, WORDS), np.uint64)
        words[:, :known] = self._words[:, :known]
        table = TimeTable(rows, date.fromordinal(self._first), words)
        for (resource, on), mask in minutes.items():
            if 0 <= on.toordinal() - self._first < len(words):
                table._put(resource, on, mask)
        return table

    def _put(self, resource: UUID, on: date, minutes: int) -> None:
        at = on.toordinal() - self._first
        self._words[at, self._rows[resource]] = as_words(minutes)


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
        changes = _by_place(minutes, at_least=len(self.places))
        changed = [table.with_changes(of_place) for table, of_place in zip(self.places, changes, strict=False)]
        return Taken([*changed, *(TimeTable.of(of_place) for of_place in changes[len(self.places) :])])

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


def _by_place(
    minutes: Mapping[tuple[UUID, date], tuple[int, ...]], at_least: int = 0
) -> list[dict[tuple[UUID, date], int]]:
    most = max(at_least, *map(len, minutes.values())) if minutes else at_least
    return [{key: taken[place] if place < len(taken) else 0 for key, taken in minutes.items()} for place in range(most)]


_WHOLE = (1 << 64 * WORDS) - 1
