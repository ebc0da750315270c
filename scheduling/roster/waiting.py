"""What the waiting list asks: which minutes fell free, and when each of many patients is busy."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection
from datetime import UTC, date

from django.db.backends.postgresql.psycopg_any import DateTimeTZRange

from scheduling.models import Appointment, FreedTime, Occupancy
from scheduling.planner import facts, ticks
from scheduling.planner.waiting import Freed

from .days import minutes_between, part_of_day


def freed_in(row: FreedTime, times: facts.Roster) -> list[Freed]:
    """Return the minutes that fell free, on the days that are there, for each resource that is there.

    Of a visit those are the places that it gave back then, buffers included.
    """
    if row.appointment_id is None:
        uids = {row.resource.uid} if row.resource else {resource.id for resource in times.resources}
        return [
            Freed(uid, None, on, part_of_day(day, row.from_time, row.until_time, row.site.zone))
            for on, day in times.days.items()
            if row.first_on <= on <= row.last_on
            for uid in sorted(uids)
        ]
    day = times.days.get(row.first_on)
    if day is None:
        return []
    given_back = Occupancy.objects.filter(appointment=row.appointment_id, released_at=row.freed_at)
    return [
        Freed(uid, place - 1, day.on, _ticks_of(day, during))
        for uid, place, during in given_back.order_by("pk").values_list("resource__uid", "place", "during")
    ]


def busy_of_patients(patients: Collection[int], times: facts.Roster) -> dict[int, dict[date, int]]:
    """Return the minutes of each date that live visits take of patients (by primary key), in one statement."""
    first, last = times.days[min(times.days)], times.days[max(times.days)]
    span = DateTimeTZRange(first.starts_at, last.instant(last.length_minutes))
    visits = Appointment.objects.live().filter(patient__in=patients, during__overlap=span)
    days = [times.days[on] for on in sorted(times.days)]
    begins = [day.starts_at for day in days]
    busy: dict[int, dict[date, int]] = defaultdict(lambda: defaultdict(int))
    for patient, during in visits.order_by().values_list("patient", "during"):
        # A visit lies in one day, seldom in two, of the hundreds that there may be.
        for day in days[max(bisect_right(begins, during.lower) - 1, 0) : bisect_left(begins, during.upper)]:
            if taken := _ticks_of(day, during):
                busy[patient][day.on] |= taken
    return {patient: dict(by_date) for patient, by_date in busy.items()}


def _ticks_of(day: facts.Day, during: DateTimeTZRange) -> int:
    begins, ends = (minutes_between(day.starts_at, at.astimezone(UTC)) for at in (during.lower, during.upper))
    return ticks.span(begins, min(ends, day.length_minutes))
