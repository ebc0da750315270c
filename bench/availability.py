"""Free times of one session, and reading what is taken: few statements, whatever the days, the staff and the rows."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db import connection

from clinic import localtime
from scheduling import booking, models, roster, visits
from scheduling.booking.occupancies import STANDING
from scheduling.planner import ticks
from scheduling.roster.asking import ask

from . import instances
from .as_facts import ROOM, day_of
from .as_rows import Rows
from .instances import Clinic, Course, duty_of, is_within
from .kernel import CLOSES, OPENS
from .measure import Figure, Goal, Run, in_turn, statements

SIZE, DAYS, ASKED_DAYS = 10, 92, (1, 60)
ROWS = int(os.environ.get("BENCH_ROWS", "100000"))  # occupancies of other years that are added; a million takes minutes
FEW_ROWS = 1_000
AT_ONCE = 50_000  # in one statement: there is a limit to how long one may take
ALL = 1_000_000
GROWTH = Goal(1.2, name="(G7)")
Times = set[tuple[date, int, UUID]]


def figures() -> Iterator[Figure]:
    clinic = instances.make_clinic(2, SIZE, 0.8, days=DAYS)
    rows = Rows(clinic, "availability")
    made = instances.make_course(clinic, 2, 0) | {"earliest": 0, "first_within": DAYS}
    stored = rows.course(made, "availability")
    session = stored.sessions.order_by("position")[0]
    session.course = stored
    now, first_on = rows.now_of(made), day_of(clinic, 0)
    staff = sum(made["treatment"] in one["skills"] for one in clinic["practitioners"])

    def runs(days: int) -> tuple[Run[None], Run[None]]:
        last_on = first_on + timedelta(days=days - 1)

        def ours(_: None) -> Times:
            found = visits.free_times(session, first_on=first_on, last_on=last_on, now=now, limit=ALL)
            return {(one.slot.on, one.slot.tick, one.slot.lead) for one in found}

        bare = Bare(clinic, made, rows)
        return Run(lambda _: bare.times(days)), Run(ours)

    before: dict[int, float] = {}
    _add_rows(rows, FEW_ROWS, date(2026, 6, 1))
    for days in ASKED_DAYS:
        reference, ours = runs(days)
        assert ours.do(None) == reference.do(None), f"other times on {days} days"
        bare, before[days] = in_turn(reference, ours)
        yield Figure(
            f"free times, {_days(days)}, {staff} staff (bare: one statement, hours at hand, int bitmaps)",
            1000 * before[days],
            1000 * bare,
            statements=str(statements(ours)),
        )
    yield from _reading(rows)
    _add_rows(rows, ROWS, date(2026, 1, 1))
    for days in ASKED_DAYS:
        _, ours = runs(days)
        (after,) = in_turn(ours)
        yield Figure(
            f"free times, {_days(days)}, {staff} staff, with {ROWS} places of other years (bare: with {FEW_ROWS})",
            1000 * after,
            1000 * before[days],
            goal=GROWTH,
            statements=str(statements(ours)),
        )


class Bare:
    """The limit: one statement for what is taken, everything else at hand, and ints as sets of minutes."""

    def __init__(self, clinic: Clinic, course: Course, rows: Rows) -> None:
        treatment = clinic["treatments"][course["treatment"]]
        self.clinic, self.minutes = clinic, treatment["minutes"]
        self.people = {
            rows.people[one["id"]].pk: (rows.people[one["id"]].uid, self._hours(one))
            for one in clinic["practitioners"]
            if course["treatment"] in one["skills"]
        }
        self.rooms = {rows.rooms[one["id"]].pk: one for one in clinic["rooms"] if one["kind"] == treatment["room_kind"]}
        self.grid = sum(1 << minute for minute in range(0, 1440, clinic["grid"]))

    def _hours(self, practitioner: dict[str, object]) -> dict[int, int]:
        return {
            day: sum(ticks.span(begins, ends) for begins, ends in spans)
            for day, spans in duty_of(self.clinic, practitioner)
        }

    def times(self, days: int) -> Times:
        start = day_of(self.clinic, 0)
        begins = [localtime.day_shape(start + timedelta(days=n), self.clinic["tz"]).starts_at for n in range(days + 1)]
        taken: dict[tuple[int, int], int] = defaultdict(int)
        first = int(begins[0].timestamp())
        with connection.cursor() as cursor:
            cursor.execute(
                """
                SELECT u.id, extract(epoch FROM lower(o.during))::bigint, extract(epoch FROM upper(o.during))::bigint
                FROM unnest(%s::bigint[]) u (id) CROSS JOIN LATERAL (
                    SELECT during FROM scheduling_occupancy
                    WHERE resource_id = u.id AND released_at IS NULL AND during && tstzrange(%s, %s)) o
                """,
                [[*self.people, *self.rooms], begins[0], begins[-1]],
            )
            for pk, since, until in cursor.fetchall():
                day, minute = divmod((since - first) // 60, 1440)  # the clocks do not change in January and February
                taken[pk, day] |= ((1 << (until - since) // 60) - 1) << minute
        found: Times = set()
        for day in range(days):
            if day in self.clinic["holidays"]:
                continue
            rooms = 0
            for pk, room in self.rooms.items():
                if not is_within(room["closed"], day):
                    rooms |= ticks.starts(ticks.span(OPENS, CLOSES) & ~taken[pk, day], self.minutes)
            for pk, (uid, hours) in self.people.items():
                free = hours.get(day, 0) & ~taken[pk, day]
                for tick in ticks.each(ticks.starts(free, self.minutes) & rooms & self.grid):
                    found.add((start + timedelta(days=day), tick, uid))
        return found


def _reading(rows: Rows) -> Iterator[Figure]:
    """Read what is taken of resources in 60 days: from a table with an index on (resource, start), and as we do."""
    resources = [one.pk for one in models.Resource.objects.order_by("-pk")]
    begins, ends = rows.now_of({"earliest": 0}), rows.now_of({"earliest": 60})
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE bench_taken AS SELECT resource_id, extract(epoch FROM lower(during))::bigint AS begins,"
            " extract(epoch FROM upper(during))::bigint AS ends FROM scheduling_occupancy WHERE released_at IS NULL"
        )
        cursor.execute("CREATE INDEX ON bench_taken (resource_id, begins)")
        cursor.execute("VACUUM ANALYZE bench_taken")
    since, until = int(begins.timestamp()), int(ends.timestamp())
    weeks = {
        "first_week": roster.week_of(since // 60),
        "last_week": roster.week_of(until // 60),
    }

    def by_btree(asked: list[int], _: None) -> list[tuple[int, int, int]]:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT resource_id, begins, ends FROM bench_taken"
                " WHERE resource_id = ANY (%s) AND begins BETWEEN %s AND %s",
                [asked, since, until],
            )
            return list(cursor.fetchall())

    for number in (1, 10, 50):
        asked = resources[:number]
        span = {"begins": [begins] * number, "ends": [ends] * number}
        of_places = {"resources": asked, "places": [1] * number, **span}
        of_map = {"resources": asked, **weeks}
        bare, lateral, in_map = in_turn(
            Run(partial(by_btree, asked)), Run(partial(_ask, STANDING, of_places)), Run(partial(_ask, MAP, of_map))
        )
        what = f"read what is taken, 60 days, {number} resources"
        reference = "(bare: rows, by an index on resource and start)"
        yield Figure(f"{what}: the busy map {reference}", 1000 * in_map, 1000 * bare, goal=Goal(1.3, name="(G9)"))
        yield Figure(f"{what}: the occupancies {reference}", 1000 * lateral, 1000 * bare)
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE bench_taken")


def _ask(statement: str, asked: dict[str, Any], _: None) -> object:
    return ask(statement, asked)


MAP = """
    SELECT resource_id, place, string_agg(int4send(week), ''::bytea), string_agg(minutes, ''::bytea)
    FROM scheduling_busyweek
    WHERE resource_id = ANY (%(resources)s::bigint[]) AND week BETWEEN %(first_week)s AND %(last_week)s
    GROUP BY resource_id, place, octet_length(minutes)
"""


ADDED = """
    INSERT INTO scheduling_occupancy (appointment_id, phase, role, resource_id, place, during)
    SELECT %(visit)s, 0, %(role)s, (%(resources)s::bigint[])[1 + n %% %(many)s], 1,
           tstzrange(at, at + interval '15 minutes')
    FROM generate_series(%(first)s, %(last)s) n
    CROSS JOIN LATERAL (SELECT %(before)s::timestamptz - n / %(many)s * interval '30 minutes' AS at) moment
"""


def _add_rows(rows: Rows, number: int, before: date) -> None:
    """Let the same people and rooms have been busy in earlier years: a quarter of an hour, each half hour."""
    visit = models.Appointment.objects.filter(site=rows.site).order_by("pk")[0]
    resources = [one.pk for one in (*rows.people, *rows.rooms)]
    given: dict[str, Any] = {
        "visit": visit.pk,
        "role": ROOM,
        "resources": resources,
        "many": len(resources),
        "before": before,
    }
    with connection.cursor() as cursor:
        for first in range(1, number + 1, AT_ONCE):
            cursor.execute(ADDED, {**given, "first": first, "last": min(first + AT_ONCE - 1, number)})
    booking.rebuild_busy_map()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE scheduling_occupancy")
        cursor.execute("VACUUM ANALYZE scheduling_busyweek")


def _days(number: int) -> str:
    return "1 day" if number == 1 else f"{number} days"
