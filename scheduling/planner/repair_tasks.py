"""One course of a repair: what it must keep, what it may move, and what a time costs it."""

from __future__ import annotations

from datetime import date
from functools import cached_property
from uuid import UUID

from . import cost
from .chains import Chain
from .diary import Diary
from .facts import CourseFacts, Roster, SessionState, Slot
from .search import still_possible


class Task:
    """A course of which all visits are planned and nothing else, those begun being pinned, and how it may be searched.

    `roster` knows its patient. The diary is of the same roster; `like` is the chain of another course there.
    """

    def __init__(
        self,
        course: CourseFacts,
        roster: Roster,
        weights: cost.Weights,
        today: date,
        diary: Diary,
        like: Chain | None = None,
    ) -> None:
        self.course = course
        self._roster, self._weights, self._today = roster, weights, today
        self.stay = _possible(course, roster, today, diary)
        self.keeping = Chain(course, roster, weights, today=today, stay=self.stay, like=like)
        lost = sum(layer.fixed is None and layer.session.id not in self.stay for layer in self.keeping.layers)
        # Visits without a time. At least one, else nothing is to be done.
        self.displaced = lost or int(not _is_at_rest(self.keeping))

    @cached_property
    def free(self) -> Chain:
        """The chain in which every visit may move that is not pinned; `keeping` moves only those that cannot stay."""
        if not self.stay:
            return self.keeping
        return Chain(self.course, self._roster, self._weights, today=self._today, stay={}, like=self.keeping)

    @property
    def patient(self) -> UUID:
        return self.course.patient.id


def fixed_slots(course: CourseFacts) -> list[Slot]:
    """Return the appointments that no plan of the course moves: pinned ones, planned with the course or not."""
    return [
        s.booked
        for s in course.sessions
        if s.state is SessionState.OPEN and s.booked is not None and (s.pinned or not s.step.planned_with_course)
    ]


def _possible(course: CourseFacts, roster: Roster, today: date, diary: Diary) -> dict[UUID, Slot]:
    """Return what `still_possible` does, asking the diary where that is enough."""
    booked = [s for s in course.sessions if s.state is SessionState.OPEN and s.booked is not None]
    if len({s.booked.on for s in booked if s.booked is not None}) < len(booked):
        return still_possible(course, roster, today)
    return {
        s.id: s.booked
        for s in booked
        if s.booked is not None and not s.pinned and diary.could_be(s.booked, s.step, roster.patient_busy)
    }


def _is_at_rest(chain: Chain) -> bool:
    """Whether every visit is where it may stay."""
    state: tuple[int, ...] = ()
    for number, layer in enumerate(chain.layers):
        only = layer.fixed or layer.stay
        on, _, state = next(chain.onward(number, state), (0, 0, ()))
        if only is None or only.on.toordinal() != on:
            return False
    return True
