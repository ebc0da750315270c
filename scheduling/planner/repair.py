"""The cheapest repair of many courses together, after an absence, a closure, a room or a device that failed.

Each course gets a whole plan or none; what couples them is that nobody, and no room, is in two places at once. A first
answer comes at once, then better ones, each with what no answer can beat.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

import numpy as np

from .cost import Weights, price
from .diary import Diary
from .facts import CourseFacts, Move, Plan, Roster, Slot
from .plans import plan_of
from .repair_alike import Alike
from .repair_bounds import Bounds
from .repair_greedy import greedy, moving
from .repair_master import EPSILON, Master
from .repair_networks import Networks
from .repair_paths import Paths
from .repair_places import Visit, placed
from .repair_rows import Floats, Ints
from .repair_tasks import Task, fixed_slots
from .search import as_repaired, moves_to, with_visits_only
from .shapes import patient_span, with_taken
from .timetable import Taken, packed


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a repair is; from the first answer on each is at least as good as the one before it."""

    seconds: float
    cost: int  # of the best answer so far
    bound: int | None  # no answer costs less
    stage: str  # first, reading (before it too, where that takes long), bounding, combining


@dataclass(frozen=True, slots=True)
class CourseRepair:
    """What becomes of one course. Without a plan it found no time: its booked visits that are still possible stay."""

    course: UUID
    plan: Plan | None
    moves: tuple[Move, ...]
    cost: int  # its part of the whole: nothing for a course that has lost nothing


@dataclass(frozen=True, slots=True)
class JointRepair:
    """One repair of all courses, in the order in which they were given.

    `cost` is that of the plans of the courses that need repair, and `unplaced` for each lost visit of a course without
    a plan. No repair costs less than `bound`.
    """

    courses: tuple[CourseRepair, ...]
    cost: int
    bound: int
    unplaced: int  # lost visits of courses without a plan
    is_complete: bool  # False: stopped early, by time or by whoever listened
    narrowed: tuple[UUID, ...] = ()  # courses of which only the nearest dates were looked at; the bound holds for all


def unheard(_: Progress) -> bool:
    return True


def repair_together(
    courses: Sequence[CourseFacts],
    roster: Roster,
    patients_busy: Mapping[UUID, Mapping[date, int]],
    weights: Weights,
    *,
    today: date,
    seconds: float,
    on_progress: Callable[[Progress], bool] = unheard,
    clock: Callable[[], float] = time.monotonic,
) -> JointRepair:
    """Return the cheapest way on for all these courses together that is found in so many seconds.

    `roster` is the site's, without any appointment of these courses; `patients_busy` is each course's
    `Roster.patient_busy`. A booking that is impossible now (nobody there, closed, no longer able) is lost. A course
    that has lost nothing is left alone and costs nothing. The others get new times for all their visits, or for none;
    a visit that is not lost may move too, where that is cheaper for all. Sessions without an appointment take no part:
    they lose nothing, get nothing, and may find their time taken (see `search.with_room`). `on_progress` hears of each
    better answer, and at least about once a second; when it returns False the best answer so far is returned.
    `clock` counts seconds from anywhere: it is asked when to stop, and for nothing else. The same facts give the same
    answer as long as no time limit cuts in: `seconds`, or the moment that each solver may keep silent.
    """
    watch = _Watch(clock, seconds, on_progress)
    work = _Work(courses, roster, patients_busy, weights, today)
    search = _Search(work, watch)
    try:
        search.run()
        is_complete = True
    except _Stopped:
        is_complete = False
    narrowed = tuple(work.tasks[number].course.id for number in search.narrowed)
    return replace(work.joined(search.answer), bound=search.bound, is_complete=is_complete, narrowed=narrowed)


TELL_EVERY = 0.5  # seconds
COLUMNS_A_ROUND = 3  # per course
COLUMNS_TOGETHER = 6  # per course, when they are combined in whole numbers; more when it was easy
COMBINE_EVERY = 6  # rounds, while better columns are still found
COLUMNS_BESIDE = 40  # per course that the linear programme has not decided
TRIES_BESIDE = 5  # to find places for what it has decided
LEFT_AFTER_BOUNDING = 0.5  # of the time
SMOOTHING = 0.5  # how near to the best prices known plans are asked for
GOOD = 1000  # once the bound is what it can be, an answer is good when it is above by no more than this part of it
NEIGHBOURHOODS, FREE = 4, 0.3  # tries with so many of the courses free


class _Stopped(Exception):
    """Time is over, or nobody wants to wait any longer."""


class _Watch:
    """Tells whoever listens how far we are, and when to stop."""

    def __init__(self, clock: Callable[[], float], seconds: float, on_progress: Callable[[Progress], bool]) -> None:
        self._clock, self._seconds, self._on_progress = clock, seconds, on_progress
        self._began, self._told = clock(), 0.0
        self._said: tuple[int, int | None, str] | None = None

    @property
    def passed(self) -> float:
        return self._clock() - self._began

    @property
    def left(self) -> float:
        return self._seconds - self.passed

    @property
    def is_due(self) -> bool:
        """Whether nothing was said for a while."""
        return self.passed - self._told >= TELL_EVERY

    def tell(self, cost: int, bound: int | None, stage: str) -> None:
        """Tell when there is something new, or nothing was said for a while; raise when that was the last."""
        now, saying = self.passed, (cost, bound, stage)
        is_news = self._said is None or (cost, stage) != (self._said[0], self._said[2])
        if is_news or now - self._told >= TELL_EVERY:
            self._told, self._said = now, saying
            if not self._on_progress(Progress(now, cost, bound, stage)):
                raise _Stopped
        if now >= self._seconds:
            raise _Stopped


class _Search:
    """The best answer so far, and what leads to better ones."""

    def __init__(self, work: _Work, watch: _Watch) -> None:
        self.work, self._watch = work, watch
        self.answer: list[list[Slot] | None] = [None] * len(work.tasks)
        self.cost = sum(work.unplaced)
        self.bound, self._stage = 0, "first"
        self.narrowed: Sequence[int] = ()
        self._columns: list[int] = []
        self._together = COLUMNS_TOGETHER
        self._chance = np.random.default_rng(1)  # the same in every run

    def check(self) -> None:
        self._watch.tell(self.cost, self.bound if self._stage != "first" else None, self._stage)

    def run(self) -> None:
        """Improve the answer until nothing can be better, or it is near enough to the bound and not easily improved."""
        self._begin()
        self.check()
        if not self.work.tasks:
            return
        self._stage = "reading"
        networks = Networks(self.work.tasks, self.work.given, self.work.alike, self.answer, self.check)
        self.narrowed = networks.narrowed
        bounds = Bounds(networks, self.work.unplaced)
        master = Master(networks)
        for number, unplaced in enumerate(self.work.unplaced):
            master.add(number, unplaced, [networks.buckets.first[bucket] for bucket in networks.stays[number]])
        self._learn(self.answer, networks, master)
        self._stage = "bounding"
        self._climb(bounds, master)
        rounds, most = 0, COLUMNS_A_ROUND
        while self.cost > self.bound:
            prices, of_courses = master.solve(self.check)
            added = self._price(prices, of_courses, bounds, master)
            rounds += 1
            if added and rounds % COMBINE_EVERY != 1:
                continue
            self._stage = "combining"
            is_bounded = not added
            if is_bounded:
                most *= 4
                added = self._price(prices, of_courses, bounds, master, most, self.cost - self.bound)
            is_certain = self._combine(prices, of_courses, networks, master)
            if is_bounded and ((is_certain and not added) or GOOD * (self.cost - self.bound) <= self.cost):
                return

    def _begin(self) -> None:
        """Take the first answer, or as much of it as there is when nobody waits any longer."""
        for answer in greedy(self.work.tasks, self.work.diary, self.work.alike):
            self.answer = answer
            if self._watch.is_due:
                self.cost = self.work.cost_of(answer)
                self._watch.tell(self.cost, None, "reading")
        self.cost = self.work.cost_of(self.answer)

    def _climb(self, bounds: Bounds, master: Master) -> None:
        """Raise the bound, and keep the plans of the first and of the last steps as columns."""
        last: deque[Paths] = deque(maxlen=20)
        for step, paths in enumerate(bounds.climb(lambda: self.cost)):
            if self._watch.left < LEFT_AFTER_BOUNDING * (self._watch.left + self._watch.passed):
                break
            self.bound = max(self.bound, min(self.cost, bounds.proven))
            self.check()
            if step < 5:
                _add(paths, master)
            last.append(paths)
        for paths in last:
            _add(paths, master)

    def _price(
        self,
        prices: Floats,
        of_courses: Floats,
        bounds: Bounds,
        master: Master,
        most: int = COLUMNS_A_ROUND,
        slack: float = 0,
    ) -> int:
        """Add plans that these prices find cheap, asked first at prices nearer to the best known; return how many.

        With slack, plans are added too that may be part of an answer which is so much dearer than the bound.
        """
        added = 0
        for share in (SMOOTHING, 0.0):
            asked = bounds.at(share * bounds.center + (1 - share) * prices)
            self.bound = max(self.bound, min(self.cost, bounds.proven))
            self.check()
            paths = asked.paths(bounds.networks, most)
            gain = paths.costs + bounds.networks.buckets.prices(prices)[paths.times].sum(axis=1)
            cheap = gain < of_courses[paths.courses] + slack - EPSILON
            added += _add(Paths(paths.courses[cheap], paths.times[cheap], paths.costs[cheap]), master)
            if added:
                break
        return added

    def _combine(self, prices: Floats, of_courses: Floats, networks: Networks, master: Master) -> bool:
        """Look for a better answer among the columns that may be part of one; say whether there is none better in them.

        When that takes too long, parts of the best answer are kept, other ones each time.
        """
        courses, costs = np.array(master.courses), np.array(master.costs)
        times = master.times[: len(courses)]
        extra = costs + networks.buckets.prices(prices)[times].sum(axis=1) - of_courses[courses]
        limit = self.cost - (of_courses.sum() - (prices * networks.capacity).sum())
        order = np.lexsort((extra, courses))
        rank = np.arange(len(order)) - np.searchsorted(courses[order], courses[order])
        may_help = order[extra[order] <= limit + EPSILON]
        rank = rank[extra[order] <= limit + EPSILON]
        for _ in range(TRIES_BESIDE):
            known = len(master.forbidden)
            whole = np.flatnonzero(master.values > 1 - EPSILON)
            whole = whole[~np.isin(courses[whole], master.in_forbidden)]
            beside = may_help[(rank < COLUMNS_BESIDE) & ~np.isin(courses[may_help], courses[whole])]
            self._choose(np.union1d(whole, beside), networks, master)
            if len(master.forbidden) == known:
                break
        near = may_help[rank < self._together]
        is_certain = self._choose(np.union1d(near, self._columns), networks, master)
        self._together = max(3, self._together * 2 if is_certain else self._together * 2 // 3)
        is_all = is_certain and len(near) == len(may_help)
        for _ in range(0 if is_certain else NEIGHBOURHOODS):
            free = self._chance.random(len(networks.tasks)) < FREE
            self._choose(np.union1d(near[free[courses[near]]], self._columns), networks, master)
        return is_all

    def _choose(self, columns: Ints, networks: Networks, master: Master) -> bool:
        """Take the best choice of these columns when it is better than the answer; say whether it is the best."""
        if self.cost <= self.bound:
            return True
        found = master.choose(columns, self._columns, self.bound, self._watch.left)
        self.check()
        if found is None:
            return False
        chosen, is_certain = found
        if sum(master.costs[column] for column in chosen) < self.cost:
            answer, without = self.work.placed(chosen, networks, master)
            master.forbid([(visit.course, visit.time) for visit in visits] for visits in without)
            if answer is not None:
                self._learn(answer, networks, master)
        return is_certain

    def _learn(self, answer: list[list[Slot] | None], networks: Networks, master: Master) -> None:
        """Know an answer's plans as columns, and keep it when it is better."""
        columns = []
        for number, (task, slots) in enumerate(zip(self.work.tasks, answer, strict=True)):
            cost = self.work.unplaced[number]
            if slots is None:
                times = [int(networks.buckets.first[bucket]) for bucket in networks.stays[number]]
            else:
                times, cost = networks.times_of(number, slots), self.work.cost_of_one(task, slots)
            master.add(number, cost, times)
            columns.append(master.number(number, times))
        cost = self.work.cost_of(answer)
        if cost < self.cost or answer is self.answer:
            self.answer, self.cost, self._columns = answer, cost, columns
            self.check()


def _add(paths: Paths, master: Master) -> int:
    rows = zip(paths.courses.tolist(), paths.costs.tolist(), paths.times, strict=True)
    return sum(master.add(course, cost, times) for course, cost, times in rows)


class _Work:
    """What is read once: the tasks, and the diary with everything in it that stays."""

    def __init__(
        self,
        courses: Sequence[CourseFacts],
        roster: Roster,
        patients_busy: Mapping[UUID, Mapping[date, int]],
        weights: Weights,
        today: date,
    ) -> None:
        self.weights, self.today = weights, today
        # Packed once: each course's chain would do it by itself.
        roster = replace(
            roster,
            on_duty=packed(roster.on_duty),
            busy=roster.busy if isinstance(roster.busy, Taken) else Taken.of(roster.busy),
        )
        self.courses = [with_visits_only(as_repaired(course, roster, today)) for course in courses]
        self._roster = with_taken(roster, [slot for course in self.courses for slot in fixed_slots(course)])
        self.given = Diary(self._roster)  # without anything of the tasks
        self.alike = Alike(self.given)
        self._for_nobody = replace(self._roster, patient_busy={})
        self.all: list[Task] = []
        for course in self.courses:
            self.all.append(self._task(course, patients_busy.get(course.id, {})))
        at_rest = [task for task in self.all if not task.displaced]
        for task in at_rest:
            self.given.take(task.patient, task.stay.values())
        self.all = [self._beside(task, at_rest) for task in self.all]
        self.tasks = [task for task in self.all if task.displaced]
        self.unplaced = [weights.unplaced * task.displaced for task in self.tasks]
        self.diary = self.given.above()
        for task in self.tasks:
            self.diary.take(task.patient, task.stay.values())

    def _task(self, course: CourseFacts, patient_busy: Mapping[date, int]) -> Task:
        roster = replace(self._roster, patient_busy=patient_busy) if patient_busy else self._for_nobody
        return Task(course, roster, self.weights, self.today, self.given, self.all[0].keeping if self.all else None)

    def _beside(self, task: Task, at_rest: Sequence[Task]) -> Task:
        """Return the task with its patient's visits in other courses, which are left alone."""
        others = [slot for one in at_rest if one.patient == task.patient for slot in one.stay.values()]
        if not task.displaced or not others:
            return task
        busy = dict(task.keeping.roster.patient_busy)
        for slot in others:
            busy[slot.on] = busy.get(slot.on, 0) | patient_span(slot)
        return self._task(task.course, busy)

    def cost_of_one(self, task: Task, slots: Sequence[Slot]) -> int:
        chain = task.keeping
        parts = price(
            slots,
            task.course,
            chain.roster,
            self.weights,
            today=self.today,
            moves=True,
            resources=self.diary.resources,
            windows=chain.windows(slots),
        )
        return sum(part.total for part in parts)

    def cost_of(self, answer: Sequence[list[Slot] | None]) -> int:
        return sum(self.costs_of(answer))

    def costs_of(self, answer: Sequence[list[Slot] | None]) -> list[int]:
        return [
            unplaced if slots is None else self.cost_of_one(task, slots)
            for task, unplaced, slots in zip(self.tasks, self.unplaced, answer, strict=True)
        ]

    def placed(
        self, columns: Sequence[int], networks: Networks, master: Master
    ) -> tuple[list[list[Slot] | None] | None, list[list[Visit]]]:
        """Return the columns, one for each task, as an answer: with a place for every visit.

        A course of which a visit finds no place (see `repair_networks`) gets other times, or none; these visits are
        returned too, with those that they could not be beside. No answer when even that cannot be: what the course
        would keep is taken.
        """
        diary = self.given.above()
        visits: list[Visit] = []
        answer: list[list[Slot] | None] = []
        for number, (task, column) in enumerate(zip(self.tasks, columns, strict=True)):
            if column < len(self.tasks):
                answer.append(None)
                diary.take(task.patient, task.stay.values())
            else:
                times = master.times[column]
                slots = networks.kept(number, times)
                answer.append(slots)
                diary.take(task.patient, moving(task, slots))
                visits += networks.visits(number, times)
        found, without = placed(visits, diary)
        _sort_in(found, answer)
        again = sorted({visit.course for visit, *_ in without})
        for number in again:
            diary.free(self.tasks[number].patient, moving(self.tasks[number], answer[number] or ()))
        for number in again:
            task = self.tasks[number]
            answer[number] = self._placed_alone(number, diary, networks)
            if answer[number] is None:
                if not all(diary.is_free(slot) for slot in task.stay.values()):
                    return None, without
                diary.take(task.patient, task.stay.values())
        return answer, without

    def _placed_alone(self, number: int, diary: Diary, networks: Networks) -> list[Slot] | None:
        """Put the cheapest plan of one course that the diary leaves into it, and return it."""
        task, times = self.tasks[number], networks.best_in(number, diary)
        if times is None:
            return None
        slots = networks.kept(number, times)
        diary.take(task.patient, moving(task, slots))
        found, without = placed(list(networks.visits(number, times)), diary)
        slots = sorted([*slots, *(slot for _, slot in found)], key=lambda slot: slot.on)
        if without:
            diary.free(task.patient, moving(task, slots))
            return None
        return slots

    def joined(self, answer: Sequence[list[Slot] | None]) -> JointRepair:
        tasks = [task.course.id for task in self.tasks]
        found = dict(zip(tasks, answer, strict=True))
        costs = dict(zip(tasks, self.costs_of(answer), strict=True))
        repaired = []
        for task in self.all:
            slots = found.get(task.course.id)
            if not task.displaced:
                slots = [s for layer in task.keeping.layers if (s := layer.fixed or layer.stay) is not None]
            plan = None if slots is None else plan_of(slots, task.keeping)
            cost = costs.get(task.course.id, 0)
            repaired.append(CourseRepair(task.course.id, plan, moves_to(slots or (), task.course), cost))
        unplaced = sum(task.displaced for task, one in zip(self.all, repaired, strict=True) if one.plan is None)
        return JointRepair(tuple(repaired), sum(costs.values()), 0, unplaced, is_complete=True)


def _sort_in(found: Sequence[tuple[Visit, Slot]], answer: Sequence[list[Slot] | None]) -> None:
    """Add each slot to those of its course."""
    for visit, slot in found:
        slots = answer[visit.course]
        assert slots is not None
        slots.append(slot)
        slots.sort(key=lambda one: one.on)
