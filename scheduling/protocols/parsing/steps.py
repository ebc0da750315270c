"""Reads the steps and their phases."""

from __future__ import annotations

from dataclasses import replace

from django.utils.translation import gettext as _

from scheduling.planner.facts import StepKind
from scheduling.protocols.document import Need, Phase, Step
from scheduling.protocols.reading import Value
from scheduling.protocols.vocabulary import Vocabulary

from .gates import gate_name, read_gate
from .parts import MINUTES_AT_MOST, SESSIONS_AT_MOST, own_words, read_each
from .spacings import read_spacing

NEEDS_AN_ASSESSMENT = frozenset({"assessment", "reflux"})


def read_steps(value: Value, protocol: str, words: Vocabulary) -> tuple[Step, ...]:
    steps: list[Step] = []
    seen: dict[str, int] = {}
    if value.is_there and not value.items():
        value.refuse("steps_missing", _("A protocol needs a step. Add one, beginning with “- key: …”."))
    # Keys first: a spacing that names a later step is told so, and not that there is no such step.
    keys = [item.peek("key") for item in value.items()]
    for item in value.items():
        step = _step(item, steps, keys, protocol, words)
        if step is None:
            continue
        if step.key and step.key in seen:
            item.repeated(step.key)
        seen[step.key] = item.line
        steps.append(step)
    return tuple(steps)


def _step(value: Value, before: list[Step], keys: list[str], protocol: str, words: Vocabulary) -> Step | None:
    top = value.fields(
        "key", "name", "kind", "sessions", "at_most", "planned_with_course", "lead_role", "phases", "spacings", "gates",
        required=["key", "name", "kind", "lead_role", "phases"],
    )  # fmt: skip
    if top is None:
        return None
    sessions = top["sessions"].number(1, SESSIONS_AT_MOST, default=1)
    at_most = top["at_most"].optional_number(1, SESSIONS_AT_MOST)
    if at_most is not None and sessions > at_most:
        message = _("%(sessions)s sessions are planned, but at most %(most)s allowed. Raise “at_most” or plan fewer.")
        top["at_most"].refuse("sessions_above_at_most", message % {"sessions": sessions, "most": at_most})
    kind = top["kind"].choice(StepKind)
    step = Step(
        key=top["key"].key(),
        name=top["name"].words(120),
        kind=kind or StepKind.TREATMENT,
        lead_role=top["lead_role"].key(),
        phases=tuple(_phase(item, words) for item in top["phases"].items()),
        sessions=sessions,
        at_most=at_most,
        planned_with_course=top["planned_with_course"].flag(default=True),
        gates=read_each(top["gates"], lambda item: read_gate(item, kind, protocol, words), gate_name),
    )
    _has_phases(top, step)
    _asks_for_an_assessment_that_can_be_there(top, step, before)
    return replace(
        step, spacings=tuple(read_spacing(item, step, before, keys, words) for item in top["spacings"].items())
    )


def _has_phases(top: dict[str, Value], step: Step) -> None:
    roles = {need.role for phase in step.phases for need in phase.needs}
    if top["phases"].is_there and not step.phases:
        top["phases"].refuse("phases_missing", _("A step needs a phase. Add one, beginning with “- name: …”."))
    elif step.lead_role and step.lead_role not in roles:
        message = _("No phase needs the role “%(role)s”. Choose one of: %(roles)s, or add it under “needs”.")
        names = ", ".join(sorted(roles)) or _("(none)")
        top["lead_role"].refuse("lead_role_not_needed", message % {"role": step.lead_role, "roles": names})
    if sum(phase.minutes + phase.buffer_before + phase.buffer_after for phase in step.phases) > MINUTES_AT_MOST:
        message = _("The phases and buffers take more than %(hours)s hours together. A session lies within a day.")
        top["phases"].refuse("session_too_long", message % {"hours": MINUTES_AT_MOST // 60})


def _asks_for_an_assessment_that_can_be_there(top: dict[str, Value], step: Step, before: list[Step]) -> None:
    if step.kind is StepKind.ASSESSMENT and not any(other.kind is StepKind.ASSESSMENT for other in before):
        for gate in sorted(NEEDS_AN_ASSESSMENT & {gate.name for gate in step.gates}):
            message = _("The first assessment cannot ask for an assessment. Remove the gate “%(gate)s” from this step.")
            top["gates"].refuse("assessment_asks_for_itself", message % {"gate": gate})


def _phase(value: Value, words: Vocabulary) -> Phase:
    top = value.fields("name", "minutes", "buffer_before", "buffer_after", "needs", required=["name", "minutes"])
    if top is None:
        return Phase("", 1, ())
    if not top["needs"].is_there:
        message = _("Add “needs: {role: capability}”: whom and what it takes. Write “needs: {}” if that is nobody.")
        top["needs"].refuse("missing", message)
    needs = []
    for role, capability in ((top["needs"].entries() if top["needs"].is_there else {}) or {}).items():
        capability.part(role).key()
        if not capability.is_there:
            capability.refuse("missing", _("Name the capability that this role needs."))
        code = capability.choice(words.capabilities, "capability_unknown", own_words()) or ""
        needs.append(Need(role, code))
    return Phase(
        top["name"].words(80),
        top["minutes"].number(1, MINUTES_AT_MOST, default=1),
        tuple(needs),
        top["buffer_before"].number(0, MINUTES_AT_MOST, default=0),
        top["buffer_after"].number(0, MINUTES_AT_MOST, default=0),
    )
