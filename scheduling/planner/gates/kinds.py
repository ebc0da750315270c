"""What a gate is: a function, and all that is to be known of it without asking it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any, TypeVar
from uuid import UUID

from scheduling.planner.amounts import Amount, DayOfYear
from scheduling.planner.facts import CourseFacts, Gate, GateAnswer, GateState, Parameter, SessionFacts, Step

PRESCRIBER = "prescriber"
CLOSED, PENDING = GateState.CLOSED, GateState.PENDING

_Kind = TypeVar("_Kind", int, Amount, DayOfYear)


@dataclass(frozen=True, slots=True)
class DatedSession:
    """A session on a date, in its course, as known on `today`; `dates` are those assumed for other sessions of it."""

    session: SessionFacts
    on: date
    course: CourseFacts
    today: date
    dates: Mapping[UUID, date] = field(default_factory=dict)
    parameters: Mapping[str, Parameter] = field(default_factory=dict)  # of the gate that is asked

    def count(self, name: str) -> int:
        return typed(self.parameters[name], int)

    def day_of_year(self, name: str) -> DayOfYear:
        return typed(self.parameters[name], DayOfYear)


@dataclass(frozen=True, slots=True)
class Code:
    """One way in which a gate is not open, in the states it can have. `override` is the role that may silence it."""

    code: str
    states: tuple[GateState, ...] = (CLOSED,)
    override: str = ""


class Takes(StrEnum):
    """What a parameter of a gate may be."""

    COUNT = "count"
    AMOUNT = "amount"
    DAY_OF_YEAR = "day_of_year"
    PROTOCOL = "protocol"  # the key of another protocol
    AREAS = "areas"  # codes of areas; a file may name regions


READ: Mapping[Takes, Callable[[Any], Parameter]] = {
    Takes.COUNT: int,
    Takes.AMOUNT: Amount.parse,
    Takes.DAY_OF_YEAR: DayOfYear.parse,
    Takes.PROTOCOL: str,
    Takes.AREAS: frozenset,
}

GateFunction = Callable[[DatedSession], list[GateAnswer]]
Concerns = Callable[[Step, CourseFacts], bool]
Turns = Callable[[DatedSession, date], Iterable[date]]


@dataclass(frozen=True, slots=True)
class GateKind:
    """A gate, and all that is to be known of it without asking it."""

    name: str
    ask: GateFunction
    codes: tuple[Code, ...]
    takes: Mapping[str, Takes]  # every parameter must be given
    may_take: Mapping[str, Takes]  # these may be left out
    always: bool  # asked of every session; no step lists it
    both_ways: bool  # asked of every session, once: it looks up what its step lists, and what others list about it
    for_treatments: bool  # only a treatment step may list it
    repeats: bool  # a step may list it several times, with other parameters
    concerns: Concerns  # False: it says nothing of a step's sessions on any date, so it is not asked
    turns: Turns  # dates in (asked.on, until] between which each of its codes changes at most once

    def read(self, written: Mapping[str, object]) -> dict[str, Parameter]:
        """Return parameters from what `as_json` made of them."""
        takes = {**self.takes, **self.may_take}
        return {name: READ[takes[name]](value) for name, value in written.items()}


def as_json(gate: Gate) -> dict[str, int | str | list[str]]:
    """Return a gate's parameters as JSON, which its kind reads back."""
    return {name: _json_of(value) for name, value in gate.parameters.items()}


def _json_of(value: Parameter) -> int | str | list[str]:
    match value:
        case int():
            return value
        case frozenset():
            return sorted(value)
    return str(value)


def _never(asked: DatedSession, until: date) -> Iterable[date]:
    return ()


def _anything(step: Step, course: CourseFacts) -> bool:
    return True


def gate(
    *codes: Code,
    takes: Mapping[str, Takes] | None = None,
    may_take: Mapping[str, Takes] | None = None,
    always: bool = False,
    both_ways: bool = False,
    for_treatments: bool = False,
    repeats: bool = False,
    concerns: Concerns = _anything,
    turns: Turns = _never,
) -> Callable[[GateFunction], GateKind]:
    """Make a gate of a function, under the function's name."""

    def made(ask: GateFunction) -> GateKind:
        name, needs, may_need = ask.__name__, takes or {}, may_take or {}
        return GateKind(name, ask, codes, needs, may_need, always, both_ways, for_treatments, repeats, concerns, turns)

    return made


def closed(code: str, subject: str = "", *, opens_on: date | None = None, override: str = "") -> GateAnswer:
    return GateAnswer(code, CLOSED, subject, opens_on=opens_on, override=override)


def typed(value: Parameter, kind: type[_Kind]) -> _Kind:
    """Return a parameter as what it must be; anything else is a TypeError."""
    if not isinstance(value, kind):
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value


def first_of(*dates: date | None) -> date:
    """Return the first of the dates that are known; where none is, the last there is."""
    return min((on for on in dates if on is not None), default=date.max)
