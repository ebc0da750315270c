"""A search ends: what it looks at is counted, and one that would need too much is broken off and says so."""

from __future__ import annotations

import pytest

from scheduling.planner.chains import Chain, Stuck
from scheduling.planner.cost import Weights
from scheduling.planner.effort import MOST_LOOKS, effort
from scheduling.planner.explain import Unplannable
from scheduling.planner.facts import CourseFacts, Gate
from scheduling.planner.relax import ways_out
from scheduling.planner.search import alternatives, repair
from scheduling.planner.work import MOST_DATES
from tests.planner.build import ANNA, BEN, booked, course, day, open_session, roster, spacing, step
from tests.planner.far_back import NEXT, SINCE_FIRST, every_other_day, far_back
from tests.planner.works import counted, looked


def limited(number: int, at_most: int) -> CourseFacts:
    one = step("one", spacing(minimum="2 days", target="7 days"), gates=(Gate("yearly_limit", {"at_most": at_most}),))
    return course(*(open_session(at, one) for at in range(number)))


def test_it_is_proven_that_there_is_no_plan_as_long_as_that_may_take():
    chain = Chain(far_back(), every_other_day(120), Weights(), today=day(0))

    stuck = chain.outcome()

    assert isinstance(stuck, Stuck)
    assert stuck.is_proven
    assert 0 < chain.work.dates < MOST_DATES


def test_what_takes_longer_is_broken_off_and_nothing_is_proven():
    chain = Chain(far_back(), every_other_day(120), Weights(), today=day(0))
    chain.work.allow(1000)

    stuck = chain.outcome()

    assert isinstance(stuck, Stuck)
    assert not stuck.is_proven
    assert chain.work.dates == 1000
    assert [reason.binding for reason in Unplannable(chain, stuck).reasons] == [""] * 4  # and nothing is blamed


def test_the_first_plan_may_take_more_than_all_that_is_tried_after_it(monkeypatch):
    """Other kinds that cannot be had for so little are left out, and so are other dates."""
    steps = step("first"), step("second", NEXT), step("third", NEXT, SINCE_FIRST)
    c = course(*(open_session(number, one) for number, one in enumerate(steps)), lead=ANNA)
    r = roster(120, off=[(ANNA, day(35))])  # on which the second would be best
    whole = alternatives(c, r, Weights(), today=day(0), explained=True)
    monkeypatch.setattr("scheduling.planner.search.MOST_TRIED", 0)
    monkeypatch.setattr("scheduling.planner.explain.MOST_TRIED", 0)

    found = alternatives(c, r, Weights(), today=day(0), explained=True)

    assert found[0].plan == whole[0].plan
    assert len(found) < len(whole)
    tried = {one.code for near in whole[0].nearer for one in near.dates} & {"dearer", "as_good", "others_stuck"}
    assert tried
    assert not {one.code for near in found[0].nearer for one in near.dates} & tried


def test_what_only_lists_the_dates_of_a_course_is_never_broken_off():
    """A repair of many courses walks through all of them, and one course must not end it."""
    chain = Chain(far_back(), every_other_day(120), Weights(), today=day(0))
    chain.work.allow(0)

    assert next(chain.onward(0, ()))[2] == (day(0).toordinal(),)
    assert next(chain.open_dates(day(0), day(10)))[0] == day(0)


def test_one_session_is_looked_at_once_on_each_date_whatever_else_counts_from_it():
    """As a list of free times does, and the waiting list."""
    c = far_back()
    chain = Chain(c, roster(400), Weights(), today=day(0), only=c.sessions[0].id)

    found = list(chain.open_dates(day(20), day(21)))

    assert [on for on, _ in found] == [day(20), day(21)]
    assert chain.work.dates == 400


def test_how_far_a_search_came_that_tables_have_decided_costs_nothing():
    one = spacing(minimum="3 weeks", target="4 weeks", lapse="9 weeks")
    c = course(*(open_session(at, step("one", *[one] * (at > 0))) for at in range(4)))
    r = roster(200, off=[(who, day(number)) for who in (ANNA, BEN) for number in range(60, 200)])
    chain = Chain(c, r, Weights(), today=day(0))
    chain.work.allow(0)

    stuck = chain.outcome()

    assert isinstance(stuck, Stuck)
    assert (stuck.is_proven, stuck.session.position, chain.work.dates) == (True, 3, 0)


def test_ways_out_are_looked_for_no_longer_than_that(monkeypatch):
    chain = Chain(far_back(), every_other_day(120), Weights(), today=day(0))
    stuck = chain.outcome()
    assert isinstance(stuck, Stuck)
    refusal = Unplannable(chain, stuck)
    assert ways_out(refusal).found
    monkeypatch.setattr("scheduling.planner.relax.MOST_TRIED", 0)

    ways = ways_out(refusal)

    assert (ways.found, ways.searches, ways.is_smallest) == ((), 0, False)


def test_a_year_that_has_room_enough_is_not_counted():
    chain = Chain(limited(4, 4), roster(60), Weights(), today=day(0))

    slots = chain.outcome()

    assert not isinstance(slots, Stuck)
    assert chain.work.dates == 0  # all was looked up in tables


def test_a_full_year_is_counted():
    chain = Chain(limited(4, 3), roster(400), Weights(), today=day(0))

    slots = chain.outcome()

    assert not isinstance(slots, Stuck)
    assert {slot.on.year for slot in slots} == {day(0).year, day(0).year + 1}
    assert chain.work.dates > 0


@pytest.mark.parametrize("sessions", [3, 12])
def test_many_sessions_that_all_count_from_the_first_are_too_much_unless_they_are_near(sessions):
    def looks(between):
        return effort([step("first"), *[step("next", between)] * sessions, step("last", between, SINCE_FIRST)])

    assert looks(NEXT).is_bounded == (sessions == 3)
    assert (looks(NEXT).looks <= MOST_LOOKS) == (sessions == 3)
    assert looks(spacing(minimum="4 weeks", target="5 weeks", lapse="7 weeks")).is_bounded


SHUT_FIRST = [(who, day(7)) for who in (ANNA, BEN)]  # the first visit is lost


def far_back_booked(*days):
    return course(
        *(s if at is None else booked(s, day(at)) for s, at in zip(far_back().sessions[: len(days)], days, strict=True))
    )


def test_a_repair_that_is_broken_off_proves_nothing_and_moves_no_visit_that_could_stay(monkeypatch):
    works = counted(monkeypatch, 50)

    with pytest.raises(Unplannable) as refused:
        repair(far_back_booked(7, 40, 75), roster(120, off=SHUT_FIRST), Weights(), today=day(0))

    assert not refused.value.stuck.is_proven
    assert looked(works) == 50


def test_a_repair_is_as_found_when_it_takes_too_long_to_see_whether_it_leaves_room(monkeypatch):
    """Nobody works from day 30 to 60, when the session without a visit would be: the third has to make room."""
    shut = {day(number): "shut" for number in range(30, 61)}
    asked = far_back_booked(7, None, 73), roster(150, off=SHUT_FIRST, closed=shut), Weights()

    def moves():
        positions = {session.id: session.position for session in asked[0].sessions}
        return [(positions[move.session], move.new.on) for move in repair(*asked, today=day(0)).moves]

    with_room = moves()
    monkeypatch.setattr("scheduling.planner.search.MOST_TRIED", 0)

    assert moves() == [(0, day(3))]
    assert with_room == [(0, day(26)), (2, day(96))]
