"""The whole-course plans of many courses as networks of numbers, and the cheapest of them under given prices.

A *time* is a start of one session: date, lead, tick, and who takes part besides. It takes places from *rows*: one for
each resource, date and block of minutes. A visit that keeps its booking takes its own resources. Where there are too
many ways to fill the roles, a time takes from the pool of those who could, and from every pool that contains it. No
plan that can be given places takes more than a row has; the reverse is nearly true, and `repair_places` looks.

Times of one kind of visit, date and lead with one price make a *bucket*; courses share buckets. A course's network has
a node for each state of its `Chain` and layer; an arc is a date that may follow, with what the timing costs. Every date
that the chain allows and every start that the diary allows is in it: none is left out because it looks worse alone, so
that a bound on these plans is one on all. Where these dates are too many, see `repair_reach`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import product
from math import prod
from uuid import UUID

import numpy as np

from . import cost, ticks
from .chains import Chain
from .diary import Diary, Kind
from .facts import ResourceFacts, SessionFacts, Slot
from .layers import Dates
from .repair_alike import REFUSED, Alike
from .repair_paths import FAR, Depth, Network, joined
from .repair_places import Visit
from .repair_reach import Reach, Reaches
from .repair_rows import Buckets, Ints, Pool, Rows
from .repair_tasks import Task

MOST_WAYS = 24  # to fill the roles of a visit, each by itself; more are only counted, in pools
Span = tuple[Pool, int, int]  # takes one place of a pool from the first tick until the other
Key = tuple[int, date, UUID, int, UUID | None]  # kind, date, lead, starts, patient who has several of the courses


@dataclass(frozen=True, slots=True)
class Beside:
    """Who takes part in a visit besides its lead, and when they could."""

    people: tuple[ResourceFacts, ...] | None  # by role; None: of each role's pool
    starts: int
    spans: tuple[Span, ...]  # what they take, counted from the visit's tick


NOBODY = Beside(None, -1, ())


@dataclass(frozen=True, slots=True)
class Group:
    """Starts of a visit with the same people and rooms."""

    own: tuple[Span, ...]  # what its lead and its patient take, counted from its tick
    beside: Beside
    starts: int


@dataclass(frozen=True, slots=True)
class Bucket:
    """Times of one kind of visit with one lead on one date; or the one time of a visit that has it already."""

    kind: Kind | None
    on: date
    lead: ResourceFacts
    groups: tuple[Group, ...]
    slot: Slot | None = None


class Networks:
    """Everything that is worked out once for a repair."""

    def __init__(
        self,
        tasks: Sequence[Task],
        diary: Diary,
        alike: Alike,
        answer: Sequence[Sequence[Slot] | None],
        check: Callable[[], None],
    ) -> None:
        self.tasks, self._diary, self._alike = tasks, diary, alike
        nobody = ResourceFacts(UUID(int=0), "", "", ())
        self.of_bucket: list[Bucket] = []
        self._numbers: dict[Key, int | None] = {}
        self._of_slot: dict[UUID, int] = {}  # session -> bucket
        self._pools: dict[date, set[frozenset[UUID]]] = defaultdict(set)  # that times take from
        self._wide: dict[date, dict[frozenset[UUID], None]] = {}  # those of several resources
        self._shared: dict[tuple[int, date, int, int, int, UUID | None], list[tuple[int, ResourceFacts, int, int]]] = {}
        self._ways: dict[tuple[int, date], list[Beside]] = {}
        self._at: dict[tuple[int, date, UUID, UUID | None], list[int]] = defaultdict(list)  # buckets
        self._add(Bucket(None, date.min, nobody, (Group((), NOBODY, 1),)))
        counts = Counter(task.patient for task in tasks)
        self._several = {patient for patient, count in counts.items() if count > 1}
        self._has_change = any(layer.change for task in tasks for layer in task.free.layers)
        self.narrowed: list[int] = []  # courses that have their nearest dates only
        self.beyond: list[float] = []  # by course: no plan costs less that is not in its network
        self.parts: list[Network] = []
        reaches = Reaches(len(tasks), diary, alike, check)
        for number, (task, slots) in enumerate(zip(tasks, answer, strict=True)):
            check()
            reach = reaches.of(task, slots)
            self.beyond.append(reach.beyond)
            self.narrowed += [number] if reach.is_narrow else []
            self.parts.append(self._part(task, reach, slots))
        self.stays = [[self._of_slot[session] for session in task.stay] for task in tasks]
        self._groups = [group for bucket in self.of_bucket for group in bucket.groups]
        self.buckets, self.capacity = self._laid()
        self.whole = joined(self.parts)

    # --- what each course can do ----------------------------------------------------------------------------------

    def _part(self, task: Task, reach: Reach, answer: Sequence[Slot] | None) -> Network:
        chain = task.free
        for slot in task.stay.values():
            self._of_slot[slot.session] = self._booked(task, slot, chain)
        seats: dict[UUID, int] = {}
        if chain.course.lead is not None:
            seats[chain.course.lead] = 0
        cells: dict[tuple[int, int], int] = {}  # (layer, date) -> cell; -1: nothing there
        entries: list[tuple[int, int, int, int]] = []  # cell, seat, bucket, price
        if reach.is_narrow:  # the answer's times are asked for, whether a state leads to them or not
            for number, slot in enumerate(answer or ()):
                on = slot.on.toordinal()
                cells[number, on] = self._cell(task, number, on, cells, entries, seats)
        states: dict[Dates, int] = {(): 0}
        depths = []
        for number in range(len(chain.layers)):
            following: dict[Dates, int] = {}
            node_cells: list[int] = []
            to: list[int] = []
            price: list[int] = []
            counts: list[int] = []
            for state in states:
                count = 0
                for on, timed, after in reach.after[number][state]:
                    cell = cells.get((number, on))
                    if cell is None:
                        cell = cells[number, on] = self._cell(task, number, on, cells, entries, seats)
                    if cell < 0:
                        continue
                    node = following.setdefault(after, len(following))
                    if node == len(node_cells):
                        node_cells.append(cell)
                    to.append(node)
                    price.append(timed)
                    count += 1
                counts.append(count)
            had = np.array(counts, np.int64)
            is_last = number == len(chain.layers) - 1
            depths.append(
                Depth(
                    cells=np.array(node_cells, np.int64),
                    ends=np.full(len(node_cells), is_last),
                    arc_to=np.array(to, np.int64),
                    arc_price=np.array(price, np.float64),
                    arc_change=np.full(len(to), float(chain.layers[number].change)),
                    first_arcs=(np.cumsum(had) - had)[had > 0],
                    comes_from=np.flatnonzero(had),
                    before=len(counts),
                )
            )
            states = following
        root = -1 if chain.course.lead is None else 0
        return _network(entries, len([cell for cell in cells.values() if cell >= 0]), depths, root, max(len(seats), 1))

    def _cell(
        self,
        task: Task,
        number: int,
        ordinal: int,
        cells: dict[tuple[int, int], int],
        entries: list[tuple[int, int, int, int]],
        seats: dict[UUID, int],
    ) -> int:
        """Write down what a session can do on a date; return -1 when that is nothing."""
        chain, on = task.free, date.fromordinal(ordinal)
        found = self._entries(task, chain, number, on)
        if not found:
            return -1
        cell = 1 + max(cells.values(), default=-1)
        for lead, bucket, price in found:
            seat = seats.setdefault(lead.id, len(seats)) if self._has_change else 0
            entries.append((cell, seat, bucket, price))
        return cell

    def _entries(self, task: Task, chain: Chain, number: int, on: date) -> list[tuple[ResourceFacts, int, int]]:
        layer = chain.layers[number]
        session = layer.session
        if layer.fixed is not None:
            lead = _lead_of(layer.fixed, chain)
            price = chain.starts.price_of(session.step, on, lead, layer.fixed.tick)
            price += chain.wishes_missed(session.step, lead, on)
            self._of_slot[session.id] = self._add(Bucket(None, on, lead, (Group((), NOBODY, 1),), layer.fixed))
            return [(lead, self._of_slot[session.id], price)]
        found = []
        stay, booked = task.stay.get(session.id), session.booked
        if stay is not None and stay.on == on:
            lead = _lead_of(stay, chain)
            price = chain.starts.price_of(session.step, on, lead, stay.tick)
            price += chain.wishes_missed(session.step, lead, on)
            found.append((lead, self._of_slot[session.id], price))
        moved = 0 if booked is None else cost.moving_to(booked, on, chain.today, chain.weights)
        at_home: ResourceFacts | None = None
        missed = self._alike.leads_missed(chain, session.step)
        of_date = cost.date_wishes_missed(on, chain.course.wishes, chain.weights)
        for by, lead, bucket, price in self._choices(task, chain, session, on):
            if missed[by] == REFUSED:
                continue
            if booked is None or (booked.on, booked.lead) != (on, lead.id):
                found.append((lead, bucket, price + moved + of_date + missed[by]))
            elif lead is not at_home:
                at_home = lead
                found += self._beside(task, chain, number, by, lead)
        return found

    def _beside(
        self, task: Task, chain: Chain, number: int, by: int, lead: ResourceFacts
    ) -> Iterator[tuple[ResourceFacts, int, int]]:
        """Yield the choices on the date and with the lead of a booked visit: the time it has is no move.

        While that is still possible, it is the visit's own, with its own room.
        """
        session = chain.layers[number].session
        booked, kind = session.booked, self._diary.kind_of(session.step)
        assert booked is not None
        starts = self._diary.lead_starts(kind, booked.on, lead) & self._alike.open_starts(
            chain, kind, session, booked.on
        )
        if session.id in task.stay:
            starts &= ~(1 << booked.tick)
        missed = chain.wishes_missed(session.step, lead, booked.on)
        for price, mask in self._alike.classes_at_home(chain, kind, by, booked):
            bucket = self._bucket(task, session, kind, booked.on, lead, starts & mask) if starts & mask else None
            if bucket is not None:
                yield lead, bucket, price + missed

    def _choices(
        self, task: Task, chain: Chain, session: SessionFacts, on: date
    ) -> list[tuple[int, ResourceFacts, int, int]]:
        """Return the leads' numbers, leads, buckets and what time of day and holes cost; courses share them."""
        kind, wishes = self._diary.kind_of(session.step), chain.course.wishes
        times = self._diary.times(kind, on)
        if not times:
            return []
        open_starts = self._alike.open_starts(chain, kind, session, on)
        patient = task.patient if task.patient in self._several else None
        key = (kind.number, on, open_starts, wishes.from_minute, wishes.until_minute, patient)
        if key not in self._shared:
            self._shared[key] = [
                (by, lead, bucket, price)
                for by, lead, free in times
                for price, mask in self._alike.classes(chain, kind, on, by)
                if (starts := free & open_starts & mask)
                if (bucket := self._bucket(task, session, kind, on, lead, starts)) is not None
            ]
        return self._shared[key]

    def times_of(self, number: int, slots: Sequence[Slot]) -> list[int]:
        """Return the times of a task's slots."""
        task = self.tasks[number]
        found = []
        for layer, slot in zip(task.free.layers, slots, strict=True):
            kept = self._of_slot.get(slot.session) if slot == (layer.fixed or task.stay.get(slot.session)) else None
            found.append(self._time_of(task, layer.session, slot) if kept is None else int(self.buckets.first[kept]))
        return found

    def _time_of(self, task: Task, session: SessionFacts, slot: Slot) -> int:
        kind = self._diary.kind_of(session.step)
        by_role = {use.role: use.resource for use in slot.uses}
        others = [by_role[role] for role in kind.roles]
        patient = task.patient if task.patient in self._several else None
        for number in self._at[kind.number, slot.on, slot.lead, patient]:
            at = int(self.buckets.first[number])
            for group in self.of_bucket[number].groups:
                people = group.beside.people
                is_theirs = people is None or [resource.id for resource in people] == others
                if is_theirs and group.starts >> slot.tick & 1:
                    return at + (group.starts & ((1 << slot.tick) - 1)).bit_count()
                at += group.starts.bit_count()
        raise LookupError("a time that no bucket has")

    def kept(self, number: int, times: Ints) -> list[Slot]:
        """Return the slots of those times of a task at which something stands already."""
        buckets = [self.of_bucket[bucket] for bucket in self.buckets.of[times[: self._layers(number)]].tolist()]
        return [bucket.slot for bucket in buckets if bucket.slot is not None]

    def visits(self, number: int, times: Ints) -> Iterator[Visit]:
        """Yield the visits of the other times: they are to be given places."""
        task = self.tasks[number]
        for layer, time in zip(task.free.layers, times.tolist(), strict=False):
            bucket = self.of_bucket[self.buckets.of[time]]
            if bucket.slot is None and bucket.kind is not None:
                tick = int(self.buckets.ticks[time])
                others = self._groups[self._group_of[time]].beside.people
                yield Visit(
                    number, layer.session.id, task.patient, bucket.kind, bucket.on, bucket.lead, others, tick, time
                )

    def _layers(self, number: int) -> int:
        return len(self.tasks[number].free.layers)

    def best_in(self, number: int, diary: Diary) -> Ints | None:
        """Return the times of a task's cheapest plan in what a diary leaves, its own visits not being in it."""
        part, patient = self.parts[number], self.tasks[number].patient
        time_prices = np.full(len(self.buckets.of), FAR)
        used = np.unique(part.entry_bucket)
        for number_of in used.tolist():
            bucket = self.of_bucket[number_of]
            at = slice(self.buckets.first[number_of], self.buckets.first[number_of + 1])
            if bucket.slot is not None:
                is_fixed = not bucket.groups[0].own
                time_prices[at] = 0 if is_fixed or diary.is_free(bucket.slot) else FAR
            elif bucket.kind is not None:
                kind = diary.kind_of(bucket.kind.step)
                free = diary.lead_starts(kind, bucket.on, bucket.lead)
                free = diary.without_patient(free, patient, bucket.on, kind.minutes)
                time_prices[at] = [
                    0 if left >> tick & 1 else FAR
                    for group in bucket.groups
                    for left in (free & diary.others_starts(kind, bucket.on, group.beside.people) if free else 0,)
                    for tick in ticks.each(group.starts)
                ]
        bucket_prices = np.full(len(self.of_bucket), FAR)
        bucket_prices[used] = [
            time_prices[self.buckets.first[one] : self.buckets.first[one + 1]].min() for one in used.tolist()
        ]
        priced = part.priced(bucket_prices)
        if priced.roots[0] >= FAR / 2:
            return None
        times: Ints = priced.paths(np.zeros(1, np.int64), self.buckets, time_prices).times[0]
        return times

    # --- what times take ------------------------------------------------------------------------------------------

    def _add(self, bucket: Bucket) -> int:
        self.of_bucket.append(bucket)
        return len(self.of_bucket) - 1

    def _booked(self, task: Task, slot: Slot, chain: Chain) -> int:
        """Make the bucket of a visit that may stay: it takes its own resources."""
        spans: list[Span] = [(frozenset({use.resource}), use.from_tick, use.until_tick) for use in slot.uses]
        spans += self._of_patient(task, slot.tick, slot.minutes)
        return self._add(Bucket(None, slot.on, _lead_of(slot, chain), (Group(tuple(spans), NOBODY, 1),), slot))

    def _bucket(
        self, task: Task, session: SessionFacts, kind: Kind, on: date, lead: ResourceFacts, starts: int
    ) -> int | None:
        """Return the bucket of these starts, or None when there is no way to fill all roles at any of them."""
        key = (kind.number, on, lead.id, starts, task.patient if task.patient in self._several else None)
        if key not in self._numbers:
            pool = frozenset({lead.id})
            self._pools[on].add(pool)
            spans: list[Span] = [
                (pool, stretch.from_minute, stretch.until_minute) for stretch in kind.of_role[kind.lead_role]
            ]
            spans += self._of_patient(task, 0, session.step.minutes)
            own = tuple(spans)
            groups = tuple(
                Group(own, beside, left)
                for beside in self._beside_on(kind, on)
                if (left := self._left(kind, on, lead, starts & beside.starts, beside))
            )
            self._numbers[key] = self._add(Bucket(kind, on, lead, groups)) if groups else None
            if groups:
                self._at[kind.number, on, lead.id, key[-1]].append(len(self.of_bucket) - 1)
        return self._numbers[key]

    def _beside_on(self, kind: Kind, on: date) -> list[Beside]:
        """Return the ways to fill the roles but the lead's on a date; when those are too many, one by pools."""
        key = (kind.number, on)
        if key not in self._ways:
            able = [kind.able(role, on) for role in kind.roles]
            if prod(map(len, able)) > MOST_WAYS:
                pools = [frozenset(resource.id for resource in those) for those in able]
                ways = [Beside(None, -1, tuple(self._taking(kind, on, pools)))]
            else:
                ways = [
                    Beside(people, starts, tuple(self._taking(kind, on, [frozenset({one.id}) for one in people])))
                    for people in product(*able)
                    if (starts := self._diary.others_starts(kind, on, people))
                ]
            self._ways[key] = ways
        return self._ways[key]

    def _left(self, kind: Kind, on: date, lead: ResourceFacts, starts: int, beside: Beside) -> int:
        """Return the starts at which a lead may be with those."""
        people = beside.people
        if kind.is_separate or not starts or (people is not None and len({lead, *people}) == 1 + len(people)):
            return starts
        # Somebody may be meant twice: then it is asked what is free besides, time by time.
        found = (tick for tick in ticks.each(starts) if next(self._diary.ways(kind, on, lead, tick, people), None))
        return sum(1 << tick for tick in found)

    def _taking(self, kind: Kind, on: date, pools: Sequence[frozenset[UUID]]) -> Iterator[Span]:
        """Yield what a visit takes besides its lead: one of the pool of each role."""
        for pool, role in zip(pools, kind.roles, strict=True):
            self._pools[on].add(pool)
            if len(pool) > 1:
                self._wide.setdefault(on, {})[pool] = None
            for stretch in kind.of_role[role]:
                yield pool, stretch.from_minute, stretch.until_minute

    def _of_patient(self, task: Task, tick: int, minutes: int) -> list[Span]:
        """Patients with several of the courses are a pool of their own: each is in one place at a time."""
        return [(task.patient, tick, tick + minutes)] if task.patient in self._several else []

    def _laid(self) -> tuple[Buckets, Ints]:
        """Lay out the rows, and say where each time takes from them."""
        of_groups = np.repeat(np.arange(len(self.of_bucket)), [len(bucket.groups) for bucket in self.of_bucket])
        self._group_of = np.repeat(np.arange(len(of_groups)), [group.starts.bit_count() for group in self._groups])
        of = of_groups[self._group_of]
        each = {starts: list(ticks.each(starts)) for starts in {group.starts for group in self._groups}}
        at = np.array([tick for group in self._groups for tick in each[group.starts]], np.int64)
        numbers: dict[tuple[Pool, date], int] = {}
        on = [self.of_bucket[bucket].on for bucket in of_groups.tolist()]
        own = self._spans([group.own for group in self._groups], on, numbers)
        beside = self._spans([group.beside.spans for group in self._groups], on, numbers)
        row, begins, ends = np.moveaxis(np.concatenate([own, beside], axis=1)[self._group_of], 2, 0)
        takes = ends > begins
        begins, ends = begins + at[:, None], ends + at[:, None]
        edges = np.unique(np.concatenate([begins[takes], ends[takes]])) if takes.any() else np.array([0, 1])
        first, until = int(edges[0]), int(edges[-1])
        block = int(np.gcd.reduce(edges - first)) or 1
        rows = Rows(self._diary, block, first, until)
        base_of = row * (rows.width + 1)
        begins = np.where(takes, base_of + (begins - first) // block, 0)
        ends = np.where(takes, base_of + (ends - first) // block, 0)
        firsts = np.append(np.searchsorted(of, np.arange(len(self.of_bucket))), len(of))
        return Buckets(firsts, of, at, begins, ends), rows.capacities(numbers)

    def _spans(self, spans: Sequence[tuple[Span, ...]], on: Sequence[date], rows: dict[tuple[Pool, date], int]) -> Ints:
        """Return the rows that those spans on those dates take from, and when: [span, which, (row, begins, ends)]."""
        numbers: dict[int, int] = {}  # by identity: groups share spans
        found: list[list[tuple[int, int, int]]] = []
        which = []
        for those, day in zip(spans, on, strict=True):
            number = numbers.get(id(those))
            if number is None:
                number = numbers[id(those)] = len(found)
                found.append(list(self._takes(those, day, rows)))
            which.append(number)
        most = max(map(len, found))
        padded = [[*those, *[(0, 0, 0)] * (most - len(those))] for those in found]
        return np.array(padded, np.int64).reshape(len(found), most, 3)[which]

    def _takes(
        self, spans: Sequence[Span], on: date, rows: dict[tuple[Pool, date], int]
    ) -> Iterator[tuple[int, int, int]]:
        for pool, begins, ends in spans:
            if isinstance(pool, UUID):
                yield rows.setdefault((pool, on), len(rows)), begins, ends
                continue
            if pool in self._pools[on]:
                yield rows.setdefault((pool, on), len(rows)), begins, ends
            for other in self._wide.get(on, ()):
                if pool < other:
                    yield rows.setdefault((other, on), len(rows)), begins, ends


def _lead_of(slot: Slot, chain: Chain) -> ResourceFacts:
    return chain.starts.resources.get(slot.lead, ResourceFacts(slot.lead, "", "", ()))


def _network(
    entries: list[tuple[int, int, int, int]], cells: int, depths: list[Depth], root: int, seats: int
) -> Network:
    ordered = np.array(sorted(entries), np.int64).reshape(-1, 4)
    return Network(
        entry_bucket=ordered[:, 2],
        entry_price=ordered[:, 3].astype(np.float64),
        entry_cell=ordered[:, 0],
        entry_seat=ordered[:, 1],
        cells=cells,
        seats=seats,
        depths=depths,
        root_seat=np.array([root], np.int64),
    )
