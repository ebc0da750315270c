"""What absences and closures have in common: days on which time is lost. Writes nothing: each has its own writer."""

from __future__ import annotations

from typing import Any

from clinic.errors import Conflict, Problem, RuleBroken
from clinic.wellformed import field_problems, span_problems

from .models import Absence, Closure

WHEN = ("first_on", "last_on", "from_time", "until_time")


def when(days: object) -> dict[str, Any]:
    """Return days, both inclusive, and the times of each of them, as the fields of a row."""
    return {name: getattr(days, name) for name in WHEN}


def refuse(row: Absence | Closure, whose: str, *, unknown: Problem, recorded: Conflict) -> None:
    """Raise RuleBroken with all that is malformed in a new row, or `recorded` when the same time is lost already.

    `whose` time it is, a field names; `unknown` is said when there is no such thing any more.
    """
    owner = getattr(row, f"{whose}_id")
    problems = [unknown] if owner is None else []
    problems += field_problems(row, exclude={whose}) or span_problems(
        row.first_on, row.last_on, row.from_time, row.until_time
    )
    if problems:
        raise RuleBroken(*problems)
    if type(row).objects.filter(**{whose: owner}, **when(row), cancelled_at=None).exists():
        raise recorded
