"""What is taken already: the places of resources by standing occupancies, and the patient's time by live visits."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime
from uuid import UUID

import numpy as np
from django.db import connection
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange

from patients.models import Patient
from scheduling.models import Appointment, Course, Resource
from scheduling.models.appointments import LIVE
from scheduling.planner import facts, ticks

from .days import ByDate, minutes_between

Spans = tuple[list[int], list[int]]  # begins and ends, in minutes from some moment, each in order


def busy_of_resources(
    resources: list[Resource], days: dict[date, facts.Day], without: Collection[Course], now: datetime
) -> Mapping[tuple[UUID, date], tuple[int, ...]]:
    """Return ticks taken per resource, date and place by standing occupancies (reservations until they expire).

    Of the courses `without`, live visits are left out; what a visit that is over still holds is taken.
    """
    since, last = days[min(days)].starts_at, days[max(days)]
    # LATERAL, because `resource = ANY(...)` cannot use the first column of the exclusion constraint's GiST index.
    # The ranges come packed as PostgreSQL itself sends them: a year of a clinic has tens of thousands.
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT wanted.uid, taken.place, taken.spans
            FROM unnest(%(pks)s::bigint[], %(uids)s::uuid[]) AS wanted (id, uid)
            CROSS JOIN LATERAL (
                SELECT o.place, string_agg(range_send(o.during), ''::bytea) AS spans
                FROM scheduling_occupancy o
                WHERE o.resource_id = wanted.id
                  AND o.released_at IS NULL
                  AND o.during && tstzrange(%(since)s, %(until)s)
                  AND (o.appointment_id IS NULL OR o.appointment_id <> ALL (ARRAY(
                      SELECT a.id FROM scheduling_appointment a JOIN scheduling_session s ON s.id = a.session_id
                      WHERE s.course_id = ANY (%(without)s::bigint[]) AND a.state = ANY (%(live)s))))
                  AND (o.reservation_id IS NULL OR EXISTS (
                      SELECT FROM scheduling_reservation r JOIN scheduling_session s ON s.id = r.session_id
                      WHERE r.id = o.reservation_id AND r.expires_at > %(now)s
                        AND s.course_id <> ALL (%(without)s::bigint[])))
                GROUP BY o.place
            ) taken
            """,
            {
                "pks": [resource.pk for resource in resources],
                "uids": [resource.uid for resource in resources],
                "since": since,
                "until": last.instant(last.length_minutes),
                "now": now,
                "without": [course.pk for course in without],
                "live": list(LIVE),
            },
        )
        taken: dict[UUID, dict[int, Spans]] = defaultdict(dict)
        for uid, place, spans in cursor.fetchall():
            taken[uid][place] = _unpacked(spans, since)

    def ticks_taken(uid: UUID, on: date) -> tuple[int, ...]:
        if on not in days or uid not in taken:
            return ()
        begins = minutes_between(since, days[on].starts_at)
        places = {place: _ticks_of(spans, begins, days[on]) for place, spans in taken[uid].items()}
        highest = max((place for place, found in places.items() if found), default=0)
        return tuple(places.get(place, 0) for place in range(1, highest + 1))

    return ByDate(resources, days, ticks_taken)


def busy_of_patient(patient: Patient, days: dict[date, facts.Day], without: Collection[Course]) -> dict[date, int]:
    """Return ticks taken per date by the patient's live visits, but for those of the courses `without`."""
    since, last = days[min(days)].starts_at, days[max(days)]
    other = Appointment.objects.live().filter(
        patient=patient, during__overlap=DateTimeTZRange(since, last.instant(last.length_minutes))
    )
    spans = sorted(
        (minutes_between(since, during.lower), -minutes_between(during.upper, since))
        for during in other.exclude(session__course__in=without).order_by().values_list("during", flat=True)
    )
    begins, ends = [begin for begin, _ in spans], [end for _, end in spans]
    busy = {
        on: _ticks_of((begins, ends), minutes_between(since, day.starts_at), day) for on, day in days.items() if spans
    }
    return {on: taken for on, taken in busy.items() if taken}


# A finite range as PostgreSQL sends it: flags, then size and value of each bound, in microseconds since 2000.
RANGE = np.dtype([("flags", "u1"), ("size", ">i4"), ("begins", ">i8"), ("another", ">i4"), ("ends", ">i8")])


YEAR_2000, MINUTE = datetime(2000, 1, 1, tzinfo=UTC), 60_000_000


def _unpacked(spans: bytes, since: datetime) -> Spans:
    """Return spans of one place, which never overlap, as minutes since that moment, rounded outwards."""
    ranges, offset = np.frombuffer(spans, RANGE), minutes_between(YEAR_2000, since)
    begins, ends = ranges["begins"] // MINUTE - offset, -(-ranges["ends"] // MINUTE) - offset
    return np.sort(begins).tolist(), np.sort(ends).tolist()


def _ticks_of(spans: Spans, day_begins: int, day: facts.Day) -> int:
    """Return what spans take of a day that begins that many minutes after what they are counted from."""
    begins, ends = spans
    first, until = bisect_right(ends, day_begins), bisect_left(begins, day_begins + day.length_minutes)
    taken = 0
    for begin, end in zip(begins[first:until], ends[first:until], strict=True):
        taken |= ticks.span(begin - day_begins, min(end - day_begins, day.length_minutes))
    return taken
