"""Sets of minutes of one day as ints: bit t is the minute [t, t + 1), see `facts`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from .facts import Day


def span(first: int, until: int) -> int:
    """Return the minutes [first, until); nothing when that is empty. Minutes before the day are cut off."""
    first = max(first, 0)
    return ((1 << (until - first)) - 1) << first if until > first else 0


def starts(free: int, minutes: int) -> int:
    """Return every minute from which `minutes` minutes in a row are free; log2(minutes) shifts."""
    have = 1
    while have < minutes:
        step = min(have, minutes - have)
        free &= free >> step
        have += step
    return free


def shifted(minutes: int, by: int) -> int:
    """Move every minute `by` later (earlier when negative); what leaves the day is lost."""
    return minutes << by if by >= 0 else minutes >> -by


def lowest(minutes: int) -> int:
    """Return the first minute of a set that is not empty."""
    return (minutes & -minutes).bit_length() - 1


def each(minutes: int) -> Iterator[int]:
    """Yield the minutes of a set in order."""
    while minutes:
        low = minutes & -minutes
        yield low.bit_length() - 1
        minutes ^= low


def grid_of(day: Day, every: int) -> int:
    """Return the starts that a site offers: wall-clock minutes that are a multiple of `every`."""
    return _grid_where_clocks_change(day, every) if day.changes else _plain_grid(day.length_minutes, every)


def within_wall_hours(day: Day, minutes: int, first: int, until: int) -> int:
    """Return the starts of a visit of `minutes` that lies inside [first, until] by the clocks on the wall."""
    if not day.changes:
        return span(first, min(until, day.length_minutes) - minutes + 1)
    return _within_where_clocks_change(day, minutes, first, until)


def at_wall_minute(day: Day, minute: int) -> int:
    """Return the starts at which the clocks on the wall show this minute: none, one, or both passes of an hour."""
    if not day.changes:
        return span(minute, min(minute + 1, day.length_minutes))
    return sum(1 << tick for tick in range(day.length_minutes) if day.wall_minute(tick) == minute)


@lru_cache(maxsize=1024)
def _grid_where_clocks_change(day: Day, every: int) -> int:
    return sum(1 << tick for tick in range(day.length_minutes) if day.wall_minute(tick) % every == 0)


@lru_cache(maxsize=1024)
def _within_where_clocks_change(day: Day, minutes: int, first: int, until: int) -> int:
    return sum(
        1 << tick
        for tick in range(day.length_minutes - minutes + 1)
        if day.wall_minute(tick) >= first and day.wall_minute(tick + max(minutes, 1) - 1) + 1 <= until
    )


@lru_cache(maxsize=64)
def _plain_grid(length: int, every: int) -> int:
    return sum(1 << tick for tick in range(0, length, every))
