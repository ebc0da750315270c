"""`python -m bench.repair DIR --seconds S --out FILE`: repair every DIR/replan-*.json in so many seconds each.

For each a line of JSON is written, and checked by what the JSON says alone. The clinic is loaded into the database, and
read as the service reads it for its own repairs: how long that took is `ms_read`, before the seconds begin.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import django

from scheduling.planner.repair import JointRepair, Progress, repair_together

from . import replan_checks, servers
from .as_replan import Problem, assignments_of
from .replan_instances import Replan

T = TypeVar("T")


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("directory", type=Path)
    asked.add_argument("--seconds", type=float, required=True)
    asked.add_argument("--out", type=Path, required=True)
    given = asked.parse_args()
    with servers.database(), given.out.open("w") as out:
        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        for file in sorted(given.directory.glob("replan-*.json")):
            line = answer(json.loads(file.read_text()), file.name, given.seconds)
            out.write(json.dumps({"file": file.name, **line}) + "\n")
            out.flush()


def answer(replan: Replan, name: str, seconds: float) -> dict[str, Any]:
    """Load a replan, repair it and say how; AssertionError when the answer is not what it says."""
    from django.db import connection

    from .as_replan_rows import ReplanRows
    from .measure import Run, statements

    rows = ReplanRows(replan, name)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # what PostgreSQL does by itself, a minute later
    rows.read_protocols()  # once per process
    read: list[tuple[Problem, float]] = []
    asked = statements(Run(lambda _: read.append(_timed(rows.problem))))  # once: who is away was not away before
    ((problem, reading),) = read
    heard: list[Progress] = []
    repaired, taken = _timed(lambda: repaired_within(problem, seconds, heard))
    line = as_line(repaired, problem, replan)
    wrong = replan_checks.wrong_with(replan, line)
    assert not wrong, wrong
    return {
        **line,
        "seconds": round(taken, 3),
        "first_answer_seconds": round(first_answer(heard).seconds, 3),
        "ms_read": round(1000 * reading, 3),
        "statements": asked,
    }


def _timed(do: Callable[[], T]) -> tuple[T, float]:
    begun = time.perf_counter()
    done = do()
    return done, time.perf_counter() - begun


def repaired_within(
    problem: Problem, seconds: float, heard: list[Progress], *, is_first_enough: bool = False
) -> JointRepair:
    def hear(progress: Progress) -> bool:
        heard.append(progress)
        return not (is_first_enough and progress.stage == "first")

    return repair_together(
        problem.courses,
        problem.roster,
        problem.patients_busy,
        problem.weights,
        today=problem.today,
        seconds=seconds,
        on_progress=hear,
    )


def first_answer(heard: list[Progress]) -> Progress:
    """Return what was heard when every course had been looked at once."""
    return next(progress for progress in heard if progress.stage == "first")


def as_line(repaired: JointRepair, problem: Problem, replan: Replan) -> dict[str, Any]:
    """Return an answer as the format counts it; see `as_replan.weights_of`."""
    moved = sum(move.session in problem.followers for one in repaired.courses for move in one.moves)
    objective, bound = (cost - problem.surplus for cost in (repaired.cost, repaired.bound))
    return {
        "objective": objective,
        "bound": max(bound, 0),
        "gap_percent": gap_percent(objective, max(bound, 0)),
        "unplaced": repaired.unplaced,
        "moved": moved,
        "assignments": assignments_of(repaired, problem, replan),
    }


def gap_percent(cost: int, bound: int) -> float:
    """Return by how much a cost is above what is proven."""
    return round(100 * (cost - bound) / bound, 3) if bound else 0.0 if cost == bound else 100.0


if __name__ == "__main__":
    main()
