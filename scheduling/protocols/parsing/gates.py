"""Reads the gates of a step."""

from __future__ import annotations

from datetime import date, timedelta

from django.utils.translation import gettext as _

from scheduling.planner.amounts import Amount, DayOfYear
from scheduling.planner.facts import Gate, Parameter, StepKind
from scheduling.planner.gates import GATES, Takes, as_json
from scheduling.protocols.reading import Value
from scheduling.protocols.vocabulary import Vocabulary

from .parts import SESSIONS_AT_MOST, read_areas

EXAMPLES = {Takes.COUNT: "5", Takes.AMOUNT: "2 weeks", Takes.DAY_OF_YEAR: "05-01", Takes.PROTOCOL: "hepatitis_b"}


def read_gate(value: Value, step: StepKind | None, protocol: str, words: Vocabulary) -> Gate | None:
    """Read “outcome”, or “yearly_limit: {at_most: 5}”."""
    given: Value | None = None
    named = value
    if value.is_group:
        entries = value.entries() or {}
        if len(entries) != 1:
            value.refuse("gate_unreadable", _("Write one gate behind each “-”, such as: - yearly_limit: {at_most: 5}."))
            return None
        ((name, given),) = entries.items()
        named = value.part(name)
    name = named.choice(GATES, "gate_unknown") or ""
    if not name:
        return None
    kind = GATES[name]
    if kind.always:
        message = _("“%(gate)s” is always asked, of every session. Remove it from the list.")
        value.refuse("gate_always_asked", message % {"gate": name})
        return None
    if kind.for_treatments and step not in (None, StepKind.TREATMENT):
        message = _("The gate “%(gate)s” is about treatments. Remove it from this step: it is no treatment.")
        value.refuse("gate_for_treatments", message % {"gate": name})
    if given is None or not given.is_there:
        if kind.takes:
            example = ", ".join(f"{parameter}: {EXAMPLES[takes]}" for parameter, takes in kind.takes.items())
            message = _("This gate needs more. Write for example: - %(gate)s: {%(example)s}.")
            value.refuse("gate_parameters_missing", message % {"gate": name, "example": example})
        return Gate(name)
    if not kind.takes:
        given.refuse(
            "gate_takes_nothing", _("This gate takes nothing more. Write “- %(gate)s” alone.") % {"gate": name}
        )
        return Gate(name)
    every = {**kind.takes, **kind.may_take}
    top = given.fields(*every, required=kind.takes)
    if top is None:
        return None
    read = {parameter: _parameter(top[parameter], takes, words) for parameter, takes in every.items()}
    parameters = {parameter: found for parameter, found in read.items() if found is not None}
    _could_ever_be_open(given, top, parameters, protocol)
    return Gate(name, parameters)


def _parameter(value: Value, takes: Takes, words: Vocabulary) -> Parameter | None:
    match takes:
        case Takes.COUNT:
            return value.optional_number(1, SESSIONS_AT_MOST)
        case Takes.AMOUNT:
            return value.amount()
        case Takes.DAY_OF_YEAR:
            return value.day_of_year()
        case Takes.PROTOCOL:
            remedy = _("If it is a file of your own, name it together with this one.")
            return value.choice(sorted(words.protocols), "protocol_unknown", remedy)
        case Takes.AREAS:
            return frozenset(read_areas(value, words)) or None


def _could_ever_be_open(value: Value, top: dict[str, Value], given: dict[str, Parameter], protocol: str) -> None:
    """Refuse what is well written and cannot be meant."""
    begins, ends = given.get("from"), given.get("until")
    if isinstance(begins, DayOfYear) and isinstance(ends, DayOfYear):
        day_after = ends.first_on_or_after(date(2000, 1, 1)) + timedelta(days=1)
        if DayOfYear.of(day_after) == begins:
            value.refuse("season_is_the_whole_year", _("This pause never ends: it begins on the day after its end."))
    if protocol and given.get("protocol") == protocol:
        message = _("A treatment is kept apart from its own kind by a spacing. Name another protocol here.")
        top["protocol"].refuse("apart_from_itself", message)
    at_least = given.get("at_least")
    if isinstance(at_least, Amount) and at_least.always_at_most(Amount(0, 0, "")):
        top["at_least"].refuse("amount_empty", _("This is no time at all. Write a longer one, or remove the gate."))


def gate_name(gate: Gate) -> str:
    """What may stand in a step's list once: the gate, and what it takes when it may be listed with other parameters."""
    if not GATES[gate.name].repeats:
        return gate.name
    given = (as_json(gate).get(name, "") for name in (*GATES[gate.name].takes, *GATES[gate.name].may_take))
    return " ".join([gate.name, *(", ".join(v) if isinstance(v, list) else str(v) for v in given)]).strip()
