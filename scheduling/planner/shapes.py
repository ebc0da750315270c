"""Which places a session takes, and when, counted in minutes from its start."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

from . import ticks
from .facts import ResourceFacts, Roster, Slot, Step
from .timetable import Taken


@dataclass(frozen=True, slots=True)
class Stretch:
    """One role's time in one phase: [from_minute, until_minute) after the session's start, buffers included."""

    phase: int
    role: str
    capability: str
    from_minute: int
    until_minute: int


def stretches_of(step: Step) -> tuple[Stretch, ...]:
    """Return the stretches of a step, by phase and then as its needs are listed.

    Buffers that would overlap another phase of the same role are cut where that phase begins (or where the time before
    ends): the resource is there anyway, and one place must never be taken twice.
    """
    found: list[Stretch] = []
    latest: dict[str, int] = {}  # role -> index of its latest stretch
    begins = 0
    for number, phase in enumerate(step.phases):
        ends = begins + phase.minutes
        for need in phase.needs:
            first = begins - phase.before_minutes
            if need.role in latest:
                before = found[latest[need.role]]
                if first < before.until_minute:
                    found[latest[need.role]] = replace(before, until_minute=min(before.until_minute, begins))
                    first = max(first, found[latest[need.role]].until_minute)
            latest[need.role] = len(found)
            found.append(Stretch(number, need.role, need.capability, first, ends + phase.after_minutes))
        begins = ends
    return tuple(found)


def could_lead(step: Step, resource: ResourceFacts) -> bool:
    """Whether a resource can do, on some date, all that is needed of the one who leads the step."""
    needed = {need.capability for phase in step.phases for need in phase.needs if need.role == step.lead_role}
    return needed <= {capability.code for capability in resource.capabilities}


def patient_span(slot: Slot) -> int:
    """Return the minutes during which the patient is there."""
    return ticks.span(slot.tick, slot.tick + slot.minutes)


def free_of(roster: Roster, resource: UUID, on: date, places: int) -> list[int]:
    """Return the minutes on duty and not taken, for each place of a resource."""
    duty = roster.on_duty.get((resource, on), 0)
    busy = roster.busy.get((resource, on), ())
    return [duty & ~busy[place] if place < len(busy) else duty for place in range(places)]


def with_taken(roster: Roster, slots: Iterable[Slot]) -> Roster:
    """Return the roster as it is when these slots are taken too: their places, and the patient's time."""
    busy: dict[tuple[UUID, date], tuple[int, ...]] = {}
    patient: dict[date, int] = {}
    for slot in slots:
        patient[slot.on] = patient.get(slot.on, roster.patient_busy.get(slot.on, 0)) | patient_span(slot)
        for use in slot.uses:
            key = (use.resource, slot.on)
            places = list(busy.get(key, roster.busy.get(key, ())))
            places.extend([0] * (use.place + 1 - len(places)))
            places[use.place] |= ticks.span(use.from_tick, use.until_tick)
            busy[key] = tuple(places)
    if not patient:
        return roster
    more = roster.busy.with_changes(busy) if isinstance(roster.busy, Taken) else {**roster.busy, **busy}
    return replace(roster, busy=more, patient_busy={**roster.patient_busy, **patient})
