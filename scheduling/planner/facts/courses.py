"""What is known of a course and its patient: what happened so far, and what is booked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from uuid import UUID

from .protocols import Gate, Protocol, Step
from .times import Slot


class SessionState(StrEnum):
    OPEN = "open"
    PERFORMED = "performed"
    SKIPPED = "skipped"
    DROPPED = "dropped"


class OutcomeResult(StrEnum):
    OK = "ok"
    REVIEW = "review"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class OutcomeFacts:
    result: OutcomeResult
    cleared: bool = False  # a clinician has cleared a `review`


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """One planned step of a course, as it stands now."""

    id: UUID
    position: int
    step: Step
    state: SessionState = SessionState.OPEN
    areas: frozenset[str] = frozenset()  # treated when performed, else planned
    performed_on: date | None = None
    counts: bool = True
    restarted: bool = False  # the series began again after it: it does not count, whatever its date
    outcome: OutcomeFacts | None = None
    booked: Slot | None = None  # the live appointment, in the planner's own shape
    consent: ConsentFacts | None = None  # the newest one for this session alone
    late_action: str = ""  # what a clinician decided for a session that comes late: a LateAction
    pinned: bool = False  # keep `booked` where it is; only the others are planned


@dataclass(frozen=True, slots=True)
class AnswerFacts:
    value: str
    given_on: date
    reviewed: bool = False  # a clinician has looked at it since it was given


class Reflux(StrEnum):
    NONE_FOUND = "none_found"
    TREATED = "treated"
    UNTREATED = "untreated"
    NOT_CHECKED = "not_checked"


@dataclass(frozen=True, slots=True)
class AssessmentFacts:
    assessed_on: date
    suitable: bool
    reflux: Reflux = Reflux.NOT_CHECKED
    reflux_clear_on: date | None = None  # treated: first date on which sessions may follow; None when not yet said
    expires_on: date | None = None  # first day on which it no longer counts, when the clinician set one


@dataclass(frozen=True, slots=True)
class ConsentFacts:
    informed_on: date
    signed_on: date | None = None
    withdrawn_on: date | None = None
    expires_on: date | None = None
    by_guardian: bool = False


@dataclass(frozen=True, slots=True)
class GuardianFacts:
    """Who decides for a patient, on which dates (both inclusive; blank: without end)."""

    from_on: date | None = None
    until_on: date | None = None


@dataclass(frozen=True, slots=True)
class TreatmentFacts:
    """A treatment of the patient in another course."""

    protocol: str
    on: date
    performed: bool  # else booked
    areas: frozenset[str] = frozenset()  # treated when performed, else planned; empty: not known
    apart: tuple[Gate, ...] = ()  # the gates `apart` of its own step: it keeps away from us, so we do from it


@dataclass(frozen=True, slots=True)
class HoldFacts:
    code: str
    reason: str
    lifted_by: str  # role that may lift it


@dataclass(frozen=True, slots=True)
class OverrideFacts:
    """A permitted silence of one rule, for one session or (session None) the course."""

    rule: str  # the code of the gate's answer or of the rule
    session: UUID | None
    expires_on: date  # last session date it covers
    subject: str = ""  # must equal the answer's subject: an override of the pill is none of a clot


@dataclass(frozen=True, slots=True)
class PatientFacts:
    id: UUID
    deceased_on: date | None = None
    merged_away: bool = False
    answers: Mapping[str, AnswerFacts] = field(default_factory=dict)  # newest per question code
    born_on: date | None = None
    guardians: tuple[GuardianFacts, ...] = ()


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the patient would like. Missing one costs; only what is `strict` forbids."""

    weekdays: frozenset[int] = frozenset()  # 0 = Monday; empty: any
    from_minute: int = 0  # local wall-clock minutes after midnight; the session lies inside [from, until]
    until_minute: int = 24 * 60
    practitioner: UUID | None = None
    avoid_dates: frozenset[date] = frozenset()
    language: str = ""
    strict: bool = False  # True: a wish missed makes a time impossible


@dataclass(frozen=True, slots=True)
class CourseFacts:
    id: UUID
    protocol: Protocol
    patient: PatientFacts
    sessions: tuple[SessionFacts, ...]  # by position
    started_on: date
    lead: UUID | None = None  # the course's practitioner: continuity is counted from here
    events: Mapping[str, date] = field(default_factory=dict)
    wishes: Wishes = Wishes()
    assessment: AssessmentFacts | None = None
    consent: ConsentFacts | None = None
    holds: tuple[HoldFacts, ...] = ()
    overrides: tuple[OverrideFacts, ...] = ()
    elsewhere: tuple[TreatmentFacts, ...] = ()  # in the patient's other courses, whatever their protocol
    place: str = ""  # where the site is, by ISO 3166: "GB", "GB-SCT"

    @property
    def assessed_on(self) -> date | None:
        """The date of the last assessment."""
        return self.assessment.assessed_on if self.assessment else None
