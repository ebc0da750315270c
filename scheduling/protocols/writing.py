"""Writes a document as the file that reads back as the same document."""

from __future__ import annotations

from typing import Any

import yaml

from scheduling.planner.facts import ADULT_AGE, ConsentScope, CoolingOff, Gate, LateBand, OverrideScope

from .document import Document, MessageRule, Phase, RiskRule, Spacing, Step

LINE_LENGTH = 110


class _Dumper(yaml.SafeDumper):
    """YAML as a person would write it: texts of several lines as blocks, short lists on one line."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, indentless=False)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


def _codes(dumper: yaml.SafeDumper, codes: tuple[str, ...]) -> yaml.SequenceNode:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", codes, flow_style=True)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(tuple, _codes)


def write(document: Document, heading: str = "") -> str:
    """Return the YAML of a document; the heading's lines become comments."""
    comment = "".join(f"# {line}".rstrip() + "\n" for line in heading.splitlines())
    return comment + yaml.dump(
        as_written(document), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=LINE_LENGTH
    )


def as_written(document: Document) -> dict[str, Any]:
    """Return a document as the tree of its file: plain texts and numbers, what is blank left out."""
    tree: dict[str, Any] = _without_blanks(_top(document))
    return tree


def _top(document: Document) -> dict[str, Any]:
    consent = document.consent
    texts: dict[str, dict[str, Any]] = {}
    for text in document.texts:
        texts.setdefault(text.kind, {})[text.language] = {"subject": text.subject, "body": text.body}
    return {
        "protocol": document.key,
        "name": document.name,
        "product": document.product,
        "jurisdiction": document.jurisdiction,
        "sources": list(document.sources),
        "effective_from": document.effective_from,
        "effective_to": document.effective_to,
        "areas": document.areas,
        "minimum_age": document.minimum_age,
        "adult_age": None if document.adult_age == ADULT_AGE else document.adult_age,
        "assessment": {
            "valid_for": document.assessment.valid_for,
            "cooling_off": document.assessment.cooling_off,
        },
        "consent": consent
        and {
            "at": consent.at,
            "scope": None if consent.scope is ConsentScope.COURSE else consent.scope,
            "cooling_off": _cooling_off(consent.cooling_off),
            "valid_for": consent.valid_for,
            "texts": dict(consent.texts),
        },
        "questions": [_risk_rule(rule) for rule in document.questions],
        "steps": [_step(step) for step in document.steps],
        "follow_ups": [
            {
                "key": follow_up.key,
                "name": follow_up.name,
                "after_step": follow_up.after_step,
                "kind": follow_up.kind,
                "after": follow_up.after,
                "give_or_take_days": follow_up.give_or_take_days or None,
                "only_after_last_session": "yes" if follow_up.only_after_last_session else None,
            }
            for follow_up in document.follow_ups
        ],
        "messages": [_message_rule(rule) for rule in document.messages],
        "texts": texts,
    }


def _risk_rule(rule: RiskRule) -> dict[str, Any]:
    return {
        "question": rule.question,
        "severity": rule.severity,
        "valid_days": rule.valid_days,
        "refused": rule.refused,
        "override": rule.override if rule.override is OverrideScope.COURSE else None,
        "source": rule.source,
    }


def _step(step: Step) -> dict[str, Any]:
    return {
        "key": step.key,
        "name": step.name,
        "kind": step.kind,
        "sessions": step.sessions,
        "at_most": step.at_most,
        "planned_with_course": None if step.planned_with_course else "no",
        "lead_role": step.lead_role,
        "phases": [_phase(phase) for phase in step.phases],
        "spacings": [_spacing(spacing) for spacing in step.spacings],
        "gates": _gates(step.gates),
    }


def _phase(phase: Phase) -> dict[str, Any]:
    return {
        "name": phase.name,
        "minutes": phase.minutes,
        "buffer_before": phase.buffer_before or None,
        "buffer_after": phase.buffer_after or None,
        "needs": {need.role: need.capability for need in phase.needs},
    }


def _spacing(spacing: Spacing) -> dict[str, Any]:
    return {
        "from": spacing.counted_from,
        "floor": spacing.floor,
        "minimum": spacing.minimum,
        "target": spacing.target,
        "tolerance_days": spacing.tolerance_days or None,
        "overdue": spacing.overdue,
        "lapse": spacing.lapse,
        "only_for_areas": spacing.areas,
        "late_bands": [_late_band(band) for band in spacing.late_bands],
        "effective_from": spacing.effective_from,
        "effective_to": spacing.effective_to,
    }


def _gates(gates: tuple[Gate, ...]) -> Any:
    """Names on one line; one below the other when some have parameters."""
    if not any(gate.parameters for gate in gates):
        return tuple(gate.name for gate in gates)
    return [{gate.name: dict(gate.parameters)} if gate.parameters else gate.name for gate in gates]


def _cooling_off(waits: tuple[CoolingOff, ...]) -> Any:
    if len(waits) == 1 and waits[0] == CoolingOff(waits[0].amount):
        return waits[0].amount
    return [{"amount": wait.amount, "jurisdiction": wait.jurisdiction, "under_age": wait.under_age} for wait in waits]


def _late_band(band: LateBand) -> dict[str, Any]:
    return {"from": band.begins, "until": band.ends, "action": band.action, "note": band.note}


def _message_rule(rule: MessageRule) -> dict[str, Any]:
    return {
        "kind": rule.kind,
        "days_before": rule.days if rule.days > 0 else None,
        "days_after": -rule.days if rule.days < 0 else None,
        "only_if_booked_days_ahead": rule.only_if_booked_days_ahead,
        "sent": None if rule.sent else "no",
    }


def _without_blanks(value: Any) -> Any:
    """Leave out what a person would leave out; amounts, dates and codes become plain text.

    `needs` stays: that a phase needs nobody is said, and not left out.
    """
    match value:
        case dict():
            kept = ((name, _without_blanks(part)) for name, part in value.items())
            return {name: part for name, part in kept if part not in (None, "", (), [], {}) or name == "needs"}
        case list():
            return [_without_blanks(part) for part in value]
        case tuple():
            return tuple(str(part) for part in value)
        case frozenset():
            return tuple(sorted(value))
        case None | int():
            return value
    return str(value)
