from __future__ import annotations

from dataclasses import replace

import pytest

from scheduling.planner.amounts import Amount
from scheduling.planner.facts import (
    AnswerFacts,
    AssessmentFacts,
    AssessmentRule,
    GateAnswer,
    OutcomeFacts,
    OutcomeResult,
    PatientFacts,
    Reflux,
    RiskRule,
    Severity,
    StepKind,
)
from scheduling.planner.gates import gate_answers
from tests.planner.build import PATIENT, booked, course, day, gated, open_session, performed, step
from tests.planner.gates.build import CLOSED, PENDING, TODAY, VISIT, asked, codes, risk

# --- assessment and reflux --------------------------------------------------------------------------------------------

YEAR = {"assessment": AssessmentRule(valid_for=Amount.parse("1 year"), cooling_off=Amount.parse("7 days"))}


@pytest.mark.parametrize(
    ("assessment", "expected"),
    [
        (None, ["assessment_missing"]),
        (AssessmentFacts(day(-30), suitable=True), []),
        (AssessmentFacts(day(-30), suitable=False), ["assessment_unsuitable"]),
        (AssessmentFacts(day(-400), suitable=True), ["assessment_expired"]),
        (AssessmentFacts(day(20 - 365), suitable=True), ["assessment_expired"]),  # the first day too late
        (AssessmentFacts(day(21 - 365), suitable=True), []),
        (AssessmentFacts(day(-30), suitable=True, expires_on=VISIT), ["assessment_expired"]),
        (AssessmentFacts(day(-30), suitable=True, expires_on=day(21)), []),
        (AssessmentFacts(day(13), suitable=True), []),  # seven days before
        (AssessmentFacts(day(14), suitable=True), ["assessment_cooling_off"]),
        (AssessmentFacts(day(-400), suitable=False), ["assessment_expired", "assessment_unsuitable"]),
    ],
)
def test_assessment(assessment, expected):
    assert codes("assessment", assessment=assessment, rules=YEAR) == [(code, "closed") for code in expected]


@pytest.mark.parametrize(("today", "expected"), [(VISIT, []), (day(21), ["assessment_expired"])])
def test_an_assessment_that_is_over_today_counts_for_no_date(today, expected):
    done = AssessmentFacts(day(-30), suitable=True, expires_on=day(21))

    assert codes("assessment", assessment=done, today=today) == [(code, "closed") for code in expected]


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (12, ["assessment_cooling_off", "reflux_treated_recently"]),
        (13, ["reflux_treated_recently"]),
        (14, ["reflux_treated_recently"]),
        (15, []),
        (16, []),
        (34, []),
        (35, ["assessment_expired"]),
        (36, ["assessment_expired"]),
    ],
)
def test_the_days_around_each_change_of_an_assessment(number, expected):
    """Assessed on day 6, a week to think, veins clear on day 15, and no longer valid from day 35."""
    done = AssessmentFacts(day(6), suitable=True, reflux=Reflux.TREATED, reflux_clear_on=day(15), expires_on=day(35))

    found = codes("assessment", "reflux", assessment=done, on=day(number), rules=YEAR)

    assert found == [(code, "closed") for code in expected]


def test_cooling_off_says_when_it_is_over():
    [answer] = asked("assessment", assessment=AssessmentFacts(day(14), suitable=True), rules=YEAR)

    assert answer == GateAnswer("assessment_cooling_off", CLOSED, opens_on=day(21))


@pytest.mark.parametrize(
    ("reflux", "clear_on", "expected"),
    [
        (Reflux.NONE_FOUND, None, []),
        (Reflux.UNTREATED, None, [GateAnswer("reflux_untreated", CLOSED)]),
        (Reflux.NOT_CHECKED, None, [GateAnswer("reflux_not_checked", CLOSED)]),
        (Reflux.TREATED, None, [GateAnswer("reflux_treated_recently", CLOSED)]),
        (Reflux.TREATED, day(21), [GateAnswer("reflux_treated_recently", CLOSED, opens_on=day(21))]),
        (Reflux.TREATED, VISIT, []),
    ],
)
def test_reflux(reflux, clear_on, expected):
    found = AssessmentFacts(day(-30), suitable=True, reflux=reflux, reflux_clear_on=clear_on)

    assert asked("reflux", assessment=found) == expected
    assert asked("reflux", assessment=None) == [GateAnswer("reflux_not_checked", CLOSED)]


# --- answers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("severity", "answer", "expected"),
    [
        (Severity.RELATIVE, None, [GateAnswer("answer_missing", CLOSED, "pill")]),
        (Severity.RELATIVE, AnswerFacts("no", day(-10)), []),  # valid to the day of the visit
        (
            Severity.RELATIVE,
            AnswerFacts("no", day(-11)),
            [GateAnswer("answer_due_again", PENDING, "pill", changes_on=(day(20),))],
        ),
        (
            Severity.RELATIVE,
            AnswerFacts("no", day(-30)),
            [GateAnswer("answer_due_again", PENDING, "pill", changes_on=(day(1),))],
        ),
        (Severity.RELATIVE, AnswerFacts("no", day(-31)), [GateAnswer("answer_expired", CLOSED, "pill")]),
        (
            Severity.RELATIVE,
            AnswerFacts("yes", day(-1)),
            [GateAnswer("risk_relative", CLOSED, "pill", override="prescriber")],
        ),
        (Severity.ABSOLUTE, AnswerFacts("yes", day(-1)), [GateAnswer("risk_absolute", CLOSED, "pill")]),
        (Severity.ASK, AnswerFacts("yes", day(-1)), [GateAnswer("risk_ask", CLOSED, "pill")]),
        (Severity.ASK, AnswerFacts("yes", day(-1), reviewed=True), []),
        (Severity.ABSOLUTE, AnswerFacts("yes", day(-1), reviewed=True), [GateAnswer("risk_absolute", CLOSED, "pill")]),
        (
            Severity.ABSOLUTE,
            AnswerFacts("yes", day(-31)),
            [GateAnswer("answer_expired", CLOSED, "pill"), GateAnswer("risk_absolute", CLOSED, "pill")],
        ),
    ],
)
def test_answers(severity, answer, expected):
    assert risk(severity, answer) == expected


@pytest.mark.parametrize(
    ("today", "expected"),
    [
        (day(5), [GateAnswer("answer_due_again", PENDING, "pill", changes_on=(day(1),))]),
        (day(19), [GateAnswer("answer_due_again", PENDING, "pill", changes_on=(day(1),))]),
        (VISIT, [GateAnswer("answer_expired", CLOSED, "pill")]),
    ],
)
def test_an_answer_that_has_grown_old_since_booking_is_pending_until_the_visit(today, expected):
    visit = booked(open_session(0, step(gates=gated("answers"))), VISIT)
    patient = PatientFacts(PATIENT, answers={"pill": AnswerFacts("no", day(-30))})
    c = course(visit, patient=patient)
    c = replace(c, protocol=replace(c.protocol, risks=(RiskRule("pill", Severity.RELATIVE, valid_days=30),)))

    assert gate_answers(visit, VISIT, c, today) == expected


@pytest.mark.parametrize(
    ("on", "today", "expected"),
    [
        (day(30), TODAY, []),  # given on day 0 and valid to day 30
        (day(31), TODAY, [("answer_due_again", "pending")]),
        (day(32), TODAY, [("answer_due_again", "pending")]),
        (day(40), day(30), [("answer_due_again", "pending")]),
        (day(40), day(31), [("answer_expired", "closed")]),
        (day(40), day(32), [("answer_expired", "closed")]),
        (day(31), day(31), [("answer_expired", "closed")]),
        (day(30), day(30), []),
    ],
)
def test_the_days_around_the_last_on_which_an_answer_counts(on, today, expected):
    found = risk(Severity.RELATIVE, AnswerFacts("no", TODAY), on=on, today=today)

    assert [(answer.code, answer.state.value) for answer in found] == expected


def test_refused_answers_are_the_protocols():
    rules = {"risks": (RiskRule("walks", Severity.ABSOLUTE, 30, refused_answers=frozenset({"no", "with_help"})),)}
    patient = PatientFacts(PATIENT, answers={"walks": AnswerFacts("no", day(0))})

    assert [answer.code for answer in asked("answers", rules=rules, patient=patient)] == ["risk_absolute"]


# --- areas and outcomes -----------------------------------------------------------------------------------------------


def test_area():
    assert asked("area", areas={"left_leg", "face", "chest"}) == [
        GateAnswer("area_not_allowed", CLOSED, "chest"),
        GateAnswer("area_not_allowed", CLOSED, "face"),
    ]
    assert asked("area", areas={"left_leg"}, rules={"areas": frozenset()}) != []


def treated(position, result=None, *, cleared=False):
    return performed(position, step(), day(-7), outcome=result and OutcomeFacts(result, cleared))


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ((), []),
        ((treated(0, OutcomeResult.OK),), []),
        ((treated(0),), [("outcome_missing", "closed")]),
        ((treated(0, OutcomeResult.REVIEW),), [("outcome_review", "closed")]),
        ((treated(0, OutcomeResult.REVIEW, cleared=True),), []),
        ((treated(0, OutcomeResult.STOP),), [("outcome_stop", "closed")]),
        ((treated(0, OutcomeResult.STOP, cleared=True),), [("outcome_stop", "closed")]),
        ((treated(0), treated(1, OutcomeResult.OK)), []),
        ((open_session(0, step()),), [("outcome_awaited", "pending")]),
        (
            (treated(0), open_session(1, step())),
            [("outcome_missing", "closed"), ("outcome_awaited", "pending")],
        ),
        ((performed(0, step("a", kind=StepKind.ASSESSMENT), day(-7)),), []),
    ],
)
def test_outcome(before, expected):
    assert codes("outcome", before=before) == expected


def test_an_awaited_outcome_says_when_it_may_be_known():
    [answer] = asked("outcome", before=(booked(open_session(0, step()), day(3)),))

    assert answer.changes_on == (day(3),)
