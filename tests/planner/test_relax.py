"""What would make a plan: the fewest things to give up, each with the plan that it makes."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduling.planner.amounts import Amount
from scheduling.planner.chains import Chain, Stuck
from scheduling.planner.cost import Weights
from scheduling.planner.explain import Unplannable
from scheduling.planner.facts import Ask, Gate, GivenUp, Reference, SessionTerms, Terms, TreatmentFacts, Wishes
from scheduling.planner.relax import MOST_SEARCHES, MOST_SHOWN, ways_out
from scheduling.planner.search import cheapest_plan, repair
from tests.planner.build import (
    ANNA,
    BEN,
    NINE,
    NOON,
    TEN,
    booked,
    course,
    day,
    gated,
    minutes,
    open_session,
    performed,
    resource,
    roster,
    session_id,
    spacing,
    step,
)
from tests.planner.checker import wrong_with
from tests.planner.instances import asks, instances

TODAY = day(0)
W = Weights(hole=0)
FIRST = open_session(0, step("first"))
NEXT = open_session(1, step("next", spacing(floor="3 days", minimum="5 days", target="7 days", lapse="9 days")))
DONE = performed(0, step("first"), day(0))
NEXT_ID = NEXT.id


def refused(*sessions, on_roster=None, ask=Ask(), weights=W, **facts) -> Unplannable:  # noqa: B008  (frozen)
    with pytest.raises(Unplannable) as refusal:
        cheapest_plan(course(*sessions, **facts), on_roster or roster(), weights, today=TODAY, ask=ask)
    return refusal.value


def found(*sessions, further=None, **rest):
    """What is given up, and the dates of the whole course then."""
    ways = ways_out(refused(*sessions, **rest), further)
    assert ways.is_smallest
    return [(way.gives_up, [planned.slot.on for planned in way.plan.sessions]) for way in ways.found]


def test_each_wish_alone_that_is_in_the_way_is_named_and_still_weighed():
    """Fridays before ten with Anna: she works on none. Ben does, or Anna on another day."""
    wishes = Wishes(weekdays=frozenset({4}), until_minute=TEN, practitioner=ANNA, strict=True)
    away = roster(off=[(ANNA, day(n)) for n in range(4, 28, 7)])

    assert found(FIRST, on_roster=away, wishes=wishes) == [
        ((GivenUp("without_weekdays"),), [day(0)]),
        ((GivenUp("without_practitioner"),), [day(4)]),
    ]


def test_the_other_wishes_stay_musts():
    wishes = Wishes(
        weekdays=frozenset({4}), from_minute=TEN, avoid_dates=frozenset({day(1)}), language="pl", strict=True
    )
    people = (resource(ANNA, "injector", languages=frozenset({"pl"})), resource(BEN, "injector"))
    away = roster(
        resources=(*people, *roster().resources[2:]),
        off=[(ANNA, day(n)) for n in (0, *range(4, 28, 7))],
    )

    [(gives_up, _), (_, with_ben)] = found(FIRST, on_roster=away, wishes=wishes)

    assert gives_up == (GivenUp("without_weekdays"),)
    assert with_ben == [day(4)]
    plans = [way.plan.sessions[0].slot for way in ways_out(refused(FIRST, on_roster=away, wishes=wishes)).found]
    assert [(slot.on, slot.tick, slot.lead) for slot in plans] == [(day(2), TEN, ANNA), (day(4), TEN, BEN)]


def test_two_things_together_only_where_none_alone_is_enough():
    """On Tuesdays and with Anna: she works on none of them and Ben on no Tuesday, and neither before ten."""
    ask = Ask(Terms(weekdays=frozenset({1}), until_minute=TEN, only_with=frozenset({ANNA})))
    r = roster(
        off=[(BEN, day(n)) for n in range(28)],
        busy={(ANNA, day(n)): (minutes(NINE, NOON if n % 7 == 1 else TEN),) for n in range(28)},
    )

    assert found(FIRST, on_roster=r, ask=ask) == [
        ((GivenUp("asked_weekdays"), GivenUp("asked_time")), [day(0)]),
    ]


def test_what_is_asked_of_one_session_is_named_with_it():
    ask = Ask(sessions=(SessionTerms(NEXT_ID, Terms(on=day(7), at_minute=NINE)),))
    r = roster(busy={(who, day(7)): (minutes(NINE, NINE + 30),) for who in (ANNA, BEN)})

    ways = ways_out(refused(DONE, NEXT, on_roster=r, ask=ask)).found

    assert [(way.gives_up, [(p.slot.on, p.slot.tick) for p in way.plan.sessions]) for way in ways] == [
        ((GivenUp("asked_time", NEXT_ID),), [(day(7), NINE + 30)]),
        ((GivenUp("asked_date", NEXT_ID),), [(day(6), NINE)]),
    ]


def test_where_the_course_was_to_start_and_end_by_how_many_days():
    ask = Ask(starts_from=day(4), starts_by=day(5), ends_before=day(9))
    r = roster(off=[(who, day(5)) for who in (ANNA, BEN)])

    assert found(FIRST, NEXT, on_roster=r, ask=ask) == [
        ((GivenUp("asked_starts_from", days=4),), [day(0), day(7)]),
        ((GivenUp("asked_ends_before", days=3),), [day(4), day(11)]),
        ((GivenUp("before_minimum", NEXT_ID, days=1, override="prescriber"),), [day(4), day(8)]),
    ]


def test_forbidden_dates_and_the_last_day_to_start():
    ask = Ask(Terms(forbidden=((day(0), day(6)),)), starts_by=day(6))

    assert found(FIRST, ask=ask) == [
        ((GivenUp("asked_forbidden"),), [day(0)]),
        ((GivenUp("asked_starts_by", days=1),), [day(7)]),
    ]


def test_days_too_late_or_too_early_are_counted():
    shut = roster(closed={day(n): "shut" for n in range(5, 9)})

    assert found(DONE, NEXT, on_roster=shut) == [
        ((GivenUp("after_lapse", NEXT_ID, days=1),), [day(9)]),
        ((GivenUp("before_minimum", NEXT_ID, days=1, override="prescriber"),), [day(4)]),
    ]


def test_a_session_may_have_to_come_too_early_after_one_and_too_late_after_another():
    """It is due from day 20 by the first and before day 5 by an event; the clinic is open on day 10."""
    shut = roster(14, closed={day(n): "shut" for n in range(14) if n != 10})
    torn = step(
        "next",
        spacing(minimum="20 days", target="21 days"),
        spacing(Reference.EVENT, "varicose_treatment", lapse="5 days"),
    )

    assert found(DONE, open_session(1, torn), on_roster=shut, events={"varicose_treatment": day(0)}) == [
        (
            (
                GivenUp("before_minimum", NEXT_ID, days=10, override="prescriber"),
                GivenUp("after_lapse", NEXT_ID, days=6),
            ),
            [day(10)],
        )
    ]


def test_nobody_is_sent_below_the_floor():
    shut = roster(closed={day(n): "shut" for n in (*range(3, 28),)})

    assert found(DONE, NEXT, on_roster=shut) == []


def test_a_session_before_the_stuck_one_may_give_way():
    """Open are days 8, 11 and 17, and the first four: one of the two sessions must come too early or too late."""
    weekly = step("next", spacing(minimum="5 days", target="7 days", lapse="9 days"))
    r = roster(closed={day(n): "shut" for n in (5, 6, 7, 9, 10, *range(12, 17), *range(18, 28))})

    ways = found(DONE, open_session(1, weekly), open_session(2, weekly), on_roster=r)

    assert ways == [
        ((GivenUp("after_lapse", session_id(2), days=1),), [day(8), day(17)]),
        ((GivenUp("before_minimum", session_id(1), days=1, override="prescriber"),), [day(4), day(11)]),
        ((GivenUp("before_minimum", session_id(2), days=2, override="prescriber"),), [day(8), day(11)]),
        ((GivenUp("after_lapse", session_id(1), days=3),), [day(11), day(17)]),
    ]


def test_a_gate_that_somebody_may_override_is_named_with_who():
    apart = Gate("apart", {"protocol": "laser", "at_least": Amount.parse("6 days")})
    first = open_session(0, step("first", gates=gated(apart)))
    laser = TreatmentFacts("laser", day(3), performed=False)

    shut = roster(12, closed={day(n): "shut" for n in (9, 10, 11)})

    assert found(first, on_roster=shut, elsewhere=(laser,)) == [
        ((GivenUp("too_near_other_treatment", first.id, subject="laser", override="prescriber"),), [day(0)])
    ]


def test_a_booked_visit_may_have_to_move():
    """It was booked for day 12; the first session has no date from which that is in time."""
    visit = replace(booked(NEXT, day(12)), pinned=True)
    busy = roster(off=[(who, day(n)) for who in (ANNA, BEN) for n in range(4, 9)])

    assert found(FIRST, visit, on_roster=busy) == [((GivenUp("booked_visit", NEXT_ID),), [day(2), day(9)])]


def test_a_longer_horizon_is_tried_when_there_is_one():
    shut = {day(n): "shut" for n in range(5, 30)}
    longer = roster(60, closed={day(n): "shut" for n in range(5, 31)})
    spaced = open_session(1, step("next", spacing(minimum="5 days", target="7 days")))

    assert found(DONE, spaced, on_roster=roster(28, closed=shut), further=lambda: longer) == [
        ((GivenUp("before_minimum", spaced.id, days=1, override="prescriber"),), [day(4)]),
        ((GivenUp("horizon", days=4),), [day(31)]),
    ]


def test_when_no_two_things_are_enough_no_more_is_given_up_than_must_be():
    ask = Ask(Terms(weekdays=frozenset({2}), until_minute=TEN), starts_from=day(20), ends_before=day(27))
    r = roster(off=[(who, day(n)) for who in (ANNA, BEN) for n in range(28) if n != 5], hours=minutes(TEN, NOON))

    ways = ways_out(refused(FIRST, on_roster=r, ask=ask))

    assert not ways.is_smallest
    assert [(way.gives_up, [planned.slot.on for planned in way.plan.sessions]) for way in ways.found] == [
        ((GivenUp("asked_starts_from", days=15), GivenUp("asked_weekdays"), GivenUp("asked_time")), [day(5)])
    ]


def test_nothing_helps_where_nobody_is_able():
    nobody = roster(resources=(resource(ANNA, "nurse"),))

    assert found(FIRST, NEXT, on_roster=nobody) == []


def test_the_bound_on_searches_is_kept_and_said():
    """A dozen sessions of which each is asked something else, and nobody who could do any."""
    weekly = step("next", spacing(minimum="5 days", target="7 days", lapse="12 days"))
    sessions = [open_session(0, step("first")), *(open_session(n, weekly) for n in range(1, 12))]
    ask = Ask(
        sessions=tuple(SessionTerms(s.id, Terms(weekdays=frozenset({0, 1}), until_minute=NOON)) for s in sessions)
    )
    nobody = roster(120, resources=(resource(ANNA, "nurse"),))

    ways = ways_out(refused(*sessions, on_roster=nobody, ask=ask))

    assert (ways.found, ways.searches, ways.is_smallest) == ((), MOST_SEARCHES + 1, True)


def test_a_repair_that_is_not_possible_is_relaxed_as_a_repair():
    shut = roster(closed={day(n): "shut" for n in range(5, 28) if n != 12})
    facts = course(DONE, booked(NEXT, day(7)))

    with pytest.raises(Unplannable) as refusal:
        repair(facts, shut, W, today=TODAY)
    ways = ways_out(refusal.value).found

    assert [(way.gives_up, way.plan.cost.moves) for way in ways] == [
        ((GivenUp("after_lapse", NEXT_ID, days=4),), 30),
        ((GivenUp("before_minimum", NEXT_ID, days=1, override="prescriber"),), 30 + 3 * 5),
    ]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_every_relaxation_is_a_plan_and_the_cheapest_come_first(data):
    c, r, weights = data.draw(instances())
    ask = data.draw(asks(c))
    chain = Chain(c, r, weights, today=TODAY, ask=ask)
    stuck = chain.outcome()
    if not isinstance(stuck, Stuck):
        return
    ways = ways_out(Unplannable(chain, stuck))

    assert ways.searches <= 2 * MOST_SEARCHES
    assert len(ways.found) <= MOST_SHOWN
    costs = [way.plan.cost.total for way in ways.found]
    assert all(one <= other for one, other in pairwise(costs))
    assert len({len(way.gives_up) for way in ways.found}) <= 1
    for way in ways.found:
        dates_given_up = {one.code for one in way.gives_up} & {"before_minimum", "after_lapse"}
        wrong = wrong_with([planned.slot for planned in way.plan.sessions], c, r, TODAY)
        assert bool(wrong) is bool(dates_given_up)
