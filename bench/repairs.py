"""Repairs of many courses: cost against what is proven, and against the first answer, after so many seconds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scheduling.planner.repair import Progress

from . import replan_checks
from .as_replan import Problem, problem_of
from .measure import Figure, Goal
from .repair import as_line, repaired_within
from .replan_instances import make_replan

SEEDS = 3
AFTER = {50: (2.0,), 150: (2.0, 10.0), 300: (10.0,)}  # seconds, by lost visits
NEAR = {50: 1.01, 150: 1.01, 300: 1.05}  # cost by bound, in the end (G4)
FIRST_MS = 100.0


def figures() -> Iterator[Figure]:
    for lost, after in AFTER.items():
        for seed in range(SEEDS):
            yield from _of(lost, seed, after)


def _of(lost: int, seed: int, after: Sequence[float]) -> Iterator[Figure]:
    replan = make_replan(lost, seed)
    problem, heard = problem_of(replan), list[Progress]()
    repaired = repaired_within(problem, after[-1], heard)
    wrong = replan_checks.wrong_with(replan, as_line(repaired, problem, replan))
    assert not wrong, wrong
    costs = [progress.cost for progress in heard]
    assert costs == sorted(costs, reverse=True), "a later answer was worse"
    name = f"repair of {lost} lost visits, seed {seed}"
    first = heard[0]
    yield Figure(f"{name}, first answer", 1000 * first.seconds, FIRST_MS, goal=Goal(1.0, name="(G5)"))
    for seconds in after:
        is_last = seconds == after[-1]
        at = [progress for progress in heard if progress.seconds <= seconds][-1]
        cost, bound = (repaired.cost, repaired.bound) if is_last else (at.cost, at.bound or 0)
        cost, bound = _in_the_format(cost, problem), _in_the_format(bound, problem)
        goal = Goal(NEAR[lost], name="(G4)") if is_last else None
        yield Figure(f"{name}, cost after {seconds:.0f} s by its bound", cost, max(bound, 1), unit="", goal=goal)
    greedy = _in_the_format(first.cost, problem)
    yield Figure(f"{name}, cost by the first answer", cost, greedy, unit="", goal=Goal(1.0, name="(G5)"))


def _in_the_format(cost: int, problem: Problem) -> int:
    return cost - problem.surplus
