"""`python -m bench.repair DIR --seconds S --out FILE`: repair every DIR/replan-*.json in so many seconds each.

For each a line of JSON is written, and checked by what the JSON says alone. The clinic is handed to the planner as its
facts, without a database; time is counted from there on.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from scheduling.planner.repair import JointRepair, Progress, repair_together

from . import replan_checks
from .as_replan import Problem, assignments_of, problem_of
from .replan_instances import Replan


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("directory", type=Path)
    asked.add_argument("--seconds", type=float, required=True)
    asked.add_argument("--out", type=Path, required=True)
    given = asked.parse_args()
    with given.out.open("w") as out:
        for file in sorted(given.directory.glob("replan-*.json")):
            line = answer(json.loads(file.read_text()), given.seconds)
            out.write(json.dumps({"file": file.name, **line}) + "\n")
            out.flush()


def answer(replan: Replan, seconds: float) -> dict[str, Any]:
    """Repair one and say how; AssertionError when the answer is not what it says."""
    problem = problem_of(replan)
    heard: list[Progress] = []
    begun = time.perf_counter()
    repaired = repaired_within(problem, seconds, heard)
    taken = time.perf_counter() - begun
    line = as_line(repaired, problem, replan)
    wrong = replan_checks.wrong_with(replan, line)
    assert not wrong, wrong
    return {**line, "seconds": round(taken, 3), "first_answer_seconds": round(heard[0].seconds, 3)}


def repaired_within(
    problem: Problem, seconds: float, heard: list[Progress], *, is_first_enough: bool = False
) -> JointRepair:
    def hear(progress: Progress) -> bool:
        heard.append(progress)
        return not is_first_enough

    return repair_together(
        problem.courses, problem.roster, {}, problem.weights, today=problem.today, seconds=seconds, on_progress=hear
    )


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
