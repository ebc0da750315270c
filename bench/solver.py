"""The other reference for plans: CP-SAT, which knows nothing of shortest paths, and proves what it finds.

One Boolean for each session, day and practitioner, the days in order by linear constraints; the kernel's candidates.
"""

from __future__ import annotations

from dataclasses import dataclass

from ortools.sat.python import cp_model

from .instances import Course
from .kernel import NEVER, Kernel


@dataclass(frozen=True, slots=True)
class Proof:
    """What the solver says: the objective of its best plan (None: it found none), and whether that is proven."""

    objective: int | None
    is_proven: bool


def solve(kernel: Kernel, course: Course, seconds: float) -> Proof:
    """Look for the cheapest plan for so long, with two workers."""
    model, objective = _model(kernel, course)
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = seconds
    solver.parameters.num_workers = 2
    status = solver.solve(model)
    if status == cp_model.INFEASIBLE:
        return Proof(None, is_proven=True)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return Proof(None, is_proven=False)
    return Proof(round(solver.value(objective)), status == cp_model.OPTIMAL)


def _model(kernel: Kernel, course: Course) -> tuple[cp_model.CpModel, cp_model.LinearExpr]:
    first, nodes = kernel.candidates(course)
    months, weights = kernel.months, course["weights"]
    last = first + nodes.shape[1] - 1
    model = cp_model.CpModel()
    costs: list[cp_model.LinearExprT] = []
    before = None  # day, a month after it, and by whom
    for number in range(course["n"]):
        begins = number * course["gap_min"]
        ends = course["first_within"] + number * course["gap_max"]
        chosen = {
            (who, day): model.new_bool_var("")
            for who in range(len(nodes))
            for day in range(begins, min(ends, nodes.shape[1] - 1) + 1)
            if nodes[who, day] < NEVER
        }
        model.add_exactly_one(chosen.values())
        costs += [int(nodes[node]) * literal for node, literal in chosen.items() if nodes[node]]
        day = model.new_int_var(first, last, "")
        model.add(day == sum((first + at) * literal for (_, at), literal in chosen.items()))
        by = [model.new_bool_var("") for _ in nodes]
        for who, literal in enumerate(by):
            model.add(sum(one for (lead, _), one in chosen.items() if lead == who) == literal)
        if before is None:
            costs.append(weights["late"] * (day - first))
        else:
            day_before, target, by_before = before
            model.add(day - day_before >= course["gap_min"])
            model.add(day - day_before <= course["gap_max"])
            away = model.new_int_var(0, len(months), "")
            model.add(away >= day - target)
            model.add(away >= target - day)
            is_change = model.new_bool_var("")
            for literal, same in zip(by, by_before, strict=True):
                model.add(is_change >= literal - same)
            costs += [weights["gap"] * away, weights["change"] * is_change]
        a_month_after = sum(int(months[first + at]) * literal for (_, at), literal in chosen.items())
        before = day, a_month_after, by
    objective = sum(costs)
    model.minimize(objective)
    return model, objective
