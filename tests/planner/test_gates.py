from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta

import pytest

from scheduling.planner.amounts import Amount, DayOfYear
from scheduling.planner.facts import (
    AnswerFacts,
    AssessmentFacts,
    AssessmentRule,
    ConsentFacts,
    ConsentRule,
    ConsentScope,
    CoolingOff,
    Gate,
    GateAnswer,
    GateState,
    GuardianFacts,
    HoldFacts,
    LateAction,
    LateBand,
    Moment,
    OutcomeFacts,
    OutcomeResult,
    OverrideFacts,
    PatientFacts,
    Protocol,
    Reflux,
    RiskRule,
    SessionState,
    Severity,
    StepKind,
    TreatmentFacts,
)
from scheduling.planner.gates import GATES, as_json, gate_answers, refuses
from tests.planner.build import (
    PATIENT,
    booked,
    course,
    day,
    gated,
    open_session,
    performed,
    sample,
    session_id,
    spacing,
    step,
)

TODAY = day(0)
VISIT = day(20)
APART = Gate("apart", {"protocol": "laser", "at_least": Amount.parse("1 month")})
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
    patient = PatientFacts(PATIENT, answers={"pill": AnswerFacts("no", day(-10))}, born_on=date(1980, 5, 17))
    first = performed(0, step(), day(-7), outcome=OutcomeFacts(OutcomeResult.OK))
    gates = map(sample, GATES)

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


def test_a_consent_for_the_visit_is_pending_until_it_is_signed_on_the_day_too():
    """A visit can be booked for this afternoon; whatever is pending keeps it from beginning."""
    rule = {"consent": ConsentRule("visit")}

    assert codes("consent", consent=None, rules=rule, today=VISIT) == [("consent_missing", "pending")]
    [answer] = asked("consent", consent=None, rules=rule, today=VISIT)
    assert [moment for moment in Moment if refuses(answer, moment)] == [Moment.CHECK_IN]


@pytest.mark.parametrize("at", ["booking", "visit"])
@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (13, ["consent_cooling_off"]),
        (14, []),
        (15, []),
        (182, []),
        (183, ["consent_expired"]),
        (184, ["consent_expired"]),
    ],
)
def test_the_days_around_each_change_of_a_consent(at, number, expected):
    rule = ConsentRule(at, cooling_off=(CoolingOff(Amount.parse("14 days")),), valid_for=Amount.parse("183 days"))
    given = ConsentFacts(informed_on=day(0), signed_on=day(0))

    found = codes("consent", consent=given, rules={"consent": rule}, on=day(number), today=TODAY)

    still_signed_anew = at == "visit" and expected == ["consent_expired"]
    assert found == [(code, "pending" if still_signed_anew else "closed") for code in expected]


@pytest.mark.parametrize(
    ("today", "at"), [(day(19), "visit"), (VISIT, "visit"), (day(21), "visit"), (VISIT, "booking")]
)
def test_a_consent_for_the_visit_may_be_signed_until_it_begins(today, at):
    rules = {"consent": ConsentRule(at)}
    state = "pending" if at == "visit" else "closed"

    assert codes("consent", consent=None, rules=rules, today=today) == [("consent_missing", state)]


def test_a_consent_that_is_over_today_counts_for_no_date():
    given = replace(SIGNED, expires_on=day(2))

    assert codes("consent", consent=given, on=day(1), today=day(1)) == []
    assert codes("consent", consent=given, on=day(1), today=day(2)) == [("consent_expired", "closed")]


@pytest.mark.parametrize(
    ("today", "expected"), [(day(2), []), (day(3), ["consent_withdrawn"]), (day(4), ["consent_withdrawn"])]
)
def test_a_consent_is_withdrawn_from_the_day_on(today, expected):
    given = replace(SIGNED, withdrawn_on=day(3))

    assert codes("consent", consent=given, today=today) == [(code, "closed") for code in expected]


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


# --- gates by count, calendar and distance ----------------------------------------------------------------------------

FIVE_A_YEAR = Gate("yearly_limit", {"at_most": 5})
MICRO = "micro"  # the protocol of these courses


def elsewhere(*treatments, protocol=MICRO):
    """Treatments in other courses: day numbers, and whether performed."""
    return tuple(TreatmentFacts(protocol, day(number), performed) for number, performed in treatments)


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


def pending(code, *changes_on):
    return [GateAnswer(code, PENDING, changes_on=changes_on)]


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


# --- age and guardians ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("born_on", "expected"),
    [
        (None, [GateAnswer("birth_date_missing", CLOSED)]),
        (date(2009, 3, 21), []),
        (date(2009, 3, 22), [GateAnswer("too_young", CLOSED, opens_on=date(2027, 3, 22))]),
        (date(2012, 2, 29), [GateAnswer("too_young", CLOSED, opens_on=date(2030, 3, 1))]),
    ],
)
def test_a_minimum_age_is_always_asked(born_on, expected):
    patient = PatientFacts(PATIENT, born_on=born_on)

    assert asked(patient=patient, rules={"minimum_age": 18}) == expected
    assert asked(patient=patient) == []


@pytest.mark.parametrize(
    ("on", "expected"),
    [
        (date(2028, 2, 28), ["guardian_consent_missing", "too_young"]),
        (date(2028, 2, 29), ["guardian_consent_missing", "too_young"]),
        (date(2028, 3, 1), []),
        (date(2028, 3, 2), []),
    ],
)
def test_the_days_around_a_birthday(on, expected):
    patient = PatientFacts(PATIENT, born_on=date(2010, 3, 1), guardians=(GuardianFacts(),))

    found = codes("consent", patient=patient, consent=SIGNED, on=on, rules={"minimum_age": 18})

    assert found == [(code, "closed") for code in expected]


CHILD = date(2010, 3, 22)


@pytest.mark.parametrize(
    ("born_on", "guardians", "by_guardian", "expected"),
    [
        (None, (), False, ["of_age_unknown"]),
        (None, (GuardianFacts(),), True, ["of_age_unknown"]),
        (date(2009, 3, 21), (), False, []),  # of age on the day of the visit
        (CHILD, (), False, ["guardian_missing", "guardian_consent_missing"]),
        (CHILD, (GuardianFacts(),), False, ["guardian_consent_missing"]),
        (CHILD, (GuardianFacts(),), True, []),
        (CHILD, (GuardianFacts(until_on=VISIT),), True, []),
        (CHILD, (GuardianFacts(until_on=day(19)),), True, ["guardian_missing"]),
        (CHILD, (GuardianFacts(until_on=day(19)), GuardianFacts(VISIT)), True, []),
        (CHILD, (GuardianFacts(from_on=day(21)),), True, ["guardian_missing"]),
    ],
)
def test_a_guardian_consents_for_who_is_under_age(born_on, guardians, by_guardian, expected):
    patient = PatientFacts(PATIENT, born_on=born_on, guardians=guardians)

    found = codes("consent", patient=patient, consent=replace(SIGNED, by_guardian=by_guardian))

    assert found == [(code, "closed") for code in expected]


def test_the_age_of_consent_is_the_protocols():
    patient = PatientFacts(PATIENT, born_on=date(2009, 3, 21))

    assert codes("consent", patient=patient, consent=None, rules={"adult_age": 21}) == [
        ("consent_missing", "closed"),
        ("guardian_missing", "closed"),
    ]


def test_a_consent_for_each_session_is_asked_of_the_session():
    rules = {"consent": ConsentRule("booking", scope=ConsentScope.SESSION)}
    session = open_session(0, step(gates=gated("consent")))

    def found(own, for_the_course):
        c = course(replace(session, consent=own), consent=for_the_course)
        c = replace(c, protocol=replace(c.protocol, **rules))
        return [answer.code for answer in gate_answers(c.sessions[0], VISIT, c, TODAY)]

    assert (found(None, SIGNED), found(SIGNED, None)) == (["consent_missing"], [])


@pytest.mark.parametrize(
    ("place", "born_on", "expected"),
    [
        ("GB", date(1990, 1, 1), day(6)),  # informed on day 5, and one day everywhere
        ("AU", date(1990, 1, 1), day(6)),
        ("AU", date(2012, 1, 1), day(12)),
        ("AU-NSW", date(2012, 1, 1), day(19)),
        ("AU-VIC", date(2012, 1, 1), day(12)),
        ("AUX", date(2012, 1, 1), day(6)),
        ("AU", date(2009, 3, 10), day(9)),  # of age on 10 March, day 9
    ],
)
def test_the_longest_time_to_think_that_applies_counts(place, born_on, expected):
    waits = (
        CoolingOff(Amount.parse("1 day")),
        CoolingOff(Amount.parse("7 days"), "AU", 18),
        CoolingOff(Amount.parse("14 days"), "AU-NSW", 18),
    )
    told = ConsentFacts(day(5), signed_on=day(5), by_guardian=True)
    patient = PatientFacts(PATIENT, born_on=born_on, guardians=(GuardianFacts(),))
    facts = {"patient": patient, "place": place, "consent": told, "rules": {"consent": ConsentRule("booking", waits)}}

    assert asked("consent", on=expected, **facts) == []
    assert asked("consent", on=expected - timedelta(days=1), **facts) == [
        GateAnswer("consent_cooling_off", CLOSED, opens_on=expected)
    ]


def test_who_may_be_under_age_has_the_time_to_think_of_the_young():
    wait = ConsentRule("booking", (CoolingOff(Amount.parse("7 days"), "AU", 18),))
    told = ConsentFacts(day(5), signed_on=day(5))
    facts = {"patient": PatientFacts(PATIENT), "place": "AU", "consent": told, "rules": {"consent": wait}}

    assert codes("consent", on=day(11), **facts) == [("consent_cooling_off", "closed"), ("of_age_unknown", "closed")]
    assert codes("consent", on=day(12), **facts) == [("of_age_unknown", "closed")]


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


@pytest.mark.parametrize("name", GATES)
def test_what_a_gate_takes_is_read_back_as_it_is_stored(name):
    given = sample(name)

    assert GATES[name].read(json.loads(json.dumps(as_json(given)))) == given.parameters
