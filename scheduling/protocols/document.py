"""What a protocol file says: frozen values, compared by content. Made by `parsing`, or from rows by `store`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from scheduling.planner.amounts import Amount
from scheduling.planner.facts import (
    ADULT_AGE,
    ConsentScope,
    CoolingOff,
    Gate,
    LateBand,
    OverrideScope,
    Reference,
    Severity,
    StepKind,
)


@dataclass(frozen=True, slots=True)
class Need:
    role: str
    capability: str


@dataclass(frozen=True, slots=True)
class Phase:
    name: str
    minutes: int
    needs: tuple[Need, ...]
    buffer_before: int = 0
    buffer_after: int = 0


@dataclass(frozen=True, slots=True)
class Spacing:
    reference: Reference
    reference_key: str = ""
    floor: Amount | None = None
    minimum: Amount | None = None
    target: Amount | None = None
    tolerance_days: int = 0
    overdue: Amount | None = None
    lapse: Amount | None = None
    areas: tuple[str, ...] = ()  # sorted codes
    late_bands: tuple[LateBand, ...] = ()
    effective_from: date | None = None
    effective_to: date | None = None

    @property
    def counted_from(self) -> str:
        """As the file says it: “previous”, “step dose_1”, “event surgery”, “last treatment”."""
        word = "last" if self.reference is Reference.LAST_OF_KIND else self.reference.value
        return f"{word} {self.reference_key}".strip()


@dataclass(frozen=True, slots=True)
class Step:
    key: str
    name: str
    kind: StepKind
    lead_role: str
    phases: tuple[Phase, ...]
    sessions: int = 1
    at_most: int | None = None
    planned_with_course: bool = True
    spacings: tuple[Spacing, ...] = ()
    gates: tuple[Gate, ...] = ()


@dataclass(frozen=True, slots=True)
class RiskRule:
    question: str
    severity: Severity
    valid_days: int
    refused: tuple[str, ...] = ("yes",)
    source: str = ""
    override: OverrideScope = OverrideScope.SESSION


@dataclass(frozen=True, slots=True)
class Assessment:
    valid_for: Amount | None = None
    cooling_off: Amount | None = None


@dataclass(frozen=True, slots=True)
class Consent:
    at: str
    cooling_off: tuple[CoolingOff, ...] = ()
    valid_for: Amount | None = None
    scope: ConsentScope = ConsentScope.COURSE
    texts: tuple[tuple[str, str], ...] = ()  # (language, wording), by language


@dataclass(frozen=True, slots=True)
class FollowUp:
    key: str
    name: str
    after_step: str
    kind: str
    after: Amount
    give_or_take_days: int = 0
    only_after_last_session: bool = False


@dataclass(frozen=True, slots=True)
class MessageRule:
    kind: str
    days: int = 0  # before the visit; after the session when negative
    only_if_booked_days_ahead: int | None = None
    sent: bool = True


@dataclass(frozen=True, slots=True)
class MessageWords:
    """The first wording of a message; once stored, people edit it in the service, and the file no longer decides."""

    kind: str
    language: str
    subject: str
    body: str


@dataclass(frozen=True, slots=True)
class Document:
    """One version of a protocol, whole."""

    key: str
    name: str
    steps: tuple[Step, ...]
    product: str = ""
    jurisdiction: str = ""
    sources: tuple[str, ...] = ()
    effective_from: date | None = None
    effective_to: date | None = None
    areas: tuple[str, ...] = ()  # sorted codes
    assessment: Assessment = Assessment()
    consent: Consent | None = None
    minimum_age: int | None = None
    adult_age: int = ADULT_AGE
    questions: tuple[RiskRule, ...] = ()
    follow_ups: tuple[FollowUp, ...] = ()
    messages: tuple[MessageRule, ...] = ()
    texts: tuple[MessageWords, ...] = ()  # by kind and language

    @property
    def capabilities(self) -> frozenset[str]:
        return frozenset(n.capability for step in self.steps for phase in step.phases for n in phase.needs)

    @property
    def named_areas(self) -> frozenset[str]:
        """Areas that may be treated, and those that spacings and gates speak of."""
        of_spacings = (spacing.areas for step in self.steps for spacing in step.spacings)
        of_gates = (gate.areas for step in self.steps for gate in step.gates)
        return frozenset(self.areas).union(*of_spacings, *of_gates)
