"""Protocol versions to facts, and words for what they speak of."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import lru_cache
from uuid import UUID

from patients.models import Area, Question
from scheduling.models import Protocol, ProtocolVersion, VersionState
from scheduling.models import Spacing as SpacingRow
from scheduling.models import Step as StepRow
from scheduling.planner import facts
from scheduling.planner.amounts import Amount
from scheduling.planner.gates import GATES


def protocol_facts(version: ProtocolVersion) -> facts.Protocol:
    """Return what a protocol version asks for. An approved version never changes, so it is read once per process."""
    if version.state == VersionState.DRAFT:
        return _read_protocol(version.uid)
    return _remembered_protocol(version.uid)


def protocols_facts(at_hand: Iterable[ProtocolVersion], others: Collection[int] = ()) -> dict[int, facts.Protocol]:
    """Return what versions ask for, by primary key: those at hand, and others that are read first, all at once."""
    versions = {version.pk: version for version in at_hand}
    if missing := set(others) - versions.keys():
        versions |= {version.pk: version for version in ProtocolVersion.objects.filter(pk__in=missing)}
    return {pk: protocol_facts(version) for pk, version in versions.items()}


@lru_cache(maxsize=256)
def _remembered_protocol(uid: UUID) -> facts.Protocol:
    return _read_protocol(uid)


def _read_protocol(uid: UUID) -> facts.Protocol:
    version = ProtocolVersion.objects.whole().get(uid=uid)
    return facts.Protocol(
        key=version.protocol.key,
        version=version.number,
        steps=tuple(_step(step) for step in version.steps.all()),
        areas=frozenset(area.code for area in version.areas.all()),
        risks=tuple(
            facts.RiskRule(
                question=rule.question.code,
                severity=facts.Severity(rule.severity),
                valid_days=rule.valid_days,
                refused_answers=frozenset(rule.refused_answers),
                override=facts.OverrideScope(rule.override_for),
            )
            for rule in version.risk_rules.all()
        ),
        consent=facts.ConsentRule(
            at=version.consent_at,
            cooling_off=tuple(
                facts.CoolingOff(Amount.parse(wait.amount), wait.jurisdiction, wait.under_age)
                for wait in version.cooling_off.all()
            ),
            valid_for=_amount(version.consent_valid_for),
            scope=facts.ConsentScope(version.consent_scope),
        )
        if version.consent_at
        else None,
        assessment=facts.AssessmentRule(
            valid_for=_amount(version.assessment_valid_for), cooling_off=_amount(version.assessment_cooling_off)
        ),
        minimum_age=version.minimum_age,
        adult_age=version.adult_age,
    )


def _step(step: StepRow) -> facts.Step:
    return facts.Step(
        key=step.key,
        name=step.name,
        kind=facts.StepKind(step.kind),
        phases=tuple(
            facts.Phase(
                name=phase.name,
                minutes=phase.minutes,
                needs=tuple(facts.Need(need.role, need.capability.code) for need in phase.needs.all()),
                before_minutes=phase.before_minutes,
                after_minutes=phase.after_minutes,
            )
            for phase in step.phases.all()
        ),
        lead_role=step.lead_role,
        spacings=tuple(_spacing(spacing) for spacing in step.spacings.all()),
        gates=tuple(facts.Gate(gate.name, GATES[gate.name].read(gate.parameters)) for gate in step.gates.all()),
        planned_with_course=step.planned_with_course,
    )


def _spacing(spacing: SpacingRow) -> facts.Spacing:
    return facts.Spacing(
        reference=facts.Reference(spacing.reference),
        reference_key=spacing.reference_key,
        floor=_amount(spacing.floor),
        minimum=_amount(spacing.minimum),
        target=_amount(spacing.target),
        tolerance_days=spacing.tolerance_days,
        overdue=_amount(spacing.overdue),
        lapse=_amount(spacing.lapse),
        areas=frozenset(area.code for area in spacing.areas.all()),
        late_bands=tuple(
            facts.LateBand(
                Amount.parse(band.from_amount), _amount(band.until_amount), facts.LateAction(band.action), band.note
            )
            for band in spacing.late_bands.all()
        ),
        effective_from=spacing.effective_from,
        effective_to=spacing.effective_to,
    )


def _amount(text: str) -> Amount | None:
    return Amount.parse(text) if text else None


def subjects() -> dict[str, str]:
    """Return words for what a gate's sentence is about: questions, areas and protocols, by code."""
    return {
        **dict(Protocol.objects.values_list("key", "name")),
        **dict(Area.objects.values_list("code", "name")),
        **dict(Question.objects.values_list("code", "text")),
    }
