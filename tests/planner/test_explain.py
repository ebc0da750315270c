from __future__ import annotations

from dataclasses import replace

import pytest

from scheduling.planner.cost import Weights
from scheduling.planner.explain import Unplannable
from scheduling.planner.facts import AssessmentFacts, Reason, Removed, Wishes
from scheduling.planner.search import cheapest_plan
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

FIRST = open_session(0, step("first"))
NEXT = open_session(1, step("next", spacing(floor="3 days", minimum="5 days", target="7 days", lapse="9 days")))
DONE = performed(0, step("first"), day(0))
IN_WINDOW = range(5, 9)


def refused(*sessions, on_roster=None, **facts) -> Unplannable:
    with pytest.raises(Unplannable) as refusal:
        cheapest_plan(course(*sessions, **facts), on_roster or roster(), Weights(), today=day(0))
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


def test_strict_wishes_bind_and_each_way_out_has_a_date():
    """Nobody can do Fridays before ten."""
    wishes = Wishes(weekdays=frozenset({4}), until_minute=TEN, practitioner=ANNA, strict=True)
    away = roster(off=[(ANNA, day(n)) for n in range(4, 28, 7)])

    refusal = refused(FIRST, on_roster=away, wishes=wishes)

    assert refusal.stuck_at.binding == "wish_missed"
    assert [(r.code, r.slot.on, r.slot.lead, r.whole_course) for r in refusal.relaxations] == [
        ("without_weekdays", day(0), ANNA, True),
        ("without_practitioner", day(4), BEN, True),
        ("without_wishes", day(0), ANNA, True),
    ]


def test_times_outside_the_window_are_named():
    refusal = refused(DONE, NEXT, on_roster=roster(closed={day(n): "shut" for n in IN_WINDOW}))

    assert [(r.code, r.slot.on, r.whole_course) for r in refusal.relaxations] == [
        ("after_lapse", day(9), False),
        ("before_minimum", day(4), False),
    ]


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


def test_a_roster_without_days_plans_nothing():
    assert refused(FIRST, on_roster=roster(0)).stuck_at.binding == "beyond_horizon"
