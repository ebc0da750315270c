"""Who is free when, while visits of many courses are put in and taken out again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import reduce
from itertools import combinations, product
from uuid import UUID

import numpy as np

from . import ticks
from .cost import awkward_words
from .facts import ResourceFacts, Roster, Slot, Step, Use
from .rules import LONGEST_DAY
from .shapes import Stretch, patient_span, stretches_of
from .timetable import WORDS, Taken, TimeTable, Words, in_minutes, packed, shifted, unit_of
from .timetable import starts as starts_of

Able = tuple[int, ResourceFacts, int]  # a lead's number among the roster's resources, they, and the starts they have
BYTES = 8 * WORDS
DATES_AT_ONCE = 32  # a repair looks at few of them


class Kind:
    """What visits of one shape take; steps that take the same share it, whatever their protocol."""

    def __init__(self, number: int, step: Step, resources: Sequence[ResourceFacts]) -> None:
        self.number, self.step, self.minutes = number, step, step.minutes
        self.lead_role = step.lead_role
        self.stretches = stretches_of(step)
        self._shape = [(s.phase, s.role, s.from_minute, s.until_minute) for s in self.stretches]
        self.of_role: dict[str, list[Stretch]] = {step.lead_role: []}
        for stretch in self.stretches:
            self.of_role.setdefault(stretch.role, []).append(stretch)
        self.roles = [role for role in self.of_role if role != step.lead_role]  # but the lead's
        self._resources = resources
        self._wanted = {role: {s.capability for s in those} for role, those in self.of_role.items()}
        self.members = {
            role: [n for n, r in enumerate(resources) if wanted <= {c.code for c in r.capabilities}]
            for role, wanted in self._wanted.items()
        }
        # Who has each capability always is not asked again for each date.
        self._is_always = {
            role: all(
                wanted <= {c.code for c in resources[n].capabilities if c.from_on is None and c.until_on is None}
                for n in self.members[role]
            )
            for role, wanted in self._wanted.items()
        }
        members = self.members.values()
        self.is_separate = sum(map(len, members)) == len(set().union(*members))  # nobody could fill two roles

    def numbers(self, role: str, on: date) -> list[int]:
        """Return who can do on that date what the role needs, by id: their numbers among the roster's resources."""
        if self._is_always[role]:
            return self.members[role]
        return [n for n in self.members[role] if all(self._resources[n].is_able(c, on) for c in self._wanted[role])]

    def able(self, role: str, on: date) -> list[ResourceFacts]:
        """Return them as they are."""
        return [self._resources[number] for number in self.numbers(role, on)]

    def is_shape_of(self, slot: Slot) -> bool:
        """Whether a slot takes what a visit takes: `rules.wrong_shape` says how."""
        uses, tick = slot.uses, slot.tick
        taken = [(use.phase, use.role, use.from_tick - tick, use.until_tick - tick) for use in uses]
        if slot.minutes != self.minutes or (taken != self._shape and sorted(taken) != sorted(self._shape)):
            return False
        by_role = {use.role: use.resource for use in uses}
        return (
            by_role.get(self.lead_role) == slot.lead
            and (len(by_role) == len(uses) or all(by_role[use.role] == use.resource for use in uses))
            and not any(
                one.from_tick < other.until_tick and other.from_tick < one.until_tick
                for one, other in combinations(uses, 2)
                if one.place == other.place and one.resource == other.resource
            )
        )

    def starts(self, role: str, places: Sequence[int]) -> int:
        """Return the starts at which one who has these places free could fill the role."""
        if len(places) == len(self.of_role[role]) == 1:
            [free], [stretch] = places, self.of_role[role]
            return ticks.shifted(ticks.starts(free, stretch.until_minute - stretch.from_minute), -stretch.from_minute)
        mask = -1
        for stretch in self.of_role[role]:
            length, any_place = stretch.until_minute - stretch.from_minute, 0
            for free in places:
                if free:
                    any_place |= ticks.starts(free, length)
            mask &= ticks.shifted(any_place, -stretch.from_minute)
        return mask


@dataclass(slots=True)
class _OfKind:
    """The starts that one kind of visit has on a date; diaries share it until one of them changes something there."""

    kind: Kind
    by_role: dict[str, dict[int, int]]  # of each who is able, by itself
    common: int | None = None  # starts at which each role but the lead's could be filled by somebody
    times: list[Able] | None = None

    def changed(self, numbers: Iterable[int], day: _Day) -> _OfKind:
        """Return what it is when these resources have other minutes free."""
        by_role, common = dict(self.by_role), self.common
        for role, known in self.by_role.items():
            new = {number: self.kind.starts(role, day.free(number)) for number in numbers if number in known}
            if new:
                by_role[role] = {**known, **new}
                common = common if role == self.kind.lead_role else None
        return _OfKind(self.kind, by_role, common)


class _Day:
    """A date of a diary: who has which minutes on duty and not taken, and what that leaves of each kind of visit."""

    def __init__(self, on: date, given: _Given, below: _Day | None) -> None:
        self._on, self._given = on, given
        self._free: dict[int, tuple[int, ...]] = {} if below is None else dict(below._free)  # noqa: SLF001
        self.of_kinds: dict[int, tuple[_OfKind, int]] = {}  # and how many of the changes it knows
        self.changed: list[int] = []  # resources whose minutes were taken or freed, in that order

    def free(self, number: int) -> tuple[int, ...]:
        """Return the minutes that each place of a resource has."""
        found = self._free.get(number)
        if found is None:
            found = self._free[number] = self._given.free(number, self._on)
        return found

    def change(self, number: int, places: tuple[int, ...]) -> None:
        self._free[number] = places
        self.changed.append(number)


class Diary:
    """The roster as it stands, with the starts it leaves remembered.

    Patients are in it too: one who has two of the courses is in one place at a time. `below` is what it begins with: a
    diary for the same roster that nothing is put into any more.
    """

    def __init__(self, roster: Roster, below: Diary | None = None) -> None:
        self.roster, self._below = roster, below
        self._given: _Given = _Given(roster) if below is None else below._given  # noqa: SLF001
        self._resources, self._numbers = self._given.resources, self._given.numbers
        self.changes: list[tuple[date, int]] = []  # where minutes were taken or freed: the date, the resource's number
        self._days: dict[date, _Day] = {}
        self._patients: dict[UUID, dict[date, int]] = {}  # when they are there
        if below is not None:
            self._patients = {patient: dict(dates) for patient, dates in below._patients.items()}  # noqa: SLF001

    def above(self) -> Diary:
        """Return a diary that begins as this one is, into which nothing may be put from now on."""
        return Diary(self.roster, self)

    def kind_of(self, step: Step) -> Kind:
        return self._given.kind_of(step)

    @property
    def resources(self) -> Mapping[UUID, ResourceFacts]:
        """The roster's resources, by id."""
        return self._given.by_id

    def number_of(self, resource: UUID) -> int:
        """Return which of the roster's resources it is; -1: none."""
        return self._numbers.get(resource, -1)

    # --- what changes ---------------------------------------------------------------------------------------------

    def take(self, patient: UUID, slots: Iterable[Slot]) -> None:
        dates = self._patients.setdefault(patient, {})
        for slot in slots:
            dates[slot.on] = dates.get(slot.on, 0) | patient_span(slot)
            for use in slot.uses:
                self._change(use, slot.on, is_taken=True)

    def free(self, patient: UUID, slots: Iterable[Slot]) -> None:
        """Take visits out that were put in where it was free."""
        for slot in slots:
            self._patients[patient][slot.on] &= ~patient_span(slot)
            for use in slot.uses:
                self._change(use, slot.on, is_taken=False)

    def _change(self, use: Use, on: date, *, is_taken: bool) -> None:
        day, number = self._day(on), self._numbers[use.resource]
        places, span = list(day.free(number)), ticks.span(use.from_tick, use.until_tick)
        places[use.place] = places[use.place] & ~span if is_taken else places[use.place] | span
        day.change(number, tuple(places))
        self.changes.append((on, number))

    def is_free(self, slot: Slot) -> bool:
        """Whether nobody has taken the slot's places; its patient aside."""
        spans = ((use, ticks.span(use.from_tick, use.until_tick)) for use in slot.uses)
        return all(self.free_places(use.resource, slot.on)[use.place] & span == span for use, span in spans)

    def could_be(self, slot: Slot, step: Step, patient_busy: Mapping[date, int]) -> bool:
        """Whether a booked time of a session breaks none of the rules in `search.TIME_IS_IMPOSSIBLE`.

        It answers as the rules do when the patient's other visits in the course are on other dates; in a tenth of the
        time, since all resources of a date are read at once.
        """
        kind, day = self.kind_of(step), self.roster.days.get(slot.on)
        length = LONGEST_DAY if day is None else day.length_minutes
        if (day is not None and day.closed) or not 0 <= slot.tick <= length - slot.minutes:
            return False
        if not kind.is_shape_of(slot) or patient_span(slot) & patient_busy.get(slot.on, 0):
            return False
        of_day = self._day(slot.on)
        for use in slot.uses:
            number, span = self._numbers.get(use.resource), ticks.span(use.from_tick, use.until_tick)
            if number is None or use.from_tick < 0 or number not in kind.numbers(use.role, slot.on):
                return False
            free = of_day.free(number)
            if not 0 <= use.place < len(free) or free[use.place] & span != span:
                return False
        return True

    # --- what is free ---------------------------------------------------------------------------------------------

    def free_places(self, resource: UUID, on: date) -> tuple[int, ...]:
        """Return the minutes on duty and not taken, for each place of a resource."""
        return self._day(on).free(self._numbers[resource])

    def awkward(self, on: date) -> tuple[list[int], list[int]]:
        """Return `cost.awkward` of each resource's first place on a date, as it was before anything was put in."""
        return self._given.awkward(on)

    def times(self, kind: Kind, on: date) -> list[Able]:
        """Return who could lead on that date, by id: their number in that order, they, and the starts that are free."""
        found = self._of_kind(kind, on)
        if found.times is None:
            common = self._common(found)
            of_leads = found.by_role[kind.lead_role].items() if common else ()
            found.times = [
                (number, self._resources[number], left) for number, starts in of_leads if (left := starts & common)
            ]
        return found.times

    def lead_starts(self, kind: Kind, on: date, lead: ResourceFacts) -> int:
        """Return the starts on which the lead and each other role by itself agree."""
        found = self._of_kind(kind, on)
        return found.by_role[kind.lead_role].get(self._numbers[lead.id], 0) & self._common(found)

    def by_lead(self, kind: Kind, on: date) -> tuple[Mapping[int, int], int]:
        """Return the starts of each who could lead, by number, and those on which the other roles could agree."""
        found = self._of_kind(kind, on)
        return found.by_role[kind.lead_role], self._common(found)

    def others_starts(self, kind: Kind, on: date, others: Sequence[ResourceFacts] | None) -> int:
        """Return the starts on which these agree, one for each role but the lead's; None: whoever can."""
        found = self._of_kind(kind, on)
        if others is None:
            return self._common(found)
        mask = -1
        for role, resource in zip(kind.roles, others, strict=True):
            mask &= found.by_role[role][self._numbers[resource.id]]
        return mask

    def dates_of(self, patient: UUID) -> Iterable[date]:
        """Return the dates on which a visit of the patient is, or was, in the diary."""
        return self._patients.get(patient, ())

    def without_patient(self, starts: int, patient: UUID, on: date, minutes: int, busy: int = 0) -> int:
        """Return the starts at which the patient is in none of the visits that are in the diary, nor `busy`."""
        taken = busy | self._patients.get(patient, {}).get(on, 0)
        if not taken or not starts:
            return starts
        return starts & ticks.starts(ticks.span(0, starts.bit_length() + minutes) & ~taken, minutes)

    def ways(
        self, kind: Kind, on: date, lead: ResourceFacts, tick: int, others: Sequence[ResourceFacts] | None = None
    ) -> Iterator[tuple[Use, ...]]:
        """Yield the ways to fill a visit's roles, the lowest ids first; with these others, if they are given."""
        starts = self._of_kind(kind, on).by_role
        if others is None:
            able = [[number for number, of in starts[role].items() if of >> tick & 1] for role in kind.roles]
        else:
            able = [[self._numbers[other.id]] for other in others]
        for chosen in product([self._numbers[lead.id]], *able):
            uses = self._uses(kind, on, dict(zip((kind.lead_role, *kind.roles), chosen, strict=True)), tick)
            if uses is not None:
                yield uses

    def _uses(self, kind: Kind, on: date, by_role: Mapping[str, int], tick: int) -> tuple[Use, ...] | None:
        uses: list[Use] = []
        for stretch in kind.stretches:
            use = self._use(stretch, by_role[stretch.role], on, tick, uses)
            if use is None:
                return None
            uses.append(use)
        return tuple(uses)

    def _use(self, stretch: Stretch, number: int, on: date, tick: int, others: Sequence[Use]) -> Use | None:
        """Return the first place of the resource that is free then, less what this visit takes already."""
        first, until = tick + stretch.from_minute, tick + stretch.until_minute
        wanted, resource = ticks.span(first, until), self._resources[number].id
        for place, free in enumerate(self._day(on).free(number)):
            if first < 0 or free & wanted != wanted:
                continue
            ours = (use for use in others if (use.resource, use.place) == (resource, place))
            if not any(use.from_tick < until and first < use.until_tick for use in ours):
                return Use(stretch.phase, stretch.role, resource, place, first, until)
        return None

    # --- what is remembered ---------------------------------------------------------------------------------------

    def _day(self, on: date) -> _Day:
        found = self._days.get(on)
        if found is None:
            below = None if self._below is None else self._below._day(on)  # noqa: SLF001
            found = self._days[on] = _Day(on, self._given, below)
        return found

    def _of_kind(self, kind: Kind, on: date) -> _OfKind:
        day = self._day(on)
        found, known = day.of_kinds.get(kind.number, (None, 0))
        if found is not None and known == len(day.changed):
            return found
        if found is None:
            if self._below is None:
                found = _OfKind(kind, {role: self._given.starts(kind, role, on) for role in kind.of_role})
            else:
                found = self._below._of_kind(kind, on)  # noqa: SLF001
        if known < len(day.changed):
            found = found.changed(set(day.changed[known:]), day)
        day.of_kinds[kind.number] = found, len(day.changed)
        return found

    def _common(self, found: _OfKind) -> int:
        if found.common is None:
            found.common = -1
            for role in found.kind.roles:
                found.common &= reduce(int.__or__, found.by_role[role].values(), 0)
        return found.common


class _Given:
    """What a roster gives, read at once for all resources on a chunk of dates."""

    def __init__(self, roster: Roster) -> None:
        self.roster, self.resources = roster, roster.resources
        self.by_id = {resource.id: resource for resource in roster.resources}
        self.numbers = {resource.id: number for number, resource in enumerate(roster.resources)}
        busy = roster.busy if isinstance(roster.busy, Taken) else Taken.of(roster.busy)
        self._on_duty: TimeTable = packed(roster.on_duty)
        self._rows = self._on_duty.rows(self.numbers)
        self._places = [resource.places for resource in roster.resources]
        self._most = max(self._places, default=0)
        self._taken = [(table, table.rows(self.numbers)) for table in busy.places[: self._most]]
        self._kinds: dict[tuple[tuple[Stretch, ...], str, int], Kind] = {}
        self._kind_of: dict[int, tuple[Step, Kind]] = {}  # by identity; the step is kept so that it stays its own
        self._free: dict[int, list[Words]] = {}
        self._starts: dict[tuple[int, str, int], Words] = {}
        self._awkward: dict[int, tuple[Words, Words]] = {}
        self._awkward_on: dict[date, tuple[list[int], list[int]]] = {}

    def kind_of(self, step: Step) -> Kind:
        found = self._kind_of.get(id(step))
        if found is None:
            key = (stretches_of(step), step.lead_role, step.minutes)
            if key not in self._kinds:
                self._kinds[key] = Kind(len(self._kinds), step, self.resources)
            found = self._kind_of[id(step)] = (step, self._kinds[key])
        return found[1]

    def free(self, number: int, on: date) -> tuple[int, ...]:
        """Return the minutes on duty and not taken, for each place of a resource."""
        chunk, at = divmod(on.toordinal(), DATES_AT_ONCE)
        words = self._free_words(chunk)[: self._places[number]]
        return tuple(int.from_bytes(of_place[at, number].tobytes(), "little") for of_place in words)

    def starts(self, kind: Kind, role: str, on: date) -> dict[int, int]:
        """Return the starts of each who can fill the role on that date, by itself."""
        chunk, at = divmod(on.toordinal(), DATES_AT_ONCE)
        key = (kind.number, role, chunk)
        members = kind.members[role]
        if key not in self._starts:
            free = [words[:, members] for words in self._free_words(chunk)]
            found = np.full_like(free[0], ~np.uint64(0))
            for stretch in kind.of_role[role]:
                length = stretch.until_minute - stretch.from_minute
                any_place = reduce(np.bitwise_or, (starts_of(place, length) for place in free))
                found &= shifted(any_place, -stretch.from_minute)
            self._starts[key] = found
        ofmembers = dict(zip(members, _ints(self._starts[key][at]), strict=True))
        able = kind.numbers(role, on)
        return ofmembers if len(able) == len(members) else {number: ofmembers[number] for number in able}

    def awkward(self, on: date) -> tuple[list[int], list[int]]:
        """Return `cost.awkward` of each resource's first place."""
        if on not in self._awkward_on:
            chunk, at = divmod(on.toordinal(), DATES_AT_ONCE)
            if chunk not in self._awkward:
                free = self._free_words(chunk)[0]
                self._awkward[chunk] = awkward_words(free, self.roster.shortest_useful_minutes)
            begins, ends = self._awkward[chunk]
            self._awkward_on[on] = _ints(begins[at]), _ints(ends[at])
        return self._awkward_on[on]

    def _free_words(self, chunk: int) -> list[Words]:
        """Return the minutes on duty and not taken, for each place: [date, resource, word]."""
        if chunk not in self._free:
            duty = self._on_duty.words(self._rows, chunk * DATES_AT_ONCE, DATES_AT_ONCE)
            free = []
            for place in range(self._most):
                has_place = np.array([places > place for places in self._places])
                left = duty if has_place.all() else duty * has_place[:, None]
                if place < len(self._taken):
                    table, rows = self._taken[place]
                    taken = table.words(rows, chunk * DATES_AT_ONCE, DATES_AT_ONCE)
                    if unit_of(left) != unit_of(taken):
                        left, taken = in_minutes(left), in_minutes(taken)
                    left = left & ~taken
                free.append(in_minutes(left))
            self._free[chunk] = free
        return self._free[chunk]


def _ints(words: Words) -> list[int]:
    """Return each row of minutes as one int."""
    raw = words.tobytes()
    return [int.from_bytes(raw[at : at + BYTES], "little") for at in range(0, len(raw), BYTES)]
