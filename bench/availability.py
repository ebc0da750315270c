"""Free times of one session, and reading what is taken: few statements, whatever the days and the staff."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db import connection

from clinic import localtime
from scheduling import models, roster, visits
from scheduling.booking.occupancies import STANDING
from scheduling.planner import ticks
from scheduling.roster.asking import ask
from scheduling.roster.busy import PERIODS

from . import databases, instances
from .as_facts import day_of
from .as_rows import Rows
from .instances import Clinic, Course, duty_of, is_within
from .kernel import CLOSES, OPENS
from .measure import Figure, Goal, Run, in_turn, statements

SIZE, DAYS, ASKED_DAYS = 10, 92, (1, 60)
FIRST = 8  # a day that has five times
ROUNDS = 25  # milliseconds each
ALL = 1_000_000
Times = set[tuple[date, int, UUID]]


def figures() -> Iterator[Figure]:
    clinic = instances.make_clinic(2, SIZE, 0.8, days=DAYS)
    rows = Rows(clinic, "availability")
    course = instances.make_course(clinic, 2, 0)
    question, bare = Question(rows, course, FIRST), Bare(clinic, course, rows, FIRST)
    databases.tidy()
    for days in ASKED_DAYS:
        assert question.times(days) == bare.times(days) != set(), f"other times on {days} days, or none"
        reference, ours = Run(partial(_asked, bare.times, days)), Run(partial(_asked, question.times, days))
        bare_seconds, seconds = in_turn(reference, ours, rounds=ROUNDS)
        yield Figure(
            f"free times, {in_days(days)}, {question.staff} staff (bare: one statement, hours at hand, int bitmaps)",
            1000 * seconds,
            1000 * bare_seconds,
            statements=str(statements(ours)),
        )
    yield from _reading(rows)


class Question:
    """When could the first session of a course be, from a day of the clinic's on?"""

    def __init__(self, rows: Rows, course: Course, first: int, now: datetime | None = None) -> None:
        clinic = rows.clinic
        asked = course | {"earliest": 0, "first_within": clinic["days"]}
        stored = rows.course(asked, f"{rows.name} asked for {course['treatment']}")
        self.session = stored.sessions.order_by("position")[0]
        self.session.course = stored
        self.now, self.first_on = now or rows.now_of(asked), day_of(clinic, first)
        self.staff = sum(course["treatment"] in one["skills"] for one in clinic["practitioners"])

    def times(self, days: int) -> Times:
        found = visits.free_times(
            self.session, first_on=self.first_on, last_on=self.last_on(days), now=self.now, limit=ALL
        )
        return {(one.slot.on, one.slot.tick, one.slot.lead) for one in found}

    def last_on(self, days: int) -> date:
        return self.first_on + timedelta(days=days - 1)


def in_days(number: int) -> str:
    return "1 day" if number == 1 else f"{number} days"


def _asked(times: Callable[[int], Times], days: int, _: None) -> Times:
    return times(days)


class Bare:
    """The limit: one statement for what is taken, everything else at hand, and ints as sets of minutes."""

    def __init__(self, clinic: Clinic, course: Course, rows: Rows, first: int) -> None:
        treatment = clinic["treatments"][course["treatment"]]
        self.clinic, self.minutes, self.first = clinic, treatment["minutes"], first
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
        start = day_of(self.clinic, self.first)
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
        for at in range(days):
            day = self.first + at
            if day in self.clinic["holidays"]:
                continue
            rooms = 0
            for pk, room in self.rooms.items():
                if not is_within(room["closed"], day):
                    rooms |= ticks.starts(ticks.span(OPENS, CLOSES) & ~taken[pk, at], self.minutes)
            for pk, (uid, hours) in self.people.items():
                free = hours.get(day, 0) & ~taken[pk, at]
                for tick in ticks.each(ticks.starts(free, self.minutes) & rooms & self.grid):
                    found.add((start + timedelta(days=at), tick, uid))
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
    periods = {
        "first_period": roster.period_of(since // 60),
        "last_period": roster.period_of(until // 60),
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
        of_map = {"resources": asked, **periods}
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


# What a plan reads of the busy map, of these resources instead of those that it finds by their skills.
MAP = f"SELECT * FROM (WITH able AS MATERIALIZED (SELECT unnest(%(resources)s::bigint[]) AS id) {PERIODS}) found"  # noqa: S608
