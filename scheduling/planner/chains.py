"""The exact search: the cheapest chain of (date, lead) for the sessions left in a course.

Method. For one step, date and lead only the cheapest start matters (`starts`), so a plan is a path through one layer
per session; a node is a date and a lead (`nodes`). What the future still needs to know of a path is its *state*: the
last date, the earlier dates that later spacings are counted from, the last lead, and where a calendar year may have so
many treatments only, how many the year of the last date has (`years`).

1. Backwards, `_to_go`: the least that the rest can cost from a state if changes of lead were free. It looks at dates
   from the cheapest outwards and stops when the date alone costs more than the best rest found. Where no more than the
   last date counts, arrays say it for all dates at once, and for each lead with changes paid (`grids`).
2. Forwards, `_cheapest_within` a bound: layer by layer the cheapest path to each state is kept, less the leads of a
   date that would cost no less than changing to them later, less the paths whose cost so far and least cost to go
   exceed the bound. It begins at the least cost of all and is raised while nothing is found and it has cut something.

What is found under a bound is a plan of least cost, and an endless `_to_go` is a proof that there is none.

Ties, in this order: earlier dates (of the first session, then of the next), earlier starts, lower lead ids; the other
resources are the lowest ids that leave a way (`Starts.uses`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from operator import le
from uuid import UUID

from . import cost
from .asks import NOTHING, Held, terms_of, within_a_day
from .facts import (
    Ask,
    CourseFacts,
    ResourceFacts,
    Roster,
    SessionFacts,
    SessionState,
    Slot,
    Spacing,
    Step,
    StepKind,
    Window,
    Wishes,
)
from .grids import Grid, grids_of
from .layers import Dates, Frame, Layer
from .nodes import Nodes, Times
from .rules import may_be_early
from .shapes import with_taken
from .starts import ENDLESS, Starts
from .windows import counted, window_of
from .work import TooMuchWork, Work
from .years import Years

LAST_BOUND = ENDLESS >> 1  # more than any plan costs, see `cost.MOST`

Path = tuple[int, Dates, tuple[int, ...], tuple[int, ...]]  # cost, dates, ticks, leads: compared in this order
START: Path = (0, (), (), ())


@dataclass(frozen=True, slots=True)
class Reach:
    """Where a path can go in the next layer: [first, last], and what the date costs."""

    opens: int  # by windows and order, whatever was asked
    closes: int
    first: int
    last: int
    earliest: int
    slope: cost.Slope


@dataclass(frozen=True, slots=True)
class Stuck:
    """The first session for which no path finds a time, and the dates that all paths together could try."""

    session: SessionFacts
    opens: int  # those dates whatever was asked
    closes: int
    first: int
    last: int
    latest: tuple[SessionFacts, int] | None = None  # the session after it whose last date leaves it none after `last`
    full: frozenset[int] = frozenset()  # dates in years that have no room for another treatment, on every path
    is_proven: bool = True  # False: the search was broken off, as far as this it had come


class Chain:
    """The search for one course; see the module's docstring. `outcome()` is a list of slots, or where it got stuck.

    `only` plans one session, among the course's appointments. `keep_lead` forbids another lead than before. `stay`
    makes it a repair: leaving a booked time costs, and these slots are kept whenever the windows allow it. `ask` is
    what a person asks of this plan. `like` is a chain whose times are known already, if it is for the same course and
    roster; of another course it tells the roster's dates.
    """

    def __init__(
        self,
        course: CourseFacts,
        roster: Roster,
        weights: cost.Weights,
        *,
        today: date,
        stay: Mapping[UUID, Slot] | None = None,
        keep_lead: bool = False,
        only: UUID | None = None,
        ask: Ask = NOTHING,
        like: Chain | None = None,
    ) -> None:
        self.course, self.weights, self.today, self.ask, self._stay = course, weights, today, ask, stay
        self.moves, self.keep_lead, self._only = stay is not None, keep_lead, only
        open_sessions = [s for s in course.sessions if s.state is SessionState.OPEN]
        self.sessions = [s for s in open_sessions if (s.step.planned_with_course if only is None else s.id == only)]
        inside = {session.id for session in self.sessions}
        outside = [s.booked for s in open_sessions if s.id not in inside and s.booked is not None]
        self.given = roster, outside
        is_same = like is not None and like.course.id == course.id
        is_alike = is_same and like is not None and like.given[0] is roster and like.given[1] == outside
        self.roster: Roster = like.roster if like is not None and is_alike else with_taken(roster, outside)
        self.known: dict[tuple[Wishes, int, int, int, int, Held], Starts] = like.known if like and is_alike else {}
        self.first_day: int
        self.last_day: int
        if like is not None and like.given[0].days is roster.days and like.today == today:
            self.first_day, self.last_day = like.first_day, like.last_day
        else:
            self.first_day = max(today, min(roster.days, default=date.max)).toordinal()
            self.last_day = max(roster.days, default=date.min).toordinal()
        gated_until = max(self.last_day, roster.horizon_on.toordinal() if roster.horizon_on else 0)
        self.work: Work = like.work if like and is_same else Work()
        frame = Frame(course, self.sessions, today, (self.first_day, self.last_day), gated_until)
        held = {} if ask == NOTHING else terms_of(ask, course, roster)
        alike = like.layers if like and is_alike and like.course is course else ()
        self.layers: list[Layer] = list(frame.layers(stay or {}, held, weights.change, alike))
        self.years = Years(self.layers, frame)
        self.is_counted = self.years.are_counted
        self._dead: list[list[Dates]] = [[] for _ in self.layers]
        self._cut = self._is_decided = False
        self._rest: dict[tuple[int, Dates], int] = {}
        self._reach: dict[tuple[int, Dates], Reach] = {}
        self._windows: dict[tuple[int, ...], Window] = {}  # by layer and the dates that it is counted from
        self._grids: list[Grid] | None = None

    def outcome(self) -> list[Slot] | Stuck:
        """Return the cheapest slots, by position, or where every path ends, or where it was broken off."""
        try:
            return self._outcome()
        except TooMuchWork:
            return replace(self._stuck(), is_proven=False)

    def _outcome(self) -> list[Slot] | Stuck:
        if self.is_counted:
            # Without counting it is found by tables. What fits the years is the cheapest of those that do.
            freely = self._uncounted().outcome()
            if isinstance(freely, Stuck) or self._fit_the_years(freely):
                return freely
        self._grids = grids_of(self)
        if self._grids is None or self._to_go(0, ()) == ENDLESS:
            hopeless = self._hopeless()
            if hopeless is not None:
                return hopeless
        bound = self._to_go(0, ())
        step = 1 + max((layer.change for layer in self.layers), default=0)
        while bound < ENDLESS:
            path = self._cheapest_within(bound)
            if path is not None:
                return self._slots(path)
            bound = min(bound + step, LAST_BOUND) if self._cut and bound < LAST_BOUND else ENDLESS
            step *= 2
        self._is_decided, self._grids = True, None
        self._to_go(0, ())  # without tables, to note how far paths come
        return self._stuck()

    def again(
        self,
        *,
        course: CourseFacts | None = None,
        roster: Roster | None = None,
        weights: cost.Weights | None = None,
        ask: Ask | None = None,
        keep_lead: bool | None = None,
    ) -> Chain:
        """Return the same search, but for what is said; times that are known already are not looked for again."""
        return Chain(
            course or self.course,
            roster or self.given[0],
            weights or self.weights,
            today=self.today,
            stay=self._stay,
            keep_lead=self.keep_lead if keep_lead is None else keep_lead,
            only=self._only,
            ask=ask or self.ask,
            like=self,
        )

    def _uncounted(self) -> Chain:
        """Return the same search where a year may have any number of treatments."""
        freely = self.again()
        freely.years, freely.is_counted = freely.years.uncounted(), False
        return freely

    def starts_by(self, held: Held) -> Starts:
        """Return the times that these terms leave; the same object when the terms and what starts cost are the same."""
        held, weights, wishes = within_a_day(held), self.weights, self.course.wishes
        key = wishes, weights.time_of_day, weights.hole, weights.practitioner, weights.language, held
        if key not in self.known:
            like = next(iter(self.known.values()), None)
            self.known[key] = Starts(self.roster, wishes, weights, held, like, self.steps_of_others)
        return self.known[key]

    # Worked out when asked for: a repair of many courses asks most chains for nothing but their dates.

    @cached_property
    def steps_of_others(self) -> frozenset[str]:
        """The steps of which the wish for a practitioner says nothing."""
        if self.course.wishes.practitioner is None:
            return frozenset()
        return cost.steps_of_others(self.course, {resource.id: resource for resource in self.roster.resources})

    @cached_property
    def starts(self) -> Starts:
        """The times that a session of the course has when nothing is asked of it."""
        return self.starts_by(())

    @cached_property
    def nodes(self) -> Nodes:
        """What each lead costs a session on a date."""
        times = Times(self.starts, [self.starts_by(layer.held) for layer in self.layers])
        return Nodes(self.course, self.layers, times, self.weights, self.today, is_repair=self.moves)

    @cached_property
    def _carried(self) -> list[list[int]]:
        """For each layer where the dates that it still needs stand in the state before it."""
        befores = [(), *(layer.kept for layer in self.layers)]
        return [
            [before.index(n) + self.is_counted for n in layer.kept[:-1]]
            for before, layer in zip(befores, self.layers, strict=False)
        ]

    @cached_property
    def _has_no_end(self) -> list[bool]:
        """For each layer whether later dates (and more treatments in the year) leave less from there on.

        That is so without a lapse or a fixed date ahead: what has no plan then has none when all is later. A spacing
        that is in effect on some dates only may leave more.
        """
        ends = [
            layer.fixed is not None
            or layer.stay is not None
            or any(_may_end(spacing) for spacing in layer.session.step.spacings)
            for layer in self.layers
        ]
        return [not any(ends[number:]) for number in range(len(ends))]

    # --- what others ask ----------------------------------------------------------------------------------------------

    def open_dates(self, first_on: date, last_on: date) -> Iterator[tuple[date, int]]:
        """Yield the dates on which the first session of the chain could be, with what they cost whoever leads.

        Each date of the roster is looked at once, whatever the later sessions count from.
        """
        price_of = dict(self._outwards(0, ()))
        self.work.dates += len(price_of)
        for on in range(first_on.toordinal(), last_on.toordinal() + 1):
            if on in price_of:
                day = date.fromordinal(on)
                yield day, price_of[on] + cost.date_wishes_missed(day, self.course.wishes, self.weights)

    def onward(self, number: int, state: Dates) -> Iterator[tuple[int, int, Dates]]:
        """Yield the dates (ordinals) that the layer can have after a state, with what the timing costs and the state
        that follows: cheapest first, then earliest. The first layer follows the state ().
        """
        for on, timed in self._outwards(number, state):
            yield on, timed, self._next(number, state, on)

    def onward_on(self, number: int, state: Dates, on: int) -> tuple[int, int, Dates] | None:
        """Return what `onward` yields of one date, or None when the layer cannot have it after the state."""
        layer, reach = self.layers[number], self._reached(number, state)
        if layer.fixed is not None or layer.stay is not None:  # then it has hardly any, or no other
            return next((one for one in self.onward(number, state) if one[0] == on), None)
        is_lawful = reach.first <= on <= reach.last and self._is_open(layer, on, reach.earliest)
        if not is_lawful or not self.years.have_room(number, state, on):
            return None
        return on, self._timing(reach, state)(on), self._next(number, state, on)

    def wishes_missed(self, step: Step, lead: ResourceFacts, on: date) -> int:
        """Return what the wishes say to a date and a lead of the step."""
        known = lead.id in self.starts.resources  # nothing to one who is not there any more
        missed = cost.date_wishes_missed(on, self.course.wishes, self.weights)
        return missed + (self.starts.lead_missed(step, lead) if known else 0)

    def lead_price(self, lead: ResourceFacts) -> int:
        """Return what a lead costs the first session of the chain."""
        changed = self.course.lead not in (None, lead.id)
        missed = self.starts.lead_missed(self.sessions[0].step, lead)
        return missed + (self.layers[0].change if changed else 0)

    # --- one round ------------------------------------------------------------------------------------------------

    def _hopeless(self) -> Stuck | None:
        """Return a session that has no date at all before the last date of the one after it; None as a rule.

        It is found without looking at any window, so that the commonest impossibility (nobody able) is told at once.
        """
        before, shared = date.max.toordinal(), 0  # of the layer after
        least_on = self.nodes.least_on
        latest: tuple[SessionFacts, int] | None = None  # what that comes from
        for number in reversed(range(len(self.layers))):
            layer = self.layers[number]
            if layer.fixed is not None:
                before, shared = min(before, layer.last), layer.shared
                continue
            last = min(layer.last, before - (before != shared))
            shared = layer.shared
            dates = (on for on in range(last, layer.first - 1, -1) if on not in layer.closed)
            before = next((on for on in dates if least_on(number, on) < ENDLESS), 0)
            if not before:
                return Stuck(layer.session, *layer.span, layer.first, last, latest if last < layer.last else None)
            if latest is None or before < last or last == layer.last:
                latest = layer.session, before
        return None

    def _to_go(self, number: int, state: Dates) -> int:
        """Return the least that the layers from this one on can cost when no change of lead costs; ENDLESS if none."""
        if number == len(self.layers):
            return 0
        if self._grids is not None:
            grid = self._grids[number]
            return int(grid.to_go[state[-1] - grid.before if state else 0])
        key = (number, state)
        if key not in self._rest:
            if any(all(map(le, dead, state)) for dead in self._dead[number]):
                return ENDLESS
            best, least_on = ENDLESS, self.nodes.least_on
            for on, timed in self._outwards(number, state):
                self._count()
                if timed >= best:
                    break
                price = timed + least_on(number, on)
                if price < best:
                    best = min(best, price + self._to_go(number + 1, self._next(number, state, on)))
            self._rest[key] = best
            if best == ENDLESS and self._has_no_end[number]:
                self._dead[number].append(state)
        return self._rest[key]

    def _count(self) -> None:
        """Count a date that is looked at as long as that may change the answer."""
        if self._is_decided:
            return
        if self.work.is_over:
            raise TooMuchWork
        self.work.dates += 1

    def _cheapest_within(self, bound: int) -> Path | None:
        """Return the cheapest path that costs no more than the bound, or None; note whether the bound cut anything."""
        self._cut = False
        states: dict[Dates, list[Path]] = {(): [START]}
        for number in range(len(self.layers)):
            arrivals: dict[Dates, list[tuple[int, list[Path]]]] = {}
            for state, paths in states.items():
                for on, timed in self._within(number, state, bound - paths[0][0]):
                    arrivals.setdefault(self._next(number, state, on), []).append((timed, paths))
            states = {}
            for state, entries in arrivals.items():
                if paths := self._arrive(number, state, entries, bound):
                    states[state] = paths
        return min((paths[0] for paths in states.values()), default=None)

    def _within(self, number: int, state: Dates, slack: int) -> list[tuple[int, int]]:
        """Return the dates that a state can go on to for no more than so much in all, with their timing."""
        if self._grids is not None:
            found, is_cut = self._grids[number].onwards(state[-1] if state else self._grids[number].before, slack)
            self._cut |= is_cut
            return found
        found, least_on = [], self.nodes.least_on
        for on, timed in self._outwards(number, state):
            self._count()
            if timed > slack:
                self._cut = True
                break
            least = timed + least_on(number, on)
            if least <= slack and least + self._to_go(number + 1, self._next(number, state, on)) <= slack:
                found.append((on, timed))
            else:
                self._cut = True
        return found

    def _next(self, number: int, state: Dates, on: int) -> Dates:
        """Return the state after choosing this date in the layer: the dates that are still needed, and this one."""
        dates = (*(state[at] for at in self._carried[number]), on)
        if not self.is_counted:
            return dates
        is_treatment = self.sessions[number].step.kind is StepKind.TREATMENT
        return (self.years.in_year(state, on) + is_treatment, *dates)

    def _fit_the_years(self, slots: Sequence[Slot]) -> bool:
        """Whether every year has room for what these slots give it."""
        state: Dates = ()
        for number, (layer, slot) in enumerate(zip(self.layers, slots, strict=True)):
            on = slot.on.toordinal()
            if layer.fixed is None and not self.years.have_room(number, state, on):
                return False
            state = self._next(number, state, on)
        return True

    def _outwards(self, number: int, state: Dates) -> Iterator[tuple[int, int]]:
        """Yield the dates that a state can go on to with what the date costs by timing, cheapest first, then earliest.

        That cost falls and then rises with the date, so two pointers walk away from its lowest point.
        """
        layer, reach, have_room = self.layers[number], self._reached(number, state), self.years.have_room
        timed, only = self._timing(reach, state), layer.fixed or layer.stay
        if only is not None:
            on = only.on.toordinal()
            is_lawful = reach.first <= on <= reach.last and self._is_open(layer, on, reach.earliest)
            if is_lawful and (layer.fixed is not None or have_room(number, state, on)):
                yield on, timed(on)
                return
        if layer.fixed is not None or reach.first > reach.last:
            return
        anchor, tolerance = reach.slope.anchor, reach.slope.tolerance
        turns = (min(max(on, reach.first), reach.last) for on in (anchor - tolerance, anchor + tolerance))
        later = min((reach.first, *turns, reach.last), key=timed)
        earlier = later - 1
        while earlier >= reach.first or later <= reach.last:
            if later > reach.last or (earlier >= reach.first and timed(earlier) <= timed(later)):
                on, earlier = earlier, earlier - 1
            else:
                on, later = later, later + 1
            if self._is_open(layer, on, reach.earliest) and have_room(number, state, on):
                yield on, timed(on)

    def _timing(self, reach: Reach, state: Dates) -> Callable[[int], int]:
        """Return what a date after a state costs by timing."""
        elapsed, last_on = self.weights.elapsed_per_day, state[-1] if state else self.today.toordinal()
        return lambda on: reach.slope.at(on) + elapsed * (on - last_on)

    def _arrive(self, number: int, state: Dates, entries: list[tuple[int, list[Path]]], bound: int) -> list[Path]:
        """Return the cheapest path to each lead on this date, best first, less the leads that need not be kept."""
        layer, on, slack = self.layers[number], state[-1], bound - self._to_go(number + 1, state)
        grid, nodes = self._grids[number] if self._grids is not None else None, self.nodes
        same = self._by_lead_before(entries)
        is_change = layer.counts_change and None not in same
        spent, *rest = min(same.values())
        anyone: Path = (spent + layer.change * is_change, *rest)  # type: ignore[assignment]
        found: list[Path] = []
        for price, rank in nodes.of_date(number, on):
            if spent + price > slack:
                self._cut = True
                break
            if rank in same:
                before = same[rank] if self.keep_lead and is_change else min(anyone, same[rank])
            elif self.keep_lead and is_change:
                continue
            else:
                before = anyone
            if before[0] + price > (slack if grid is None else bound - grid.least_after(on, rank)):
                self._cut = True
                continue
            tick = nodes.tick(number, on, rank)
            found.append((before[0] + price, (*before[1], on), (*before[2], tick), (*before[3], rank)))
        found.sort()
        if self.keep_lead or len(found) < 2:
            return found
        change = self.layers[number + 1].change if number + 1 < len(self.layers) else 0
        changed: Path = (found[0][0] + change, *found[0][1:])
        return [path for at, path in enumerate(found) if at == 0 or path < changed]

    def _by_lead_before(self, entries: list[tuple[int, list[Path]]]) -> dict[int | None, Path]:
        """Return the cheapest way to arrive, by the lead of the session before."""
        same: dict[int | None, Path] = {}
        led_by = self.nodes.led_by
        for price, paths in entries:
            for spent, dates, ticks, leads in paths:
                path = (spent + price, dates, ticks, leads)
                before = leads[-1] if leads else led_by
                if before not in same or path < same[before]:
                    same[before] = path
        return same

    def _stuck(self) -> Stuck:
        """Return the last layer that any path came to."""
        number = max(number for number, _ in self._reach)
        reached = {state: reach for (at, state), reach in self._reach.items() if at == number}
        first, last = min(r.first for r in reached.values()), max(r.last for r in reached.values())
        opens, closes = min(r.opens for r in reached.values()), max(r.closes for r in reached.values())
        full = self.years.full_between(number, list(reached), first, last)
        return Stuck(self.layers[number].session, opens, closes, first, last, full=full)

    # --- what is worked out once ----------------------------------------------------------------------------------

    def _reached(self, number: int, state: Dates) -> Reach:
        key = (number, state)
        if key not in self._reach:
            layer = self.layers[number]
            before = self.layers[number - 1] if number else None
            known = dict(zip(before.kept, state[self.is_counted :], strict=True)) if before else {}
            window = self._window(number, known)
            earliest = window.earliest_on.toordinal() if window.earliest_on else 0
            lawful = earliest
            if layer.may_be_early:
                lawful = window.floor_on.toordinal() if window.floor_on else 0
            opens = max(layer.span[0], lawful, state[-1] + (state[-1] != layer.shared) if state else 0)
            closes = min(layer.span[1], window.lapse_on.toordinal() - 1 if window.lapse_on else layer.span[1])
            self._reach[key] = Reach(
                opens=opens,
                closes=closes,
                first=max(layer.first, opens),
                last=min(layer.last, closes),
                earliest=earliest,
                slope=cost.timing(window, self.today, self.weights),
            )
        return self._reach[key]

    def window_after(self, number: int, on: int) -> Window:
        """Return the window of a layer by the date of the one before it, when no earlier one counts."""
        return self._window(number, {number - 1: on})

    def windows(self, slots: Sequence[Slot]) -> list[Window]:
        """Return the windows of the layers when these are their slots."""
        known = {number: slot.on.toordinal() for number, slot in enumerate(slots)}
        return [self._window(number, known) for number in known]

    def _window(self, number: int, known: Mapping[int, int]) -> Window:
        key = (number, *(known[earlier] for earlier in self.layers[number].counted_from))
        if key not in self._windows:
            self._windows[key] = self._counted(self.layers[number], known)
        return self._windows[key]

    def _counted(self, layer: Layer, known: Mapping[int, int]) -> Window:
        if layer.anchors is None:
            ids = {self.sessions[n].id: date.fromordinal(known[n]) for n in layer.counted_from}
            return window_of(layer.session, self.course, ids)
        return counted(
            [(s, date.fromordinal(known[a]) if isinstance(a, int) else a) for s, a in layer.anchors],
            layer.is_certain,
            assessed_on=self.course.assessed_on,
        )

    def _is_open(self, layer: Layer, on: int, earliest: int) -> bool:
        if on in layer.closed:
            return False
        return on >= earliest or may_be_early(layer.session, date.fromordinal(on), self.course)

    def _slots(self, path: Path) -> list[Slot]:
        slots = []
        for layer, ordinal, tick, rank in zip(self.layers, *path[1:], strict=True):
            on, only = date.fromordinal(ordinal), layer.fixed or layer.stay
            if only is not None and only.on == on:
                slots.append(only)
            else:
                slots.append(self.starts.slot(layer.session, on, self.starts.resources[self.nodes.ids[rank]], tick))
        return slots


def _may_end(spacing: Spacing) -> bool:
    """Whether later references may leave more than earlier ones."""
    return spacing.lapse is not None or spacing.effective_from is not None or spacing.effective_to is not None
