"""When somebody or something is not there: the only writer of Absence."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from clinic import rights
from clinic.acts import act
from clinic.audit import written_by
from clinic.errors import Conflict, Problem
from clinic.models import User
from clinic.wellformed import tidy

from . import marks, replanning
from .lost_time import refuse, when
from .models import Absence, Appointment, Resource


@dataclass(frozen=True, slots=True)
class AbsenceDetails:
    """Days, both inclusive; with times, that part of each of them on the site's clocks."""

    resource: Resource
    first_on: date
    last_on: date
    kind: str = Absence.Kind.LEAVE
    from_time: time | None = None
    until_time: time | None = None
    reason: str = ""


class AbsenceRecorded(Conflict):
    """The same absence stands already: a request sent twice."""

    code = "absence_already_recorded"


class AbsenceTakenBack(Conflict):
    code = "absence_already_taken_back"


def _lock(resource: Resource) -> Resource | None:
    """Lock the resource against every booking (UPDATE): its time shrinks or grows."""
    return Resource.objects.select_for_update(of=("self",)).filter(pk=resource.pk).first()


@act
def record(details: AbsenceDetails, *, by: User | None, now: datetime) -> Absence:
    """Note that a resource will not be there, and ask for new times for the visits this touches: a person applies them.

    Raises RuleBroken with all that is malformed (ends_before_it_begins, time_half_given, ends_before_it_starts,
    resource_unknown, …), AbsenceRecorded, or NotAllowed.
    """
    rights.require_somewhere(by, *rights.FRONT_DESK)
    resource = _lock(details.resource)
    absence = Absence(
        resource=resource,
        kind=details.kind,
        **when(details),
        reason=tidy(details.reason),
        recorded_at=now,
        recorded_by=by,
    )
    refuse(
        absence,
        "resource",
        unknown=Problem("resource_unknown", _("There is no such person, room or device: choose one."), "resource"),
        recorded=AbsenceRecorded(
            Problem("absence_already_recorded", _("This absence is recorded already: there is nothing to do."))
        ),
    )
    with written_by(by):
        absence.save(force_insert=True)
    replanning.examine_touched(visits_during(absence), reason="absence", by=by, now=now)
    return absence


def visits_during(absence: Absence) -> QuerySet[Appointment]:
    """Return the live visits that take the resource's time on the absence's days."""
    return (
        Appointment.objects.live()
        .filter(
            on__range=(absence.first_on, absence.last_on),
            occupancies__resource=absence.resource,
            occupancies__released_at=None,
        )
        .distinct()
    )


@act
def take_back(absence: Absence, *, by: User | None, now: datetime) -> Absence:
    """Note that the resource will be there after all: visits that were to move are looked at again.

    Its time is offered to the waiting list.

    Raises AbsenceTakenBack.
    """
    rights.require_somewhere(by, *rights.FRONT_DESK)
    _lock(absence.resource)
    locked = Absence.objects.select_for_update(no_key=True, of=("self",)).get(pk=absence.pk)
    if locked.cancelled_at is not None:
        raise AbsenceTakenBack(
            Problem("absence_already_taken_back", _("This absence was taken back already: there is nothing to do."))
        )
    locked.cancelled_at, locked.cancelled_by = now, by
    with written_by(by):
        locked.save(update_fields=["cancelled_at", "cancelled_by"])
    marks.duty_grew(locked.resource, marks.sites_served(locked.resource), **when(locked), now=now)
    replanning.examine_touched(visits_during(locked), reason="absence_taken_back", by=by, now=now)
    return locked
