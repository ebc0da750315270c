"""Minutes packed into words do what ints of minutes do."""

import random
from datetime import date, timedelta

import numpy as np
import pytest

from scheduling.planner import ticks
from scheduling.planner.timetable import Taken, TimeTable, as_int, as_words, shifted, starts

from .build import ANNA, BEN, MONDAY, ROOM, day

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
