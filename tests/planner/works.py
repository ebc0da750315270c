"""What the searches of a test have looked at, and searches that may look at little."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from scheduling.planner.work import MOST_DATES, Work


def counted(monkeypatch: pytest.MonkeyPatch, most: int = MOST_DATES) -> list[Work]:
    """Return the list to which the work of each course is added that a chain is made for from now on.

    Every search is broken off that looks at more dates than `most`, one by one.
    """
    works: list[Work] = []

    def work() -> Work:
        works.append(Work(until=most))
        return works[-1]

    monkeypatch.setattr("scheduling.planner.chains.Work", work)
    return works


def looked(works: Sequence[Work]) -> int:
    """Return at how many dates."""
    return sum(work.dates for work in works)
