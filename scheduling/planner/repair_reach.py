"""Which dates a course's network holds: all that its chain allows, or the nearest where all would be too many.

Counted, not timed. Where windows have no end, or several dates must be remembered, the dates after all states are too
many for memory, and most lie far from the best ones. So each course has an equal share of MOST_TOGETHER, and
MOST_OF_ONE at most. Where all its dates are more, it has the nearest by what their timing costs, as many after each
state as the share allows (NEAREST), and always the dates of its booked visits and of its first answer. A plan with
another date costs at least what the timing of such a date costs (`beyond`): with that in it, a bound on the plans in
the network is one on all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from .diary import Diary
from .facts import Slot
from .layers import Dates
from .repair_alike import Alike, Date
from .repair_paths import FAR
from .repair_tasks import Task
from .work import MOST_DATES, MOST_TRIED

MOST_TOGETHER = MOST_DATES  # dates after the states of all courses
MOST_OF_ONE = MOST_TRIED
NEAREST = (48, 16, 6, 2)  # open dates after each state; where even they are too many, its own dates only
DATES_A_BEAT = 10_000

Own = Sequence[frozenset[int]]  # dates that each layer has in any case


@dataclass(frozen=True, slots=True)
class Reach:
    """The dates of a course's network."""

    after: Sequence[Mapping[Dates, Sequence[Date]]]  # by layer and state
    beyond: float = FAR  # no plan costs less that has another date
    is_narrow: bool = False


class Reaches:
    """Shares what may be looked at among the courses of a repair. `check` hears of it as it goes."""

    def __init__(self, courses: int, diary: Diary, alike: Alike, check: Callable[[], None]) -> None:
        self._diary, self._alike, self._check = diary, alike, check
        self._share = min(MOST_OF_ONE, MOST_TOGETHER // max(courses, 1))

    def of(self, task: Task, answer: Sequence[Slot] | None) -> Reach:
        """Return the dates of a course that has this first answer."""
        return next(reach for way in self._ways(task, answer) if (reach := self._within(way, task)) is not None)

    def _ways(self, task: Task, answer: Sequence[Slot] | None) -> Iterator[_Whole | _Near]:
        yield _Whole(task, self._alike)
        layers = task.free.layers
        answered = [frozenset({slot.on.toordinal()}) for slot in answer or ()] or [frozenset[int]()] * len(layers)
        booked = [layer.session.booked for layer in layers]
        own = [on | {slot.on.toordinal()} if slot else on for on, slot in zip(answered, booked, strict=True)]
        for most in NEAREST:
            yield _Near(task, self._diary, own, most)
        yield _Near(task, self._diary, answered, 0)

    def _within(self, way: _Whole | _Near, task: Task) -> Reach | None:
        """Walk all the states that a way leads to; None when that is more than the share."""
        work = task.free.work
        heard = work.dates
        work.allow(self._share)
        layers: list[dict[Dates, Sequence[Date]]] = []
        states: dict[Dates, None] = {(): None}
        for number in range(len(task.free.layers)):
            layers.append({})
            following: dict[Dates, None] = {}
            for state in states:
                dates = layers[-1][state] = way.after(number, state)
                if work.is_over and way.may_be_too_much:
                    return None
                if work.dates - heard > DATES_A_BEAT:
                    heard = work.dates
                    self._check()
                for _, _, after in dates:
                    following[after] = None
            states = following
        return Reach(layers, way.beyond, isinstance(way, _Near))


class _Whole:
    """All dates."""

    beyond, may_be_too_much = FAR, True

    def __init__(self, task: Task, alike: Alike) -> None:
        self._chain, self._alike = task.free, alike

    def after(self, number: int, state: Dates) -> Sequence[Date]:
        dates = self._alike.onward(self._chain, number, state).dates
        self._chain.work.dates += len(dates)
        return dates


class _Near:
    """So many of the dates on which the clinic has time, the nearest, and the course's own."""

    def __init__(self, task: Task, diary: Diary, own: Own, most: int) -> None:
        self._chain, self._diary, self._own, self._most = task.free, diary, own, most
        self._kinds = [diary.kind_of(layer.session.step) for layer in task.free.layers]
        self.beyond = FAR
        self.may_be_too_much = most > 0

    def after(self, number: int, state: Dates) -> Sequence[Date]:
        chain, own, left, found = self._chain, self._own[number], self._most, dict[int, Date]()
        for one in chain.onward(number, state):
            on, timed, _ = one
            chain.work.dates += 1
            if on not in own:
                if not self._diary.times(self._kinds[number], date.fromordinal(on)):
                    continue
                if not left:
                    self.beyond = min(self.beyond, timed)
                    break
                left -= 1
            found[on] = one
        further = (chain.onward_on(number, state, on) for on in sorted(own - found.keys()))
        return [*found.values(), *(one for one in further if one is not None)]
