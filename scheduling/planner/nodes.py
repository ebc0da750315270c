"""What each lead costs a session on a date, besides its timing and a change of lead: one node of a layer each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from . import cost
from .asks import Held
from .facts import CourseFacts, ResourceFacts
from .layers import Layer
from .starts import ENDLESS, Starts

Node = tuple[int, int]  # what a lead costs on a date at the cheapest start, by wishes too; the lead's rank by id


@dataclass(frozen=True, slots=True)
class Times:
    """The times of a chain: of a session of which nothing is asked, and of each layer by what was asked."""

    of_any: Starts
    of_layers: Sequence[Starts]


class Nodes:
    """The nodes of a chain, each worked out once. `is_repair`: leaving a booked time costs."""

    def __init__(
        self,
        course: CourseFacts,
        layers: Sequence[Layer],
        times: Times,
        weights: cost.Weights,
        today: date,
        *,
        is_repair: bool,
    ) -> None:
        self._course, self._layers, self._weights, self._today = course, layers, weights, today
        self._starts, self._starts_of, self._is_repair = times.of_any, times.of_layers, is_repair
        known = {resource.id for resource in self._starts.roster.resources}
        known.update(layer.session.booked.lead for layer in layers if layer.session.booked)
        self.ids = sorted(known if course.lead is None else known | {course.lead})
        self.ranks = {lead: rank for rank, lead in enumerate(self.ids)}
        self.led_by = None if course.lead is None else self.ranks[course.lead]
        self._missed_by_date: dict[int, int] = {}
        self._least: dict[tuple[int, int], int] = {}
        self._nodes: dict[tuple[int, int], list[Node]] = {}
        self._ticks: dict[tuple[int, int, int], int] = {}

    @cached_property
    def _alike(self) -> list[int]:
        """For each layer the first with the same times: of one step, but not those with a time to keep or to leave."""
        firsts: dict[tuple[str, Held], int] = {}
        return [
            number
            if self._has_times_of_its_own(number)
            else firsts.setdefault((layer.session.step.key, starts.asked), number)
            for number, (layer, starts) in enumerate(zip(self._layers, self._starts_of, strict=True))
        ]

    def least_on(self, number: int, on: int) -> int:
        """Return the least that a date costs besides its timing, whoever leads; ENDLESS when nobody can."""
        key = (self._alike[number], on)
        if key not in self._least:
            step = self._layers[number].session.step
            if self._has_times_of_its_own(number) or not self._starts.shape(step).is_separate:
                self._least[key] = min((price for price, _ in self.of_date(number, on)), default=ENDLESS)
            else:
                self._least[key] = int(self.least_between(number, on, on)[0])
        return self._least[key]

    def least_between(self, number: int, first: int, last: int) -> NDArray[np.int64]:
        """Return `least_on` for each date of [first, last], or less where one resource could fill two roles."""
        if self._has_times_of_its_own(number):
            return np.array([self.least_on(number, on) for on in range(first, last + 1)], np.int64)
        missed = cost.dates_missed(first, last, self._course.wishes, self._weights)
        least = self._starts_of[number].least_between(self._layers[number].session.step, first, last) + missed
        least[least > ENDLESS] = ENDLESS
        return least

    def prices_between(self, number: int, first: int, last: int, ranks: Sequence[int]) -> NDArray[np.int64]:
        """Return what each date of [first, last] costs besides its timing with each lead, or less, as `least_between`.

        Shape [date, lead]; ENDLESS where the lead has no start.
        """
        places = {rank: place for place, rank in enumerate(ranks)}
        found = np.full((last + 1 - first, len(ranks)), ENDLESS)
        if self._has_times_of_its_own(number):
            for on in range(first, last + 1):
                for price, rank in self.of_date(number, on):
                    found[on - first, places[rank]] = price
            return found
        step, starts = self._layers[number].session.step, self._starts_of[number]
        those = [places[self.ranks[lead.id]] for lead in starts.shape(step).leads.members]
        missed = cost.dates_missed(first, last, self._course.wishes, self._weights)
        found[:, those] = np.minimum(starts.prices_between(step, first, last) + missed[:, None], ENDLESS)
        return found

    def possible_leads(self) -> list[int]:
        """Return the ranks of all who could lead some session of the chain."""
        found: set[int] = set()
        for layer, starts in zip(self._layers, self._starts_of, strict=True):
            found.update(self.ranks[lead.id] for lead in starts.shape(layer.session.step).leads.members)
            found.update(self.ranks[only.lead] for only in (layer.fixed, layer.stay) if only is not None)
        return sorted(found)

    def of_date(self, number: int, on: int) -> list[Node]:
        """Return what each lead costs on a date besides timing and change, the cheapest first."""
        key = (self._alike[number], on)
        if key not in self._nodes:
            layer, missed, day = self._layers[number], self._date_missed(on), date.fromordinal(on)
            only = layer.fixed or layer.stay
            if only is not None and only.on == day:
                rank, lead = self.ranks[only.lead], self._starts.resources.get(only.lead)
                step = layer.session.step
                price = self._starts.lead_missed(step, lead) if lead else 0  # nothing to one who is not there any more
                lead = lead or ResourceFacts(only.lead, "", "", ())
                price += self._starts.price_of(step, day, lead, only.tick)
                self._ticks[*key, rank] = only.tick
                self._nodes[key] = [(missed + price, rank)]
            else:
                nodes = [(missed + price, self.ranks[lead.id]) for price, lead in self._of_leads(number, layer, day)]
                self._nodes[key] = sorted(nodes)
        return self._nodes[key]

    def _of_leads(self, number: int, layer: Layer, on: date) -> Iterator[tuple[int, ResourceFacts]]:
        """Yield what each lead's cheapest start costs, where leaving a booked time costs."""
        step, booked, starts = layer.session.step, layer.session.booked, self._starts_of[number]
        for price, lead in starts.of_leads(step, on):
            if not self._is_repair or booked is None:
                yield price, lead
                continue
            away = cost.moving_to(booked, on, self._today, self._weights)
            moved = price + away, self._cheapest_tick(number, on, lead)
            is_there = on == booked.on and lead.id == booked.lead
            if is_there and starts.is_possible(step, on, lead, booked.tick):
                as_booked = self._starts.price_of(step, on, lead, booked.tick) + self._starts.lead_missed(step, lead)
                moved = min(moved, (as_booked, booked.tick))
            self._ticks[number, on.toordinal(), self.ranks[lead.id]] = moved[1]
            yield moved[0], lead

    def tick(self, number: int, on: int, rank: int) -> int:
        """Return the first of a lead's cheapest starts on a date."""
        key = (self._alike[number], on, rank)
        if key not in self._ticks:
            lead = self._starts.resources[self.ids[rank]]
            self._ticks[key] = self._cheapest_tick(number, date.fromordinal(on), lead)
        return self._ticks[key]

    def _cheapest_tick(self, number: int, on: date, lead: ResourceFacts) -> int:
        best = self._starts_of[number].cheapest(self._layers[number].session.step, on, lead)
        if best is None:
            raise ValueError("the lead has no start that day")
        return best[1]

    def _has_times_of_its_own(self, number: int) -> bool:
        """Whether other starts count for a session than for the others of its step: it has one to keep, or to leave."""
        layer = self._layers[number]
        return bool(layer.fixed or layer.stay or (self._is_repair and layer.session.booked))

    def _date_missed(self, on: int) -> int:
        """Return what the wishes say to a date."""
        if on not in self._missed_by_date:
            missed = cost.date_wishes_missed(date.fromordinal(on), self._course.wishes, self._weights)
            self._missed_by_date[on] = missed
        return self._missed_by_date[on]
