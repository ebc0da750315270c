"""When on a date a session could start with a given lead, and the cheapest such start.

For one step, date and lead the cheapest start does not depend on anything else in the plan (a course has one session a
day), so it is found once, by bit sets, and only when the search asks for it. All who could fill a role are looked at
together, side by side in one int: see `timetable`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache, reduce
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from . import cost, ticks
from .asks import Held, may_lead, wanted_starts
from .facts import ResourceFacts, Roster, SessionFacts, Slot, Step, Use, Wishes
from .shapes import Stretch, free_of, stretches_of
from .timetable import (
    CHUNK,
    FIVE,
    LONGEST,
    Rows,
    Taken,
    TimeTable,
    Words,
    as_words,
    bits_of,
    each_moment,
    in_minutes,
    moments_as_fives,
    moments_as_int,
    moments_of,
    packed,
    shifted,
    unit_of,
)
from .timetable import starts as starts_of

Cheapest = tuple[int, int]  # cost of the time of day and of holes; tick
ENDLESS = 1 << 60
MINUTES_OF_A_DAY = 1440
WHOLE_DAY = ticks.span(0, LONGEST)


class Chunks:
    """The dates of a roster in pieces of equal length: dates whose time is worked out at once."""

    def __init__(self, days: Collection[date]) -> None:
        first, last = (min(days), max(days)) if days else (date.min, date.min)
        self._first = first.toordinal()
        self.length = min(CHUNK, last.toordinal() + 1 - self._first)

    def place(self, ordinal: int) -> tuple[int, int]:
        """Return the number of the chunk in which a date is, and its place there; before the first it is negative."""
        return divmod(ordinal - self._first, self.length)

    def begin(self, chunk: int) -> int:
        """Return the first date of a chunk."""
        return self._first + chunk * self.length

    def dates(self, chunk: int) -> Iterator[tuple[int, date]]:
        """Yield the place and the date of each that can be one."""
        begin = self.begin(chunk)
        for at in range(max(1 - begin, 0), min(self.length, date.max.toordinal() + 1 - begin)):
            yield at, date.fromordinal(begin + at)


class Crew:
    """Those who could fill a role at some time, by id, and when each of them could, for a chunk of dates at once."""

    def __init__(
        self, stretches: list[Stretch], roster: Roster, on_duty: TimeTable, busy: Taken, chunks: Chunks
    ) -> None:
        self.stretches, self._chunks = stretches, chunks
        wanted = {stretch.capability for stretch in stretches}
        self.members = [r for r in roster.resources if wanted <= {c.code for c in r.capabilities}]
        self.ranks = {resource.id: rank for rank, resource in enumerate(self.members)}
        # Who has each capability always is not asked again for each date.
        always = [{c.code for c in r.capabilities if c.from_on is None and c.until_on is None} for r in self.members]
        self._at_times = [rank for rank, codes in enumerate(always) if not wanted <= codes]
        self._wanted, self._on_duty = wanted, on_duty
        self._rows = on_duty.rows(self.ranks)
        places = max((resource.places for resource in self.members), default=1)
        self._taken = [(table, table.rows(self.ranks)) for table in busy.places[:places]]
        self._has_place = [np.array([r.places > place for r in self.members], np.uint64) for place in range(places)]
        self._free: dict[int, list[Words]] = {}
        self._starts: dict[int, Words] = {}

    def able(self, on: date) -> list[ResourceFacts]:
        """Return the members that can do on that date what all the stretches need, by id."""
        return [r for n, r in enumerate(self.members) if n not in self._at_times or self._is_able(n, on)]

    def free(self, chunk: int) -> list[Words]:
        """Return the minutes on duty and not taken, for each place: [date, member, word]."""
        if chunk not in self._free:
            begin, days = self._chunks.begin(chunk), self._chunks.length
            duty = self._on_duty.words(self._rows, begin, days)
            for rank in self._at_times:
                for at, on in self._chunks.dates(chunk):
                    if not self._is_able(rank, on):
                        duty[at, rank] = 0
            taken = [table.words(rows, begin, days) for table, rows in self._taken]
            if len({unit_of(words) for words in (duty, *taken)}) > 1:
                duty, taken = in_minutes(duty), [in_minutes(words) for words in taken]
            free = [duty if having.all() else duty * having[:, None] for having in self._has_place]
            for place, words in enumerate(taken):
                free[place] = free[place] & ~words
            self._free[chunk] = free
        return self._free[chunk]

    def count_minutes(self, chunk: int) -> None:
        """Let no bit of a chunk stand for five minutes."""
        self._free[chunk] = [in_minutes(place) for place in self.free(chunk)]

    def starts(self, chunk: int) -> Words:
        """Return the starts at which each member has a free place for each of the stretches: [date, member, word]."""
        if chunk not in self._starts:
            free = self.free(chunk)
            unit = unit_of(free[0])
            each = []
            for stretch in self.stretches:
                length = (stretch.until_minute - stretch.from_minute) // unit
                any_place = reduce(np.bitwise_or, (starts_of(place, length) for place in free))
                each.append(shifted(any_place, -stretch.from_minute // unit))
            self._starts[chunk] = reduce(np.bitwise_and, each) if each else np.full_like(free[0], ~np.uint64(0))
        return self._starts[chunk]

    def _is_able(self, rank: int, on: date) -> bool:
        return all(self.members[rank].is_able(code, on) for code in self._wanted)


class Shape:
    """What a step takes, worked out once: stretches by role, lead first, and who could fill each role."""

    def __init__(self, step: Step, roster: Roster, on_duty: TimeTable, busy: Taken, chunks: Chunks) -> None:
        self._phases, self._lead_role = step.phases, step.lead_role
        self.minutes = step.minutes
        self.stretches = stretches_of(step)
        roles: dict[str, list[Stretch]] = {step.lead_role: []}
        for stretch in self.stretches:
            roles.setdefault(stretch.role, []).append(stretch)
        self.roles = roles
        self.by_role = [stretch for of_role in roles.values() for stretch in of_role]
        self.order = {(stretch.phase, stretch.role): at for at, stretch in enumerate(self.stretches)}
        self.crews = {role: Crew(of_role, roster, on_duty, busy, chunks) for role, of_role in roles.items()}
        self.leads = self.crews[step.lead_role]
        # No resource could fill two roles: then a start that suits each role suits them together.
        ids = [crew.ranks.keys() for crew in self.crews.values()]
        self.is_separate = sum(map(len, ids)) == len(frozenset().union(*ids))
        # All that is counted for the step is a multiple of five minutes.
        lengths = [minute for stretch in self.stretches for minute in (stretch.from_minute, stretch.until_minute)]
        self._by_fives = not any(
            minutes % FIVE for minutes in (roster.grid_minutes, roster.shortest_useful_minutes, *lengths)
        )
        self._settled: set[int] = set()

    def is_of(self, step: Step) -> bool:
        """Whether a step takes the same, and is led in the same role."""
        return (step.phases, step.lead_role) == (self._phases, self._lead_role)

    def crews_in(self, chunk: int) -> Mapping[str, Crew]:
        """Return the crews by role, whose words of that chunk have bits of as many minutes."""
        if chunk not in self._settled:
            crews = self.crews.values()
            if not self._by_fives or len({unit_of(crew.free(chunk)[0]) for crew in crews}) > 1:
                for crew in crews:
                    crew.count_minutes(chunk)
            self._settled.add(chunk)
        return self.crews


@dataclass(frozen=True, slots=True)
class Block:
    """A step's possible starts on a chunk of dates, each role by itself (see `Shape.is_separate`)."""

    classes: list[tuple[int, Words]]  # cost of time of day and holes, the least first; the starts: [date, lead, word]
    prices: NDArray[np.int64]  # [date, lead]: the least of those costs; ENDLESS: no start


class Starts:
    """The possible starts of a course's sessions, as the search asks for them.

    `asked` is what a person asks of all of them. `like` is one for the same roster, whose crews are taken over.
    `of_others` are the steps of which the wish for a practitioner says nothing (`cost.steps_of_others`).
    """

    def __init__(
        self,
        roster: Roster,
        wishes: Wishes,
        weights: cost.Weights,
        asked: Held = (),
        like: Starts | None = None,
        of_others: frozenset[str] = frozenset(),
    ) -> None:
        self._of_others = of_others
        self.roster, self.wishes, self.weights, self.asked = roster, wishes, weights, asked
        self.resources = {resource.id: resource for resource in roster.resources}
        self._chunks = Chunks(roster.days)
        self._on_duty: TimeTable = packed(roster.on_duty) if like is None else like._on_duty  # noqa: SLF001
        self._busy: Taken = _taken(roster) if like is None else like._busy  # noqa: SLF001
        self._shapes: dict[str, Shape] = {} if like is None else like._shapes  # noqa: SLF001
        self._blocks: dict[tuple[Shape, int], Block] = {}
        self._missed: dict[str, NDArray[np.int64]] = {}
        self._wished: dict[tuple[date, int], int] = {}
        self._free: dict[tuple[UUID, date], list[int]] = {}
        self._uses: dict[tuple[Shape, str, date, int], tuple[Use, ...] | None] = {}
        self._alike: dict[int, tuple[date | None, Rows, list[date]]] = {}

    def shape(self, step: Step) -> Shape:
        if step.key not in self._shapes:
            alike = (shape for shape in self._shapes.values() if shape.is_of(step))
            found = next(alike, None) or Shape(step, self.roster, self._on_duty, self._busy, self._chunks)
            self._shapes[step.key] = found
        return self._shapes[step.key]

    def leads(self, step: Step, on: date) -> list[ResourceFacts]:
        """Return who could lead the step at some time of that date, by id; strict wishes and asks refuse some."""
        chunk, at = self._chunks.place(on.toordinal())
        prices = self._block(step, chunk).prices[at]
        members = self.shape(step).leads.members
        return [members[rank] for rank in np.flatnonzero(prices < ENDLESS)]

    def able(self, step: Step, role: str, on: date) -> list[ResourceFacts]:
        """Return the resources that can do on that date what a role of the step needs, by id."""
        return self.shape(step).crews[role].able(on)

    def open_starts(self, step: Step, on: date) -> int:
        """Return the starts that site, grid, patient and strict wishes allow on that date."""
        day = self.roster.days.get(on)
        if day is None or day.closed:
            return 0
        minutes, busy = self.shape(step).minutes, self.roster.patient_busy.get(on, 0)
        mask = ticks.grid_of(day, self.roster.grid_minutes) & _inside(day.length_minutes, minutes)
        if busy:
            mask &= ticks.starts(ticks.span(0, day.length_minutes) & ~busy, minutes)
        if self.roster.not_before is not None and self.roster.not_before > day.starts_at:
            gone = -((day.starts_at - self.roster.not_before) // timedelta(minutes=1))
            mask &= ~ticks.span(0, gone)
        if self.wishes.strict:
            if on.weekday() not in (self.wishes.weekdays or {on.weekday()}) or on in self.wishes.avoid_dates:
                return 0
            mask &= self.wished(on, minutes)
        return mask & wanted_starts(self.asked, day, minutes) if self.asked else mask

    def role_starts(self, step: Step, role: str, on: date) -> int:
        """Return the starts at which some resource could fill the role."""
        chunk, at = self._chunks.place(on.toordinal())
        starts = self.shape(step).crews_in(chunk)[role].starts(chunk)
        return moments_as_int(np.bitwise_or.reduce(starts[at], axis=0, initial=0))

    def own_starts(self, step: Step, on: date, lead: ResourceFacts) -> int:
        """Return the starts at which one who could lead has the time, whatever stands against it otherwise."""
        chunk, at = self._chunks.place(on.toordinal())
        leads = self.shape(step).crews_in(chunk)[step.lead_role]
        return moments_as_int(leads.starts(chunk)[at, leads.ranks[lead.id]])

    def lead_starts(self, step: Step, on: date, lead: ResourceFacts) -> int:
        """Return the starts on which each role by itself agrees, strict wishes included; see `Shape.is_separate`."""
        rank, (chunk, at) = self.shape(step).leads.ranks.get(lead.id), self._chunks.place(on.toordinal())
        if rank is None:
            return 0
        return reduce(int.__or__, (moments_as_int(words[at, rank]) for _, words in self._block(step, chunk).classes), 0)

    def wished(self, on: date, minutes: int) -> int:
        """Return the starts inside the wished time of day; every start on a date that the roster does not hold."""
        key = (on, minutes)
        if key not in self._wished:
            day = self.roster.days.get(on)
            self._wished[key] = cost.wished_starts(day, minutes, self.wishes) if day else -1
        return self._wished[key]

    def least_between(self, step: Step, first: int, last: int) -> NDArray[np.int64]:
        """Return the least that time of day, holes and the wishes for a lead cost on each date of [first, last].

        ENDLESS where there is no start. Where one resource could fill two roles it may be less than what can be had.
        """
        found: NDArray[np.int64] = self.prices_between(step, first, last).min(axis=1, initial=ENDLESS)
        return found

    def prices_between(self, step: Step, first: int, last: int) -> NDArray[np.int64]:
        """Return the same for each of the step's possible leads: [date, lead]; ENDLESS or more where there is none."""
        (chunk, since), (last_chunk, _) = self._chunks.place(first), self._chunks.place(last)
        prices = np.concatenate([self._block(step, number).prices for number in range(chunk, last_chunk + 1)])
        return prices[since : since + last - first + 1] + self._leads_missed(step)

    def of_leads(self, step: Step, on: date) -> list[tuple[int, ResourceFacts]]:
        """Return for each lead who has a start that date what the cheapest costs, the wishes for a lead included."""
        chunk, at = self._chunks.place(on.toordinal())
        prices = self._block(step, chunk).prices[at]
        members, missed = self.shape(step).leads.members, self._leads_missed(step)
        found = [(int(prices[rank] + missed[rank]), members[rank]) for rank in np.flatnonzero(prices < ENDLESS)]
        if self.shape(step).is_separate:
            return found
        best = ((self.cheapest(step, on, lead), lead) for _, lead in found)
        return [(b[0] + self.lead_missed(step, lead), lead) for b, lead in best if b is not None]

    def cheapest(self, step: Step, on: date, lead: ResourceFacts) -> Cheapest | None:
        """Return the least cost of time of day and holes for a lead on a date, and the first start that has it."""
        return next(self.by_cost(step, on, lead), None)

    def by_cost(self, step: Step, on: date, lead: ResourceFacts) -> Iterator[Cheapest]:
        """Yield every start of this lead on this date that can really be filled, cheapest first, then earliest."""
        shape, (chunk, at) = self.shape(step), self._chunks.place(on.toordinal())
        rank = shape.leads.ranks.get(lead.id)
        for price, words in self._block(step, chunk).classes if rank is not None else ():
            for tick in each_moment(words[at, rank]):
                if shape.is_separate or self.uses(step, on, lead, tick) is not None:
                    yield price, tick

    def slots_on(self, session: SessionFacts, on: date) -> Iterator[tuple[Slot, ResourceFacts, int]]:
        """Yield the slots of every start on this date that can really be filled, by start and then lead.

        Each with its lead, and what time of day and holes cost.
        """
        step, shape = session.step, self.shape(session.step)
        chunk, at = self._chunks.place(on.toordinal())
        classes = self._block(step, chunk).classes
        found = sorted((tick, rank, price) for price, words in classes for rank, tick in moments_of(words[at]))
        others = self._first_free(step, on, {tick for tick, *_ in found}) if found and shape.is_separate else {}
        for tick, rank, price in found:
            lead = shape.leads.members[rank]
            fill = {step.lead_role: lead} | {role: those[tick] for role, those in others.items()}
            uses: tuple[Use, ...] | None
            if shape.is_separate and all(resource.places == 1 for resource in fill.values()):
                uses = tuple(
                    Use(one.phase, one.role, fill[one.role].id, 0, tick + one.from_minute, tick + one.until_minute)
                    for one in shape.stretches
                )
            else:
                uses = self.uses(step, on, lead, tick)
            if uses is not None:
                yield Slot(session.id, on, tick, shape.minutes, lead.id, uses), lead, price

    def _first_free(self, step: Step, on: date, wanted: Collection[int]) -> dict[str, dict[int, ResourceFacts]]:
        """Return for each role but the lead's who fills it at possible starts of a date: the lowest id that is free."""
        chunk, at = self._chunks.place(on.toordinal())
        found: dict[str, dict[int, ResourceFacts]] = {}
        for role, crew in self.shape(step).crews_in(chunk).items():
            if role != step.lead_role:
                starts = crew.starts(chunk)
                first = bits_of(starts[at]).argmax(axis=0).tolist()
                found[role] = {tick: crew.members[first[tick // unit_of(starts)]] for tick in wanted}
        return found

    def lead_missed(self, step: Step, lead: ResourceFacts) -> int:
        """Return what the wishes say to a lead of the step."""
        return cost.lead_wishes_missed(lead, self.wishes, self.weights, is_of_others=step.key in self._of_others)

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

    def is_refused(self, step: Step, lead: ResourceFacts) -> bool:
        """Whether strict wishes, or what is asked of the plan, refuse this lead of the step."""
        return self.is_unwished(step, lead) or not may_lead(self.asked, lead.id)

    def is_unwished(self, step: Step, lead: ResourceFacts) -> bool:
        """Whether strict wishes refuse this lead of the step."""
        is_of_others = step.key in self._of_others
        missed = cost.lead_wishes_missed(lead, self.wishes, cost.Weights(), is_of_others=is_of_others)
        return self.wishes.strict and missed > 0

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
        found: tuple[Use, ...] | None = ()
        if not shape.is_separate:
            found = self._filled(step, shape.by_role, on, lead, tick, ())
        for role in shape.roles if shape.is_separate else ():
            of_role = self._of_role(step, role, on, lead, tick)
            found = None if found is None or of_role is None else (*found, *of_role)
        return None if found is None else tuple(sorted(found, key=lambda use: shape.order[use.phase, use.role]))

    def _of_role(self, step: Step, role: str, on: date, lead: ResourceFacts, tick: int) -> tuple[Use, ...] | None:
        """Return the places of a role that no other role could use. Whoever leads, the others' are the same."""
        key = self.shape(step), role, on, tick
        if role == step.lead_role:
            return self._filled(step, self.shape(step).roles[role], on, lead, tick, ())
        if key not in self._uses:
            self._uses[key] = self._filled(step, self.shape(step).roles[role], on, lead, tick, ())
        return self._uses[key]

    def _filled(
        self, step: Step, wanted: list[Stretch], on: date, lead: ResourceFacts, tick: int, chosen: tuple[Use, ...]
    ) -> tuple[Use, ...] | None:
        """Return the first way to fill the stretches that are still to fill; those of a role follow each other."""
        if len(chosen) == len(wanted):
            return chosen
        stretch = wanted[len(chosen)]
        if chosen and chosen[-1].role == stretch.role:
            resources = [self.resources[chosen[-1].resource]]
        elif stretch.role == step.lead_role:
            resources = [lead]
        else:
            resources = self._free_at(step, stretch.role, on, tick)
        first, until = tick + stretch.from_minute, tick + stretch.until_minute
        for resource in resources if first >= 0 else ():
            for place in self._places(step, stretch, resource, on, tick):
                use = Use(stretch.phase, stretch.role, resource.id, place, first, until)
                if not any(_clash(use, other) for other in chosen):
                    found = self._filled(step, wanted, on, lead, tick, (*chosen, use))
                    if found is not None:
                        return found
        return None

    def _places(self, step: Step, stretch: Stretch, resource: ResourceFacts, on: date, tick: int) -> Iterable[int]:
        """Return the places of a resource that are free for a stretch of a session that starts then."""
        chunk, at = self._chunks.place(on.toordinal())
        crew = self.shape(step).crews_in(chunk)[stretch.role]
        starts, rank = crew.starts(chunk), crew.ranks.get(resource.id)
        bit, rest = divmod(tick, unit_of(starts))
        if resource.places == 1 and rank is not None and not rest and 0 <= tick < LONGEST:
            # Of one place the starts say it, for the whole role at once.
            return (0,) if int(starts[at, rank, bit // 64]) >> bit % 64 & 1 else ()
        taken = ticks.span(tick + stretch.from_minute, tick + stretch.until_minute)
        return [place for place, free in enumerate(self._free_minutes(resource, on)) if free & taken == taken]

    def _free_minutes(self, resource: ResourceFacts, on: date) -> list[int]:
        """Return the free minutes of each place of a resource."""
        key = resource.id, on
        if key not in self._free:
            self._free[key] = free_of(self.roster, resource.id, on, resource.places)
        return self._free[key]

    def _free_at(self, step: Step, role: str, on: date, tick: int) -> list[ResourceFacts]:
        """Return the resources that could fill a role of a session that starts then, by id."""
        chunk, at = self._chunks.place(on.toordinal())
        crew = self.shape(step).crews_in(chunk)[role]
        starts = crew.starts(chunk)
        bit, rest = divmod(tick, unit_of(starts))
        if rest or tick < 0:
            return self.able(step, role, on)  # a start off the grid, which words of five minutes do not know
        those = starts[at, :, bit // 64] >> np.uint64(bit % 64) & np.uint64(1)
        return [crew.members[rank] for rank in np.flatnonzero(those)]

    def _block(self, step: Step, chunk: int) -> Block:
        key = (self.shape(step), chunk)
        if key not in self._blocks:
            leads = self.shape(step).crews_in(chunk)[step.lead_role]
            possible = leads.starts(chunk) & self._common_starts(step, chunk)[:, None, :]
            if self.wishes.strict or self.asked:
                possible[:, [self.is_refused(step, lead) for lead in leads.members]] = 0
            classes = sorted(self._classes(step, chunk, possible).items())
            prices = np.full(possible.shape[:2], ENDLESS, np.int64)
            for price, words in reversed(classes):
                prices[words.any(axis=2)] = price
            self._blocks[key] = Block(classes, prices)
        return self._blocks[key]

    def _common_starts(self, step: Step, chunk: int) -> Words:
        """Return the starts on which all but the lead agrees: site, grid, patient, strict wishes, other roles."""
        common: Words | None = None
        for role, crew in self.shape(step).crews_in(chunk).items():
            starts = crew.starts(chunk)
            if common is None:
                common = self._each(chunk, unit_of(starts), lambda on: self.open_starts(step, on))
            if role != step.lead_role:
                common &= np.bitwise_or.reduce(starts, axis=1, initial=0)
        assert common is not None, "a step has a lead"
        return common

    def _classes(self, step: Step, chunk: int, possible: Words) -> Mapping[int, Words]:
        """Split the leads' starts by their cost."""
        classes, shape = {0: possible}, self.shape(step)
        leads = shape.leads
        if self.weights.time_of_day:
            wished = self._each(chunk, unit_of(possible), lambda on: self.wished(on, shape.minutes))
            classes = _split(classes, ~wished[:, None, :], self.weights.time_of_day)
        if self.weights.hole and leads.stretches:
            begins, ends = cost.awkward_words(leads.free(chunk)[0], self.roster.shortest_useful_minutes)
            for rank, lead in enumerate(leads.members):
                if lead.places > 1:
                    begins[:, rank], ends[:, rank] = 0, 0
            unit, first, last = unit_of(possible), leads.stretches[0].from_minute, leads.stretches[-1].until_minute
            classes = _split(classes, shifted(begins, -first // unit), self.weights.hole)
            classes = _split(classes, shifted(ends, -last // unit), self.weights.hole)
        return classes

    def _each(self, chunk: int, unit: int, starts: Callable[[date], int]) -> Words:
        """Return starts on each date of a chunk that the roster holds: [date, word]. Nearly all dates are alike."""
        usual, rows, others = self._dates_of(chunk)
        pack = as_words if unit == 1 else moments_as_fives
        found = np.zeros((self._chunks.length, len(pack(0))), np.uint64)
        if usual is not None:
            found[rows] = pack(starts(usual) & WHOLE_DAY)
        for on in others:
            found[self._chunks.place(on.toordinal())[1]] = pack(starts(on) & WHOLE_DAY)
        return found

    def _dates_of(self, chunk: int) -> tuple[date | None, Rows, list[date]]:
        """Return a date like most of a chunk, if there is one, where those like it are, and the others."""
        if chunk not in self._alike:
            usual, rows, others = None, [], []
            days, roster = self.roster.days, self.roster
            not_before = roster.not_before or datetime.min.replace(tzinfo=UTC)
            begun_by = not_before.date() + timedelta(days=1)  # later dates begin after it, in every zone
            may_be_usual = not (self.wishes.strict or self.asked)
            for at, on in self._chunks.dates(chunk):
                day = days.get(on)
                if day is None:
                    continue
                # Nothing sets a usual date apart but who is on duty and what is taken.
                if (
                    may_be_usual
                    and not (day.closed or day.changes)
                    and day.length_minutes == MINUTES_OF_A_DAY
                    and on not in roster.patient_busy
                    and (on > begun_by or not_before <= day.starts_at)
                ):
                    usual = usual or on
                    rows.append(at)
                else:
                    others.append(on)
            self._alike[chunk] = usual, np.array(rows, np.intp), others
        return self._alike[chunk]

    def _leads_missed(self, step: Step) -> NDArray[np.int64]:
        """Return what wishes say to each lead."""
        if step.key not in self._missed:
            missed = [self.lead_missed(step, lead) for lead in self.shape(step).leads.members]
            self._missed[step.key] = np.array(missed, np.int64)
        return self._missed[step.key]


def _taken(roster: Roster) -> Taken:
    return roster.busy if isinstance(roster.busy, Taken) else Taken.of(roster.busy)


@lru_cache(maxsize=1024)
def _inside(length: int, minutes: int) -> int:
    """Return the starts of a visit that ends before its day does."""
    return ticks.starts(ticks.span(0, length), minutes)


def _split(classes: Mapping[int, Words], dearer: Words, by: int) -> dict[int, Words]:
    result: dict[int, Words] = {}
    for price, starts in classes.items():
        by_more = starts & dearer
        for at, words in ((price, starts ^ by_more), (price + by, by_more)):
            result[at] = result[at] | words if at in result else words
    return result


def _clash(one: Use, other: Use) -> bool:
    is_same = one.resource == other.resource and one.place == other.place
    return is_same and one.from_tick < other.until_tick and other.from_tick < one.until_tick
