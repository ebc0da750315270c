"""The time that visits take: give a visit its places, give it others, and let go of what is kept no longer.

Primitives: the acts call these inside their own transaction, under their own locks.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models import F

from clinic import localtime
from clinic.models import Site, User
from scheduling.models import Appointment, AppointmentState, Course, Occupancy, Reservation, Resource, StateChange
from scheduling.planner import facts

from . import occupancies
from .slots import resources_of, when_as_data
from .states import note


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
                **_when(slot, course.site, pks),
            )
        )
    appointments = Appointment.objects.bulk_create(rows)
    occupancies.occupy(_places(appointments, slots, pks), now=now)
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


def replace_time(
    appointment: Appointment, slot: facts.Slot, *, reason: str, by: User | None, now: datetime
) -> Appointment:
    """Move a live appointment: same identity, next revision and SEQUENCE, old places released and new ones taken.

    A patient who is here already and gets another day has left: check-in is asked anew on that day.
    """
    before, state = when_as_data(appointment), appointment.state
    leaves = {} if slot.on == appointment.on else {"state": AppointmentState.BOOKED, "arrived_at": None}
    pks = _resource_pks([slot])
    changed = {
        **_when(slot, appointment.site, pks),
        "revision": F("revision") + 1,
        "calendar_sequence": F("calendar_sequence") + 1,
        "confirmed_at": None,
        **leaves,
    }
    Appointment.objects.filter(pk=appointment.pk).update(**changed)
    occupancies.occupy(
        _places([appointment], [slot], pks), now=now, instead_of=Occupancy.objects.filter(appointment=appointment)
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


def _places(
    appointments: Sequence[Appointment], slots: Sequence[facts.Slot], pks: Mapping[uuid.UUID, int]
) -> list[Occupancy]:
    """Return the places of slots for their appointments, buffers included."""
    return [
        Occupancy(
            appointment=appointment,
            phase=use.phase,
            role=use.role,
            resource_id=pks[use.resource],
            place=use.place + 1,
            during=_range(slot.on, appointment.site, use.from_tick, use.until_tick),
        )
        for appointment, slot in zip(appointments, slots, strict=True)
        for use in slot.uses
    ]


def release_expired_reservations(*, now: datetime, resources: Iterable[uuid.UUID] | None = None) -> int:
    """Release reservations whose time is over (all, or those on the given resources), and say how many."""
    expired = Reservation.objects.filter(released_at=None, expires_at__lte=now)
    if resources is not None:
        expired = expired.filter(occupancies__resource__uid__in=set(resources))
    pks = list(expired.values_list("pk", flat=True).distinct())
    if not pks:
        return 0
    occupancies.release(Occupancy.objects.filter(reservation__in=pks), now=now)
    return Reservation.objects.filter(pk__in=pks, released_at=None).update(released_at=now)


def _resource_pks(slots: Sequence[facts.Slot]) -> dict[uuid.UUID, int]:
    wanted = resources_of(slots) | {slot.lead for slot in slots}
    return dict(Resource.objects.filter(uid__in=wanted).values_list("uid", "pk"))


def _when(slot: facts.Slot, site: Site, pks: Mapping[uuid.UUID, int]) -> dict[str, Any]:
    during = _range(slot.on, site, slot.tick, slot.tick + slot.minutes)
    on_the_wall = localtime.wall(during.lower, site.zone)
    return {
        "on": on_the_wall.date(),
        "at_time": on_the_wall.time().replace(tzinfo=None, fold=0),
        "fold": on_the_wall.fold,
        "zone": site.zone,
        "minutes": slot.minutes,
        "during": during,
        "lead_id": pks[slot.lead],
    }


def _range(on: date, site: Site, from_tick: int, until_tick: int) -> DateTimeTZRange:
    starts_at = localtime.day_shape(on, site.zone).starts_at
    return DateTimeTZRange(starts_at + timedelta(minutes=from_tick), starts_at + timedelta(minutes=until_tick), "[)")
