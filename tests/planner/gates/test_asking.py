from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from scheduling.planner.amounts import Amount
from scheduling.planner.facts import (
    AnswerFacts,
    AssessmentRule,
    ConsentRule,
    CoolingOff,
    GateAnswer,
    GateState,
    LateAction,
    LateBand,
    Moment,
    OutcomeFacts,
    OutcomeResult,
    OverrideFacts,
    PatientFacts,
    Protocol,
    RiskRule,
    Severity,
    TreatmentFacts,
)
from scheduling.planner.gates import GATES, gate_answers, refuses
from tests.planner.build import PATIENT, course, day, open_session, performed, sample, session_id, spacing, step
from tests.planner.gates.build import APART, TODAY, VISIT, asked, risk


def test_every_gate_is_open_for_a_course_that_is_in_order():
    rules = {
        "risks": (RiskRule("pill", Severity.RELATIVE, 90),),
        "consent": ConsentRule(
            "booking", cooling_off=(CoolingOff(Amount.parse("7 days")),), valid_for=Amount.parse("1 year")
        ),
        "assessment": AssessmentRule(Amount.parse("1 year"), Amount.parse("7 days")),
    }
    patient = PatientFacts(PATIENT, answers={"pill": AnswerFacts("no", day(-10))}, born_on=date(1980, 5, 17))
    first = performed(0, step(), day(-7), outcome=OutcomeFacts(OutcomeResult.OK))
    gates = map(sample, GATES)

    assert asked(*gates, rules=rules, patient=patient, before=(first,), areas={"left_leg"}) == []


def test_a_step_is_asked_only_what_it_lists():
    assert asked(assessment=None, consent=None) == []


def test_an_unknown_gate_is_never_open():
    with pytest.raises(KeyError, match="no such gate"):
        asked("horoscope")


def test_protocols_say_what_is_asked():
    assert Protocol("p", 1, ()).consent is None


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


# --- overrides --------------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize(("number", "is_silenced"), [(19, True), (20, True), (21, False), (22, False)])
@pytest.mark.parametrize("name", ["late_review", "too_near_other_treatment"])
def test_an_override_lasts_to_its_last_day(name, number, is_silenced):
    override = OverrideFacts(name, None, VISIT, "laser" if name == "too_near_other_treatment" else "")
    weekly = replace(spacing(minimum="1 week"), late_bands=(LateBand(Amount.parse("8 days"), None, LateAction.REVIEW),))
    dose = step("dose", weekly, gates=(APART,))
    second = open_session(1, dose)
    near = (TreatmentFacts("laser", day(18), performed=True),)
    before = performed(0, dose, day(0))
    c = course(before, second, elsewhere=near, overrides=(override,))

    found = {answer.code for answer in gate_answers(second, day(number), c, TODAY)}

    assert (name not in found) is is_silenced
    assert found | {name} == {"late_review", "too_near_other_treatment"}


# --- the list of gates ------------------------------------------------------------------------------------------------


def test_every_gate_tells_its_codes_and_each_code_has_its_gate():
    assert {name: [code.code for code in kind.codes] for name, kind in GATES.items()} == {
        "assessment": [
            "assessment_missing",
            "assessment_expired",
            "assessment_unsuitable",
            "assessment_cooling_off",
        ],
        "reflux": ["reflux_not_checked", "reflux_untreated", "reflux_treated_recently"],
        "answers": [
            "answer_missing",
            "answer_expired",
            "answer_due_again",
            "risk_absolute",
            "risk_relative",
            "risk_ask",
        ],
        "area": ["area_not_allowed"],
        "consent": [
            "consent_withdrawn",
            "consent_missing",
            "consent_expired",
            "consent_cooling_off",
            "guardian_missing",
            "guardian_consent_missing",
            "of_age_unknown",
        ],
        "outcome": ["outcome_missing", "outcome_stop", "outcome_review", "outcome_awaited"],
        "yearly_limit": ["yearly_limit_reached"],
        "review_due": ["review_due"],
        "season": ["season_closed"],
        "apart": ["too_near_other_treatment"],
        "late": ["late_review", "late_repeat_step", "late_restart"],
        "age": ["too_young", "birth_date_missing"],
        "hold": ["course_on_hold"],
        "patient_active": ["patient_deceased", "patient_merged"],
    }
    assert [name for name, kind in GATES.items() if kind.always] == ["late", "age", "hold", "patient_active"]
