"""Protocol files: what they say, and that every problem is found and says what to do."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scheduling import protocols
from scheduling.planner import facts
from scheduling.planner.amounts import Amount
from scheduling.protocols import document, reading

from .protocol_files import SMALL, WORDS, changed, problems


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
