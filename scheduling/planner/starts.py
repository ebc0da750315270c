"""When on a date a session could start with a given lead, and the cheapest such start.

For one step, date and lead the cheapest start does not depend on anything else in the plan (a course has one session a
day), so it is found once, by bit sets, and only when the search asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from uuid import UUID

from . import cost, ticks
from .facts import ResourceFacts, Roster, SessionFacts, Slot, Step, Use, Wishes
from .shapes import Stretch, free_of, stretches_of

Cheapest = tuple[int, int]  # cost of the time of day and of holes; tick


class Shape:
    """What a step takes, worked out once: stretches by role, lead first."""

    def __init__(self, step: Step, roster: Roster) -> None:
        self.step = step
        self.minutes = step.minutes
        self.stretches = stretches_of(step)
        roles: dict[str, list[Stretch]] = {step.lead_role: []}
        for stretch in self.stretches:
            roles.setdefault(stretch.role, []).append(stretch)
        self.roles = roles
        able = {
            role: frozenset(
                r.id for r in roster.resources if any(c.code == s.capability for c in r.capabilities for s in of_role)
            )
            for role, of_role in roles.items()
        }
        # No resource could fill two roles: then a start that suits each role suits them together.
        self.is_separate = sum(map(len, able.values())) == len(frozenset().union(*able.values()))


class Starts:
    """The possible starts of a course's sessions, as the search asks for them."""

    def __init__(self, roster: Roster, wishes: Wishes, weights: cost.Weights) -> None:
        self.roster, self.wishes, self.weights = roster, wishes, weights
        self.resources = {resource.id: resource for resource in roster.resources}
        self._shapes: dict[str, Shape] = {}
        self._common: dict[tuple[str, date], int] = {}
        self._leads: dict[tuple[str, date], list[ResourceFacts]] = {}
        self._able: dict[str, list[ResourceFacts]] = {}
        self._always: dict[str, set[UUID]] = {}
        self._best: dict[tuple[str, date, UUID], Cheapest | None] = {}
        self._wished: dict[tuple[date, int], int] = {}

    def shape(self, step: Step) -> Shape:
        if step.key not in self._shapes:
            self._shapes[step.key] = Shape(step, self.roster)
        return self._shapes[step.key]

    def leads(self, step: Step, on: date) -> list[ResourceFacts]:
        """Return who could lead the step on that date and is on duty, by id, less those whom strict wishes refuse."""
        key = (step.key, on)
        if key not in self._leads:
            found = [
                lead
                for lead in self.able(self.shape(step).roles[step.lead_role], on)
                if (lead.id, on) in self.roster.on_duty and not self._is_refused(lead)
            ]
            self._leads[key] = found if found and self.common(step, on) else []
        return self._leads[key]

    def able(self, stretches: list[Stretch], on: date) -> list[ResourceFacts]:
        """Return the resources that can do what all these stretches need on that date, by id."""
        found: list[ResourceFacts] | None = None
        for capability in dict.fromkeys(stretch.capability for stretch in stretches):
            able = [r for r in self._with(capability) if r.id in self._always[capability] or r.is_able(capability, on)]
            found = able if found is None else [resource for resource in found if resource in able]
        return found or []

    def _with(self, capability: str) -> list[ResourceFacts]:
        """Return the resources that have a capability at some time, by id; note those that always have it."""
        if capability not in self._able:
            of = {r.id: [c for c in r.capabilities if c.code == capability] for r in self.roster.resources}
            self._able[capability] = [r for r in self.roster.resources if of[r.id]]
            self._always[capability] = {
                i for i, found in of.items() if any(c.from_on is None and c.until_on is None for c in found)
            }
        return self._able[capability]

    def common(self, step: Step, on: date) -> int:
        """Return the starts on which all but the lead agrees: site, grid, patient, strict wishes, other roles."""
        key = (step.key, on)
        if key not in self._common:
            mask = self.open_starts(step, on)
            for role, stretches in self.shape(step).roles.items():
                if mask and role != step.lead_role:
                    mask &= self.role_starts(stretches, on)
            self._common[key] = mask
        return self._common[key]

    def open_starts(self, step: Step, on: date) -> int:
        """Return the starts that site, grid, patient and strict wishes allow on that date."""
        day = self.roster.days.get(on)
        if day is None or day.closed:
            return 0
        minutes = self.shape(step).minutes
        whole = ticks.span(0, day.length_minutes)
        mask = ticks.grid_of(day, self.roster.grid_minutes)
        mask &= ticks.starts(whole & ~self.roster.patient_busy.get(on, 0), minutes)
        if self.roster.not_before is not None and self.roster.not_before > day.starts_at:
            gone = -((day.starts_at - self.roster.not_before) // timedelta(minutes=1))
            mask &= ~ticks.span(0, gone)
        if self.wishes.strict:
            if on.weekday() not in (self.wishes.weekdays or {on.weekday()}) or on in self.wishes.avoid_dates:
                return 0
            mask &= self.wished(on, minutes)
        return mask

    def role_starts(self, stretches: list[Stretch], on: date) -> int:
        """Return the starts at which some resource could fill the role."""
        mask = 0
        for resource in self.able(stretches, on):
            mask |= self.resource_starts(resource, stretches, on)
        return mask

    def resource_starts(self, resource: ResourceFacts, stretches: list[Stretch], on: date) -> int:
        """Return the starts at which the resource has a free place for each of these stretches."""
        mask = -1
        free = free_of(self.roster, resource.id, on, resource.places)
        for stretch in stretches:
            length, any_place = stretch.until_minute - stretch.from_minute, 0
            for place in free:
                any_place |= ticks.starts(place, length) if place else 0
            mask &= ticks.shifted(any_place, -stretch.from_minute)
        return mask

    def lead_starts(self, step: Step, on: date, lead: ResourceFacts) -> int:
        """Return the starts on which each role by itself agrees; see `Shape.is_separate`."""
        return self.common(step, on) & self.resource_starts(lead, self.shape(step).roles[step.lead_role], on)

    def wished(self, on: date, minutes: int) -> int:
        """Return the starts inside the wished time of day; every start on a date that the roster does not hold."""
        key = (on, minutes)
        if key not in self._wished:
            day = self.roster.days.get(on)
            self._wished[key] = cost.wished_starts(day, minutes, self.wishes) if day else -1
        return self._wished[key]

    def cheapest(self, step: Step, on: date, lead: ResourceFacts) -> Cheapest | None:
        """Return the least cost of time of day and holes for a lead on a date, and the first start that has it."""
        key = (step.key, on, lead.id)
        if key not in self._best:
            self._best[key] = next(self.by_cost(step, on, lead), None)
        return self._best[key]

    def by_cost(self, step: Step, on: date, lead: ResourceFacts) -> Iterator[Cheapest]:
        """Yield every start of this lead on this date that can really be filled, cheapest first, then earliest."""
        possible = self.lead_starts(step, on, lead)
        if not possible:
            return
        for price, mask in sorted(self._classes(step, on, lead, possible).items()):
            for tick in ticks.each(mask):
                if self.shape(step).is_separate or self.uses(step, on, lead, tick) is not None:
                    yield price, tick

    def is_possible(self, step: Step, on: date, lead: ResourceFacts, tick: int) -> bool:
        """Whether the session can start exactly then."""
        return bool(self.lead_starts(step, on, lead) >> tick & 1) and self.uses(step, on, lead, tick) is not None

    def price_of(self, step: Step, on: date, lead: ResourceFacts, tick: int) -> int:
        """Return what time of day and holes cost at this start, possible or not."""
        return next(iter(self._classes(step, on, lead, 1 << tick)))

    def slot(self, session: SessionFacts, on: date, lead: ResourceFacts, tick: int) -> Slot:
        """Return the session's slot there; a ValueError when it cannot be."""
        uses = self.uses(session.step, on, lead, tick)
        if uses is None:
            raise ValueError("the session cannot start then")
        return Slot(session.id, on, tick, self.shape(session.step).minutes, lead.id, uses)

    def uses(self, step: Step, on: date, lead: ResourceFacts, tick: int) -> tuple[Use, ...] | None:
        """Return the places of a session that starts there: for each role the lowest resource id that leaves a way.

        Roles are filled in the order of the step's needs, the lead's first; None when there is no way to fill all.
        """
        shape = self.shape(step)
        by_role = [stretch for stretches in shape.roles.values() for stretch in stretches]
        found = self._filled(by_role, on, lead, tick, ())
        if found is None:
            return None
        order = {(stretch.phase, stretch.role): at for at, stretch in enumerate(shape.stretches)}
        return tuple(sorted(found, key=lambda use: order[use.phase, use.role]))

    def _filled(
        self, wanted: list[Stretch], on: date, lead: ResourceFacts, tick: int, chosen: tuple[Use, ...]
    ) -> tuple[Use, ...] | None:
        """Return the first way to fill the stretches that are still to fill; those of a role follow each other."""
        if len(chosen) == len(wanted):
            return chosen
        stretch = wanted[len(chosen)]
        if not chosen:
            resources = [lead]
        elif chosen[-1].role == stretch.role:
            resources = [self.resources[chosen[-1].resource]]
        else:
            resources = self.able([other for other in wanted if other.role == stretch.role], on)
        first, until = tick + stretch.from_minute, tick + stretch.until_minute
        taken = ticks.span(first, until)
        for resource in resources:
            for place, free in enumerate(free_of(self.roster, resource.id, on, resource.places)):
                use = Use(stretch.phase, stretch.role, resource.id, place, first, until)
                if first >= 0 and free & taken == taken and not any(_clash(use, other) for other in chosen):
                    found = self._filled(wanted, on, lead, tick, (*chosen, use))
                    if found is not None:
                        return found
        return None

    def _classes(self, step: Step, on: date, lead: ResourceFacts, possible: int) -> dict[int, int]:
        """Split starts by their cost: price -> starts."""
        classes = {0: possible}
        if self.weights.time_of_day:
            classes = _split(classes, ~self.wished(on, self.shape(step).minutes), self.weights.time_of_day)
        if self.weights.hole and lead.places == 1:
            stretches = self.shape(step).roles[step.lead_role]
            free = free_of(self.roster, lead.id, on, 1)[0]
            begins, ends = cost.awkward(free, self.roster.shortest_useful_minutes)
            classes = _split(classes, ticks.shifted(begins, -stretches[0].from_minute), self.weights.hole)
            classes = _split(classes, ticks.shifted(ends, -stretches[-1].until_minute), self.weights.hole)
        return classes

    def _is_refused(self, lead: ResourceFacts) -> bool:
        return self.wishes.strict and cost.lead_wishes_missed(lead, self.wishes, cost.Weights()) > 0


def _split(classes: dict[int, int], dearer: int, by: int) -> dict[int, int]:
    result: dict[int, int] = {}
    for price, starts in classes.items():
        for mask, at in ((starts & ~dearer, price), (starts & dearer, price + by)):
            if mask:
                result[at] = result.get(at, 0) | mask
    return result


def _clash(one: Use, other: Use) -> bool:
    is_same = one.resource == other.resource and one.place == other.place
    return is_same and one.from_tick < other.until_tick and other.from_tick < one.until_tick
