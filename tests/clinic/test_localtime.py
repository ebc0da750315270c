"""Wall clocks and instants, on the nights and in the zones where they part."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinic.localtime import (
    DayShape,
    TimeDoesNotExist,
    ZoneUnknown,
    day_shape,
    elapsed_minutes,
    first_instant,
    instant,
    local_date,
    typed_instant,
    wall,
    zone,
)

HOUR = timedelta(hours=1)
ODD_ZONES = [
    "Europe/Berlin",
    "Europe/London",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Pacific/Apia",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Asia/Beirut",
    "America/Havana",
    "America/Santiago",
    "America/Nuuk",
    "America/Scoresbysund",
    "Pacific/Chatham",
    "Pacific/Kiritimati",
    "Antarctica/Troll",
    "Asia/Gaza",
    "America/Sao_Paulo",
    "Asia/Tehran",
    "Africa/Cairo",
]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone_name", "on", "at", "fold", "expected"),
    [
        # spring in Berlin: 02:00 becomes 03:00
        ("Europe/Berlin", "2027-03-28", "01:59", 0, "2027-03-28T00:59"),
        ("Europe/Berlin", "2027-03-28", "02:00", 0, "2027-03-28T01:00"),
        ("Europe/Berlin", "2027-03-28", "02:30", 0, "2027-03-28T01:30"),
        ("Europe/Berlin", "2027-03-28", "02:30", 1, "2027-03-28T01:30"),
        ("Europe/Berlin", "2027-03-28", "03:00", 0, "2027-03-28T01:00"),
        # autumn in Berlin: 03:00 becomes 02:00
        ("Europe/Berlin", "2027-10-31", "01:59", 0, "2027-10-30T23:59"),
        ("Europe/Berlin", "2027-10-31", "02:30", 0, "2027-10-31T00:30"),
        ("Europe/Berlin", "2027-10-31", "02:30", 1, "2027-10-31T01:30"),
        ("Europe/Berlin", "2027-10-31", "03:00", 0, "2027-10-31T02:00"),
        ("Europe/Berlin", "2027-07-01", "10:20", 1, "2027-07-01T08:20"),
        # Lord Howe moves by half an hour
        ("Australia/Lord_Howe", "2027-10-03", "02:10", 0, "2027-10-02T15:40"),
        ("Australia/Lord_Howe", "2027-10-03", "02:30", 0, "2027-10-02T15:30"),
        ("Australia/Lord_Howe", "2027-04-04", "01:45", 0, "2027-04-03T14:45"),
        ("Australia/Lord_Howe", "2027-04-04", "01:45", 1, "2027-04-03T15:15"),
        # Casablanca leaves its summer time for Ramadan: back on 15 February 2026, forward on 22 March
        ("Africa/Casablanca", "2026-02-15", "02:30", 0, "2026-02-15T01:30"),
        ("Africa/Casablanca", "2026-02-15", "02:30", 1, "2026-02-15T02:30"),
        ("Africa/Casablanca", "2026-03-22", "02:30", 0, "2026-03-22T02:30"),
        ("Africa/Casablanca", "2026-03-22", "03:30", 0, "2026-03-22T02:30"),
        # Apia skipped 30 December 2011 whole
        ("Pacific/Apia", "2011-12-29", "23:59", 0, "2011-12-30T09:59"),
        ("Pacific/Apia", "2011-12-30", "10:00", 0, "2011-12-30T20:00"),
        ("Pacific/Apia", "2011-12-31", "10:00", 0, "2011-12-30T20:00"),
        # Kolkata never moves, and is half an hour off
        ("Asia/Kolkata", "2027-03-28", "02:30", 0, "2027-03-27T21:00"),
    ],
)
def test_a_generated_time_becomes_its_instant(zone_name, on, at, fold, expected):
    assert instant(date.fromisoformat(on), time.fromisoformat(at), zone_name, fold=fold) == utc(expected)


@pytest.mark.parametrize(
    ("zone_name", "on", "at"),
    [
        ("Europe/Berlin", "2027-03-28", "02:00"),
        ("Europe/Berlin", "2027-03-28", "02:59"),
        ("Australia/Lord_Howe", "2027-10-03", "02:29"),
        ("Africa/Casablanca", "2026-03-22", "02:00"),
        ("Pacific/Apia", "2011-12-30", "10:00"),
        ("Asia/Beirut", "2027-03-28", "00:00"),
        ("America/Havana", "2027-03-14", "00:30"),
        ("America/Santiago", "2027-09-05", "00:15"),
    ],
)
@pytest.mark.parametrize("fold", [0, 1])
def test_a_typed_time_that_the_clock_skips_is_refused(zone_name, on, at, fold):
    with pytest.raises(TimeDoesNotExist) as refusal:
        typed_instant(date.fromisoformat(on), time.fromisoformat(at), zone_name, fold=fold)

    assert [(problem.code, problem.where) for problem in refusal.value.problems] == [("time_does_not_exist", "time")]


@pytest.mark.parametrize(
    ("zone_name", "on", "at", "fold", "expected"),
    [
        ("Europe/Berlin", "2027-03-28", "03:00", 0, "2027-03-28T01:00"),
        ("Europe/Berlin", "2027-10-31", "02:30", 0, "2027-10-31T00:30"),
        ("Europe/Berlin", "2027-10-31", "02:30", 1, "2027-10-31T01:30"),
        ("Australia/Lord_Howe", "2027-10-03", "02:30", 0, "2027-10-02T15:30"),
        ("Asia/Beirut", "2027-03-28", "01:00", 0, "2027-03-27T22:00"),
        ("America/Havana", "2027-11-07", "00:30", 1, "2027-11-07T05:30"),
    ],
)
def test_a_typed_time_that_the_clock_shows_is_taken(zone_name, on, at, fold, expected):
    assert typed_instant(date.fromisoformat(on), time.fromisoformat(at), zone_name, fold=fold) == utc(expected)


@pytest.mark.parametrize(
    ("zone_name", "on", "expected"),
    [
        ("Europe/Berlin", "2027-01-11", "2027-01-10T23:00"),
        ("Asia/Kolkata", "2027-01-11", "2027-01-10T18:30"),
        # midnight is skipped: the date begins at 01:00
        ("Asia/Beirut", "2027-03-28", "2027-03-27T22:00"),
        ("America/Havana", "2027-03-14", "2027-03-14T05:00"),
        ("America/Santiago", "2027-09-05", "2027-09-05T04:00"),
        ("America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00"),
        # midnight comes twice: the date begins with the first
        ("America/Havana", "2027-11-07", "2027-11-07T04:00"),
        # the hour before midnight comes twice: it belongs to the date before
        ("Asia/Beirut", "2027-10-31", "2027-10-30T22:00"),
        ("America/Santiago", "2027-04-04", "2027-04-04T04:00"),
        # half past eleven became half past midnight: the date begins in the middle of the hour
        ("America/Toronto", "1919-03-31", "1919-03-31T04:30"),
        # a date that never was begins where the next one does
        ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00"),
        ("Pacific/Apia", "2011-12-31", "2011-12-30T10:00"),
    ],
)
def test_a_date_begins_at_its_first_instant(zone_name, on, expected):
    assert first_instant(date.fromisoformat(on), zone_name) == utc(expected)


@pytest.mark.parametrize(
    ("zone_name", "on", "expected"),
    [
        ("Europe/Berlin", "2027-01-11", DayShape(utc("2027-01-10T23:00"), 1440, ())),
        ("Europe/Berlin", "2027-03-28", DayShape(utc("2027-03-27T23:00"), 1380, ((120, 60),))),
        ("Europe/Berlin", "2027-10-31", DayShape(utc("2027-10-30T22:00"), 1500, ((180, -60),))),
        ("Australia/Lord_Howe", "2027-10-03", DayShape(utc("2027-10-02T13:30"), 1410, ((120, 30),))),
        ("Australia/Lord_Howe", "2027-04-04", DayShape(utc("2027-04-03T13:00"), 1470, ((120, -30),))),
        ("Africa/Casablanca", "2026-02-15", DayShape(utc("2026-02-14T23:00"), 1500, ((180, -60),))),
        ("Africa/Casablanca", "2026-03-22", DayShape(utc("2026-03-22T00:00"), 1380, ((120, 60),))),
        ("Asia/Kolkata", "2027-03-28", DayShape(utc("2027-03-27T18:30"), 1440, ())),
        ("Asia/Beirut", "2027-03-28", DayShape(utc("2027-03-27T22:00"), 1380, ((0, 60),))),
        ("Asia/Beirut", "2027-10-30", DayShape(utc("2027-10-29T21:00"), 1500, ((1440, -60),))),
        ("America/Havana", "2027-11-07", DayShape(utc("2027-11-07T04:00"), 1500, ((60, -60),))),
        ("Antarctica/Troll", "2027-03-28", DayShape(utc("2027-03-28T00:00"), 1320, ((60, 120),))),
        ("Pacific/Apia", "2011-12-29", DayShape(utc("2011-12-29T10:00"), 1440, ())),
        ("Pacific/Apia", "2011-12-30", DayShape(utc("2011-12-30T10:00"), 0, ())),
        ("Pacific/Apia", "2011-12-31", DayShape(utc("2011-12-30T10:00"), 1440, ())),
    ],
)
def test_a_date_has_its_shape(zone_name, on, expected):
    assert day_shape(date.fromisoformat(on), zone_name) == expected


@pytest.mark.parametrize("zone_name", ODD_ZONES)
def test_dates_follow_each_other_without_gap_or_overlap_and_show_every_wall_minute(zone_name):
    on = date(2023, 12, 31)
    while on < date(2029, 1, 1):
        shape = day_shape(on, zone_name)
        following = on + timedelta(days=1)
        assert shape.starts_at + timedelta(minutes=shape.length_minutes) == first_instant(following, zone_name)
        assert local_date(shape.starts_at, zone_name) == on
        assert local_date(shape.starts_at - timedelta(microseconds=1), zone_name) < on
        if shape.changes or shape.length_minutes != 1440:
            for elapsed in range(shape.length_minutes):
                shift = max([change for change in ((-1, 0), *shape.changes) if change[0] <= elapsed])[1]
                shown = wall(shape.starts_at + timedelta(minutes=elapsed), zone_name)
                assert (shown.date(), shown.hour * 60 + shown.minute) == (on, elapsed + shift)
        on = following


def test_minutes_elapsed_count_what_passed_and_not_what_the_clock_shows():
    spring, autumn = date(2027, 3, 28), date(2027, 10, 31)

    assert [elapsed_minutes(spring, time(hour), "Europe/Berlin") for hour in (0, 1, 2, 3, 9)] == [0, 60, 120, 120, 480]
    assert [
        elapsed_minutes(autumn, time(2, 30), "Europe/Berlin", fold=0),
        elapsed_minutes(autumn, time(2, 30), "Europe/Berlin", fold=1),
        elapsed_minutes(autumn, time(9), "Europe/Berlin"),
    ] == [150, 210, 600]
    assert elapsed_minutes(date(2027, 3, 28), time(9), "Asia/Beirut") == 480


def test_the_clock_tells_the_passes_of_a_repeated_time_apart():
    first, second = utc("2027-10-31T00:30"), utc("2027-10-31T01:30")

    assert [(wall(at, "Europe/Berlin").isoformat(), wall(at, "Europe/Berlin").fold) for at in (first, second)] == [
        ("2027-10-31T02:30:00+02:00", 0),
        ("2027-10-31T02:30:00+01:00", 1),
    ]


def test_an_instant_has_another_date_elsewhere():
    at = utc("2027-01-10T23:30")

    assert [local_date(at, name) for name in ("UTC", "Europe/Berlin", "America/New_York", "Pacific/Kiritimati")] == [
        date(2027, 1, 10),
        date(2027, 1, 11),
        date(2027, 1, 10),
        date(2027, 1, 11),
    ]


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "Europe",
        "Europe/",
        "Europe/Atlantis",
        "europe/london",
        "../etc/passwd",
        "/etc/localtime",
        "localtime",
        "posixrules",
        "right/Europe/London",
        "posix/Europe/London",
        "Factory",
        "zone.tab",
        "Europe/London\0",
        "Europe/London\n",
        "x" * 5000,
    ],
)
def test_what_is_no_zone_of_the_database_is_refused(name):
    with pytest.raises(ZoneUnknown) as refusal:
        zone(name)

    assert [(problem.code, problem.where) for problem in refusal.value.problems] == [("zone_unknown", "zone")]


def test_every_zone_has_been_whole_minutes_off_since_1972():
    """`day_shape` counts in minutes."""
    for name in sorted(available_timezones()):
        tz = ZoneInfo(name)
        for year in range(1973, 2038):
            for month in (1, 4, 7, 10):
                offset = datetime(year, month, 1, tzinfo=tz).utcoffset()
                assert offset is not None
                assert offset.total_seconds() % 60 == 0, (name, year, month)


def _transitions(name: str, first: datetime, last: datetime) -> list[datetime]:
    """Return the instants at which a zone's offset changes, found by bisection between six-hour steps."""
    tz, step, found = ZoneInfo(name), timedelta(hours=6), []
    at, offset = first, first.astimezone(tz).utcoffset()
    while at < last:
        following = at + step
        if following.astimezone(tz).utcoffset() != offset:
            low, high = at, following
            while high - low > timedelta(minutes=1):
                middle = low + (high - low) // 2
                middle = middle.replace(second=0, microsecond=0)
                if middle.astimezone(tz).utcoffset() == offset:
                    low = middle
                else:
                    high = middle
            found.append(high)
            offset = following.astimezone(tz).utcoffset()
        at = following
    return found


@pytest.mark.parametrize("name", ODD_ZONES)
def test_around_every_change_a_wall_time_is_the_instants_that_show_it(name):
    """The other way round as oracle, ±3 h in 15 min steps: a time is shown 0, 1 or 2 times."""
    tz = ZoneInfo(name)
    for change in _transitions(name, utc("2024-01-01T00:00"), utc("2029-01-01T00:00")):
        before = (change - HOUR).astimezone(tz).utcoffset()
        assert before is not None
        shown: dict[datetime, list[datetime]] = {}
        for step in range(-48, 49):
            at = change + step * timedelta(minutes=15)
            shown.setdefault(at.astimezone(tz).replace(tzinfo=None, fold=0), []).append(at)
        middle = change.astimezone(tz).replace(tzinfo=None, fold=0)
        for step in range(-12, 13):
            local = middle + step * timedelta(minutes=15)
            on, at_time, passes = local.date(), local.time(), shown.get(local, [])
            if passes:
                assert instant(on, at_time, name) == passes[0]
                assert [typed_instant(on, at_time, name, fold=fold) for fold in (0, 1)] == [passes[0], passes[-1]]
            else:
                moved = (local - before).replace(tzinfo=UTC)
                assert [instant(on, at_time, name, fold=fold) for fold in (0, 1)] == [moved, moved]
                with pytest.raises(TimeDoesNotExist):
                    typed_instant(on, at_time, name)


@settings(max_examples=300, deadline=None)
@given(
    minutes=st.integers(min_value=3 * 366 * 1440, max_value=130 * 365 * 1440),
    name=st.sampled_from(ODD_ZONES),
)
def test_an_instant_survives_the_way_to_the_wall_and_back(minutes, name):
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    shown = wall(at, name)

    assert typed_instant(shown.date(), shown.time(), name, fold=shown.fold) == at
    assert first_instant(shown.date(), name) <= at
