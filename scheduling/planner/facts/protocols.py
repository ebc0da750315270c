"""What a protocol asks for: steps, spacings, gates and rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from scheduling.planner.amounts import Amount, DayOfYear


class StepKind(StrEnum):
    ASSESSMENT = "assessment"
    TREATMENT = "treatment"
    FOLLOW_UP = "follow_up"


class Reference(StrEnum):
    """From what a spacing is counted (CDSi CALCDTINT-1, -2, -8, -9)."""

    PREVIOUS = "previous"  # the session before it that is a reference: performed, else booked, else projected
    STEP = "step"  # the session of a named step (the first one, when the step repeats)
    EVENT = "event"  # a named event of the course or patient, e.g. varicose_treatment
    LAST_OF_KIND = "last_of_kind"  # the last session of a step kind, e.g. treatment


class LateAction(StrEnum):
    """What a late band asks for, the mildest first."""

    BOOK_ANYWAY = "book_anyway"
    SHORTEN = "shorten"
    REPEAT_STEP = "repeat_step"
    RESTART = "restart"
    REVIEW = "review"  # a new medical assessment first


@dataclass(frozen=True, slots=True)
class LateBand:
    """What to do from `begins` until just before `ends` (None: for ever) after the reference."""

    begins: Amount
    ends: Amount | None
    action: LateAction
    note: str = ""


@dataclass(frozen=True, slots=True)
class Spacing:
    """How long after its reference a step may, should and must happen. Blanks stay blank."""

    reference: Reference
    reference_key: str = ""  # step key, event name or step kind; empty for `previous`
    floor: Amount | None = None
    minimum: Amount | None = None
    target: Amount | None = None
    tolerance_days: int = 0  # days either side of target that cost nothing
    overdue: Amount | None = None
    lapse: Amount | None = None
    areas: frozenset[str] = frozenset()  # when not empty: applies to sessions that treat one of these areas
    late_bands: tuple[LateBand, ...] = ()  # they never overlap
    effective_from: date | None = None  # it applies to references on these dates, both inclusive
    effective_to: date | None = None

    def is_in_effect(self, reference_on: date) -> bool:
        """Whether it applies to a reference on that date."""
        return (self.effective_from or date.min) <= reference_on <= (self.effective_to or date.max)


@dataclass(frozen=True, slots=True)
class Need:
    """One place of one resource. The same role in two phases is the same resource in both."""

    role: str  # "injector", "room", "supervisor"
    capability: str  # what the resource must be able to do, or be


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of a session with resources of its own. Phases follow each other without a gap."""

    name: str
    minutes: int
    needs: tuple[Need, ...]
    before_minutes: int = 0  # buffers: occupied by the phase's resources, not by the patient
    after_minutes: int = 0


class Severity(StrEnum):
    ABSOLUTE = "absolute"  # nobody overrides
    RELATIVE = "relative"  # a prescriber overrides, with reason and expiry
    ASK = "ask"  # a clinician must have looked at the answer since it was given


class OverrideScope(StrEnum):
    """For what a prescriber may override an answer at once."""

    SESSION = "session"
    COURSE = "course"


@dataclass(frozen=True, slots=True)
class RiskRule:
    """One risk question as this protocol version asks it."""

    question: str  # code of the question
    severity: Severity
    valid_days: int  # an answer counts up to and including `given_on + valid_days`
    refused_answers: frozenset[str] = frozenset({"yes"})
    override: OverrideScope = OverrideScope.SESSION


@dataclass(frozen=True, slots=True)
class CoolingOff:
    """A time to think, from informed to treatment. Blank conditions are met everywhere and by everybody."""

    amount: Amount
    jurisdiction: str = ""  # ISO 3166: a country, and so each of its parts, or one part
    under_age: int | None = None  # for patients younger than this on the date of the session


class ConsentScope(StrEnum):
    COURSE = "course"  # one consent serves all sessions
    SESSION = "session"  # each session has its own


@dataclass(frozen=True, slots=True)
class ConsentRule:
    at: str  # "booking" or "visit": when a signature must stand
    cooling_off: tuple[CoolingOff, ...] = ()  # the longest that applies counts
    valid_for: Amount | None = None  # from signed
    scope: ConsentScope = ConsentScope.COURSE


@dataclass(frozen=True, slots=True)
class AssessmentRule:
    valid_for: Amount | None = None  # from assessed
    cooling_off: Amount | None = None  # from assessed to the first treatment


Parameter = int | str | Amount | DayOfYear | frozenset[str]


@dataclass(frozen=True, slots=True)
class Gate:
    """A gate a step lists, by the name of its function in `gates`, which says what parameters it takes."""

    name: str
    parameters: Mapping[str, Parameter] = field(default_factory=dict)

    @property
    def areas(self) -> frozenset[str]:
        """The areas that it is about; none: all."""
        areas = self.parameters.get("areas")
        return areas if isinstance(areas, frozenset) else frozenset()


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a protocol version. `key` is stable over versions."""

    key: str
    name: str
    kind: StepKind
    phases: tuple[Phase, ...]
    lead_role: str  # the role whose resource is "the practitioner" of the session (continuity, wishes)
    spacings: tuple[Spacing, ...] = ()
    gates: tuple[Gate, ...] = ()
    planned_with_course: bool = True  # False: booked by itself when due (the assessment, a final review)

    @property
    def minutes(self) -> int:
        """Minutes the patient is there: all phases, without buffers."""
        return sum(phase.minutes for phase in self.phases)

    @property
    def is_assessed(self) -> bool:
        """Whether a clinician's assessment of the patient performs it; a patch test waits for one and is a visit."""
        return self.kind is StepKind.ASSESSMENT and all(gate.name != "assessment" for gate in self.gates)


ADULT_AGE = 18  # unless a protocol says so


@dataclass(frozen=True, slots=True)
class Protocol:
    """What a protocol version says beyond its steps."""

    key: str
    version: int
    steps: tuple[Step, ...]
    areas: frozenset[str] = frozenset()  # allowed body areas; empty: the protocol treats no areas
    risks: tuple[RiskRule, ...] = ()
    consent: ConsentRule | None = None
    assessment: AssessmentRule = AssessmentRule()
    minimum_age: int | None = None  # in years
    adult_age: int = ADULT_AGE  # who is younger consents by a guardian
