"""What would make a plan: the fewest things to give up, each with the plan that it makes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduling.planner import cost
from scheduling.planner.amounts import Amount
from scheduling.planner.chains import Chain, Stuck
from scheduling.planner.cost import Weights
from scheduling.planner.explain import Unplannable
from scheduling.planner.facts import (
    Ask,
    AssessmentFacts,
    Gate,
    GivenUp,
    OverrideFacts,
    Reference,
    SessionTerms,
    Terms,
    TreatmentFacts,
    Wishes,
)
from scheduling.planner.relax import MOST_MEASURED, MOST_SEARCHES, MOST_SHOWN, OF_TERMS, ways_out
from scheduling.planner.search import cheapest_plan, repair
from tests.planner.brute import plans
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
    phase,
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


def test_a_wish_for_somebody_who_leads_nothing_that_is_left_is_in_no_way_out():
    """The doctor has done what is theirs; the nurse, who does the rest, works on no Friday."""
    doctor, nurse = resource(ANNA, "doctor"), resource(BEN, "nurse")
    r = roster(resources=(doctor, nurse, *roster().resources[2:]), off=[(BEN, day(n)) for n in range(4, 28, 7)])
    done = performed(0, step("peel", phases=[phase(30, "doctor")], lead_role="doctor"), day(-7))
    left = open_session(1, step("check", phases=[phase(30, "nurse")], lead_role="nurse"))
    wishes = Wishes(weekdays=frozenset({4}), practitioner=ANNA, strict=True)

    assert found(done, left, on_roster=r, wishes=wishes) == [((GivenUp("without_weekdays"),), [day(0)])]


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
        ((GivenUp("asked_starts_from", days=1),), [day(3), day(8)]),
        ((GivenUp("asked_ends_before", days=1),), [day(4), day(9)]),
        ((GivenUp("before_minimum", NEXT_ID, days=1, override="prescriber"),), [day(4), day(8)]),
    ]


def test_a_day_sooner_or_later_is_enough_though_more_would_be_nearer_to_the_targets():
    """Three sessions a week apart, or better a month, and a day too few for them."""
    slow = step("next", spacing(minimum="7 days", target="30 days"))
    sessions = [FIRST, open_session(1, slow), open_session(2, slow)]
    second, third = (session.id for session in sessions[1:])

    assert found(*sessions, on_roster=roster(120), ask=Ask(starts_from=day(30), ends_before=day(44))) == [
        ((GivenUp("asked_starts_from", days=1),), [day(29), day(36), day(43)]),
        ((GivenUp("asked_ends_before", days=1),), [day(30), day(37), day(44)]),
        ((GivenUp("before_minimum", third, days=1, override="prescriber"),), [day(30), day(37), day(43)]),
        ((GivenUp("before_minimum", second, days=1, override="prescriber"),), [day(30), day(36), day(43)]),
    ]


def test_a_prescriber_is_not_asked_for_more_days_than_it_takes():
    """Ben could do it two days early. Anna, who is wished for and led before, could a week early only."""
    spaced = step("next", spacing(floor="7 days", minimum="28 days", target="28 days", lapse="30 days"))
    off = [(ANNA, day(n)) for n in range(22, 27)]
    shut = roster(60, closed={day(n): "shut" for n in range(27, 60)}, off=off)

    ways = ways_out(
        refused(DONE, open_session(1, spaced), on_roster=shut, wishes=Wishes(practitioner=ANNA), lead=ANNA, weights=W)
    )

    assert ways.is_smallest
    assert [(way.gives_up, way.plan.sessions[0].slot.on, way.plan.sessions[0].slot.lead) for way in ways.found] == [
        ((GivenUp("before_minimum", NEXT_ID, days=2, override="prescriber"),), day(26), BEN)
    ]
    [planned] = ways.found[0].plan.sessions
    assert (planned.window.floor_on, planned.window.earliest_on) == (day(7), day(28))  # as the protocol says it


@pytest.mark.parametrize("short_by", range(1, 12))
def test_the_course_ends_later_by_what_it_is_short_of(short_by):
    slow = step("next", spacing(minimum="7 days", target="30 days"))
    sessions = [FIRST, open_session(1, slow), open_session(2, slow)]

    ways = dict(found(*sessions, on_roster=roster(120), ask=Ask(ends_before=day(15 - short_by))))

    assert ways[(GivenUp("asked_ends_before", days=short_by),)] == [day(0), day(7), day(14)]


def test_an_assessment_that_silences_one_lapse_leaves_the_days_after_another():
    """Due within 20 days of the first; the event's lapse is over, and was followed by an assessment.

    On day 25 Ben alone works, who is not wished for, and it does not matter how late it is.
    """
    torn = step(
        "next",
        spacing(minimum="5 days", target="7 days", lapse="20 days"),
        spacing(Reference.EVENT, "varicose_treatment", lapse="5 days"),
    )
    shut = roster(60, closed={day(n): "shut" for n in range(40) if n not in (4, 25)}, off=[(ANNA, day(25))])
    facts = {
        "events": {"varicose_treatment": day(-10)},
        "assessment": AssessmentFacts(day(-1), suitable=True),
        "wishes": Wishes(practitioner=ANNA),
        "weights": Weights(hole=0, spacing_late_per_day=0),
    }

    assert found(DONE, open_session(1, torn), on_roster=shut, **facts) == [
        ((GivenUp("after_lapse", NEXT_ID, days=6),), [day(25)]),
        ((GivenUp("before_minimum", NEXT_ID, days=1, override="prescriber"),), [day(4)]),
    ]


def test_no_further_horizon_is_needed_than_until_the_first_free_date():
    """The best dates are ten days after it, and the site is open on all of them."""
    spaced = open_session(1, step("next", spacing(minimum="5 days", target="45 days")))
    shut = {day(n): "shut" for n in range(5, 34)}

    ways = found(DONE, spaced, on_roster=roster(28, closed=shut), further=lambda: roster(90, closed=shut))

    assert ((GivenUp("horizon", days=7),), [day(34)]) in ways


def test_when_no_more_may_be_searched_the_days_are_not_said_to_be_the_fewest(monkeypatch):
    ask = Ask(starts_from=day(4), starts_by=day(5), ends_before=day(9))
    r = roster(off=[(who, day(5)) for who in (ANNA, BEN)])
    monkeypatch.setattr("scheduling.planner.relax.MOST_MEASURED", 1)

    ways = ways_out(refused(FIRST, NEXT, on_roster=r, ask=ask))

    assert not ways.is_smallest
    assert {one.code: one.days for way in ways.found for one in way.gives_up} == {
        "asked_starts_from": 2, "asked_ends_before": 3, "before_minimum": 1,
    }  # fmt: skip


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


def test_what_tables_decide_is_measured_when_no_more_dates_may_be_looked_at_one_by_one(monkeypatch):
    slow = step("next", spacing(minimum="7 days", target="30 days"))
    refusal = refused(FIRST, open_session(1, slow), on_roster=roster(120), ask=Ask(ends_before=day(5)))
    monkeypatch.setattr("scheduling.planner.relax.MOST_TRIED", 1)

    ways = ways_out(refusal)

    assert [way.gives_up for way in ways.found] == [(GivenUp("asked_ends_before", days=3),)]
    assert not ways.is_smallest


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


def ways_out_of(c, r, weights, ask):
    """Return what would make a plan, or None where there is one."""
    chain = Chain(c, r, weights, today=TODAY, ask=ask)
    stuck = chain.outcome()
    return ways_out(Unplannable(chain, stuck)) if isinstance(stuck, Stuck) else None


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_every_relaxation_is_a_plan_and_the_cheapest_come_first(data):
    c, r, weights = data.draw(instances())
    ask = data.draw(asks(c))
    ways = ways_out_of(c, r, weights, ask)
    if ways is None:
        return

    assert ways.searches <= 2 * MOST_SEARCHES + MOST_MEASURED
    assert len(ways.found) <= MOST_SHOWN
    costs = [way.plan.cost.total for way in ways.found]
    assert all(one <= other for one, other in pairwise(costs))
    assert len({len(way.gives_up) for way in ways.found}) <= 1
    for way in ways.found:
        dates_given_up = {one.code for one in way.gives_up} & {"before_minimum", "after_lapse"}
        wrong = wrong_with([planned.slot for planned in way.plan.sessions], c, r, TODAY)
        assert bool(wrong) is bool(dates_given_up)


# --- the fewest days, by every plan there is --------------------------------------------------------------------------

TERMS = dict(OF_TERMS)
DATES = {
    "asked_starts_from": ("starts_from", -1),
    "asked_starts_by": ("starts_by", 1),
    "asked_ends_before": ("ends_before", 1),
}
OF_WINDOW = ("before_minimum", "after_lapse")


def without(things, days, c, ask):
    """The course and the ask when the things are given up, each by so many days where it is a matter of days."""
    for thing, by in zip(things, days, strict=True):
        if thing.code in DATES:
            name, sign = DATES[thing.code]
            ask = replace(ask, **{name: getattr(ask, name) + timedelta(days=sign * by)})
        elif thing.code in OF_WINDOW:
            sessions = (spaced_by(one, thing.code, by, c) if one.id == thing.session else one for one in c.sessions)
            c = replace(c, sessions=tuple(sessions))
        else:
            plain = {name: getattr(Terms(), name) for name in TERMS[thing.code]}
            every = ask.every if thing.session else replace(ask.every, **plain)
            own = (
                replace(one, terms=replace(one.terms, **plain)) if one.session == thing.session else one
                for one in ask.sessions
            )
            ask = replace(ask, every=every, sessions=tuple(own))
    return c, ask


def spaced_by(session, code, by, c):
    """The session, by so many days sooner or later than its spacings say; what an assessment silenced says nothing."""
    spacings = [as_said(one, code, by, c) for one in session.step.spacings]
    return replace(session, step=replace(session.step, spacings=tuple(spacings)))


def as_said(one, code, by, c):
    if code == "before_minimum" and one.minimum:
        return replace(one, minimum=replace(one.minimum, days=one.minimum.days - by))
    if code == "before_minimum" or one.lapse is None:
        return one
    lapse_on = c.events[one.reference_key] + timedelta(one.lapse.days) if one.reference is Reference.EVENT else None
    is_silenced = lapse_on and lapse_on <= c.assessment.assessed_on
    return replace(one, lapse=None if is_silenced else replace(one.lapse, days=one.lapse.days + by))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_by_the_days_told_there_is_a_plan_and_by_a_day_fewer_there_is_none(data):
    c, r, weights = data.draw(instances())
    ask = data.draw(asks(c))
    ways = ways_out_of(c, r, weights, ask)
    if ways is None:
        return

    for way in ways.found:
        days = [thing.days for thing in way.gives_up]
        early = [thing.session for thing in way.gives_up if thing.code == "before_minimum"]
        priced_by = replace(c, overrides=tuple(OverrideFacts("before_minimum", uid, day(99)) for uid in early))
        as_told, asked = without(way.gives_up, days, c, ask)
        prices = [total_cost(slots, priced_by, r, weights) for slots in plans(as_told, r, TODAY, asked)]
        assert min(prices, default=None) == way.plan.cost.total
        for at, thing in enumerate(way.gives_up):
            if thing.code in DATES or thing.code in OF_WINDOW:
                fewer = [by - (number == at) for number, by in enumerate(days)]
                as_told, asked = without(way.gives_up, fewer, c, ask)
                assert next(plans(as_told, r, TODAY, asked), None) is None


def total_cost(slots, c, r, weights):
    return cost.total(cost.price(list(slots), c, r, weights, today=TODAY)).total
