"""What happens to visits: book one, confirm, move, cancel, arrive, perform, miss. Then the rest of a course is seen to.

The only writer of outcomes and follow-up tasks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from django.utils.translation import gettext as _

from clinic import localtime, rights
from clinic.acts import act
from clinic.errors import Conflict, Problem, RuleBroken
from clinic.models import Role, User
from patients.models import Area, Complication, Patient

from . import booking, holds, outbox, replanning, roster, wording
from .models import (
    Appointment,
    AppointmentState,
    Assessment,
    CancelReason,
    Course,
    CourseState,
    FollowUpTask,
    Occupancy,
    Outcome,
    OutcomeComplication,
    Proposal,
    Resource,
    Session,
    SessionState,
)
from .models.appointments import AskedBy
from .planner import facts, search
from .planner.amounts import Amount
from .planner.gates import ASK_AGAIN, gate_answers, not_asked_since, refuses


class NotAdmitted(Conflict):
    """A gate is closed, or still pending, at the moment of the visit."""

    code = "gate_not_open"
    title = "The visit must not begin yet."


@dataclass(frozen=True, slots=True)
class OutcomeInput:
    """What a clinician records after a session. `complications` are codes; an amount needs a UCUM unit.

    With `clearance` a review is cleared in the same breath: the clinician has looked, and says why to go on.
    """

    result: str
    complications: tuple[str, ...] = ()
    product: str = ""
    batch: str = ""
    amount: Decimal | None = None
    amount_unit: str = ""
    notes: str = ""
    clearance: str = ""


@dataclass(frozen=True, slots=True)
class Performed:
    """What really happened. `at_time` is the site's wall clock; areas are codes, None for those planned."""

    performed_on: date
    at_time: time | None = None
    outcome: OutcomeInput | None = None
    treated_areas: tuple[str, ...] | None = None
    minutes: int | None = None
    lead: Resource | None = None


@dataclass(frozen=True, slots=True)
class PerformResult:
    session: Session
    proposal: Proposal | None


# --- times ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Free:
    """Times for a session of a course as it stands; the resources are those that could be used, by id."""

    course: facts.CourseFacts
    times: list[facts.PlannedSession]
    resources: Sequence[facts.ResourceFacts]


def free_times(
    session: Session, *, first_on: date, last_on: date, now: datetime, limit: int = 50
) -> list[facts.PlannedSession]:
    """Return lawful times for one session between two dates, by time; the course's other visits stay where they are."""
    return find_free(session, first_on=first_on, last_on=last_on, now=now, limit=limit).times


def find_free(session: Session, *, first_on: date, last_on: date, now: datetime, limit: int) -> Free:
    """Return the same with the facts that they were found by. Wants the session's course with site and version."""
    course = session.course
    as_it_stands = roster.course_facts(course)
    on = roster.today(course.site, now)
    horizon_on = on + timedelta(days=course.site.booking_horizon_days)
    first_on, last_on = max(first_on, on), min(last_on, horizon_on)
    if first_on > last_on or session.state != SessionState.OPEN:
        return Free(as_it_stands, [], ())
    wanted = next(one for one in as_it_stands.sessions if one.id == session.uid)
    times = roster.load(course, first_on, last_on, now=now)
    between = (first_on, last_on)
    found = search.free_times(wanted, as_it_stands, times, booking.WEIGHTS, today=on, between=between, limit=limit)
    return Free(as_it_stands, found, times.resources)


# --- acts -------------------------------------------------------------------------------------------------------------


@act
def book(session: Session, slot: facts.Slot, *, by: User | None, now: datetime) -> Appointment:
    """Book one session; raise NotBookable with everything that is wrong."""
    rights.require(by, session.course.site, *rights.FRONT_DESK)
    course = roster.lock(session.course, booking.resources_of([slot]), now=now)
    _refuse_if_over(course)
    booking.make_room([slot], course.site, now=now)
    as_it_stands = roster.course_facts(course)
    if slot.session != session.uid:
        raise booking.NotBookable(Problem("session_unknown", wording.sentence("session_unknown"), str(slot.session)))
    if any(one.id == session.uid and one.booked is not None for one in as_it_stands.sessions):
        raise booking.NotBookable(booking.already_booked(session.uid))
    if problems := booking.whats_wrong([slot], course, as_it_stands, on=roster.today(course.site, now), now=now):
        raise booking.NotBookable(*problems)
    (appointment,) = booking.place(course, [slot], by=by, now=now)
    booking.refresh_windows(course, booking.with_booked(as_it_stands, [slot]))
    outbox.confirm([appointment], now=now)
    return appointment


@act
def move(
    appointment: Appointment, slot: facts.Slot, *, by: User | None, now: datetime, reason: str = ""
) -> tuple[Appointment, Proposal | None]:
    """Move a visit to another time; return it with a proposal for those that its new time pushes out.

    A visit that is there already stays untouched: the request was sent twice.
    """
    rights.require(by, appointment.site, *rights.FRONT_DESK)
    course = roster.lock(appointment.session.course, booking.resources_of([slot]), now=now)
    appointment = fresh(appointment)
    if not appointment.is_live:
        raise booking.NotPossibleNow(_not_live(appointment))
    booking.make_room([slot], course.site, now=now, leaving=[appointment])
    as_it_stands = roster.course_facts(course)
    if slot.session != appointment.session.uid:
        raise booking.NotBookable(Problem("session_unknown", wording.sentence("session_unknown"), str(slot.session)))
    if any(one.booked is not None and _same(slot, one.booked) for one in as_it_stands.sessions):
        return appointment, None
    broken = booking.whats_wrong([slot], course, as_it_stands, on=roster.today(course.site, now), now=now)
    if broken:
        raise booking.NotBookable(*broken)
    before = booking.when_as_data(appointment)
    appointment = booking.replace_time(appointment, slot, reason=reason, by=by, now=now)
    after = booking.with_booked(as_it_stands, [slot])
    booking.refresh_windows(course, after)
    outbox.announce_moves(course, [(appointment, before)], now=now)
    proposal = replanning.examine(course, after, reason="moved", by=by, now=now)
    _look_at_other_courses(course, reason="other_course", by=by, now=now)
    return appointment, proposal


@act
def cancel(
    appointment: Appointment,
    *,
    reason: CancelReason,
    asked_by: AskedBy,
    by: User | None,
    now: datetime,
    note: str = "",
) -> Appointment:
    """Cancel a visit: the row and its reason stay, the time is free at once, the session waits to be booked again."""
    rights.require(by, appointment.site, *rights.FRONT_DESK)
    course = roster.lock(appointment.session.course, now=now)
    appointment = fresh(appointment)
    _cancel(appointment, reason=reason, asked_by=asked_by, by=by, now=now, note=note)
    outbox.announce_cancellation(appointment, now=now)
    after = roster.course_facts(course)
    booking.refresh_windows(course, after)
    outbox.reconcile(course, now=now)
    replanning.examine(course, after, reason="cancelled", by=by, now=now)
    _look_at_other_courses(course, reason="other_course", by=by, now=now)
    return appointment


@act
def confirm(appointment: Appointment, *, by: User | None, now: datetime) -> Appointment:
    """Note that the patient has confirmed a visit to come, which plans then rather leave where it is; once is enough.

    Raise NotPossibleNow for a visit that is not booked any more, or has begun. Moved elsewhere, it is to be confirmed
    again.
    """
    rights.require(by, appointment.site, *rights.FRONT_DESK)
    roster.lock(appointment.session.course, now=now)
    appointment = fresh(appointment)
    if appointment.state != AppointmentState.BOOKED:
        raise booking.NotPossibleNow(_not_live(appointment))
    if appointment.confirmed_at is not None:
        return appointment
    if appointment.during.lower <= now:
        raise booking.NotPossibleNow(
            Problem("visit_begun", _("This visit has begun: it needs no confirming any more."), str(appointment.uid))
        )
    booking.confirm_visit(appointment, now=now)
    return appointment


@act
def arrive(appointment: Appointment, *, by: User | None, now: datetime) -> Appointment:
    """Check a patient in; raise NotAdmitted while any gate is not open, or a question is not asked again yet."""
    rights.require(by, appointment.site, *rights.FRONT_DESK)
    course = roster.lock(appointment.session.course, now=now)
    appointment = fresh(appointment)
    on = roster.today(appointment.site, now)
    refuse_unless_expected(appointment, on)
    if shut := gates_at_check_in(course, appointment.session, on):
        raise NotAdmitted(*wording.gate_problems(shut, appointment.session.uid, roster.subjects()))
    booking.change_appointment(appointment, AppointmentState.ARRIVED, by=by, now=now, arrived_at=now)
    return appointment


def refuse_unless_expected(appointment: Appointment, on: date) -> None:
    """Raise NotPossibleNow for a visit that is not booked any more, or not for this day."""
    if appointment.state != AppointmentState.BOOKED:
        raise booking.NotPossibleNow(_not_live(appointment))
    if appointment.on != on:
        raise booking.NotPossibleNow(
            Problem("not_today", _("This visit is not today. Move it first."), str(appointment.uid))
        )


def gates_at_check_in(course: Course, session: Session, on: date) -> list[facts.GateAnswer]:
    """Return the gates that keep a session from beginning on that date, and what was not asked since the last one.

    A question that a gate wants asked again anyway is told once.
    """
    as_it_stands = roster.course_facts(course)
    wanted = next(one for one in as_it_stands.sessions if one.id == session.uid)
    shut = [answer for answer in gate_answers(wanted, on, as_it_stands, on) if refuses(answer, facts.Moment.CHECK_IN)]
    asked_again = {answer.subject for answer in shut if answer.code in ASK_AGAIN}
    return shut + [one for one in not_asked_since(wanted, as_it_stands) if one.subject not in asked_again]


@act
def miss(appointment: Appointment, *, by: User | None, now: datetime) -> tuple[Appointment, Proposal | None]:
    """Record that the patient did not come: the time is free at once, as nothing of it was used.

    The session stays open: losing a visit never loses the step.
    """
    rights.require(by, appointment.site, *rights.FRONT_DESK)
    course = roster.lock(appointment.session.course, now=now)
    appointment = fresh(appointment)
    if now < appointment.during.lower:
        raise booking.NotPossibleNow(
            Problem("not_over_yet", _("This visit has not begun yet. Cancel it instead."), str(appointment.uid))
        )
    booking.change_appointment(appointment, AppointmentState.MISSED, by=by, now=now, release_from=booking.EVER)
    after = roster.course_facts(course)
    booking.refresh_windows(course, after)
    outbox.reconcile(course, now=now)
    return appointment, replanning.examine(course, after, reason="missed", by=by, now=now)


@act
def perform(session: Session, what: Performed, *, by: User | None, now: datetime) -> PerformResult:
    """Record that a session took place, with its outcome if there is one; return a proposal for visits it pushes out.

    Windows and gates are not asked: what happened, happened. Refused are a date to come and a session not open. A
    session that came too soon does not count, and another of its step is opened right after it; where the step's cap
    forbids that, the course goes on hold until a clinician decides.
    """
    rights.require(by, session.course.site, *rights.CLINICAL)
    course = roster.lock(session.course, now=now)
    session = course.sessions.select_related("step").get(pk=session.pk)
    performed_at = _when_performed(course, what, now)
    uses = _booked_uses(session)
    if what.lead is not None:
        uses[session.step.lead_role] = what.lead
    booking.release_reservations_and_visits([session.pk], visits_from=now, now=now)
    not_replaced = booking.record_performed(
        session,
        performed_on=what.performed_on,
        performed_at=performed_at,
        minutes=what.minutes,
        treated_areas=None if what.treated_areas is None else _areas(what.treated_areas),
        uses=uses,
        by=by,
        now=now,
    )
    booking.finish_visit(session, by=by, now=now)
    if what.outcome is not None:
        _write_outcome(session, what.outcome, by=by, now=now)
    _promise_follow_ups(session, roster.today(course.site, now))
    _hold_not_replaced(course, not_replaced, by=by, now=now)
    after = roster.course_facts(course)
    booking.refresh_windows(course, after)
    outbox.promise_aftercare(session, now=now)
    if is_done(course):
        booking.close_course(course, reason="", by=by, now=now, completed=True)
    outbox.reconcile(course, now=now)
    proposal = replanning.examine(course, after, reason="performed", by=by, now=now)
    _look_at_other_courses(course, reason="other_course", by=by, now=now)
    return PerformResult(session, proposal)


@act
def correct_performed(
    session: Session,
    *,
    performed_on: date,
    at_time: time | None = None,
    reason: str,
    by: User | None,
    now: datetime,
) -> PerformResult:
    """Correct when a performed session took place; the whole history is judged anew, and the rest looked at again.

    The date of an assessment is its record's own, and is corrected there.
    """
    rights.require(by, session.course.site, *rights.CLINICAL)
    course = roster.lock(session.course, now=now)
    session = course.sessions.select_related("step").get(pk=session.pk)
    if session.state != SessionState.PERFORMED:
        raise booking.NotPossibleNow(
            Problem("session_not_performed", _("Only a performed session has a date to correct."), str(session.uid))
        )
    problems = []
    if not reason.strip():
        problems.append(Problem("reason_missing", _("Say what was wrong."), "reason"))
    if Assessment.objects.filter(session=session, error_at=None).exists():
        problems.append(
            Problem("date_is_the_assessments", _("Record the assessment anew with its right date."), str(session.uid))
        )
    if problems:
        raise RuleBroken(*problems)
    performed_at = _when_performed(course, Performed(performed_on, at_time), now)
    not_replaced = booking.correct_performed(
        session, performed_on=performed_on, performed_at=performed_at, reason=reason.strip(), by=by, now=now
    )
    _move_follow_ups(session)
    _hold_not_replaced(course, not_replaced, by=by, now=now)
    _settle(course, not_replaced, reason=reason.strip(), by=by, now=now)
    after = roster.course_facts(course)
    booking.refresh_windows(course, after)
    outbox.promise_aftercare(session, now=now)
    outbox.reconcile(course, now=now)
    proposal = replanning.examine(course, after, reason="corrected", by=by, now=now)
    _look_at_other_courses(course, reason="other_course", by=by, now=now)
    return PerformResult(session, proposal)


@act
def record_outcome(session: Session, what: OutcomeInput, *, by: User | None, now: datetime) -> Outcome:
    """Record the outcome of a performed session that has none."""
    rights.require(by, session.course.site, *rights.CLINICAL)
    course = roster.lock(session.course, now=now)
    session.refresh_from_db()
    if session.state != SessionState.PERFORMED:
        raise booking.NotPossibleNow(
            Problem("session_not_performed", _("Only a performed session has an outcome."), str(session.uid))
        )
    outcome = _write_outcome(session, what, by=by, now=now)
    outbox.reconcile(course, now=now)
    return outcome


@act
def clear_review(outcome: Outcome, *, note: str, by: User | None, now: datetime) -> Proposal | None:
    """Say, as a clinician, that the course may go on after a review; the last one cleared lifts the reviews' hold."""
    course = outcome.session.course
    rights.require(by, course.site, *rights.CLINICAL)
    course = roster.lock(course, now=now)
    waiting = Outcome.objects.filter(pk=outcome.pk, result=Outcome.Result.REVIEW, cleared_at=None)
    if by is None or not waiting.update(cleared_at=now, cleared_by=by, cleared_note=note):
        raise booking.NotPossibleNow(Problem("no_review_waiting", _("There is no review to clear here."), "outcome"))
    standing = course.holds.filter(code=holds.REVIEW, lifted_at=None).first()
    others = Outcome.objects.filter(session__course=course, result=Outcome.Result.REVIEW, cleared_at=None)
    if standing is not None and not others.exists():
        return holds.lift(standing, reason=note or _("review cleared"), by=by, now=now)
    outbox.reconcile(course, now=now)
    return replanning.examine(course, reason="review_cleared", by=by, now=now)


@act
def end_course(
    course: Course, *, reason: str, asked_by: AskedBy = AskedBy.CLINIC, by: User | None, now: datetime
) -> Course:
    """End a course for a reason: its visits are cancelled, its open sessions dropped, its messages stopped."""
    rights.require(by, course.site, *rights.FRONT_DESK)
    if not reason.strip():
        raise RuleBroken(Problem("reason_missing", _("Say why the course ends."), "reason"))
    course = roster.lock(course, now=now)
    _refuse_if_over(course)
    for appointment in _cancel_all(course, asked_by=asked_by, by=by, now=now):
        outbox.announce_cancellation(appointment, now=now)
    course = _close(course, reason=reason, by=by, now=now)
    outbox.reconcile(course, now=now)
    return course


@act
def end_courses_of(patient: Patient, *, reason: str, by: User | None, now: datetime) -> list[Course]:
    """End every open course of a patient at once, call off what was to be asked by telephone, and tell nobody.

    A primitive of `dossier.record_death`, which holds the patient's lock and has asked for the right.
    """
    ended = []
    courses = roster.lock_courses(Course.objects.open().filter(patient=patient), now=now)
    booking.lock_times_of(courses)
    for locked in courses:
        _cancel_all(locked, asked_by=AskedBy.CLINIC, by=by, now=now)
        ended.append(_close(locked, reason=reason, by=by, now=now))
    to_do = FollowUpTask.objects.filter(session__course__patient=patient, done_at=None, cancelled_at=None)
    to_do.update(cancelled_at=now)
    return ended


# --- parts ------------------------------------------------------------------------------------------------------------


def is_done(course: Course) -> bool:
    """Whether an open course has nothing left: no session, and none that does not count and waits for a decision."""
    if course.sessions.filter(state=SessionState.OPEN).exists():
        return False
    return not course.holds.filter(code=holds.NOT_REPLACED, lifted_at=None).exists()


def _look_at_other_courses(course: Course, *, reason: str, by: User | None, now: datetime) -> None:
    """Look at the patient's other courses that have visits: a treatment in one keeps away from those in another.

    The patient is locked already, so nobody can be at one of these courses and wait for ours.
    """
    booked = Appointment.objects.live().filter(patient=course.patient_id).exclude(session__course=course)
    for pk in sorted(
        set(booked.filter(session__course__state=CourseState.OPEN).values_list("session__course", flat=True))
    ):
        other = roster.lock(Course(pk=pk, patient_id=course.patient_id), now=now)
        replanning.examine(other, reason=reason, by=by, now=now)


def _same(one: facts.Slot, other: facts.Slot) -> bool:
    """Whether two slots are one time and place, in whatever order their uses are told."""
    return replace(one, uses=()) == replace(other, uses=()) and set(one.uses) == set(other.uses)


def _cancel(
    appointment: Appointment,
    *,
    reason: CancelReason,
    asked_by: AskedBy,
    by: User | None,
    now: datetime,
    note: str = "",
) -> None:
    if reason not in CancelReason.values or asked_by not in AskedBy.values:
        raise RuleBroken(Problem("reason_unknown", _("Choose a reason from the list, and who asked."), "reason"))
    booking.cancel_visit(appointment, reason=reason, asked_by=asked_by, by=by, now=now, note=note)


def _cancel_all(course: Course, *, asked_by: AskedBy, by: User | None, now: datetime) -> list[Appointment]:
    """Cancel the visits of a course that ends, and return them: whether anybody is told is for the act to say."""
    booking.lock_times_of([course])
    found = list(Appointment.objects.live().filter(session__course=course).select_related("session__course"))
    for appointment in found:
        _cancel(appointment, reason=CancelReason.COURSE_ENDED, asked_by=asked_by, by=by, now=now)
    return found


def _close(course: Course, *, reason: str, by: User | None, now: datetime) -> Course:
    """End a course whose visits are cancelled; nobody is asked any more where they should have moved."""
    replanning.withdraw(course, by=by, now=now)
    return booking.close_course(course, reason=reason, by=by, now=now)


def _write_outcome(session: Session, what: OutcomeInput, *, by: User | None, now: datetime) -> Outcome:
    if problems := _against_outcome(session, what, by=by):
        raise RuleBroken(*problems)
    clearance = what.clearance.strip()
    outcome = Outcome.objects.create(
        session=session,
        result=what.result,
        product=what.product,
        batch=what.batch,
        amount=what.amount,
        amount_unit=what.amount_unit,
        notes=what.notes,
        recorded_at=now,
        recorded_by=by,
        cleared_at=now if clearance else None,
        cleared_by=by if clearance else None,
        cleared_note=clearance,
    )
    seen = Complication.objects.filter(code__in=what.complications)
    OutcomeComplication.objects.bulk_create(
        [OutcomeComplication(outcome=outcome, complication=complication) for complication in seen]
    )
    if not clearance:
        _hold_after(session, what.result, by=by, now=now)
    return outcome


def _against_outcome(session: Session, what: OutcomeInput, *, by: User | None) -> list[Problem]:
    problems = []
    if what.result not in Outcome.Result.values:
        problems.append(Problem("result_unknown", _("The result is ok, review or stop."), "outcome.result"))
    if what.amount is not None and (what.amount < 0 or not what.amount_unit):
        problems.append(
            Problem("amount_without_unit", _("Give an amount with its unit, such as mL."), "outcome.amount")
        )
    known = {one.code: one for one in Complication.objects.filter(code__in=what.complications)}
    unexpected = [one.name for one in known.values() if not one.is_expected]
    if what.result == Outcome.Result.OK and unexpected:
        problems.append(
            Problem(
                "complication_needs_review",
                _("Record “review” for %(names)s. Whoever has looked at it already says so, and the course goes on.")
                % {"names": ", ".join(sorted(unexpected))},
                "outcome.result",
            )
        )
    if what.clearance.strip() and (what.result != Outcome.Result.REVIEW or by is None):
        problems.append(
            Problem("nothing_to_clear", _("Only a review is cleared, and by a person."), "outcome.clearance")
        )
    problems += [
        Problem(
            "complication_unknown", _("There is no complication “%(code)s”.") % {"code": code}, "outcome.complications"
        )
        for code in what.complications
        if code not in known
    ]
    if Outcome.objects.filter(session=session).exists():
        problems.append(Problem("outcome_recorded", _("The outcome is recorded already."), str(session.uid)))
    return problems


def _hold_after(session: Session, result: str, *, by: User | None, now: datetime) -> None:
    placed = {
        Outcome.Result.REVIEW: (holds.REVIEW, Role.CLINICIAN, _("A clinician must review the last session first.")),
        Outcome.Result.STOP: (
            holds.STOP,
            Role.PRESCRIBER,
            _("The clinician stopped the course after the last session."),
        ),
    }.get(Outcome.Result(result))
    course = session.course
    if placed is None or course.holds.filter(code=placed[0], lifted_at=None).exists():
        return
    code, role, reason = placed
    _hold(course, code, reason, role, by=by, now=now)


def _hold(course: Course, code: str, reason: str, role: Role, *, by: User | None, now: datetime) -> None:
    holds.place_found(course, code=code, reason=reason, lifted_by_role=role, visits=holds.Visits.KEEP, by=by, now=now)


def _hold_not_replaced(course: Course, not_replaced: Sequence[Session], *, by: User | None, now: datetime) -> None:
    """Hold a course in which a session does not count and the protocol allows no other, until a clinician decides."""
    if not_replaced and not course.holds.filter(code=holds.NOT_REPLACED, lifted_at=None).exists():
        reason = _("A session came too soon and does not count, and the protocol allows no other. A clinician decides.")
        _hold(course, holds.NOT_REPLACED, reason, Role.CLINICIAN, by=by, now=now)


def _settle(course: Course, not_replaced: Sequence[Session], *, reason: str, by: User | None, now: datetime) -> None:
    """Open a completed course again for a session to come, or complete one that has none left."""
    has_more = course.sessions.filter(state=SessionState.OPEN).exists()
    if course.state == CourseState.COMPLETED and (has_more or not_replaced):
        booking.reopen(course, reason=reason, by=by, now=now)
    elif course.state == CourseState.OPEN and is_done(course):
        booking.close_course(course, reason="", by=by, now=now, completed=True)


def _move_follow_ups(session: Session) -> None:
    """Count the calls that are still to be made from the date on which the session really took place."""
    if session.performed_on is None:
        return
    for task in FollowUpTask.objects.filter(session=session, done_at=None, cancelled_at=None).select_related(
        "follow_up"
    ):
        due_on = Amount.parse(task.follow_up.after).after(session.performed_on)
        until_on = due_on + timedelta(days=task.follow_up.tolerance_days)
        FollowUpTask.objects.filter(pk=task.pk).update(due_on=due_on, until_on=until_on)


def _promise_follow_ups(session: Session, today: date) -> None:
    """Write the tasks that a person has to do some time after this session; messages are the outbox's.

    Of a session recorded long after, those whose last day has passed are no use to anybody.
    """
    on = session.performed_on
    if on is None:
        return
    is_last = not session.course.sessions.filter(step=session.step, state=SessionState.OPEN).exists()
    tasks = []
    for follow_up in session.step.follow_ups.filter(kind="call"):
        if follow_up.last_session_only and not is_last:
            continue
        due_on = Amount.parse(follow_up.after).after(on)
        until_on = due_on + timedelta(days=follow_up.tolerance_days)
        tasks.append(FollowUpTask(session=session, follow_up=follow_up, due_on=due_on, until_on=until_on))
    FollowUpTask.objects.bulk_create([task for task in tasks if task.until_on >= today])


def _when_performed(course: Course, what: Performed, now: datetime) -> datetime | None:
    """Return the instant it began, if a time was given; raise RuleBroken for one that is still to come."""
    at = (
        localtime.typed_instant(what.performed_on, what.at_time, course.site.zone) if what.at_time is not None else None
    )
    if what.performed_on > roster.today(course.site, now) or (at is not None and at > now):
        raise RuleBroken(
            Problem("performed_in_future", _("A session is recorded when it has taken place."), "performed_on")
        )
    if what.minutes is not None and not 0 < what.minutes <= 24 * 60:
        raise RuleBroken(Problem("minutes_out_of_range", _("A session takes between a minute and a day."), "minutes"))
    return at


def _booked_uses(session: Session) -> dict[str, Resource]:
    taken = Occupancy.objects.standing().filter(appointment__in=Appointment.objects.live().filter(session=session))
    return {use.role: use.resource for use in taken.select_related("resource")}


def _areas(codes: Iterable[str]) -> list[Area]:
    wanted = set(codes)
    found = list(Area.objects.filter(code__in=wanted))
    if unknown := sorted(wanted - {area.code for area in found}):
        raise RuleBroken(
            *(
                Problem("area_unknown", _("There is no area “%(code)s”.") % {"code": code}, "treated_areas")
                for code in unknown
            )
        )
    return found


def fresh(appointment: Appointment) -> Appointment:
    """Read a visit again under the locks."""
    return Appointment.objects.select_related("session__course__site", "session__step", "site", "lead", "patient").get(
        pk=appointment.pk
    )


def _refuse_if_over(course: Course) -> None:
    if course.state != CourseState.OPEN:
        raise booking.NotPossibleNow(
            Problem(f"course_{course.state}", _("This course is over. Start a new one."), str(course.uid))
        )


def _not_live(appointment: Appointment) -> Problem:
    return Problem(
        f"appointment_is_{appointment.state}",
        _("This visit is %(state)s already.") % {"state": AppointmentState(appointment.state).label},
        str(appointment.uid),
    )


__all__ = [
    "Free",
    "NotAdmitted",
    "OutcomeInput",
    "PerformResult",
    "Performed",
    "arrive",
    "book",
    "cancel",
    "clear_review",
    "confirm",
    "correct_performed",
    "end_course",
    "end_courses_of",
    "find_free",
    "free_times",
    "fresh",
    "gates_at_check_in",
    "is_done",
    "miss",
    "move",
    "perform",
    "record_outcome",
    "refuse_unless_expected",
]
