"""`python -m bench.suite --seconds S`: plan a hundred courses in memory, against the kernel and against CP-SAT.

Every objective must equal the kernel's, and that of each proof that CP-SAT finishes within the limit. Without a limit
CP-SAT is left out.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from scheduling.planner import search
from scheduling.planner.explain import Unplannable

from . import instances
from .as_facts import Facts, day_of, weights_of
from .instances import Clinic, Course
from .kernel import Kernel
from .solver import solve

PRACTITIONERS, BOOKED, SESSIONS = (2, 5, 10, 20, 50), (0.60, 0.70, 0.80, 0.90, 0.95), (3, 4, 6, 12)
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Planned:
    """One course of the suite: what it costs (None: impossible), and how long each took, in seconds."""

    practitioners: int
    booked: float
    sessions: int
    objective: int | None
    kernel: float
    ours: float
    solver: float | None  # the limit, when it finished nothing
    is_proven: bool


def plan_all(seconds: float | None = None, booked: Sequence[float] = BOOKED) -> Iterator[Planned]:
    """Plan every course of clinics that are so much booked; an AssertionError when any two answers differ."""
    for practitioners in PRACTITIONERS:
        for share in booked:
            clinic = instances.make_clinic(7, practitioners, share)
            kernel, known = Kernel(clinic), Facts(clinic)
            for sessions in SESSIONS:
                yield _planned(clinic, instances.make_course(clinic, sessions, 0), kernel, known, seconds)


def _planned(clinic: Clinic, course: Course, kernel: Kernel, known: Facts, seconds: float | None) -> Planned:
    facts, times, weights = known.course(course), known.roster(course), weights_of(course)
    on = day_of(clinic, course["earliest"])

    def ours() -> int | None:
        try:
            return search.cheapest_plan(facts, times, weights, today=on).cost.total
        except Unplannable:
            return None

    def reference() -> int | None:
        answer = kernel.plan(course)
        return answer.objective if answer else None

    expected, of_kernel = _timed(reference)
    found, of_ours = _timed(ours)
    where = f"P={len(clinic['practitioners'])}, booked {clinic['occupancy']}, N={course['n']}"
    assert found == expected, f"{where}: the kernel's objective is {expected}, ours {found}"
    of_solver, is_proven = None, False
    if seconds is not None:
        begun = time.perf_counter()
        proof = solve(kernel, course, seconds)
        of_solver, is_proven = min(time.perf_counter() - begun, seconds), proof.is_proven
        if proof.is_proven:
            assert proof.objective == found, f"{where}: CP-SAT proves {proof.objective}, ours is {found}"
        elif proof.objective is not None:
            assert found is not None, f"{where}: CP-SAT found a plan, we none"
            assert found <= proof.objective, f"{where}: CP-SAT found {proof.objective}, ours is {found}"
    return Planned(
        len(clinic["practitioners"]), clinic["occupancy"], course["n"], found, of_kernel, of_ours, of_solver, is_proven
    )


def _timed(run: Callable[[], int | None]) -> tuple[int | None, float]:
    taken, answer = [], None
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        answer = run()
        taken.append(time.perf_counter() - begun)
    return answer, statistics.median(taken)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--seconds", type=float, help="limit of CP-SAT for each course")
    found = list(plan_all(asked.parse_args().seconds))
    print(f"{len(found)} courses, {sum(one.objective is None for one in found)} impossible; objectives equal")
    print(f"proven by CP-SAT: {sum(one.is_proven for one in found)}")
    for name in ("practitioners", "booked", "sessions"):
        groups: dict[float, list[Planned]] = defaultdict(list)
        for one in found:
            groups[getattr(one, name)].append(one)
        for value, group in groups.items():
            print(f"{name} {value}: {_medians(group)}")
    print(f"all: {_medians(found)}")


def _medians(group: list[Planned]) -> str:
    kernel = 1000 * statistics.median(one.kernel for one in group)
    ours = 1000 * statistics.median(one.ours for one in group)
    text = f"kernel {kernel:.2f} ms, ours {ours:.2f} ms ({ours / kernel:.2f})"
    if group[0].solver is not None:
        solver = 1000 * statistics.median(one.solver or 0 for one in group)
        text += f", CP-SAT {solver:.0f} ms ({solver / ours:.0f} × ours), {sum(one.is_proven for one in group)} proven"
    return text


if __name__ == "__main__":
    main()
