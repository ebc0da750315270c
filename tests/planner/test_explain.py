from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from scheduling.planner.asks import NOTHING, contradictions
from scheduling.planner.chains import Chain, Stuck
from scheduling.planner.cost import Weights
from scheduling.planner.explain import MOST_DATES, Unplannable, why_not_nearer
from scheduling.planner.facts import Ask, AssessmentFacts, Reason, Removed, SessionTerms, Terms, Wishes
from scheduling.planner.search import cheapest_plan
from tests.planner.brute import plans, slots_of
from tests.planner.build import (
    ANNA,
    BEN,
    NINE,
    NOON,
    ROOM,
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
    spacing,
    step,
)
from tests.planner.checker import wrong_by_ask, wrong_dates
from tests.planner.instances import asks, instances

FIRST = open_session(0, step("first"))
NEXT = open_session(1, step("next", spacing(floor="3 days", minimum="5 days", target="7 days", lapse="9 days")))
DONE = performed(0, step("first"), day(0))
IN_WINDOW = range(5, 9)


def refused(*sessions, on_roster=None, ask=NOTHING, **facts) -> Unplannable:
    with pytest.raises(Unplannable) as refusal:
        cheapest_plan(course(*sessions, **facts), on_roster or roster(), Weights(), today=day(0), ask=ask)
    return refusal.value


def everywhere(mask, *who):
    return {(one, day(n)): (mask,) for one in who for n in range(28)}


@pytest.mark.parametrize(
    ("on_roster", "binding"),
    [
        (roster(closed={day(n): "shut" for n in IN_WINDOW}), "site_closed"),
        (roster(resources=(resource(ANNA, "nurse"), resource(ROOM, "room"))), "lacks_capability"),
        (roster(off=[(who, day(n)) for who in (ANNA, BEN) for n in IN_WINDOW]), "off_duty"),
        (roster(busy=everywhere(minutes(NINE, NOON), ANNA, BEN)), "lead_busy"),
        (roster(busy=everywhere(minutes(NINE, NOON), ROOM)), "others_busy"),
        (roster(patient_busy={day(n): minutes(NINE, NOON) for n in IN_WINDOW}), "patient_busy"),
        (roster(5), "beyond_horizon"),
        (roster(not_before=roster().days[day(20)].starts_at), "in_the_past"),
    ],
)
def test_the_binding_rule_is_named(on_roster, binding):
    refusal = refused(DONE, NEXT, on_roster=on_roster)

    assert refusal.stuck_at.binding == binding


def test_the_counts_say_which_rule_took_what():
    """Of the window's four dates one is a holiday, on one nobody works, on two everyone is busy from ten."""
    r = roster(
        closed={day(5): "holiday"},
        off=[(who, day(6)) for who in (ANNA, BEN)],
        busy={(who, day(n)): (minutes(NINE, NOON),) for who in (ANNA, BEN) for n in (7, 8)},
    )

    assert refused(DONE, NEXT, on_roster=r).stuck_at == Reason(
        NEXT.id,
        1,
        day(5),
        day(8),
        (
            Removed("outside_window", 24, 24 * 48),
            Removed("site_closed", 1, 48),
            Removed("off_duty", 1, 48 + 2 * 42),
            Removed("lead_busy", 2, 12),
        ),
        dates_left=0,
        starts_left=0,
        binding="lead_busy",
    )


def test_strict_wishes_bind():
    """Nobody can do Fridays before ten."""
    wishes = Wishes(weekdays=frozenset({4}), until_minute=TEN, practitioner=ANNA, strict=True)
    away = roster(off=[(ANNA, day(n)) for n in range(4, 28, 7)])

    assert refused(FIRST, on_roster=away, wishes=wishes).stuck_at.binding == "wish_missed"


def test_sessions_that_cannot_follow_each_other():
    """Each has dates of its own; between them there is never the right distance."""
    shut = {day(n): "shut" for n in range(1, 28) if n != 20}

    refusal = refused(FIRST, NEXT, on_roster=roster(closed=shut))

    assert [(reason.position, reason.dates_left) for reason in refusal.reasons] == [(0, 2), (1, 1)]
    assert (refusal.stuck_at.position, refusal.stuck_at.binding) == (1, "spacing")


def test_a_pinned_visit_outside_its_window():
    pinned = replace(booked(NEXT, day(20)), pinned=True)

    assert refused(DONE, pinned).stuck_at.position == 1


def test_a_gate_that_closes_with_the_date():
    gated_step = replace(NEXT.step, gates=gated("assessment"))
    expiring = AssessmentFacts(day(-30), suitable=True, expires_on=day(5))

    assert refused(DONE, replace(NEXT, step=gated_step), assessment=expiring).stuck_at.binding == "gate_closed"


def test_one_person_in_two_roles():
    both = open_session(0, step("first", phases=[phase(30, "injector", "supervisor")]))
    alone = roster(resources=(resource(ANNA, "injector", "supervisor"),))

    assert refused(both, on_roster=alone).stuck_at.binding == "roles_collide"


WEEKLY_ALONE = step("next", spacing(minimum="5 days", target="7 days"))
THREE = FIRST, open_session(1, WEEKLY_ALONE), open_session(2, WEEKLY_ALONE)
SECOND, THIRD = (session.id for session in THREE[1:])


def pinned(position: int, on: int) -> Ask:
    return Ask(sessions=(SessionTerms(THREE[position].id, Terms(on=day(on))),))


@pytest.mark.parametrize(
    ("ask", "on_roster", "expected"),
    [
        # Where the course is to end, and a pin, before the window; and after what a booked visit leaves.
        (Ask(ends_before=day(8)), roster(), (THIRD, day(10), day(7), "not_asked", "asked_last", None)),
        (pinned(1, 3), roster(), (SECOND, day(5), day(3), "not_asked", "asked_last", None)),
        # A pin after the session, or two after it, or nobody who works after that.
        (pinned(2, 1), roster(), (FIRST.id, day(0), day(-1), "out_of_order", "asked", (THIRD, day(1)))),
        (pinned(2, 0), roster(), (SECOND, day(0), day(-1), "out_of_order", "asked", (THIRD, day(0)))),
        (
            Ask(),
            roster(off=[(who, day(n)) for who in (ANNA, BEN) for n in range(1, 28)]),
            (SECOND, day(0), day(-1), "out_of_order", "", (THIRD, day(0))),
        ),
        # Bookings end too soon, if on a holiday.
        (Ask(), roster(1), (SECOND, day(0), day(-1), "beyond_horizon", "", None)),
        (Ask(), roster(2), (FIRST.id, day(0), day(-1), "beyond_horizon", "", None)),
        (Ask(), roster(3, closed={day(2): "holiday"}), (FIRST.id, day(0), day(-1), "beyond_horizon", "", None)),
        (Ask(), roster(4), (SECOND, day(5), day(3), "beyond_horizon", "", None)),
    ],
)
def test_where_no_date_is_left_what_bounds_it_is_said(ask, on_roster, expected):
    [blamed] = [one for one in refused(*THREE, on_roster=on_roster, ask=ask).reasons if one.binding]

    assert (
        blamed.session, blamed.first_on, blamed.last_on, blamed.binding, blamed.because, blamed.latest
    ) == expected  # fmt: skip
    assert blamed.dates_left == 0


def test_nothing_is_said_of_a_session_that_is_counted_from_a_date_that_is_not_to_be_had():
    """The third would have none until the horizon, if the second were on its best date."""
    reasons = refused(DONE, *THREE[1:], on_roster=roster(11), ask=pinned(1, 3)).reasons

    assert [(one.position, one.first_on, one.last_on, one.binding) for one in reasons] == [
        (1, day(5), day(3), "not_asked"),
        (2, day(12), day(10), ""),
    ]


def test_a_visit_that_is_booked_too_soon_after_and_an_ask_after_it_are_told_apart():
    visit = replace(booked(THREE[2], day(9)), pinned=True)
    late = performed(0, step("first"), day(5))

    by_window = refused(late, THREE[1], visit).stuck_at
    by_ask = refused(DONE, THREE[1], visit, ask=Ask(starts_from=day(12))).stuck_at

    assert (by_window.first_on, by_window.last_on) == (day(10), day(8))
    assert (by_window.binding, by_window.because, by_window.latest) == ("out_of_order", "booked", (THIRD, day(9)))
    assert (by_ask.first_on, by_ask.last_on) == (day(12), day(8))
    assert (by_ask.binding, by_ask.because, by_ask.latest) == ("not_asked", "asked_first", None)


def test_a_lapse_that_has_passed_is_a_matter_of_spacing():
    late = refused(performed(0, step("first"), day(-20)), NEXT).stuck_at

    assert (late.first_on, late.last_on, late.binding, late.because) == (day(0), day(-12), "spacing", "")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_each_date_of_a_window_is_counted_once_by_what_stands_against_it(data):
    """By the window first, then by what was asked, then by the diary."""
    number = st.integers(0, 12)
    shut = data.draw(st.sets(number, min_size=3))
    first, last, end = (data.draw(st.none() | number) for _ in range(3))
    weekdays = data.draw(st.sampled_from([frozenset(), frozenset({1, 3}), frozenset({0, 4, 6})]))
    forbidden = data.draw(st.sets(number, max_size=3))
    terms = Terms(
        first_on=None if first is None else day(first),
        last_on=None if last is None else day(last),
        weekdays=weekdays,
        forbidden=tuple((day(n), day(n)) for n in forbidden),
    )
    ask = Ask(sessions=(SessionTerms(NEXT.id, terms),), ends_before=None if end is None else day(end))
    r = roster(13, closed={day(n): "shut" for n in shut})
    c = course(DONE, NEXT)
    assume(not contradictions(ask, c, r, day(0)))
    chain = Chain(c, r, Weights(), today=day(0), ask=ask)
    stuck = chain.outcome()

    def is_wanted(n):
        asked = (first or 0) <= n <= (12 if last is None else last) and (end is None or n < end)
        return asked and (not weekdays or day(n).weekday() in weekdays) and n not in forbidden

    # Where no date after the first session would do, whatever the window, it is not looked at.
    window = IN_WINDOW if any(is_wanted(n) and n not in shut for n in range(1, 13)) else range(1, 13)

    def against(n):
        if n not in window:
            return "outside_window"
        return "not_asked" if not is_wanted(n) else "site_closed" if n in shut else ""

    codes = [against(n) for n in range(13)]
    assert isinstance(stuck, Stuck) is ("" not in codes)
    if isinstance(stuck, Stuck):
        reason = Unplannable(chain, stuck).stuck_at
        assert {one.code: one.dates for one in reason.removed if one.dates} == dict(Counter(codes))


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_no_date_is_said_to_be_the_first_or_the_last_that_a_session_could_not_be_on(data):
    """By every plan of the sessions before it, or every order of those after it."""
    c, r, weights = data.draw(instances())
    ask = data.draw(asks(c))
    assume(not contradictions(ask, c, r, day(0)))
    chain = Chain(c, r, weights, today=day(0), ask=ask)
    stuck = chain.outcome()
    if not isinstance(stuck, Stuck):
        return
    reason = Unplannable(chain, stuck).stuck_at
    at = next(n for n, session in enumerate(c.sessions) if session.id == reason.session)
    if reason.because in ("asked_first", "asked_last"):
        before = replace(c, sessions=c.sessions[:at])
        freely = [
            slot.on
            for chosen in plans(before, r, day(0), ask)
            for slot in slots_of(c.sessions[at], r, day(0))
            if not wrong_dates((*chosen, slot), c)
        ]
        assert all(on >= reason.first_on if reason.because == "asked_last" else on <= reason.last_on for on in freely)
    if reason.latest is not None:
        latest = {}
        following = date.max
        for session in reversed(c.sessions[at:]):
            anywhere = replace(ask, starts_by=ask.starts_by if session is c.sessions[0] else None)
            dates = [s.on for s in slots_of(session, r, day(0)) if not wrong_by_ask((s,), c, r, anywhere)]
            following = latest[session.id] = max((on for on in dates if on < following), default=date.min)
        assert latest[reason.session] == date.min
        assert latest[reason.latest[0]] == reason.latest[1]


def test_a_roster_without_days_plans_nothing():
    assert refused(FIRST, on_roster=roster(0)).stuck_at.binding == "beyond_horizon"


# --- why not nearer ---------------------------------------------------------------------------------------------------

WEEKLY = step("next", spacing(minimum="5 days", target="7 days", lapse="12 days"))
TWO = FIRST, open_session(1, WEEKLY)
W = Weights(hole=0)


def nearer(*sessions, on_roster=None, ask=NOTHING, weights=W, **facts) -> list[tuple]:
    """For each session its best date, and what stands against the dates that would cost less."""
    c, r = course(*sessions, **facts), on_roster or roster()
    chain = Chain(c, r, weights, today=day(0), ask=ask)
    plan = cheapest_plan(c, r, weights, today=day(0), ask=ask)
    found = why_not_nearer(plan, chain)
    assert [one.on for one in found] == [p.slot.on for p in plan.sessions if not p.pinned]
    return [(one.best_on, [(not_on.on, not_on.code, not_on.cost.total) for not_on in one.dates]) for one in found]


def test_on_the_best_dates_there_is_nothing_to_explain():
    assert nearer(*TWO) == [(day(0), []), (day(7), [])]


def test_each_date_that_would_cost_less_is_told_with_its_rule():
    """The seventh is a holiday, on the sixth nobody works, on the eighth everybody is busy, and then the patient."""
    r = roster(
        closed={day(7): "holiday"},
        off=[(who, day(6)) for who in (ANNA, BEN)],
        busy={(who, day(8)): (minutes(NINE, NOON),) for who in (ANNA, BEN)},
        patient_busy={day(n): minutes(NINE, NOON) for n in (5, 9)},
    )
    codes = ["patient_busy", "off_duty", "site_closed", "lead_busy", "patient_busy"]

    assert nearer(DONE, open_session(1, WEEKLY), on_roster=r) == [
        (day(7), [(day(n), code, 0) for n, code in enumerate(codes, start=5)])
    ]


def test_a_free_date_may_cost_more_elsewhere():
    """Anna alone works on the target; a day later Ben does, who led before."""
    r = roster(off=[(BEN, day(7)), *((ANNA, day(n)) for n in range(28) if n != 7)])

    assert nearer(DONE, open_session(1, WEEKLY), on_roster=r, lead=BEN) == [(day(7), [(day(7), "dearer", 11)])]


def test_a_free_date_may_leave_another_session_without_any():
    """From day 0 no date of the second is reached; from the next ones its only date is reached, but late."""
    r = roster(closed={day(n): "refurbishment" for n in (*range(5, 12), *range(13, 23))})

    first, second, third = nearer(*TWO, open_session(2, WEEKLY), on_roster=r)

    assert first == (
        day(0),
        [(day(0), "others_stuck", 0), (day(1), "dearer", 6), (day(2), "dearer", 4), (day(3), "dearer", 2)],
    )
    assert second == (day(11), [(day(11), "site_closed", 0)])
    assert third == (day(19), [(day(n), "site_closed", 0) for n in range(17, 23)])


def test_who_is_left_without_a_time_is_named():
    r = roster(closed={day(n): "refurbishment" for n in (*range(5, 12), *range(13, 28))})
    c = course(*TWO)
    chain = Chain(c, r, W, today=day(0))

    [first, _second] = why_not_nearer(cheapest_plan(c, r, W, today=day(0)), chain)

    assert (first.dates[0].code, first.dates[0].session) == ("others_stuck", TWO[1].id)


def test_a_date_that_costs_as_much_is_a_tie():
    """Anna alone works on the target, Ben, who led before, on the day before it: the earlier date is taken."""
    r = roster(off=[(BEN, day(7)), *((ANNA, day(n)) for n in range(28) if n != 7)])

    found = nearer(DONE, open_session(1, WEEKLY), on_roster=r, lead=BEN, weights=Weights(hole=0, change=4))

    assert found == [(day(7), [(day(7), "as_good", 0)])]


def test_what_is_asked_and_what_a_gate_closes_are_told_apart():
    gated_step = replace(WEEKLY, gates=gated("assessment"))
    expiring = AssessmentFacts(day(-30), suitable=True, expires_on=day(7))
    ask = Ask(every=Terms(forbidden=((day(6), day(6)),)))

    assert nearer(DONE, open_session(1, gated_step), assessment=expiring, ask=ask) == [
        (day(7), [(day(6), "not_asked", 0), (day(7), "gate_closed", 0), (day(8), "gate_closed", 0)])
    ]


def test_beyond_the_bounds_dates_are_named_and_not_tried():
    """A first session asked for two months on: of the sixty dates before it, none is what was asked."""
    r = roster(120, off=[(BEN, day(n)) for n in range(90)])
    late = open_session(0, step("first"))

    [(best_on, dates)] = nearer(late, on_roster=r, lead=BEN, ask=Ask(starts_from=day(80)))

    assert best_on == day(0)
    assert [code for _, code, _ in dates] == ["not_asked"] * MOST_DATES
    [(_, tried)] = nearer(late, on_roster=roster(120, off=[(BEN, day(n)) for n in range(7)]), lead=BEN)
    assert [(on, code) for on, code, _ in tried] == [(day(n), "dearer") for n in range(7)]
