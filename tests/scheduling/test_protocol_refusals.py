"""What a protocol file is refused for: what cannot be, and what does not belong together."""

from __future__ import annotations

import dataclasses

import pytest

from scheduling import protocols
from scheduling.models import Capability, Protocol
from scheduling.planner import facts
from scheduling.planner.effort import effort
from scheduling.protocols import agreeing

from .protocol_files import BANDS, NOW, SMALL, TWO_STEPS, WORDS, changed, problems


@pytest.mark.parametrize(
    ("old", "new", "code", "path"),
    [
        ("minimum: 2 weeks", "minimum: 4 weeks", "spacing_out_of_order", "minimum"),
        ("target: 3 weeks", "floor: 15 days", "spacing_out_of_order", "floor"),
        ("minimum: 2 weeks", "minimum: 30 days\n        overdue: 1 month", "spacing_out_of_order", "minimum"),
        ("target: 3 weeks", "lapse: 1 week", "spacing_out_of_order", "minimum"),
        ("minimum: 2 weeks", "minimum: fortnight", "amount_unreadable", "minimum"),
        ("minimum: 2 weeks", "minimum: 14", "amount_unreadable", "minimum"),
        ("minimum: 2 weeks", "minimum: [2 weeks]", "not_a_text", "minimum"),
        ("target: 3 weeks", "tolerance_days: 3", "tolerance_without_target", "tolerance_days"),
        ("from: previous", "from: last monday", "choice_unknown", "from"),
        ("from: previous", "from: last follow_up", "reference_never_exists", "from"),
        ("from: previous", "from: step other", "step_unknown", "from"),
        ("from: previous", "from: event Surgery", "key_malformed", "from"),
        ("from: previous", "from: yesterday", "reference_unreadable", "from"),
        ("from: previous", "from: previous\n        effective_from: 2027-02-30", "date_unreadable", "effective_from"),
        ("from: previous", "from: previous\n        only_for_areas: leg", "not_a_list", "only_for_areas"),
    ],
)
def test_a_spacing_that_cannot_be_is_refused(old, new, code, path):
    found = problems(changed(old, new))

    assert (code, f"steps[0].spacings[0].{path}") in [(one, where) for one, where, _line in found]


def test_a_month_is_never_shorter_than_four_weeks_but_can_be_shorter_than_thirty_days():
    in_order = "minimum: 4 weeks\n        target: 1 month"

    assert protocols.parse_with(changed("minimum: 2 weeks\n        target: 3 weeks", in_order), WORDS).key == "peel"
    assert problems(changed("minimum: 2 weeks\n        target: 3 weeks", in_order.replace("4 weeks", "30 days"))) == [
        ("spacing_out_of_order", "steps[0].spacings[0].minimum", 16)
    ]


FAR_BACK = """
  - key: {key}
    name: Again
    kind: treatment
    lead_role: nurse
    phases: [{{name: Peel, minutes: 30, needs: {{nurse: vaccination, room: treatment_room}}}}]
    spacings: [{{from: previous, minimum: 2 weeks{lapse}}}{more}]
"""


def far_back(lapse: str = "") -> str:
    """Four steps more, of which the last counts from three of them."""
    more = "".join(f", {{from: step {key}, minimum: 9 weeks}}" for key in ("one", "two"))
    steps = [FAR_BACK.format(key=key, lapse=lapse, more="") for key in ("one", "two", "three")]
    return SMALL + "".join([*steps, FAR_BACK.format(key="four", lapse=lapse, more=more)])


def test_spacings_that_no_plan_could_remember_are_refused_with_a_remedy():
    assert problems(far_back()) == [("too_much_to_remember", "steps[4].spacings[1]", 46)]
    with pytest.raises(protocols.ProtocolInvalid, match="remember") as refused:
        protocols.parse_with(far_back(), WORDS)
    assert "Plans would have to remember 3 dates at once" in refused.value.problems[0].message
    assert len(protocols.parse_with(far_back(", lapse: 6 weeks"), WORDS).steps) == 5  # near each other


@pytest.mark.parametrize("key", protocols.shipped_keys())
def test_courses_of_every_shipped_protocol_can_be_planned_within_the_bound(key):
    steps = [
        agreeing.as_planned(step)
        for step in protocols.parse_with(protocols.shipped(key), WORDS).steps
        for _number in range(step.sessions)
    ]

    assert effort(steps).is_bounded


def test_a_spacing_that_says_nothing_is_refused():
    text = changed("minimum: 2 weeks\n        target: 3 weeks", "tolerance_days: 0")

    assert problems(text) == [("spacing_empty", "steps[0].spacings[0]", 15)]


def test_the_first_step_has_no_session_before_it():
    text = changed("sessions: 4\n    at_most: 6\n", "at_most: 1\n")

    assert problems(text) == [("reference_never_exists", "steps[0].spacings[0].from", 14)]


@pytest.mark.parametrize(
    ("amounts", "expected"),
    [
        (("8 days", "14 days", "14 days"), None),
        (("4 weeks", "1 month", "1 month"), None),
        (("8 days", "15 days", "14 days"), ("late_bands_overlap", "late_bands[1]")),
        (("8 days", "1 month", "4 weeks"), ("late_bands_overlap", "late_bands[1]")),
        (("8 days", "8 days", "20 days"), ("late_band_empty", "late_bands[0]")),
        (("30 days", "1 month", "2 months"), ("late_band_empty", "late_bands[0]")),
    ],
)
def test_late_bands_are_half_open_and_never_overlap(amounts, expected):
    text = changed("    gates: []\n", BANDS.format(*amounts) + "    gates: []\n")

    if expected is None:
        (spacing,) = protocols.parse_with(text, WORDS).steps[0].spacings
        assert [(str(band.begins), band.ends and str(band.ends)) for band in spacing.late_bands] == [
            amounts[:2],
            (amounts[2], None),
        ]
    else:
        code, path = expected
        assert [(one, where) for one, where, _line in problems(text)] == [(code, f"steps[0].spacings[0].{path}")]


@pytest.mark.parametrize(
    ("gate", "expected"),
    [
        ("horoscope", ("gate_unknown", "")),
        ("horoscope: {at_most: 5}", ("gate_unknown", "")),
        ("{}", ("gate_unreadable", "")),
        ("{outcome: , area: }", ("gate_unreadable", "")),
        ("[outcome]", ("not_a_text", "")),
        ("", ("missing", "")),
        ("yearly_limit", ("gate_parameters_missing", "")),
        ("yearly_limit:", ("gate_parameters_missing", "")),
        ("yearly_limit: {}", ("missing", ".yearly_limit.at_most")),
        ("yearly_limit: 5", ("not_a_mapping", ".yearly_limit")),
        ("yearly_limit: {at_most: five}", ("not_a_number", ".yearly_limit.at_most")),
        ("yearly_limit: {at_most: 0}", ("number_out_of_range", ".yearly_limit.at_most")),
        ("yearly_limit: {at_most: [5]}", ("not_a_text", ".yearly_limit.at_most")),
        ("yearly_limit: {at_most: 5, atmost: 5}", ("field_unknown", ".yearly_limit.atmost")),
        ("review_due: {every: 10 sessions}", ("not_a_number", ".review_due.every")),
        ("season: {from: 05-01}", ("missing", ".season.until")),
        ("season: {from: 1 May, until: 09-30}", ("day_of_year_unreadable", ".season.from")),
        ("season: {from: 05-01, until: 09-31}", ("day_of_year_unreadable", ".season.until")),
        ("season: {from: 05-01, until: 04-30}", ("season_is_the_whole_year", ".season")),
        ("apart: {protocol: lazer_hair_removal, at_least: 2 weeks}", ("protocol_unknown", ".apart.protocol")),
        ("apart: {protocol: peel, at_least: 2 weeks}", ("apart_from_itself", ".apart.protocol")),
        ("apart: {protocol: hepatitis_b, at_least: 14}", ("amount_unreadable", ".apart.at_least")),
        ("apart: {protocol: hepatitis_b, at_least: 0 days}", ("amount_empty", ".apart.at_least")),
        ("apart: {protocol: hepatitis_b, at_least: 1 day, areas: [elbow]}", ("area_unknown", ".apart.areas[0]")),
        ("apart: {protocol: hepatitis_b, at_least: 1 day, areas: leg}", ("not_a_list", ".apart.areas")),
        ("hold", ("gate_always_asked", "")),
        ("late:", ("gate_always_asked", "")),
        ("outcome: {at_most: 5}", ("gate_takes_nothing", ".outcome")),
    ],
)
def test_a_gate_is_known_and_given_what_it_takes_and_nothing_else(gate, expected):
    text = changed("    gates: []\n", f"    gates:\n      - {gate}\n").replace("protocol: peel", "protocol: peel", 1)
    words = dataclasses.replace(WORDS, protocols=WORDS.protocols | {"peel"})

    code, path = expected
    assert problems(text, words) == [(code, f"steps[0].gates[0]{path}", 19)]


APART_ON = "{{apart: {{protocol: hepatitis_b, at_least: 1 day, areas: [{}]}}}}"


@pytest.mark.parametrize(
    ("gates", "at"),
    [
        ("[outcome, outcome]", "gates[1]"),
        ("[{yearly_limit: {at_most: 5}}, {yearly_limit: {at_most: 6}}]", "gates[1]"),
        ("[{season: {from: 05-01, until: 05-02}}, {season: {from: 05-01, until: 05-02}}]", "gates[1]"),
        (f"[{APART_ON.format('leg')}, {APART_ON.format('arm')}, {APART_ON.format('leg')}]", "gates[2]"),
    ],
)
def test_a_gate_is_listed_once(gates, at):
    assert problems(changed("gates: []", f"gates: {gates}")) == [("repeated", f"steps[0].{at}", 18)]


@pytest.mark.parametrize("gate", ["yearly_limit: {at_most: 5}", "review_due: {every: 10}"])
def test_what_counts_treatments_is_asked_of_treatments(gate):
    text = changed("kind: treatment", "kind: follow_up").replace("gates: []", f"gates: [{{{gate}}}]")

    assert problems(text) == [("gate_for_treatments", "steps[0].gates[0]", 18)]


def test_a_step_refers_to_earlier_steps_only():
    later = changed("from: previous", "from: step second", TWO_STEPS)
    itself = changed("from: previous", "from: step peel", SMALL)

    assert problems(later) == [("step_not_earlier", "steps[0].spacings[0].from", 15)]
    # A repeated step may be counted from its own first session.
    assert protocols.parse_with(itself, WORDS).steps[0].spacings[0].counted_from == "step peel"


def test_a_key_stands_for_one_step():
    assert problems(TWO_STEPS.replace("key: second", "key: peel")) == [("repeated", "steps[1]", 19)]


@pytest.mark.parametrize(
    ("addition", "gates", "expected"),
    [
        ("", "[area]", ("gate_without_rule", "areas")),
        ("", "[consent]", ("gate_without_rule", "consent")),
        ("", "[answers]", ("gate_without_rule", "questions")),
        ("areas: [leg]", "[]", ("rule_without_gate", "areas")),
        ("assessment: {valid_for: 1 year}", "[]", ("rule_without_gate", "assessment")),
        ("consent: {at: somewhere, texts: {en: I agree}}", "[consent]", ("choice_unknown", "consent.at")),
        ("consent: {at: visit}", "[consent]", ("missing", "consent.texts")),
        ("consent: {at: visit, scope: visit, texts: {en: I}}", "[consent]", ("choice_unknown", "consent.scope")),
        ("consent: {at: visit, cooling_off: a week, texts: {en: I}}", "[consent]",
         ("amount_unreadable", "consent.cooling_off")),
        ("consent: {at: visit, cooling_off: {amount: 1 week}, texts: {en: I}}", "[consent]",
         ("not_a_text", "consent.cooling_off")),
        ("consent: {at: visit, cooling_off: [{jurisdiction: AU}], texts: {en: I}}", "[consent]",
         ("missing", "consent.cooling_off[0].amount")),
        ("consent: {at: visit, cooling_off: [{amount: 1 day, jurisdiction: Oz}], texts: {en: I}}", "[consent]",
         ("jurisdiction_malformed", "consent.cooling_off[0].jurisdiction")),
        ("consent: {at: visit, cooling_off: [{amount: 1 day, under_age: child}], texts: {en: I}}", "[consent]",
         ("not_a_number", "consent.cooling_off[0].under_age")),
        ("consent: {at: visit, cooling_off: [{amount: 1 day}, {amount: 2 days}], texts: {en: I}}", "[consent]",
         ("repeated", "consent.cooling_off[1]")),
        ("minimum_age: 18 years", "[]", ("not_a_number", "minimum_age")),
        ("minimum_age: 0", "[]", ("number_out_of_range", "minimum_age")),
        ("adult_age: 16", "[]", ("rule_without_gate", "adult_age")),
        ("review_after_sessions: 6", "[]", ("field_unknown", "review_after_sessions")),
        ("consent: {at: visit, texts: {English: x}}", "[consent]", ("language_malformed", "consent.texts.English")),
        ("questions: [{question: shoe_size, severity: ask, valid_days: 1}]", "[answers]",
         ("question_unknown", "questions[0].question")),
        ("questions: [{question: pregnancy, severity: ask, valid_days: 1, override: course}]", "[answers]",
         ("override_without_effect", "questions[0].override")),
        ("questions: [{question: pregnancy, severity: relative, valid_days: 1, override: life}]", "[answers]",
         ("choice_unknown", "questions[0].override")),
        ("questions: [{question: pregnancy, severity: mild, valid_days: 1}]", "[answers]",
         ("choice_unknown", "questions[0].severity")),
        ("questions: [{question: pregnancy, severity: ask, valid_days: 0}]", "[answers]",
         ("number_out_of_range", "questions[0].valid_days")),
        ("questions: [{question: pregnancy, severity: ask, valid_days: 1, refused: [maybe]}]", "[answers]",
         ("answer_unknown", "questions[0].refused[0]")),
        ("questions: [{question: pregnancy, severity: ask, valid_days: 1, refused: [yes, no]}]", "[answers]",
         ("every_answer_refused", "questions[0].refused")),
        ("questions: [{question: pregnancy, severity: ask, valid_days: 1, refused: []}]", "[answers]",
         ("nothing_refused", "questions[0].refused")),
        ("effective_from: 2027-03-01\neffective_to: 2027-02-28", "[]", ("ends_before_it_begins", "effective_to")),
        ("jurisdiction: Britain", "[]", ("jurisdiction_malformed", "jurisdiction")),
        ("follow_ups: [{key: a, name: A, after_step: pel, kind: message, after: 2 weeks}]", "[]",
         ("step_unknown", "follow_ups[0].after_step")),
        ("messages: [{kind: remainder}]", "[]", ("message_kind_unknown", "messages[0].kind")),
        ("messages: [{kind: reminder}]", "[]", ("missing", "messages[0].days_before")),
        ("messages: [{kind: aftercare, days_before: 1}]", "[]", ("days_mean_nothing", "messages[0].days_before")),
        ("messages: [{kind: aftercare, days_after: 1}]", "[]", ("days_mean_nothing", "messages[0].days_after")),
        ("messages: [{kind: recall, only_if_booked_days_ahead: 1}]", "[]",
         ("days_mean_nothing", "messages[0].only_if_booked_days_ahead")),
        ("messages: [{kind: check}]", "[]", ("message_is_a_follow_up", "messages[0].kind")),
        ("messages: [{kind: reminder, days_before: 1}, {kind: reminder, days_before: 1}]", "[]",
         ("repeated", "messages[1]")),
        ("texts: {aftercare: {en: {subject: Hello, body: 'Dear ${nmae}'}}}", "[]",
         ("placeholder_unknown", "texts.aftercare.en.body")),
        ("texts: {aftercare: {en: {subject: 'For ${name}', body: Rest.}}}", "[]",
         ("placeholder_unknown", "texts.aftercare.en.subject")),
    ],
)  # fmt: skip
def test_what_does_not_belong_together_is_refused(addition, gates, expected):
    text = changed("gates: []", f"gates: {gates}") + addition + "\n"

    assert [(code, where) for code, where, _line in problems(text)] == [expected]


def test_a_yearly_limit_is_the_same_for_every_treatment():
    text = changed("gates: []", "gates: [{yearly_limit: {at_most: 5}}]", TWO_STEPS)
    other = text.replace("gates: []", "gates: [{yearly_limit: {at_most: 6}}]")
    same = text.replace("gates: []", "gates: [{yearly_limit: {at_most: 5}}]")

    assert [problems(one) for one in (text, other)] == [[("yearly_limit_differs", "steps", 3)]] * 2
    assert protocols.parse_with(same, WORDS).steps[1].gates == (facts.Gate("yearly_limit", {"at_most": 5}),)


def test_the_first_assessment_does_not_ask_for_one():
    text = changed("kind: treatment", "kind: assessment").replace("gates: []", "gates: [assessment, reflux]")

    assert {code for code, _where, _line in problems(text)} == {"assessment_asks_for_itself"}


# --- what must never be stored ----------------------------------------------------------------------------------------


FIRST_OF_TWO = "steps[0].spacings[0]"

MALFORMED = {
    "a cycle of two": (
        changed("from: previous", "from: step second", TWO_STEPS),
        "step_not_earlier",
        f"{FIRST_OF_TWO}.from",
    ),
    "a step counted from itself": (
        changed("    sessions: 4\n    at_most: 6\n", "").replace("from: previous", "from: step peel"),
        "step_not_earlier",
        f"{FIRST_OF_TWO}.from",
    ),
    "a follow-up of itself": (
        SMALL + "follow_ups: [{key: call, name: Call, after_step: call, kind: call, after: 2 days}]\n",
        "step_unknown",
        "follow_ups[0].after_step",
    ),
    "an unknown step": (changed("from: previous", "from: step primer"), "step_unknown", f"{FIRST_OF_TWO}.from"),
    "an unknown capability": (
        changed("treatment_room}", "moon}"),
        "capability_unknown",
        "steps[0].phases[0].needs.room",
    ),
    "an unknown protocol": (
        changed("gates: []", "gates: [{apart: {protocol: moon, at_least: 1 day}}]"),
        "protocol_unknown",
        "steps[0].gates[0].apart.protocol",
    ),
    "minimum above target": (
        changed("minimum: 2 weeks", "minimum: 4 weeks"),
        "spacing_out_of_order",
        f"{FIRST_OF_TWO}.minimum",
    ),
    "bands that overlap": (
        changed("    gates: []\n", BANDS.format("8 days", "15 days", "14 days") + "    gates: []\n"),
        "late_bands_overlap",
        f"{FIRST_OF_TWO}.late_bands[1]",
    ),
    "months for a device": (changed("minutes: 30", "minutes: 1 month"), "not_a_number", "steps[0].phases[0].minutes"),
    "months around a device": (
        changed("minutes: 30", "minutes: 30\n        buffer_after: 2 months"),
        "not_a_number",
        "steps[0].phases[0].buffer_after",
    ),
    "months as UCUM has them": (
        changed("minimum: 2 weeks", "minimum: 1 mo"),
        "amount_unreadable",
        f"{FIRST_OF_TWO}.minimum",
    ),
    "minutes between sessions": (
        changed("minimum: 2 weeks", "minimum: 90 minutes"),
        "amount_unreadable",
        f"{FIRST_OF_TWO}.minimum",
    ),
    "half a month": (
        changed("minimum: 2 weeks", "minimum: 0.5 months"),
        "amount_unreadable",
        f"{FIRST_OF_TWO}.minimum",
    ),
    "time taken off a month": (
        changed("minimum: 2 weeks", "minimum: 1 month - 2 months"),
        "amount_unreadable",
        f"{FIRST_OF_TWO}.minimum",
    ),
    "an unknown gate": (changed("gates: []", "gates: [horoscope]"), "gate_unknown", "steps[0].gates[0]"),
    "a parameter nobody knows": (
        changed("gates: []", "gates: [{yearly_limit: {at_most: 5, per: month}}]"),
        "field_unknown",
        "steps[0].gates[0].yearly_limit.per",
    ),
    "a parameter left out": (
        changed("gates: []", "gates: [{review_due: {}}]"),
        "missing",
        "steps[0].gates[0].review_due.every",
    ),
    "no key": (changed("protocol: peel", "protocol: ''"), "missing", "protocol"),
    "a date without its lines": (
        changed("from: previous", "from: previous\n        effective_from: 20270101"),
        "date_unreadable",
        f"{FIRST_OF_TWO}.effective_from",
    ),
}


@pytest.mark.django_db
@pytest.mark.parametrize(("text", "code", "path"), MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_protocol_is_refused_with_path_line_and_remedy_and_not_stored(text, code, path):
    with pytest.raises(protocols.ProtocolInvalid) as refused:
        protocols.load(text, by=None, now=NOW)

    found = {problem.code: problem for problem in refused.value.problems}
    assert (found[code].where, found[code].details["line"] > 0, found[code].message.count(".") > 0) == (
        path,
        True,
        True,
    )
    assert not Protocol.objects.exists()
    assert not Capability.objects.exists()
