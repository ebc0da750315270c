"""The reference for plans: a bare numpy kernel over raw bookings, written without a look at the planner.

For one practitioner and day only the cheapest start matters, so a course is a shortest path through one layer of
(practitioner, day) for each session. Nothing here knows of gates, phases, absences by the hour or zones.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from .instances import Clinic, Course, duty_of, is_within

OPENS, CLOSES = 6 * 60, 22 * 60  # nobody works outside these hours
NEVER = 1 << 28

Costs = NDArray[np.int32]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Answer:
    """The cheapest plan: (day, practitioner, start) for each session."""

    objective: int
    sessions: tuple[tuple[int, int, int], ...]


class Kernel:
    """A clinic in arrays. What does not depend on bookings (hours, leave, months) is worked out once, beforehand."""

    def __init__(self, clinic: Clinic) -> None:
        self.clinic = clinic
        self.grid: int = clinic["grid"]
        days, slots = clinic["days"], (CLOSES - OPENS) // self.grid
        self.on_duty: Flags = np.zeros((len(clinic["practitioners"]), days, slots), bool)
        for practitioner in clinic["practitioners"]:
            for day, spans in duty_of(clinic, practitioner):
                for begins, ends in spans:
                    self.on_duty[practitioner["id"], day, self._slot(begins) : self._slot(ends)] = True
        self.is_open: Flags = np.array(
            [[not is_within(room["closed"], day) for day in range(days)] for room in clinic["rooms"]]
        )
        self.bookings: Costs = np.array(clinic["bookings"], np.int32).reshape(-1, 6)
        self.start = date.fromisoformat(clinic["start"])
        self.months: Costs = np.array([self._month_after(day) for day in range(days)], np.int32)
        self._gap_costs = lru_cache(self._all_gap_costs)

    def plan(self, course: Course) -> Answer | None:
        """Return the cheapest plan, or None when there is none."""
        first, last = self._span(course)
        qualified, possible = self._possible(course, first, last)
        nodes, wished = self._priced(course, first, possible)
        layers = self._layers(course, first, nodes)
        objective = int(layers[-1].min())
        if objective >= NEVER:
            return None
        sessions = [
            (first + day, int(qualified[who]), OPENS + self.grid * _first_start(possible[who, day], wished))
            for who, day in self._path(course, first, nodes, layers)
        ]
        return Answer(objective, tuple(sessions))

    def candidates(self, course: Course) -> tuple[int, Costs]:
        """Return the first day, and what the cheapest start costs: [practitioner, day from it]; NEVER if none."""
        first, last = self._span(course)
        return first, self._priced(course, first, self._possible(course, first, last)[1])[0]

    def _span(self, course: Course) -> tuple[int, int]:
        """Return the first and the last day that any session can have."""
        first = course["earliest"]
        last = first + course["first_within"] + (course["n"] - 1) * course["gap_max"]
        return first, min(self.clinic["days"] - 1, last)

    # --- candidates ---------------------------------------------------------------------------------------------------

    def _possible(self, course: Course, first: int, last: int) -> tuple[NDArray[np.intp], Flags]:
        """Return who is qualified, and for each of them, day and slot whether a session may start there."""
        treatment = self.clinic["treatments"][course["treatment"]]
        able = [course["treatment"] in one["skills"] for one in self.clinic["practitioners"]]
        qualified = np.flatnonzero(able)
        rooms = np.flatnonzero([room["kind"] == treatment["room_kind"] for room in self.clinic["rooms"]])
        begins, ends = np.searchsorted(self.bookings[:, 2], (first, last + 1))
        bookings = self.bookings[begins:ends]
        people = self.on_duty[qualified, first : last + 1] & ~self._taken(bookings, 0, qualified, first, last)
        places = self.is_open[rooms, first : last + 1, None] & ~self._taken(bookings, 1, rooms, first, last)
        length = treatment["minutes"] // self.grid
        return qualified, _starts(people, length) & _starts(places, length).any(axis=0)

    def _taken(self, bookings: Costs, column: int, which: NDArray[np.intp], first: int, last: int) -> Flags:
        """Return the slots that bookings take, as a running count of what begins less what ends."""
        place_of = np.full(max(len(self.on_duty), len(self.is_open)), -1, np.intp)
        place_of[which] = np.arange(len(which))
        places = place_of[bookings[:, column]]
        mine = places >= 0
        days, slots = last + 1 - first, self.on_duty.shape[2] + 1
        offsets = (places[mine] * days + bookings[mine, 2] - first) * slots
        changes = np.zeros(len(which) * days * slots, np.int8)
        changes[offsets + self._slot(bookings[mine, 3])] += 1
        changes[offsets + self._slot(bookings[mine, 4])] -= 1
        taken = changes.reshape(len(which), days, slots).cumsum(axis=2, dtype=np.int8)
        return taken[:, :, :-1].astype(bool)

    def _priced(self, course: Course, first: int, possible: Flags) -> tuple[Costs, slice]:
        """Return what the cheapest start of each practitioner and day costs, and the slots inside the wished window."""
        length = self.clinic["treatments"][course["treatment"]]["minutes"]
        from_minute, until_minute = course["window"]
        wished = slice(-(-(from_minute - OPENS) // self.grid), self._slot(until_minute - length) + 1)
        weights = course["weights"]
        costs = np.where(possible.any(axis=2), weights["window"], NEVER).astype(np.int32)
        costs[possible[:, :, wished].any(axis=2)] = 0
        weekdays = (np.arange(possible.shape[1]) + first + self.start.weekday()) % 7
        costs += np.where(np.isin(weekdays, course["weekdays"]), 0, weights["weekday"]).astype(np.int32)
        return np.minimum(costs, NEVER), wished

    # --- paths --------------------------------------------------------------------------------------------------------

    def _layers(self, course: Course, first: int, nodes: Costs) -> list[Costs]:
        """Return for each session the least cost of a path that ends with this practitioner on this day."""
        weights, days = course["weights"], nodes.shape[1]
        layer = np.full_like(nodes, NEVER)
        until = min(course["first_within"] + 1, days)
        layer[:, :until] = np.minimum(nodes[:, :until] + weights["late"] * np.arange(until, dtype=np.int32), NEVER)
        layers = [layer]
        gaps = self._gap_costs(course["gap_min"], course["gap_max"], weights["gap"])[first : first + days]
        for number in range(1, course["n"]):
            before = np.minimum(layer, layer.min(axis=0) + weights["change"])
            # Only the days that gaps between gap_min and gap_max can reach.
            begins = min(number * course["gap_min"], days)
            ends = min(course["first_within"] + number * course["gap_max"] + 1, days)
            layer = np.full_like(nodes, NEVER)
            if begins < ends:
                padded = np.pad(before, ((0, 0), (course["gap_max"], 0)), constant_values=NEVER)
                reached = sliding_window_view(padded, gaps.shape[1], axis=1)[:, begins:ends] + gaps[begins:ends]
                layer[:, begins:ends] = np.minimum(reached.min(axis=2) + nodes[:, begins:ends], NEVER)
            layers.append(layer)
        return layers

    def _path(self, course: Course, first: int, nodes: Costs, layers: list[Costs]) -> list[tuple[int, int]]:
        """Walk back from the cheapest end; of equal ways any will do."""
        gaps = self._gap_costs(course["gap_min"], course["gap_max"], course["weights"]["gap"])
        who, day = (int(found) for found in np.unravel_index(layers[-1].argmin(), nodes.shape))
        path = [(who, day)]
        for layer, following in zip(layers[-2::-1], layers[:0:-1], strict=True):
            left = following[who, day] - nodes[who, day]
            days = np.arange(max(0, day - course["gap_max"]), day - course["gap_min"] + 1)
            spent = layer[:, days] + gaps[first + day, days - (day - course["gap_max"])]
            spent[np.arange(len(spent)) != who] += course["weights"]["change"]
            found = np.argwhere(spent == left)[0]
            who, day = int(found[0]), int(days[found[1]])
            path.append((who, day))
        return path[::-1]

    def _all_gap_costs(self, gap_min: int, gap_max: int, weight: int) -> Costs:
        """Return for each day what it costs to come from each of the days `gap_max` to `gap_min` before it."""
        days = np.arange(len(self.months))[:, None]
        before = days - np.arange(gap_max, gap_min - 1, -1)[None, :]
        away = np.abs(days - self.months[np.maximum(before, 0)])
        return np.where(before >= 0, weight * away, NEVER).astype(np.int32)

    def _month_after(self, day: int) -> int:
        on = self.start + timedelta(days=day)
        year, month = (on.year + 1, 1) if on.month == 12 else (on.year, on.month + 1)
        following = date(year + (month == 12), month % 12 + 1, 1)
        return (min(date(year, month, 1) + timedelta(days=on.day - 1), following) - self.start).days

    def _slot(self, minute: Any) -> Any:
        """Return the slot of a minute, or of each of many."""
        return (minute - OPENS) // self.grid


def _starts(free: Flags, length: int) -> Flags:
    """Return the slots from which so many slots in a row are free, by doubling."""
    have = 1
    while have < length:
        step = min(have, length - have)
        later = np.zeros_like(free)
        later[..., :-step] = free[..., step:]
        free = free & later
        have += step
    return free


def _first_start(possible: Flags, wished: slice) -> int:
    inside = np.flatnonzero(possible[wished])
    return int(inside[0]) + wished.start if len(inside) else int(np.flatnonzero(possible)[0])
