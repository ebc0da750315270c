"""Minutes packed into words do what ints of minutes do."""

import random
from datetime import date, timedelta

import numpy as np
import pytest

from scheduling.planner import ticks
from scheduling.planner.cost import Weights
from scheduling.planner.facts import Wishes
from scheduling.planner.starts import Starts
from scheduling.planner.timetable import (
    CHUNK,
    FIVE,
    Taken,
    TimeTable,
    as_fives,
    as_int,
    as_words,
    in_minutes,
    in_one_unit,
    moments_as_fives,
    moments_as_int,
    moments_in_minutes,
    shifted,
    starts,
    unit_of,
)

from .build import ANNA, BEN, MONDAY, ROOM, day, phase, resource, roster, step

LONGEST = 1500


def some_minutes(rng: random.Random) -> int:
    edges = sorted(rng.sample(range(LONGEST + 1), 2 * rng.randint(1, 12)))
    return sum(ticks.span(first, until) for first, until in zip(edges[::2], edges[1::2], strict=True))


def packed(*days: int) -> np.ndarray:
    return np.stack([as_words(minutes) for minutes in days])


@pytest.mark.parametrize("length", [1, 5, 20, 30, 36, 37, 45, 64, 65, 90, 128, 240, 480, 1441])
def test_starts_are_those_of_each_day_by_itself(length):
    rng = random.Random(length)
    days = [ticks.span(0, LONGEST), 0, ticks.span(0, LONGEST), *(some_minutes(rng) for _ in range(30))]

    found = starts(packed(*days), length)

    assert [as_int(words) for words in found] == [ticks.starts(minutes, length) for minutes in days]


@pytest.mark.parametrize("by", [-1600, -1535, -130, -64, -20, -1, 0, 1, 20, 36, 64, 130, 1535, 1600])
def test_minutes_move_within_their_own_day(by):
    rng = random.Random(by)
    days = [ticks.span(0, LONGEST), *(some_minutes(rng) for _ in range(10))]

    assert [as_int(words) for words in shifted(packed(*days), by)] == [
        ticks.shifted(minutes, by) & ticks.span(0, 1536) for minutes in days
    ]


def test_a_table_is_what_was_packed_into_it():
    minutes = {(ANNA, day(0)): ticks.span(60, 90), (ROOM, day(3)): ticks.span(0, LONGEST), (BEN, day(1)): 1}

    table = TimeTable.of(minutes)

    assert dict(table) == minutes
    assert len(table) == 3
    assert (ANNA, day(1)) not in table
    assert (ANNA, MONDAY - timedelta(days=1)) not in table


def test_words_of_rows_are_empty_where_the_table_knows_nothing():
    table = TimeTable.of({(ANNA, day(1)): 0b101, (BEN, day(2)): 0b11})

    words = table.words(table.rows([BEN, ROOM, ANNA]), day(-1).toordinal(), 5)

    assert [[as_int(one) for one in of_day] for of_day in words] == [
        [0, 0, 0],
        [0, 0, 0],
        [0, 0, 0b101],
        [0b11, 0, 0],
        [0, 0, 0],
    ]
    assert not table.words(table.rows([ANNA]), date.max.toordinal() - 5, 3).any()


def test_changed_entries_replace_those_before_and_the_old_table_stays():
    table = TimeTable.of({(ANNA, day(0)): 0b1, (ANNA, day(2)): 0b1})

    changed = table.with_changes({(ANNA, day(2)): 0b10, (BEN, day(1)): 0b100, (BEN, day(9)): 0b1})

    assert dict(changed) == {(ANNA, day(0)): 0b1, (ANNA, day(2)): 0b10, (BEN, day(1)): 0b100}
    assert dict(table) == {(ANNA, day(0)): 0b1, (ANNA, day(2)): 0b1}


def test_places_are_tables_of_their_own_and_the_last_ones_taken_are_the_last_named():
    taken = {(ANNA, day(0)): (0b1,), (ROOM, day(0)): (0, 0b10), (ROOM, day(1)): (0b1, 0b1, 0b1)}

    packed_places = Taken.of(taken)

    assert dict(packed_places) == taken
    assert len(packed_places) == 3
    assert dict(packed_places.with_changes({(ROOM, day(1)): (0b1,), (BEN, day(0)): (0, 0, 0, 0b1)})) == {
        (ANNA, day(0)): (0b1,),
        (ROOM, day(0)): (0, 0b10),
        (ROOM, day(1)): (0b1,),
        (BEN, day(0)): (0, 0, 0, 0b1),
    }


# --- by fives ---------------------------------------------------------------------------------------------------------


def some_fives(rng: random.Random) -> int:
    edges = sorted(rng.sample(range(0, LONGEST + 1, FIVE), 2 * rng.randint(1, 12)))
    return sum(ticks.span(first, until) for first, until in zip(edges[::2], edges[1::2], strict=True))


def packed_by_fives(*days: int) -> np.ndarray:
    return np.stack([fives for minutes in days if (fives := as_fives(minutes)) is not None])


@pytest.mark.parametrize("seed", range(20))
def test_minutes_by_fives_are_the_same_minutes(seed):
    minutes = some_fives(random.Random(seed))

    fives = as_fives(minutes)

    assert fives is not None
    assert (unit_of(fives), unit_of(in_minutes(fives))) == (FIVE, 1)
    assert as_int(fives) == minutes == as_int(in_minutes(fives))
    assert in_minutes(fives).tolist() == as_words(minutes).tolist()


@pytest.mark.parametrize("minutes", [0b1, 0b1111, 0b111111, ticks.span(3, 8), ticks.span(1500, 1505)])
def test_what_is_no_multiple_of_five_stays_in_minutes(minutes):
    assert as_fives(minutes) is None

    words, same = in_one_unit(as_fives(ticks.span(10, 20)), minutes)

    assert (as_int(words), as_int(same)) == (ticks.span(10, 20), minutes)
    assert unit_of(words) == unit_of(same) == 1


def test_moments_by_fives_are_the_multiples_of_five():
    moments = sum(1 << minute for minute in (0, 3, 5, 7, 625, 1495))

    fives = moments_as_fives(moments)

    assert moments_as_int(fives) == sum(1 << minute for minute in (0, 5, 625, 1495))
    assert moments_in_minutes(fives).tolist() == as_words(moments_as_int(fives)).tolist()


@pytest.mark.parametrize("length", [5, 20, 45, 100, 105, 110, 205, 240, 480, 1440])
def test_starts_by_fives_are_those_in_minutes_that_are_multiples_of_five(length):
    rng = random.Random(length)
    days = [ticks.span(0, LONGEST), 0, ticks.span(0, LONGEST), *(some_fives(rng) for _ in range(30))]

    found = starts(packed_by_fives(*days), length // FIVE)

    every_fifth = sum(1 << minute for minute in range(0, LONGEST, FIVE))
    assert [moments_as_int(words) for words in found] == [
        ticks.starts(minutes, length) & every_fifth for minutes in days
    ]


@pytest.mark.parametrize("by", [-1600, -320, -5, 0, 5, 65, 320, 1600])
def test_fives_move_within_their_own_day(by):
    rng = random.Random(by)
    days = [ticks.span(0, LONGEST), *(some_fives(rng) for _ in range(10))]

    moved = shifted(packed_by_fives(*days), by // FIVE)

    assert [as_int(words) & ticks.span(0, LONGEST) for words in moved] == [
        ticks.shifted(minutes, by) & ticks.span(0, LONGEST) for minutes in days
    ]


def test_a_table_is_by_fives_in_the_chunks_where_it_can_be():
    first = MONDAY.toordinal()
    minutes = {(ANNA, date.fromordinal(first)): ticks.span(60, 90), (BEN, date.fromordinal(first + CHUNK)): 0b1}
    table = TimeTable.of(minutes)
    rows = table.rows([ANNA, BEN])

    assert dict(table) == minutes
    assert [unit_of(table.words(rows, first + at, 1)) for at in (0, CHUNK)] == [FIVE, 1]
    both = table.words(rows, first, CHUNK + 1)
    assert unit_of(both) == 1
    assert [(at, row, as_int(both[at, row])) for at, row in np.argwhere(both.any(axis=2)).tolist()] == [
        (0, 0, ticks.span(60, 90)),
        (CHUNK, 1, 0b1),
    ]
    assert dict(table.with_changes({(ANNA, date.fromordinal(first)): 0b111})) == minutes | {
        (ANNA, date.fromordinal(first)): 0b111
    }


@pytest.mark.parametrize("off", [0, 2])
@pytest.mark.parametrize("grid", [5, 10, 7])
@pytest.mark.parametrize("seed", range(5))
def test_the_starts_of_a_step_are_the_same_in_whatever_unit_they_are_found(seed, grid, off):
    """People's time is a multiple of five minutes, the room's is not with `off`; nor are the starts of a grid of 7."""
    rng = random.Random(seed)
    people = [resource(ANNA, "injector"), resource(BEN, "injector"), resource(ROOM, "room", kind="room", places=2)]
    busy = {
        (uid, day(number)): tuple(some_fives(rng) << (off if uid == ROOM else 0) for _ in range(places))
        for uid, places in ((ANNA, 1), (BEN, 1), (ROOM, 2))
        for number in range(3)
    }
    treatment = step(phases=[phase(20, "injector", "room", before=5), phase(15, "room", after=10)])
    times = roster(3, resources=people, hours=ticks.span(8 * 60, 18 * 60), busy=busy, grid_minutes=grid)

    found = Starts(times, Wishes(), Weights(hole=0))

    for number in range(3):
        duty = ticks.span(8 * 60, 18 * 60)
        free = [ticks.starts(duty & ~taken, 25) for taken in busy[ROOM, day(number)]]
        rooms = ticks.shifted(free[0] | free[1], 5) & ticks.shifted(free[0] | free[1], -20)
        for lead in people[:2]:
            own = ticks.shifted(ticks.starts(duty & ~busy[lead.id, day(number)][0], 25), 5)
            expected = own & rooms & sum(1 << minute for minute in range(0, 1440, grid))
            assert found.lead_starts(treatment, day(number), lead) == expected
