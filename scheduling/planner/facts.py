"""The planner's inputs and answers: frozen values, compared by content, no behaviour that decides.

Inside the planner a moment of a day is a *tick*: whole minutes elapsed since the first instant of that local
date at the site. A day has 1440 ticks, or 1380 and 1500 (1410, 1470 at Lord Howe) when the clock changes. Sets of
ticks are ints used as bit sets (bit ``t`` is the minute ``[t, t + 1)``), so a resource's free time on a day is one int.
Only `clinic.localtime` turns wall-clock time into UTC; `scheduling.roster` hands the results over in `Day`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from .amounts import Amount, DayOfYear

# --- what a protocol asks for -----------------------------------------------------------------------------------


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


# --- what happened so far -----------------------------------------------------------------------------------------


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


Between = tuple[date, date]  # first and last date, inclusive


@dataclass(frozen=True, slots=True)
class Terms:
    """What must be so for a session of a plan. Unlike a wish it is never missed; all that is said must hold."""

    on: date | None = None  # pinned to this date
    at_minute: int | None = None  # pinned to this start: local wall-clock minutes after midnight
    first_on: date | None = None  # both inclusive
    last_on: date | None = None
    forbidden: tuple[Between, ...] = ()
    weekdays: frozenset[int] = frozenset()  # 0 = Monday; empty: any
    from_minute: int = 0  # local wall-clock minutes after midnight; the session lies inside [from, until]
    until_minute: int = 24 * 60
    only_with: frozenset[UUID] = frozenset()  # one of these leads; empty: anybody
    not_with: frozenset[UUID] = frozenset()


@dataclass(frozen=True, slots=True)
class SessionTerms:
    """Terms for one session."""

    session: UUID
    terms: Terms


@dataclass(frozen=True, slots=True)
class Ask:
    """What a person asks of one plan; nothing of it is kept with the course.

    It is about the sessions that the plan gives a time to: visits that are booked already stay where they are.
    """

    every: Terms = Terms()  # for each session
    sessions: tuple[SessionTerms, ...] = ()  # besides, for one session; each is named once
    starts_from: date | None = None  # the first session is not before it
    starts_by: date | None = None  # nor after it
    ends_before: date | None = None  # the last session is before it
    also: tuple[Terms, ...] = ()  # more terms for each session: what makes a plan one of its kind


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


# --- people, rooms, devices and their time --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CapabilityFacts:
    code: str
    from_on: date | None = None
    until_on: date | None = None  # last day, inclusive


@dataclass(frozen=True, slots=True)
class ResourceFacts:
    id: UUID
    kind: str  # practitioner, room, device
    name: str
    capabilities: tuple[CapabilityFacts, ...]
    places: int = 1
    languages: frozenset[str] = frozenset()

    def is_able(self, capability: str, on: date) -> bool:
        """Whether the resource has the capability on that date."""
        return any(
            c.code == capability and (c.from_on is None or c.from_on <= on) and (c.until_on is None or on <= c.until_on)
            for c in self.capabilities
        )


@dataclass(frozen=True, slots=True)
class ClockChange:
    """From this tick on, wall-clock minute = tick + shift."""

    tick: int
    shift_minutes: int


@dataclass(frozen=True, slots=True)
class Day:
    """One local date of a site: where its ticks lie in UTC and on the wall."""

    on: date
    starts_at: datetime  # UTC, the first instant of the date
    length_minutes: int = 1440
    changes: tuple[ClockChange, ...] = ()  # by tick; empty on all but two days a year
    closed: str = ""  # why the whole site is closed, e.g. the holiday's name; empty when open

    def wall_minute(self, tick: int) -> int:
        """Local wall-clock minutes after midnight that the site's clocks show at this tick."""
        shift = 0
        for change in self.changes:
            if tick >= change.tick:
                shift = change.shift_minutes
        return tick + shift

    def instant(self, tick: int) -> datetime:
        return self.starts_at + timedelta(minutes=tick)


@dataclass(frozen=True, slots=True)
class Roster:
    """Everything a plan at one site needs to know about time and resources in [first_on, last_on]."""

    site: UUID
    days: Mapping[date, Day]  # every date of the span
    resources: tuple[ResourceFacts, ...]  # by id
    # ticks on duty: hours and extra openings less absences and closures; a missing key means none
    on_duty: Mapping[tuple[UUID, date], int]
    # Ticks taken, per place; a missing key (or place) means none taken. The course's own live appointments are left out
    # here and in `patient_busy`: the planner knows them from `SessionFacts.booked` and adds those that stay.
    busy: Mapping[tuple[UUID, date], tuple[int, ...]] = field(default_factory=dict)
    patient_busy: Mapping[date, int] = field(default_factory=dict)  # the patient's appointments outside this course
    grid_minutes: int = 5  # a session starts on a multiple of it on the wall clock
    not_before: datetime | None = None  # UTC: nothing is booked before this instant
    shortest_useful_minutes: int = 20  # a shorter hole in a practitioner's day counts as awkward
    horizon_on: date | None = None  # the last date that could be booked, where the days end before it


# --- answers --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Window:
    """The dates a session may, should and must happen. `None` means the protocol leaves it blank.

    `overdue_on` and `lapse_on` are the first day that is late, or too late.
    """

    floor_on: date | None = None
    earliest_on: date | None = None
    target_on: date | None = None
    overdue_on: date | None = None
    lapse_on: date | None = None
    tolerance_days: int = 0
    provisional: bool = False  # a reference is not performed yet: counted from a booked or projected date


@dataclass(frozen=True, slots=True)
class Late:
    """The late band in which a date lies."""

    action: LateAction
    note: str
    first_on: date
    last_on: date | None  # None: it has no end


@dataclass(frozen=True, slots=True)
class Use:
    """One place of one resource, taken during [from_tick, until_tick) of the slot's day, buffers included."""

    phase: int
    role: str
    resource: UUID
    place: int
    from_tick: int
    until_tick: int


@dataclass(frozen=True, slots=True)
class Slot:
    """A proposed (or booked) time and resources for one session."""

    session: UUID
    on: date
    tick: int
    minutes: int
    lead: UUID  # resource in the step's lead role
    uses: tuple[Use, ...]
    is_confirmed: bool = field(default=False, compare=False)  # by the patient, where it is booked: no part of the time


@dataclass(frozen=True, slots=True)
class CostParts:
    """What a plan costs, part by part, in the units of `Weights`."""

    spacing: int = 0
    lateness: int = 0
    continuity: int = 0
    wishes: int = 0
    holes: int = 0
    moves: int = 0

    @property
    def total(self) -> int:
        return self.spacing + self.lateness + self.continuity + self.wishes + self.holes + self.moves


@dataclass(frozen=True, slots=True)
class PlannedSession:
    slot: Slot
    window: Window  # as counted under this plan
    cost: CostParts
    pinned: bool = False
    gates: tuple[GateAnswer, ...] = ()  # every gate that is not open for it on its date


@dataclass(frozen=True, slots=True)
class Plan:
    """One time for each session left that is planned with the course, by position."""

    sessions: tuple[PlannedSession, ...]
    cost: CostParts
    proven: bool = True  # no plan of its kind, with a date of its own for each session, costs less


@dataclass(frozen=True, slots=True)
class Difference:
    """How a plan differs from the best one; less or sooner is negative."""

    starts_days: int  # the first session that gets a time
    ends_days: int  # the last session of the plan
    changes: int  # of practitioner
    wishes_missed: int  # how many, a session and a kind of wish each
    cost: int
    moved: int  # sessions on another date
    other_leads: int  # sessions with another lead


@dataclass(frozen=True, slots=True)
class Alternative:
    """A plan and the kind of plan it is; see `search.alternatives`."""

    kind: str
    plan: Plan
    differs: Difference = Difference(0, 0, 0, 0, 0, 0, 0)
    nearer: tuple[Nearer, ...] = ()  # of the best plan, when asked for: see `explain.why_not_nearer`


@dataclass(frozen=True, slots=True)
class NotOn:
    """Why a date that would itself cost less is not the one in the plan."""

    on: date
    # A rule that leaves no time on it; else `dearer` (all else best, the plan costs that much more), `as_good` (as
    # much: a tie), `others_stuck` (then `session` has no time), or `not_tried` (the bound was reached).
    code: str
    cost: CostParts = CostParts()  # dearer: what the plan would cost more, part by part
    session: UUID | None = None


@dataclass(frozen=True, slots=True)
class Nearer:
    """What stands between a planned session and its best date."""

    session: UUID
    on: date
    best_on: date  # the target, or where there is none the first lawful date
    dates: tuple[NotOn, ...]  # inside its window, by date; none when nothing costs less than the date it has


@dataclass(frozen=True, slots=True)
class Move:
    """What a repair does with one session; `old` is None when it had no live appointment."""

    session: UUID
    old: Slot | None
    new: Slot


@dataclass(frozen=True, slots=True)
class Repair:
    """The cheapest way on for a course, and how it differs from what is booked. No moves: nothing to do."""

    plan: Plan  # for the booked visits; for every session left when the others were to be planned too
    moves: tuple[Move, ...]


@dataclass(frozen=True, slots=True)
class Removed:
    """How many dates and starts of a session one rule took away, after the rules before it."""

    code: str  # outside_window, out_of_order, gate_closed, site_closed, lacks_capability, off_duty, ...
    dates: int
    starts: int


@dataclass(frozen=True, slots=True)
class Reason:
    """What became of one session when no plan was found."""

    session: UUID
    position: int
    first_on: date  # the dates that were in question
    last_on: date
    removed: tuple[Removed, ...]  # in the order in which the rules were asked
    dates_left: int
    starts_left: int
    binding: str = ""  # the rule that took the most of its dates; empty when dates are left


@dataclass(frozen=True, slots=True)
class GivenUp:
    """One thing that would have to be given up."""

    code: str  # see `relax`
    session: UUID | None = None  # None: of the whole course
    days: int = 0  # by how many days, where it is a matter of days
    subject: str = ""
    override: str = ""  # the role that may decide it; "" where nobody needs to


@dataclass(frozen=True, slots=True)
class Relaxation:
    """The fewest things that would have to be given up for a plan, and that plan, for the whole course."""

    gives_up: tuple[GivenUp, ...]
    plan: Plan


class GateState(StrEnum):
    OPEN = "open"
    CLOSED = "closed"
    PENDING = "pending"


class Moment(StrEnum):
    PLAN = "plan"
    BOOK = "book"
    MESSAGE = "message"
    CHECK_IN = "check_in"


@dataclass(frozen=True, slots=True)
class GateAnswer:
    """What a gate says for a session on its date."""

    code: str  # stable: assessment_missing, answer_expired, ...
    state: GateState
    subject: str = ""  # question code, area, step key: what the sentence is about
    opens_on: date | None = None  # when it opens by itself
    changes_on: tuple[date, ...] = ()  # for pending: dates on which the answer may change
    override: str = ""  # role that may override: "" nobody


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule that a slot or session breaks."""

    code: str  # the name of the rule's function, or the gate's code
    session: UUID
    on: date | None = None
    subject: str = ""  # resource id, question code, ...: what it is about
    opens_on: date | None = None
    override: str = ""
