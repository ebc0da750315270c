"""The first answer: course by course, each visit the cheapest time that is left. Quick, and never wrong.

Order: courses whose first lost visit has the fewest dates left, then as they were given. Visits that can stay do; if
the course has no way on then, all of it may move. A session takes the cheapest of its times, by what that costs alone,
then by date, start and lead; when a later session finds none, the next best date.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from heapq import heappop, heappush

from . import cost, ticks
from .chains import Chain
from .diary import Diary
from .facts import ResourceFacts, Slot
from .layers import Dates
from .repair_alike import REFUSED, Alike
from .repair_tasks import Task

TRIES = 60  # times looked at for a course before it is left without

Choice = tuple[int, int, int, int, ResourceFacts, Dates]  # cost, date, start, lead's number, lead, state after it


def greedy(tasks: Sequence[Task], diary: Diary, alike: Alike) -> list[list[Slot] | None]:
    """Return the slots of each task, or None where nothing was found; the diary then holds them.

    The diary must hold what stays of every task.
    """
    found: list[list[Slot] | None] = [None] * len(tasks)
    for number in sorted(range(len(tasks)), key=lambda n: (_leeway(tasks[n].keeping, alike), n)):
        task = tasks[number]
        kept = list(task.stay.values())
        diary.free(task.patient, kept)
        slots = _placed(task, diary, alike)
        found[number] = slots
        diary.take(task.patient, kept if slots is None else moving(task, slots))
    return found


def moving(task: Task, slots: Sequence[Slot]) -> list[Slot]:
    """Return the slots that a task adds to the diary: pinned ones are in it from the beginning."""
    fixed = {layer.session.id for layer in task.keeping.layers if layer.fixed is not None}
    return [slot for slot in slots if slot.session not in fixed]


def _leeway(chain: Chain, alike: Alike) -> int:
    """Return how many dates the first session has that must move."""
    state: Dates = ()
    for number, layer in enumerate(chain.layers):
        dates = alike.onward(chain, number, state)
        if not dates or (layer.fixed is None and layer.stay is None):
            return len(dates)
        state = dates[0][2]
    return 0


def _placed(task: Task, diary: Diary, alike: Alike) -> list[Slot] | None:
    """Return slots for the course in what the diary leaves, its own visits not being in it, or None."""
    if not task.keeping.layers:
        return None
    keeping = _Ways(task, task.keeping, diary, alike)
    found = keeping.first()
    if found is not None or keeping.has_no_beginning:
        return found
    return _Ways(task, task.free, diary, alike).first()


class _Ways:
    """Looks for times of a course, layer by layer."""

    def __init__(self, task: Task, chain: Chain, diary: Diary, alike: Alike) -> None:
        self._task, self._chain, self._diary, self._alike = task, chain, diary, alike
        self._missed = alike.leads_missed(chain)
        self._tries = iter(range(TRIES))
        self._has_begun = False

    @property
    def has_no_beginning(self) -> bool:
        """Whether nothing was found for a first visit that may move: then there is nothing if all may move either."""
        first = self._chain.layers[0]
        return not (self._has_begun or first.fixed or first.stay)

    def first(self) -> list[Slot] | None:
        lead = self._chain.course.lead
        return self._from(0, (), None if lead is None else self._diary.number_of(lead))

    def _from(self, at: int, state: Dates, led_by: int | None) -> list[Slot] | None:
        """Return slots for this layer and those after it."""
        if at == len(self._chain.layers):
            return []
        layer = self._chain.layers[at]
        for _, ordinal, tick, number, lead, after in self._choices(at, state, led_by):
            if next(self._tries, None) is None:
                return None
            on = date.fromordinal(ordinal)
            only = layer.fixed or layer.stay or self._task.stay.get(layer.session.id)
            is_same = only is not None and (only.on, only.tick, only.lead) == (on, tick, lead.id)
            if only is not None and is_same and (layer.fixed is not None or self._diary.is_free(only)):
                slot = only
            else:
                kind = self._diary.kind_of(layer.session.step)
                uses = next(self._diary.ways(kind, on, lead, tick), None)
                if uses is None:
                    continue
                slot = Slot(layer.session.id, on, tick, kind.minutes, lead.id, uses)
            self._has_begun = True
            rest = self._from(at + 1, after, number)
            if rest is not None:
                return [slot, *rest]
        return None

    def _choices(self, at: int, state: Dates, led_by: int | None) -> Iterator[Choice]:
        """Yield the best time of each date, cheapest first: a date is passed on once no date to come can be cheaper."""
        waiting: list[Choice] = []
        for on, timed, after in self._alike.onward(self._chain, at, state):
            while waiting and waiting[0][0] <= timed:
                yield heappop(waiting)
            best = self._best_on(at, on, led_by)
            if best is not None:
                heappush(waiting, (timed + best[0], on, *best[1:], after))
        while waiting:
            yield heappop(waiting)

    def _best_on(self, at: int, ordinal: int, led_by: int | None) -> tuple[int, int, int, ResourceFacts] | None:
        """Return cost, start, lead's number and lead of the cheapest time on a date, as the diary stands."""
        chain, diary, alike = self._chain, self._diary, self._alike
        layer, on = chain.layers[at], date.fromordinal(ordinal)
        only = layer.fixed or layer.stay
        if only is not None and only.on == on:
            lead = chain.starts.resources.get(only.lead, ResourceFacts(only.lead, "", "", ()))
            return 0, only.tick, diary.number_of(only.lead), lead
        session = layer.session
        kind = diary.kind_of(session.step)
        times = diary.times(kind, on)
        if not times:
            return None
        open_starts = alike.open_starts(chain, kind, session, on)
        open_starts = diary.without_patient(open_starts, self._task.patient, on, kind.minutes)
        booked = session.booked
        moved = 0 if booked is None else cost.moving_to(booked, on, chain.today, chain.weights)
        home = diary.number_of(booked.lead) if booked is not None and booked.on == on else None
        missed = cost.date_wishes_missed(on, chain.course.wishes, chain.weights)
        best: tuple[int, int, int, ResourceFacts] | None = None
        for number, lead, free in times:
            starts = free & open_starts
            if not starts or self._missed[number] == REFUSED:
                continue
            price = missed + self._missed[number]
            if led_by is not None and led_by != number:
                price += layer.change
            if number == home and booked is not None:
                classes = alike.classes_at_home(chain, kind, number, booked)
            else:
                price += moved
                classes = alike.classes(chain, kind, on, number)
            for more, those in classes:
                if best is not None and price + more > best[0]:
                    break
                if starts & those:
                    tick = ticks.lowest(starts & those)
                    if best is None or (price + more, tick) < best[:2]:
                        best = (price + more, tick, number, lead)
                    break
        return best
