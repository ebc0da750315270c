from __future__ import annotations

from dataclasses import replace
from datetime import date
from uuid import UUID

import pytest

from scheduling.planner.facts import (
    AssessmentFacts,
    CapabilityFacts,
    GateAnswer,
    GateState,
    OverrideFacts,
    Reference,
    SessionFacts,
    SessionState,
    StepKind,
    Use,
    Violation,
)
from scheduling.planner.rules import RULES, keeps_from_beginning, known_ahead, violations
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
    session_id,
    slot,
    spacing,
    step,
)

TODAY = day(0)
SPACED = step("treatment", spacing(floor="2 days", minimum="5 days", lapse="20 days"))
FIRST = performed(0, step("first"), day(-4))
SESSION = open_session(1, SPACED)
GOOD = slot(SESSION, day(2))


def broken(*slots, sessions=(FIRST, SESSION), on_roster=None, today=TODAY, **facts):
    return violations(slots or (GOOD,), course(*sessions, **facts), on_roster or roster(), today)


def codes(*slots, **facts):
    return [violation.code for violation in broken(*slots, **facts)]


def test_a_good_slot_breaks_nothing():
    assert broken() == []


@pytest.mark.parametrize(
    ("on", "expected"),
    [
        (day(-3), ["before_floor", "before_minimum", "in_the_past", "beyond_horizon"]),
        (day(0), ["before_minimum"]),
        (day(1), []),  # the minimum date itself is in time
        (day(15), []),
        (day(16), ["after_lapse"]),  # the first date that is too late
        (day(28), ["after_lapse", "beyond_horizon"]),
    ],
)
def test_dates_and_the_window(on, expected):
    found = codes(slot(SESSION, on))

    assert [code for code in found if code != "off_duty"] == expected


@pytest.mark.parametrize(("assessed", "expected"), [(15, ["after_lapse"]), (16, []), (17, [])])
def test_a_course_that_has_lapsed_goes_on_after_a_new_assessment(assessed, expected):
    """The first session was on day -4: from day 16 on the course has lapsed."""
    again = AssessmentFacts(day(assessed), suitable=True)

    found = codes(slot(SESSION, day(18)), today=day(17), assessment=again)

    assert [code for code in found if code != "off_duty"] == expected


def test_the_window_says_when_it_opens_and_who_may_allow_it_sooner():
    assert broken(slot(SESSION, day(0))) == [
        Violation("before_minimum", SESSION.id, day(0), opens_on=day(1), override="prescriber")
    ]


def test_a_prescriber_allows_a_session_below_its_minimum_but_nobody_below_its_floor():
    early = performed(0, step("first"), day(-1))
    allowed = (OverrideFacts("before_minimum", SESSION.id, day(3)), OverrideFacts("before_floor", SESSION.id, day(3)))

    assert codes(slot(SESSION, day(2)), sessions=(early, SESSION), overrides=allowed) == []
    assert codes(slot(SESSION, day(0)), sessions=(early, SESSION), overrides=allowed) == ["before_floor"]
    expired = (replace(allowed[0], expires_on=day(1)),)
    assert codes(slot(SESSION, day(2)), sessions=(early, SESSION), overrides=expired) == ["before_minimum"]


@pytest.mark.parametrize(
    ("on", "expected"),
    [
        (day(-3), [("before_floor", day(-2), ""), ("before_minimum", day(1), "prescriber")]),
        (day(0), [("before_minimum", day(1), "prescriber")]),
        (day(1), []),
        (day(15), []),
        (day(16), [("after_lapse", None, "")]),
    ],
)
def test_what_may_not_be_booked_on_a_date_may_not_begin_on_it(on, expected):
    found = keeps_from_beginning(SESSION, on, course(FIRST, SESSION), day(0))

    assert found == [
        GateAnswer(code, GateState.CLOSED, opens_on=opens_on, override=role) for code, opens_on, role in expected
    ]


def test_what_begins_is_counted_from_the_visit_that_stands_before_it():
    second = open_session(2, SPACED)

    found = keeps_from_beginning(second, day(6), course(FIRST, booked(SESSION, day(2)), second), day(0))

    assert [(answer.code, answer.opens_on) for answer in found] == [("before_minimum", day(7))]


def test_ahead_of_a_session_its_distance_counts_from_what_has_happened_and_not_from_a_visit_that_may_move():
    second = open_session(2, SPACED)

    def ahead(before: SessionFacts, asked: SessionFacts = second) -> list[tuple[str, date | None]]:
        found = known_ahead(asked, day(6), course(FIRST, before, asked), day(0))
        return [(answer.code, answer.opens_on) for answer in found]

    assert ahead(booked(SESSION, day(2))) == ahead(SESSION) == []
    assert ahead(performed(1, SPACED, day(2))) == [("before_minimum", day(7))]
    assert ahead(performed(1, SPACED, day(5))) == [("before_floor", day(7)), ("before_minimum", day(10))]
    assert ahead(performed(1, SPACED, day(-14))) == [("after_lapse", None)]

    # The visit before it may move, and what is counted from the first session stands all the same.
    of_first = spacing(Reference.STEP, "first", minimum="12 days")
    of_both = open_session(2, replace(SPACED, spacings=(*SPACED.spacings, of_first)))
    assert ahead(booked(SESSION, day(2)), of_both) == [("before_minimum", day(8))]


def test_gates_are_known_ahead_too_closed_or_pending():
    gates = gated("assessment", "outcome")
    first, second = booked(open_session(0, step("a")), day(1)), open_session(1, step("b", gates=gates))

    found = known_ahead(second, day(3), course(first, second, assessment=None), TODAY)

    assert [(answer.code, answer.state) for answer in found] == [
        ("assessment_missing", GateState.CLOSED),
        ("outcome_awaited", GateState.PENDING),
    ]


def test_windows_are_counted_under_the_slots_own_dates():
    second = open_session(2, SPACED)

    assert broken(GOOD, slot(second, day(7)), sessions=(FIRST, SESSION, second)) == []
    assert codes(GOOD, slot(second, day(6)), sessions=(FIRST, SESSION, second)) == ["before_minimum"]


def test_a_visit_earlier_today_is_in_the_past():
    late = roster(not_before=roster().days[day(2)].instant(NINE + 1))

    assert codes(on_roster=late) == ["in_the_past"]
    assert codes(slot(SESSION, day(2), NINE + 30), on_roster=late) == []


def test_order():
    free = step("treatment")
    sessions = open_session(0, free), open_session(1, free)

    same_day = slot(sessions[0], day(2)), slot(sessions[1], day(2), TEN)
    assert codes(*same_day, sessions=sessions) == ["out_of_order", "out_of_order"]
    other_booked = (booked(sessions[0], day(5)), sessions[1])
    assert codes(slot(sessions[1], day(4)), sessions=other_booked) == ["out_of_order"]
    assert codes(slot(sessions[1], day(6)), sessions=other_booked) == []
    before_booked = (sessions[0], booked(sessions[1], day(5)))
    assert codes(slot(sessions[0], day(5), TEN), sessions=before_booked) == ["out_of_order"]
    done = (performed(0, free, day(3)), sessions[1])
    assert codes(slot(sessions[1], day(3)), sessions=done, today=day(3)) == ["out_of_order"]


def test_a_treatment_may_follow_its_assessment_on_the_same_day_but_not_at_the_same_time():
    assessment = step("assessment", kind=StepKind.ASSESSMENT)
    sessions = booked(open_session(0, assessment), day(2)), open_session(1, step())

    assert codes(slot(sessions[1], day(2), TEN), sessions=sessions) == []
    assert codes(slot(sessions[1], day(2), NINE), sessions=sessions) == [
        "resource_busy",
        "resource_busy",
        "patient_busy",
    ]


def test_site():
    assert broken(on_roster=roster(closed={day(2): "Easter Monday"})) == [
        Violation("site_closed", SESSION.id, day(2), "Easter Monday")
    ]
    assert codes(slot(SESSION, day(2), NINE + 5)) == ["off_grid"]


def test_people_and_rooms():
    on_leave = roster(off=[(ANNA, day(2))])

    assert broken(on_roster=on_leave) == [Violation("off_duty", SESSION.id, day(2), str(ANNA))]
    assert codes(slot(SESSION, day(2), NOON - 15)) == ["off_grid", "off_duty", "off_duty"]
    taken = roster(busy={(ROOM, day(2)): (minutes(NINE + 29, TEN),)})
    assert broken(on_roster=taken) == [Violation("resource_busy", SESSION.id, day(2), str(ROOM))]
    assert codes(on_roster=roster(busy={(ROOM, day(2)): (minutes(NINE + 30, TEN),)})) == []
    assert codes(on_roster=roster(patient_busy={day(2): minutes(NINE, NINE + 1)})) == ["patient_busy"]


def test_capabilities_expire():
    expiring = (CapabilityFacts("injector", from_on=day(0), until_on=day(2)),)
    people = (replace(resource(ANNA), capabilities=expiring), resource(ROOM, "room"))

    assert codes(on_roster=roster(resources=people)) == []
    assert broken(slot(SESSION, day(3)), on_roster=roster(resources=people)) == [
        Violation("lacks_capability", SESSION.id, day(3), str(ANNA))
    ]


def changed(**use):
    return replace(GOOD, uses=(replace(GOOD.uses[0], **use), GOOD.uses[1]))


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        (replace(GOOD, minutes=25), ["wrong_shape"]),
        (replace(GOOD, uses=GOOD.uses[:1]), ["wrong_shape"]),
        (replace(GOOD, uses=(*GOOD.uses, Use(0, "nurse", BEN, 0, NINE, NINE + 30))), ["wrong_shape"]),
        (replace(GOOD, lead=BEN), ["wrong_shape"]),
        (changed(until_tick=NINE + 20), ["wrong_shape"]),
        (changed(place=1), ["place_unknown"]),
        (changed(place=-1), ["place_unknown"]),
        (replace(GOOD, lead=UUID(int=99), uses=changed(resource=UUID(int=99)).uses), ["place_unknown", "off_duty"]),
        (replace(GOOD, tick=-30), ["wrong_shape"]),
        (replace(GOOD, tick=10**12), ["wrong_shape"]),
        (changed(until_tick=10**12), ["wrong_shape"]),
        (slot(SESSION, day(2), 1430), ["off_grid", "off_duty", "off_duty", "patient_busy"]),
    ],
)
def test_a_slot_has_the_shape_of_its_step(wrong, expected):
    assert codes(wrong) == expected


TWO_PHASES = step(
    "long", phases=[phase(30, "injector", "room", after=5), phase(15, "injector", "supervisor", before=10)]
)


def test_a_role_keeps_its_resource_and_no_place_is_taken_twice():
    people = (resource(ANNA, "injector", "supervisor"), resource(BEN, "injector", "supervisor"), resource(ROOM, "room"))
    session = open_session(0, TWO_PHASES)
    good = slot(session, day(2), TEN, supervisor=BEN)

    assert [(use.role, use.from_tick - TEN, use.until_tick - TEN) for use in good.uses] == [
        ("injector", 0, 30),  # its buffers between the phases are cut: she is there anyway
        ("room", 0, 35),
        ("injector", 30, 45),
        ("supervisor", 20, 45),
    ]
    assert codes(good, sessions=(session,), on_roster=roster(resources=people)) == []
    one_person = slot(session, day(2), TEN, supervisor=ANNA)
    assert codes(one_person, sessions=(session,), on_roster=roster(resources=people)) == ["wrong_shape"]
    swapped = replace(good, uses=(*good.uses[:2], replace(good.uses[2], resource=BEN), good.uses[3]))
    assert "wrong_shape" in codes(swapped, sessions=(session,), on_roster=roster(resources=people))


def test_slots_of_the_course_do_not_collide_with_its_other_appointments():
    elsewhere = replace(booked(open_session(2, step("other")), day(2), TEN), position=2)

    assert codes(slot(SESSION, day(2), TEN), sessions=(FIRST, SESSION, elsewhere))[-3:] == [
        "resource_busy",
        "resource_busy",
        "patient_busy",
    ]
    assert "resource_busy" not in codes(GOOD, sessions=(FIRST, booked(SESSION, day(2))))  # its own is no obstacle


@pytest.mark.parametrize("place", [-1, 10**9])
def test_a_place_that_cannot_be_takes_nothing_from_the_others(place):
    second = open_session(2, step("other"))
    absurd = replace(slot(second, day(2), TEN), uses=tuple(replace(use, place=place) for use in GOOD.uses))

    found = broken(GOOD, absurd, sessions=(FIRST, SESSION, second))

    assert [violation.code for violation in found if violation.session == SESSION.id] == ["out_of_order"]


def test_only_open_sessions_of_the_course_are_booked_and_once():
    assert codes(sessions=(FIRST, replace(SESSION, state=SessionState.SKIPPED))) == ["session_not_open"]
    assert codes(GOOD, replace(GOOD, session=session_id(7), on=day(3))) == ["session_unknown"]
    assert codes(GOOD, GOOD) == ["session_twice"]


def test_closed_gates_refuse_with_their_own_code_and_pending_ones_do_not():
    gates = gated("assessment", "outcome")
    first, second = open_session(0, step("a", gates=gates)), open_session(1, step("b", gates=gates))
    slots = slot(first, day(2)), slot(second, day(3))

    assert broken(*slots, sessions=(first, second)) == []
    assert codes(*slots, sessions=(first, second), assessment=None) == ["assessment_missing", "assessment_missing"]


def test_every_violation_is_told_at_once_in_the_order_of_the_rules():
    found = codes(
        slot(SESSION, day(0), NINE + 5),
        on_roster=roster(closed={day(0): "holiday"}, patient_busy={day(0): minutes(NINE, TEN)}),
    )

    assert found == ["before_minimum", "site_closed", "off_grid", "patient_busy"]
    names = [rule.__name__ for rule in RULES]
    assert found == sorted(found, key=names.index)
