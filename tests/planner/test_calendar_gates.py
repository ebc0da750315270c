"""Plans across a New Year, a seasonal pause, other treatments and a change of rules: against brute force."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduling.planner.amounts import Amount, DayOfYear
from scheduling.planner.cost import Weights
from scheduling.planner.explain import Unplannable
from scheduling.planner.facts import CourseFacts, Gate, Parameter, Reference, Roster, TreatmentFacts
from scheduling.planner.rules import violations
from scheduling.planner.search import cheapest_plan, free_times, repair
from tests.planner.brute import cheapest
from tests.planner.build import ANNA, NINE, ROOM, booked, course, minutes, open_session, resource, roster, spacing, step
from tests.planner.checker import wrong_with

TODAY = date(2027, 12, 28)
NEW_YEAR = date(2028, 1, 1)
ANNA_ALONE = (resource(ANNA, "injector"), resource(ROOM, "room", kind="room"))


def diary(days: int, off: frozenset[int] = frozenset()) -> Roster:
    """One start a day, with Anna."""
    return roster(
        days,
        since=TODAY,
        resources=ANNA_ALONE,
        hours=minutes(NINE, NINE + 30),
        off=[(ANNA, TODAY + timedelta(days=number)) for number in off],
    )


def dates(plan) -> list[date]:
    return [one.slot.on for one in plan.sessions]


def daily(number: int, *gates: Gate, **facts) -> CourseFacts:
    one = step("treatment", spacing(minimum="1 day", target="1 day"), gates=gates)
    return course(*(open_session(at, one) for at in range(number)), **facts)


def limit(at_most: int) -> Gate:
    return Gate("yearly_limit", {"at_most": at_most})


def test_what_a_year_has_no_room_for_is_planned_in_the_next():
    plan = cheapest_plan(daily(4, limit(2)), diary(14), Weights(), today=TODAY)

    assert dates(plan) == [NEW_YEAR + timedelta(days=number) for number in (-2, -1, 0, 1)]
    assert [one.gates for one in plan.sessions] == [()] * 4


def test_pinned_visits_to_come_take_their_room_in_the_year_from_what_is_planned_before_them():
    one = step("treatment", spacing(minimum="1 day", target="4 days"), gates=(limit(2),))
    pinned = [replace(booked(open_session(at, one), date(2028, 1, 8 + at)), pinned=True) for at in (2, 3)]
    c = course(open_session(0, one), open_session(1, one), *pinned)

    plan = cheapest_plan(c, diary(30), Weights(), today=TODAY)

    assert dates(plan)[:2] == [TODAY, date(2027, 12, 31)]  # its target is New Year
    assert violations([p.slot for p in plan.sessions[:2]], c, diary(30), TODAY) == []


def test_a_plan_with_too_many_in_a_year_is_refused_whole():
    c = daily(3, limit(2))
    slots = [one.slot for one in cheapest_plan(daily(3), diary(14), Weights(), today=TODAY).sessions]

    broken = violations(slots, c, diary(14), TODAY)

    assert [(one.code, one.opens_on) for one in broken] == [("yearly_limit_reached", NEW_YEAR)] * 3


def test_without_a_new_year_in_sight_the_limit_is_said_to_be_the_reason():
    with pytest.raises(Unplannable) as refusal:
        cheapest_plan(daily(3, limit(2)), diary(4), Weights(), today=TODAY)

    assert (refusal.value.stuck_at.position, refusal.value.stuck_at.binding) == (2, "gate_closed")


def test_a_session_is_offered_no_time_in_a_full_year():
    one = step("treatment", gates=(limit(1),))
    c = course(booked(open_session(0, one), TODAY), open_session(1, one))

    found = free_times(
        c.sessions[1], c, diary(7), Weights(), today=TODAY, between=(TODAY, NEW_YEAR + timedelta(days=3)), limit=2
    )

    assert [planned.slot.on for planned in found] == [NEW_YEAR, NEW_YEAR + timedelta(days=1)]


def test_a_repair_moves_what_a_year_has_no_room_for_any_more():
    one = step("treatment", spacing(minimum="1 day"), gates=(limit(2),))
    visits = [booked(open_session(at, one), TODAY + timedelta(days=at)) for at in range(2)]
    elsewhere = (TreatmentFacts("micro", date(2027, 5, 1), performed=True),)

    way = repair(course(*visits, elsewhere=elsewhere), diary(10), Weights(), today=TODAY)

    assert [(move.session, move.new.on) for move in way.moves] == [(visits[1].id, NEW_YEAR)]


def test_between_two_pauses_there_are_dates():
    pause = Gate("season", {"from": DayOfYear(12, 1), "until": DayOfYear(1, 31)})
    c = daily(1, pause)

    plan = cheapest_plan(c, diary(400), Weights(), today=TODAY)  # begins and ends inside a pause

    assert dates(plan) == [date(2028, 2, 1)]


def keep_from(protocol: str, at_least: str, *areas: str) -> Gate:
    takes: dict[str, Parameter] = {"protocol": protocol, "at_least": Amount.parse(at_least)}
    return Gate("apart", takes | ({"areas": frozenset(areas)} if areas else {}))


@st.composite
def instances(draw) -> tuple[CourseFacts, Roster, Weights]:
    """Up to four sessions in ten days around New Year; of the year to come something is always free."""
    treatments = st.builds(
        TreatmentFacts,
        st.sampled_from(["micro", "laser"]),
        st.dates(TODAY - timedelta(days=3), NEW_YEAR - timedelta(days=1)),
        st.booleans(),
        areas=st.sampled_from([frozenset(), frozenset({"left_leg"})]),
        apart=st.sampled_from([(), (keep_from("micro", "1 day"),), (keep_from("micro", "3 days", "right_leg"),)]),
    )
    gates = [limit(draw(st.integers(1, 3)))]
    if draw(st.booleans()):
        begins = draw(st.sampled_from([DayOfYear(12, 30), DayOfYear(1, 1), DayOfYear(1, 2)]))
        gates.append(Gate("season", {"from": begins, "until": draw(st.sampled_from([DayOfYear(1, 2), begins]))}))
    if draw(st.booleans()):
        gates.append(keep_from("laser", "2 days", *draw(st.sampled_from([(), ("left_leg",), ("right_leg",)]))))
    until = NEW_YEAR - timedelta(days=draw(st.integers(0, 2)))
    rules = [
        replace(spacing(minimum="2 days", target="3 days"), effective_to=until - timedelta(days=1)),
        replace(spacing(minimum="1 day", target="1 day"), effective_from=until),
    ]
    if draw(st.booleans()):
        rules.append(spacing(Reference.STEP, "treatment", minimum="4 days"))
    one = step("treatment", *rules, gates=tuple(gates))
    areas = draw(st.sampled_from([frozenset(), frozenset({"left_leg"}), frozenset({"right_leg"})]))
    made = course(
        *(open_session(at, one, areas=areas) for at in range(draw(st.integers(1, 4)))),
        elsewhere=tuple(draw(st.lists(treatments, max_size=3))),
    )
    weight = st.integers(0, 5)
    weights = Weights(
        spacing_early_per_day=draw(weight), spacing_late_per_day=draw(weight), lateness_per_day=draw(weight)
    )
    return made, diary(10, draw(st.frozensets(st.integers(0, 9), max_size=4))), weights


@settings(max_examples=150, deadline=None)
@given(instances())
def test_no_plan_is_cheaper_and_every_gate_is_kept(instance):
    c, r, weights = instance
    expected = cheapest(c, r, weights, TODAY)

    if expected is None:
        with pytest.raises(Unplannable):
            cheapest_plan(c, r, weights, today=TODAY)
        return
    plan = cheapest_plan(c, r, weights, today=TODAY)
    slots = [one.slot for one in plan.sessions]
    assert (plan.cost.total, [(s.on, s.tick, s.lead.int) for s in slots]) == expected
    assert wrong_with(slots, c, r, TODAY) == []
    assert violations(slots, c, r, TODAY) == []
    assert [one.gates for one in plan.sessions] == [()] * len(slots)
