"""A repair of many courses ends, whatever one of them has to remember: what it looks at is counted, and told."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from scheduling.planner import repair_greedy, repair_reach
from scheduling.planner.facts import Wishes
from scheduling.planner.repair import Progress, repair_together
from scheduling.planner.work import Work
from tests.planner import brute_joint
from tests.planner.build import (
    ANNA,
    BEN,
    MONDAY,
    NINE,
    NOON,
    TEN,
    booked,
    day,
    minutes,
    numbered,
    open_session,
    roster,
    step,
)
from tests.planner.far_back import NEXT, SINCE_FIRST
from tests.planner.joint import W, hearing, repaired, tiny, visits
from tests.planner.works import counted, looked

DAYS, FEWER = 240, 125
SHUT = [(who, day(7)) for who in (ANNA, BEN)]
SHUT_LATER = {day(number): "shut" for number in range(80, DAYS)}  # when no last visit can have been yet
HEAVY = UUID(int=2)
STEPS = step("first"), step("second", NEXT), step("third", NEXT, SINCE_FIRST), step("last", NEXT, SINCE_FIRST)
WAYS = 2 + len(repair_reach.NEAREST)  # to choose dates: all of them, the nearest, the first answer's


def far_back_visits(number):
    """A course of which the date of the first visit must be remembered till the last, all booked; it is on day 7."""
    return numbered(number, *(booked(open_session(at, one), day(7 + 35 * at)) for at, one in enumerate(STEPS)))


def heavy_among_others():
    return [visits(1, 7, 14), far_back_visits(2), visits(3, 7, tick=TEN)]


@pytest.fixture
def works(monkeypatch) -> list[Work]:
    return counted(monkeypatch)


def first_answers(courses: int, sessions: int) -> int:
    """At how many dates the first answer looks at most: twice as many lists of them as it tries times."""
    return courses * DAYS * (2 * (repair_greedy.TRIES + 1) + sessions)


def moved(answer):
    return [[(move.new.on, move.new.tick, move.new.lead) for move in one.moves] for one in answer.courses]


def test_a_course_with_too_many_dates_has_the_nearest_and_the_others_all_of_theirs(monkeypatch, works):
    monkeypatch.setattr(repair_reach, "MOST_OF_ONE", 3_000)

    answer = repaired(heavy_among_others(), roster(DAYS, off=SHUT), seconds=60)

    assert (answer.narrowed, answer.unplaced, answer.is_complete) == ((HEAVY,), 0, True)
    assert 0 < answer.bound <= answer.cost
    assert looked(works) <= first_answers(3, 4) + 3 * WAYS * (3_000 + DAYS)
    fewer = repaired(heavy_among_others(), roster(FEWER, off=SHUT), seconds=60)
    assert fewer.narrowed == (HEAVY,)
    monkeypatch.undo()
    whole = repaired(heavy_among_others(), roster(FEWER, off=SHUT), seconds=60)
    assert (whole.narrowed, whole.bound) == ((), whole.cost)
    assert (moved(answer), answer.cost) == (moved(fewer), fewer.cost) == (moved(whole), whole.cost)


def test_what_all_courses_may_look_at_is_shared_by_them_evenly(monkeypatch):
    monkeypatch.setattr(repair_reach, "MOST_TOGETHER", 3 * 3_000)

    answer = repaired(heavy_among_others(), roster(DAYS, off=SHUT), seconds=60)

    assert answer.narrowed == (HEAVY,)
    monkeypatch.setattr(repair_reach, "MOST_TOGETHER", 0)
    assert repaired(heavy_among_others(), roster(DAYS, off=SHUT)).narrowed == tuple(UUID(int=n) for n in (1, 2, 3))


@pytest.mark.parametrize("most", [0, 8, 20])
@pytest.mark.parametrize("seed", range(30))
def test_no_repair_costs_less_than_the_bound_when_not_all_dates_are_looked_at(monkeypatch, seed, most):
    monkeypatch.setattr(repair_reach, "MOST_OF_ONE", most)
    monkeypatch.setattr(repair_reach, "NEAREST", (2, 1))
    courses, site = tiny(seed)
    weights = replace(W, unplaced=120)

    answer = repaired(courses, site, weights=weights, seconds=20)

    assert answer.bound <= brute_joint.cheapest(courses, site, weights, MONDAY) <= answer.cost
    assert answer.is_complete


def test_without_a_share_courses_keep_the_dates_of_the_first_answer_and_swap_times_on_them(monkeypatch):
    """The first takes nine o'clock, which the second wishes for; neither can come on other dates."""
    monkeypatch.setattr(repair_reach, "MOST_OF_ONE", 0)
    courses = [visits(1, 9), replace(visits(2, 9, tick=TEN), wishes=Wishes(until_minute=NINE + 30))]
    busy = {one.id: {day(number): minutes(NINE, NOON) for number in (5, 6, 7, 8, 10, 11)} for one in courses}
    away = roster(off=[(ANNA, day(9))])

    def whens(answer):
        return [[(move.new.on, move.new.tick) for move in one.moves] for one in answer.courses]

    asked = {"patients_busy": busy, "weights": W, "today": MONDAY, "seconds": 20}
    first = repair_together(courses, away, **asked, on_progress=lambda progress: progress.stage != "first")
    last = repair_together(courses, away, **asked)

    assert whens(first) == [[(day(9), NINE)], [(day(9), NINE + 30)]]
    assert whens(last) == [[(day(9), NINE + 30)], [(day(9), NINE)]]
    assert (last.narrowed, last.bound, last.is_complete) == ((UUID(int=1), UUID(int=2)), 0, True)


def test_a_course_that_finds_no_time_is_named_and_the_others_are_repaired(monkeypatch):
    monkeypatch.setattr(repair_reach, "MOST_OF_ONE", 3_000)

    answer = repaired(heavy_among_others(), roster(DAYS, off=SHUT, closed=SHUT_LATER), seconds=60)

    assert answer.narrowed == (HEAVY,)
    assert [one.plan is None for one in answer.courses] == [False, True, False]
    assert (answer.courses[1].moves, answer.unplaced) == ((), 2)


def test_time_is_heeded_while_one_course_is_looked_at(monkeypatch, works):
    monkeypatch.setattr(repair_reach, "DATES_A_BEAT", 1_000)
    heard: list[Progress] = []

    answer = repaired(
        heavy_among_others(),
        roster(DAYS, off=SHUT),
        seconds=40,
        clock=lambda: looked(works) / 1_000,
        on_progress=hearing(heard),
    )

    assert looked(works) <= 40_000 + 1_000 + DAYS
    assert ({one.stage for one in heard}, answer.is_complete) == ({"first", "reading"}, False)
    assert len(heard) > 20  # nearly every thousand dates
    assert answer.unplaced == 0  # as the first answer has it


def test_whoever_listens_can_end_it_while_one_course_is_looked_at(monkeypatch, works):
    monkeypatch.setattr(repair_reach, "DATES_A_BEAT", 1_000)

    answer = repaired(
        heavy_among_others(),
        roster(DAYS, off=SHUT),
        seconds=1_000_000,
        clock=lambda: looked(works) / 1_000,
        on_progress=lambda progress: progress.seconds < 20,
    )

    assert looked(works) <= 20_000 + 1_000 + 1_000 + DAYS
    assert not answer.is_complete


def test_the_first_answer_is_as_far_as_it_came_when_it_is_ended_before():
    ticking = iter(range(100))

    answer = repaired(
        [visits(1, 7), visits(2, 7, tick=TEN), visits(3, 7, tick=TEN + 30)],
        roster(off=[(ANNA, day(7))]),
        clock=lambda: float(next(ticking)),
        on_progress=lambda _: False,
    )

    assert [one.plan is None for one in answer.courses] == [False, True, True]
    assert (answer.unplaced, answer.bound, answer.is_complete) == (2, 0, False)


def test_the_first_answer_tries_only_so_many_times(works):
    """The last visit has no time, whatever the dates of the others."""
    answer = repaired(
        [far_back_visits(1)],
        roster(DAYS, off=SHUT, closed=SHUT_LATER),
        on_progress=lambda progress: progress.stage != "first",
    )

    assert answer.courses[0].plan is None
    assert DAYS * 10 < looked(works) <= first_answers(1, 4)
