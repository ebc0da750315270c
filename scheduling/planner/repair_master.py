"""Which of the plans found go together best: a linear programme over plans, and the same in whole numbers.

A plan (*column*) is a course's, takes places from rows, and costs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from .repair_networks import Networks
from .repair_rows import Floats, Ints, ragged

EPSILON = 1e-6
SLICE = 0.9  # seconds that a solver may keep silent
WORKERS, EASY = 2, 1000  # more columns than these are hard


class Master:
    def __init__(self, networks: Networks) -> None:
        # Imported here: each web process would carry the solvers otherwise, and only repairs use them. The linear
        # solver's interface is that of both, and spares the import of pandas that CP-SAT's own has.
        from ortools.linear_solver import pywraplp

        self._solvers = pywraplp.Solver
        self._networks = networks
        self._width = networks.capacity.shape[1] + 1
        self._capacity = np.append(networks.capacity, np.zeros((len(networks.capacity), 1), np.int64), axis=1).ravel()
        self._depth = len(networks.whole.depths)
        self._spans = networks.buckets.begins.shape[1] * self._depth
        self.courses: list[int] = []
        self.costs: list[int] = []
        self.times = np.zeros((1024, self._depth), np.int64)
        self._begins = np.zeros((1024, self._spans), np.int64)
        self._ends = np.zeros((1024, self._spans), np.int64)
        self._known: dict[tuple[int, bytes], int] = {}
        self._rows: list[int] = []  # blocks
        self._lp = self._solvers.CreateSolver("GLOP")
        self._lp.SetSolverSpecificParametersAsString("use_preprocessing: false")
        self._one_each = [self._lp.Constraint(1, 1) for _ in networks.tasks]
        self._in_lp: list[Any] = []
        self.values: Floats = np.zeros(0)  # how much of each column was best, when last asked
        self._limits: list[Any] = []
        self.forbidden: list[list[tuple[int, int]]] = []

    # --- columns --------------------------------------------------------------------------------------------------

    def add(self, course: int, cost: int, times: Sequence[int] | Ints) -> bool:
        """Add a plan; say whether it is new."""
        row = np.zeros(self._depth, np.int64)
        row[: len(times)] = times
        key = (course, row.tobytes())
        if key in self._known:
            return False
        number = self._known[key] = len(self.courses)
        if number == len(self.times):
            self.times, self._begins, self._ends = (
                np.concatenate([one, np.zeros_like(one)]) for one in (self.times, self._begins, self._ends)
            )
        self.courses.append(course)
        self.costs.append(cost)
        self.times[number] = row
        self._begins[number] = self._networks.buckets.begins[row].ravel()
        self._ends[number] = self._networks.buckets.ends[row].ravel()
        return True

    def number(self, course: int, times: Sequence[int]) -> int:
        """Return which column a plan is."""
        row = np.zeros(self._depth, np.int64)
        row[: len(times)] = times
        return self._known[course, row.tobytes()]

    def forbid(self, together: Iterable[list[tuple[int, int]]]) -> None:
        """Choose no more among whole plans what cannot be given places together: courses and their times.

        The linear programme does not know of it, so that its bound holds whatever else moves.
        """
        self.forbidden += together

    @property
    def in_forbidden(self) -> list[int]:
        """Return the courses of which something was forbidden."""
        return sorted({course for together in self.forbidden for course, _ in together})

    # --- the linear programme -------------------------------------------------------------------------------------

    def solve(self, check: Callable[[], None]) -> tuple[Floats, Floats]:
        """Return the best prices of the rows, and of the courses' plans, by the columns so far.

        Rows are written down once they would be broken.
        """
        self._write_columns()
        while True:
            seconds = SLICE
            self._lp.SetTimeLimit(int(1000 * seconds))
            while self._lp.Solve() != self._lp.OPTIMAL:
                check()
                seconds *= 2  # it may begin anew
                self._lp.SetTimeLimit(int(1000 * seconds))
            check()
            self.values = np.array([variable.solution_value() for variable in self._in_lp])
            used = np.flatnonzero(self.values > EPSILON)
            broken = self._broken(used, self.values[used])
            if not len(broken):
                break
            self._write_rows(broken)
        prices = np.zeros(len(self._capacity))
        prices[self._rows] = [max(0.0, -limit.dual_value()) for limit in self._limits]
        of_courses = np.array([one.dual_value() for one in self._one_each])
        return prices.reshape(-1, self._width)[:, :-1], of_courses

    def _write_columns(self) -> None:
        goal, rows = self._lp.Objective(), np.array(self._rows, np.int64)
        for number in range(len(self._in_lp), len(self.courses)):
            variable = self._lp.NumVar(0, self._lp.infinity(), "")
            self._in_lp.append(variable)
            goal.SetCoefficient(variable, float(self.costs[number]))
            self._one_each[self.courses[number]].SetCoefficient(variable, 1)
            takes = self._takes(np.array([number]), rows)[:, 0]
            for row in np.flatnonzero(takes).tolist():
                self._limits[row].SetCoefficient(variable, float(takes[row]))

    def _write_rows(self, blocks: Ints) -> None:
        takes = self._takes(np.arange(len(self._in_lp)), blocks)
        for block, row in zip(blocks.tolist(), takes, strict=True):
            limit = self._lp.Constraint(-self._lp.infinity(), float(self._capacity[block]))
            for column in np.flatnonzero(row).tolist():
                limit.SetCoefficient(self._in_lp[column], float(row[column]))
            self._rows.append(block)
            self._limits.append(limit)

    def _takes(self, columns: Ints, blocks: Ints) -> Ints:
        """Return how many places each column (across) takes of each block (down)."""
        found = np.zeros((len(blocks), len(columns)), np.int64)
        for span in range(self._spans):
            at = blocks[:, None]
            found += (self._begins[columns, span] <= at) & (at < self._ends[columns, span])
        return found

    def _broken(self, columns: Ints, values: Floats) -> Ints:
        """Return the blocks of which these columns, that much of each, take too much: of each stretch the worst."""
        weight = np.repeat(values, self._spans)
        size = len(self._capacity)
        changes = np.bincount(self._begins[columns].ravel(), weight, size)
        changes -= np.bincount(self._ends[columns].ravel(), weight, size)
        excess = np.cumsum(changes.reshape(-1, self._width), axis=1) - self._capacity.reshape(-1, self._width)
        excess[:, -1] = 0
        rises = excess > EPSILON
        rises[:, 1:] &= excess[:, 1:] > excess[:, :-1] + EPSILON
        found: Ints = np.flatnonzero(rises)
        return found

    # --- in whole numbers -----------------------------------------------------------------------------------------

    def choose(self, columns: Ints, hint: Sequence[int], bound: int, seconds: float) -> tuple[list[int], bool] | None:
        """Return the cheapest choice of one of these columns per course, and whether that is certain.

        None when no choice was found in that time. No choice costs less than `bound`: one that costs as much is it.
        """
        # Several workers race, and which of equal answers wins is chance: they are for what will be cut by time anyway.
        workers = WORKERS if len(columns) > EASY else 1
        solver = self._solvers.CreateSolver("SAT")
        solver.SetSolverSpecificParametersAsString(f"num_workers: {workers} random_seed: 1")
        solver.SetTimeLimit(int(1000 * max(0.01, min(seconds, SLICE))))
        one_each = [solver.Constraint(1, 1) for _ in self._one_each]
        goal, least = solver.Objective(), solver.Constraint(float(bound), solver.infinity())
        variables = [solver.BoolVar("") for _ in range(len(columns))]
        for variable, column in zip(variables, columns.tolist(), strict=True):
            goal.SetCoefficient(variable, float(self.costs[column]))
            least.SetCoefficient(variable, float(self.costs[column]))
            one_each[self.courses[column]].SetCoefficient(variable, 1)
        for capacity, at, amounts in self._cliques(columns):
            limit = solver.Constraint(-solver.infinity(), capacity)
            for one, amount in zip(at, amounts, strict=True):
                limit.SetCoefficient(variables[one], amount)
        for together in self.forbidden:
            limit = solver.Constraint(-solver.infinity(), len(together) - 1)
            for course, time in together:
                has_it = (np.array(self.courses)[columns] == course) & (self.times[columns] == time).any(axis=1)
                for one in np.flatnonzero(has_it).tolist():
                    limit.SetCoefficient(variables[one], limit.GetCoefficient(variables[one]) + 1)
        hinted = set(hint)
        solver.SetHint(variables, [float(column in hinted) for column in columns.tolist()])
        status = solver.Solve()
        if status not in (solver.OPTIMAL, solver.FEASIBLE):
            return None
        taken = [column for column, one in zip(columns.tolist(), variables, strict=True) if one.solution_value() > 0.5]
        return sorted(taken, key=lambda column: self.courses[column]), status == solver.OPTIMAL

    def _cliques(self, columns: Ints) -> Iterator[tuple[float, list[int], list[float]]]:
        """Yield the limits that choices of these columns might break: how much there is, and what takes how much of it.

        What takes from a row at one block is contained in what takes from it where, after the last begin, the first of
        them ends: only there limits are written.
        """
        begins, ends = self._begins[columns], self._ends[columns]
        takes = ends > begins
        of = np.nonzero(takes)[0]
        first, until = begins[takes], ends[takes]
        starts, stops = np.unique(first), np.unique(until)
        if not len(starts):
            return
        following = np.append(starts[1:], stops[-1])
        blocks = starts[stops[np.searchsorted(stops, starts, side="right")] <= following]
        low, high = np.searchsorted(blocks, first), np.searchsorted(blocks, until)
        rows, which = ragged(low, high - low)
        pairs, amounts = np.unique(rows * len(columns) + of[which], return_counts=True)
        row, column = np.divmod(pairs, len(columns))
        courses = np.array(self.courses)[columns[column]]
        most = np.unique(row * (1 + courses.max(initial=0)) + courses)  # a course takes by one of its plans only
        crowd = np.bincount(most // (1 + courses.max(initial=0)), minlength=len(blocks)) * amounts.max(initial=1)
        bounds = np.searchsorted(row, np.arange(len(blocks) + 1))
        for number in np.flatnonzero(crowd > self._capacity[blocks]).tolist():
            part = slice(bounds[number], bounds[number + 1])
            yield float(self._capacity[blocks[number]]), column[part].tolist(), amounts[part].astype(float).tolist()
