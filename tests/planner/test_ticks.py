from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduling.planner import ticks
from scheduling.planner.facts import ClockChange, Day

PLAIN = Day(date(2027, 3, 1), datetime(2027, 3, 1, tzinfo=UTC))
# Europe/London: 01:00 becomes 02:00; and 02:00 becomes 01:00.
SPRING = Day(date(2027, 3, 28), datetime(2027, 3, 28, tzinfo=UTC), 1380, (ClockChange(60, 60),))
AUTUMN = Day(date(2027, 10, 31), datetime(2027, 10, 30, 23, tzinfo=UTC), 1500, (ClockChange(120, -60),))
# Australia/Lord_Howe moves by half an hour: 02:00 becomes 02:30.
LORD_HOWE = Day(date(2027, 10, 3), datetime(2027, 10, 2, 13, 30, tzinfo=UTC), 1410, (ClockChange(120, 30),))


@given(st.integers(0, 2**200 - 1), st.integers(1, 40))
def test_starts_are_where_enough_minutes_in_a_row_are_free(free, minutes):
    expected = [at for at in range(200) if all(free >> at + n & 1 for n in range(minutes))]

    assert list(ticks.each(ticks.starts(free, minutes))) == expected


def test_spans_and_shifts_stay_inside_the_day():
    assert list(ticks.each(ticks.span(-2, 3))) == [0, 1, 2]
    assert ticks.span(3, 3) == 0
    assert list(ticks.each(ticks.shifted(ticks.span(0, 4), -2))) == [0, 1]
    assert ticks.lowest(ticks.span(7, 9)) == 7


@pytest.mark.parametrize("day", [PLAIN, SPRING, AUTUMN, LORD_HOWE])
@pytest.mark.parametrize("every", [5, 15, 20])
def test_the_grid_is_that_of_the_clock_on_the_wall(day, every):
    expected = [tick for tick in range(day.length_minutes) if day.wall_minute(tick) % every == 0]

    assert list(ticks.each(ticks.grid_of(day, every))) == expected


@pytest.mark.parametrize(
    ("day", "first", "until", "expected"),
    [
        (PLAIN, 60, 180, (60, 150)),
        (SPRING, 120, 240, (60, 150)),  # two to four on the wall begins an hour after midnight
        (SPRING, 60, 120, ()),  # the hour that is skipped
        (AUTUMN, 180, 300, (240, 330)),
        (LORD_HOWE, 150, 240, (120, 180)),
    ],
)
def test_wall_hours_are_wished_in_wall_time(day, first, until, expected):
    found = list(ticks.each(ticks.within_wall_hours(day, 30, first, until)))

    assert (found[0], found[-1]) == expected if expected else found == []


def test_wall_hours_that_come_twice_are_wished_twice():
    found = ticks.within_wall_hours(AUTUMN, 30, 60, 120)

    assert [tick for tick in ticks.each(found) if tick % 30 == 0] == [60, 90, 120, 150]


def test_an_end_at_midnight_is_inside():
    assert ticks.within_wall_hours(PLAIN, 30, 0, 1440) >> 1410 & 1
    assert not ticks.within_wall_hours(PLAIN, 30, 0, 1440) >> 1411
