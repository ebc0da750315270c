from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from scheduling.planner.amounts import Amount
from scheduling.planner.facts import (
    ConsentFacts,
    ConsentRule,
    ConsentScope,
    CoolingOff,
    GateAnswer,
    GuardianFacts,
    HoldFacts,
    Moment,
    PatientFacts,
)
from scheduling.planner.gates import gate_answers, refuses
from tests.planner.build import PATIENT, course, day, gated, open_session, step
from tests.planner.gates.build import CLOSED, TODAY, VISIT, asked, codes

# --- consent ----------------------------------------------------------------------------------------------------------

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


# --- holds, and whether there is a patient ----------------------------------------------------------------------------


def test_holds_and_the_patient_are_always_asked():
    holds = (HoldFacts("pregnancy", "told by phone", "clinician"), HoldFacts("payment", "", "manager"))

    assert asked(holds=holds) == [
        GateAnswer("course_on_hold", CLOSED, "pregnancy"),
        GateAnswer("course_on_hold", CLOSED, "payment"),
    ]
    assert codes(patient=PatientFacts(PATIENT, deceased_on=day(-1))) == [("patient_deceased", "closed")]
    assert codes(patient=PatientFacts(PATIENT, merged_away=True)) == [("patient_merged", "closed")]
