"""Repairs of many courses: cost against what is proven, and against the first answer, after so many seconds."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

from scheduling.planner.repair import Progress

from . import replan_checks
from .as_replan import Problem, problem_of
from .measure import Figure, Goal, Run, in_turn
from .repair import as_line, first_answer, repaired_within
from .replan_instances import Replan, make_replan

SEEDS, ROUNDS = 3, 5
# How near to its bound the cost should be after so many seconds, by lost visits (G4).
NEAR: dict[int, dict[float, float | None]] = {
    50: {2.0: 1.01},
    150: {2.0: None, 10.0: 1.01},
    300: {10.0: 1.05, 60.0: 1.01},
}
FIRST_MS = 100.0


def figures() -> Iterator[Figure]:
    for lost in NEAR:
        for seed in range(SEEDS):
            yield from _of(lost, seed)


def _of(lost: int, seed: int) -> Iterator[Figure]:
    replan, name = make_replan(lost, seed), f"repair of {lost} lost visits, seed {seed}"
    yield Figure(f"{name}, first answer", _first_answer_ms(replan), FIRST_MS, goal=Goal(1.0, name="(G5)"))
    problem, heard = problem_of(replan), list[Progress]()
    begun = time.perf_counter()
    repaired = repaired_within(problem, max(NEAR[lost]), heard)
    heard.append(Progress(time.perf_counter() - begun, repaired.cost, repaired.bound, "last"))
    wrong = replan_checks.wrong_with(replan, as_line(repaired, problem, replan))
    assert not wrong, wrong
    costs = [progress.cost for progress in heard]
    assert costs == sorted(costs, reverse=True), "a later answer was worse"
    for seconds, near in NEAR[lost].items():
        known = heard if seconds == max(NEAR[lost]) else [one for one in heard if one.seconds <= seconds]
        cost, bound = _in_the_format(known[-1].cost, problem), _in_the_format(known[-1].bound or 0, problem)
        goal = Goal(near, name="(G4)") if near else None
        yield Figure(f"{name}, cost after {seconds:.0f} s by its bound", cost, max(bound, 1), unit="", goal=goal)
    greedy = _in_the_format(first_answer(heard).cost, problem)
    yield Figure(f"{name}, cost by the first answer", cost, greedy, unit="", goal=Goal(1.0, name="(G5)"))


def _first_answer_ms(replan: Replan) -> float:
    """Return how long the first answer takes: the median of several rounds, the first not counted."""
    heard: list[Progress] = []
    run = Run(
        lambda problem: repaired_within(problem, 1.0, heard, is_first_enough=True), prepare=lambda: problem_of(replan)
    )
    in_turn(run, rounds=ROUNDS)
    found = [progress.seconds for progress in heard if progress.stage == "first"]
    return 1000 * statistics.median(found[1:])


def _in_the_format(cost: int, problem: Problem) -> int:
    return cost - problem.surplus
