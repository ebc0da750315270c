from __future__ import annotations

from dataclasses import replace

import pytest

from scheduling.planner.cost import Weights, awkward, price, total
from scheduling.planner.facts import CostParts, StepKind, Wishes
from scheduling.planner.ticks import each
from tests.planner.build import (
    ANNA,
    BEN,
    DEFAULT_RESOURCES,
    NINE,
    NOON,
    TEN,
    booked,
    course,
    day,
    minutes,
    open_session,
    performed,
    resource,
    roster,
    slot,
    spacing,
    step,
)

TODAY = day(0)
W = Weights(hole=0)
MONTHLY = step("next", spacing(minimum="7 days", target="14 days", tolerance_days=1))
FIRST, SECOND = open_session(0, step("first")), open_session(1, MONTHLY)


def cost_of(*slots, sessions=(FIRST, SECOND), weights=W, on_roster=None, moves=False, **facts):
    return price(slots, course(*sessions, **facts), on_roster or roster(), weights, today=TODAY, moves=moves)


def test_a_first_session_without_a_target_costs_by_the_day_from_today():
    assert cost_of(slot(FIRST, day(3)), sessions=(FIRST,)) == [CostParts(lateness=6)]


def test_lateness_counts_from_the_first_lawful_date():
    held_back = open_session(0, step("first", replace(spacing(minimum="5 days"))))
    before = performed(-1, step("assessment", kind=StepKind.ASSESSMENT), day(-1))

    assert cost_of(slot(held_back, day(6)), sessions=(before, held_back)) == [CostParts(lateness=4)]


@pytest.mark.parametrize(("gap", "expected"), [(14, 0), (13, 0), (15, 0), (12, 4), (17, 8), (8, 20)])
def test_spacing_costs_on_either_side_of_the_target_beyond_its_tolerance(gap, expected):
    assert cost_of(slot(FIRST, day(0)), slot(SECOND, day(gap)))[1] == CostParts(spacing=expected)


def test_early_and_late_have_weights_of_their_own():
    weights = replace(W, spacing_early_per_day=7, spacing_late_per_day=1)

    assert [cost_of(slot(FIRST, day(0)), slot(SECOND, day(gap)), weights=weights)[1].spacing for gap in (12, 17)] == [
        7,
        2,
    ]


def test_another_lead_than_before_is_a_change():
    slots = slot(FIRST, day(0)), slot(SECOND, day(14), injector=BEN)

    assert [part.continuity for part in cost_of(*slots)] == [0, 15]
    assert [part.continuity for part in cost_of(*slots, lead=BEN)] == [15, 15]
    assert [part.continuity for part in cost_of(*slots, lead=ANNA)] == [0, 15]


def test_a_session_led_in_another_role_is_no_change():
    review = open_session(1, step("review", lead_role="room"))

    assert [p.continuity for p in cost_of(slot(FIRST, day(0)), slot(review, day(14)), sessions=(FIRST, review))] == [
        0,
        0,
    ]


@pytest.mark.parametrize(
    ("wishes", "expected"),
    [
        (Wishes(), 0),
        (Wishes(weekdays=frozenset({0, 2})), 0),
        (Wishes(weekdays=frozenset({1})), 6),
        (Wishes(from_minute=TEN), 6),
        (Wishes(until_minute=NINE + 30), 0),
        (Wishes(until_minute=NINE + 29), 6),
        (Wishes(avoid_dates=frozenset({TODAY})), 12),
        (Wishes(practitioner=BEN), 10),
        (Wishes(practitioner=ANNA), 0),
        (Wishes(language="pl"), 5),
        (Wishes(language="en"), 0),
        (Wishes(weekdays=frozenset({1}), from_minute=TEN, practitioner=BEN, language="pl"), 27),
    ],
)
def test_wishes(wishes, expected):
    people = (resource(ANNA, "injector", languages=frozenset({"en"})), *DEFAULT_RESOURCES[1:])
    slots = (slot(FIRST, TODAY),)

    assert cost_of(*slots, sessions=(FIRST,), wishes=wishes, on_roster=roster(resources=people)) == [
        CostParts(wishes=expected)
    ]


@pytest.mark.parametrize(
    ("tick", "expected"),
    [
        (NINE, 0),
        (NINE + 10, 6),  # ten minutes on either side are of no use
        (NINE + 20, 0),
        (NOON - 30, 0),
        (NOON - 40, 3),
        (NINE + 70, 6),
        (NINE + 60, 0),
    ],
)
def test_short_holes_in_the_leads_diary_cost(tick, expected):
    taken = roster(busy={(ANNA, TODAY): (minutes(NINE + 50, NINE + 60) | minutes(NINE + 110, NINE + 120),)})

    found = cost_of(slot(FIRST, TODAY, tick), sessions=(FIRST,), weights=Weights(), on_roster=taken)

    assert found == [CostParts(holes=expected)]


def test_a_lead_of_several_places_has_no_holes():
    people = (resource(ANNA, "injector", places=2), *DEFAULT_RESOURCES[1:])

    found = cost_of(
        slot(FIRST, TODAY, NINE + 10), sessions=(FIRST,), weights=Weights(), on_roster=roster(resources=people)
    )

    assert found == [CostParts()]


def test_awkward_edges_are_those_of_short_free_stretches():
    begins, ends = awkward(minutes(10, 40), 20)

    assert list(each(begins & minutes(0, 50))) == list(range(11, 30))
    assert list(each(ends)) == list(range(21, 40))
    assert awkward(minutes(10, 40), 0) == awkward(minutes(10, 40), 1)
    assert awkward(minutes(10, 40), 1) == (0, 0)


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        (slot(FIRST, day(20)), 0),
        (slot(FIRST, day(20), TEN), 30),
        (slot(FIRST, day(20), injector=BEN), 30),
        (slot(FIRST, day(5), TEN), 40),  # two days short of a week's notice
    ],
)
def test_moving_a_booked_visit_costs_more_at_short_notice(to, expected):
    at = booked(FIRST, day(20))

    assert cost_of(to, sessions=(at,), moves=True)[0].moves == expected
    assert cost_of(to, sessions=(at,))[0].moves == 0


def test_moving_a_visit_that_its_patient_has_confirmed_costs_more_and_leaving_it_nothing():
    at = replace(FIRST, booked=replace(slot(FIRST, day(20)), is_confirmed=True))

    costs = [
        cost_of(to, sessions=(at,), moves=True)[0].moves for to in (slot(FIRST, day(20)), slot(FIRST, day(5), TEN))
    ]

    assert costs == [0, 40 + 10]


def test_time_that_goes_by_can_be_given_a_cost():
    slots = slot(FIRST, day(2)), slot(SECOND, day(16))

    assert [part.lateness for part in cost_of(*slots, weights=replace(W, elapsed_per_day=10))] == [24, 140]


def test_costs_add_up_part_by_part():
    parts = [CostParts(1, 2, 3, 4, 5, 6), CostParts(spacing=10)]

    assert total(parts) == CostParts(11, 2, 3, 4, 5, 6)
    assert total(parts).total == 31
    assert total([]) == CostParts()


def test_weights_are_not_negative():
    with pytest.raises(ValueError, match="hole"):
        Weights(hole=-1)


def test_a_visit_booked_by_other_rules_may_begin_before_its_day():
    """Its buffer, that is: nothing of the day lies before it, so it leaves no hole there."""
    early = slot(FIRST, day(0), 0)
    early = replace(early, uses=tuple(replace(use, from_tick=-10) for use in early.uses))

    assert cost_of(early, sessions=(FIRST,), weights=replace(W, hole=3), on_roster=roster(hours=minutes(0, 60))) == [
        CostParts()
    ]
