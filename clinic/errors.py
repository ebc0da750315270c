"""The ways we say no. Edges catch these two families, in one place, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, in a shape every edge can show.

    `code` is stable and never changes; `message` is a sentence a receptionist can read out, which says what to do
    next; `where` is a field name or path of the input, or the uid of the session it is about.
    """

    code: str
    message: str
    where: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return {"code": self.code, "message": self.message, "where": self.where, **self.details}


class Refusal(Exception):
    """Nothing was written. Carries every problem found, not the first."""

    code: ClassVar[str] = "refused"
    title: ClassVar[str] = "This cannot be done."
    status: ClassVar[int] = 400

    def __init__(self, *problems: Problem) -> None:
        self.problems: tuple[Problem, ...] = problems
        super().__init__("; ".join(problem.code for problem in problems) or self.code)

    def as_problem(self) -> dict[str, Any]:
        """Return RFC 9457 problem details with our `code` and `violations`."""
        return {
            "type": f"urn:cadence:problem:{self.code}",
            "title": str(self.title),
            "status": self.status,
            "code": self.code,
            "detail": " ".join(problem.message for problem in self.problems) or str(self.title),
            "violations": [problem.as_dict() for problem in self.problems],
        }

    @classmethod
    def of(cls, problems: Iterable[Problem]) -> Refusal:
        return cls(*problems)


class RuleBroken(Refusal):
    """It can never be right as it stands."""

    code = "rule_broken"
    status = 400


class Conflict(Refusal):
    """It depends on the state of the world: taken, gate closed, illegal transition, stale."""

    code = "conflict"
    status = 409


class NotAllowed(Refusal):
    """The person lacks the right."""

    code = "not_allowed"
    title = "You may not do this."
    status = 403
