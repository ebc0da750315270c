"""Who is free when, while visits of many courses are put in and taken out again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import reduce
from itertools import product
from uuid import UUID

from . import ticks
from .facts import ResourceFacts, Roster, Slot, Step, Use
from .shapes import Stretch, free_of, patient_span, stretches_of

Sighting = tuple[int, str]  # number of a kind of visit, role


class Kind:
    """What visits of one shape take; steps that take the same share it, whatever their protocol."""

    def __init__(self, number: int, step: Step, roster: Roster) -> None:
        self.number, self.step, self.minutes = number, step, step.minutes
        self.lead_role = step.lead_role
        self.stretches = stretches_of(step)
        self.of_role: dict[str, list[Stretch]] = {step.lead_role: []}
        for stretch in self.stretches:
            self.of_role.setdefault(stretch.role, []).append(stretch)
        self.roles = [role for role in self.of_role if role != step.lead_role]  # but the lead's
        self._wanted = {role: {s.capability for s in those} for role, those in self.of_role.items()}
        self._members = {
            role: [r for r in roster.resources if wanted <= {c.code for c in r.capabilities}]
            for role, wanted in self._wanted.items()
        }
        ids = [{r.id for r in members} for members in self._members.values()]
        self.is_separate = sum(map(len, ids)) == len(set().union(*ids))  # nobody could fill two roles

    def able(self, role: str, on: date) -> list[ResourceFacts]:
        """Return who can do on that date what the role needs, by id."""
        return [r for r in self._members[role] if all(r.is_able(code, on) for code in self._wanted[role])]


class Diary:
    """The roster as it stands, with the starts it leaves remembered until something changes on that day.

    Patients are in it too: one who has two of the courses is in one place at a time.
    """

    def __init__(self, roster: Roster) -> None:
        self.roster = roster
        self._places = {resource.id: resource.places for resource in roster.resources}
        self._free: dict[tuple[UUID, date], list[int]] = {}
        self._kinds: dict[tuple[tuple[Stretch, ...], str, int], Kind] = {}
        self._kind_of: dict[int, tuple[Step, Kind]] = {}  # by identity; the step is kept so that it stays its own
        self._of_resource: dict[tuple[UUID, date], dict[Sighting, int]] = {}
        self._of_roles: dict[date, dict[int, int]] = {}
        self._times: dict[date, dict[int, list[tuple[int, ResourceFacts, int]]]] = {}
        self._leads: dict[tuple[int, date], list[ResourceFacts]] = {}
        self._patients: dict[tuple[UUID, date], int] = {}

    def kind_of(self, step: Step) -> Kind:
        found = self._kind_of.get(id(step))
        if found is None:
            key = (stretches_of(step), step.lead_role, step.minutes)
            if key not in self._kinds:
                self._kinds[key] = Kind(len(self._kinds), step, self.roster)
            found = self._kind_of[id(step)] = (step, self._kinds[key])
        return found[1]

    # --- what changes ---------------------------------------------------------------------------------------------

    def take(self, patient: UUID, slots: Iterable[Slot]) -> None:
        for slot in slots:
            self._patients[patient, slot.on] = self._patients.get((patient, slot.on), 0) | patient_span(slot)
            for use in slot.uses:
                self._changing(use, slot.on)[use.place] &= ~ticks.span(use.from_tick, use.until_tick)

    def free(self, patient: UUID, slots: Iterable[Slot]) -> None:
        """Take visits out that were put in where it was free."""
        for slot in slots:
            self._patients[patient, slot.on] &= ~patient_span(slot)
            for use in slot.uses:
                self._changing(use, slot.on)[use.place] |= ticks.span(use.from_tick, use.until_tick)

    def _changing(self, use: Use, on: date) -> list[int]:
        self._of_resource.pop((use.resource, on), None)
        self._of_roles.pop(on, None)
        self._times.pop(on, None)
        return self.free_places(use.resource, on)

    def is_free(self, slot: Slot) -> bool:
        """Whether nobody has taken the slot's places; its patient aside."""
        spans = ((use, ticks.span(use.from_tick, use.until_tick)) for use in slot.uses)
        return all(self.free_places(use.resource, slot.on)[use.place] & span == span for use, span in spans)

    # --- what is free ---------------------------------------------------------------------------------------------

    def free_places(self, resource: UUID, on: date) -> list[int]:
        """Return the minutes on duty and not taken, for each place of a resource."""
        key = (resource, on)
        if key not in self._free:
            self._free[key] = free_of(self.roster, resource, on, self._places[resource])
        return self._free[key]

    def times(self, kind: Kind, on: date) -> list[tuple[int, ResourceFacts, int]]:
        """Return who could lead on that date, by id: their number in that order, they, and the starts that are free."""
        of_day = self._times.setdefault(on, {})
        if kind.number not in of_day:
            common = self.role_starts(kind, on)
            of_day[kind.number] = [
                (number, lead, starts)
                for number, lead in enumerate(self._able_leads(kind, on) if common else ())
                if (starts := self._resource_starts(kind, kind.lead_role, lead, on) & common)
            ]
        return of_day[kind.number]

    def lead_starts(self, kind: Kind, on: date, lead: ResourceFacts) -> int:
        """Return the starts on which the lead and each other role by itself agree."""
        return next((starts for _, one, starts in self.times(kind, on) if one.id == lead.id), 0)

    def role_starts(self, kind: Kind, on: date) -> int:
        """Return the starts on which each role but the lead's could be filled by somebody."""
        of_day = self._of_roles.setdefault(on, {})
        if kind.number not in of_day:
            mask = -1
            for role in kind.roles:
                any_resource = 0
                for resource in kind.able(role, on):
                    any_resource |= self._resource_starts(kind, role, resource, on)
                mask &= any_resource
            of_day[kind.number] = mask
        return of_day[kind.number]

    def others_starts(self, kind: Kind, on: date, others: Sequence[ResourceFacts] | None) -> int:
        """Return the starts on which these agree, one for each role but the lead's; None: whoever can."""
        if others is None:
            return self.role_starts(kind, on)
        mask = -1
        for role, resource in zip(kind.roles, others, strict=True):
            mask &= self._resource_starts(kind, role, resource, on)
        return mask

    def without_patient(self, starts: int, patient: UUID, on: date, minutes: int) -> int:
        """Return the starts at which the patient is in none of the visits that are in the diary."""
        taken = self._patients.get((patient, on), 0)
        if not taken or not starts:
            return starts
        return starts & ticks.starts(ticks.span(0, starts.bit_length() + minutes) & ~taken, minutes)

    def ways(
        self, kind: Kind, on: date, lead: ResourceFacts, tick: int, others: Sequence[ResourceFacts] | None = None
    ) -> Iterator[tuple[Use, ...]]:
        """Yield the ways to fill a visit's roles, the lowest ids first; with these others, if they are given."""
        able = [[other] for other in others] if others is not None else [kind.able(role, on) for role in kind.roles]
        for chosen in product([lead], *able):
            uses = self._uses(kind, on, dict(zip((kind.lead_role, *kind.roles), chosen, strict=True)), tick)
            if uses is not None:
                yield uses

    def _uses(self, kind: Kind, on: date, by_role: Mapping[str, ResourceFacts], tick: int) -> tuple[Use, ...] | None:
        uses: list[Use] = []
        for stretch in kind.stretches:
            use = self._use(stretch, by_role[stretch.role], on, tick, uses)
            if use is None:
                return None
            uses.append(use)
        return tuple(uses)

    def _use(self, stretch: Stretch, resource: ResourceFacts, on: date, tick: int, others: Sequence[Use]) -> Use | None:
        """Return the first place of the resource that is free then, less what this visit takes already."""
        first, until = tick + stretch.from_minute, tick + stretch.until_minute
        wanted = ticks.span(first, until)
        for place, free in enumerate(self.free_places(resource.id, on)):
            ours = (use for use in others if (use.resource, use.place) == (resource.id, place))
            taken = reduce(int.__or__, (ticks.span(use.from_tick, use.until_tick) for use in ours), 0)
            if first >= 0 and free & ~taken & wanted == wanted:
                return Use(stretch.phase, stretch.role, resource.id, place, first, until)
        return None

    def _able_leads(self, kind: Kind, on: date) -> list[ResourceFacts]:
        """Return who could lead on that date and is on duty, by id."""
        key = (kind.number, on)
        if key not in self._leads:
            able = kind.able(kind.lead_role, on)
            self._leads[key] = [lead for lead in able if (lead.id, on) in self.roster.on_duty]
        return self._leads[key]

    def _resource_starts(self, kind: Kind, role: str, resource: ResourceFacts, on: date) -> int:
        known = self._of_resource.setdefault((resource.id, on), {})
        key = (kind.number, role)
        if key not in known:
            mask, free = -1, self.free_places(resource.id, on)
            for stretch in kind.of_role[role]:
                length, any_place = stretch.until_minute - stretch.from_minute, 0
                for place in free:
                    any_place |= ticks.starts(place, length) if place else 0
                mask &= ticks.shifted(any_place, -stretch.from_minute)
            known[key] = mask
        return known[key]
