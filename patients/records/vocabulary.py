"""The words that records are told in: questions, areas, complications."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import models, transaction
from django.utils.translation import gettext as _

from clinic.errors import Problem, RuleBroken
from clinic.wellformed import field_names, field_problems, language_problems, longest_text, tidy, twice_problems
from patients.models import Answer, Area, Complication, Question


@transaction.atomic
def load_vocabulary(
    questions: Iterable[Mapping[str, Any]] = (),
    areas: Iterable[Mapping[str, Any]] = (),
    complications: Iterable[Mapping[str, Any]] = (),
) -> None:
    """Add what is new and change what is known, by code; nothing is taken away, since records point at it.

    The keys are the fields: question (code, text, texts, choices), area (code, name, side, region), complication
    (code, name, is_expected). Raises RuleBroken with everything that is malformed, as `questions.0.text`.
    """
    problems: list[Problem] = []
    question_rows = _read_entries(Question, questions, "questions", problems)
    area_rows = _read_entries(Area, areas, "areas", problems)
    complication_rows = _read_entries(Complication, complications, "complications", problems)
    if problems:
        raise RuleBroken(*problems)
    _upsert(Question.objects, question_rows, ["text", "texts", "choices"])
    _upsert(Area.objects, area_rows, ["name", "side", "region"])
    _upsert(Complication.objects, complication_rows, ["name", "is_expected"])


def _upsert(table: models.Manager[Any], rows: list[Any], names: list[str]) -> None:
    rows.sort(key=lambda row: str(row.code))  # one order of locks, whoever loads at the same time
    table.bulk_create(rows, update_conflicts=True, unique_fields=["code"], update_fields=names)


def _read_entries(
    model: type[models.Model], entries: Iterable[Mapping[str, Any]], where: str, problems: list[Problem]
) -> list[Any]:
    known = field_names(model) - {"id"}
    rows: list[Any] = []
    for at, entry in enumerate(entries):
        path = f"{where}.{at}"
        problems += [
            Problem("field_unknown", _("There is no such field here: take it away."), f"{path}.{name}")
            for name in sorted(entry.keys() - known)
        ]
        row = model(**{name: tidy(entry[name]) for name in entry.keys() & known})
        problems += field_problems(row, where=path)
        if isinstance(row, Question):
            problems += _question_problems(row, path)
        rows.append(row)
    problems += twice_problems([row.code for row in rows], where, "code_twice")
    return rows


def _question_problems(question: Question, where: str) -> list[Problem]:
    """Choices are codes that fit an answer; other languages are texts by language."""
    problems = []
    choices = question.choices
    longest = longest_text(Answer, "value")
    if (
        not isinstance(choices, list)
        or not all(isinstance(one, str) and 0 < len(one) <= longest for one in choices)
        or len(set(choices)) != len(choices)
    ):
        problems.append(
            Problem("choices_malformed", _("List the answers as short codes, each once."), f"{where}.choices")
        )
    texts = question.texts
    if not isinstance(texts, dict) or not all(isinstance(one, str) and one for one in texts.values()):
        problems.append(Problem("texts_malformed", _("Give the question's text for each language."), f"{where}.texts"))
    else:
        problems += [one for code in texts for one in language_problems(code, f"{where}.texts.{code}")]
    return problems
