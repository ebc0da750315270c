from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduling.planner.cost import Weights
from scheduling.planner.explain import Unplannable
from scheduling.planner.facts import AssessmentFacts, Move, Reference, Reflux, StepKind
from scheduling.planner.repair import repair_together
from scheduling.planner.rules import violations
from scheduling.planner.search import repair, still_wrong, with_visits_only
from tests.planner import brute
from tests.planner.build import (
    ANNA,
    BEN,
    MONDAY,
    NINE,
    NOON,
    ROOM,
    ROOM_2,
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
    slot,
    spacing,
    step,
)
from tests.planner.checker import wrong_with
from tests.planner.instances import booked_instances

W = Weights(hole=0)
WEEKLY = step("next", spacing(minimum="5 days", target="7 days", lapse="12 days"))
FIRST, SECOND, THIRD = open_session(0, step("first")), open_session(1, WEEKLY), open_session(2, WEEKLY)


def repaired(*sessions, on_roster=None, today=MONDAY, weights=W, **rest):
    """What the repair moves, as (position, from, to); the result is checked."""
    c, r = course(*sessions), on_roster or roster()
    result = repair(c, r, weights, today=today, **rest)
    slots = [s.slot for s in result.plan.sessions]
    moved = [move.new for move in result.moves]
    assert wrong_with(moved, c, r, today) == []
    assert violations(moved, c, r, today) == []
    assert {move.new for move in result.moves} <= set(slots)
    positions = {s.id: s.position for s in sessions}
    return [(positions[m.session], m.old and m.old.on, m.new.on) for m in result.moves], result


def test_nothing_moves_when_every_visit_is_inside_its_window():
    """Performed two days late: the second is early and the third is late, and both are lawful."""
    moves, result = repaired(
        performed(0, FIRST.step, day(2)), booked(SECOND, day(7)), booked(THIRD, day(16)), today=day(2)
    )

    assert moves == []
    assert [s.slot.on for s in result.plan.sessions] == [day(7), day(16)]
    assert result.plan.cost.moves == 0


@pytest.mark.parametrize("between", [Reference.PREVIOUS, Reference.STEP])
def test_an_assessment_and_a_treatment_booked_for_one_date_stay_there(between):
    look = open_session(-1, step("assessment", kind=StepKind.ASSESSMENT))
    weekly = step("next", spacing(between, "assessment", minimum="5 days", target="7 days", lapse="12 days"))
    following = open_session(1, weekly)

    moves, result = repaired(booked(look, day(2)), booked(FIRST, day(2), TEN), following, plan_unbooked={following.id})

    assert moves == [(1, None, day(9))]
    assert [s.slot.on for s in result.plan.sessions] == [day(2), day(2), day(9)]


def test_only_the_visit_that_falls_out_of_its_window_moves():
    moves, result = repaired(
        performed(0, FIRST.step, day(4)), booked(SECOND, day(7)), booked(THIRD, day(18)), today=day(4)
    )

    assert moves == [(1, day(7), day(11))]
    assert result.plan.cost.moves == 30 + 5 * 4


def test_a_move_chooses_its_date_so_that_the_next_visit_can_stay():
    """The target would be day 11, from which day 14 is too soon; day 9 leaves the third where it is."""
    moves, _ = repaired(performed(0, FIRST.step, day(4)), booked(SECOND, day(7)), booked(THIRD, day(14)), today=day(4))

    assert moves == [(1, day(7), day(9))]


def test_when_the_next_visit_cannot_stay_both_move():
    moves, _ = repaired(performed(0, FIRST.step, day(4)), booked(SECOND, day(7)), booked(THIRD, day(13)), today=day(4))

    assert moves == [(1, day(7), day(11)), (2, day(13), day(18))]


def test_a_practitioner_who_is_away_is_replaced_at_the_same_time():
    away = roster(off=[(ANNA, day(7))])

    moves, result = repaired(performed(0, FIRST.step, day(0)), booked(SECOND, day(7), TEN), on_roster=away)

    assert moves == [(1, day(7), day(7))]
    assert (result.moves[0].new.tick, result.moves[0].new.lead) == (NINE, BEN)


def test_another_room_at_the_same_time_is_the_least_of_all_moves():
    taken = roster(
        busy={(ROOM, day(7)): (minutes(NINE, NOON),)}, resources=(*roster().resources, resource(ROOM_2, "room"))
    )

    _, result = repaired(performed(0, FIRST.step, day(0)), booked(SECOND, day(7), TEN), on_roster=taken)

    [move] = result.moves
    assert isinstance(move, Move)
    assert (move.new.on, move.new.tick, move.new.lead) == (day(7), TEN, ANNA)
    assert result.plan.cost.moves == 0


@pytest.mark.parametrize(("is_confirmed", "moved"), [(False, [(2, day(11), day(15))]), (True, [(1, day(8), day(5))])])
def test_a_visit_that_its_patient_has_confirmed_rather_stays_when_all_may_move(is_confirmed, moved):
    """They lie three days apart. To move the later one costs 8 less than the earlier one, but for the confirmation."""
    said = replace(slot(THIRD, day(11)), is_confirmed=is_confirmed)
    sessions = performed(0, FIRST.step, day(0)), booked(SECOND, day(8)), replace(THIRD, booked=said)

    result = repair(course(*sessions), roster(), replace(W, short_notice_per_day=0), today=MONDAY, whole=True)

    positions = {session.id: session.position for session in sessions}
    assert [(positions[move.session], move.old and move.old.on, move.new.on) for move in result.moves] == moved


def test_a_session_that_lost_its_appointment_gets_a_new_one_when_that_is_asked_for():
    sessions = performed(0, FIRST.step, day(0)), SECOND, booked(THIRD, day(14))

    assert repaired(*sessions, plan_unbooked={SECOND.id})[0] == [(1, None, day(7))]
    assert repaired(*sessions)[0] == []


def test_a_visit_awaiting_its_outcome_is_not_moved():
    moves, _ = repaired(booked(FIRST, day(0)), booked(SECOND, day(7)), today=day(1))

    assert moves == []


def test_a_visit_that_could_stay_moves_only_when_the_course_cannot_go_on_otherwise():
    """The third has one date left, day 12, which only an earlier second reaches."""
    shut = roster(closed={day(n): "shut" for n in (*range(9, 12), *range(13, 28))})

    moves, _ = repaired(
        performed(0, FIRST.step, day(0)), booked(SECOND, day(8)), booked(THIRD, day(15)), on_roster=shut
    )

    assert moves == [(1, day(8), day(7)), (2, day(15), day(12))]


def test_a_course_beyond_repair_is_explained():
    shut = roster(closed={day(n): "shut" for n in range(1, 28)})

    with pytest.raises(Unplannable) as refusal:
        repair(course(performed(0, FIRST.step, day(0)), booked(SECOND, day(7))), shut, W, today=day(0))
    assert refusal.value.stuck_at.binding == "site_closed"


def test_pinned_visits_stay_even_where_they_are_impossible():
    away = roster(off=[(ANNA, day(7))])
    pinned = replace(booked(SECOND, day(7)), pinned=True)

    moves, _ = repaired(performed(0, FIRST.step, day(0)), pinned, booked(THIRD, day(13)), on_roster=away)

    assert moves == []


# --- visits of sessions that no plan of the course holds --------------------------------------------------------------

ASSESSMENT = step("assessment", kind=StepKind.ASSESSMENT, planned_with_course=False)
REVIEW = step(
    "review",
    spacing(Reference.LAST_OF_KIND, "treatment", minimum="5 days", target="7 days", lapse="12 days"),
    kind=StepKind.FOLLOW_UP,
    planned_with_course=False,
)


def test_a_review_follows_the_treatment_that_moves():
    shut = roster(closed={day(n): "shut" for n in range(5, 11)})
    visits = performed(0, FIRST.step, day(0)), booked(SECOND, day(7)), booked(open_session(2, REVIEW), day(14))

    moves, result = repaired(*visits, on_roster=shut)

    assert moves == [(1, day(7), day(11)), (2, day(14), day(18))]
    assert [planned.slot.on for planned in result.plan.sessions] == [day(11), day(18)]


def test_a_review_stays_where_it_may():
    """From day 14 it may be on day 19, though day 21 is its target."""
    shut = roster(closed={day(n): "shut" for n in (12, 13)})
    visits = performed(0, FIRST.step, day(5)), booked(SECOND, day(12)), booked(open_session(2, REVIEW), day(19))

    moves, _ = repaired(*visits, on_roster=shut)

    assert moves == [(1, day(12), day(11))]


def test_an_assessment_whose_clinician_is_away_is_led_by_another():
    moves, result = repaired(booked(open_session(-1, ASSESSMENT), day(2)), on_roster=roster(off=[(ANNA, day(2))]))

    assert moves == [(-1, day(2), day(2))]
    assert [planned.slot.lead for planned in result.plan.sessions] == [BEN]


def test_a_review_without_a_time_is_a_reason_and_may_be_left_where_it_is():
    """The second has day 11 left, from which the review has none; without it the second goes there all the same."""
    shut = roster(closed={day(n): "shut" for n in (*range(5, 11), *range(15, 28))})
    visits = performed(0, FIRST.step, day(0)), booked(SECOND, day(7)), booked(open_session(2, REVIEW), day(14))
    c = course(*visits)

    with pytest.raises(Unplannable) as refusal:
        repair(c, shut, W, today=MONDAY)
    moves, result = repaired(*visits, on_roster=shut, only_planned=True)

    assert (refusal.value.stuck_at.session, refusal.value.stuck_at.binding) == (visits[2].id, "site_closed")
    assert moves == [(1, day(7), day(11))]
    assert said(still_wrong(c, shut, MONDAY, result.moves)) == [(2, "before_minimum", day(16))]


def said(broken):
    return [(one.session.int - 100, one.code, one.opens_on) for one in broken]


def test_what_is_still_wrong_is_asked_of_the_rules():
    """The first visit is over, the second off the grid, the third has nobody; of the last gates only one will open."""
    gates = gated("outcome", "reflux")
    done = performed(0, FIRST.step, day(-9))
    over, off_grid, alone = (
        booked(SECOND, day(-2)),
        booked(THIRD, day(4), NINE + 7),
        booked(open_session(3, WEEKLY), day(9)),
    )
    last = booked(open_session(4, step("last", gates=gates)), day(14))
    treated = AssessmentFacts(day(-30), suitable=True, reflux=Reflux.TREATED, reflux_clear_on=day(20))
    c = course(done, over, off_grid, alone, last, assessment=treated)
    away = roster(off=[(ANNA, day(9))])
    to_ben = Move(alone.id, alone.booked, slot(alone, day(9), injector=BEN))
    will_open, never = (4, "reflux_treated_recently", day(20)), (4, "outcome_missing", None)

    assert said(still_wrong(c, away, MONDAY)) == [(3, "off_duty", None), will_open]
    assert said(still_wrong(c, away, MONDAY, [to_ben])) == [will_open]
    assert said(still_wrong(c, away, MONDAY, [to_ben], gates_of={last.id})) == [will_open, never]


@settings(max_examples=150, deadline=None)
@given(booked_instances())
def test_after_a_repair_nothing_is_wrong_with_any_visit(instance):
    c, r, weights = instance
    try:
        moves = repair(c, r, weights, today=MONDAY).moves
    except Unplannable:
        return

    assert still_wrong(c, r, MONDAY, moves) == []


# --- sessions that were never booked ----------------------------------------------------------------------------------


def test_sessions_after_the_last_visit_take_no_part():
    """The third session has no date left; the second visit is repaired all the same."""
    shut = roster(closed={day(n): "shut" for n in range(13, 28)}, off=[(ANNA, day(7)), (BEN, day(7))])

    moves, result = repaired(performed(0, FIRST.step, day(0)), booked(SECOND, day(7)), THIRD, on_roster=shut)

    assert moves == [(1, day(7), day(8))]
    assert [planned.slot.session for planned in result.plan.sessions] == [SECOND.id]


@pytest.mark.parametrize(
    ("closed", "goes_to"),
    [
        (set(), 13),
        ({5, 6, 7, 8}, 16),  # day 9 is left for the session between, of which day 13 is too near
        ({5, 6, 7, 8, 9}, 13),  # it has no date at all: then it is not in the way
        ({6, 7, 8, 9, 12, 13, 15, 16}, 17),  # from day 5 on, 10 is not too near; but it may not be booked before 12
    ],
)
def test_a_session_between_visits_keeps_a_time_where_it_can(closed, goes_to):
    on_roster = roster(closed={day(n): "shut" for n in closed}, off=[(ANNA, day(14)), (BEN, day(14))])
    between = open_session(1, step("next", spacing(minimum="5 days", target="7 days", lapse="10 days")))

    moves, result = repaired(performed(0, FIRST.step, day(0)), between, booked(THIRD, day(14)), on_roster=on_roster)

    assert moves == [(2, day(14), day(goes_to))]
    assert [planned.slot.session for planned in result.plan.sessions] == [THIRD.id]


def test_a_visit_makes_room_for_a_session_before_it_that_has_no_time_otherwise():
    """The second was missed; the third is where it may be, but leaves no date to come that is five days before it."""
    visits = performed(0, FIRST.step, day(0)), SECOND, booked(THIRD, day(13))

    moves, _ = repaired(*visits, today=day(9))

    assert moves == [(2, day(13), day(16))]


@settings(max_examples=150, deadline=None)
@given(booked_instances(), st.booleans())
def test_no_repair_of_the_booked_visits_costs_less(instance, all_may_move):
    c, r, weights = instance
    best = brute.cheapest_repair(c, r, weights, MONDAY, all_may_move=all_may_move)
    try:
        found = repair(c, r, weights, today=MONDAY, whole=all_may_move)
    except Unplannable:
        assert best is None
        return
    slots = [planned.slot for planned in found.plan.sessions]

    assert best is not None
    assert [slot.session for slot in slots] == [s.id for s in c.sessions if s.booked is not None]
    assert all(move.old is not None for move in found.moves)
    if (found.plan.cost.total, [slot.on for slot in slots]) != best:
        assert brute.has_room(slots, c, r, MONDAY), "it is not the cheapest, and nobody has got anything for it"
        assert wrong_with(slots, with_visits_only(c), r, MONDAY) == []


@settings(max_examples=100, deadline=None)
@given(booked_instances())
def test_the_repair_of_many_says_of_one_course_what_the_repair_of_one_says(instance):
    c, r, weights = instance
    for_nobody, busy = replace(r, patient_busy={}), {c.id: r.patient_busy}
    answer = repair_together([c], for_nobody, busy, weights, today=MONDAY, seconds=20)
    [together] = answer.courses
    try:
        alone = repair(with_visits_only(c), r, weights, today=MONDAY)
        least = repair(with_visits_only(c), r, weights, today=MONDAY, whole=True).plan.cost.total
    except Unplannable:
        assert (together.plan, together.moves) == (None, ())
        return

    assert (together.moves == ()) == (alone.moves == ())
    assert answer.cost == answer.bound == together.cost == (least if alone.moves else 0)
    assert all(move.old is not None for move in together.moves)
