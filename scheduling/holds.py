"""Place a hold on a course, free its visits, and lift it. The only writer of holds."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from django.utils.translation import gettext as _

from clinic import rights
from clinic.acts import act
from clinic.errors import Conflict, Problem, RuleBroken
from clinic.models import Role, User

from . import booking, outbox, replanning, roster
from .models import Appointment, AppointmentState, CancelReason, Course, CourseState, Hold, Proposal, SessionState
from .models.appointments import AskedBy
from .planner import facts

LIFTERS = {
    Role.RECEPTION: rights.FRONT_DESK,
    Role.CLINICIAN: rights.CLINICAL,
    Role.PRESCRIBER: rights.PRESCRIBING,
    Role.MANAGER: rights.MANAGING,
}
RISK = "risk_"  # begins the code of a hold that an answer placed; the question's code follows
UNSUITABLE = "unsuitable"
CONSENT_WITHDRAWN = "consent_withdrawn"
REVIEW = "outcome_review"
STOP = "outcome_stop"
NOT_REPLACED = "session_not_replaced"
FOUND = frozenset({UNSUITABLE, CONSENT_WITHDRAWN, REVIEW, STOP, NOT_REPLACED})  # codes of what acts find, as with RISK

# Why the visits of a hold are freed, by its code, where it is the patient who asked. Elsewhere it is a clinical reason.
ASKED_BY_PATIENT = {
    "patient_wish": CancelReason.PATIENT_BUSY,
    CONSENT_WITHDRAWN: CancelReason.PATIENT_CHANGED_MIND,
}


class Visits(StrEnum):
    """What becomes of a held course's visits: a person chooses."""

    KEEP = "keep"
    FREE = "free"


class HoldStands(Conflict):
    code = "hold_stands"


class HoldLifted(Conflict):
    code = "hold_lifted"


@act
def place(
    course: Course,
    *,
    code: str,
    reason: str,
    lifted_by_role: Role = Role.CLINICIAN,
    visits: str = Visits.KEEP,
    by: User | None,
    now: datetime,
) -> Hold:
    """Hold a course: nothing is booked and no reminder goes out; its visits are kept, or freed if a person says so.

    Raise HoldStands when a hold of that code stands already, and RuleBroken for a code that only acts use.
    """
    rights.require(by, course.site, *rights.FRONT_DESK)
    if not reason.strip():
        raise RuleBroken(Problem("reason_missing", _("Say why the course must not go on."), "reason"))
    if lifted_by_role not in LIFTERS:
        raise RuleBroken(Problem("role_unknown", _("Choose who may lift the hold."), "lifted_by_role"))
    if code in FOUND or code.startswith(RISK):
        # Or somebody would choose beforehand who lifts what a clinician or a prescriber must decide.
        raise RuleBroken(
            Problem("hold_code_reserved", _("This hold is placed by what it is about. Choose another code."), "code")
        )
    if visits not in list(Visits):
        raise RuleBroken(Problem("visits_choice_unknown", _("Keep the visits, or free them."), "visits"))
    course = roster.lock(course, now=now)
    booking.refuse_unless_open(course)
    return place_found(course, code=code, reason=reason, lifted_by_role=lifted_by_role, visits=visits, by=by, now=now)


@act
def place_found(
    course: Course, *, code: str, reason: str, lifted_by_role: Role, visits: str, by: User | None, now: datetime
) -> Hold:
    """Hold a course for what another act has found, which has asked for the right to record it.

    A bad answer holds the patient's courses at every site, also where the person who records it does not work: it must
    never be refused, and lost, for a right that is missing there.
    """
    course = roster.lock(course, now=now)
    if course.holds.filter(code=code, lifted_at=None).exists():
        raise HoldStands(Problem("hold_stands", _("The course is on hold for this already."), "code"))
    hold = Hold.objects.create(
        course=course, code=code, reason=reason, lifted_by_role=lifted_by_role, placed_at=now, placed_by=by
    )
    if visits == Visits.FREE:
        booking.lock_times_of([course])
    booking.release_reservations(course.sessions.filter(state=SessionState.OPEN), now=now)
    if visits == Visits.FREE:
        _free(course, code, by=by, now=now)
    outbox.reconcile(course, now=now)
    return hold


@act
def free_visits(hold: Hold, *, by: User | None, now: datetime) -> list[Appointment]:
    """Free the visits of a held course after all: each is cancelled with a reason, its session waits to be planned."""
    rights.require(by, hold.course.site, *rights.FRONT_DESK)
    course = roster.lock(hold.course, now=now)
    _refuse_if_lifted(hold)
    freed = _free(course, hold.code, by=by, now=now)
    outbox.reconcile(course, now=now)
    return freed


@act
def lift(hold: Hold, *, reason: str, by: User | None, now: datetime) -> Proposal | None:
    """Lift a hold by whom it names; return a plan for visits that may not stay, and for what is not booked.

    A course that never had visits gets none: it is planned as any other that waits. One that was kept from being
    completed by a session that does not count, and has none left, is completed.
    """
    rights.require(by, hold.course.site, *LIFTERS[Role(hold.lifted_by_role)])
    if not reason.strip():
        raise RuleBroken(Problem("reason_missing", _("Say why the course may go on."), "reason"))
    course = roster.lock(hold.course, now=now)
    if not Hold.objects.filter(pk=hold.pk, lifted_at=None).update(lifted_at=now, lifted_by=by, lift_reason=reason):
        raise HoldLifted(_lifted_already())
    is_last_word = hold.code == NOT_REPLACED and course.state == CourseState.OPEN
    if is_last_word and not course.sessions.filter(state=SessionState.OPEN).exists():
        booking.close_course(course, reason="", by=by, now=now, completed=True)
    outbox.reconcile(course, now=now)
    left = course.sessions.filter(state=SessionState.OPEN)
    had_visits = Appointment.objects.filter(session__in=left).exists()
    unbooked = left.values_list("uid", flat=True) if had_visits else ()
    return replanning.examine(course, reason="hold_lifted", plan_unbooked=unbooked, by=by, now=now)


def is_settled(code: str, course: facts.CourseFacts) -> bool:
    """Whether what placed a hold is no longer so: it is offered for lifting, and a person lifts it.

    A person's own holds, and that a clinician stopped the course, settle with nobody but that person.
    """
    match code:
        case str() if code.startswith(RISK):
            return not _speaks_against(code.removeprefix(RISK), course)
        case _ if code == UNSUITABLE:
            return course.assessment is None or course.assessment.suitable
        case _ if code == CONSENT_WITHDRAWN:
            given = [one for one in (course.consent, *(session.consent for session in course.sessions)) if one]
            return bool(given) and all(one.withdrawn_on is None for one in given)
        case _ if code == REVIEW:
            return not any(
                session.outcome and session.outcome.result is facts.OutcomeResult.REVIEW and not session.outcome.cleared
                for session in course.sessions
            )
    return False


def _speaks_against(question: str, course: facts.CourseFacts) -> bool:
    given = course.patient.answers.get(question)
    return given is not None and any(
        rule.question == question
        and given.value in rule.refused_answers
        and not (rule.severity is facts.Severity.ASK and given.reviewed)
        for rule in course.protocol.risks
    )


def visits_to_come(course: Course, *, now: datetime) -> list[Appointment]:
    """Return the visits that can still be freed: booked, and not over. Who has arrived is seen by somebody first."""
    booked = Appointment.objects.filter(session__course=course, state=AppointmentState.BOOKED, during__endswith__gt=now)
    return list(booked.select_related("session__course", "session__step", "site", "lead").order_by("during"))


def _free(course: Course, code: str, *, by: User | None, now: datetime) -> list[Appointment]:
    freed = visits_to_come(course, now=now)
    for visit in freed:
        booking.cancel_visit(
            visit,
            reason=ASKED_BY_PATIENT.get(code, CancelReason.CLINICAL),
            asked_by=AskedBy.PATIENT if code in ASKED_BY_PATIENT else AskedBy.CLINIC,
            by=by,
            now=now,
        )
        outbox.announce_cancellation(visit, now=now)
    booking.refresh_windows(course)
    return freed


def _refuse_if_lifted(hold: Hold) -> None:
    if not Hold.objects.standing().filter(pk=hold.pk).exists():
        raise HoldLifted(_lifted_already())


def _lifted_already() -> Problem:
    return Problem("hold_lifted", _("Someone has lifted this hold already."), "hold")
