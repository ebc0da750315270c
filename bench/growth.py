"""Free times and plans while history grows: in turn in a database of a thousand places, and in its copy of many."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from django.db.backends.base.base import BaseDatabaseWrapper

from scheduling import booking, models, roster
from scheduling.planner import search

from . import databases, instances
from .as_rows import Rows
from .availability import ASKED_DAYS, Question, in_days
from .measure import Figure, Goal, Run, in_turn, statements

ROWS = int(os.environ.get("BENCH_ROWS", "1000000"))  # places of earlier years that are added, in two minutes
DAYS, FIRST, SESSIONS = 100, 2, 3  # about a thousand places; a day that has two times
ROUNDS = 75  # a few milliseconds each
GOAL = Goal(1.2, name="(G7)")
BEGINS, ENDS, MINUTES = 8 * 60, 20 * 60, 15
VISITS_A_DAY = (ENDS - BEGINS) // MINUTES
DAYS_AT_ONCE = 400  # in one statement: there is a limit to how long one may take


def figures() -> Iterator[Figure]:
    clinic = instances.make_clinic(3, 1, 0.8, days=DAYS)
    few = databases.make("few", like=databases.EMPTY)
    with databases.using(few):
        rows = Rows(clinic, "growth")
        question = Question(rows, instances.make_course(clinic, 2, 0), FIRST)
        places = models.Occupancy.objects.count()
        course = instances.make_course(clinic, SESSIONS, 0) | {"earliest": 0}
        plan = Planning(rows.course(course, "growth plan"), rows.now_of(course))
        databases.tidy()
    many = databases.make("many", like="few")
    with databases.using(many):
        for visits in _history():
            rows.book(visits)
        booking.rebuild_busy_map()
        databases.tidy()
    asked: list[tuple[str, Callable[[], object]]] = [
        (f"free times, {in_days(days)}, {question.staff} staff", partial(question.times, days)) for days in ASKED_DAYS
    ]
    asked.append((f"plan with SQL, 1 practitioner, {SESSIONS} sessions", plan.cost))
    with databases.using(many), databases.using(few):
        for what, ask in asked:
            before, after = (Run(partial(_answer, ask), partial(_turn_to, one, ask)) for one in (few, many))
            taken = in_turn(before, after, rounds=ROUNDS)
            assert before.answer() == after.answer(), f"{what}: another answer"
            yield Figure(
                f"{what}, {places + ROWS} places (bare: {places})",
                1000 * taken[1],
                1000 * taken[0],
                goal=GOAL,
                statements=f"{statements(before)} before, {statements(after)}",
            )


@dataclass(frozen=True)
class Planning:
    """A course that is planned as the service does it."""

    course: models.Course
    now: datetime

    def cost(self) -> int:
        as_it_stands = roster.course_facts(self.course)
        times = booking.times_of_plans(self.course, as_it_stands, now=self.now)
        on = roster.today(self.course.site, self.now)
        return search.cheapest_plan(as_it_stands, times, booking.WEIGHTS, today=on).cost.total


def _answer(ask: Callable[[], object], _: None) -> object:
    return ask()


def _turn_to(database: BaseDatabaseWrapper, ask: Callable[[], object]) -> None:
    """Use a database, and know who is there: what was known is of the other one."""
    databases.use(database)
    assert ask(), "there is no answer"


def _history() -> Iterator[list[list[int]]]:
    """Let the practitioner and a room have been busy each day of earlier years, with other patients."""
    days = -(-ROWS // (2 * VISITS_A_DAY))  # a visit takes two places
    visits = ROWS // 2
    for first in range(0, days, DAYS_AT_ONCE):
        some = [
            [0, 0, -1 - day, begins, begins + MINUTES, 0]
            for day in range(first, min(first + DAYS_AT_ONCE, days))
            for begins in range(BEGINS, ENDS, MINUTES)
        ]
        yield some[: visits - first * VISITS_A_DAY]
