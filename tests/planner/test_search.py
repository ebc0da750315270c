from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduling.planner.amounts import Amount
from scheduling.planner.chains import Chain, Stuck
from scheduling.planner.cost import Weights, price, total
from scheduling.planner.explain import Unplannable
from scheduling.planner.facts import (
    AssessmentFacts,
    CapabilityFacts,
    ConsentFacts,
    ConsentRule,
    CoolingOff,
    Day,
    Difference,
    OverrideFacts,
    Reference,
    StepKind,
    Use,
    Wishes,
)
from scheduling.planner.grids import grids_of
from scheduling.planner.plans import plan_of
from scheduling.planner.rules import violations
from scheduling.planner.search import alternatives, cheapest_plan, free_times
from scheduling.planner.timetable import CHUNK
from tests.planner.brute import cheapest, plans, slots_of
from tests.planner.build import (
    ANNA,
    BEN,
    DEFAULT_RESOURCES,
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
    phase,
    resource,
    roster,
    spacing,
    step,
)
from tests.planner.checker import wrong_with
from tests.planner.instances import SMALL_DAYS, instances

TODAY = day(0)
W = Weights(hole=0)
WEEKLY = step("next", spacing(minimum="5 days", target="7 days", lapse="12 days"))
THREE = open_session(0, step("first")), open_session(1, WEEKLY), open_session(2, WEEKLY)
COUNTS_FROM_BOTH = *WEEKLY.spacings, spacing(Reference.STEP, "first", minimum="14 days", lapse="5 weeks")


def times(plan):
    return [(s.slot.on, s.slot.tick, s.slot.lead) for s in plan.sessions]


def planned(*sessions, on_roster=None, weights=W, today=TODAY, **facts):
    """The cheapest plan, checked by everything that can check it."""
    c, r = course(*(sessions or THREE), **facts), on_roster or roster()
    plan = cheapest_plan(c, r, weights, today=today)
    slots = [s.slot for s in plan.sessions]
    assert wrong_with(slots, c, r, today) == []
    assert [v for v in violations(slots, c, r, today) if not v.code.startswith(("assessment", "answer"))] == []
    assert plan.cost == total(price(slots, c, r, weights, today=today))
    assert plan.cost == total([s.cost for s in plan.sessions])
    assert plan == cheapest_plan(c, r, weights, today=today)
    return plan


def test_an_empty_diary_gives_every_session_its_target():
    plan = planned()

    assert times(plan) == [(day(0), NINE, ANNA), (day(7), NINE, ANNA), (day(14), NINE, ANNA)]
    assert plan.cost.total == 0
    assert plan.sessions[1].window.target_on == day(7)
    assert plan.sessions[1].window.provisional


def test_the_whole_course_counts_not_the_first_free_date():
    """Ben is alone on the first dates; waiting three days for Anna costs less than two changes."""
    only_ben = roster(off=[(ANNA, day(n)) for n in range(3)] + [(BEN, day(n)) for n in range(4, 28)])

    assert [lead for _, _, lead in times(planned(on_roster=only_ben))] == [ANNA, ANNA, ANNA]


def test_a_full_day_is_walked_around_where_that_is_cheapest():
    """Beginning a day late costs 2; a week a day short would cost 4."""
    busy = {(person, day(7)): (minutes(NINE, NOON),) for person in (ANNA, BEN)}

    assert [on for on, *_ in times(planned(on_roster=roster(busy=busy)))] == [day(1), day(8), day(15)]


def test_later_sessions_may_decide_earlier_ones():
    """The third is only possible from day 23 on, so the second takes the one date from which that is reached."""
    shut = {day(n): "refurbishment" for n in (*range(5, 12), *range(13, 23))}

    assert [on for on, *_ in times(planned(on_roster=roster(closed=shut)))] == [day(4), day(12), day(23)]


def test_a_room_is_needed_at_the_same_time():
    taken = roster(busy={(ROOM, day(0)): (minutes(NINE, TEN),)})

    assert times(planned(THREE[0], on_roster=taken)) == [(day(0), TEN, ANNA)]


def test_the_lowest_free_room_is_taken():
    rooms = (*DEFAULT_RESOURCES, resource(ROOM_2, "room", kind="room"))
    taken = roster(resources=rooms, busy={(ROOM, day(0)): (minutes(NINE, TEN),)})

    [only] = planned(THREE[0], on_roster=taken).sessions
    assert [use.resource for use in only.slot.uses] == [ANNA, ROOM_2]


LONG = step("first", phases=[phase(30, "injector", "room", after=5), phase(15, "supervisor", before=5)])


def test_phases_take_their_own_people():
    nurse = resource(BEN, "supervisor")
    people = (resource(ANNA, "injector"), nurse, resource(ROOM, "room"))
    busy = {(BEN, day(0)): (minutes(NINE, TEN + 40),)}

    [only] = planned(open_session(0, LONG), on_roster=roster(resources=people, busy=busy)).sessions

    assert only.slot.tick == TEN + 30  # the supervisor is free from 10:40, for 10:55
    assert [
        (u.role, u.resource, u.from_tick - only.slot.tick, u.until_tick - only.slot.tick) for u in only.slot.uses
    ] == [
        ("injector", ANNA, 0, 35),
        ("room", ROOM, 0, 35),
        ("supervisor", BEN, 25, 45),
    ]


def test_one_person_is_not_planned_in_two_roles_at_once():
    both = step("first", phases=[phase(30, "injector", "supervisor")])
    people = (resource(ANNA, "injector", "supervisor"), resource(BEN, "supervisor"))
    absent = roster(resources=people, busy={(BEN, day(0)): (minutes(NINE, TEN),)})

    assert times(planned(open_session(0, both), on_roster=absent)) == [(day(0), TEN, ANNA)]


def test_a_supervisor_with_several_places_looks_after_several():
    people = (resource(ANNA, "injector"), resource(BEN, "supervisor", places=2), resource(ROOM, "room"))
    busy = {(BEN, day(0)): (minutes(NINE, NOON), 0)}

    [only] = planned(open_session(0, LONG), on_roster=roster(resources=people, busy=busy)).sessions

    assert (only.slot.tick, only.slot.uses[2].place) == (NINE, 1)


def test_capabilities_and_duty_on_the_very_date_count():
    expiring = replace(resource(ANNA), capabilities=(CapabilityFacts("injector", until_on=day(3)),))
    people = (expiring, resource(BEN, "injector"), resource(ROOM, "room"))

    leads = [lead for _, _, lead in times(planned(on_roster=roster(resources=people)))]
    assert leads == [BEN, BEN, BEN]


def test_a_pinned_session_stays_and_the_others_are_planned_around_it():
    pinned = replace(booked(THREE[1], day(9), TEN, injector=BEN), pinned=True)

    plan = planned(THREE[0], pinned, THREE[2])

    assert times(plan) == [(day(2), NINE, BEN), (day(9), TEN, BEN), (day(16), NINE, BEN)]
    assert [s.pinned for s in plan.sessions] == [False, True, False]


def test_an_assessment_and_a_treatment_booked_for_one_date_stay_there():
    look = open_session(-1, step("assessment", kind=StepKind.ASSESSMENT))
    pinned = [replace(booked(look, day(2)), pinned=True), replace(booked(THREE[0], day(2), TEN), pinned=True)]

    assert times(planned(*pinned, THREE[1])) == [(day(2), NINE, ANNA), (day(2), TEN, ANNA), (day(9), NINE, ANNA)]


def test_a_pinned_session_that_no_window_allows_is_unplannable():
    pinned = replace(booked(THREE[1], day(20)), pinned=True)

    with pytest.raises(Unplannable) as refusal:
        planned(performed(0, step("first"), day(0)), pinned)
    assert refusal.value.stuck_at.session == pinned.id


def test_performed_sessions_are_counted_from_and_not_planned():
    assert times(planned(performed(0, step("first"), day(-3)), *THREE[1:])) == [
        (day(4), NINE, ANNA),
        (day(11), NINE, ANNA),
    ]


def test_sessions_not_planned_with_the_course_are_left_out_but_kept_in_order():
    review = open_session(3, step("review", planned_with_course=False))
    assessed = booked(open_session(-1, step("assessment", kind=StepKind.ASSESSMENT, planned_with_course=False)), day(2))

    assert [on for on, *_ in times(planned(assessed, *THREE, review))] == [day(2), day(9), day(16)]
    assert times(planned(assessed, THREE[0])) == [(day(2), NINE + 30, ANNA)]  # after it, on the same day


def test_continuity_begins_with_the_courses_own_lead():
    assert [lead for *_, lead in times(planned(lead=BEN))] == [BEN, BEN, BEN]


def test_wishes_are_weighed_and_strict_ones_kept():
    late_mondays = Wishes(weekdays=frozenset({0}), from_minute=TEN, practitioner=BEN)

    assert times(planned(THREE[0], wishes=late_mondays)) == [(day(0), TEN, BEN)]
    shut = roster(closed={day(0): "holiday"})
    assert times(planned(THREE[0], wishes=late_mondays, on_roster=shut)) == [(day(1), TEN, BEN)]
    strictly = replace(late_mondays, strict=True)
    assert times(planned(THREE[0], wishes=strictly, on_roster=shut)) == [(day(7), TEN, BEN)]


def test_a_strict_wish_for_a_language_and_against_dates():
    people = (resource(ANNA, "injector"), resource(BEN, "injector", languages=frozenset({"pl"})), DEFAULT_RESOURCES[2])
    wishes = Wishes(language="pl", avoid_dates=frozenset({day(0)}), strict=True)

    assert times(planned(THREE[0], wishes=wishes, on_roster=roster(resources=people))) == [(day(1), NINE, BEN)]


def test_nothing_is_planned_before_now():
    now = roster().days[day(0)].instant(NINE + 1)

    assert times(planned(THREE[0], on_roster=roster(not_before=now)))[0] == (day(0), NINE + 30, ANNA)
    assert times(planned(THREE[0], today=day(3)))[0] == (day(3), NINE, ANNA)


def test_short_holes_are_avoided_when_it_is_free_to():
    taken = roster(busy={(ANNA, day(0)): (minutes(NINE + 35, NINE + 60),)}, grid_minutes=5)

    assert times(planned(THREE[0], on_roster=taken, weights=Weights()))[0][1:] == (NINE, BEN)
    assert times(planned(THREE[0], on_roster=taken, weights=Weights(), lead=ANNA))[0][1:] == (TEN, ANNA)


def test_dates_on_which_a_gate_is_closed_are_not_used():
    first = open_session(0, step("first", gates=gated("assessment", "consent")))
    cooling = ConsentFacts(informed_on=day(0), signed_on=day(0))
    c = course(first, consent=cooling)
    rule = ConsentRule("booking", cooling_off=(CoolingOff(Amount.parse("5 days")),))

    plan = planned(first, consent=cooling, protocol=replace(c.protocol, consent=rule))

    assert times(plan)[0][0] == day(5)
    assert plan.sessions[0].gates == ()


def test_dates_after_an_expiry_are_not_used():
    gates = gated("assessment")
    sessions = open_session(0, step("first", gates=gates)), open_session(1, replace(WEEKLY, gates=gates))
    expiring = AssessmentFacts(day(-30), suitable=True, expires_on=day(7))

    assert [on for on, *_ in times(planned(*sessions, assessment=expiring))] == [day(0), day(6)]


def test_a_gate_that_is_always_closed_is_reported_and_does_not_stop_the_plan():
    first = open_session(0, step("first", gates=gated("assessment")))

    [only] = planned(first, assessment=None).sessions

    assert [answer.code for answer in only.gates] == ["assessment_missing"]


def test_an_override_opens_the_dates_below_the_minimum():
    shut = roster(closed={day(n): "closed" for n in range(5, 28)})
    first = performed(0, step("first"), day(-1))
    floored = open_session(1, step("next", spacing(floor="3 days", minimum="6 days", target="7 days")))

    with pytest.raises(Unplannable):
        planned(first, floored, on_roster=shut)
    allowed = (OverrideFacts("before_minimum", floored.id, day(3)),)
    assert times(planned(first, floored, on_roster=shut, overrides=allowed))[0][0] == day(3)


@pytest.mark.parametrize(
    "lapsed",
    [
        pytest.param([performed(0, step("first"), day(-20)), *THREE[1:]], id="performed"),
        pytest.param([replace(booked(THREE[0], day(-20)), pinned=True), *THREE[1:]], id="took place, not recorded yet"),
        pytest.param(
            [performed(0, step("first"), day(-20)), THREE[1], open_session(2, step("last", *COUNTS_FROM_BOTH))],
            id="a later one counts from it too",
        ),
    ],
)
def test_a_lapsed_course_is_planned_from_today_once_it_is_assessed_again(lapsed):
    """The lapse of the second session was on day -8; the third keeps its own, whenever it was assessed."""
    again = course(*lapsed, assessment=AssessmentFacts(day(-8), suitable=True))
    too_soon = replace(again, assessment=AssessmentFacts(day(-9), suitable=True))
    shut = roster(closed={day(n): "closed" for n in range(3, 12)})

    plan = cheapest_plan(again, shut, W, today=TODAY)

    assert [on for on, *_ in times(plan) if on >= TODAY] == [day(1), day(12)]
    assert grids_of(Chain(again, shut, W, today=TODAY)) is not None
    with pytest.raises(Unplannable) as refusal:
        cheapest_plan(too_soon, shut, W, today=TODAY)
    assert (refusal.value.stuck_at.session, refusal.value.stuck_at.binding) == (lapsed[1].id, "spacing")


def test_memory_two_references_at_once():
    """The third counts from the second and from the first; the first is moved so that the third has a date."""
    third = step(
        "third",
        spacing(minimum="5 days", target="7 days"),
        spacing(Reference.STEP, "first", minimum="14 days", target="15 days", lapse="17 days"),
    )
    shut = {day(n): "closed" for n in range(12, 20)}

    plan = planned(THREE[0], THREE[1], open_session(2, third), on_roster=roster(closed=shut))

    assert [on for on, *_ in times(plan)] == [day(4), day(11), day(20)]


def test_a_year_without_any_lapse_is_planned():
    spaced = step("next", spacing(minimum="4 weeks", target="1 month"))
    sessions = [open_session(0, step("first")), *(open_session(n, spaced) for n in range(1, 7))]

    plan = planned(*sessions, on_roster=roster(365))

    assert [on for on, *_ in times(plan)][:3] == [date(2027, 3, 1), date(2027, 4, 1), date(2027, 5, 1)]


def test_an_empty_course_has_an_empty_plan():
    assert planned(performed(0, step(), day(-1))).sessions == ()


# --- everything against brute force ---------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(instances())
def test_no_plan_is_cheaper_and_ties_are_broken_as_documented(instance):
    c, r, weights = instance
    expected = cheapest(c, r, weights, TODAY)

    if expected is None:
        with pytest.raises(Unplannable) as refusal:
            cheapest_plan(c, r, weights, today=TODAY)
        assert refusal.value.stuck_at.binding
        return
    plan = cheapest_plan(c, r, weights, today=TODAY)
    assert (plan.cost.total, [(on, tick, lead.int) for on, tick, lead in times(plan)]) == expected
    slots = [s.slot for s in plan.sessions]
    assert wrong_with(slots, c, r, TODAY) == []
    assert violations(slots, c, r, TODAY) == []
    assert plan.cost == total(price(slots, c, r, weights, today=TODAY))


@settings(max_examples=30, deadline=None)
@given(instances(), st.sampled_from([0, 5]))
def test_no_plan_that_keeps_its_lead_is_cheaper(instance, change):
    c, r, weights = instance
    weights = replace(weights, change=change)

    def key(plan):
        spent = total(price(plan, c, r, weights, today=TODAY)).total
        return spent, [s.on for s in plan], [s.tick for s in plan], [s.lead for s in plan]

    roles = {session.id: session.step.lead_role for session in c.sessions}

    def keeps(plan):
        return c.lead in (None, plan[0].lead) and all(
            before.lead == slot.lead for before, slot in pairwise(plan) if roles[before.session] == roles[slot.session]
        )

    kept = [plan for plan in plans(c, r, TODAY) if keeps(plan)]
    slots = Chain(c, r, weights, today=TODAY, keep_lead=True).outcome()

    assert (None if isinstance(slots, Stuck) else key(slots)) == min(map(key, kept), default=None)


@settings(max_examples=40, deadline=None)
@given(instances(), st.integers(1, 9), st.integers(CHUNK - SMALL_DAYS, CHUNK))
def test_weeks_later_the_same_is_planned(instance, weeks, before):
    """Wherever the chunks of dates begin for which time is worked out at once: days of the past are in the first."""
    c, r, weights = instance
    later = timedelta(weeks=weeks)
    past = [min(r.days) - timedelta(days=number) for number in range(1, before + 1)]
    days = r.days | {on: Day(on, datetime(on.year, on.month, on.day, tzinfo=UTC)) for on in past}
    busy_later = replace(
        r,
        days={on + later: replace(d, on=on + later, starts_at=d.starts_at + later) for on, d in days.items()},
        on_duty={(who, on + later): duty for (who, on), duty in r.on_duty.items()},
        busy={(who, on + later): taken for (who, on), taken in r.busy.items()},
        patient_busy={on + later: busy for on, busy in r.patient_busy.items()},
    )
    wishes = replace(c.wishes, avoid_dates=frozenset(on + later for on in c.wishes.avoid_dates))
    assert c.assessment is not None
    course_later = replace(
        c,
        wishes=wishes,
        events={name: on + later for name, on in c.events.items()},
        assessment=replace(c.assessment, assessed_on=c.assessment.assessed_on + later),
    )

    now = Chain(c, r, weights, today=TODAY).outcome()
    then = Chain(course_later, busy_later, weights, today=TODAY + later).outcome()

    if isinstance(now, Stuck):
        assert isinstance(then, Stuck)
        assert (then.session.id, then.first, then.last) == (
            now.session.id,
            now.first + later.days,
            now.last + later.days,
        )
    else:
        assert then == [replace(slot, on=slot.on + later) for slot in now]


@settings(max_examples=40, deadline=None)
@given(instances())
def test_every_free_time_breaks_no_rule_and_none_is_left_out(instance):
    c, r, weights = instance
    session = c.sessions[0]

    found = free_times(session, c, r, weights, today=TODAY, between=(day(0), day(SMALL_DAYS)), limit=10_000)

    chain = Chain(c, r, weights, today=TODAY, only=session.id)
    for one in found:
        assert violations([one.slot], c, r, TODAY) == []
        assert one.cost == price([one.slot], c, r, weights, today=TODAY)[0]
        lead = chain.starts.resources[one.slot.lead]
        assert plan_of([chain.starts.slot(session, one.slot.on, lead, one.slot.tick)], chain).sessions == (one,)
    order = [(one.slot.on, one.slot.tick, one.slot.lead) for one in found]
    assert order == sorted(order)
    assert {(s.on, s.tick, s.lead) for s in slots_of(session, r, TODAY)} == set(order)


# --- other plans, other times -------------------------------------------------------------------------------------


def test_alternatives_differ_in_kind():
    """Anna is away around the target and Ben at first; so one changes, or hurries, or waits for Ben."""
    off = [(ANNA, day(n)) for n in range(5, 14)] + [(BEN, day(n)) for n in range(4)]

    plans = alternatives(course(*THREE[:2]), roster(off=off), replace(W, change=6), today=TODAY)

    assert [(a.kind, [(s.slot.on, s.slot.lead) for s in a.plan.sessions], a.plan.cost.total) for a in plans] == [
        ("closest_to_target", [(day(0), ANNA), (day(7), BEN)], 6),
        ("soonest", [(day(0), ANNA), (day(5), BEN)], 14),
        ("same_practitioner", [(day(4), BEN), (day(11), BEN)], 8),
        ("other_weekdays", [(day(1), ANNA), (day(8), BEN)], 8),
    ]
    assert [a.differs for a in plans] == [
        Difference(0, 0, 0, 0, 0, 0, 0),
        Difference(starts_days=0, ends_days=-2, changes=0, wishes_missed=0, cost=8, moved=1, other_leads=0),
        Difference(starts_days=4, ends_days=4, changes=-1, wishes_missed=0, cost=2, moved=2, other_leads=1),
        Difference(starts_days=1, ends_days=1, changes=0, wishes_missed=0, cost=2, moved=2, other_leads=0),
    ]


def test_the_same_practitioner_leads_throughout_even_where_a_change_costs_nothing():
    """Anna, who is lower by id, has the first target and Ben the second; one of them alone comes late once."""
    off = [(ANNA, day(7)), (BEN, day(0))]

    plans = alternatives(course(*THREE[:2]), roster(off=off), replace(W, change=0), today=TODAY)

    by_kind = {a.kind: [(s.slot.on, s.slot.lead) for s in a.plan.sessions] for a in plans}
    assert by_kind["closest_to_target"] == [(day(0), ANNA), (day(7), BEN)]
    assert by_kind["same_practitioner"] == [(day(1), ANNA), (day(8), ANNA)]


def test_wishes_may_come_before_everything_else():
    """A Wednesday with Ben at ten costs more days than it saves wishes; between missed wishes the weights decide."""
    wishes = Wishes(weekdays=frozenset({2}), from_minute=TEN, practitioner=BEN)
    off = [(BEN, day(n)) for n in range(28) if n % 7 == 2 and n < 14]

    plans = alternatives(course(THREE[0], wishes=wishes), roster(off=off), W, today=TODAY)

    by_kind = {a.kind: (times(a.plan), a.plan.cost.wishes, a.plan.cost.total, a.differs.wishes_missed) for a in plans}
    assert by_kind["closest_to_target"] == ([(day(0), TEN, BEN)], 6, 6, 0)
    assert by_kind["wishes_first"] == ([(day(16), TEN, BEN)], 0, 32, -1)


def test_booked_visits_are_no_part_of_what_makes_a_kind():
    pinned = replace(booked(THREE[1], day(7)), pinned=True)

    plans = alternatives(course(THREE[0], pinned, THREE[2]), roster(), W, today=TODAY)

    found = {a.kind: [s.slot.on for s in a.plan.sessions] for a in plans}
    assert found["other_weekdays"] == [day(1), day(7), day(13)]
    assert found["other_practitioner"] == [day(0), day(7), day(14)]
    everything_booked = course(replace(booked(THREE[0], day(0)), pinned=True), pinned)
    assert [a.kind for a in alternatives(everything_booked, roster(), W, today=TODAY)] == ["closest_to_target"]


def test_equal_alternatives_are_shown_once():
    """The best one is the soonest, and one person's; a Monday with Anna it is not, in the others."""
    plans = alternatives(course(THREE[0]), roster(), W, today=TODAY)

    assert [(a.kind, times(a.plan)) for a in plans] == [
        ("closest_to_target", [(day(0), NINE, ANNA)]),
        ("other_weekdays", [(day(1), NINE, ANNA)]),
        ("other_practitioner", [(day(0), NINE, BEN)]),
    ]


def test_alternatives_of_nothing_are_unplannable():
    with pytest.raises(Unplannable):
        alternatives(course(*THREE), roster(closed={day(n): "shut" for n in range(28)}), W, today=TODAY)


@pytest.mark.parametrize("places", [1, 2])
def test_free_times_have_the_lowest_room_that_is_free_then(places):
    """The first room is taken until ten, on both of its places where it has two; by half past nine only on one."""
    rooms = resource(ROOM, "room", kind="room", places=places), resource(ROOM_2, "room", kind="room")
    taken = (minutes(NINE, TEN), minutes(NINE, NINE + 30))[:places]
    r = roster(1, resources=(*DEFAULT_RESOURCES[:2], *rooms), busy={(ROOM, day(0)): taken}, off=[(BEN, day(0))])

    found = free_times(THREE[0], course(*THREE), r, W, today=TODAY, between=(day(0), day(0)), limit=9)

    second = {1: (ROOM_2, 0), 2: (ROOM, 1)}[places]
    length = THREE[0].step.minutes
    expected = {NINE: (ROOM_2, 0), NINE + 30: second, TEN: (ROOM, 0), TEN + 30: (ROOM, 0)}
    assert {one.slot.tick: one.slot.uses for one in found if one.slot.tick in expected} == {
        tick: (
            Use(0, "injector", ANNA, 0, tick, tick + length),
            Use(0, "room", room, place, tick, tick + length),
        )
        for tick, (room, place) in expected.items()
    }


def test_free_times_of_a_booked_session_keep_the_others():
    sessions = booked(THREE[0], day(0)), booked(THREE[1], day(7)), booked(THREE[2], day(14))

    found = free_times(sessions[1], course(*sessions), roster(), W, today=TODAY, between=(day(6), day(20)), limit=9)

    assert [(one.slot.on, one.slot.tick, one.slot.lead) for one in found[:3]] == [
        (day(6), NINE, ANNA),
        (day(6), NINE, BEN),
        (day(6), NINE + 30, ANNA),
    ]
    everything = free_times(
        sessions[1], course(*sessions), roster(), W, today=TODAY, between=(day(0), day(27)), limit=999
    )
    assert (everything[0].slot.on, everything[-1].slot.on) == (day(5), day(11))  # before the lapse, day 12
    assert (day(7), NINE, ANNA) in {(one.slot.on, one.slot.tick, one.slot.lead) for one in everything}


def test_the_bound_is_raised_in_few_steps_however_dear_a_day_is():
    """Anna and Ben are there in turn, and nobody may change: dates cost a thousand million a day, changes nothing."""
    further = step("third", spacing(minimum="5 days"), spacing(Reference.STEP, "first", minimum="9 days"))
    sessions = open_session(0, step("first")), open_session(1, step("second", spacing(minimum="5 days")))
    of = course(*sessions, open_session(2, further))
    off = [(ANNA, day(n)) for n in (0, 5, 6, 7)] + [(BEN, day(n)) for n in range(8, 28)]
    weights = replace(W, change=0, elapsed_per_day=10**9)

    class Counting(Chain):
        rounds = 0

        def _cheapest_within(self, bound):
            self.rounds += 1
            return super()._cheapest_within(bound)

    chain = Counting(of, roster(off=off), weights, today=TODAY, keep_lead=True)
    found = chain.outcome()

    assert [(slot.on, slot.lead) for slot in found] == [(day(1), ANNA), (day(8), ANNA), (day(13), ANNA)]
    assert 1 < chain.rounds < 60
