"""Courses whose sessions treat different areas in turn: plans and repairs against every one there is, and the work."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduling.planner.chains import Chain
from scheduling.planner.cost import Weights
from scheduling.planner.effort import DAYS, Effort, effort, effort_of
from scheduling.planner.explain import Unplannable
from scheduling.planner.facts import (
    CourseFacts,
    OverrideFacts,
    Reference,
    Roster,
    SessionState,
    StepKind,
)
from scheduling.planner.rules import violations
from scheduling.planner.search import cheapest_plan, repair
from scheduling.planner.windows import windows_of
from tests.planner import brute
from tests.planner.build import booked, course, day, open_session, performed, roster, spacing, step
from tests.planner.checker import wrong_with
from tests.planner.instances import SMALL_DAYS, booked_instances, instances

TODAY = day(0)
LEFT, RIGHT = frozenset({"left_leg"}), frozenset({"right_leg"})
LEGS = LEFT | RIGHT


@st.composite
def in_turn(draw, drawn) -> tuple[CourseFacts, Roster, Weights]:
    """A small course whose spacings are by area too, after sessions that took place, were left out or given up.

    Mostly the legs take turns. What took place may have treated anything, whatever was planned.
    """
    c, r, weights = draw(drawn)
    amounts = {"minimum": f"{draw(st.integers(2, 4))} days", "target": f"{draw(st.integers(4, 6))} days"}
    if draw(st.booleans()):
        amounts["lapse"] = f"{draw(st.integers(7, 9))} days"
    reference = draw(
        st.sampled_from([(Reference.PREVIOUS, ""), (Reference.PREVIOUS, ""), (Reference.LAST_OF_KIND, "treatment")])
    )
    by_area = spacing(*reference, areas=draw(st.sampled_from([LEGS, LEGS, LEGS, LEFT])), **amounts)
    turn = draw(st.sampled_from([(LEFT, RIGHT), (RIGHT, LEFT)]))
    anything = st.sampled_from([LEFT, RIGHT, LEGS, frozenset()])
    steps = {s.step.key: replace(s.step, spacings=(*s.step.spacings, by_area)) for s in c.sessions}
    number_past = draw(st.integers(0, 2))
    past = []
    for at in range(number_past):
        gone = draw(st.sampled_from([None, None, None, SessionState.SKIPPED]))
        kind = draw(st.sampled_from([StepKind.TREATMENT, StepKind.TREATMENT, StepKind.ASSESSMENT]))
        treated = draw(anything)
        took_place = performed(at, step("past", kind=kind), day(3 * (at - number_past)), areas=treated)
        one = replace(took_place, id=UUID(int=200 + at), counts=draw(st.booleans()))
        past.append(one if gone is None else replace(one, state=gone, performed_on=None))
    left = [
        replace(
            session,
            position=session.position + number_past,
            step=steps[session.step.key],
            areas=turn[at % 2] if draw(st.integers(0, 3)) else draw(anything),
        )
        for at, session in enumerate(c.sessions)
    ]
    sessions = (*past, *left)
    protocol = replace(c.protocol, steps=tuple({one.step.key: one.step for one in sessions}.values()))
    return replace(c, sessions=sessions, protocol=protocol), r, weights


def test_legs_take_turns_two_weeks_apart_and_the_same_leg_after_a_month():
    legs = step("laser", spacing(minimum="2 weeks"), spacing(minimum="1 month", target="1 month", areas=LEGS))
    sessions = [open_session(at, legs, areas=(LEFT, RIGHT)[at % 2]) for at in range(4)]

    plan = cheapest_plan(course(*sessions), roster(90), Weights(), today=TODAY)

    assert [planned.slot.on for planned in plan.sessions] == [day(0), day(14), day(31), day(45)]


def test_what_was_treated_counts_and_not_what_was_planned():
    """The left leg in place of the right: the next left one waits for it, the right one does not."""
    legs = step("laser", spacing(minimum="2 weeks"), spacing(minimum="1 month", areas=LEGS))
    first, second = performed(0, legs, day(-14), areas=LEFT), performed(1, legs, day(0), areas=LEFT)
    left, right = open_session(2, legs, areas=LEFT), open_session(3, legs, areas=RIGHT)

    windows = windows_of(course(first, second, left, right))

    assert windows[left.id].earliest_on == day(31)  # a month after the first of March
    assert windows[right.id].earliest_on == day(31 + 14)
    as_planned = windows_of(course(first, replace(second, areas=RIGHT), left, right))
    assert [as_planned[one.id].earliest_on for one in (left, right)] == [day(14), day(31)]


@settings(max_examples=120, deadline=None)
@given(in_turn(instances()))
def test_no_plan_for_areas_in_turn_is_cheaper(instance):
    c, r, weights = instance
    expected = brute.cheapest(c, r, weights, TODAY)

    if expected is None:
        with pytest.raises(Unplannable):
            cheapest_plan(c, r, weights, today=TODAY)
        return
    plan = cheapest_plan(c, r, weights, today=TODAY)
    slots = [planned.slot for planned in plan.sessions]
    assert (plan.cost.total, [(slot.on, slot.tick, slot.lead.int) for slot in slots]) == expected
    assert wrong_with(slots, c, r, TODAY) == []
    assert violations(slots, c, r, TODAY) == []


@settings(max_examples=120, deadline=None)
@given(in_turn(booked_instances()), st.booleans())
def test_no_repair_of_areas_in_turn_costs_less(instance, all_may_move):
    """With visits booked where they may be and where they may not, and sessions between that have none."""
    c, r, weights = instance
    best = brute.cheapest_repair(c, r, weights, TODAY, all_may_move=all_may_move)
    try:
        found = repair(c, r, weights, today=TODAY, whole=all_may_move)
    except Unplannable:
        assert best is None
        return
    slots = [planned.slot for planned in found.plan.sessions]

    assert best is not None
    if (found.plan.cost.total, [slot.on for slot in slots]) != best:
        assert brute.has_room(slots, c, r, TODAY), "it is not the cheapest, and nobody has got anything for it"


# --- what must be remembered ----------------------------------------------------------------------------------------


@settings(max_examples=80, deadline=None)
@given(in_turn(booked_instances()), st.booleans())
def test_a_search_for_areas_in_turn_never_remembers_more_than_was_said(instance, may_be_early):
    c, r, weights = instance
    c = replace(c, overrides=(OverrideFacts("before_minimum", None, day(9)),) if may_be_early else ())
    chain = Chain(c, r, weights, today=TODAY)
    said = effort_of(c, SMALL_DAYS)

    chain.outcome()

    assert max(Counter(number for number, _ in chain._rest).values(), default=0) <= said.states
    assert max((len(layer.kept) for layer in chain.layers), default=0) <= said.dates


NEXT = spacing(minimum="2 weeks", lapse="8 weeks")
SAME_LEG = spacing(minimum="1 month", areas=LEGS)


def turns(number, *spacings, first=0):
    one = step("laser", *spacings)
    return [open_session(at, one, areas=(LEFT, RIGHT)[at % 2]) for at in range(first, first + number)]


def test_with_areas_in_turn_the_date_before_the_last_is_remembered_too():
    sessions = turns(4, NEXT, SAME_LEG)
    steps = [session.step for session in sessions]

    found = effort_of(course(*sessions))

    assert effort(steps) == Effort(DAYS, 1, "", 0)  # as saving takes it: every session treats the same
    assert effort_of(course(*(replace(one, areas=LEFT) for one in sessions))) == effort(steps)
    assert found == Effort(DAYS * (8 * 7 - 14), 2, "laser", 1)
    assert found.session == sessions[2].id


def test_only_what_is_left_is_remembered():
    one, another, *left = turns(4, NEXT, SAME_LEG)
    done = [performed(at, s.step, day(at - 30), areas=s.areas) for at, s in enumerate((one, another))]

    assert effort_of(course(*done, *left)) == Effort(DAYS, 1, "", 0)
    skipped = [replace(s, state=SessionState.SKIPPED) for s in (one, another)]
    assert effort_of(course(*skipped, *left)) == Effort(DAYS, 1, "", 0)
    visits = [booked(s, day(9 + 14 * s.position)) for s in (one, another)]
    assert effort_of(course(*visits, *left)).dates == 2  # a repair may move them


def test_many_turns_that_nothing_keeps_near_each_other_are_too_many():
    apart = spacing(minimum="1 day"), spacing(minimum="2 days", areas=LEGS)
    near = spacing(minimum="1 day", lapse="6 weeks"), spacing(minimum="2 days", areas=LEGS)

    assert [effort_of(course(*turns(number, *apart))).is_bounded for number in (4, 5, 6)] == [True, True, False]
    assert effort_of(course(*turns(20, *near))).is_bounded
    # Each is so long after the one before that few dates of a year are left for it.
    legs = spacing(minimum="1 week"), spacing(minimum="8 weeks", areas=LEGS)
    assert effort_of(course(*turns(12, *legs))).is_bounded


def test_an_override_of_the_minimum_leaves_more_dates():
    sessions = turns(4, NEXT, SAME_LEG)
    early = OverrideFacts("before_minimum", None, day(90))

    assert effort_of(course(*sessions, overrides=(early,))) == Effort(DAYS * 8 * 7, 2, "laser", 1)
