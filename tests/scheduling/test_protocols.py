"""Protocol files: what they say, what is refused, how versions come to be."""

from __future__ import annotations

import dataclasses
import re
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent, indent

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clinic.errors import NotAllowed
from clinic.models import Role
from patients.models import Area, Question
from scheduling import booking, protocols, roster
from scheduling.models import (
    Capability,
    ConsentText,
    MessageKind,
    MessageText,
    Protocol,
    ProtocolApproval,
    ProtocolVersion,
    RiskRule,
    Spacing,
    VersionState,
)
from scheduling.outbox import placeholders
from scheduling.outbox.policy import ALWAYS, USUAL, Rule
from scheduling.planner import facts
from scheduling.planner.amounts import Amount, DayOfYear
from scheduling.planner.effort import effort
from scheduling.planner.gates import GATES
from scheduling.protocols import agreeing, document, reading
from tests import build

DOCS = Path(__file__).resolve().parents[2] / "docs" / "protocols.md"
NOW = datetime(2027, 1, 4, 8, 0, tzinfo=UTC)
WORDS = protocols.shipped_words()

SMALL = """\
protocol: peel
name: Peel
steps:
  - key: peel
    name: Peel
    kind: treatment
    sessions: 4
    at_most: 6
    lead_role: nurse
    phases:
      - name: Peel
        minutes: 30
        needs: {nurse: vaccination, room: treatment_room}
    spacings:
      - from: previous
        minimum: 2 weeks
        target: 3 weeks
    gates: []
"""


def problems(text: str, words: protocols.Vocabulary = WORDS) -> list[tuple[str, str, int]]:
    """Return code, path and line of everything that is wrong with a file."""
    with pytest.raises(protocols.ProtocolInvalid) as refused:
        protocols.parse_with(text, words)
    assert all(problem.message for problem in refused.value.problems)
    return [(problem.code, problem.where, problem.details["line"]) for problem in refused.value.problems]


def changed(old: str, new: str, text: str = SMALL) -> str:
    assert old in text
    return text.replace(old, new, 1)


# --- reading --------------------------------------------------------------------------------------------------------


def test_a_small_file_says_what_it_says():
    phase = document.Phase("Peel", 30, (document.Need("nurse", "vaccination"), document.Need("room", "treatment_room")))
    spacing = document.Spacing(
        facts.Reference.PREVIOUS, minimum=Amount.parse("2 weeks"), target=Amount.parse("3 weeks")
    )

    assert protocols.parse_with(SMALL, WORDS) == document.Document(
        key="peel",
        name="Peel",
        steps=(
            document.Step(
                key="peel",
                name="Peel",
                kind=facts.StepKind.TREATMENT,
                lead_role="nurse",
                phases=(phase,),
                sessions=4,
                at_most=6,
                spacings=(spacing,),
            ),
        ),
    )


def test_yes_no_and_norway_stay_what_they_are():
    text = (
        SMALL
        + "jurisdiction: NO\nquestions:\n  - {question: pregnancy, severity: ask, valid_days: 09, refused: [no]}\n"
    )

    found = protocols.parse_with(changed("gates: []", "gates: [answers]", text), WORDS)

    assert found.jurisdiction == "NO"
    assert found.questions == (document.RiskRule("pregnancy", facts.Severity.ASK, 9, ("no",)),)


def test_a_region_means_every_area_in_it():
    text = changed("gates: []", "gates: [area]") + "areas: [face, left_knee]\n"

    found = protocols.parse_with(text, WORDS)

    assert found.areas == ("cheeks", "chin", "forehead", "left_knee", "neck", "nose", "upper_lip")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ("not_a_mapping", "", 1)),
        ("- one\n- two\n", ("not_a_mapping", "", 1)),
        ("name: [one\nkey: two\n", ("not_yaml", "", 2)),
        ("name: one\n\tkey: two\n", ("not_yaml", "", 2)),
        ("name: a\x07b\n", ("not_yaml", "", 1)),
        ("name: \ud800\n", ("not_yaml", "", 1)),
        ("name: one\n---\nname: two\n", ("several_documents", "", 2)),
        ("a: &a [x]\nb: [*a, *a]\n", ("alias_not_allowed", "", 1)),
        ("name: !!python/object/apply:os.system [ls]\n", ("tag_not_allowed", "", 1)),
        ("name: " + "[" * 5000 + "]" * 5000, ("too_deep", "", 1)),
        ("name: " + "x" * reading.SIZE_AT_MOST, ("too_large", "", 1)),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_what_is_no_tree_of_values_is_refused_before_anything_else(text, expected):
    assert problems(text) == [expected]


def test_a_name_that_stands_twice_is_refused_with_both_lines():
    with pytest.raises(protocols.ProtocolInvalid) as refused:
        protocols.parse_with(SMALL + "name: Other\n", WORDS)

    (problem,) = refused.value.problems
    assert problem.as_dict() == {
        "code": "field_repeated",
        "message": "“name” stands here twice, first in line 2. Remove one of them.",
        "where": "name",
        "line": 19,
    }


def test_every_problem_is_found_at_once_in_the_order_of_the_file():
    text = """\
protocol: Peel!
steps:
  - key: assessment
    name: "two\\nlines"
    kind: assesment
    sessions: 3
    at_most: 2
    lead_role: doctor
    phases:
      - name: Talk
        minutes: 0
        needs: {nurse: vacination}
    gates: [reflex]
    colour: blue
questions:
  - {question: pregnancy, severity: absolute, valid_days: ten}
areas: [nowhere]
"""

    assert problems(text) == [
        ("missing", "name", 1),
        ("key_malformed", "protocol", 1),
        ("not_one_line", "steps[0].name", 4),
        ("choice_unknown", "steps[0].kind", 5),
        ("sessions_above_at_most", "steps[0].at_most", 7),
        ("lead_role_not_needed", "steps[0].lead_role", 8),
        ("number_out_of_range", "steps[0].phases[0].minutes", 11),
        ("capability_unknown", "steps[0].phases[0].needs.nurse", 12),
        ("gate_unknown", "steps[0].gates[0]", 13),
        ("field_unknown", "steps[0].colour", 14),
        ("rule_without_gate", "questions", 15),
        ("not_a_number", "questions[0].valid_days", 16),
        ("area_unknown", "areas[0]", 17),
        ("rule_without_gate", "areas", 17),
    ]


def test_a_problem_says_what_to_do():
    with pytest.raises(protocols.ProtocolInvalid) as refused:
        protocols.parse_with(changed("nurse: vaccination", "nurse: vacination"), WORDS)

    (problem,) = refused.value.problems
    assert problem.message == (
        "“vacination” is not known here. Did you mean “vaccination”? See “manage.py protocol words”, or add it to a"
        " file of your own words, named together with this one."
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "nurse: vaccination",
            "nurse: photodynamic_therapy",  # a little like physiotherapy, and not meant
            (
                "“photodynamic_therapy” is not known here. See “manage.py protocol words”, or add it to a file of"
                " your own words, named together with this one."
            ),
        ),
        (
            "gates: []",
            "gates: [{apart: {protocol: peeling, at_least: 1 day}}]",
            (
                "“peeling” is not known here. Choose one of: allergy_injections, hepatitis_a, hepatitis_b, "
                "laser_hair_removal, microsclerotherapy, orthodontic_adjustment, physiotherapy, superficial_peel,"
                " tattoo_removal, tca_peel. If it is a file of your own, name it together with this one."
            ),
        ),
        (
            "sessions: 4\n    at_most: 6",
            "at_most: 1",
            (
                "There is no session before the first one. Remove this spacing; or, if the step repeats, write how"
                " often: “sessions: 2”, or “at_most: 6”."
            ),
        ),
        (
            "        needs: {nurse: vaccination, room: treatment_room}\n",
            "        needs: {nurse: vaccination, room: treatment_room}\n      - {name: Rest, minutes: 10}\n",
            "Add “needs: {role: capability}”: whom and what it takes. Write “needs: {}” if that is nobody.",
        ),
        (
            "gates: []\n",
            "gates: []\ntexts: {aftercare: {en: {subject: 'For ${nam}', body: Rest.}}}\n",
            (
                "“${nam}” cannot be filled in here. There are: ${when}, ${date}, ${time}, ${zone}, ${count},"
                " ${kept_until}, ${from_date}, ${sender}."
            ),
        ),
    ],
)
def test_a_problem_says_what_else_may_be_meant(old, new, message):
    with pytest.raises(protocols.ProtocolInvalid) as refused:
        protocols.parse_with(changed(old, new), WORDS)

    assert [problem.message for problem in refused.value.problems] == [message]


# --- what is in doubt -------------------------------------------------------------------------------------------------


def doubts(text: str) -> list[tuple[str, str, int]]:
    _document, found = protocols.parse_and_doubt(text, WORDS)
    assert all(problem.message for problem in found)
    return [(problem.code, problem.where, problem.details["line"]) for problem in found]


def with_text(kind: str, more: str = "", subject: str = "After your visit") -> str:
    return SMALL + f"texts: {{{kind}: {{en: {{subject: {subject}, body: Rest.}}}}}}\n{more}"


BY_ITS_NAME = ("subject_names_treatment", "texts.aftercare.en.subject", 19)
CHECK = "follow_ups: [{key: ask, name: Ask, after_step: peel, kind: message, after: 2 days}]\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (with_text("aftercare"), []),
        (with_text("recall"), []),
        (with_text("aftercare", "messages: [{kind: recall}]\n"), []),  # goes unless it is switched off
        (
            with_text("aftercare", "messages: [{kind: aftercare, sent: no}]\n"),
            [("text_never_sent", "texts.aftercare", 19)],
        ),
        (with_text("recall", "messages: [{kind: confirmation}]\n"), [("text_never_sent", "texts.recall", 19)]),
        (with_text("check"), [("text_never_sent", "texts.check", 19)]),
        (with_text("check", CHECK), []),
        (with_text("check", CHECK.replace("kind: message", "kind: call")), [("text_never_sent", "texts.check", 19)]),
        (with_text("aftercare", subject="After your peel"), [BY_ITS_NAME]),
        (with_text("aftercare", subject="Nach Ihrem Peeling"), [BY_ITS_NAME]),
        (with_text("aftercare", subject="Your appointment").replace("name: Peel\n", "name: Your appointment\n", 1), []),
        (with_text("aftercare", "product: Glycolic acid\n", subject="Glycolic"), [BY_ITS_NAME]),
    ],
)
def test_texts_that_never_go_and_subjects_that_tell_are_doubted(text, expected):
    assert doubts(text) == expected


@pytest.mark.parametrize(
    ("areas", "expected"),
    [
        ("[face, leg]", []),
        ("[forehead, chin]", []),
        ("[face, left_knee, forehead]", [("area_in_region", "areas[2]", 19)]),
    ],
)
def test_an_area_beside_its_region_is_doubted(areas, expected):
    assert doubts(changed("gates: []", "gates: [area]") + f"areas: {areas}\n") == expected


@pytest.mark.parametrize(
    ("lapse", "expected"),
    [
        ("15 days", []),
        ("14 days", [("late_band_after_lapse", "steps[0].spacings[0].late_bands[1]", 20)]),
        ("2 weeks", [("late_band_after_lapse", "steps[0].spacings[0].late_bands[1]", 20)]),
    ],
)
def test_a_late_band_that_begins_when_the_course_has_lapsed_is_doubted(lapse, expected):
    text = changed("minimum: 2 weeks\n        target: 3 weeks", f"minimum: 1 day\n        lapse: {lapse}")
    bands = BANDS.format("8 days", "14 days", "14 days")

    assert doubts(text.replace("    gates: []\n", f"{bands}    gates: []\n")) == expected


@pytest.mark.parametrize("key", protocols.shipped_keys())
def test_nothing_in_a_shipped_file_is_in_doubt(key):
    assert doubts(protocols.shipped(key)) == []


# --- what is refused --------------------------------------------------------------------------------------------------


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


BANDS = """        late_bands:
          - {{from: {0}, until: {1}, action: repeat_step}}
          - {{from: {2}, action: review}}
"""


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


TWO_STEPS = SMALL + SMALL[SMALL.index("  - key") :].replace("key: peel", "key: second")


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


def test_a_vocabulary_file_is_checked_like_a_protocol():
    text = "areas:\n  leg: {name: Leg, region: leg}\nquestions:\n  shoe_size: {text: Shoes?, choices: [a, a]}\n"

    with pytest.raises(protocols.ProtocolInvalid) as refused:
        protocols.parse_vocabulary(text)

    assert [(problem.code, problem.where) for problem in refused.value.problems] == [
        ("choices_too_few", "questions.shoe_size.choices"),
        ("area_is_a_region", "areas.leg"),
    ]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_damaged_file_is_refused_or_read_but_never_breaks_the_reader(data):
    text = protocols.shipped(data.draw(st.sampled_from(protocols.shipped_keys())))
    lines = text.splitlines()
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(lines) - 1))
        lines[at] = data.draw(
            st.sampled_from(["", "  " + lines[at], lines[at][2:], lines[at] + ":", lines[at].replace(": ", ": [", 1)])
            | st.text(max_size=12).map(lambda junk: lines[at][: len(lines[at]) // 2] + junk)  # noqa: B023
        )

    try:
        found = protocols.parse_with("\n".join(lines), WORDS)
    except protocols.ProtocolInvalid:
        return
    assert protocols.parse_with(protocols.write(found), WORDS) == found


# --- the files that are shipped ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", protocols.shipped_keys())
def test_shipped_files_are_in_order_and_read_back_as_the_same(key):
    text = protocols.shipped(key)

    found = protocols.parse_with(text, WORDS)

    assert found.key == key
    assert found.sources
    assert "TO BE APPROVED BY THE CLINIC'S PRESCRIBER" in text
    assert protocols.parse_with(protocols.write(found), WORDS) == found


def test_microsclerotherapy_is_what_the_issue_asks_for():
    found = protocols.parse_with(protocols.shipped("microsclerotherapy"), WORDS)
    assessment, treatment, review = found.steps

    assert (treatment.sessions, treatment.at_most) == (3, 6)
    assert treatment.spacings == (
        document.Spacing(
            facts.Reference.LAST_OF_KIND,
            "treatment",
            floor=Amount.parse("7 days"),
            minimum=Amount.parse("4 weeks"),
            target=Amount.parse("1 month"),
            tolerance_days=3,
            overdue=Amount.parse("12 weeks"),
        ),
    )
    assert treatment.phases == (
        document.Phase(
            "Injections",
            45,
            (document.Need("injector", "sclerotherapy"), document.Need("room", "treatment_room")),
        ),
        document.Phase("Supervised walking", 20, (document.Need("supervisor", "walking_supervision"),)),
    )
    assert treatment.gates == (
        *map(facts.Gate, ("assessment", "reflux", "answers", "area", "consent", "outcome")),
        facts.Gate("review_due", {"every": 6}),
        facts.Gate(
            "apart",
            {"protocol": "laser_hair_removal", "at_least": Amount.parse("2 weeks"), "areas": WORDS.places["leg"]},
        ),
    )
    assert [(step.key, step.kind.value, step.planned_with_course, step.gates) for step in (assessment, review)] == [
        ("assessment", "assessment", False, ()),
        ("final_review", "follow_up", False, ()),
    ]
    places = {area.code: area.region for area in WORDS.areas}
    assert {places[code] for code in found.areas} == {"leg"}
    assert max(rule.valid_days for rule in found.questions) < 28  # asked again before every session
    assert [(rule.kind, rule.days, rule.only_if_booked_days_ahead) for rule in found.messages[:4]] == [
        ("confirmation", 0, None),
        ("preparation", 7, 14),
        ("reminder", 3, None),
        ("reminder", 1, None),
    ]


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


# --- rows -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def prescriber(db):
    return build.user(Role.PRESCRIBER, at=build.site())


@pytest.fixture
def manager(db):
    return build.user(Role.MANAGER, at=build.site())


@pytest.mark.django_db
@pytest.mark.parametrize("key", protocols.shipped_keys())
def test_a_stored_version_is_exported_as_the_same_document(key):
    version = protocols.load(protocols.shipped(key), by=None, now=NOW)

    assert protocols.parse(protocols.export(version)) == protocols.parse(protocols.shipped(key))
    assert (version.number, version.state, version.created_at, version.created_by) == (1, VersionState.DRAFT, NOW, None)


@pytest.mark.django_db
def test_everything_the_language_can_say_survives_being_stored():
    gates = """\
    gates:
      - area
      - consent
      - yearly_limit: {at_most: 5}
      - review_due: {every: 10}
      - season: {from: 05-01, until: 09-30}
      - season: {from: 12-24, until: 01-06}
      - apart: {protocol: laser_hair_removal, at_least: 6 months - 4 days}
      - apart: {protocol: hepatitis_b, at_least: 2 weeks, areas: [groin, chin]}
"""
    text = (
        changed("    gates: []\n", BANDS.format("8 days", "14 days", "14 days") + gates)
        + """\
product: "acid: 10 %"
jurisdiction: GB-SCT
sources: ["one # two", "three"]
effective_from: 2027-01-01
effective_to: 2028-12-31
areas: [face]
minimum_age: 16
adult_age: 21
consent:
  at: visit
  scope: session
  cooling_off:
    - {amount: 1 day}
    - {amount: 7 days, jurisdiction: AU, under_age: 18}
  valid_for: 6 months - 4 days
  texts: {en: "Yes.\\n\\n  I do.", de: Ja}
follow_ups:
  - {key: call, name: Call, after_step: peel, kind: call, after: 2 days}
  - {key: last, name: Ask, after_step: peel, kind: message, after: 1 week, give_or_take_days: 1,
     only_after_last_session: yes}
messages:
  - {kind: finished, days_after: 1}
  - {kind: recall, sent: no}
"""
    )
    text = changed("target: 3 weeks", "target: 3 weeks\n        tolerance_days: 2\n        lapse: 1 year\n"
                   "        only_for_areas: [nose]\n        effective_to: 2027-06-30", text)  # fmt: skip
    text = changed("minutes: 30", "minutes: 30\n        buffer_before: 5\n        buffer_after: 10", text)

    version = protocols.load(text, by=None, now=NOW)

    written = protocols.parse(text)
    assert protocols.document_of(version) == written
    assert protocols.parse(protocols.export(version)) == written
    assert written.consent == document.Consent(
        "visit",
        (facts.CoolingOff(Amount.parse("1 day")), facts.CoolingOff(Amount.parse("7 days"), "AU", 18)),
        Amount.parse("6 months - 4 days"),
        facts.ConsentScope.SESSION,
        (("de", "Ja"), ("en", "Yes.\n\n  I do.")),
    )
    assert written.steps[0].gates[2:] == (
        facts.Gate("yearly_limit", {"at_most": 5}),
        facts.Gate("review_due", {"every": 10}),
        facts.Gate("season", {"from": DayOfYear(5, 1), "until": DayOfYear(9, 30)}),
        facts.Gate("season", {"from": DayOfYear(12, 24), "until": DayOfYear(1, 6)}),
        facts.Gate("apart", {"protocol": "laser_hair_removal", "at_least": Amount.parse("6 months - 4 days")}),
        facts.Gate(
            "apart",
            {
                "protocol": "hepatitis_b",
                "at_least": Amount.parse("2 weeks"),
                "areas": frozenset({"bikini_line", "chin"}),
            },
        ),
    )
    assert roster.protocol_facts(version).steps[0].gates == written.steps[0].gates


@pytest.mark.django_db
def test_nothing_is_stored_when_anything_is_wrong():
    with pytest.raises(protocols.ProtocolInvalid):
        protocols.load(changed("minimum: 2 weeks", "minimum: 4 weeks"), by=None, now=NOW)

    assert not Protocol.objects.exists()
    assert not Capability.objects.exists()


@pytest.mark.django_db
def test_the_same_content_is_the_same_version_and_other_content_a_new_one(prescriber):
    first = protocols.load(SMALL, by=None, now=NOW)

    again = protocols.load("# another comment\n" + changed("2 weeks", "14 days"), by=None, now=NOW)
    second = protocols.load(changed("target: 3 weeks", "target: 4 weeks"), by=None, now=NOW, approve_by=prescriber)

    assert again == first
    assert (second.number, second.state) == (2, VersionState.APPROVED)
    first.refresh_from_db()
    assert (first.number, first.state) == (1, VersionState.DRAFT)
    assert list(Spacing.objects.order_by("id").values_list("target", flat=True)) == ["3 weeks", "4 weeks"]


@pytest.mark.django_db
def test_loading_an_approved_version_again_changes_nothing(prescriber):
    first = protocols.load(SMALL, by=None, now=NOW, approve_by=prescriber)

    again = protocols.load(SMALL, by=None, now=NOW, approve_by=prescriber)

    assert (again, again.state, ProtocolApproval.objects.count()) == (first, VersionState.APPROVED, 1)


@pytest.mark.django_db
def test_another_person_approves_a_version(manager):
    both = build.user(Role.MANAGER, Role.PRESCRIBER, at=build.site())
    other = build.user(Role.PRESCRIBER, at=build.site())
    version = protocols.load(SMALL, by=both, now=NOW)

    with pytest.raises(protocols.ApprovedByItsAuthor) as own:
        protocols.approve(version, by=both, now=NOW)
    with pytest.raises(protocols.ApprovalNeedsPrescriber) as unfit:
        protocols.approve(version, by=manager, now=NOW)
    approved = protocols.approve(version, by=other, now=NOW, note="read")
    with pytest.raises(protocols.NotADraft) as late:
        protocols.approve(version, by=other, now=NOW)

    assert [refused.value.problems[0].code for refused in (own, unfit, late)] == [
        "approved_by_its_author",
        "approval_needs_prescriber",
        "not_a_draft",
    ]
    assert approved.state == VersionState.APPROVED
    assert list(ProtocolApproval.objects.values_list("version", "by", "at", "note")) == [
        (version.pk, other.pk, NOW, "read")
    ]


@pytest.mark.django_db
def test_a_draft_whose_author_would_approve_it_is_not_stored_either():
    both = build.user(Role.MANAGER, Role.PRESCRIBER, at=build.site())

    with pytest.raises(protocols.ApprovedByItsAuthor):
        protocols.load(SMALL, by=both, now=NOW, approve_by=both)

    assert not ProtocolVersion.objects.exists()


@pytest.mark.django_db
def test_a_retired_version_starts_no_course_and_those_that_run_go_on(clinic):
    running = clinic.cleared_course()

    retired = protocols.retire(clinic.version, by=clinic.prescriber, now=clinic.now, reason="A newer label\ncame out.")

    assert (retired.state, retired.retired_at, retired.retired_by, retired.retire_reason) == (
        VersionState.RETIRED,
        clinic.now,
        clinic.prescriber,
        "A newer label came out.",
    )
    with pytest.raises(booking.NotStartable) as refused:
        clinic.course()
    assert [problem.code for problem in refused.value.problems] == ["protocol_not_usable"]
    assert len(clinic.book(running)) == 3


@pytest.mark.django_db
def test_a_version_is_retired_once_by_a_prescriber_who_says_why(prescriber, manager):
    version = protocols.load(SMALL, by=None, now=NOW, approve_by=prescriber)

    with pytest.raises(protocols.RetirementNeedsPrescriber) as unfit:
        protocols.retire(version, by=manager, now=NOW, reason="Old")
    with pytest.raises(protocols.RetirementNeedsReason) as dumb:
        protocols.retire(version, by=prescriber, now=NOW, reason=" \n")
    protocols.retire(version, by=prescriber, now=NOW, reason="Old")
    with pytest.raises(protocols.AlreadyRetired) as again:
        protocols.retire(version, by=prescriber, now=NOW, reason="Old")
    with pytest.raises(protocols.NotADraft):
        protocols.approve(version, by=prescriber, now=NOW)

    assert [refused.value.problems[0].code for refused in (unfit, dumb, again)] == [
        "retirement_needs_prescriber",
        "retirement_needs_reason",
        "already_retired",
    ]


@pytest.mark.django_db
def test_loading_what_was_retired_makes_a_new_version(prescriber):
    first = protocols.load(SMALL, by=None, now=NOW, approve_by=prescriber)
    protocols.retire(first, by=prescriber, now=NOW, reason="By mistake")

    again = protocols.load(SMALL, by=None, now=NOW)

    assert (again.number, again.state) == (2, VersionState.DRAFT)


@pytest.mark.django_db
def test_a_receptionist_loads_nothing():
    with pytest.raises(NotAllowed) as refused:
        protocols.load(SMALL, by=build.user(Role.RECEPTION, at=build.site()), now=NOW)

    assert refused.value.problems[0].code == "load_needs_manager"
    assert not Protocol.objects.exists()


@pytest.mark.django_db
def test_only_the_words_that_are_missing_are_stored():
    Question.objects.create(code="pregnancy", text="Our own words?", choices=["no", "yes", "unsure"])
    text = changed("gates: []", "gates: [area, answers]") + (
        "areas: [nose]\nquestions: [{question: pregnancy, severity: ask, valid_days: 3, refused: [yes, unsure]}]\n"
    )

    protocols.load(text, by=None, now=NOW)

    assert list(Question.objects.values_list("code", "text")) == [("pregnancy", "Our own words?")]
    assert list(Area.objects.values_list("code", "side", "region")) == [("nose", "", "face")]
    assert list(Capability.objects.order_by("code").values_list("code", "name")) == [
        ("treatment_room", "Treatment room"),
        ("vaccination", "Vaccinates"),
    ]
    assert RiskRule.objects.get().refused_answers == ["unsure", "yes"]


@pytest.mark.django_db
def test_the_whole_vocabulary_is_stored_by_code_and_may_be_stored_again():
    protocols.load_vocabulary_file()
    protocols.load_vocabulary_file()
    protocols.load_vocabulary_file("areas: {nose: {name: Nose and bridge, region: face}}")

    assert Question.objects.count() == len(WORDS.questions)
    assert Area.objects.get(code="nose").name == "Nose and bridge"
    assert Question.objects.get(code="pregnancy").text_in("de") == "Sind Sie schwanger oder könnten Sie es sein?"


def _wording(version: ProtocolVersion) -> str:
    consent = protocols.document_of(version).consent
    return dict(consent.texts)["en"] if consent else ""


CONSENT = "consent: {{at: visit, texts: {{en: {0}, de: {1}}}}}\n"


@pytest.mark.django_db
def test_the_wording_of_a_draft_is_offered_with_the_draft_alone():
    base = changed("gates: []", "gates: [consent]")
    first = protocols.load(base + CONSENT.format("I agree", "Ja"), by=None, now=NOW)
    second = protocols.load(base.replace("3 weeks", "5 weeks") + CONSENT.format("I agree", "Ja"), by=None, now=NOW)
    third = protocols.load(base + CONSENT.format("I do agree", "Ja"), by=None, now=NOW)

    wording = [[(t.language, t.number, t.body) for t in protocols.consent_texts_of(v)] for v in (first, second, third)]

    assert wording == [
        [("de", 1, "Ja"), ("en", 1, "I agree")],
        [("de", 1, "Ja"), ("en", 1, "I agree")],
        [("de", 3, "Ja"), ("en", 3, "I do agree")],
    ]
    assert ConsentText.objects.count() == 4
    assert [_wording(v) for v in (first, third)] == ["I agree", "I do agree"]


@pytest.mark.django_db
def test_message_texts_are_stored_once_and_never_replaced():
    text = SMALL + "texts: {aftercare: {en: {subject: After, body: Rest.}}}\n"
    version = protocols.load(text, by=None, now=NOW)
    MessageText.objects.update(body="Rest well.\n")

    again = protocols.load(text, by=None, now=NOW)

    assert again == version
    assert list(MessageText.objects.values_list("kind", "language", "protocol__key", "subject", "body")) == [
        ("aftercare", "en", "peel", "After", "Rest well.\n")
    ]
    assert protocols.document_of(version).texts == (document.MessageWords("aftercare", "en", "After", "Rest well."),)


@pytest.mark.django_db
def test_reading_a_version_takes_the_same_number_of_queries_for_one_step_and_for_two():
    counts = []
    for text in (SMALL, TWO_STEPS.replace("protocol: peel", "protocol: peels")):
        version = protocols.load(text, by=None, now=NOW)
        with CaptureQueriesContext(connection) as queries:
            protocols.document_of(version)
        counts.append(len(queries))

    assert counts[0] == counts[1]


def test_the_examples_in_the_docs_are_in_order_and_the_long_one_is_the_file_that_is_shipped():
    blocks = [block.split("```")[0] for block in DOCS.read_text("utf-8").split("```yaml\n")[1:]]
    small, words, whole = blocks

    assert protocols.parse_with(small, WORDS).key == "fruit_acid_peel"
    assert protocols.parse_vocabulary(words).choices == {
        "metal_implant": ("no", "yes"),
        "skin_type": ("light", "medium", "dark"),
    }
    assert whole == protocols.shipped("microsclerotherapy")


def test_the_docs_name_every_gate_and_every_late_action():
    told = DOCS.read_text("utf-8")

    listed = [name for name, kind in GATES.items() if not kind.always]
    assert [name for name in (*listed, *facts.LateAction) if f"`{name}" not in told] == []


def test_the_docs_name_every_shipped_protocol_placeholder_and_message():
    told = DOCS.read_text("utf-8")

    names = [*protocols.shipped_keys(), *MessageKind.values, *(f"${{{name}}}" for name in placeholders.PLACEHOLDERS)]
    assert [name for name in names if f"`{name}`" not in told] == []
    assert {name for name in placeholders.PLACEHOLDERS if f"`${{{name}}}`†" in told} == placeholders.SUBJECT


def test_the_docs_say_which_messages_are_usual():
    rows = [row.split(" | ") for row in DOCS.read_text("utf-8").splitlines() if row.startswith("| `")]
    said = {kind: cells[-1].removesuffix(" |") for cells in rows for kind in re.findall(r"`(\w+)`", cells[0])}

    assert {kind for kind in MessageKind.values if said.get(kind) == "always"} == ALWAYS
    usual = {kind: said[kind] for kind in USUAL}
    assert usual == {
        "preparation": "7 days before, if booked more than 14 days ahead",
        "reminder": "3 days and 1 day before",
        "recall": "yes",
        "overdue": "yes",
        "finished": "yes",
    }
    assert (USUAL["preparation"], USUAL["reminder"]) == ((Rule(7, 14),), (Rule(3), Rule(1)))


def test_the_pieces_of_files_in_the_docs_are_in_order():
    """Pieces that are indented in the docs: put where they belong, they are read."""
    told = DOCS.read_text("utf-8")
    pieces = [
        dedent(block)
        for block in re.findall(r"(?:^    [^\n]*\n)+", told, re.MULTILINE)
        if block.lstrip().startswith(("spacings:", "gates:", "cooling_off:"))
    ]
    spacings, gates, cooling_off = (next(p for p in pieces if p.startswith(w)) for w in ("spac", "gates", "cool"))
    consent = "consent:\n  at: visit\n  texts: {en: I agree}\n" + indent(cooling_off, "  ")
    text = changed("    gates: []\n", indent(gates, "    ").replace("- outcome", "- consent"))
    text = text[: text.index("    spacings:")] + indent(spacings, "    ") + text[text.index("    gates:") :] + consent

    found = protocols.parse_with(text, WORDS)

    assert [band.action for band in found.steps[0].spacings[0].late_bands] == ["repeat_step", "shorten", "review"]
    assert [gate.name for gate in found.steps[0].gates] == ["assessment", "consent", "yearly_limit"]
    assert found.consent is not None
    assert [wait.under_age for wait in found.consent.cooling_off] == [None, 18]
