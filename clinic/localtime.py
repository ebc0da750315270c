"""The only place that turns wall-clock time into UTC and back.

The truth of a future visit is its wall-clock date and time, its site's IANA zone and the fold; the UTC instant is
derived. A generated time that the clock skips moves forward by the skip, as RFC 5545 and `zoneinfo` do; a typed one is
refused. A time that repeats means its first pass unless said (PostgreSQL takes the second, so SQL never interprets
local time here).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from .errors import Problem, RuleBroken

ONE_MINUTE = timedelta(minutes=1)


class TimeDoesNotExist(RuleBroken):
    """The clock skips this wall-clock time on that date."""

    code = "time_does_not_exist"


class ZoneUnknown(RuleBroken):
    code = "zone_unknown"


@lru_cache(maxsize=1)
def _zone_names() -> frozenset[str]:
    """Return the names that mean the same on every machine: not `localtime`, not `right/…` with leap seconds."""
    return frozenset(available_timezones() - {"localtime", "Factory"})


@lru_cache(maxsize=64)
def zone(name: str) -> ZoneInfo:
    """Return the IANA zone, or raise ZoneUnknown."""
    if name not in _zone_names():
        raise ZoneUnknown(
            Problem("zone_unknown", f"There is no time zone “{name}”. Use a name such as Europe/London.", "zone")
        )
    return ZoneInfo(name)


def instant(on: date, at_time: time, zone_name: str, *, fold: int = 0) -> datetime:
    """Return the UTC instant of a generated wall-clock time; one that is skipped moves forward by the skip."""
    local = datetime.combine(on, at_time.replace(fold=fold), tzinfo=zone(zone_name))
    # The second pass is never before the first; where it seems so, the time is skipped (PEP 495) and fold says nothing.
    return max(local.replace(fold=0).astimezone(UTC), local.astimezone(UTC))


def typed_instant(on: date, at_time: time, zone_name: str, *, fold: int = 0) -> datetime:
    """Return the UTC instant of a time that a person typed, or raise TimeDoesNotExist."""
    at = instant(on, at_time, zone_name, fold=fold)
    back = at.astimezone(zone(zone_name))
    if (back.date(), back.time()) != (on, at_time.replace(fold=0)):
        raise TimeDoesNotExist(
            Problem(
                "time_does_not_exist",
                f"On {on.isoformat()} the clock in {zone_name} skips {at_time:%H:%M}. Choose another time.",
                "time",
            )
        )
    return at


def wall(at: datetime, zone_name: str) -> datetime:
    """Return what the clocks of that zone show at the instant, aware and with its fold."""
    return at.astimezone(zone(zone_name))


def local_date(at: datetime, zone_name: str) -> date:
    return wall(at, zone_name).date()


def first_instant(on: date, zone_name: str) -> datetime:
    """Return the first UTC instant of a local date. Midnight itself may not exist (Beirut, Havana, Santiago)."""
    at = instant(on, time.min, zone_name)
    if local_date(at - ONE_MINUTE, zone_name) < on:
        return at
    # Midnight was skipped or repeated in an odd way: walk back to where the date begins.
    while local_date(at - ONE_MINUTE, zone_name) >= on:
        at -= ONE_MINUTE
    return at


@dataclass(frozen=True, slots=True)
class DayShape:
    """Where a local date lies in UTC. `changes` are (minutes elapsed, shift): wall minute = elapsed + shift."""

    starts_at: datetime
    length_minutes: int
    changes: tuple[tuple[int, int], ...]


@lru_cache(maxsize=8192)
def day_shape(on: date, zone_name: str) -> DayShape:
    """Return the shape of a date. Zone rules are in whole minutes since 1972 everywhere."""
    starts_at = first_instant(on, zone_name)
    ends_at = first_instant(on + timedelta(days=1), zone_name)
    length = int((ends_at - starts_at) / ONE_MINUTE)
    tz = zone(zone_name)

    def shift(elapsed: int) -> int:
        at = (starts_at + elapsed * ONE_MINUTE).astimezone(tz)
        return (at.date() - on).days * 1440 + at.hour * 60 + at.minute - elapsed

    if shift(0) == 0 and shift(length - 1) == 0 and length == 1440:
        return DayShape(starts_at, length, ())
    changes: list[tuple[int, int]] = []
    current = 0
    for elapsed in range(length):
        if (now := shift(elapsed)) != current:
            changes.append((elapsed, now))
            current = now
    return DayShape(starts_at, length, tuple(changes))


def elapsed_minutes(on: date, at_time: time, zone_name: str, *, fold: int = 0) -> int:
    """Return the minutes from the date's first instant to a generated wall-clock time on that date."""
    return int((instant(on, at_time, zone_name, fold=fold) - day_shape(on, zone_name).starts_at) / ONE_MINUTE)
