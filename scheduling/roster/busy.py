"""What is taken already: the places of resources, and the patient's time by live visits.

A search reads a year of the busy map. What refuses a booking reads the occupancies themselves, of what it would take.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from scheduling.models import Course
from scheduling.planner import facts, ticks
from scheduling.planner.timetable import Taken, TimeTable, Words, in_one_unit

from .asking import LIVE_STATES, ask
from .days import days_of
from .duty import Worker
from .periods import Periods, minute_of, period_of, spans_of
from .there import ABLE, STATE, THERE, Asked, There, last_known, remember, who_is_there

# Times that stand in the occupancies and are free all the same: what the courses that are planned have booked or keep,
# and what was kept for somebody until a moment that is over. They are few, and found one by one: OFFSET 0 keeps the
# planner of the database, which cannot know so, from joining all that there is.
FREE_ALL_THE_SAME = f"""
    SELECT taken.resource_id, taken.place, taken.during
    FROM unnest(%(without)s::bigint[]) own (course)
    CROSS JOIN LATERAL (SELECT id FROM scheduling_session WHERE course_id = own.course OFFSET 0) s
    CROSS JOIN LATERAL (
        SELECT id FROM scheduling_appointment WHERE session_id = s.id AND state IN {LIVE_STATES} OFFSET 0) a
    CROSS JOIN LATERAL (
        SELECT resource_id, place, during FROM scheduling_occupancy
        WHERE appointment_id = a.id AND released_at IS NULL OFFSET 0) taken
  UNION ALL
    SELECT taken.resource_id, taken.place, taken.during
    FROM scheduling_reservation r
    CROSS JOIN LATERAL (SELECT course_id FROM scheduling_session WHERE id = r.session_id OFFSET 0) s
    CROSS JOIN LATERAL (
        SELECT resource_id, place, during FROM scheduling_occupancy
        WHERE reservation_id = r.id AND released_at IS NULL OFFSET 0) taken
    WHERE r.released_at IS NULL AND (r.expires_at <= %(now)s OR s.course_id = ANY (%(without)s::bigint[]))
"""  # noqa: S608  (put together from statements of our own)
# The exclusion constraint's index serves this one too.
OF_PATIENT = f"""
    SELECT string_agg(range_send(during), ''::bytea)
    FROM scheduling_appointment
    WHERE patient_id = %(patient)s::bigint AND state IN {LIVE_STATES} AND during && tstzrange(%(since)s, %(until)s)
      AND session_id <> ALL (ARRAY(SELECT id FROM scheduling_session WHERE course_id = ANY (%(without)s::bigint[])))
"""  # noqa: S608
OF_PATIENTS = f"""
    SELECT patient_id, string_agg(range_send(during), ''::bytea)
    FROM scheduling_appointment
    WHERE patient_id = ANY (%(patients)s::bigint[]) AND state IN {LIVE_STATES}
      AND during && tstzrange(%(since)s, %(until)s)
      AND session_id <> ALL (ARRAY(SELECT id FROM scheduling_session WHERE course_id = ANY (%(without)s::bigint[])))
    GROUP BY patient_id
"""  # noqa: S608
# The periods of a place in a row: one long answer for all takes PostgreSQL longer, and so do many short ones. OFFSET 0
# keeps it from reading all periods there are of everybody. `able` holds whose they are.
PERIODS = """
    SELECT 'map', able.id, place, string_agg(int4send(period), ''::bytea), string_agg(minutes, ''::bytea)
    FROM able CROSS JOIN LATERAL (
        SELECT place, period, minutes FROM scheduling_busyperiod
        WHERE resource_id = able.id AND period BETWEEN %(first_period)s AND %(last_period)s OFFSET 0) taken
    GROUP BY able.id, place, octet_length(minutes)
"""


def _in_map(able: str, there: str) -> str:
    """Return the statement for what is taken of those who are `able`, and for who is there."""
    return f"""
    SELECT * FROM (
    WITH able AS MATERIALIZED ({able})
    {PERIODS}
  UNION ALL
    SELECT 'free', resource_id, place, NULL, string_agg(range_send(during), ''::bytea)
    FROM ({FREE_ALL_THE_SAME}) AS free_all_the_same
    GROUP BY resource_id, place
  UNION ALL
    SELECT 'patient', NULL, NULL, NULL, ({OF_PATIENT})
  UNION ALL
    SELECT 'there', NULL, NULL, convert_to(({STATE}), 'UTF8'), {there}
    ) found
    """  # noqa: S608


# Of those who were there when it was last asked who is; and of those who are there now.
IN_MAP_OF = _in_map("SELECT unnest(%(resources)s::bigint[]) AS id", "NULL")
IN_MAP = _in_map(ABLE, f"convert_to(({THERE})::text, 'UTF8')")
# LATERAL, because `resource = ANY(...)` cannot use the first column of the exclusion constraint's GiST index.
OF_SLOTS = f"""
    SELECT * FROM (
    WITH free_all_the_same AS MATERIALIZED ({FREE_ALL_THE_SAME})
    SELECT 'taken', wanted.number, o.place, string_agg(range_send(o.during), ''::bytea)
    FROM unnest(%(resources)s::uuid[], %(begins)s::timestamptz[], %(ends)s::timestamptz[])
        WITH ORDINALITY AS wanted (resource, begins_at, ends_at, number)
    JOIN scheduling_resource r ON r.uid = wanted.resource
    CROSS JOIN LATERAL (
        SELECT place, during FROM scheduling_occupancy
        WHERE resource_id = r.id AND released_at IS NULL
          AND during && tstzrange(wanted.begins_at, wanted.ends_at)
        EXCEPT ALL
        SELECT place, during FROM free_all_the_same WHERE resource_id = r.id
    ) o
    GROUP BY wanted.number, o.place
  UNION ALL
    SELECT 'patient', NULL, NULL, ({OF_PATIENT})
  UNION ALL
    SELECT 'there', NULL, NULL, convert_to(({STATE}), 'UTF8')
    ) found
"""  # noqa: S608


def there_and_busy(
    wanted: Asked, last_on: date, patient: int | None, without: Collection[Course], now: datetime
) -> tuple[There, Taken, dict[date, int]]:
    """Return who is there, and until `last_on` ticks taken per resource, date and place, and those of the patient.

    By one statement, and by one more when something has changed since it was last asked who is there. Of the courses
    `without`, live visits and what is kept for them are left out; what a visit that is over still holds is taken.
    Reservations count until they expire. The patient is a primary key.
    """
    every = list(days_of(wanted.zone, wanted.first_on, last_on).values())
    periods = period_of(minute_of(every[0].starts_at)), period_of(minute_of(_end_of(every)))
    asked = {"first_period": periods[0], "last_period": periods[1], **_asked(every, patient, without, now)}
    there = last_known(wanted)
    if there is not None:
        found = ask(IN_MAP_OF, {"resources": [worker.pk for worker in there.workers], **asked})
        if _state(found)[0] != there.state:
            there = None
    if there is None:
        found = ask(IN_MAP, {**wanted.parameters(), **asked})
        state, rows = _state(found)
        there = remember(wanted, state, json.loads(rows))
    (of_patient,) = (ranges for what, *_, ranges in found if what == "patient")
    return there, _taken(found, there.workers, every, periods), _of_patient(of_patient or b"", every)


def _state(found: Iterable[tuple[Any, ...]]) -> tuple[str, bytes]:
    """Return the state of the tables that say who is there, and what was found in them, if that was asked."""
    ((state, rows),) = ((state, rows) for what, _, _, state, rows in found if what == "there")
    return (bytes(state).decode() if state else ""), rows


def _taken(
    found: Iterable[tuple[Any, ...]], workers: Sequence[Worker], days: Sequence[facts.Day], periods: tuple[int, int]
) -> Taken:
    """Return the rows of IN_MAP as tables of the dates that follow each other, in periods from one to another."""
    # Of second places and further ones there is time only for those who have as many.
    most = max((worker.resource.places for worker in workers), default=0)
    having = [[worker for worker in workers if worker.resource.places > place] for place in range(most)]
    rows = [{worker.pk: row for row, worker in enumerate(those)} for those in having]
    of_periods: list[list[tuple[int, bytes, bytes]]] = [[] for _ in having]
    freed: list[list[tuple[int, bytes]]] = [[] for _ in having]
    for what, resource, place, numbers, minutes in found:
        row = rows[place - 1].get(resource) if place and place <= most else None
        if row is None or not minutes:  # nobody of ours, or periods of which nothing is taken any more
            continue
        if what == "map":
            of_periods[place - 1].append((row, numbers, minutes))
        else:
            freed[place - 1].append((row, minutes))
    places = [Periods(len(those) + 1, *periods, of) for those, of in zip(having, of_periods, strict=True)]
    begin = days[0].on.toordinal()

    def table(place: int) -> TimeTable:
        def find(first: int, until: int) -> Words:
            some = days[first - begin : until - begin]
            words = places[place].days(some)
            for row, spans in freed[place]:
                for at, taken in _each_day(spans_of(spans), some):
                    words, free = in_one_unit(words, taken)
                    words[at, row] &= ~free
            return words

        return TimeTable((worker.resource.id for worker in having[place]), days[0].on, len(days), find)

    return Taken(table(place) for place in range(most))


def there_and_busy_of_slots(
    wanted: Asked, slots: Iterable[facts.Slot], patient: int | None, without: Collection[Course], now: datetime
) -> tuple[There, dict[tuple[UUID, date], tuple[int, ...]], dict[date, int]]:
    """Return the same as `there_and_busy` from the occupancies, of no more than what the slots use, on their dates."""
    days = days_of(wanted.zone, wanted.first_on, wanted.last_on)
    used = sorted({(use.resource, slot.on) for slot in slots for use in slot.uses if slot.on in days})
    asked: dict[str, Any] = {
        "resources": [uid for uid, _ in used],
        "begins": [days[on].starts_at for _, on in used],
        "ends": [days[on].instant(days[on].length_minutes) for _, on in used],
    }
    places: dict[tuple[UUID, date], dict[int, int]] = defaultdict(dict)
    of_patient, state = b"", b""
    every = list(days.values())
    for what, number, place, value in ask(OF_SLOTS, asked | _asked(every, patient, without, now)):
        if what == "patient":
            of_patient = value or b""
        elif what == "there":
            state = value or b""
        else:
            uid, on = used[number - 1]
            ((_, taken),) = _each_day(spans_of(value), [days[on]])
            places[uid, on][place] = taken
    there = who_is_there(wanted, bytes(state).decode())
    ours = {resource.id for resource in there.resources}
    busy = {
        (uid, on): tuple(taken.get(place, 0) for place in range(1, max(taken) + 1))
        for (uid, on), taken in places.items()
        if uid in ours
    }
    return there, busy, _of_patient(of_patient, every)


def patients_busy(courses: Collection[Course], days: Mapping[date, facts.Day]) -> dict[UUID, dict[date, int]]:
    """Return, by course, the ticks taken per date by its patient's live visits outside all of these courses."""
    every = list(days.values())
    asked: dict[str, Any] = {
        "patients": [course.patient_id for course in courses],
        "without": [course.pk for course in courses],
        "since": every[0].starts_at,
        "until": _end_of(every),
    }
    busy = {patient: _of_patient(ranges, every) for patient, ranges in ask(OF_PATIENTS, asked)}
    return {course.uid: busy.get(course.patient_id, {}) for course in courses}


def _of_patient(ranges: bytes, days: Sequence[facts.Day]) -> dict[date, int]:
    found: dict[date, int] = defaultdict(int)
    for at, taken in _each_day(spans_of(ranges), days):
        found[days[at].on] |= taken
    return dict(found)


def _each_day(spans: Sequence[tuple[int, int]], days: Sequence[facts.Day]) -> Iterator[tuple[int, int]]:
    """Yield what spans take, day by day: the number of the day, and ticks of it; the dates follow each other."""
    if not spans:
        return
    begins = [minute_of(day.starts_at) for day in days]
    found: dict[int, int] = defaultdict(int)
    for first, until in spans:
        at = max(bisect_right(begins, first) - 1, 0)
        while at < len(days) and begins[at] < until:
            found[at] |= ticks.span(first - begins[at], min(until - begins[at], days[at].length_minutes))
            at += 1
    yield from ((at, taken) for at, taken in found.items() if taken)


def _end_of(days: Sequence[facts.Day]) -> datetime:
    return days[-1].instant(days[-1].length_minutes)


def _asked(
    days: Sequence[facts.Day], patient: int | None, without: Collection[Course], now: datetime
) -> dict[str, Any]:
    return {
        "since": days[0].starts_at,
        "until": _end_of(days),
        "patient": patient,
        "without": [course.pk for course in without],
        "now": now,
    }
