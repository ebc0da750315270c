"""How many treatments a calendar year has room for, where a protocol allows it so many only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import lru_cache

from .facts import StepKind
from .gates import most_in_a_year, yearly_room
from .layers import Dates, Frame, Layer
from .starts import ENDLESS


class Years:
    """The room of each year for each layer. A state then begins with how many treatments its last date's year has."""

    def __init__(self, layers: Sequence[Layer], frame: Frame, *, are_counted: bool = True) -> None:
        self._layers, self._frame = layers, frame
        self.limits = [most_in_a_year(layer.session.step) if are_counted else None for layer in layers]
        self.are_counted = any(limit is not None for limit in self.limits)
        self._rooms: dict[tuple[int, int], int] = {}

    def uncounted(self) -> Years:
        """Return the same where a year may have any number of treatments."""
        return Years(self._layers, self._frame, are_counted=False)

    def in_year(self, state: Dates, on: int) -> int:
        """Return how many treatments of the path so far lie in the year of a date that follows."""
        return state[0] if state and year_of(state[-1]) == year_of(on) else 0

    def have_room(self, number: int, state: Dates, on: int) -> bool:
        """Whether the year of the date has room for the layer after the path so far.

        A year that is full without the path is for the gate to report, or to close.
        """
        limit = self.limits[number]
        if limit is None:
            return True
        key = (number, year_of(on))
        if key not in self._rooms:
            room = yearly_room(self._layers[number].session, key[1], self._frame.outside, limit)
            self._rooms[key] = room - self._fixed_later(*key) if room > 0 else ENDLESS
        return self.in_year(state, on) < self._rooms[key]

    def full_between(self, number: int, states: Sequence[Dates], first: int, last: int) -> frozenset[int]:
        """Return the dates of [first, last] that lie in a full year after each of the states."""
        if self.limits[number] is None:
            return frozenset()
        unlike = {(state[0], year_of(state[-1])) if state else (): state for state in states}.values()
        return frozenset(
            on for on in range(first, last + 1) if not any(self.have_room(number, state, on) for state in unlike)
        )

    def _fixed_later(self, number: int, year: int) -> int:
        """Return how many treatments after a layer stand in the year whatever the path: those that are pinned."""
        return sum(
            layer.fixed is not None and layer.fixed.on.year == year and layer.session.step.kind is StepKind.TREATMENT
            for layer in self._layers[number + 1 :]
        )


@lru_cache(maxsize=4096)
def year_of(on: int) -> int:
    return date.fromordinal(on).year
