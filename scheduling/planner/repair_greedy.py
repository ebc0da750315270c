"""The first answer: course by course, each visit the cheapest time that is left. Quick, and never wrong.

Order: courses whose first lost visit has the fewest dates left, then as they were given. Visits that can stay do; if
the course has no way on then, all of it may move. A session takes the cheapest of its times, by what that costs alone,
then by date, start and lead; when a later session finds none, the next best date.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from . import cost, ticks
from .chains import Chain, Dates
from .diary import Diary
from .facts import ResourceFacts, Slot
from .repair_tasks import Task, starts_by_cost

TRIES = 60  # times looked at for a course before it is left without

Choice = tuple[int, int, int, int, ResourceFacts, Dates]  # cost, date, start, lead's number, lead, state after it


def greedy(tasks: Sequence[Task], diary: Diary) -> list[list[Slot] | None]:
    """Return the slots of each task, or None where nothing was found; the diary then holds them.

    The diary must hold what stays of every task.
    """
    found: list[list[Slot] | None] = [None] * len(tasks)
    for number in sorted(range(len(tasks)), key=lambda n: (_leeway(tasks[n].keeping), n)):
        task = tasks[number]
        kept = list(task.stay.values())
        diary.free(task.patient, kept)
        slots = place(task, diary)
        found[number] = slots
        diary.take(task.patient, kept if slots is None else moving(task, slots))
    return found


def moving(task: Task, slots: Sequence[Slot]) -> list[Slot]:
    """Return the slots that a task adds to the diary: pinned ones are in it from the beginning."""
    fixed = {layer.session.id for layer in task.keeping.layers if layer.fixed is not None}
    return [slot for slot in slots if slot.session not in fixed]


def _leeway(chain: Chain) -> int:
    """Return how many dates the first session has that must move."""
    state: Dates = ()
    for number, layer in enumerate(chain.layers):
        dates = list(chain.onward(number, state))
        if not dates or (layer.fixed is None and layer.stay is None):
            return len(dates)
        state = dates[0][2]
    return 0


def place(task: Task, diary: Diary) -> list[Slot] | None:
    """Return slots for the course in what the diary leaves, its own visits not being in it, or None."""
    if not task.keeping.layers:
        return None
    kept = _from(task.keeping, 0, (), None, task, diary, iter(range(TRIES)))
    return kept or _from(task.free, 0, (), None, task, diary, iter(range(TRIES)))


def _from(
    chain: Chain,
    number: int,
    state: Dates,
    before: ResourceFacts | None,
    task: Task,
    diary: Diary,
    tries: Iterator[int],
) -> list[Slot] | None:
    """Return slots for this layer and those after it."""
    if number == len(chain.layers):
        return []
    layer = chain.layers[number]
    led_by = chain.course.lead if before is None else before.id
    for choice in _choices(chain, number, state, led_by, task, diary):
        if next(tries, None) is None:
            return None
        _, ordinal, tick, _, lead, after = choice
        on = date.fromordinal(ordinal)
        only = layer.fixed or layer.stay or task.stay.get(layer.session.id)
        is_same = only is not None and (only.on, only.tick, only.lead) == (on, tick, lead.id)
        if only is not None and is_same and (layer.fixed is not None or diary.is_free(only)):
            slot = only
        else:
            uses = next(diary.ways(diary.kind_of(layer.session.step), on, lead, tick), None)
            if uses is None:
                continue
            slot = Slot(layer.session.id, on, tick, layer.session.step.minutes, lead.id, uses)
        rest = _from(chain, number + 1, after, lead, task, diary, tries)
        if rest is not None:
            return [slot, *rest]
    return None


def _choices(chain: Chain, number: int, state: Dates, led_by: object, task: Task, diary: Diary) -> Iterator[Choice]:
    """Yield the best time of each date, cheapest first: a date is passed on once no date to come can be cheaper."""
    waiting: list[Choice] = []
    for on, timed, after in chain.onward(number, state):
        while waiting and waiting[0][0] <= timed:
            yield waiting.pop(0)
        best = _best_on(chain, number, on, led_by, task, diary)
        if best is not None:
            waiting.append((timed + best[0], on, *best[1:], after))
            waiting.sort(key=lambda choice: choice[:4])
    yield from waiting


def _best_on(
    chain: Chain, number: int, ordinal: int, led_by: object, task: Task, diary: Diary
) -> tuple[int, int, int, ResourceFacts] | None:
    """Return cost, start, lead's number and lead of the cheapest time on a date, as the diary stands."""
    layer, on = chain.layers[number], date.fromordinal(ordinal)
    step = layer.session.step
    only = layer.fixed or layer.stay
    if only is not None and only.on == on:
        lead = chain.starts.resources.get(only.lead, ResourceFacts(only.lead, "", "", ()))
        return 0, only.tick, 0, lead
    times = diary.times(diary.kind_of(step), on)
    if not times:
        return None
    open_starts = diary.without_patient(chain.starts.open_starts(step, on), task.patient, on, step.minutes)
    booked = layer.session.booked
    moved = 0 if booked is None else cost.moving_to(booked, on, chain.today, chain.weights)
    best: tuple[int, int, int, ResourceFacts] | None = None
    for number_of_lead, lead, free in times:
        starts = free & open_starts
        if not starts or chain.starts.is_refused(lead):
            continue
        price = chain.wishes_missed(lead, on) + (layer.change if led_by not in (None, lead.id) else 0)
        is_home = booked is not None and (booked.on, booked.lead) == (on, lead.id)
        if best is not None and price + (0 if is_home else moved) > best[0]:
            continue
        cheapest, mask = min(starts_by_cost(chain, number, on, lead, starts).items())
        found = (price + cheapest, ticks.lowest(mask), number_of_lead, lead)
        if best is None or found[:3] < best[:3]:
            best = found
    return best
