"""Whatever is asked for, there is a clear answer, and it comes in a stated time on an ordinary machine.

The seconds are of the processor, and several times what was measured: a search that explodes takes minutes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from uuid import UUID

import pytest

from scheduling.planner.asks import contradictions
from scheduling.planner.cost import MOST, Weights
from scheduling.planner.explain import Unplannable
from scheduling.planner.facts import Ask, SessionTerms, Terms, Wishes
from scheduling.planner.relax import MOST_SEARCHES, ways_out
from scheduling.planner.search import alternatives, cheapest_plan
from tests.planner.build import (
    ANNA,
    BEN,
    NINE,
    NOON,
    booked,
    course,
    day,
    minutes,
    open_session,
    phase,
    resource,
    roster,
    spacing,
    step,
)
from tests.planner.checker import wrong_with

TODAY = day(0)
W = Weights()
MONTHLY = step("next", spacing(minimum="4 weeks", target="1 month", lapse="7 weeks"))
COURSE = course(open_session(0, step("first")), *(open_session(number, MONTHLY) for number in (1, 2)))
ANY_DAY = minutes(NINE, NOON)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    begun = time.process_time()
    yield
    assert time.process_time() - begun < seconds


def refused(whole, on_roster, ask=Ask()) -> Unplannable:  # noqa: B008  (frozen)
    with pytest.raises(Unplannable) as refusal:
        alternatives(whole, on_roster, W, today=TODAY, ask=ask)
    return refusal.value


@pytest.mark.parametrize("days", [0, 1])
def test_a_horizon_of_no_days_and_of_one(days):
    with within(5):
        refusal = refused(COURSE, roster(days))
        assert refusal.stuck_at.binding in ("beyond_horizon", "spacing")
        assert ways_out(refusal).found == ()


def test_a_horizon_of_ten_years():
    with within(30):
        plans = alternatives(COURSE, roster(3653), W, today=TODAY, explained=True)
        assert [one.slot.on for one in plans[0].plan.sessions] == [day(0), date(2027, 4, 1), date(2027, 5, 1)]


def test_ten_years_of_days_on_which_nobody_works():
    with within(60):
        refusal = refused(COURSE, roster(3653, hours=0))
        assert refusal.stuck_at.binding == "off_duty"
        assert ways_out(refusal).found == ()


def test_dates_asked_for_in_ten_years():
    ask = Ask(starts_from=date(2037, 1, 1), ends_before=date(2038, 1, 1))

    assert [one.code for one in contradictions(ask, COURSE, roster(365), TODAY)] == ["beyond_horizon"]


@pytest.mark.parametrize("odd", [{}, {"grid_minutes": 7}, {"shortest_useful_minutes": 22}])
def test_nobody_has_the_capability(odd):
    """Whether minutes are counted by fives or one by one."""
    with within(10):
        refusal = refused(COURSE, roster(365, resources=(resource(ANNA, "nurse"),), **odd))
        assert {reason.binding for reason in refusal.reasons} == {"lacks_capability"}
        ways = ways_out(refusal)
        assert (ways.found, ways.searches <= 2 * MOST_SEARCHES) == ((), True)


def test_every_day_is_closed():
    with within(10):
        shut = roster(365, closed={day(number): "closed for good" for number in range(365)})
        refusal = refused(COURSE, shut)
        assert {reason.binding for reason in refusal.reasons} == {"site_closed"}
        assert ways_out(refusal).found == ()


def test_a_phase_of_no_minutes():
    """A protocol file cannot say it; the search takes it as a start and nothing else."""
    empty = step("first", phases=[phase(0, "injector", "room"), phase(30, "injector", "room")])
    nothing = step("first", phases=[phase(0, "injector", "room")])

    [only] = cheapest_plan(course(open_session(0, empty)), roster(), W, today=TODAY).sessions
    assert (only.slot.tick, only.slot.minutes) == (NINE, 30)
    [only] = cheapest_plan(course(open_session(0, nothing)), roster(), W, today=TODAY).sessions
    assert only.slot.minutes == 0


@pytest.mark.parametrize("name", ["spacing_early_per_day", "change", "elapsed_per_day", "notice_days"])
def test_a_negative_weight_is_no_weight(name):
    with pytest.raises(ValueError, match=f"a weight is not negative: {name}"):
        Weights(**{name: -1})


def test_a_weight_has_a_most_and_counts_exactly_up_to_it():
    """Anna alone works on the first day, and Ben, who led before, from the sixth to the ninth: two changes."""
    off = [(ANNA, day(n)) for n in range(1, 28)] + [(BEN, day(n)) for n in range(28) if n not in range(5, 9)]
    weekly = step("next", spacing(minimum="5 days", target="7 days", lapse="12 days"))
    whole = course(open_session(0, step("first")), open_session(1, weekly), lead=BEN)

    with pytest.raises(ValueError, match=f"a weight is {MOST} at most: change"):
        Weights(change=MOST + 1)
    plan = cheapest_plan(whole, roster(off=off), Weights(change=MOST, hole=0), today=TODAY)
    assert ([one.slot.on for one in plan.sessions], plan.cost.total) == ([day(0), day(7)], 2 * MOST)


def test_a_pinned_session_outside_its_window_is_named():
    first, second, third = COURSE.sessions
    visit = replace(booked(second, day(100)), pinned=True)
    refusal = refused(course(replace(booked(first, day(0)), pinned=True), visit, third), roster(200))

    assert (refusal.stuck_at.session, refusal.stuck_at.binding) == (second.id, "spacing")
    assert [[one.code for one in way.gives_up] for way in ways_out(refusal).found] == [
        ["booked_visit"],
        ["booked_visit"],
    ]


@pytest.mark.parametrize(
    "wishes",
    [
        Wishes(practitioner=ANNA, language="pl", strict=True),  # she does not speak it
        Wishes(from_minute=NOON, until_minute=NINE, strict=True),
        Wishes(practitioner=UUID(int=404), strict=True),
        Wishes(weekdays=frozenset({0}), avoid_dates=frozenset(day(7 * n) for n in range(60)), strict=True),
    ],
)
def test_a_wish_that_contradicts_itself_is_told_with_what_would_help(wishes):
    with within(10):
        refusal = refused(replace(COURSE, wishes=wishes), roster(365))
        assert refusal.stuck_at.binding == "wish_missed"
        found = ways_out(refusal).found
        assert found
        assert all(one.code.startswith("without_") for way in found for one in way.gives_up)


def test_every_session_is_pinned():
    pinned = [replace(booked(session, on), pinned=True) for session, on in zip(
        COURSE.sessions, (day(0), day(30), day(60)), strict=True)]  # fmt: skip

    [only] = alternatives(course(*pinned), roster(90), W, today=TODAY, explained=True)

    assert [(one.slot.on, one.pinned) for one in only.plan.sessions] == [
        (day(0), True), (day(30), True), (day(60), True),
    ]  # fmt: skip
    assert only.nearer == ()


def test_every_session_is_asked_to_be_at_one_time():
    ask = Ask(
        sessions=tuple(
            SessionTerms(session.id, Terms(on=on, at_minute=NINE + 30, only_with=frozenset({BEN})))
            for session, on in zip(COURSE.sessions, (day(2), day(31), day(62)), strict=True)
        )
    )

    plans = alternatives(COURSE, roster(90), W, today=TODAY, ask=ask, explained=True)

    assert [one.kind for one in plans] == ["closest_to_target"]
    assert [(s.slot.on, s.slot.tick, s.slot.lead) for s in plans[0].plan.sessions] == [
        (day(2), NINE + 30, BEN), (day(31), NINE + 30, BEN), (day(62), NINE + 30, BEN),
    ]  # fmt: skip


def test_ten_thousand_candidates_a_day_and_more():
    """Fifty practitioners and fifty rooms, open for twelve hours, and a start at every minute: 36,000 a day."""
    people = [resource(UUID(int=1000 + number), "injector") for number in range(50)]
    rooms = [resource(UUID(int=2000 + number), "room", kind="room") for number in range(50)]
    busy = {(one.id, day(n)): (minutes(9 * 60 + n % 7, 13 * 60),) for n in range(180) for one in (*people, *rooms)}
    crowded = roster(180, resources=(*people, *rooms), hours=minutes(8 * 60, 20 * 60), busy=busy, grid_minutes=1)

    with within(60):
        plans = alternatives(COURSE, crowded, W, today=TODAY, explained=True)
    slots = [one.slot for one in plans[0].plan.sessions]
    assert wrong_with(slots, COURSE, crowded, TODAY) == []


def test_an_ask_with_thousands_of_dates_to_leave_out():
    forbidden = tuple((day(number), day(number)) for number in range(0, 3650, 2))

    with within(30):
        ask = Ask(Terms(forbidden=forbidden))
        assert contradictions(ask, COURSE, roster(365), TODAY) == []
        plan = cheapest_plan(COURSE, roster(365), W, today=TODAY, ask=ask)
        assert all((one.slot.on - TODAY).days % 2 for one in plan.sessions)
