"""Reads a whole file, and sees that its parts agree."""

from __future__ import annotations

from clinic.errors import Problem
from scheduling.planner.facts import ADULT_AGE
from scheduling.protocols.agreeing import doubt_texts, refuse_what_does_not_agree
from scheduling.protocols.document import Document
from scheduling.protocols.reading import ProtocolInvalid, Value, read
from scheduling.protocols.vocabulary import Vocabulary

from .conditions import read_assessment, read_consent, read_risk_rule
from .messages import read_follow_up, read_message_rule, read_texts
from .parts import OLDEST_AGE, days_in_effect, read_areas, read_each, read_jurisdiction
from .steps import read_steps


def parse(text: str, words: Vocabulary) -> Document:
    """Return what a protocol file says, or raise ProtocolInvalid with all that is wrong, in the file's order."""
    document, _doubts = parse_and_doubt(text, words)
    return document


def parse_and_doubt(text: str, words: Vocabulary) -> tuple[Document, tuple[Problem, ...]]:
    """Return what a protocol file says, and what in it is well written and hardly meant; raise as `parse` does."""
    file = read(text)
    document = _document(file, words)
    if file.problems:
        raise ProtocolInvalid(*sorted(file.problems, key=_line))
    if document is None:
        raise AssertionError("a file without a problem is a document")
    doubt_texts(file, document)
    return document, tuple(sorted(file.doubts, key=_line))


def _line(problem: Problem) -> int:
    return int(problem.details["line"])


def _document(file: Value, words: Vocabulary) -> Document | None:
    top = file.fields(
        "protocol", "name", "product", "jurisdiction", "sources", "effective_from", "effective_to", "areas",
        "minimum_age", "adult_age", "assessment", "consent", "questions", "steps", "follow_ups", "messages", "texts",
        required=["protocol", "name", "steps"],
    )  # fmt: skip
    if top is None:
        return None
    steps = read_steps(top["steps"], top["protocol"].peek_text(), words)
    effective_from, effective_to = days_in_effect(top)
    document = Document(
        key=top["protocol"].key(),
        name=top["name"].words(120),
        steps=steps,
        product=top["product"].words(120),
        jurisdiction=read_jurisdiction(top["jurisdiction"]),
        sources=tuple(item.words(500) for item in top["sources"].items()),
        effective_from=effective_from,
        effective_to=effective_to,
        areas=read_areas(top["areas"], words),
        minimum_age=top["minimum_age"].optional_number(1, OLDEST_AGE),
        adult_age=top["adult_age"].number(1, OLDEST_AGE, default=ADULT_AGE),
        assessment=read_assessment(top["assessment"]),
        consent=read_consent(top["consent"]),
        questions=read_each(top["questions"], lambda item: read_risk_rule(item, words), lambda rule: rule.question),
        follow_ups=read_each(
            top["follow_ups"], lambda item: read_follow_up(item, steps), lambda follow_up: follow_up.key
        ),
        messages=read_each(top["messages"], read_message_rule, lambda rule: f"{rule.kind} {rule.days or ''}".strip()),
        texts=read_texts(top["texts"]),
    )
    refuse_what_does_not_agree(top, document)
    return document
