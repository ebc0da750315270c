"""What courses that are alike share: the dates that may follow, the starts of a date, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import cached_property
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from . import cost, ticks
from .chains import Chain
from .diary import Diary, Kind
from .facts import ClockChange, SessionFacts, Slot, Spacing, Step
from .layers import Dates

REFUSED = 1 << 60  # more than anything costs

Classes = list[tuple[int, int]]  # price, starts
Date = tuple[int, int, Dates]  # a date, what its timing costs, the state after it


class Onward:
    """The dates that may follow a state, cheapest first; by date too."""

    def __init__(self, dates: Sequence[Date]) -> None:
        self.dates = dates

    @cached_property
    def by_date(self) -> Sequence[Date]:
        return sorted(self.dates)

    @cached_property
    def ordinals(self) -> NDArray[np.int64]:
        return np.array([on for on, *_ in self.by_date], np.int64)

    @cached_property
    def row_of(self) -> dict[int, int]:
        """The place of each date in `by_date`."""
        return {on: row for row, (on, *_) in enumerate(self.by_date)}

    @cached_property
    def timed(self) -> NDArray[np.int64]:
        """What the timing of each of `by_date` costs."""
        return np.array([timed for _, timed, _ in self.by_date], np.int64)


class Alike:
    """Asks each thing once. The diary is of the roster that all the chains have, their patients' time aside."""

    def __init__(self, diary: Diary) -> None:
        self._diary = diary
        self._onward: dict[Any, Onward] = {}
        self._spacings: dict[Spacing, int] = {}
        self._spacing_of: dict[int, tuple[Spacing, int]] = {}  # by identity; each is kept so that it stays its own
        self._open: dict[tuple[int, int, tuple[ClockChange, ...]], int] = {}
        self._classes: dict[tuple[int, date, int, int, int], Classes] = {}
        self._missed: dict[tuple[UUID | None, str, bool, bool], list[int]] = {}

    def onward(self, chain: Chain, number: int, state: Dates) -> Onward:
        """Return what `Chain.onward` yields."""
        layer = chain.layers[number]
        is_plain = (
            layer.fixed is None
            and layer.stay is None
            and layer.anchors is not None
            and not layer.may_be_early
            and layer.kept == (number,)
            and len(state) == min(number, 1)
            and not chain.is_counted
        )
        if not is_plain or layer.anchors is None:
            return Onward(list(chain.onward(number, state)))
        anchors = tuple((self._number_of(s), state[0] if isinstance(a, int) else a) for s, a in layer.anchors)
        key = (anchors, state, layer.first, layer.last, layer.closed)
        found = self._onward.get(key)
        if found is None:
            found = self._onward[key] = Onward(list(chain.onward(number, state)))
        return found

    def _number_of(self, spacing: Spacing) -> int:
        """Return a number that equal spacings share."""
        found = self._spacing_of.get(id(spacing))
        if found is None:
            number = self._spacings.setdefault(spacing, len(self._spacings))
            found = self._spacing_of[id(spacing)] = spacing, number
        return found[1]

    def open_starts(self, chain: Chain, kind: Kind, session: SessionFacts, on: date) -> int:
        """Return the starts that site, grid, patient and strict wishes allow; the first two are asked once."""
        roster = chain.roster
        day = roster.days.get(on)
        if day is None or day.closed or (roster.not_before is not None and roster.not_before > day.starts_at):
            return chain.starts.open_starts(session.step, on)
        if chain.course.wishes.strict or on in roster.patient_busy:
            return chain.starts.open_starts(session.step, on)
        key = (kind.minutes, day.length_minutes, day.changes)
        found = self._open.get(key)
        if found is None:
            found = self._open[key] = chain.starts.open_starts(session.step, on)
        return found

    def leads_missed(self, chain: Chain, step: Step) -> list[int]:
        """Return what the wishes say to each of the roster's resources as the step's lead; REFUSED where it is no."""
        wishes, is_of_others = chain.course.wishes, step.key in chain.steps_of_others
        key = (wishes.practitioner, wishes.language, wishes.strict, is_of_others)
        if key not in self._missed:
            self._missed[key] = [
                REFUSED if chain.starts.is_refused(step, lead) else chain.starts.lead_missed(step, lead)
                for lead in self._diary.roster.resources
            ]
        return self._missed[key]

    def classes(self, chain: Chain, kind: Kind, on: date, number: int) -> Classes:
        """Return what time of day and holes cost with a lead on a date: each price with its starts, cheapest first."""
        wishes, weights = chain.course.wishes, chain.weights
        stretches = kind.of_role[kind.lead_role]
        has_holes = bool(weights.hole and stretches) and self._diary.roster.resources[number].places == 1
        key = (kind.number, on, number if has_holes else -1, wishes.from_minute, wishes.until_minute)
        found = self._classes.get(key)
        if found is None:
            classes = _split([(0, -1)], ~chain.starts.wished(on, kind.minutes), weights.time_of_day)
            if has_holes:
                begins, ends = self._diary.awkward(on)
                before = ticks.shifted(begins[number], -stretches[0].from_minute)
                after = ticks.shifted(ends[number], -stretches[-1].until_minute)
                classes = _split(_split(classes, before, weights.hole), after, weights.hole)
            found = self._classes[key] = classes
        return found

    def classes_at_home(self, chain: Chain, kind: Kind, number: int, booked: Slot) -> Classes:
        """Return `classes` of the date and the lead of a booked visit, where each start but its own is a move."""
        moved = cost.moving_to(booked, booked.on, chain.today, chain.weights)
        return _split(self.classes(chain, kind, booked.on, number), ~(1 << booked.tick), moved)


def _split(classes: Classes, dearer: int, by: int) -> Classes:
    """Make some starts dearer."""
    found: dict[int, int] = {}
    for price, starts in classes:
        for at, part in ((price, starts & ~dearer), (price + by, starts & dearer)):
            if part:
                found[at] = found.get(at, 0) | part
    return sorted(found.items())
