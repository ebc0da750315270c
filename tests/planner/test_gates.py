from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from scheduling.planner.amounts import Amount, DayOfYear
from scheduling.planner.facts import (
    AnswerFacts,
    AssessmentFacts,
    AssessmentRule,
    ConsentFacts,
    ConsentRule,
    CoolingOff,
    Gate,
    GateAnswer,
    GateState,
    HoldFacts,
    Moment,
    OutcomeFacts,
    OutcomeResult,
    OverrideFacts,
    PatientFacts,
    Protocol,
    Reflux,
    RiskRule,
    Severity,
    StepKind,
)
from scheduling.planner.gates import GATES, gate_answers, refuses
from tests.planner.build import PATIENT, booked, course, day, gated, open_session, performed, session_id, step

TODAY = day(0)
VISIT = day(20)
CLOSED, PENDING = GateState.CLOSED, GateState.PENDING


def asked(*gates, on=VISIT, today=TODAY, before=(), areas=frozenset(), rules=None, **facts):
    """What the gates say about a session, as code or (code, more)."""
    session = open_session(len(before), step(gates=gated(*gates)), areas=frozenset(areas))
    c = course(*before, session, **facts)
    c = replace(c, protocol=replace(c.protocol, **(rules or {})))
    return gate_answers(session, on, c, today)


def codes(*gates, **facts):
    return [(answer.code, answer.state.value) for answer in asked(*gates, **facts)]


def test_every_gate_is_open_for_a_course_that_is_in_order():
    rules = {
        "risks": (RiskRule("pill", Severity.RELATIVE, 90),),
        "consent": ConsentRule(
            "booking", cooling_off=(CoolingOff(Amount.parse("7 days")),), valid_for=Amount.parse("1 year")
        ),
        "assessment": AssessmentRule(Amount.parse("1 year"), Amount.parse("7 days")),
    }
    patient = PatientFacts(PATIENT, answers={"pill": AnswerFacts("no", day(-10))})
    first = performed(0, step(), day(-7), outcome=OutcomeFacts(OutcomeResult.OK))
    given = {
        "yearly_limit": {"at_most": 2},
        "review_due": {"every": 2},
        "season": {"from": DayOfYear(5, 1), "until": DayOfYear(9, 30)},
        "apart": {"protocol": "laser", "at_least": Amount.parse("2 weeks")},
    }
    gates = [Gate(name, given.get(name, {})) for name in GATES]

    assert asked(*gates, rules=rules, patient=patient, before=(first,), areas={"left_leg"}) == []


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


def risk(severity, answer, **facts):
    answers = {} if answer is None else {"pill": answer}
    rules = {"risks": (RiskRule("pill", severity, valid_days=30),)}
    return asked("answers", rules=rules, patient=PatientFacts(PATIENT, answers=answers), **facts)


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


def test_refused_answers_are_the_protocols():
    rules = {"risks": (RiskRule("walks", Severity.ABSOLUTE, 30, refused_answers=frozenset({"no", "with_help"})),)}
    patient = PatientFacts(PATIENT, answers={"walks": AnswerFacts("no", day(0))})

    assert [answer.code for answer in asked("answers", rules=rules, patient=patient)] == ["risk_absolute"]


def test_area():
    assert asked("area", areas={"left_leg", "face", "chest"}) == [
        GateAnswer("area_not_allowed", CLOSED, "chest"),
        GateAnswer("area_not_allowed", CLOSED, "face"),
    ]
    assert asked("area", areas={"left_leg"}, rules={"areas": frozenset()}) != []


SIGNED = ConsentFacts(informed_on=day(-30), signed_on=day(-30))


@pytest.mark.parametrize(
    ("given", "at_booking", "at_visit"),
    [
        (SIGNED, [], []),
        (None, [("consent_missing", "closed")], [("consent_missing", "pending")]),
        (ConsentFacts(day(-30)), [("consent_missing", "closed")], [("consent_missing", "pending")]),
        (replace(SIGNED, withdrawn_on=TODAY), [("consent_withdrawn", "closed")], [("consent_withdrawn", "closed")]),
        (replace(SIGNED, expires_on=VISIT), [("consent_expired", "closed")], [("consent_expired", "pending")]),
        (replace(SIGNED, expires_on=day(21)), [], []),
        (
            ConsentFacts(day(8), signed_on=day(9)),
            [("consent_cooling_off", "closed")],
            [("consent_cooling_off", "closed")],
        ),
        (ConsentFacts(day(6), signed_on=day(9)), [], []),
    ],
)
def test_consent(given, at_booking, at_visit):
    for at, expected in (("booking", at_booking), ("visit", at_visit)):
        rule = ConsentRule(at, cooling_off=(CoolingOff(Amount.parse("14 days")),), valid_for=Amount.parse("6 months"))
        assert codes("consent", consent=given, rules={"consent": rule}) == expected


def test_on_the_day_a_consent_for_the_visit_must_stand():
    rule = {"consent": ConsentRule("visit")}

    assert codes("consent", consent=None, rules=rule, today=VISIT) == [("consent_missing", "closed")]


def test_a_consent_gate_without_a_rule_asks_at_booking():
    assert codes("consent", consent=None, rules={"consent": None}) == [("consent_missing", "closed")]


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


def test_holds_and_the_patient_are_always_asked():
    holds = (HoldFacts("pregnancy", "told by phone", "clinician"), HoldFacts("payment", "", "manager"))

    assert asked(holds=holds) == [
        GateAnswer("course_on_hold", CLOSED, "pregnancy"),
        GateAnswer("course_on_hold", CLOSED, "payment"),
    ]
    assert codes(patient=PatientFacts(PATIENT, deceased_on=day(-1))) == [("patient_deceased", "closed")]
    assert codes(patient=PatientFacts(PATIENT, merged_away=True)) == [("patient_merged", "closed")]


def test_a_step_is_asked_only_what_it_lists():
    assert asked(assessment=None, consent=None) == []


def test_an_unknown_gate_is_never_open():
    with pytest.raises(KeyError, match="no such gate"):
        asked("horoscope")


@pytest.mark.parametrize(
    ("override", "is_silenced"),
    [
        (OverrideFacts("risk_relative", session_id(0), VISIT, "pill"), True),
        (OverrideFacts("risk_relative", None, VISIT, "pill"), True),
        (OverrideFacts("risk_relative", session_id(1), VISIT, "pill"), False),
        (OverrideFacts("risk_relative", session_id(0), VISIT - timedelta(days=1), "pill"), False),
        (OverrideFacts("risk_relative", session_id(0), VISIT, "clot"), False),
        (OverrideFacts("risk_relative", session_id(0), VISIT), False),
        (OverrideFacts("before_minimum", session_id(0), VISIT, "pill"), False),
    ],
)
def test_an_override_silences_its_rule_for_its_session_until_it_expires(override, is_silenced):
    found = risk(Severity.RELATIVE, AnswerFacts("yes", day(0)), overrides=(override,))

    assert [a.code for a in found] == ([] if is_silenced else ["risk_relative"])


def test_nobody_overrides_what_has_no_role():
    overrides = (OverrideFacts("risk_absolute", None, VISIT, "pill"), OverrideFacts("assessment_missing", None, VISIT))

    assert [a.code for a in risk(Severity.ABSOLUTE, AnswerFacts("yes", day(0)), overrides=overrides)] == [
        "risk_absolute"
    ]
    assert [a.code for a in asked("assessment", assessment=None, overrides=overrides)] == ["assessment_missing"]


@pytest.mark.parametrize(
    ("state", "moments"),
    [
        (GateState.OPEN, []),
        (GateState.PENDING, [Moment.CHECK_IN]),
        (GateState.CLOSED, [Moment.BOOK, Moment.MESSAGE, Moment.CHECK_IN]),
    ],
)
def test_what_refuses_at_which_moment(state, moments):
    assert [moment for moment in Moment if refuses(GateAnswer("x", state), moment)] == moments


def test_protocols_say_what_is_asked():
    assert Protocol("p", 1, ()).consent is None
