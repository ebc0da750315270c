"""Checks a protocol file as a whole: parts that are each well written and do not agree with each other."""

from __future__ import annotations

import re
from functools import cache

from django.utils.translation import gettext as _

from scheduling.models import FollowUp, MessageKind
from scheduling.outbox.policy import Rule, policy_from
from scheduling.outbox.texts import shipped as shipped_texts
from scheduling.planner import facts
from scheduling.planner.effort import effort
from scheduling.planner.facts import StepKind

from .document import Document, Step
from .reading import Value

LETTERS = re.compile(r"[^\W\d_]{4,}")  # shorter words tell little


def refuse_what_does_not_agree(top: dict[str, Value], document: Document) -> None:
    """Refuse gates without what they ask, limits that differ, and spacings that no plan could remember."""
    _nothing_is_asked_in_vain(top, document)
    _a_year_is_limited_once(top, document)
    _can_be_planned(top, document)


def _nothing_is_asked_in_vain(top: dict[str, Value], document: Document) -> None:
    """Refuse a gate without what it asks, and what is written down for a gate that no step lists."""
    pairs = (("areas", "area"), ("consent", "consent"), ("questions", "answers"))
    listed = {gate.name for step in document.steps for gate in step.gates}
    for section, gate in pairs:
        if gate in listed and not top[section].is_there:
            message = _("A step lists the gate “%(gate)s”, but there is nothing it could ask. Add “%(section)s:”.")
            top[section].refuse("gate_without_rule", message % {"gate": gate, "section": section})
        if top[section].is_there and gate not in listed:
            message = _("No step lists the gate “%(gate)s”, so this would never be asked. Add it to the steps' gates.")
            top[section].refuse("rule_without_gate", message % {"gate": gate})
    for section, gate in (("assessment", "assessment"), ("adult_age", "consent")):
        if top[section].is_there and gate not in listed:
            message = _("No step lists the gate “%(gate)s”, so this would never be asked. Add it to the steps' gates.")
            top[section].refuse("rule_without_gate", message % {"gate": gate})


def _a_year_is_limited_once(top: dict[str, Value], document: Document) -> None:
    """Refuse a limit on some of the treatments: all of them count, so it must be the same for all."""
    limits = {
        next((gate.parameters.get("at_most") for gate in step.gates if gate.name == "yearly_limit"), None)
        for step in document.steps
        if step.kind is StepKind.TREATMENT
    }
    if len(limits) > 1:
        message = _("Every treatment counts in “yearly_limit”. List it with the same “at_most” in each treatment step.")
        top["steps"].refuse("yearly_limit_differs", message)


def _can_be_planned(top: dict[str, Value], document: Document) -> None:
    """Refuse spacings of which a plan would have to remember more than the planner can (`planner.effort`)."""
    most = effort([as_planned(step) for step in document.steps for _number in range(step.sessions)])
    if most.is_bounded:
        return
    message = _(
        "Plans would have to remember %(dates)d dates at once, which takes too long. Count this spacing from"
        " “previous”, or give the sessions since then a “minimum:” and a “lapse:” that are near each other."
    )
    step = next(item for item in top["steps"].items() if item.peek("key") == most.step)
    (step.entries() or {})["spacings"].items()[most.spacing].refuse(
        "too_much_to_remember", message % {"dates": most.dates}
    )


def as_planned(step: Step) -> facts.Step:
    """Return what the planner must know of a step to say how much there is to remember."""
    spacings = tuple(
        facts.Spacing(
            reference=one.reference,
            reference_key=one.reference_key,
            floor=one.floor,
            minimum=one.minimum,
            lapse=one.lapse,
            areas=frozenset(one.areas),
            effective_from=one.effective_from,
            effective_to=one.effective_to,
        )
        for one in step.spacings
    )
    return facts.Step(step.key, step.name, step.kind, (), step.lead_role, spacings, (), step.planned_with_course)


def doubt_texts(file: Value, document: Document) -> None:
    """Doubt texts that are never sent, and subjects that name the treatment to whoever sees the inbox."""
    policy = policy_from((rule.kind, Rule() if rule.sent else None) for rule in document.messages)
    has_checks = any(follow_up.kind == FollowUp.Kind.MESSAGE for follow_up in document.follow_ups)
    telling = _telling_words(f"{document.key} {document.name} {document.product}") - _neutral_words()
    for kind, group in _groups(file, "texts"):
        if not (has_checks if kind == MessageKind.CHECK else policy.of(kind)):
            message = _("No message of this kind is sent. Add it under “messages:” (“follow_ups:” for a check).")
            group.doubt("text_never_sent", message)
        for _language, words in _groups(group):
            for name, subject in _groups(words):
                told = _telling_words(subject.peek_text()) if name == "subject" else set()
                if named := sorted(word for word in told if any(word.startswith(one) for one in telling)):
                    message = _("“%(word)s” tells whoever sees the inbox what is treated. Say it in the body.")
                    subject.doubt("subject_names_treatment", message % {"word": named[0]})


def _groups(value: Value, name: str = "") -> list[tuple[str, Value]]:
    """Return what stands in a group, or in one that it holds; of a file that is in order."""
    entries = (value.entries() if value.is_group else {}) or {}
    if not name:
        return list(entries.items())
    return _groups(entries[name]) if name in entries else []


def _telling_words(text: str) -> set[str]:
    return set(LETTERS.findall(text.lower()))


@cache
def _neutral_words() -> frozenset[str]:
    """The words of the subjects that are sent for every protocol."""
    return frozenset(
        word
        for language in shipped_texts().values()
        for text in language.texts.values()
        for word in _telling_words(text.subject)
    )
