"""The other reference for plans: CP-SAT, asked in two ways. Both are given the kernel's candidates.

`solve` is how one would ask it: one Boolean for each session, day and practitioner, the days in order by linear
constraints. It knows nothing of paths, finds plans and proves them, but long courses take it minutes or for ever.

`prove` asks for the other half of a proof, that no plan is cheaper, and finishes on every course. Each place (session,
day, practitioner) has a price, which is above the price of a place before it by no more than the step from there costs.
Add up the steps of any plan: it costs at least what the end is priced at. So CP-SAT makes the end as dear as it can. A
plan that costs as much is a cheapest one; where there is no plan, nothing keeps the end below `NEVER`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from ortools.sat.python import cp_model

from .instances import Course
from .kernel import NEVER, Kernel


@dataclass(frozen=True, slots=True)
class Proof:
    """What the solver says: the objective of a cheapest plan (None: there is none), and whether that is proven."""

    objective: int | None
    is_proven: bool


def solve(kernel: Kernel, course: Course, seconds: float) -> Proof:
    """Look for the cheapest plan for so long, with two workers."""
    model, objective = _model(kernel, course)
    solver = _solver(seconds)
    status = solver.solve(model)
    if status == cp_model.INFEASIBLE:
        return Proof(None, is_proven=True)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return Proof(None, is_proven=False)
    return Proof(round(solver.value(objective)), status == cp_model.OPTIMAL)


def prove(kernel: Kernel, course: Course, seconds: float) -> Proof:
    """Look for the highest price of the end for so long. What is not proven may be below what a cheapest plan costs."""
    model, end = _prices(kernel, course)
    solver = _solver(seconds)
    status = solver.solve(model)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return Proof(0, is_proven=False)
    price = solver.value(end)
    return Proof(price if price < NEVER else None, status == cp_model.OPTIMAL)


def _solver(seconds: float) -> cp_model.CpSolver:
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = seconds
    solver.parameters.num_workers = 2
    return solver


def _model(kernel: Kernel, course: Course) -> tuple[cp_model.CpModel, cp_model.LinearExprT]:
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


def _prices(kernel: Kernel, course: Course) -> tuple[cp_model.CpModel, cp_model.IntVar]:
    """Return the model, and the price of the end. A change of practitioner leads by way of nobody: fewer steps."""
    first, nodes = kernel.candidates(course)
    months, weights, days, last = kernel.months, course["weights"], nodes.shape[1], course["n"] - 1
    able = [{who for who in range(len(nodes)) if nodes[who, day] < NEVER} for day in range(days)]
    model = cp_model.CpModel()
    prices: dict[Any, cp_model.IntVar] = defaultdict(lambda: model.new_int_var(0, NEVER, ""))

    def step(before: Any, after: Any, costs: int) -> None:
        model.add(prices[after] <= prices[before] + int(costs))

    model.add(prices["start"] == 0)
    for number in range(course["n"]):
        ends = course["first_within"] + number * course["gap_max"]
        for day in range(number * course["gap_min"], min(ends, days - 1) + 1):
            for who in able[day]:
                here, costs = (number, day, who), nodes[who, day]
                if number == 0:
                    step("start", here, weights["late"] * day + costs)
                else:
                    step(("arriving", number, day), here, costs)
                if number == last:
                    step(here, "end", 0)
                else:
                    step(here, ("leaving", number, day), weights["change"])
            if number == last or not able[day]:
                continue
            for later in range(day + course["gap_min"], min(day + course["gap_max"], days - 1) + 1):
                gap = weights["gap"] * abs(first + later - int(months[first + day]))
                step(("leaving", number, day), ("arriving", number + 1, later), gap)
                for who in able[day] & able[later]:
                    step((number, day, who), (number + 1, later, who), gap + nodes[who, later])
    model.maximize(prices["end"])
    return model, prices["end"]
