"""How each code of each gate comes about: what people do to a real course so that a gate is closed, or pending.

A course begins in order: assessed, informed and signed a hundred days ago, its first session performed ten days ago,
every question answered today. Its last session is the one that is asked about. Staff work on Wednesdays only, and the
clinic's clock stands at a Monday.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from patients import records
from patients.models import Answer, Patient
from scheduling import booking, holds, intake, protocols, versions, visits
from scheduling.models import Appointment, Assessment, Course, Outcome, ProtocolVersion, Session, SessionState
from scheduling.planner.facts import GateState
from scheduling.planner.gates import GATES
from tests import build

LONG_AGO = 100  # days
WEDNESDAY = 2
# What gates with parameters are given where a situation says nothing: they stay open.
GENEROUS: Mapping[str, dict[str, Any]] = {
    "yearly_limit": {"at_most": 50},
    "review_due": {"every": 50},
    "season": {"from": "07-01", "until": "07-31"},
    "apart": {"protocol": "other_treatment", "at_least": "1 week"},
}
OTHER_TREATMENT = "other_treatment"

Turn = Callable[["SmallClinic", Course], None]


def protocol(key: str, *, gates: Mapping[str, dict[str, Any]] | None = None, **changes: Any) -> str:
    """Return a protocol of two sessions at least a day apart that list every gate there is; JSON is YAML."""
    listed = {**GENEROUS, **(gates or {})}
    spacing = {"from": "previous", "minimum": "1 day"} | changes.pop("spacing", {})
    written = {
        "protocol": key,
        "name": key.replace("_", " "),
        "areas": ["leg"],
        "assessment": {},
        "consent": {"at": "booking"} | changes.pop("consent", {}) | {"texts": {"en": "I agree."}},
        "questions": [{"question": "pregnancy", "severity": "absolute", "valid_days": 30}],
        "steps": [
            {
                "key": "assessment",
                "name": "Assessment",
                "kind": "assessment",
                "at_most": 1,
                "planned_with_course": False,
                "lead_role": "clinician",
                "phases": [{"name": "Assessment", "minutes": 30, "needs": {"clinician": "vein_assessment"}}],
            },
            {
                "key": "treatment",
                "name": "Treatment",
                "kind": "treatment",
                "sessions": 2,
                "lead_role": "injector",
                "phases": [{"name": "Treatment", "minutes": 30, "needs": {"injector": "sclerotherapy"}}],
                "spacings": [spacing],
                "gates": [
                    {name: listed[name]} if kind.takes else name for name, kind in GATES.items() if not kind.always
                ],
            },
        ],
        "messages": [
            {"kind": "preparation", "days_before": 1, "only_if_booked_days_ahead": 1},
            {"kind": "reminder", "days_before": 1},
        ],
    }
    return json.dumps(written | changes)


class SmallClinic(build.Clinic):
    """A site with one practitioner; by which protocol it treats is said for each situation."""

    def __post_init__(self) -> None:
        self.site = build.site(zone=self.zone, booking_horizon_days=30)
        protocols.load_vocabulary_file()
        self.staff = {"injector": [build.resource("sclerotherapy", at=self.site, weekdays=[WEDNESDAY])]}
        self.load(protocol(OTHER_TREATMENT, gates={"apart": {"protocol": "hepatitis_a", "at_least": "1 day"}}))

    def load(self, text: str) -> ProtocolVersion:
        return protocols.load(text, by=None, now=self.now, approve_by=self.prescriber)

    def ago(self, days: int) -> date:
        return self.today - timedelta(days=days)

    @property
    def visit_on(self) -> date:
        """The Wednesday of the week in which the clinic opened."""
        return build.MONDAY.date() + timedelta(days=WEDNESDAY)


@dataclass(frozen=True)
class Situation:
    """A code of a gate: the acts after which it is closed, or pending, and those after which it is open.

    They are carried out on a course that is in order, before it is booked or after. `protocol` is what the small
    protocol says differently, `protocols` what it says in one state.
    """

    closed: Turn | None = None
    pending: Turn | None = None
    open: Turn | None = None
    protocol: Mapping[str, Any] = field(default_factory=dict)
    protocols: Mapping[GateState, Mapping[str, Any]] = field(default_factory=dict)
    first_is_open: bool = False
    is_minor: bool = False

    def turn(self, state: GateState) -> Turn:
        found = {GateState.CLOSED: self.closed, GateState.PENDING: self.pending, GateState.OPEN: self.open or nothing}
        turn = found[state]
        if turn is None:
            raise LookupError(f"nobody says how it becomes {state}")
        return turn

    def beginning(self, state: GateState) -> Beginning:
        text = protocol("treatment", **{**self.protocol, **self.protocols.get(state, {})})
        return Beginning(text, self.first_is_open, self.is_minor)


@dataclass(frozen=True)
class Beginning:
    """A course that is in order: what several situations have in common."""

    protocol: str
    first_is_open: bool  # the first session is not performed yet, nor booked
    is_minor: bool

    def course(self, clinic: SmallClinic) -> Course:
        clinic.version = clinic.load(self.protocol)
        course = clinic.course(a_minor() if self.is_minor else build.patient())
        clinic.assess(course, assessed_on=clinic.ago(LONG_AGO))
        clinic.consent(
            course,
            informed_on=clinic.ago(LONG_AGO),
            signed_on=clinic.ago(LONG_AGO),
            given_by_guardian=course.patient.guardians.first(),
        )
        clinic.answer_all(course)
        if not self.first_is_open:
            performed(ago=10)(clinic, course)
        return Course.objects.get(pk=course.pk)


def asked_session(course: Course) -> Session:
    return build.sessions_of(course)[-1]


def book_alone(clinic: SmallClinic, course: Course) -> Appointment:
    """Book the session that is asked about, as it stands before anything goes wrong, for Wednesday."""
    session = asked_session(course)
    first = visits.free_times(session, first_on=clinic.visit_on, last_on=clinic.visit_on, now=clinic.now)[0]
    return visits.book(session, first.slot, by=clinic.receptionist, now=clinic.now)


# --- what people do ---------------------------------------------------------------------------------------------------


def nothing(clinic: SmallClinic, course: Course) -> None:
    """The course stays as it is."""


def assessed(*, ago: int = 0, expires_in: int | None = None, clear_in: int | None = None, **said: Any) -> Turn:
    """A clinician assesses again."""

    def assess(clinic: SmallClinic, course: Course) -> None:
        on = clinic.ago(ago)
        expires_on = None if expires_in is None else clinic.today + timedelta(days=expires_in)
        clear_on = None if clear_in is None else clinic.today + timedelta(days=clear_in)
        clinic.assess(course, assessed_on=on, expires_on=expires_on, reflux_clear_on=clear_on, **said)

    return assess


def assessment_struck(clinic: SmallClinic, course: Course) -> None:
    assessment = Assessment.objects.get(patient=course.patient)
    intake.strike_assessment(
        assessment, site=clinic.site, reason="another patient's", by=clinic.clinician, now=clinic.now
    )


def answered(value: str) -> Turn:
    def answer(clinic: SmallClinic, course: Course) -> None:
        intake.answer(course.patient, "pregnancy", value, given_on=clinic.today, by=clinic.receptionist, now=clinic.now)

    return answer


def answered_and_reviewed(clinic: SmallClinic, course: Course) -> None:
    """The answer is bad; a clinician has looked at it, and the hold is lifted."""
    answered("yes")(clinic, course)
    answer = Answer.objects.filter(patient=course.patient, value="yes").get()
    intake.review_answer(answer, by=clinic.prescriber, now=clinic.now)
    holds.lift(course.holds.get(), reason="looked at", by=clinic.prescriber, now=clinic.now)


def overridden(turn: Turn, rule: str, subject: str = "") -> Turn:
    """It comes about, and a prescriber silences the rule for the session."""

    def override(clinic: SmallClinic, course: Course) -> None:
        turn(clinic, course)
        intake.override(
            course,
            session=asked_session(course),
            rule=rule,
            subject=subject,
            reason="the benefit outweighs it",
            expires_on=clinic.visit_on,
            by=clinic.prescriber,
            now=clinic.now,
        )

    return override


def answer_struck(clinic: SmallClinic, course: Course) -> None:
    answer = Answer.objects.get(patient=course.patient, question__code="pregnancy")
    intake.strike_answer(answer, reason="another patient's", by=clinic.clinician, now=clinic.now)


def days_go_by(clinic: SmallClinic, course: Course) -> None:
    """It is the morning of the Wednesday."""
    clinic.wait(days=WEDNESDAY)


def informed_again(*, ago: int = 0, is_signed: bool = True, expires_in: int | None = None) -> Turn:
    """The newest consent counts."""

    def inform(clinic: SmallClinic, course: Course) -> None:
        on = clinic.ago(ago)
        expires_on = None if expires_in is None else clinic.today + timedelta(days=expires_in)
        clinic.consent(course, informed_on=on, signed_on=on if is_signed else None, expires_on=expires_on)

    return inform


def withdrawn(clinic: SmallClinic, course: Course) -> None:
    consent = course.consents.get()
    intake.withdraw_consent(consent, on=clinic.today, cancel_visits=False, by=clinic.receptionist, now=clinic.now)


def a_minor() -> Patient:
    return build.patient(born_on=date(2011, 5, 17), guardians=[records.GuardianDetails(name="Ines Kovač")])


def guardian_gone(clinic: SmallClinic, course: Course) -> None:
    guardian = course.patient.guardians.get()
    until = records.GuardianDetails(name=guardian.name, pk=guardian.pk, until_on=clinic.ago(1))
    corrected(guardians=[until])(clinic, course)


def corrected(**changes: Any) -> Turn:
    """What is on record of the patient is corrected."""

    def correct(clinic: SmallClinic, course: Course) -> None:
        records.correct(course.patient, changes, by=clinic.receptionist, now=clinic.now)

    return correct


def performed(*, ago: int, result: str | None = "ok") -> Turn:
    """The first session took place so many days ago."""

    def perform(clinic: SmallClinic, course: Course) -> None:
        outcome = visits.OutcomeInput(result) if result else None
        clinic.perform(build.sessions_of(course)[0], performed_on=clinic.ago(ago), outcome=outcome)

    return perform


def reviewed(clinic: SmallClinic, course: Course) -> None:
    """The first session was to be reviewed, and a clinician has done so."""
    performed(ago=3, result="review")(clinic, course)
    outcome = Outcome.objects.get(session__course=course)
    visits.clear_review(outcome, note="healed", by=clinic.clinician, now=clinic.now)


def had_other_treatment(*, ago: int) -> Turn:
    """The patient was treated by the other protocol."""

    def perform(clinic: SmallClinic, course: Course) -> None:
        version = ProtocolVersion.objects.get(protocol__key=OTHER_TREATMENT)
        other = booking.start_course(
            course.patient, version, clinic.site, areas=clinic.areas(), by=clinic.receptionist, now=clinic.now
        )
        performed(ago=ago)(clinic, other)

    return perform


def version_changed(**changes: Any) -> Turn:
    """There is a new version of the protocol, and the course is moved to it."""

    def move(clinic: SmallClinic, course: Course) -> None:
        version = clinic.load(protocol("treatment", **changes))
        seen = versions.preview(course, version, now=clinic.now)
        versions.move(course, version, stamp=seen.stamp, reason="the new one", by=clinic.prescriber, now=clinic.now)

    return move


def held(clinic: SmallClinic, course: Course) -> None:
    holds.place(course, code="clinician", reason="told by phone", by=clinic.clinician, now=clinic.now)


def died(clinic: SmallClinic, course: Course) -> None:
    """As far as the record goes. The act that people call ends the courses too: the gate is the wall behind it."""
    records.record_death(course.patient, clinic.today, by=clinic.receptionist, now=clinic.now)


def merged(clinic: SmallClinic, course: Course) -> None:
    Patient.objects.filter(pk=course.patient_id).update(merged_into=build.patient())


# --- the same, as a file of another system tells it -------------------------------------------------------------------

NUMBERS = "urn:last-system"


def twin_of(patient: Patient, clinic: SmallClinic) -> Patient:
    """Register another patient of whom the same is on record; the number is the first one's."""
    twin = build.patient(
        born_on=patient.born_on,
        guardians=[records.GuardianDetails(name=one.name, until_on=one.until_on) for one in patient.guardians.all()],
        identifiers=[records.IdentifierDetails(NUMBERS, str(patient.uid))],
    )
    if patient.deceased_on is not None:
        records.record_death(twin, patient.deceased_on, by=clinic.receptionist, now=clinic.now)
    Patient.objects.filter(pk=twin.pk).update(merged_into=patient.merged_into)
    return twin


def as_file(patient: Patient, clinic: SmallClinic) -> str:
    """Write down a patient's courses, and the visits to come on the next Wednesdays, as another system would."""
    courses = Course.objects.filter(patient=patient).order_by("-pk")  # the other treatment was given before
    return json.dumps({"courses": [_course_as_data(course, clinic) for course in courses]}, default=str)


def _course_as_data(course: Course, clinic: SmallClinic) -> dict[str, Any]:
    number = {"language": "en", "number": 1}
    consents = [
        {**number, "informed_on": one.informed_on, "signed_on": one.signed_on, "expires_on": one.expires_on}
        | ({"guardian": one.given_by_guardian.name} if one.given_by_guardian else {})
        for one in course.consents.filter(withdrawn_on=None).order_by("pk")
    ]
    shown = ("assessed_on", "is_suitable", "reflux", "reflux_treated_on", "reflux_clear_on", "expires_on")
    assessments = Assessment.objects.filter(
        patient=course.patient, protocol=course.version.protocol_id, error_at=None
    ).order_by("pk")
    answers = Answer.objects.filter(patient=course.patient, error_at=None).order_by("pk")
    treatments = course.sessions.filter(step_key="treatment").order_by("position")
    is_other = course.version.protocol.key == OTHER_TREATMENT
    to_come = [] if is_other else list(treatments.filter(state=SessionState.OPEN))
    data = {
        "course": str(course.uid),
        "patient_system": NUMBERS,
        "patient_number": str(course.patient.uid),
        "protocol": course.version.protocol.key,
        "site": course.site.name,
        "areas": [area.code for area in course.areas.all()],
        "started_on": clinic.ago(LONG_AGO),
        "assessments": [{name: getattr(one, name) for name in shown} for one in assessments],
        "consents": consents,
        "answers": [{"question": one.question.code, "value": one.value, "given_on": one.given_on} for one in answers],
        "performed": [
            {"performed_on": one.performed_on} | _outcome_as_data(getattr(one, "outcome", None))
            for one in treatments.filter(state=SessionState.PERFORMED)
        ],
        "visits": [{"on": clinic.visit_on + timedelta(weeks=at), "at": "09:00"} for at in range(len(to_come))],
    }
    return _told(data)


def _outcome_as_data(outcome: Outcome | None) -> dict[str, Any]:
    return {"outcome": outcome.result, "clearance": outcome.cleared_note or None} if outcome else {}


def _told(value: Any) -> Any:
    """Leave out what is not known."""
    if isinstance(value, dict):
        return {name: _told(one) for name, one in value.items() if one is not None}
    return [_told(one) for one in value] if isinstance(value, list) else value


# --- every code -------------------------------------------------------------------------------------------------------

SIX_WEEKS = "6 weeks"  # longer than the site books ahead: no date is open


def risk(severity: str, opened: Turn | None = None) -> Situation:
    questions = [{"question": "pregnancy", "severity": severity, "valid_days": 30}]
    return Situation(closed=answered("yes"), open=opened, protocol={"questions": questions})


def asked_again_after(days: int) -> dict[str, Any]:
    return {"questions": [{"question": "pregnancy", "severity": "absolute", "valid_days": days}]}


def late(action: str) -> Situation:
    bands = [{"from": "2 weeks", "action": action}]
    return Situation(
        closed=performed(ago=30),
        open=overridden(performed(ago=30), f"late_{action}"),
        first_is_open=True,
        protocol={"spacing": {"late_bands": bands}},
    )


SITUATIONS: Mapping[str, Situation] = {
    "assessment_missing": Situation(closed=assessment_struck),
    "assessment_expired": Situation(closed=assessed(ago=10, expires_in=0), open=assessed(ago=10, expires_in=60)),
    "assessment_unsuitable": Situation(closed=assessed(is_suitable=False), open=assessed()),
    "assessment_cooling_off": Situation(
        closed=assessed(), open=assessed(ago=60), protocol={"assessment": {"cooling_off": SIX_WEEKS}}
    ),
    "reflux_not_checked": Situation(closed=assessed(reflux="not_checked"), open=assessed()),
    "reflux_untreated": Situation(closed=assessed(reflux="untreated"), open=assessed()),
    "reflux_treated_recently": Situation(
        closed=assessed(reflux="treated", reflux_treated_on=date(2026, 12, 1), clear_in=60),
        open=assessed(reflux="treated", reflux_treated_on=date(2026, 12, 1), clear_in=0),
    ),
    "answer_missing": Situation(closed=answer_struck),
    "answer_expired": Situation(
        closed=days_go_by,
        open=days_go_by,
        protocol=asked_again_after(1),
        protocols={GateState.OPEN: asked_again_after(WEDNESDAY)},
    ),
    "answer_due_again": Situation(
        pending=nothing, protocol=asked_again_after(1), protocols={GateState.OPEN: asked_again_after(WEDNESDAY)}
    ),
    "risk_absolute": risk("absolute"),
    "risk_relative": risk("relative", overridden(answered_and_reviewed, "risk_relative", "pregnancy")),
    "risk_ask": risk("ask", answered_and_reviewed),
    "area_not_allowed": Situation(closed=version_changed(areas=["face"]), open=version_changed(areas=["leg", "face"])),
    "consent_withdrawn": Situation(closed=withdrawn),
    "consent_missing": Situation(
        closed=informed_again(is_signed=False),
        pending=informed_again(is_signed=False),
        open=informed_again(),
        protocols={GateState.PENDING: {"consent": {"at": "visit"}}},
    ),
    "consent_expired": Situation(
        closed=informed_again(ago=10, expires_in=0),
        pending=informed_again(ago=10, expires_in=0),
        open=informed_again(ago=10, expires_in=60),
        protocols={GateState.PENDING: {"consent": {"at": "visit"}}},
    ),
    "consent_cooling_off": Situation(
        closed=informed_again(), open=informed_again(ago=60), protocol={"consent": {"cooling_off": SIX_WEEKS}}
    ),
    "guardian_missing": Situation(closed=guardian_gone, is_minor=True),
    "guardian_consent_missing": Situation(closed=informed_again(), is_minor=True),
    "of_age_unknown": Situation(closed=corrected(born_on=None)),
    "outcome_missing": Situation(closed=performed(ago=3, result=None), open=performed(ago=3), first_is_open=True),
    "outcome_stop": Situation(closed=performed(ago=3, result="stop"), open=performed(ago=3), first_is_open=True),
    "outcome_review": Situation(closed=performed(ago=3, result="review"), open=reviewed, first_is_open=True),
    "outcome_awaited": Situation(pending=nothing, open=performed(ago=3), first_is_open=True),
    "yearly_limit_reached": Situation(
        closed=performed(ago=2),  # 2 January
        open=performed(ago=5),  # 30 December
        first_is_open=True,
        protocol={"gates": {"yearly_limit": {"at_most": 1}}},
    ),
    "review_due": Situation(
        closed=performed(ago=3),
        pending=nothing,
        open=performed(ago=LONG_AGO + 1),
        first_is_open=True,
        protocol={"gates": {"review_due": {"every": 1}}},
    ),
    "season_closed": Situation(
        closed=version_changed(gates={"season": {"from": "12-01", "until": "02-28"}}),
        open=version_changed(gates={"season": {"from": "03-01", "until": "11-30"}}),
    ),
    "too_near_other_treatment": Situation(
        closed=had_other_treatment(ago=3),
        open=overridden(had_other_treatment(ago=3), "too_near_other_treatment", OTHER_TREATMENT),
        protocol={"gates": {"apart": {"protocol": OTHER_TREATMENT, "at_least": SIX_WEEKS}}},
    ),
    "late_review": late("review"),
    "late_repeat_step": late("repeat_step"),
    "late_restart": late("restart"),
    "too_young": Situation(closed=corrected(born_on=date(2015, 5, 17)), protocol={"minimum_age": 18}),
    "birth_date_missing": Situation(closed=corrected(born_on=None), protocol={"minimum_age": 18}),
    "course_on_hold": Situation(closed=held),
    "patient_deceased": Situation(closed=died),
    "patient_merged": Situation(closed=merged),
}
