"""What we are told before a session: assessment, consent, answers, overrides. What turns bad, holds.

What was recorded in error is struck: the record before it counts again, and nothing is lifted by itself.

The only writer of assessments, consents and overrides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from django.utils.translation import gettext as _

from clinic import rights
from clinic.acts import act
from clinic.errors import Conflict, Problem, RuleBroken
from clinic.models import Role, Site, User
from patients import records
from patients.models import Answer, Guardian, Patient

from . import booking, holds, outbox, protocols, replanning, roster
from .models import (
    Appointment,
    Assessment,
    CancelReason,
    Consent,
    ConsentText,
    Course,
    CourseState,
    NamedEvent,
    Override,
    Protocol,
    RiskRule,
    Session,
    SessionState,
)
from .models.appointments import AskedBy
from .planner import facts, tiers


class StruckAlready(Conflict):
    code = "struck_already"


class OverrideRevoked(Conflict):
    code = "override_revoked"


class ConsentNotOpen(Conflict):
    code = "consent_not_open"


@dataclass(frozen=True, slots=True)
class AssessmentInput:
    assessed_on: date
    is_suitable: bool
    reflux: str = facts.Reflux.NONE_FOUND
    reflux_treated_on: date | None = None
    reflux_clear_on: date | None = None  # the prescriber's decision for this patient
    expires_on: date | None = None
    risks_explained: bool = False
    expectations_discussed: bool = False
    notes: str = ""


@dataclass(frozen=True, slots=True)
class ConsentInput:
    text: ConsentText
    informed_on: date
    signed_on: date | None = None
    session: Session | None = None
    expires_on: date | None = None
    given_by_guardian: Guardian | None = None


@act
def assess(
    patient: Patient,
    protocol: Protocol,
    what: AssessmentInput,
    *,
    site: Site,
    by: User | None,
    now: datetime,
) -> Assessment:
    """Record a clinician's assessment; the patient's open course of the protocol has its assessment session performed.

    Every other session of the course is asked again: what may stand no longer becomes a proposal. A treatment found
    unsuitable holds the course.
    """
    rights.require(by, site, *rights.CLINICAL)
    if by is None:
        raise RuleBroken(
            Problem("assessor_missing", _("An assessment names the clinician who made it."), "assessed_by")
        )
    patient = _lock(patient)
    on = roster.today(site, now)
    if problems := _against_assessment(what, on):
        raise RuleBroken(*problems)
    course = Course.objects.open().filter(patient=patient, version__protocol=protocol).first()
    if course is not None:
        course = roster.lock(course, now=now)
        rights.require(by, course.site, *rights.CLINICAL)
    session = course.assessment_session if course else None
    if session is not None and session.state != SessionState.OPEN:
        session = None  # assessed again: the newest counts, and performs nothing
    assessment = Assessment.objects.create(
        patient=patient,
        protocol=protocol,
        session=session,
        assessed_on=what.assessed_on,
        is_suitable=what.is_suitable,
        reflux=what.reflux,
        reflux_treated_on=what.reflux_treated_on,
        reflux_clear_on=what.reflux_clear_on,
        expires_on=what.expires_on,
        risks_explained=what.risks_explained,
        expectations_discussed=what.expectations_discussed,
        notes=what.notes,
        recorded_at=now,
        assessed_by=by,
    )
    if course is not None:
        if session is not None:
            booking.record_performed(session, performed_on=what.assessed_on, performed_at=None, by=by, now=now)
            booking.finish_visit(session, by=by, now=now)
        if not what.is_suitable:
            reason = _("A clinician found the treatment unsuitable.")
            _hold(course, holds.UNSUITABLE, reason, Role.PRESCRIBER, by=by, now=now)
        _look_again(course, reason="assessed", by=by, now=now)
    return assessment


@act
def strike_assessment(assessment: Assessment, *, site: Site, reason: str, by: User | None, now: datetime) -> Assessment:
    """Strike an assessment that was recorded in error; the one before it counts again, and the course is asked anew.

    The session that it performed is open again. A hold that it placed stays until a person lifts it.
    """
    rights.require(by, site, *rights.CLINICAL)
    patient = _lock(assessment.patient)
    if not reason.strip():
        raise RuleBroken(Problem("reason_missing", _("Say why this is an error."), "reason"))
    course = Course.objects.open().filter(patient=patient, version__protocol=assessment.protocol_id).first()
    if course is not None:
        course = roster.lock(course, now=now)
        rights.require(by, course.site, *rights.CLINICAL)
    performed = assessment.session
    if not Assessment.objects.filter(pk=assessment.pk, error_at=None).update(
        error_at=now, error_by=by, error_reason=reason.strip(), session=None
    ):
        raise StruckAlready(Problem("struck_already", _("This was marked as an error already."), "assessment"))
    if course is not None:
        if performed is not None and performed.course_id == course.pk:
            booking.reopen_session(performed, reason="struck", by=by, now=now)
        _look_again(course, reason="struck", by=by, now=now)
    assessment.refresh_from_db()
    return assessment


def _lock(patient: Patient) -> Patient:
    """Lock a patient, before looking for the courses that are open; raise PatientReadOnly for a record that is over."""
    locked = Patient.objects.select_for_update(no_key=True).get(pk=patient.pk)
    if locked.merged_into_id is not None or locked.pseudonymised_at is not None:
        raise records.PatientReadOnly(
            Problem("patient_read_only", _("This record was merged or pseudonymised. Open the one in use."), "patient")
        )
    return locked


def _against_assessment(what: AssessmentInput, on: date) -> list[Problem]:
    problems = []
    if what.assessed_on > on:
        problems.append(Problem("assessed_in_future", _("An assessment is recorded when it was made."), "assessed_on"))
    if what.reflux not in Assessment.Reflux.values:
        problems.append(Problem("reflux_unknown", _("Choose what was found from the list."), "reflux"))
    if what.reflux == facts.Reflux.TREATED and what.reflux_treated_on is None:
        problems.append(Problem("reflux_date_missing", _("Say when the veins were treated."), "reflux_treated_on"))
    if what.expires_on is not None and what.expires_on <= what.assessed_on:
        problems.append(
            Problem("expires_before_it_began", _("An assessment expires after the day it was made."), "expires_on")
        )
    return problems


@act
def record_event(
    course: Course, key: str, happened_on: date, *, by: User | None, now: datetime, note: str = ""
) -> NamedEvent:
    """Record something from which a spacing counts, or correct its date; the course is looked at again.

    Where spacings count from events, it must be one of those: one written otherwise would hold nothing back.
    """
    rights.require(by, course.site, *rights.CLINICAL)
    course = roster.lock(course, now=now)
    known = events_of(course)
    if known and key not in known:
        message = _("The course's protocol counts from no such event. It knows: %(known)s.")
        raise RuleBroken(Problem("event_unknown", message % {"known": ", ".join(known)}, "key"))
    if happened_on > roster.today(course.site, now):
        raise RuleBroken(Problem("event_in_future", _("This date is still to come."), "happened_on"))
    event = booking.write_event(course, key, happened_on, note=note, by=by, now=now)
    _look_again(course, reason="event", by=by, now=now)
    return event


def events_of(course: Course) -> list[str]:
    """Return the named events from which a spacing of the course's protocol counts."""
    steps = course.version.steps.filter(spacings__reference=facts.Reference.EVENT)
    return sorted(set(steps.values_list("spacings__reference_key", flat=True)))


@act
def record_consent(course: Course, what: ConsentInput, *, by: User | None, now: datetime) -> Consent:
    """Record that a patient was informed and, when they did, signed. A clinician seeks consent, and is named."""
    rights.require(by, course.site, *rights.CLINICAL)
    if by is None:
        raise RuleBroken(Problem("seeker_missing", _("A consent names the clinician who sought it."), "sought_by"))
    course = roster.lock(course, now=now)
    on = roster.today(course.site, now)
    if problems := _against_consent(course, what, on):
        raise RuleBroken(*problems)
    consent = Consent.objects.create(
        course=course,
        session=what.session,
        text=what.text,
        informed_on=what.informed_on,
        signed_on=what.signed_on,
        expires_on=what.expires_on,
        given_by_guardian=what.given_by_guardian,
        sought_by=by,
        recorded_at=now,
    )
    _look_again(course, reason="consent", by=by, now=now)
    return consent


def _against_consent(course: Course, what: ConsentInput, on: date) -> list[Problem]:
    problems = []
    if what.text not in protocols.consent_texts_of(course.version):
        problems.append(
            Problem("text_not_in_force", _("This is not the text that the course's protocol asks for."), "text")
        )
    if what.informed_on > on or (what.signed_on is not None and what.signed_on > on):
        problems.append(Problem("consent_in_future", _("A consent is recorded when it was given."), "signed_on"))
    if what.signed_on is not None and what.signed_on < what.informed_on:
        problems.append(
            Problem(
                "signed_before_informed", _("Nobody signs before they were informed. Check the dates."), "signed_on"
            )
        )
    if what.expires_on is not None and what.expires_on <= (what.signed_on or what.informed_on):
        problems.append(
            Problem("expires_before_it_began", _("A consent expires after the day it was given."), "expires_on")
        )
    if what.session is not None and what.session.course_id != course.pk:
        problems.append(Problem("session_unknown", _("This session belongs to another course."), "session"))
    return problems + _against_guardian(course, what.given_by_guardian, what.signed_on or what.informed_on)


def _against_guardian(course: Course, guardian: Guardian | None, on: date) -> list[Problem]:
    if guardian is None:
        return []
    if guardian.patient_id != course.patient_id:
        return [Problem("guardian_unknown", _("This patient has no such guardian."), "given_by_guardian")]
    if not (guardian.from_on or date.min) <= on <= (guardian.until_on or date.max):
        return [
            Problem(
                "guardian_not_then", _("This guardian did not decide for the patient on that day."), "given_by_guardian"
            )
        ]
    return []


@act
def sign_consent(
    consent: Consent,
    *,
    signed_on: date,
    given_by_guardian: Guardian | None = None,
    by: User | None,
    now: datetime,
) -> Consent:
    """Record the signature, the patient's or a guardian's, under a consent whose information was given before."""
    rights.require(by, consent.course.site, *rights.FRONT_DESK)
    course = roster.lock(consent.course, now=now)
    # A guardian who was informed must still decide on the day of the signature.
    if problems := _against_guardian(course, given_by_guardian or consent.given_by_guardian, signed_on):
        raise RuleBroken(*problems)
    if signed_on < consent.informed_on:
        raise RuleBroken(
            Problem(
                "signed_before_informed", _("Nobody signs before they were informed. Check the dates."), "signed_on"
            )
        )
    if signed_on > roster.today(course.site, now):
        raise RuleBroken(Problem("consent_in_future", _("A consent is recorded when it was given."), "signed_on"))
    changes = {"signed_on": signed_on} | ({"given_by_guardian": given_by_guardian} if given_by_guardian else {})
    if not Consent.objects.filter(pk=consent.pk, signed_on=None, withdrawn_on=None).update(**changes):
        raise ConsentNotOpen(Problem("consent_not_open", _("This consent is signed or withdrawn already."), "consent"))
    _look_again(course, reason="consent", by=by, now=now)
    consent.refresh_from_db()
    return consent


@act
def withdraw_consent(consent: Consent, *, on: date, cancel_visits: bool, by: User | None, now: datetime) -> Consent:
    """Record that the patient withdrew; the course is put on hold and its reminders stop. One that is over has neither.

    Whether the visits that the consent covers are cancelled is said by who records it, after they were named to them.
    """
    rights.require(by, consent.course.site, *rights.FRONT_DESK)
    course = roster.lock(consent.course, now=now)
    if not consent.informed_on <= on <= roster.today(course.site, now):
        raise RuleBroken(Problem("withdrawn_out_of_range", _("Check the date of the withdrawal."), "on"))
    if not Consent.objects.filter(pk=consent.pk, withdrawn_on=None).update(withdrawn_on=on):
        raise ConsentNotOpen(Problem("consent_not_open", _("This consent is withdrawn already."), "consent"))
    if cancel_visits:
        booking.lock_times_of([course])
    if course.state == CourseState.OPEN:
        reason = _("The patient has withdrawn the consent.")
        _hold(course, holds.CONSENT_WITHDRAWN, reason, Role.CLINICIAN, by=by, now=now)
    if cancel_visits:
        for visit in visits_under(consent, now=now):
            booking.cancel_visit(
                visit, reason=CancelReason.PATIENT_CHANGED_MIND, asked_by=AskedBy.PATIENT, by=by, now=now
            )
            outbox.announce_cancellation(visit, now=now)
        booking.refresh_windows(course)
        outbox.reconcile(course, now=now)
    consent.refresh_from_db()
    return consent


def visits_under(consent: Consent, *, now: datetime) -> list[Appointment]:
    """Return the visits to come that a consent covers: its session's, or all of the course."""
    booked = holds.visits_to_come(consent.course, now=now)
    return [visit for visit in booked if consent.session_id in (None, visit.session_id)]


@act
def answer_all(
    patient: Patient,
    values: Mapping[str, str],
    *,
    given_on: date,
    by: User | None,
    now: datetime,
    source: str = Answer.Source.STAFF,
    note: str = "",
    visits: str = holds.Visits.KEEP,
) -> list[Answer]:
    """Record answers, question code to value, all or none; a bad one holds at once every open course it concerns.

    Messages of such a course stop; its visits are kept, or freed if a person says so and has a right to it at its site.
    """
    rights.require_somewhere(by, *rights.FRONT_DESK)
    patient = _lock(patient)
    courses = [roster.lock(course, now=now) for course in Course.objects.open().filter(patient=patient).order_by("pk")]
    recorded = records.record_answers(patient, values, given_on=given_on, by=by, now=now, source=source, note=note)
    for course in courses:
        rules = RiskRule.objects.filter(version=course.version, question__code__in=values).select_related("question")
        bad = [rule for rule in rules if values[rule.question.code] in rule.refused_answers]
        for rule in bad:
            role = who_decides(rule)
            reason = _("An answer speaks against the treatment: %(question)s") % {"question": rule.question.text}
            _hold(course, f"{holds.RISK}{rule.question.code}", reason[:300], role, visits=visits, by=by, now=now)
        if not bad:
            outbox.reconcile(course, now=now)
    return recorded


def who_decides(rule: RiskRule) -> Role:
    """Return who may lift the hold that a bad answer places."""
    return Role.CLINICIAN if rule.severity == RiskRule.Severity.ASK else Role.PRESCRIBER


def answer(
    patient: Patient,
    question_code: str,
    value: str,
    *,
    given_on: date,
    by: User | None,
    now: datetime,
    source: str = Answer.Source.STAFF,
    note: str = "",
    visits: str = holds.Visits.KEEP,
) -> Answer:
    """Record one answer, as `answer_all` does."""
    (recorded,) = answer_all(
        patient, {question_code: value}, given_on=given_on, by=by, now=now, source=source, note=note, visits=visits
    )
    return recorded


@act
def review_answer(answer: Answer, *, by: User, now: datetime) -> Answer:
    """Note that a clinician has looked at an answer; the open courses that ask for it are looked at again."""
    patient = _lock(answer.patient)
    concerned = Course.objects.open().filter(patient=patient, version__risk_rules__question=answer.question_id)
    courses = [roster.lock(course, now=now) for course in concerned.order_by("pk")]
    reviewed = records.review_answer(answer, by=by, now=now)
    for course in courses:
        _look_again(course, reason="answer_reviewed", by=by, now=now)
    return reviewed


@act
def strike_answer(answer: Answer, *, reason: str, by: User | None, now: datetime) -> Answer:
    """Strike an answer that was recorded in error; the one before it counts again, and the courses are asked anew.

    A clinician's right: a struck answer may have held a course. That hold stays until a person lifts it. Raise
    RuleBroken without a reason, and Conflict for an answer that was struck before.
    """
    rights.require_somewhere(by, *rights.CLINICAL)
    patient = _lock(answer.patient)
    concerned = Course.objects.open().filter(patient=patient, version__risk_rules__question=answer.question_id)
    courses = [roster.lock(course, now=now) for course in concerned.order_by("pk")]
    struck = records.mark_answer_error(answer, reason=reason, by=by, now=now)
    for course in courses:
        _look_again(course, reason="struck", by=by, now=now)
    return struck


@act
def override(
    course: Course,
    *,
    session: Session | None,
    rule: str,
    reason: str,
    expires_on: date,
    subject: str = "",
    by: User | None,
    now: datetime,
) -> Override:
    """Silence one rule for one session until a day, as the prescriber may where the rule allows it.

    For the whole course (`session` None) only an answer of which the protocol says so.
    """
    rights.require(by, course.site, *rights.PRESCRIBING)
    if by is None:
        raise RuleBroken(Problem("overrider_missing", _("An override names the person who gave it."), "given_by"))
    course = roster.lock(course, now=now)
    problems = []
    if tiers.tier_of(rule) is tiers.Tier.NONE_NEEDED:
        problems.append(Problem("override_not_needed", _("This stands in nobody's way: just go on."), "rule"))
    elif rule not in tiers.OVERRIDABLE:
        problems.append(Problem("rule_not_overridable", _("Nobody may override this rule here."), "rule"))
    elif subject not in _overridable_subjects(course, rule):
        problems.append(Problem("subject_unknown", _("Say what this is about, as the refusal named it."), "subject"))
    elif session is None and not _may_override_the_course(course, rule, subject):
        problems.append(
            Problem("session_missing", _("Choose the session: the protocol lets this be silenced for one."), "session")
        )
    if not reason.strip():
        problems.append(Problem("reason_missing", _("Say why."), "reason"))
    if expires_on < roster.today(course.site, now):
        problems.append(Problem("expires_in_past", _("An override ends today or later."), "expires_on"))
    if session is not None and session.course_id != course.pk:
        problems.append(Problem("session_unknown", _("This session belongs to another course."), "session"))
    if problems:
        raise RuleBroken(*problems)
    given = Override.objects.create(
        course=course,
        session=session,
        rule=rule,
        subject=subject,
        reason=reason,
        expires_on=expires_on,
        given_at=now,
        given_by=by,
    )
    outbox.reconcile(course, now=now)
    return given


@act
def revoke_override(given: Override, *, reason: str, by: User | None, now: datetime) -> Override:
    """Take an override back, as a prescriber: the rule speaks again, and visits that it kept become a proposal."""
    rights.require(by, given.course.site, *rights.PRESCRIBING)
    if not reason.strip():
        raise RuleBroken(Problem("reason_missing", _("Say why."), "reason"))
    course = roster.lock(given.course, now=now)
    if not Override.objects.filter(pk=given.pk, revoked_at=None).update(
        revoked_at=now, revoked_by=by, revoke_reason=reason.strip()
    ):
        raise OverrideRevoked(Problem("override_revoked", _("This override was revoked already."), "override"))
    _look_again(course, reason="revoked", by=by, now=now)
    given.refresh_from_db()
    return given


def _may_override_the_course(course: Course, rule: str, subject: str) -> bool:
    risks = roster.protocol_facts(course.version).risks
    return rule == "risk_relative" and any(
        risk.question == subject and risk.override is facts.OverrideScope.COURSE for risk in risks
    )


def _overridable_subjects(course: Course, rule: str) -> set[str]:
    """Return what an override of the rule may be about: an override of the pill is none of a clot."""
    protocol = roster.protocol_facts(course.version)
    match rule:
        case "risk_relative":
            return {risk.question for risk in protocol.risks if risk.severity is facts.Severity.RELATIVE}
        case "too_near_other_treatment":
            # Whichever of the two protocols asks for the distance, the refusal names the other one.
            return set(Protocol.objects.exclude(key=protocol.key).values_list("key", flat=True))
    return {""}


def _hold(
    course: Course,
    code: str,
    reason: str,
    role: Role,
    *,
    visits: str = holds.Visits.KEEP,
    by: User | None,
    now: datetime,
) -> None:
    """Hold a course for this, or let a hold that stands stand; its visits are freed either way if a person says so.

    Whoever has no right at the course's site holds it, and leaves the visits to those who work there.
    """
    standing = course.holds.filter(code=code, lifted_at=None).first()
    if not rights.has(by, course.site, *rights.FRONT_DESK):
        visits = holds.Visits.KEEP
    if standing is None:
        holds.place_found(course, code=code, reason=reason, lifted_by_role=role, visits=visits, by=by, now=now)
    elif visits == holds.Visits.FREE:
        holds.free_visits(standing, by=by, now=now)
    else:
        outbox.reconcile(course, now=now)


def _look_again(course: Course, *, reason: str, by: User | None, now: datetime) -> None:
    as_it_stands = roster.course_facts(course)
    booking.refresh_windows(course, as_it_stands)
    outbox.reconcile(course, now=now)
    replanning.examine(course, as_it_stands, reason=reason, by=by, now=now)
