"""Booking a course of three sessions against the bare INSERT of the same rows, and what the constraints cost."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
from psycopg.types.range import TimestamptzRange

from clinic import localtime
from scheduling import visits
from scheduling.models import Appointment, Course, Occupancy, Resource
from scheduling.planner import facts

from .measure import Figure, Goal, Run, in_turn, statements
from .people import VISITS_A_DAY, Desk

PLACES = 200  # one transaction each
ROUNDS = 5
Columns = dict[str, Any]


def figures(desk: Desk, first_on: date, bare_first_on: date) -> Iterator[Figure]:
    """Book a day's patients, and as many by bare statements on other days; they stay, for lists and mail."""
    ours, bare = (enumerate(desk.courses(VISITS_A_DAY)) for _ in range(2))

    def next_course() -> tuple[Course, list[facts.Slot]]:
        number, course = next(ours)
        return course, desk.slots(course, number, first_on)

    def next_rows() -> list[tuple[Columns, list[Columns]]]:
        number, course = next(bare)
        return _rows(course, desk.slots(course, number, bare_first_on), desk.now)

    def book(given: tuple[Course, list[facts.Slot]]) -> None:
        course, slots = given
        visits.book_course(course, slots, by=desk.receptionist, now=desk.now)

    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:

        def insert(visits: list[tuple[Columns, list[Columns]]]) -> None:
            with connection.transaction(), connection.cursor() as cursor:
                _insert(cursor, "scheduling_appointment", [visit for visit, _places in visits], "RETURNING id")
                keys = [key for (key,) in cursor]
                places = [
                    place | {"appointment_id": key}
                    for key, (_visit, places) in zip(keys, visits, strict=True)
                    for place in places
                ]
                _insert(cursor, "scheduling_occupancy", places)

        asked = statements(Run(book, next_course))
        insert(next_rows())
        reference, taken = in_turn(Run(insert, next_rows), Run(book, next_course), rounds=VISITS_A_DAY - 2)
        _assert_equal_rows()
        yield Figure(
            "book a course of 3 sessions and promise its messages (bare: INSERT of its visits and places)",
            1000 * taken,
            1000 * reference,
            goal=Goal(10, name="(G8)"),
            statements=str(asked),
        )
        yield _constraints(connection)


def _constraints(connection: psycopg.Connection[Any]) -> Figure:
    """Take places one by one in a table with the exclusion constraint, and in one with an index on (resource, start).

    Both are copies of the service's own table, as it stands, without its triggers.
    """
    with connection.cursor() as cursor:
        for name, including in (
            ("bench_walled", "INCLUDING ALL"),
            ("bench_plain", "INCLUDING DEFAULTS INCLUDING IDENTITY"),
        ):
            cursor.execute(f"CREATE TABLE {name} (LIKE scheduling_occupancy {including})")
            cursor.execute(
                f"INSERT INTO {name} (appointment_id, phase, role, resource_id, place, during)"  # noqa: S608
                " SELECT appointment_id, phase, role, resource_id, place, during FROM scheduling_occupancy"
            )
        cursor.execute("CREATE INDEX ON bench_plain (resource_id, lower(during))")
        cursor.execute("SELECT DISTINCT resource_id FROM bench_walled ORDER BY 1")
        resources = [key for (key,) in cursor]
    begins_at = iter(datetime(2030, 1, 1, tzinfo=UTC) + timedelta(hours=hour) for hour in range(1_000_000))

    def take(name: str) -> None:
        with connection.cursor() as cursor:
            for number in range(PLACES):
                at = next(begins_at)
                cursor.execute(
                    f"INSERT INTO {name} (appointment_id, phase, role, resource_id, place, during)"  # noqa: S608
                    " VALUES (1, 0, 'room', %s, 1, tstzrange(%s, %s))",
                    (resources[number % len(resources)], at, at + timedelta(minutes=45)),
                )

    reference, ours = in_turn(Run(lambda _: take("bench_plain")), Run(lambda _: take("bench_walled")), rounds=ROUNDS)
    connection.execute("DROP TABLE bench_plain, bench_walled")
    return Figure(
        "take places one by one, through the constraints (bare: a table with one index)",
        PLACES / ours,
        PLACES / reference,
        unit="per s",
        goal=Goal(0.65, is_rate=True, name="(G8)"),
    )


def _rows(course: Course, slots: list[facts.Slot], now: datetime) -> list[tuple[Columns, list[Columns]]]:
    """Return the rows that booking these slots writes: each visit and the places it takes."""
    sessions = dict(course.sessions.values_list("uid", "pk"))
    resources = dict(Resource.objects.values_list("uid", "pk"))
    rows = []
    for slot in slots:
        starts_at = localtime.day_shape(slot.on, course.site.zone).starts_at

        def span(first: int, until: int, begin: datetime = starts_at) -> TimestamptzRange:
            return TimestamptzRange(begin + timedelta(minutes=first), begin + timedelta(minutes=until))

        uid = uuid.uuid4()
        visit = {
            "uid": uid,
            "session_id": sessions[slot.session],
            "patient_id": course.patient_id,
            "site_id": course.site_id,
            "lead_id": resources[slot.lead],
            "state": "booked",
            "on": slot.on,
            "at_time": f"{slot.tick // 60}:{slot.tick % 60}",
            "fold": 0,
            "zone": course.site.zone,
            "minutes": slot.minutes,
            "during": span(slot.tick, slot.tick + slot.minutes),
            "revision": 1,
            "calendar_uid": f"{uid}@cadence",
            "calendar_sequence": 0,
            "booked_at": now,
            "cancel_reason": "",
            "cancel_asked_by": "",
            "note": "",
        }
        places = [
            {
                "phase": use.phase,
                "role": use.role,
                "resource_id": resources[use.resource],
                "place": use.place + 1,
                "during": span(use.from_tick, use.until_tick),
            }
            for use in slot.uses
        ]
        rows.append((visit, places))
    return rows


def _insert(cursor: psycopg.Cursor[Any], table: str, rows: list[Columns], returning: str = "") -> None:
    columns = ", ".join(f'"{name}"' for name in rows[0])
    values = ", ".join(f"({', '.join('%s' for _ in row)})" for row in rows)
    statement = f"INSERT INTO {table} ({columns}) VALUES {values} {returning}"  # noqa: S608  (names of our own)
    cursor.execute(statement.encode(), [value for row in rows for value in row.values()])


def _assert_equal_rows() -> None:
    """Booked by the service or by hand, there are the same numbers of rows."""
    ours = Appointment.objects.filter(changes__isnull=False)
    assert ours.count() * 2 == Appointment.objects.filter(session__step__key="treatment").count()
    assert Occupancy.objects.filter(appointment__in=ours).count() == ours.count() * 3
