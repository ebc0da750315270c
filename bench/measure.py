"""Measuring: the reference and ours in turn, several rounds, the median of each, and the ratio of the two."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from django.db import connection
from django.test.utils import CaptureQueriesContext

Prepared = TypeVar("Prepared")

ROUNDS = 7
# Round trips that only mark where a transaction begins and ends.
MARKS = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE")


@dataclass(frozen=True)
class Goal:
    """What the ratio should be. Of rates more is better, of times less."""

    ratio: float
    is_rate: bool = False
    name: str = ""

    def is_met_by(self, ratio: float) -> bool:
        return ratio >= self.ratio if self.is_rate else ratio <= self.ratio

    def __str__(self) -> str:
        return f"{'≥' if self.is_rate else '≤'} {self.ratio:.3g} {self.name}".strip()


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    name: str
    ours: float
    reference: float
    unit: str = "ms"
    goal: Goal | None = None
    statements: str = ""

    @property
    def ratio(self) -> float:
        return self.ours / self.reference


@dataclass(frozen=True)
class Run(Generic[Prepared]):
    """Something whose time is taken; what `prepare` returns is handed to it, and costs nothing."""

    do: Callable[[Prepared], object]
    prepare: Callable[[], Prepared] = lambda: None  # type: ignore[assignment, return-value]

    def seconds(self) -> float:
        given = self.prepare()
        begun = time.perf_counter()
        self.do(given)
        return time.perf_counter() - begun

    def answer(self) -> object:
        return self.do(self.prepare())


class Timed(Protocol):
    """Whatever can say how long it took this time: a Run, or somebody else's clock."""

    def seconds(self) -> float: ...


def in_turn(*runs: Timed, rounds: int = ROUNDS) -> list[float]:
    """Return the median seconds of each, taken one after the other in every round; the first round is not counted."""
    gc.collect()
    gc.freeze()  # what was made before is no garbage of theirs
    taken: list[list[float]] = [[run.seconds() for run in runs] for _ in range(rounds + 1)]
    gc.unfreeze()
    return [statistics.median(times) for times in zip(*taken[1:], strict=True)]


def statements(run: Run[Any]) -> int:
    """Return how many statements it takes, without those that begin and end transactions."""
    given = run.prepare()
    capture: AbstractContextManager[Any] = CaptureQueriesContext(connection)
    with capture as asked:
        run.do(given)
    return sum(not query["sql"].startswith(MARKS) for query in asked)


def table(figures: Sequence[Figure]) -> str:
    """Return the figures as a Markdown table."""
    rows = [
        ("figure", "ours", "reference", "ratio", "goal", "statements"),
        ("---", "---:", "---:", "---:", "---", "---:"),
    ]
    for figure in figures:
        goal = ""
        if figure.goal:
            goal = f"{figure.goal} {'✓' if figure.goal.is_met_by(figure.ratio) else '✗'}"
        rows.append(
            (
                figure.name,
                f"{_short(figure.ours)} {figure.unit}",
                f"{_short(figure.reference)} {figure.unit}",
                _short(figure.ratio),
                goal,
                figure.statements,
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |" for row in rows
    )


def _short(number: float) -> str:
    """Return three significant digits or so, more would only seem exact."""
    if number < 0.1:
        return f"{number:.2g}"
    return f"{number:.0f}" if number >= 100 else f"{number:.1f}" if number >= 10 else f"{number:.2f}"
