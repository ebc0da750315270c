"""What is allowed in a protocol file, and probably not meant."""

from __future__ import annotations

import pytest

from scheduling import protocols

from .protocol_files import BANDS, SMALL, WORDS, changed


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
