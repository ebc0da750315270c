"""Changes of state of sessions and visits, each noted in the history, and the refusal of those that cannot be.

Primitives: the acts call these inside their own transaction, under their own locks.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext as _

from clinic.errors import Conflict, Problem, RuleBroken
from clinic.models import Site, User
from scheduling import marks
from scheduling.models import (
    Appointment,
    AppointmentState,
    CancelReason,
    Course,
    CourseState,
    Occupancy,
    Offer,
    Reservation,
    Session,
    SessionState,
    StateChange,
)
from scheduling.models.appointments import LIVE, AskedBy

from . import occupancies

EVER = datetime.min.replace(tzinfo=UTC)  # before any visit


class NotPossibleNow(Conflict):
    """The course, session or appointment is not in a state that allows it."""

    code = "illegal_transition"


def change_appointment(
    appointment: Appointment,
    to_state: AppointmentState,
    *,
    by: User | None,
    now: datetime,
    reason: str = "",
    release_from: datetime | None = None,
    **fields: Any,
) -> None:
    """Change the state of an appointment that is still in the state last read; raise NotPossibleNow when it is not.

    With `release_from`, its places are released where they begin at or after that moment; before it they were used.
    """
    is_possible = appointment.state in LIVE and to_state != appointment.state
    if not is_possible or not Appointment.objects.filter(pk=appointment.pk, state=appointment.state).update(
        state=to_state, revision=F("revision") + 1, **fields
    ):
        raise NotPossibleNow(
            Problem(
                f"appointment_is_{appointment.state}",
                _("This visit is %(state)s already. Load the page again.")
                % {"state": AppointmentState(appointment.state).label},
                str(appointment.uid),
            )
        )
    if release_from is not None:
        marks.visit_gave_back_its_time(appointment, now=now)
        ahead = Occupancy.objects.filter(appointment=appointment, during__startswith__gte=release_from)
        occupancies.release(ahead, now=now)
    note(
        appointment.session.course,
        appointment.session,
        appointment,
        from_state=appointment.state,
        to_state=to_state,
        reason=reason,
        by=by,
        now=now,
    )
    appointment.refresh_from_db(fields=["state", "revision", *fields])


def cancel_visit(
    appointment: Appointment,
    *,
    reason: CancelReason,
    asked_by: AskedBy,
    by: User | None,
    now: datetime,
    note: str = "",
) -> None:
    """Cancel a live visit: its time is free at once, its session stays. Who is told, the act says.

    Raise RuleBroken for what is no reason, or nobody who may ask.
    """
    if reason not in CancelReason.values or asked_by not in AskedBy.values:
        raise RuleBroken(Problem("reason_unknown", _("Choose a reason from the list, and who asked."), "reason"))
    change_appointment(
        appointment,
        AppointmentState.CANCELLED,
        by=by,
        now=now,
        reason=reason,
        release_from=EVER,
        cancelled_at=now,
        cancel_reason=reason,
        cancel_asked_by=asked_by,
        note=note,
        calendar_sequence=appointment.calendar_sequence + 1,
    )


def confirm_visit(appointment: Appointment, *, now: datetime) -> None:
    """Note that the patient has confirmed a visit. It is the same visit to all mail and proposals: no new revision."""
    Appointment.objects.filter(pk=appointment.pk).update(confirmed_at=now)
    appointment.confirmed_at = now


def change_session(
    session: Session, to_state: SessionState, *, by: User | None, now: datetime, reason: str = "", **fields: Any
) -> None:
    """Change an open session's state; raise NotPossibleNow when it is not open any more."""
    fields = {"state_reason": reason} | fields
    if not Session.objects.filter(pk=session.pk, state=SessionState.OPEN).update(state=to_state, **fields):
        session.refresh_from_db()
        raise NotPossibleNow(
            Problem(
                "session_not_open",
                _("This session is %(state)s already. Load the page again.")
                % {"state": SessionState(session.state).label},
                str(session.uid),
            )
        )
    release_reservations([session.pk], now=now)
    note(session.course, session, from_state=SessionState.OPEN, to_state=to_state, reason=reason, by=by, now=now)
    session.refresh_from_db(fields=["state", *fields])


def release_reservations(sessions: Collection[int] | QuerySet[Session], *, now: datetime) -> None:
    """Give back what is reserved for sessions (rows or primary keys): they go on in another way.

    A time that was offered goes to the next on the waiting list.
    """
    if ended := _end_reservations(sessions, now=now):
        occupancies.release(Occupancy.objects.filter(reservation__in=ended), now=now)
        _offer_to_the_next(ended, now=now)


def release_reservations_and_visits(
    sessions: Collection[int] | QuerySet[Session], *, visits_from: datetime, now: datetime
) -> None:
    """The same for sessions that are over, with the places of their visits that begin at or after `visits_from`.

    The busy map is locked and written once.
    """
    ended = _end_reservations(sessions, now=now)
    live = list(Appointment.objects.live().filter(session__in=sessions).values_list("pk", flat=True))
    held = Q(reservation__in=ended) | Q(appointment__in=live, during__startswith__gte=visits_from)
    occupancies.release(Occupancy.objects.filter(held), now=now)
    _offer_to_the_next(ended, now=now)


def _end_reservations(sessions: Collection[int] | QuerySet[Session], *, now: datetime) -> list[int]:
    """End the reservations that stand, and return their primary keys: their places are still to be released."""
    standing = Reservation.objects.filter(session__in=sessions, released_at=None)
    pks = list(standing.select_for_update().values_list("pk", flat=True))
    if pks:
        Reservation.objects.filter(pk__in=pks).update(released_at=now)
    return pks


def _offer_to_the_next(ended: Collection[int], *, now: datetime) -> None:
    """Let the times be looked at again that were reserved as offers.

    Asked last: the busy map is locked before what was freed, as by whoever accepts.
    """
    if ended:
        offered = Offer.objects.filter(reservation__in=ended, ended_at=None)
        marks.look_again(set(offered.values_list("freed", flat=True)), at=now)


def finish_visit(session: Session, *, by: User | None, now: datetime) -> Appointment | None:
    """Mark the live visit of a session as performed, if it has one, and release what had not begun."""
    visit = Appointment.objects.live().filter(session=session).select_related("session__course", "site").first()
    if visit is not None:
        change_appointment(visit, AppointmentState.PERFORMED, by=by, now=now, release_from=now)
    return visit


def refuse_unless_open(course: Course) -> None:
    if course.state != CourseState.OPEN:
        raise NotPossibleNow(
            Problem(
                f"course_{course.state}",
                _("This course is %(state)s. Start a new one.") % {"state": CourseState(course.state).label},
                str(course.uid),
            )
        )


def given_up(site: Site) -> list[Problem]:
    """Return what stands against starting and planning courses at a site that is given up; nothing at another."""
    if site.is_active:
        return []
    sentence = _("The site “%(site)s” is given up. Choose another site, or have a manager open this one again.")
    return [Problem("site_given_up", sentence % {"site": site.name}, "site")]


def note(
    course: Course,
    session: Session | None = None,
    appointment: Appointment | None = None,
    *,
    to_state: str,
    from_state: str = "",
    reason: str = "",
    details: Mapping[str, Any] | None = None,
    by: User | None,
    now: datetime,
) -> None:
    StateChange.objects.create(
        course=course,
        session=session,
        appointment=appointment,
        at=now,
        by=by,
        from_state=from_state,
        to_state=to_state,
        reason=reason,
        details=dict(details or {}),
    )
