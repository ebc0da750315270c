"""The time that visits take: give a visit its places, give it others, and let go of what is kept no longer.

Primitives: the acts call these inside their own transaction, under their own locks.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models import F, Q, QuerySet

from clinic import localtime
from clinic.models import Site, User
from scheduling import marks
from scheduling.models import (
    Appointment,
    AppointmentState,
    Course,
    Occupancy,
    Reservation,
    Resource,
    Session,
    StateChange,
)
from scheduling.planner import facts

from . import occupancies
from .slots import resources_of, when_as_data
from .states import note, release_reservations


def place(course: Course, slots: Sequence[facts.Slot], *, by: User | None, now: datetime) -> list[Appointment]:
    """Write appointments and occupancies for slots that were found lawful under the locks."""
    sessions = {session.uid: session for session in course.sessions.filter(uid__in=[slot.session for slot in slots])}
    pks = _resource_pks(slots)
    rows = []
    for slot in slots:
        uid = uuid.uuid4()
        rows.append(
            Appointment(
                uid=uid,
                session=sessions[slot.session],
                patient=course.patient,
                site=course.site,
                calendar_uid=f"{uid}@cadence",
                booked_at=now,
                booked_by=by,
                lead_id=pks[slot.lead],
                **_when(slot, course.site),
            )
        )
    release_reservations([session.pk for session in sessions.values()], now=now)
    appointments = Appointment.objects.bulk_create(rows)
    occupancies.occupy(_of_visits(appointments, slots, pks), now=now)
    StateChange.objects.bulk_create(
        [
            StateChange(
                course=course,
                session=appointment.session,
                appointment=appointment,
                at=now,
                by=by,
                to_state=AppointmentState.BOOKED,
            )
            for appointment in appointments
        ]
    )
    return appointments


def make_room(slots: Sequence[facts.Slot], site: Site, *, now: datetime, leaving: Sequence[Appointment] = ()) -> None:
    """Release what is reserved no longer on the resources of slots, which the act has locked and is about to take.

    An act that gives up reservations, or several visits (`leaving` their places), writes the busy map more than once.
    So it locks here all the periods that it will touch, in their one order: who waits for one holds none after it.
    """
    sessions = [slot.session for slot in slots]
    standing = Reservation.objects.filter(released_at=None)
    expired = Q(expires_at__lte=now, pk__in=_reserved_on(resources_of(slots)))
    reserved = list(standing.filter(expired | Q(session__uid__in=sessions)).values_list("pk", "expires_at"))
    if not reserved and len(leaving) < 2:
        return  # whatever writes the map now does so once
    over = [pk for pk, expires_at in reserved if expires_at <= now]
    going = standing.filter(pk__in=[pk for pk, _expires_at in reserved]).order_by("pk")
    pks_going = list(going.select_for_update(of=("self",)).values_list("pk", flat=True))
    pks = _resource_pks(slots)
    occupancies.lock_periods(
        [taken for slot in slots for taken in _places(slot, site, pks)],
        Occupancy.objects.filter(Q(reservation__in=pks_going) | Q(appointment__in=leaving)),
    )
    _release(set(over) & set(pks_going), now=now)


def lock_times_of(courses: Collection[Course]) -> None:
    """Lock the busy map wherever courses have a visit or a reservation, before several of them are given up.

    See `make_room`. The act holds the courses' locks.
    """
    reserved = Reservation.objects.filter(session__course__in=courses, released_at=None).order_by("pk")
    pks = list(reserved.select_for_update(of=("self",)).values_list("pk", flat=True))
    visits = list(Appointment.objects.live().filter(session__course__in=courses).values_list("pk", flat=True))
    occupancies.lock_periods([], Occupancy.objects.filter(Q(reservation__in=pks) | Q(appointment__in=visits)))


def replace_time(
    appointment: Appointment, slot: facts.Slot, *, reason: str, by: User | None, now: datetime
) -> Appointment:
    """Move a live appointment: same identity, next revision and SEQUENCE, old places released and new ones taken.

    A patient who is here already and gets another day has left: check-in is asked anew on that day.
    """
    before, state = when_as_data(appointment), appointment.state
    leaves = {} if slot.on == appointment.on else {"state": AppointmentState.BOOKED, "arrived_at": None}
    pks, when = _resource_pks([slot]), _when(slot, appointment.site)
    is_then = all(getattr(appointment, name) == when[name] for name in ("on", "at_time", "fold"))
    release_reservations([appointment.session_id], now=now)
    marks.visit_gave_back_its_time(appointment, now=now)
    changed = {
        **when,
        "lead_id": pks[slot.lead],
        "revision": F("revision") + 1,
        "calendar_sequence": F("calendar_sequence") + 1,
        "confirmed_at": appointment.confirmed_at if is_then else None,
        **leaves,
    }
    Appointment.objects.filter(pk=appointment.pk).update(**changed)
    occupancies.occupy(
        _of_visits([appointment], [slot], pks), now=now, instead_of=Occupancy.objects.filter(appointment=appointment)
    )
    appointment.refresh_from_db(fields=changed)
    note(
        appointment.session.course,
        appointment.session,
        appointment,
        from_state=state,
        to_state=appointment.state,
        reason=reason,
        details={"from": before, "to": when_as_data(appointment)},
        by=by,
        now=now,
    )
    return appointment


def _of_visits(
    appointments: Sequence[Appointment], slots: Sequence[facts.Slot], pks: Mapping[uuid.UUID, int]
) -> list[Occupancy]:
    """Return the places of slots for their appointments, buffers included."""
    return [
        taken
        for appointment, slot in zip(appointments, slots, strict=True)
        for taken in _places(slot, appointment.site, pks, appointment=appointment)
    ]


def reserve(
    session: Session, slot: facts.Slot, *, purpose: Reservation.Purpose, expires_at: datetime, now: datetime
) -> Reservation:
    """Keep a slot that was found lawful under the locks for a session, until it expires or is let go.

    A session has one reservation at a time; while it stands the database lets nobody else have its places.
    """
    pks, when = _resource_pks([slot]), _when(slot, session.course.site)
    reservation = Reservation.objects.create(
        session=session,
        purpose=purpose,
        on=when["on"],
        at_time=when["at_time"],
        fold=when["fold"],
        minutes=slot.minutes,
        created_at=now,
        expires_at=expires_at,
    )
    occupancies.occupy(_places(slot, session.course.site, pks, reservation=reservation), now=now)
    return reservation


def slot_reserved(reservation: Reservation) -> facts.Slot:
    """Return what a reservation keeps, in the planner's own shape; with `session__course__site` and step at hand.

    Of many it wants the occupancies with their resources as `kept`, in the order of phases.
    """
    session = reservation.session
    zone = session.course.site.zone
    starts_at = localtime.day_shape(reservation.on, zone).starts_at
    begins_at = localtime.instant(reservation.on, reservation.at_time, zone, fold=reservation.fold)
    kept: Iterable[Occupancy] = getattr(reservation, "kept", None) or list(
        reservation.occupancies.select_related("resource").order_by("phase", "id")
    )

    def ticks(at: datetime) -> int:
        return int((at - starts_at) / localtime.ONE_MINUTE)

    return facts.Slot(
        session=session.uid,
        on=reservation.on,
        tick=ticks(begins_at),
        minutes=reservation.minutes,
        lead=next(taken.resource.uid for taken in kept if taken.role == session.step.lead_role),
        uses=tuple(
            facts.Use(
                phase=taken.phase,
                role=taken.role,
                resource=taken.resource.uid,
                place=taken.place - 1,
                from_tick=ticks(taken.during.lower),
                until_tick=ticks(taken.during.upper),
            )
            for taken in kept
        ),
    )


def _places(slot: facts.Slot, site: Site, pks: Mapping[uuid.UUID, int], **taken_by: Any) -> list[Occupancy]:
    return [
        Occupancy(
            **taken_by,
            phase=use.phase,
            role=use.role,
            resource_id=pks[use.resource],
            place=use.place + 1,
            during=_range(slot.on, site, use.from_tick, use.until_tick),
        )
        for use in slot.uses
    ]


def release_expired_reservations(*, now: datetime) -> int:
    """Release reservations whose time is over, and say how many.

    One that somebody is just accepting is left to them.
    """
    expired = Reservation.objects.filter(released_at=None, expires_at__lte=now)
    with transaction.atomic(savepoint=False):
        pks = list(expired.select_for_update(skip_locked=True).values_list("pk", flat=True))
        _release(pks, now=now)
    return len(pks)


def _release(reservations: Collection[int], *, now: datetime) -> None:
    if reservations:
        Reservation.objects.filter(pk__in=reservations).update(released_at=now)
        occupancies.release(Occupancy.objects.filter(reservation__in=reservations), now=now)


def _reserved_on(resources: Collection[uuid.UUID]) -> QuerySet[Occupancy, Any]:
    taken = Occupancy.objects.filter(released_at=None, reservation__isnull=False, resource__uid__in=resources)
    return taken.values("reservation")


def _resource_pks(slots: Sequence[facts.Slot]) -> dict[uuid.UUID, int]:
    wanted = resources_of(slots) | {slot.lead for slot in slots}
    return dict(Resource.objects.filter(uid__in=wanted).values_list("uid", "pk"))


def _when(slot: facts.Slot, site: Site) -> dict[str, Any]:
    during = _range(slot.on, site, slot.tick, slot.tick + slot.minutes)
    on_the_wall = localtime.wall(during.lower, site.zone)
    return {
        "on": on_the_wall.date(),
        "at_time": on_the_wall.time().replace(tzinfo=None, fold=0),
        "fold": on_the_wall.fold,
        "zone": site.zone,
        "minutes": slot.minutes,
        "during": during,
    }


def _range(on: date, site: Site, from_tick: int, until_tick: int) -> DateTimeTZRange:
    starts_at = localtime.day_shape(on, site.zone).starts_at
    return DateTimeTZRange(starts_at + timedelta(minutes=from_tick), starts_at + timedelta(minutes=until_tick), "[)")
