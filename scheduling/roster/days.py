"""The days of a site, what is found on them, and minutes of the clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import TypeVar
from uuid import UUID

from clinic import localtime
from clinic.models import Site
from scheduling.models import Closure, Resource
from scheduling.planner import facts, ticks

Found = TypeVar("Found")


def today(site: Site, now: datetime) -> date:
    """Return the local date at the site."""
    return localtime.local_date(now, site.zone)


def days_between(site: Site, first_on: date, last_on: date, closures: Iterable[Closure]) -> dict[date, facts.Day]:
    """Return the days between two dates, both inclusive, with the name of what closes the whole of one."""
    days = {on: _day(on, site.zone) for on in _dates(first_on, last_on)}
    for closure in closures:
        if closure.from_time is None:
            for on in _dates(max(closure.first_on, first_on), min(closure.last_on, last_on)):
                days[on] = replace(days[on], closed=closure.name)
    return days


@lru_cache(maxsize=8192)
def _day(on: date, zone: str) -> facts.Day:
    shape = localtime.day_shape(on, zone)
    changes = tuple(facts.ClockChange(*change) for change in shape.changes)
    return facts.Day(on, shape.starts_at, shape.length_minutes, changes)


def _dates(first_on: date, last_on: date) -> Iterable[date]:
    return (first_on + timedelta(days=number) for number in range((last_on - first_on).days + 1))


class ByDate(Mapping[tuple[UUID, date], Found]):
    """What is found for a resource on a date, worked out when it is asked for: a plan looks at few dates of a year.

    Where nothing is found there is no entry.
    """

    def __init__(
        self, resources: Iterable[Resource], dates: Iterable[date], find: Callable[[UUID, date], Found]
    ) -> None:
        self._resources, self._dates, self._find = list(resources), list(dates), find
        self._found: dict[tuple[UUID, date], Found] = {}

    def __getitem__(self, key: tuple[UUID, date]) -> Found:
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = self._find(*key)
        if not found:
            raise KeyError(key)
        return found

    def __iter__(self) -> Iterator[tuple[UUID, date]]:
        every = ((resource.uid, on) for resource in self._resources for on in self._dates)
        return (key for key in every if key in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def part_of_day(day: facts.Day, from_time: time | None, until_time: time | None, zone: str) -> int:
    """Return the ticks of a day between two times of the clock; no times mean the whole day."""
    if from_time is None or until_time is None:
        return ticks.span(0, day.length_minutes)
    return span(day, from_time, until_time, zone)


def span(day: facts.Day, from_time: time, until_time: time, zone: str) -> int:
    """Return the ticks of a day between two times of the clock."""
    if not day.changes and day.length_minutes == 1440:
        return ticks.span(wall_minute(from_time), wall_minute(until_time))
    return ticks.span(
        localtime.elapsed_minutes(day.on, from_time, zone), localtime.elapsed_minutes(day.on, until_time, zone)
    )


def wall_minute(at: time) -> int:
    return at.hour * 60 + at.minute


def minutes_between(start: datetime, end: datetime) -> int:
    return (end - start) // localtime.ONE_MINUTE
