from __future__ import annotations

import random
from dataclasses import replace
from uuid import UUID

import pytest

from scheduling.planner.chains import Chain
from scheduling.planner.cost import Weights
from scheduling.planner.facts import Wishes
from scheduling.planner.repair import CourseRepair, JointRepair, Progress, repair_together
from tests.planner import brute_joint
from tests.planner.build import (
    ANNA,
    BEN,
    MONDAY,
    NINE,
    NOON,
    ROOM,
    TEN,
    booked,
    day,
    minutes,
    numbered,
    open_session,
    performed,
    phase,
    resource,
    roster,
    spacing,
    step,
)
from tests.planner.joint import FIRST, WEEKLY, W, hearing, repaired, tiny, visits


@pytest.mark.parametrize("strict", [True, False])
def test_a_wish_for_the_doctor_says_nothing_of_what_the_nurse_leads(strict):
    people = (resource(ANNA, "doctor"), resource(BEN, "nurse"), *roster().resources[2:])
    first, second, check = (
        step(role, *spacings, phases=[phase(30, role, "room")], lead_role=role)
        for role, *spacings in (("doctor",), ("doctor", *WEEKLY.spacings), ("nurse", *WEEKLY.spacings))
    )
    theirs = booked(open_session(1, second), day(7), doctor=ANNA), booked(open_session(2, check), day(14), nurse=BEN)
    c = numbered(1, performed(0, first, day(0)), *theirs, wishes=Wishes(practitioner=ANNA, strict=strict))
    r = roster(resources=people, off=[(ANNA, day(7)), (BEN, day(14))])

    answer = repaired([c], r)

    assert [(move.new.on, move.new.lead) for move in answer.courses[0].moves] == [(day(8), ANNA), (day(15), BEN)]
    assert answer.courses[0].plan.cost.wishes == 0
    assert answer.cost == answer.bound == brute_joint.cheapest([replace(c, wishes=Wishes())], r, W, MONDAY)


def test_nothing_lost_nothing_moved():
    answer = repaired([visits(1, 7, 14), visits(2, 8, 16)], roster())

    assert (answer.cost, answer.bound, answer.unplaced, answer.is_complete) == (0, 0, 0, True)
    assert [one.moves for one in answer.courses] == [(), ()]


def test_a_lost_visit_goes_to_another_practitioner_at_the_same_time():
    answer = repaired([visits(1, 7)], roster(off=[(ANNA, day(7))]))

    [one] = answer.courses
    assert [(m.new.on, m.new.tick, m.new.lead) for m in one.moves] == [(day(7), NINE, BEN)]
    assert answer.unplaced == 0


def test_only_what_is_lost_moves_when_the_rest_can_stay():
    answer = repaired([visits(1, 7, 14)], roster(off=[(ANNA, day(7))]))

    assert [move.old.on for one in answer.courses for move in one.moves] == [day(7)]


def test_two_lost_visits_do_not_take_the_same_room():
    away = roster(off=[(ANNA, day(7))])

    answer = repaired([visits(1, 7), visits(2, 7, tick=TEN)], away)

    assert sorted((m.new.on, m.new.tick) for one in answer.courses for m in one.moves) == [
        (day(7), NINE),
        (day(7), NINE + 30),
    ]


def test_what_finds_no_time_is_named_and_its_other_visits_stay():
    shut = roster(closed={day(n): "shut" for n in range(5, 12)})

    answer = repaired([visits(1, 7, 15)], shut)

    assert answer.courses == (CourseRepair(UUID(int=1), None, (), 2000),)
    assert (answer.unplaced, answer.cost) == (1, 2000)


# --- the best there is ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(30))
def test_no_repair_costs_less_than_the_one_found_and_none_less_than_the_bound(seed):
    courses, site = tiny(seed)
    weights = replace(W, unplaced=120)  # so little that leaving a course out may be best

    answer = repaired(courses, site, weights=weights, seconds=20)

    least = brute_joint.cheapest(courses, site, weights, MONDAY)
    assert (answer.cost, answer.bound, answer.is_complete) == (least, least, True)


@pytest.mark.parametrize("seed", range(60, 70))
def test_holes_wishes_and_short_notice_are_paid_for_as_in_the_plan_of_one_course(seed):
    courses, site = tiny(seed)
    rng = random.Random(seed)
    wishes = [Wishes(from_minute=NINE + 30), Wishes(practitioner=BEN), Wishes(weekdays=frozenset({3})), Wishes()]
    courses = [replace(one, wishes=rng.choice(wishes)) for one in courses]
    weights = Weights(hole=3, unplaced=120)

    answer = repaired(courses, replace(site, shortest_useful_minutes=45), weights=weights, seconds=20)

    least = brute_joint.cheapest(courses, replace(site, shortest_useful_minutes=45), weights, MONDAY)
    assert (answer.cost, answer.bound, answer.is_complete) == (least, least, True)


@pytest.mark.parametrize("seed", range(40, 50))
def test_the_first_answer_is_right_and_later_ones_are_no_worse(seed):
    courses, site = tiny(seed)
    heard: list[Progress] = []

    first = repaired(courses, site, on_progress=lambda progress: progress.stage != "first")
    last = repaired(courses, site, on_progress=hearing(heard))

    stages = [progress.stage for progress in heard]
    costs = [progress.cost for progress in heard[stages.index("first") :]]
    assert (first.cost, first.is_complete) == (costs[0], False)
    assert costs == sorted(costs, reverse=True)
    assert last.cost == costs[-1]
    assert last == repaired(courses, site), "the same facts give another answer"


def test_one_course_alone_is_repaired_as_the_search_would_when_all_may_move():
    away = roster(off=[(ANNA, day(7)), (BEN, day(7))])
    [c] = courses = [visits(1, 7, 14, 21)]

    answer = repaired(courses, away)

    slots = Chain(c, away, W, today=MONDAY, stay={}).outcome()
    assert [planned.slot for planned in answer.courses[0].plan.sessions] == slots
    assert answer.cost == answer.bound == answer.courses[0].plan.cost.total


def test_a_follower_moves_when_that_is_cheaper_for_all():
    """Only Anna's day 14 at nine is left for the second course; the first one's follower is there and can go later."""
    rest = {(who, day(n)): (minutes(NINE, NOON),) for who in (ANNA, BEN) for n in (*range(5, 9), 10, 11, 13, 15)}
    rest |= {(ANNA, day(14)): (minutes(NINE + 30, NOON),), (BEN, day(14)): (minutes(NINE, NOON),)}
    late = step("late", spacing(minimum="14 days", target="14 days", lapse="15 days"))
    lost = numbered(2, performed(0, FIRST, day(0)), booked(open_session(1, late), day(15), injector=BEN))
    first = visits(1, 12, 14)

    answer = repaired([first, lost], roster(busy=rest, off=[(BEN, day(15)), (ANNA, day(12))]))

    moved = {(move.session, move.new.on, move.new.tick) for one in answer.courses for move in one.moves}
    assert (UUID(int=2001), day(14), NINE) in moved
    assert answer.cost == answer.bound


def led_by_ben(a_step):
    return booked(open_session(1, a_step), day(3), injector=BEN, supervisor=BEN)


@pytest.mark.parametrize(
    ("places", "phases"),
    [
        (2, [phase(30, "injector", "supervisor", "room")]),  # at once, in two places
        (1, [phase(10, "injector", "room"), phase(20, "supervisor", "room")]),  # one after the other
    ],
)
def test_one_person_fills_two_roles_where_they_can(places, phases):
    """Anna leads and supervises, since Ben has left; the room has one place."""
    weekly = step("next", spacing(minimum="2 days", target="3 days", lapse="9 days"), phases=phases)
    c = numbered(1, performed(0, FIRST, day(0)), led_by_ben(weekly))
    people = (resource(ANNA, "injector", "supervisor", places=places), resource(ROOM, "room", kind="room"))

    answer = repaired([c], roster(20, resources=people), weights=replace(W, move=0, short_notice_per_day=0))

    assert (answer.cost, answer.bound, answer.unplaced) == (0, 0, 0)
    assert [planned.slot.on for planned in answer.courses[0].plan.sessions] == [day(3)]


def test_one_person_is_not_in_one_place_twice_at_once():
    both = step("next", spacing(minimum="2 days", lapse="9 days"), phases=[phase(30, "injector", "supervisor")])
    c = numbered(1, performed(0, FIRST, day(0)), led_by_ben(both))

    answer = repaired([c], roster(20, resources=(resource(ANNA, "injector", "supervisor"),)))

    assert answer.courses[0].plan is None


def test_nothing_is_found_when_nobody_is_there():
    shut = roster(closed={day(n): "shut" for n in range(28)})

    answer = repaired([visits(1, 7), visits(2, 8)], shut)

    assert [one.plan for one in answer.courses] == [None, None]
    assert (answer.cost, answer.bound, answer.unplaced, answer.is_complete) == (4000, 4000, 2, True)


def test_pinned_and_begun_visits_stay_and_keep_their_places():
    pinned = [replace(s, pinned=s.booked is not None) for s in visits(2, 7).sessions]
    courses = [visits(1, 7, tick=TEN, lead=BEN), numbered(2, *pinned)]

    answer = repaired(courses, roster(off=[(BEN, day(7))], hours=minutes(NINE, NINE + 90)))

    assert [len(one.moves) for one in answer.courses] == [1, 0]
    assert (answer.courses[0].moves[0].new.on, answer.courses[0].moves[0].new.tick) == (day(7), NINE + 30)


def test_time_is_asked_of_the_clock_that_is_given():
    ticking = iter(range(10_000))
    heard: list[Progress] = []

    answer = repaired(
        [visits(1, 7), visits(2, 7, tick=TEN)],
        roster(off=[(ANNA, day(7))]),
        seconds=1,
        clock=lambda: next(ticking) / 5,
        on_progress=hearing(heard),
    )

    assert not answer.is_complete
    assert heard[0].stage == "first"
    assert max(progress.seconds for progress in heard) < 1.5


def test_no_courses_no_work():
    assert repair_together([], roster(), {}, W, today=MONDAY, seconds=1) == JointRepair((), 0, 0, 0, True)
