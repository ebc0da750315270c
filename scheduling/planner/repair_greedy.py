"""The first answer: course by course, each visit the cheapest time that is left. Quick, and never wrong.

Order: courses whose first lost visit has the fewest dates left, then as they were given. Visits that can stay do; if
the course has no way on then, all of it may move. A session takes the cheapest of its times, by what that costs alone,
then by date, start and lead; when a later session finds none, the next best date. What a time costs does not depend on
the other courses, so the best of each date stands on boards that all of them share: see `repair_boards`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from heapq import heappop, heappush

from . import cost
from .chains import Chain
from .diary import Diary
from .facts import Slot
from .layers import Dates, Layer
from .repair_alike import REFUSED, Alike, Onward
from .repair_boards import Best, Board, Boards
from .repair_rows import Ints
from .repair_tasks import Task

TRIES = 60  # times looked at for a course before it is left without

Choice = tuple[int, int, int, int, Dates]  # cost, date, start, lead's number, state after it


def greedy(tasks: Sequence[Task], diary: Diary, alike: Alike) -> Iterator[list[list[Slot] | None]]:
    """Yield the slots of each task so far, course by course, or None where nothing is found; the diary then holds them.

    Each is an answer by itself, and the last is the whole. The diary must hold what stays of every task. Of a course
    no more is looked at than the dates of each session, and those after TRIES times, twice.
    """
    found: list[list[Slot] | None] = [None] * len(tasks)
    boards = Boards(diary, alike)
    for number in sorted(range(len(tasks)), key=lambda n: (_leeway(tasks[n].keeping, alike), n)):
        task = tasks[number]
        kept = _Kept(task, diary)
        slots = _placed(task, kept, boards)
        found[number] = slots
        kept.end_with(list(task.stay.values()) if slots is None else moving(task, slots))
        yield found


def moving(task: Task, slots: Sequence[Slot]) -> list[Slot]:
    """Return the slots that a task adds to the diary: pinned ones are in it from the beginning."""
    fixed = {layer.session.id for layer in task.keeping.layers if layer.fixed is not None}
    return [slot for slot in slots if slot.session not in fixed] if fixed else list(slots)


def _leeway(chain: Chain, alike: Alike) -> int:
    """Return how many dates the first session has that must move."""
    state: Dates = ()
    for number, layer in enumerate(chain.layers):
        dates, only = alike.onward(chain, number, state).dates, layer.fixed or layer.stay
        chain.work.dates += len(dates)
        if not dates or only is None or only.on.toordinal() != dates[0][0]:
            return len(dates)
        state = dates[0][2]
    return 0


def _placed(task: Task, kept: _Kept, boards: Boards) -> list[Slot] | None:
    """Return slots for the course in what the diary leaves without its own visits, or None."""
    if not task.keeping.layers:
        return None
    keeping = _Ways(task, task.keeping, kept, boards)
    found = keeping.first()
    if found is not None or keeping.has_no_beginning:
        return found
    return _Ways(task, task.free, kept, boards).first()


class _Kept:
    """The visits of a course that are in the diary: each is taken out before its date is looked at."""

    def __init__(self, task: Task, diary: Diary) -> None:
        self._patient, self._diary = task.patient, diary
        self._held = list(task.stay.values())

    def leave(self, first: int, last: int) -> None:
        """Take those out that lie between these dates."""
        left = [slot for slot in self._held if first <= slot.on.toordinal() <= last]
        if left:
            self._diary.free(self._patient, left)
            self._held = [slot for slot in self._held if slot not in left]

    def end_with(self, slots: Sequence[Slot]) -> None:
        """Have these in the diary, and no others."""
        held, wanted = {id(slot) for slot in self._held}, {id(slot) for slot in slots}
        self._diary.free(self._patient, [slot for slot in self._held if id(slot) not in wanted])
        self._diary.take(self._patient, [slot for slot in slots if id(slot) not in held])


class _Ways:
    """Looks for times of a course, layer by layer."""

    def __init__(self, task: Task, chain: Chain, kept: _Kept, boards: Boards) -> None:
        self._task, self._chain, self._kept, self._boards = task, chain, kept, boards
        self._diary, self._alike = boards.diary, boards.alike
        # Where the patient has visits in the diary (or had: its own) or elsewhere, other starts count than for others.
        self._busy_on = {*chain.roster.patient_busy, *self._diary.dates_of(task.patient)}
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
        only = layer.fixed or layer.stay or self._task.stay.get(layer.session.id)
        for _, ordinal, tick, number, after in self._choices(at, state, led_by):
            if next(self._tries, None) is None:
                return None
            on = date.fromordinal(ordinal)
            if only is not None and (only.on, only.tick, self._diary.number_of(only.lead)) == (on, tick, number):
                slot = only
            else:
                kind, lead = self._diary.kind_of(layer.session.step), self._diary.roster.resources[number]
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
        """Yield the best time of each date, cheapest first, then by date: no date to come can be cheaper."""
        layer, onward = self._chain.layers[at], self._alike.onward(self._chain, at, state)
        only = layer.fixed or layer.stay
        self._chain.work.dates += len(onward.dates)
        if not onward.dates:
            return
        ordinal, timed, after = onward.dates[0]
        if only is not None and only.on.toordinal() == ordinal:  # then it is the only one
            yield timed, ordinal, only.tick, self._diary.number_of(only.lead), after
            return
        self._kept.leave(onward.by_date[0][0], onward.by_date[-1][0])
        board, booked = self._boards.of(self._chain, layer.session), layer.session.booked
        of_leads, of_dates = self._of_leads(layer, led_by), self._of_dates(layer, onward)
        least = of_dates.copy()
        if booked is not None and (home := onward.row_of.get(booked.on.toordinal())) is not None:
            least[home] = 0  # the time that it has is no move
        waiting: list[Choice] = []
        for place in least.argsort(kind="stable").tolist():
            while waiting and waiting[0][0] < least[place]:
                yield heappop(waiting)
            ordinal, _, after = onward.by_date[place]
            on = date.fromordinal(ordinal)
            best: Best = (REFUSED, 0, 0)
            for of_start, tick, number in self._row(board, on, booked):
                price = of_start + of_leads[number]
                if price <= best[0] and (price, tick, number) < best:
                    best = price, tick, number
            if best[0] < REFUSED:
                heappush(waiting, (best[0] + int(of_dates[place]), ordinal, *best[1:], after))
        while waiting:
            yield heappop(waiting)

    def _row(self, board: Board, on: date, booked: Slot | None) -> Sequence[Best]:
        """Return the row of a date: the course's own where its patient, or where a visit is booked, makes it other."""
        if on in self._busy_on or (booked is not None and booked.on == on and board.has_time(booked)):
            return board.row_of(on, self._chain, self._task.patient, booked)
        return board.row(on)

    def _of_dates(self, layer: Layer, onward: Onward) -> Ints:
        """Return what each date costs whoever leads, when the visit is moved to it if it is booked."""
        chain, wishes, found = self._chain, self._chain.course.wishes, onward.timed
        if layer.session.booked is not None:
            found = found + cost.moving_to_dates(layer.session.booked, onward.ordinals, chain.today, chain.weights)
        if wishes.weekdays or wishes.avoid_dates:
            first, last = onward.by_date[0][0], onward.by_date[-1][0]
            found = found + cost.dates_missed(first, last, wishes, chain.weights)[onward.ordinals - first]
        return found

    def _of_leads(self, layer: Layer, led_by: int | None) -> Sequence[int]:
        """Return what each of the roster's resources costs as a lead, by the wishes and as a change."""
        found = self._alike.leads_missed(self._chain, layer.session.step)
        if led_by is not None and layer.change:
            found = [missed + (layer.change if number != led_by else 0) for number, missed in enumerate(found)]
        return found
