"""The clinic's questions, areas and complications."""

from __future__ import annotations

import pytest

from clinic.errors import RuleBroken
from patients import records
from patients.models import Area, Complication, Question

from .conftest import problems_of


def test_a_vocabulary_is_added_and_changed_by_code_and_nothing_is_taken_away(db):
    leg = {"code": "left_calf", "name": "Left calf", "side": "left", "region": "leg"}
    records.load_vocabulary(
        questions=[{"code": "pregnancy", "text": "Pregnant?", "choices": ["no", "yes"]}],
        areas=[leg, {"code": "face", "name": "Face", "region": "face"}],
        complications=[{"code": "matting", "name": "Matting"}],
    )
    kept = Question.objects.get().pk

    records.load_vocabulary(
        questions=[
            {
                "code": "pregnancy",
                "text": "Could you be pregnant?",
                "choices": ["no", "yes"],
                "texts": {"de": "Schwanger?"},
            }
        ],
        areas=[leg | {"name": "Calf, left"}],
        complications=[{"code": "bruising", "name": "Bruising", "is_expected": True}],
    )

    question = Question.objects.get()
    assert (question.pk, question.text, question.text_in("de"), question.text_in("fr")) == (
        kept,
        "Could you be pregnant?",
        "Schwanger?",
        "Could you be pregnant?",
    )
    assert sorted(Area.objects.values_list("code", "name", "side")) == [
        ("face", "Face", ""),
        ("left_calf", "Calf, left", "left"),
    ]
    assert list(Complication.objects.values_list("code", "is_expected")) == [("bruising", True), ("matting", False)]


def test_everything_wrong_with_a_vocabulary_is_said_at_once(db):
    with pytest.raises(RuleBroken) as refusal:
        records.load_vocabulary(
            questions=[
                {"code": "not a slug", "text": "", "choices": []},
                {"code": "a", "text": "A?", "choices": ["yes", "yes"], "texts": {"?": "A", "de": "A"}},
                {"code": "a", "text": "A?", "choices": "yes", "texts": {"de": 1}, "colour": "red"},
            ],
            areas=[{"code": "leg", "name": "Leg", "side": "top", "region": "leg"}],
            complications=[{"code": "x", "name": "x" * 121}],
        )

    assert problems_of(refusal.value) == [
        ("choices_malformed", "questions.1.choices"),
        ("choices_malformed", "questions.2.choices"),
        ("code_twice", "questions"),
        ("field_unknown", "questions.2.colour"),
        ("invalid", "questions.0.code"),
        ("missing", "questions.0.choices"),
        ("missing", "questions.0.text"),
        ("not_a_language", "questions.1.texts.?"),
        ("texts_malformed", "questions.2.texts"),
        ("too_long", "complications.0.name"),
        ("unknown_choice", "areas.0.side"),
    ]
    assert Question.objects.count() == Area.objects.count() == 0
