"""The days of a site, what is found on them, and minutes of the clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from clinic import localtime
from clinic.models import Site
from scheduling.planner import facts, ticks


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
    days = {**days_of(zone, first_on, last_on)}
    for closure in closures:
        if closure.from_time is None:
            for on in dates(max(closure.first_on, first_on), min(closure.last_on, last_on)):
                days[on] = replace(days[on], closed=closure.name)
    return days


@lru_cache(maxsize=64)
def days_of(zone: str, first_on: date, last_on: date) -> Mapping[date, facts.Day]:
    """Return the days between two dates, both inclusive, as they are where nothing is closed."""
    return MappingProxyType({on: _day(on, zone) for on in dates(first_on, last_on)})


@lru_cache(maxsize=8192)
def _day(on: date, zone: str) -> facts.Day:
    shape = localtime.day_shape(on, zone)
    changes = tuple(facts.ClockChange(*change) for change in shape.changes)
    return facts.Day(on, shape.starts_at, shape.length_minutes, changes)


def dates(first_on: date, last_on: date) -> Iterable[date]:
    """Return the dates between two, both inclusive."""
    return (first_on + timedelta(days=number) for number in range((last_on - first_on).days + 1))


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
