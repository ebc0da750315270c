"""When on a date a session could start with a given lead, and the cheapest such start.

For one step, date and lead the cheapest start does not depend on anything else in the plan (a course has one session a
day), so it is found once, by bit sets, and only when the search asks for it. All who could fill a role are looked at
together, side by side in one int: see `timetable`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from . import cost, ticks
from .facts import ResourceFacts, Roster, SessionFacts, Slot, Step, Use, Wishes
from .shapes import Stretch, free_of, stretches_of
from .timetable import LANE_BYTES, ONE_LANE, Taken, TimeTable, each_lane, lane, packed, repeated, shifted, united
from .timetable import starts as starts_of

Cheapest = tuple[int, int]  # cost of the time of day and of holes; tick
CHUNK = 64  # dates whose free time is worked out at once
Priced = tuple[int, int]  # that cost; lanes with the leads' starts that have it


class Crew:
    """Those who could fill a role at some time, by id: lane `n` of their lanes is the time of `members[n]`."""

    def __init__(self, stretches: list[Stretch], roster: Roster, on_duty: TimeTable, busy: Taken) -> None:
        self.stretches = stretches
        wanted = {stretch.capability for stretch in stretches}
        self.members = [r for r in roster.resources if wanted <= {c.code for c in r.capabilities}]
        self.number = len(self.members)
        self.ranks = {resource.id: rank for rank, resource in enumerate(self.members)}
        # Who has each capability always is not asked again for each date.
        always = [{c.code for c in r.capabilities if c.from_on is None and c.until_on is None} for r in self.members]
        self._at_times = [rank for rank, codes in enumerate(always) if not wanted <= codes]
        self._wanted, self._on_duty = wanted, on_duty
        self._rows = on_duty.rows(self.ranks)
        places = max((resource.places for resource in self.members), default=1)
        self._taken = [(table, table.rows(self.ranks)) for table in busy.places[:places]]
        self._has_place = [np.array([r.places > place for r in self.members], np.uint8) for place in range(places)]
        self._free: dict[int, list[NDArray[np.uint8]]] = {}

    def lanes_of(self, chosen: Iterator[bool]) -> int:
        """Return lanes that are full for the chosen members, and empty for the others."""
        full, empty = ONE_LANE.to_bytes(LANE_BYTES, "little"), bytes(LANE_BYTES)
        return int.from_bytes(b"".join(full if is_chosen else empty for is_chosen in chosen), "little")

    def able(self, on: date) -> list[ResourceFacts]:
        """Return the members that can do on that date what all the stretches need, by id."""
        unable = set(self._unable(on))
        return [resource for rank, resource in enumerate(self.members) if rank not in unable]

    def _unable(self, on: date) -> list[int]:
        return [n for n in self._at_times if not all(self.members[n].is_able(code, on) for code in self._wanted)]

    def free(self, on: date) -> list[int]:
        """Return lanes with the minutes on duty and not taken, for each place."""
        chunk, at = divmod(on.toordinal(), CHUNK)
        if chunk not in self._free:
            self._free[chunk] = self._free_during(chunk * CHUNK)
        free = [int.from_bytes(place[at].tobytes(), "little") for place in self._free[chunk]]
        if self._at_times and (unable := self._unable(on)):
            able = self.lanes_of(n not in unable for n in range(self.number))
            return [place & able for place in free]
        return free

    def _free_during(self, first: int) -> list[NDArray[np.uint8]]:
        """Return for each place the bytes of the lanes on the dates of a chunk."""
        duty = self._on_duty.bits(self._rows, first, CHUNK)
        free = []
        for place, has_place in enumerate(self._has_place):
            of_place = duty if has_place.all() else duty * has_place[:, None]
            if place < len(self._taken):
                table, rows = self._taken[place]
                of_place = of_place & ~table.bits(rows, first, CHUNK)
            free.append(of_place)
        return free

    def starts(self, on: date) -> int:
        """Return lanes with the starts at which each member has a free place for each of the stretches."""
        free, found = self.free(on), -1
        for stretch in self.stretches:
            length, any_place = stretch.until_minute - stretch.from_minute, 0
            for place in free:
                any_place |= starts_of(place, length, self.number) if place else 0
            found &= shifted(any_place, -stretch.from_minute, self.number)
        return found


class Shape:
    """What a step takes, worked out once: stretches by role, lead first, and who could fill each role."""

    def __init__(self, step: Step, roster: Roster, on_duty: TimeTable, busy: Taken) -> None:
        self.step = step
        self.minutes = step.minutes
        self.stretches = stretches_of(step)
        roles: dict[str, list[Stretch]] = {step.lead_role: []}
        for stretch in self.stretches:
            roles.setdefault(stretch.role, []).append(stretch)
        self.roles = roles
        self.crews = {role: Crew(of_role, roster, on_duty, busy) for role, of_role in roles.items()}
        self.leads = self.crews[step.lead_role]
        # No resource could fill two roles: then a start that suits each role suits them together.
        ids = [crew.ranks.keys() for crew in self.crews.values()]
        self.is_separate = sum(map(len, ids)) == len(frozenset().union(*ids))


class Starts:
    """The possible starts of a course's sessions, as the search asks for them."""

    def __init__(self, roster: Roster, wishes: Wishes, weights: cost.Weights) -> None:
        self.roster, self.wishes, self.weights = roster, wishes, weights
        self.resources = {resource.id: resource for resource in roster.resources}
        self._on_duty = packed(roster.on_duty)
        self._busy = roster.busy if isinstance(roster.busy, Taken) else Taken.of(roster.busy)
        self._shapes: dict[str, Shape] = {}
        self._common: dict[tuple[str, date], int] = {}
        self._priced: dict[tuple[str, date], list[Priced]] = {}
        self._by_missed: dict[str, list[tuple[int, int]]] = {}
        self._wished: dict[tuple[date, int], int] = {}
        self._repeated: dict[tuple[int, int], int] = {}

    def shape(self, step: Step) -> Shape:
        if step.key not in self._shapes:
            self._shapes[step.key] = Shape(step, self.roster, self._on_duty, self._busy)
        return self._shapes[step.key]

    def leads(self, step: Step, on: date) -> list[ResourceFacts]:
        """Return who could lead the step at some time of that date, by id, less those whom strict wishes refuse."""
        possible = 0
        for _, lanes in self.priced(step, on):
            possible |= lanes
        return [lead for rank, lead in enumerate(self.shape(step).leads.members) if lane(possible, rank)]

    def able(self, step: Step, role: str, on: date) -> list[ResourceFacts]:
        """Return the resources that can do on that date what a role of the step needs, by id."""
        return self.shape(step).crews[role].able(on)

    def common(self, step: Step, on: date) -> int:
        """Return the starts on which all but the lead agrees: site, grid, patient, strict wishes, other roles."""
        key = (step.key, on)
        if key not in self._common:
            mask = self.open_starts(step, on)
            for role in self.shape(step).crews:
                if mask and role != step.lead_role:
                    mask &= self.role_starts(step, role, on)
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

    def role_starts(self, step: Step, role: str, on: date) -> int:
        """Return the starts at which some resource could fill the role."""
        crew = self.shape(step).crews[role]
        return united(crew.starts(on), crew.number)

    def lead_starts(self, step: Step, on: date, lead: ResourceFacts) -> int:
        """Return the starts on which each role by itself agrees; see `Shape.is_separate`."""
        leads = self.shape(step).leads
        return self.common(step, on) & lane(leads.starts(on), leads.ranks[lead.id]) if lead.id in leads.ranks else 0

    def wished(self, on: date, minutes: int) -> int:
        """Return the starts inside the wished time of day; every start on a date that the roster does not hold."""
        key = (on, minutes)
        if key not in self._wished:
            day = self.roster.days.get(on)
            self._wished[key] = cost.wished_starts(day, minutes, self.wishes) if day else -1
        return self._wished[key]

    def priced(self, step: Step, on: date) -> list[Priced]:
        """Return the starts of all leads by the cost of time of day and holes, the least first.

        Leads whom strict wishes refuse have none.
        """
        key = (step.key, on)
        if key not in self._priced:
            leads = self.shape(step).leads
            possible = leads.starts(on)
            if possible:
                possible &= repeated(self.common(step, on), leads.number)
            if possible and self.wishes.strict:
                possible &= leads.lanes_of(not self._is_refused(lead) for lead in leads.members)
            self._priced[key] = sorted(self._classes(step, on, possible).items()) if possible else []
        return self._priced[key]

    def least(self, step: Step, on: date) -> int | None:
        """Return the least that time of day, holes and the wishes for a lead cost on a date; None: there is no start."""
        if not self.shape(step).is_separate:
            return min((price for price, _, _ in self.of_leads(step, on)), default=None)
        best: int | None = None
        for missed, lanes in self._leads_by_missed(step):
            if best is not None and missed >= best:
                break
            found = next((price for price, starts in self.priced(step, on) if starts & lanes), None)
            if found is not None and (best is None or missed + found < best):
                best = missed + found
        return best

    def of_leads(self, step: Step, on: date) -> list[tuple[int, int, ResourceFacts]]:
        """Return for each lead the cost of the cheapest start, with wishes for a lead, and the first such start."""
        found, leads = [], self.shape(step).leads.members
        for missed, of_these in self._leads_by_missed(step):
            left = set(range(len(leads)))
            for price, starts in self.priced(step, on):
                for rank, mask in each_lane(starts & of_these):
                    if rank in left and (tick := self._first_filled(step, on, leads[rank], mask)) is not None:
                        left.discard(rank)
                        found.append((missed + price, tick, leads[rank]))
        return found

    def _first_filled(self, step: Step, on: date, lead: ResourceFacts, starts: int) -> int | None:
        """Return the first of these starts that can really be filled."""
        if self.shape(step).is_separate:
            return ticks.lowest(starts)
        return next((tick for tick in ticks.each(starts) if self.uses(step, on, lead, tick) is not None), None)

    def cheapest(self, step: Step, on: date, lead: ResourceFacts) -> Cheapest | None:
        """Return the least cost of time of day and holes for a lead on a date, and the first start that has it."""
        return next(self.by_cost(step, on, lead), None)

    def by_cost(self, step: Step, on: date, lead: ResourceFacts) -> Iterator[Cheapest]:
        """Yield every start of this lead on this date that can really be filled, cheapest first, then earliest."""
        shape = self.shape(step)
        rank = shape.leads.ranks.get(lead.id)
        for price, lanes in self.priced(step, on) if rank is not None else ():
            for tick in ticks.each(lane(lanes, rank)):
                if shape.is_separate or self.uses(step, on, lead, tick) is not None:
                    yield price, tick

    def is_possible(self, step: Step, on: date, lead: ResourceFacts, tick: int) -> bool:
        """Whether the session can start exactly then."""
        return bool(self.lead_starts(step, on, lead) >> tick & 1) and self.uses(step, on, lead, tick) is not None

    def price_of(self, step: Step, on: date, lead: ResourceFacts, tick: int) -> int:
        """Return what time of day and holes cost at this start, possible or not."""
        shape = self.shape(step)
        price = 0 if self.wished(on, shape.minutes) >> tick & 1 else self.weights.time_of_day
        stretches = shape.roles[step.lead_role]
        if self.weights.hole and lead.places == 1 and stretches:
            begins, ends = cost.awkward(free_of(self.roster, lead.id, on, 1)[0], self.roster.shortest_useful_minutes)
            first, last = tick + stretches[0].from_minute, tick + stretches[-1].until_minute
            price += self.weights.hole * ((first >= 0 and begins >> first & 1) + (last >= 0 and ends >> last & 1))
        return price

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
        found = self._filled(step, by_role, on, lead, tick, ())
        if found is None:
            return None
        order = {(stretch.phase, stretch.role): at for at, stretch in enumerate(shape.stretches)}
        return tuple(sorted(found, key=lambda use: order[use.phase, use.role]))

    def _filled(
        self, step: Step, wanted: list[Stretch], on: date, lead: ResourceFacts, tick: int, chosen: tuple[Use, ...]
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
            resources = self.able(step, stretch.role, on)
        first, until = tick + stretch.from_minute, tick + stretch.until_minute
        taken = ticks.span(first, until)
        for resource in resources:
            for place, free in enumerate(free_of(self.roster, resource.id, on, resource.places)):
                use = Use(stretch.phase, stretch.role, resource.id, place, first, until)
                if first >= 0 and free & taken == taken and not any(_clash(use, other) for other in chosen):
                    found = self._filled(step, wanted, on, lead, tick, (*chosen, use))
                    if found is not None:
                        return found
        return None

    def _classes(self, step: Step, on: date, possible: int) -> Mapping[int, int]:
        """Split the leads' starts by their cost: price -> lanes."""
        classes, shape = {0: possible}, self.shape(step)
        leads = shape.leads
        if self.weights.time_of_day:
            classes = _split(classes, possible & ~self._wished_lanes(on, step), self.weights.time_of_day)
        if self.weights.hole and leads.stretches:
            first, last = leads.stretches[0].from_minute, leads.stretches[-1].until_minute
            begins, ends = cost.awkward(leads.free(on)[0], self.roster.shortest_useful_minutes, leads.number)
            in_one_place = leads.lanes_of(lead.places == 1 for lead in leads.members)
            classes = _split(classes, shifted(begins, -first, leads.number) & in_one_place, self.weights.hole)
            classes = _split(classes, shifted(ends, -last, leads.number) & in_one_place, self.weights.hole)
        return classes

    def _wished_lanes(self, on: date, step: Step) -> int:
        wished, number = self.wished(on, step.minutes) & ONE_LANE, self.shape(step).leads.number
        if (wished, number) not in self._repeated:
            self._repeated[wished, number] = repeated(wished, number)
        return self._repeated[wished, number]

    def _leads_by_missed(self, step: Step) -> list[tuple[int, int]]:
        """Return what wishes for a lead cost, the least first, with lanes that are full for the leads who cost it."""
        if step.key not in self._by_missed:
            leads = self.shape(step).leads
            missed = [cost.lead_wishes_missed(lead, self.wishes, self.weights) for lead in leads.members]
            self._by_missed[step.key] = [
                (price, leads.lanes_of(one == price for one in missed)) for price in sorted(set(missed))
            ]
        return self._by_missed[step.key]

    def _is_refused(self, lead: ResourceFacts) -> bool:
        return self.wishes.strict and cost.lead_wishes_missed(lead, self.wishes, cost.Weights()) > 0


def _split(classes: Mapping[int, int], dearer: int, by: int) -> dict[int, int]:
    result: dict[int, int] = {}
    for price, starts in classes.items():
        by_more = starts & dearer
        for at, lanes in ((price, starts ^ by_more), (price + by, by_more)):
            if lanes:
                result[at] = result.get(at, 0) | lanes
    return result


def _clash(one: Use, other: Use) -> bool:
    is_same = one.resource == other.resource and one.place == other.place
    return is_same and one.from_tick < other.until_tick and other.from_tick < one.until_tick
