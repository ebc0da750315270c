"""Reads what every session of a protocol asks for: assessment, consent, and the questions of risk."""

from __future__ import annotations

from django.utils.translation import gettext as _

from scheduling.planner.facts import ConsentScope, CoolingOff, OverrideScope, Severity
from scheduling.protocols.document import Assessment, Consent, RiskRule
from scheduling.protocols.reading import Value
from scheduling.protocols.vocabulary import Vocabulary

from .parts import DAYS_AT_MOST, OLDEST_AGE, PLACEHOLDER, own_words, read_each, read_jurisdiction, read_languages

CONSENT_AT = ("booking", "visit")


def read_assessment(value: Value) -> Assessment:
    top = value.fields("valid_for", "cooling_off") if value.is_there else None
    return Assessment(top["valid_for"].amount(), top["cooling_off"].amount()) if top else Assessment()


def read_consent(value: Value) -> Consent | None:
    names = ("at", "scope", "cooling_off", "valid_for", "texts")
    top = value.fields(*names, required=["at", "texts"]) if value.is_there else None
    if top is None:
        return None
    texts = read_languages(top["texts"])
    return Consent(
        top["at"].choice(CONSENT_AT) or "booking",
        _cooling_off(top["cooling_off"]),
        top["valid_for"].amount(),
        top["scope"].choice(ConsentScope) or ConsentScope.COURSE,
        tuple(sorted((language, text.text(100_000)) for language, text in texts.items())),
    )


def _cooling_off(value: Value) -> tuple[CoolingOff, ...]:
    """Read an amount, or a list of amounts with the places and ages that they are for."""
    if not value.is_list:
        amount = value.amount()
        return (CoolingOff(amount),) if amount is not None else ()
    return read_each(
        value, _wait, lambda wait: f"{wait.jurisdiction} {wait.under_age or ''}".strip() or _("everywhere")
    )


def _wait(value: Value) -> CoolingOff | None:
    top = value.fields("amount", "jurisdiction", "under_age", required=["amount"])
    if top is None:
        return None
    return CoolingOff(
        top["amount"].amount() or PLACEHOLDER,
        read_jurisdiction(top["jurisdiction"]),
        top["under_age"].optional_number(1, OLDEST_AGE),
    )


def read_risk_rule(value: Value, words: Vocabulary) -> RiskRule | None:
    top = value.fields(
        "question", "severity", "valid_days", "refused", "override", "source",
        required=["question", "severity", "valid_days"],
    )  # fmt: skip
    if top is None:
        return None
    question = top["question"].choice(words.choices, "question_unknown", own_words()) or ""
    choices = words.choices.get(question, ())
    refused = read_each(top["refused"], lambda item: item.choice(choices, "answer_unknown") if choices else "", str)
    if not top["refused"].is_there:
        refused = ("yes",)
        if choices and "yes" not in choices:
            message = _("Add “refused:” with the answers that close the gate, of: %(choices)s.")
            value.refuse("missing", message % {"choices": ", ".join(choices)})
    elif not top["refused"].items():
        top["refused"].refuse("nothing_refused", _("Name an answer that closes the gate, or remove the question."))
    if choices and set(choices) <= set(refused):
        top["refused"].refuse("every_answer_refused", _("Nobody could ever pass. Leave out the answer that is fine."))
    severity = top["severity"].choice(Severity) or Severity.ABSOLUTE
    override = top["override"].choice(OverrideScope) if top["override"].is_there else None
    if override and severity is not Severity.RELATIVE:
        top["override"].refuse(
            "override_without_effect", _("Only an answer of severity “relative” is overridden. Remove this line.")
        )
    return RiskRule(
        question,
        severity,
        top["valid_days"].number(1, DAYS_AT_MOST, default=1),
        tuple(sorted(refused)),
        top["source"].words(300),
        OverrideScope(override or OverrideScope.SESSION),
    )
