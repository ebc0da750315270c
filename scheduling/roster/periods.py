"""Periods as the busy map keeps them: how the minutes that are taken are packed, and how they become days of a site.

A period is four weeks: a year is few rows to read, and one to write is a thousand bytes. Moments are minutes since 1970
in UTC; periods are counted from Monday, 5 January 1970, so no zone is in what is stored. The first byte has the first
eight bits, and its lowest bit is the first of them, as in the planner's ticks. A bit is five minutes where everything
begins and ends on a multiple of them, and one minute in periods where something does not: which of the two, says the
length.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from clinic.localtime import ONE_MINUTE
from scheduling.planner import facts, ticks
from scheduling.planner.timetable import (
    FIVE,
    FIVE_WORDS,
    Words,
    in_minutes,
    in_one_unit,
    shifted,
    unit_of,
)

PERIOD_DAYS = 28
DAY, PERIOD = 1440, PERIOD_DAYS * 1440
MONDAY = 4 * DAY  # 5 January 1970
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# A finite range as PostgreSQL sends it: flags, then size and value of each bound, in microseconds since 2000.
RANGE = [("flags", "u1"), ("size", ">i4"), ("begins", ">i8"), ("another", ">i4"), ("ends", ">i8")]
NUMBER = 4  # bytes of a period's
YEAR_2000, MINUTE = (datetime(2000, 1, 1, tzinfo=UTC) - EPOCH) // ONE_MINUTE, 60_000_000


def minute_of(at: datetime) -> int:
    """Return the minute in which an instant lies."""
    return (at - EPOCH) // ONE_MINUTE


def period_of(minute: int) -> int:
    return (minute - MONDAY) // PERIOD


def begin_of(period: int) -> int:
    """Return the first minute of a period."""
    return MONDAY + period * PERIOD


def period_starts_at(period: int) -> datetime:
    return EPOCH + begin_of(period) * ONE_MINUTE


def periods_between(starts_at: datetime, ends_at: datetime) -> range:
    """Return the periods in which a span lies."""
    return range(period_of(minute_of(starts_at)), period_of(-(-(ends_at - EPOCH) // ONE_MINUTE) - 1) + 1)


def packed(period: int, spans: Iterable[tuple[int, int]]) -> bytes:
    """Return what spans take of a period; nothing when that is nothing."""
    begin = begin_of(period)
    inside = [(max(first - begin, 0), min(until - begin, PERIOD)) for first, until in spans]
    unit = 1 if any(first % FIVE or until % FIVE for first, until in inside) else FIVE
    taken = 0
    for first, until in inside:
        taken |= ticks.span(first // unit, until // unit)
    return taken.to_bytes(PERIOD // unit // 8, "little") if taken else b""


def spans_of(ranges: bytes) -> list[tuple[int, int]]:
    """Return ranges as PostgreSQL sends them in minutes since 1970, rounded outwards."""
    found = np.frombuffer(ranges, RANGE)
    begins, ends = found["begins"] // MINUTE + YEAR_2000, -(-found["ends"] // MINUTE) + YEAR_2000
    return list(zip(begins.tolist(), ends.tolist(), strict=True))


class Periods:
    """The minutes of several places over periods in a row, day by day in UTC.

    They are given as PostgreSQL sends them: a place, numbers of periods, and what is `packed` of each, equally long.
    """

    def __init__(
        self, places: int, first_period: int, last_period: int, given: Iterable[tuple[int, bytes, bytes]]
    ) -> None:
        self._first, periods = first_period, last_period + 1 - first_period
        # One day more, so that there is one after the last.
        self._fives = np.zeros((PERIOD_DAYS * periods + 1, places, DAY // FIVE // 8), np.uint8)
        self._by_minutes: dict[int, list[tuple[int, NDArray[np.uint8]]]] = {}
        by_fives: list[tuple[int, bytes, bytes]] = []
        for place, numbers, minutes in given:
            if len(minutes) * NUMBER == len(numbers) * (PERIOD // FIVE // 8):
                by_fives.append((place, numbers, minutes))
            else:
                self._put_by_minutes(place, numbers, minutes)
        if by_fives:  # nearly all, so they are written at once
            those, numbers_of, minutes_of = zip(*by_fives, strict=True)
            at = self._numbers(b"".join(numbers_of))
            found = np.frombuffer(b"".join(minutes_of), np.uint8).reshape(len(at), PERIOD_DAYS, -1)
            whose = np.repeat(those, [len(numbers) // NUMBER for numbers in numbers_of])
            self._fives[:-1].reshape(periods, PERIOD_DAYS, *self._fives.shape[1:])[at, :, whose] = found

    def _put_by_minutes(self, place: int, numbers: bytes, minutes: bytes) -> None:
        periods = self._numbers(numbers)
        found = np.frombuffer(minutes, np.uint8).reshape(len(periods), PERIOD_DAYS, -1)
        for period, days in zip(periods.tolist(), found, strict=True):
            for at, day in enumerate(days, start=PERIOD_DAYS * period):
                self._by_minutes.setdefault(at, []).append((place, day))

    def _numbers(self, periods: bytes) -> NDArray[np.int64]:
        return np.frombuffer(periods, ">i4").astype(np.int64) - self._first

    def days(self, days: Sequence[facts.Day]) -> Words:
        """Return [date, place, word] for dates that follow each other, inside the periods."""
        begin = minute_of(days[0].starts_at) - begin_of(self._first)
        begins = [begin, *(begin + since for since in accumulate(day.length_minutes for day in days[:-1]))]
        first, last = begin // DAY, begins[-1] // DAY
        words = self._words(first, last + 2)
        if begin % DAY == 0 and all(day.length_minutes == DAY for day in days):
            return words[: len(days)]
        if any(minute % FIVE for minute in (*begins, days[-1].length_minutes)):
            words = in_minutes(words)
        unit, at = unit_of(words), 0
        found = np.zeros((len(days), *words.shape[1:]), np.uint64)
        while at < len(days):
            # As long as dates have 24 hours, they all begin at the same minute of a day in UTC.
            until, length = at + 1, days[at].length_minutes
            while length == DAY and until < len(days) and days[until].length_minutes == DAY:
                until += 1
            day, minute = divmod(begins[at] - first * DAY, DAY)
            found[at:until] = shifted(words[day : day + until - at], -minute // unit)
            found[at:until] |= shifted(words[day + 1 : day + 1 + until - at], (DAY - minute) // unit)
            found[at:until] &= in_one_unit(words, ticks.span(0, length))[1]
            at = until
        return found

    def _words(self, first: int, until: int) -> Words:
        """Return days of UTC with their minutes."""
        fives = np.zeros((until - first, self._fives.shape[1], 8 * FIVE_WORDS), np.uint8)
        fives[:, :, : DAY // FIVE // 8] = self._fives[first:until]
        numbers = self._by_minutes.keys() & range(first, until)
        if not numbers:
            return fives.view(np.uint64)
        minutes = in_minutes(fives.view(np.uint64)).view(np.uint8)
        for number in numbers:
            for place, day in self._by_minutes[number]:
                minutes[number - first, place, : DAY // 8] = day
        return minutes.view(np.uint64)
