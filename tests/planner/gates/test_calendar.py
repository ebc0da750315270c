from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from scheduling.planner.amounts import Amount, DayOfYear
from scheduling.planner.facts import (
    AssessmentFacts,
    Gate,
    GateAnswer,
    LateAction,
    LateBand,
    SessionState,
    StepKind,
    TreatmentFacts,
)
from scheduling.planner.gates import gate_answers
from tests.planner.build import booked, course, day, open_session, performed, spacing, step
from tests.planner.gates.build import APART, CLOSED, PENDING, TODAY, VISIT, asked

MICRO = "micro"  # the protocol of these courses


def elsewhere(*treatments, protocol=MICRO):
    """Treatments in other courses: day numbers, and whether performed."""
    return tuple(TreatmentFacts(protocol, day(number), performed) for number, performed in treatments)


def pending(code, *changes_on):
    return [GateAnswer(code, PENDING, changes_on=changes_on)]


# --- so many a year, so many until a review ---------------------------------------------------------------------------

FIVE_A_YEAR = Gate("yearly_limit", {"at_most": 5})


def test_a_year_has_room_for_so_many_treatments_performed_or_booked_in_this_course_or_others():
    before = (performed(0, step(), day(-30)), booked(open_session(1, step()), day(5)))
    others = elsewhere((-59, True), (-60, True), (300, False), (306, True))  # 1 January to 31 December 2027 count: two

    four = asked(FIVE_A_YEAR, before=before, elsewhere=others)
    five = asked(FIVE_A_YEAR, before=before, elsewhere=(*others, *elsewhere((-1, True))))
    none_here = asked(
        FIVE_A_YEAR, before=before, elsewhere=elsewhere((1, True), (2, True), (3, True), protocol="laser")
    )

    full = [GateAnswer("yearly_limit_reached", CLOSED, opens_on=date(2028, 1, 1))]
    assert (four, five, none_here) == ([], full, [])
    assert asked(FIVE_A_YEAR, before=before, elsewhere=(*others, *elsewhere((-1, True))), on=date(2028, 1, 1)) == []


def test_assessments_and_sessions_that_are_gone_take_no_room():
    before = (
        performed(0, step("a", kind=StepKind.ASSESSMENT), day(-7)),
        replace(booked(open_session(1, step()), day(5)), state=SessionState.DROPPED),
    )

    assert asked(Gate("yearly_limit", {"at_most": 1}), before=before) == []


def test_in_a_year_that_is_over_full_a_visit_that_is_booked_stands_before_later_ones():
    limited = step(gates=(Gate("yearly_limit", {"at_most": 1}),))
    first, second = (booked(open_session(at, limited), day(10 * at)) for at in range(2))
    c = course(first, second)

    assert [gate_answers(s, s.booked.on, c, TODAY) for s in (first, second)] == [
        [],
        [GateAnswer("yearly_limit_reached", CLOSED, opens_on=date(2028, 1, 1))],
    ]
    # Moved, it must find room beside the other.
    assert [answer.code for answer in gate_answers(first, day(3), c, TODAY)] == ["yearly_limit_reached"]


def test_dates_assumed_for_other_sessions_take_room():
    limited = step(gates=(Gate("yearly_limit", {"at_most": 1}),))
    first, second = open_session(0, limited), open_session(1, limited)

    assert gate_answers(second, VISIT, course(first, second), TODAY, {first.id: day(7)}) == [
        GateAnswer("yearly_limit_reached", CLOSED, opens_on=date(2028, 1, 1))
    ]


EVERY_TWO = Gate("review_due", {"every": 2})


@pytest.mark.parametrize(
    ("before", "others", "expected"),
    [
        ((), (), []),
        ((performed(0, step(), day(-20)),), (), []),
        ((performed(0, step(), day(-31)), performed(1, step(), day(-30))), (), []),  # one before the assessment
        ((performed(0, step(), day(-30)), performed(1, step(), day(-20))), (), [GateAnswer("review_due", CLOSED)]),
        ((performed(0, step(), day(-20)),), elsewhere((-25, True)), [GateAnswer("review_due", CLOSED)]),
        ((performed(0, step(), day(-20)),), elsewhere((-25, False), (-40, True)), []),
        ((performed(0, step(), day(-20)), open_session(1, step())), (), pending("review_due")),
        ((performed(0, step(), day(-20)), booked(open_session(1, step()), day(3))), (), pending("review_due", day(3))),
        (
            tuple(booked(open_session(at, step()), day(3 * at)) for at in range(3)),
            (),
            pending("review_due", day(3)),  # known when the second has taken place
        ),
        ((performed(0, step(kind=StepKind.FOLLOW_UP), day(-20)), performed(1, step(), day(-10))), (), []),
    ],
)
def test_a_new_assessment_comes_after_so_many_treatments(before, others, expected):
    assert asked(EVERY_TWO, before=before, elsewhere=others) == expected


def test_without_any_assessment_every_treatment_counts_for_the_review():
    before = tuple(performed(at, step(), day(-400 + at)) for at in range(2))

    assert asked(EVERY_TWO, before=before, assessment=None) == [GateAnswer("review_due", CLOSED)]


# --- pauses -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("begins", "ends", "on", "opens_on"),
    [
        ("05-01", "09-30", date(2027, 4, 30), None),
        ("05-01", "09-30", date(2027, 5, 1), date(2027, 10, 1)),
        ("05-01", "09-30", date(2027, 9, 30), date(2027, 10, 1)),
        ("05-01", "09-30", date(2027, 10, 1), None),
        ("11-15", "02-29", date(2027, 11, 14), None),
        ("11-15", "02-29", date(2027, 11, 15), date(2028, 3, 1)),
        ("11-15", "02-29", date(2028, 2, 29), date(2028, 3, 1)),
        ("11-15", "02-29", date(2028, 12, 31), date(2029, 3, 1)),
        ("11-15", "02-29", date(2029, 2, 28), date(2029, 3, 1)),
        ("11-15", "02-29", date(2029, 3, 1), None),
    ],
)
def test_season(begins, ends, on, opens_on):
    pause = Gate("season", {"from": DayOfYear.parse(begins), "until": DayOfYear.parse(ends)})

    found = asked(pause, on=on)

    assert found == ([] if opens_on is None else [GateAnswer("season_closed", CLOSED, opens_on=opens_on)])


def test_a_step_may_have_two_pauses():
    gates = [Gate("season", {"from": DayOfYear(3, at), "until": DayOfYear(3, at)}) for at in (20, 22)]

    assert [len(asked(*gates, on=day(number))) for number in (18, 19, 20, 21, 22)] == [0, 1, 0, 1, 0]


# --- apart from other treatments --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("others", "on", "opens_on"),
    [
        ([], VISIT, None),
        ([date(2027, 2, 28)], date(2027, 3, 27), date(2027, 3, 28)),
        ([date(2027, 2, 28)], date(2027, 3, 28), None),
        ([date(2027, 3, 31)], date(2027, 3, 1), date(2027, 5, 1)),  # 31 March + 1 month
        ([date(2027, 3, 31)], date(2027, 2, 28), None),  # 28 March is before the other
        ([date(2027, 5, 1)], date(2027, 4, 1), None),
        ([date(2027, 5, 1)], date(2027, 4, 2), date(2027, 6, 1)),
        ([date(2027, 3, 10), date(2027, 4, 20)], date(2027, 3, 12), date(2027, 5, 20)),  # no time between the two
        ([date(2027, 3, 10), date(2027, 5, 12)], date(2027, 3, 12), date(2027, 4, 10)),
    ],
)
def test_apart_from_another_treatment_before_and_after_it(others, on, opens_on):
    treatments = tuple(TreatmentFacts("laser", other, performed=True) for other in others)

    found = asked(APART, on=on, elsewhere=treatments)

    assert found == (
        []
        if opens_on is None
        else [GateAnswer("too_near_other_treatment", CLOSED, "laser", opens_on=opens_on, override="prescriber")]
    )


def test_apart_asks_for_the_other_protocol_alone_booked_or_performed():
    assert asked(APART, elsewhere=elsewhere((19, True), (21, False))) == []
    assert [a.code for a in asked(APART, elsewhere=elsewhere((21, False), protocol="laser"))] == [
        "too_near_other_treatment"
    ]


def too_near(protocol, opens_on):
    return GateAnswer("too_near_other_treatment", CLOSED, protocol, opens_on=opens_on, override="prescriber")


def keeping_away(*gates, at=18, protocol="laser", **rest):
    """A treatment elsewhere, on the day of that number, whose own step has these gates."""
    return TreatmentFacts(protocol, day(at), performed=True, apart=gates, **rest)


FROM_US = Gate("apart", {"protocol": MICRO, "at_least": Amount.parse("2 weeks")})


@pytest.mark.parametrize(
    ("on", "expected"),
    [
        (day(4), []),
        (day(5), [too_near("laser", day(32))]),
        (day(31), [too_near("laser", day(32))]),
        (day(32), []),
    ],
)
def test_a_treatment_elsewhere_that_keeps_away_from_ours_is_kept_away_from(on, expected):
    assert asked(on=on, elsewhere=(keeping_away(FROM_US),)) == expected


def test_what_a_treatment_elsewhere_says_of_others_is_not_about_us():
    assert asked(elsewhere=(keeping_away(APART, protocol="peel"), keeping_away(protocol="peel"))) == []


def test_where_both_ask_for_a_distance_the_longer_one_counts_and_is_said_once():
    assert asked(APART, elsewhere=(keeping_away(FROM_US),)) == [too_near("laser", date(2027, 4, 19))]
    assert asked(APART, elsewhere=(keeping_away(FROM_US, at=9),), on=day(22)) == [too_near("laser", date(2027, 4, 10))]


def test_each_other_protocol_that_is_too_near_is_named():
    others = (keeping_away(FROM_US, protocol="peel", at=25), *elsewhere((18, True), protocol="laser"))

    assert asked(APART, elsewhere=others) == [too_near("laser", date(2027, 4, 19)), too_near("peel", day(39))]


def test_an_assessment_is_not_kept_apart_from_a_treatment():
    visit = open_session(0, replace(step(), kind=StepKind.ASSESSMENT))

    assert gate_answers(visit, VISIT, course(visit, elsewhere=(keeping_away(FROM_US),)), TODAY) == []


@pytest.mark.parametrize("is_ours", [True, False])
@pytest.mark.parametrize(
    ("here", "there", "is_asked"),
    [
        ({"left_leg"}, {"right_leg"}, True),  # both on the legs, though not on the same one
        ({"left_leg", "face"}, {"face", "right_leg"}, True),
        ({"left_leg"}, {"face"}, False),
        ({"face"}, {"left_leg"}, False),
        ({"face"}, {"face"}, False),
        ((), {"left_leg"}, True),  # not known
        ({"left_leg"}, (), True),
        ((), (), True),
        ((), {"face"}, False),
    ],
)
def test_a_distance_for_some_areas_is_asked_where_both_treat_one_of_them(here, there, is_asked, is_ours):
    legs = frozenset({"left_leg", "right_leg"})
    ours, theirs = (
        Gate("apart", {"protocol": key, "at_least": Amount.parse("2 weeks"), "areas": legs}) for key in ("laser", MICRO)
    )
    other = keeping_away(*([] if is_ours else [theirs]), areas=frozenset(there))

    found = asked(*([ours] if is_ours else []), areas=here, elsewhere=(other,))

    assert found == ([too_near("laser", day(32))] if is_asked else [])


# --- late bands -------------------------------------------------------------------------------------------------------

WEEKLY = replace(
    spacing(minimum="1 week", target="1 week"),
    late_bands=tuple(
        LateBand(Amount.parse(begins), Amount.parse(ends) if ends else None, action)
        for begins, ends, action in [
            ("8 days", "14 days", LateAction.SHORTEN),
            ("14 days", "21 days", LateAction.REPEAT_STEP),
            ("21 days", "28 days", LateAction.RESTART),
            ("28 days", None, LateAction.REVIEW),
        ]
    ),
)


@pytest.mark.parametrize(
    ("number", "decided", "assessed_on", "expected"),
    [
        (7, "", day(-30), []),
        (13, "", day(-30), []),
        (14, "", day(-30), ["late_repeat_step"]),
        (14, "shorten", day(-30), ["late_repeat_step"]),
        (20, "repeat_step", day(-30), []),
        (20, "restart", day(-30), []),
        (21, "repeat_step", day(-30), ["late_restart"]),
        (21, "restart", day(-30), []),
        (21, "review", day(20), ["late_review"]),
        (21, "review", day(21), []),
        (28, "review", day(-30), ["late_review"]),
        (28, "", day(27), ["late_review"]),
        (28, "", day(28), []),
        (400, "", day(27), ["late_review"]),
    ],
)
def test_late_bands_hold_the_session_until_what_they_ask_for_is_done(number, decided, assessed_on, expected):
    dose = step("dose", WEEKLY)
    second = open_session(1, dose, late_action=decided)
    c = course(performed(0, dose, day(0)), second, assessment=AssessmentFacts(assessed_on, suitable=True))

    assert gate_answers(second, day(number), c, TODAY) == [
        GateAnswer(code, CLOSED, override="prescriber") for code in expected
    ]


def test_a_band_is_not_counted_from_what_is_only_booked():
    dose = step("dose", WEEKLY)
    first, second = booked(open_session(0, dose), day(0)), open_session(1, dose)

    assert gate_answers(second, day(40), course(first, second), TODAY) == []
