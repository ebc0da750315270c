"""Free times while history grows: one question, in turn to a database of a thousand places and to its copy of many."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial

from django.db.backends.base.base import BaseDatabaseWrapper

from scheduling import booking, models

from . import databases, instances
from .as_rows import Rows
from .availability import ASKED_DAYS, Question, Times, in_days
from .measure import Figure, Goal, Run, in_turn, statements

ROWS = int(os.environ.get("BENCH_ROWS", "100000"))  # places of earlier years that are added; a million takes minutes
DAYS, FIRST = 100, 2  # about a thousand places; a day that has two times
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
        databases.tidy()
    many = databases.make("many", like="few")
    with databases.using(many):
        for visits in _history():
            rows.book(visits)
        booking.rebuild_busy_map()
        databases.tidy()
    with databases.using(many), databases.using(few):
        for days in ASKED_DAYS:
            before, after = (
                Run(partial(_ask, question, days), partial(_turn_to, one, question, days)) for one in (few, many)
            )
            taken = in_turn(before, after, rounds=ROUNDS)
            assert before.answer() == after.answer() != set(), f"other times on {days} days, or none"
            yield Figure(
                f"free times, {in_days(days)}, {question.staff} staff, {places + ROWS} places (bare: {places})",
                1000 * taken[1],
                1000 * taken[0],
                goal=GOAL,
                statements=f"{statements(before)} before, {statements(after)}",
            )


def _turn_to(database: BaseDatabaseWrapper, question: Question, days: int) -> None:
    """Use a database, and know who is there: what was known is of the other one."""
    databases.use(database)
    question.times(days)


def _ask(question: Question, days: int, _: None) -> Times:
    return question.times(days)


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
