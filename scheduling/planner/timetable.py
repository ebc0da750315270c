"""Minutes of many resources on many dates, packed, so that one operation on an array serves them all.

The minutes of one resource on one date are words of 64 bits, the lowest bit of the first word being the first minute.
A bit is one minute, or five where everything begins and ends on a multiple of five: which of the two, says how many
words there are. An array of them has the words last: [date, resource, word], say. What is shifted out is lost, as with
ints in `ticks`. Moments, such as starts, are packed like minutes: of five there is the first only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from functools import lru_cache
from typing import Self
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from . import ticks

LONGEST = 1500  # minutes of a day on which the clocks go back
WORDS = 24
FIVE, FIVE_WORDS = 5, 5  # minutes a bit, and words a day
CHUNK = 128  # most dates whose time is worked out at once: four months, as far as three sessions a month apart reach

Words = NDArray[np.uint64]
Rows = NDArray[np.intp]


def as_words(minutes: int) -> Words:
    return np.frombuffer((minutes & _WHOLE).to_bytes(8 * WORDS, "little"), "<u8")


def as_fives(minutes: int) -> Words | None:
    """Return minutes by fives; None where that would not be the same."""
    return moments_as_fives(minutes) if (minutes & _FIFTHS) * 0b11111 == minutes else None


def as_int(words: Words) -> int:
    """Return the minutes of one day."""
    return int.from_bytes(in_minutes(words).tobytes(), "little")


def unit_of(words: Words) -> int:
    """Return how many minutes a bit is."""
    return FIVE if words.shape[-1] == FIVE_WORDS else 1


def in_minutes(words: Words) -> Words:
    """Return the same minutes with a bit for each."""
    return words if unit_of(words) == 1 else _spread(words, _MINUTES_OF)


def moments_in_minutes(words: Words) -> Words:
    """Return the same moments with a bit for each minute."""
    return words if unit_of(words) == 1 else _spread(words, _MOMENTS_OF)


def moments_as_int(words: Words) -> int:
    """Return the moments of one day."""
    return int.from_bytes(moments_in_minutes(words).tobytes(), "little")


def bits_of(words: Words) -> NDArray[np.uint8]:
    """Return each bit by itself: [..., bit]."""
    return np.unpackbits(words.view(np.uint8), axis=-1, bitorder="little")


def each_moment(words: Words) -> Iterator[int]:
    """Yield the moments of one day, in order."""
    unit = unit_of(words)
    return (unit * bit for bit in ticks.each(int.from_bytes(words.tobytes(), "little")))


def moments_of(words: Words) -> list[tuple[int, int]]:
    """Return the moments of rows, [row, word], as pairs of the row and the minute, in this order."""
    rows, bits = np.nonzero(bits_of(words))
    return list(zip(rows.tolist(), (bits * unit_of(words)).tolist(), strict=True))


@lru_cache(maxsize=1024)
def moments_as_fives(moments: int) -> Words:
    """Return those of the moments that are multiples of five minutes."""
    bits = np.unpackbits(as_words(moments).view(np.uint8), count=LONGEST, bitorder="little")
    found = np.zeros(8 * FIVE_WORDS, np.uint8)
    found[: -(-LONGEST // FIVE // 8)] = np.packbits(bits[::FIVE], bitorder="little")
    return found.view(np.uint64)


def in_one_unit(words: Words, minutes: int) -> tuple[Words, Words]:
    """Return both with bits of five minutes where they can be, else of one: the words, and minutes of one day."""
    fives = as_fives(minutes) if unit_of(words) == FIVE else None
    return (in_minutes(words), as_words(minutes)) if fives is None else (words, fives)


def _spread(words: Words, table: NDArray[np.uint8]) -> Words:
    fives = words.view(np.uint8)[..., : -(-LONGEST // FIVE // 8)]
    found = np.zeros((*words.shape[:-1], 8 * WORDS), np.uint8)
    minutes = table.take(fives, axis=0).reshape(*words.shape[:-1], FIVE * fives.shape[-1])
    found[..., : minutes.shape[-1]] = minutes
    return found.view(np.uint64)


def _by_fives(minutes: Words) -> Words:
    """Return minutes by fives if that is the same, else as they are."""
    if ((minutes ^ shifted(minutes, 1)) & _WITHIN_FIVES).any():
        return minutes
    many = -(-LONGEST // FIVE // 8)
    found = np.zeros((*minutes.shape[:-1], 8 * FIVE_WORDS), np.uint8)
    bytes_of = minutes.view(np.uint8)[..., : FIVE * many].reshape(*minutes.shape[:-1], many, FIVE)
    for at, table in enumerate(_FIVES_OF):
        found[..., :many] |= table.take(bytes_of[..., at])
    return found.view(np.uint64)


def shifted(words: Words, by: int) -> Words:
    """Move every bit `by` bits later (earlier when negative)."""
    if not by:
        return words
    moved, many = np.zeros_like(words), words.shape[-1]
    whole, bits = divmod(abs(by), 64)
    if by >= 0:
        moved[..., whole:] = words[..., : max(many - whole, 0)] << bits
        if bits:
            moved[..., whole + 1 :] |= words[..., : max(many - whole - 1, 0)] >> 64 - bits
    else:
        moved[..., : max(many - whole, 0)] = words[..., whole:] >> bits
        if bits:
            moved[..., : max(many - whole - 1, 0)] |= words[..., whole + 1 :] << 64 - bits
    return moved


def starts(free: Words, bits: int) -> Words:
    """Return every bit from which so many bits in a row are free; log2(bits) steps."""
    found, have = free.copy(), 1
    row, by_less, by_more = found.reshape(-1), np.empty(found.size, np.uint64), np.empty(found.size, np.uint64)
    unused = 64 * free.shape[-1] - LONGEST // unit_of(free)  # beyond the longest day
    while have < bits:
        step = min(have, bits - have)
        if step <= unused:
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

    `find` works them out when they are asked for, a chunk of dates at a time, and once: a plan looks at few dates of a
    year. It is given the first ordinal and the one after the last, none outside the table, and returns [date, resource,
    word], with one resource more than are named: it has no time. Of each chunk it may return the one unit or the other.
    """

    def __init__(self, resources: Iterable[UUID], first_on: date, days: int, find: Callable[[int, int], Words]) -> None:
        self._rows = {resource: row for row, resource in enumerate(resources)}
        self._first, self._end, self._find = first_on.toordinal(), first_on.toordinal() + days, find
        self._found: dict[int, Words] = {}

    @classmethod
    def of(cls, minutes: Mapping[tuple[UUID, date], int]) -> Self:
        """Pack minutes that are given one by one."""
        resources = list(dict.fromkeys(resource for resource, _ in minutes))
        first_on = min((on for _, on in minutes), default=date.min)
        days = max(((on - first_on).days + 1 for _, on in minutes), default=0)
        words = np.zeros((days, len(resources) + 1, WORDS), np.uint64)
        rows = {resource: row for row, resource in enumerate(resources)}
        for (resource, on), mask in minutes.items():
            words[(on - first_on).days, rows[resource]] = as_words(mask)
        begin = first_on.toordinal()
        chunks = [_by_fives(words[at : at + CHUNK]) for at in range(0, days, CHUNK)]
        return cls(resources, first_on, days, lambda first, _until: chunks[(first - begin) // CHUNK])

    def __getitem__(self, key: tuple[UUID, date]) -> int:
        resource, on = key
        row, at = self._rows.get(resource), on.toordinal()
        minutes = 0
        if row is not None and self._first <= at < self._end:
            begin, words = self._chunk((at - self._first) // CHUNK)
            minutes = as_int(words[at - begin, row])
        if not minutes:
            raise KeyError(key)
        return minutes

    def __iter__(self) -> Iterator[tuple[UUID, date]]:
        resources = list(self._rows)
        for number in range(-(-(self._end - self._first) // CHUNK)):
            begin, words = self._chunk(number)
            for at, row in np.argwhere(words.any(axis=2)).tolist():
                yield resources[row], date.fromordinal(begin + at)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def rows(self, resources: Iterable[UUID]) -> Rows:
        """Return where these resources stand in the table, for `words`; those it does not know have no time."""
        return np.array([self._rows.get(resource, -1) for resource in resources], np.intp)

    def words(self, rows: Rows, first: int, days: int) -> Words:
        """Return the minutes of these rows, in their order, on so many dates from an ordinal on: [date, row, word]."""
        since, until = max(first, self._first) - self._first, min(first + days, self._end) - self._first
        chunks = [self._chunk(number) for number in range(since // CHUNK, -(-until // CHUNK))] if since < until else []
        if len(chunks) == 1 and until - since == days:
            ((begin, words),) = chunks
            return words[first - begin : first - begin + days].take(rows, axis=1)
        by_fives = all(unit_of(words) == FIVE for _, words in chunks)
        whole = np.zeros((days, len(rows), FIVE_WORDS if by_fives else WORDS), np.uint64)
        for begin, words in chunks:
            since, until = max(begin, first), min(begin + len(words), first + days)
            if since < until:
                some = words[since - begin : until - begin].take(rows, axis=1)
                whole[since - first : until - first] = some if by_fives else in_minutes(some)
        return whole

    def with_changes(self, minutes: Mapping[tuple[UUID, date], int]) -> TimeTable:
        """Return a table in which these entries are others; those on dates outside the table are left out."""
        resources = list(dict.fromkeys([*self._rows, *(resource for resource, _ in minutes)]))
        as_known = np.array([self._rows.get(resource, -1) for resource in resources] + [-1], np.intp)
        rows = {resource: row for row, resource in enumerate(resources)}
        changes = [(on.toordinal(), rows[resource], mask) for (resource, on), mask in minutes.items()]

        def find(first: int, until: int) -> Words:
            words = self.words(as_known, first, until - first)
            for at, row, mask in changes:
                if first <= at < until:
                    words, changed = in_one_unit(words, mask)
                    words[at - first, row] = changed
            return words

        return TimeTable(resources, date.fromordinal(self._first), self._end - self._first, find)

    def _chunk(self, number: int) -> tuple[int, Words]:
        """Return the first ordinal of a chunk of the table, and the words of its dates."""
        first = self._first + number * CHUNK
        if number not in self._found:
            self._found[number] = self._find(first, min(first + CHUNK, self._end))
        return first, self._found[number]


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
_FIFTHS = sum(1 << minute for minute in range(0, LONGEST, FIVE))
# What each byte by fives is in minutes, and what its moments are: five bytes.
_MINUTES_OF, _MOMENTS_OF = (
    np.array(
        [
            list(sum(each << FIVE * bit for bit in range(8) if byte >> bit & 1).to_bytes(FIVE, "little"))
            for byte in range(256)
        ],
        np.uint8,
    )
    for each in (0b11111, 0b00001)
)
# The other way round: of each byte, by its place among five, the minutes that are multiples of five.
_FIVES_OF = tuple(
    np.array(
        [
            sum(1 << bit // FIVE for bit in range(8 * at, 8 * at + 8) if bit % FIVE == 0 and byte >> bit % 8 & 1)
            for byte in range(256)
        ],
        np.uint8,
    )
    for at in range(FIVE)
)
# Minutes that are as the one before them, where all goes by fives.
_WITHIN_FIVES = as_words(sum(1 << minute for minute in range(64 * WORDS) if minute % FIVE))
