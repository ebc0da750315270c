"""What the searches of a test have looked at, and searches that may look at little."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from scheduling.planner.work import Work


def counted(monkeypatch: pytest.MonkeyPatch) -> list[Work]:
    """Return the list to which the work of each course is added that a chain is made for from now on."""
    works: list[Work] = []

    def work() -> Work:
        works.append(Work())
        return works[-1]

    monkeypatch.setattr("scheduling.planner.chains.Work", work)
    return works


def looked(works: Sequence[Work]) -> int:
    """Return at how many dates."""
    return sum(work.dates for work in works)


def break_off(monkeypatch: pytest.MonkeyPatch, dates: int) -> None:
    """Have every search broken off that looks at more dates than these one by one."""
    monkeypatch.setattr("scheduling.planner.chains.Work", lambda: Work(until=dates))
