"""`python -m bench.suite [DIR] [--seconds S] [--prove]`: plan a hundred courses in memory, and let CP-SAT judge.

Every objective must equal the kernel's, and every plan cost it and break no rule by what the JSON says alone. With
--prove CP-SAT proves of each course that no plan is cheaper (`solver.prove`); with --seconds it looks for the plan
itself (`solver.solve`), for so long each, and every proof that it finishes must say the same. DIR holds other courses.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from scheduling.planner import search
from scheduling.planner.explain import Unplannable
from scheduling.planner.facts import Plan

from . import instances, plan_checks
from .as_facts import Facts, day_of, practitioner_id, room_id, visits_of, weights_of
from .instances import Case, Clinic, Course
from .kernel import Kernel
from .solver import Proof, prove, solve

T = TypeVar("T")
ROUNDS = 3
PROOF_SECONDS = 300.0  # far more than any course takes


@dataclass(frozen=True, slots=True)
class Asked:
    """How long CP-SAT took in seconds, at most its limit, and whether it finished."""

    seconds: float
    is_proven: bool


@dataclass(frozen=True, slots=True)
class Planned:
    """One course of the suite: what it costs (None: impossible), and how long each took, in seconds."""

    practitioners: int
    booked: float
    sessions: int
    objective: int | None
    kernel: float
    ours: float
    solver: Asked | None  # for the plan
    proof: Asked | None  # that no plan is cheaper


def plan_all(cases: Iterable[Case], seconds: float | None = None, *, proven: bool = False) -> Iterator[Planned]:
    """Plan every course; an AssertionError when any two answers differ."""
    for _name, clinic, courses in cases:
        kernel, known = Kernel(clinic), Facts(clinic)
        for course in courses:
            yield _planned(clinic, course, kernel, known, seconds, proven)


def _planned(
    clinic: Clinic, course: Course, kernel: Kernel, known: Facts, seconds: float | None, proven: bool
) -> Planned:
    facts, times, weights = known.course(course), known.roster(course), weights_of(course)
    on = day_of(clinic, course["earliest"])

    def ours() -> Plan | None:
        try:
            return search.cheapest_plan(facts, times, weights, today=on)
        except Unplannable:
            return None

    answer, of_kernel = _timed(lambda: kernel.plan(course))
    plan, of_ours = _timed(ours)
    expected, found = answer.objective if answer else None, plan.cost.total if plan else None
    where = f"P={len(clinic['practitioners'])}, booked {clinic['occupancy']}, N={course['n']}"
    assert found == expected, f"{where}: the kernel's objective is {expected}, ours {found}"
    if plan:
        people = {practitioner_id(one["id"]): one["id"] for one in clinic["practitioners"]}
        rooms = {room_id(room["id"]): room["id"] for room in clinic["rooms"]}
        visits = visits_of(plan, clinic, times, people, rooms)
        wrong = plan_checks.wrong_with(clinic, course, plan.cost.total, visits)
        assert not wrong, f"{where}: {wrong}"
    of_solver = of_proof = None
    if seconds is not None:
        best, of_solver = _asked(solve, kernel, course, seconds)
        if of_solver.is_proven:
            assert best == found, f"{where}: CP-SAT proves {best}, ours is {found}"
        elif best is not None:
            assert found is not None, f"{where}: CP-SAT found a plan, we none"
            assert found <= best, f"{where}: CP-SAT found {best}, ours is {found}"
    if proven:
        least, of_proof = _asked(prove, kernel, course, PROOF_SECONDS)
        if of_proof.is_proven:
            assert least == found, f"{where}: CP-SAT proves that a plan costs {least} at least, ours is {found}"
    return Planned(
        len(clinic["practitioners"]), clinic["occupancy"], course["n"], found, of_kernel, of_ours, of_solver, of_proof
    )


def _timed(run: Callable[[], T]) -> tuple[T, float]:
    taken = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        answer = run()
        taken.append(time.perf_counter() - begun)
    return answer, statistics.median(taken)


def _asked(
    ask: Callable[[Kernel, Course, float], Proof], kernel: Kernel, course: Course, seconds: float
) -> tuple[int | None, Asked]:
    begun = time.perf_counter()
    proof = ask(kernel, course, seconds)
    return proof.objective, Asked(min(time.perf_counter() - begun, seconds), proof.is_proven)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("directory", type=Path, nargs="?", help="holds clinic-*.json; otherwise the suite is made")
    asked.add_argument("--seconds", type=float, help="let CP-SAT look for each plan for so long")
    asked.add_argument("--prove", action="store_true", help="let CP-SAT prove that no plan is cheaper")
    given = asked.parse_args()
    cases = instances.read(given.directory) if given.directory else instances.a_hundred()
    found = list(plan_all(cases, given.seconds, proven=given.prove))
    print(f"{len(found)} courses, {sum(one.objective is None for one in found)} impossible; objectives equal")
    for name in ("practitioners", "booked", "sessions"):
        groups: dict[float, list[Planned]] = defaultdict(list)
        for one in found:
            groups[getattr(one, name)].append(one)
        for value, group in groups.items():
            print(f"{name} {value}: {_summary(group)}")
    print(f"all: {_summary(found)}")


def _summary(group: list[Planned]) -> str:
    """Return medians in milliseconds, their ratios, and how many CP-SAT finished."""
    kernel = 1000 * statistics.median(one.kernel for one in group)
    ours = 1000 * statistics.median(one.ours for one in group)
    text = f"kernel {kernel:.2f} ms, ours {ours:.2f} ms ({ours / kernel:.2f})"
    if solved := [one.solver for one in group if one.solver]:
        solver = 1000 * statistics.median(one.seconds for one in solved)
        finished = sum(one.is_proven for one in solved)
        text += f", CP-SAT {solver:.0f} ms ({solver / ours:.0f} × ours), {finished} finished"
    if proofs := [one.proof for one in group if one.proof]:
        proven = sum(one.is_proven for one in proofs)
        text += f", {proven} of {len(group)} proven in {sum(one.seconds for one in proofs):.0f} s"
    return text


if __name__ == "__main__":
    main()
