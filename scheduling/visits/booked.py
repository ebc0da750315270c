"""Visits that are booked: book one, move, cancel, confirm it, let the patient in, or note that nobody came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime

from django.utils.translation import gettext as _

from clinic import rights
from clinic.acts import act
from clinic.errors import Conflict, Problem
from clinic.models import User
from scheduling import booking, outbox, replanning, roster, wording
from scheduling.models import Appointment, AppointmentState, CancelReason, Course, Proposal, Session
from scheduling.models.appointments import AskedBy
from scheduling.models.proposals import ProposalState
from scheduling.planner import facts
from scheduling.planner.gates import ASK_AGAIN, not_asked_since
from scheduling.planner.rules import keeps_from_beginning

from .courses import look_at_other_courses, refuse_if_over


class NotAdmitted(Conflict):
    """A gate is closed, or still pending, at the moment of the visit, or it is too early or too late for it."""

    code = "gate_not_open"
    title = "The visit must not begin yet."


@act
def book_course(course: Course, slots: Sequence[facts.Slot], *, by: User | None, now: datetime) -> list[Appointment]:
    """Book every session left by these slots, or none: raise NotBookable with all that is wrong.

    Visits that were there before, and may be pushed out by these, get a proposal.
    """
    booked = booking.book_course(course, slots, by=by, now=now)
    others = Appointment.objects.live().filter(session__course=course).exclude(pk__in=[one.pk for one in booked])
    if others.exists() or Proposal.objects.filter(course=course, state=ProposalState.OPEN).exists():
        replanning.examine(roster.lock(course, now=now), reason="booked", by=by, now=now)
    look_at_other_courses(course, reason="other_course", by=by, now=now)
    return booked


@act
def book(session: Session, slot: facts.Slot, *, by: User | None, now: datetime) -> Appointment:
    """Book one session; raise NotBookable with everything that is wrong. Visits that it pushes out get a proposal."""
    rights.require(by, session.course.site, *rights.FRONT_DESK)
    course = roster.lock(session.course, booking.resources_of([slot]), now=now)
    refuse_if_over(course)
    booking.make_room([slot], course.site, now=now)
    as_it_stands = roster.course_facts(course)
    if slot.session != session.uid:
        raise booking.NotBookable(Problem("session_unknown", wording.sentence("session_unknown"), str(slot.session)))
    if any(one.id == session.uid and one.booked is not None for one in as_it_stands.sessions):
        raise booking.NotBookable(booking.already_booked(session.uid))
    if problems := booking.whats_wrong([slot], course, as_it_stands, on=roster.today(course.site, now), now=now):
        raise booking.NotBookable(*problems)
    (appointment,) = booking.place(course, [slot], by=by, now=now)
    after = booking.with_booked(as_it_stands, [slot])
    booking.refresh_windows(course, after)
    outbox.confirm([appointment], now=now)
    replanning.examine(course, after, reason="booked", by=by, now=now)
    look_at_other_courses(course, reason="other_course", by=by, now=now)
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
    look_at_other_courses(course, reason="other_course", by=by, now=now)
    return appointment, proposal


def _same(one: facts.Slot, other: facts.Slot) -> bool:
    """Whether two slots are one time and place, in whatever order their uses are told."""
    return replace(one, uses=()) == replace(other, uses=()) and set(one.uses) == set(other.uses)


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
    booking.cancel_visit(appointment, reason=reason, asked_by=asked_by, by=by, now=now, note=note)
    outbox.announce_cancellation(appointment, now=now)
    after = roster.course_facts(course)
    booking.refresh_windows(course, after)
    outbox.reconcile(course, now=now)
    replanning.examine(course, after, reason="cancelled", by=by, now=now)
    look_at_other_courses(course, reason="other_course", by=by, now=now)
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
    """Check a patient in.

    Raise NotAdmitted while any gate is not open, a question is not asked again yet, or the date is below the session's
    floor, below its minimum without an override, or past its lapse.
    """
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
    """Return what keeps a session from beginning on that date (spacing, gates), and what was not asked since the last.

    A question that a gate wants asked again anyway is told once.
    """
    as_it_stands = roster.course_facts(course)
    wanted = next(one for one in as_it_stands.sessions if one.id == session.uid)
    shut = keeps_from_beginning(wanted, on, as_it_stands, on)
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


def fresh(appointment: Appointment) -> Appointment:
    """Read a visit again under the locks."""
    return Appointment.objects.select_related("session__course__site", "session__step", "site", "lead", "patient").get(
        pk=appointment.pk
    )


def _not_live(appointment: Appointment) -> Problem:
    return Problem(
        f"appointment_is_{appointment.state}",
        _("This visit is %(state)s already.") % {"state": AppointmentState(appointment.state).label},
        str(appointment.uid),
    )
