"""Why there is no time, and what would make one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date

from . import ticks
from .chains import Chain, Layer, Stuck
from .facts import Reason, Relaxation, Removed, SessionFacts, Wishes
from .starts import Starts
from .windows import windows_of

# The order in which rules are asked: each counts what the ones before it have left.
ASKED_IN_ORDER = (
    "outside_window",
    "gate_closed",
    "site_closed",
    "in_the_past",
    "lacks_capability",
    "off_duty",
    "lead_busy",
    "others_busy",
    "patient_busy",
    "wish_missed",
    "roles_collide",
)


class Unplannable(Exception):
    """No plan breaks no rule. `reasons` has one entry per session to plan, the first without a time is `stuck_at`."""

    def __init__(self, reasons: tuple[Reason, ...], stuck_at: Reason, relaxations: tuple[Relaxation, ...]) -> None:
        super().__init__(stuck_at.binding)
        self.reasons, self.stuck_at, self.relaxations = reasons, stuck_at, relaxations


def why_not(chain: Chain, stuck: Stuck) -> Unplannable:
    """Explain a search that found nothing: what each rule took away, and the nearest ways out."""
    windows = windows_of(chain.course)
    cascades = {session.step.key: Cascade(chain, session) for session in chain.sessions}
    reasons = []
    for layer in chain.layers:
        session = layer.session
        if session.id == stuck.session.id:
            first, last = stuck.first, stuck.last
        else:
            window = windows[session.id]
            first = max(chain.first_day, window.earliest_on.toordinal() if window.earliest_on else 0)
            last = min(chain.last_day, window.lapse_on.toordinal() - 1 if window.lapse_on else chain.last_day)
        reasons.append(_reason(chain, cascades[session.step.key], layer, (first, last), stuck))
    at = next(reason for reason in reasons if reason.session == stuck.session.id)
    return Unplannable(tuple(reasons), at, tuple(_relaxations(chain, stuck)))


def _reason(chain: Chain, cascade: Cascade, layer: Layer, dates_asked: tuple[int, int], stuck: Stuck) -> Reason:
    session, (first, last) = layer.session, dates_asked
    is_stuck = session.id == stuck.session.id
    closed = layer.closed | stuck.full if is_stuck else layer.closed
    dates = dict.fromkeys(ASKED_IN_ORDER, 0)
    starts = dict.fromkeys(ASKED_IN_ORDER, 0)
    dates_left = starts_left = 0
    for on in range(chain.first_day, chain.last_day + 1):
        day = date.fromordinal(on)
        left = cascade.grid(day)
        is_left = True
        steps: list[tuple[str, int]]
        if not first <= on <= last:
            steps = [("outside_window", 0)]
        elif on in closed:
            steps = [("gate_closed", 0)]
        else:
            steps = cascade.of(day)
        for code, mask in steps:
            starts[code] += (left & ~mask).bit_count()
            left &= mask
            if is_left and not left:
                dates[code] += 1
                is_left = False
        dates_left += is_left
        starts_left += left.bit_count()
    removed = tuple(Removed(code, dates[code], starts[code]) for code in ASKED_IN_ORDER if dates[code] or starts[code])
    binding = ""
    if is_stuck and first > last:
        binding = "beyond_horizon" if first > chain.last_day else "spacing"
    elif is_stuck and dates_left:
        binding = "spacing"
    elif not dates_left:
        inside = [one for one in removed if one.code != "outside_window" and one.dates]
        binding = max(inside, key=lambda one: one.dates).code if inside else "outside_window"
    first_on, last_on = date.fromordinal(first), date.fromordinal(last)
    return Reason(session.id, session.position, first_on, last_on, removed, dates_left, starts_left, binding)


class Cascade:
    """What each rule in turn leaves of a date's starts, for sessions of one step."""

    def __init__(self, chain: Chain, session: SessionFacts) -> None:
        self.step, self.roster = session.step, chain.roster
        self.starts = chain.starts
        self._known: dict[date, list[tuple[str, int]]] = {}
        unwished = Wishes()
        idle = replace(chain.roster, busy={}, patient_busy={})
        self.idle = Starts(idle, unwished, chain.weights)
        self.unhurried = Starts(replace(idle, not_before=None), unwished, chain.weights)
        self.unwished = Starts(chain.roster, unwished, chain.weights)

    def of(self, on: date) -> list[tuple[str, int]]:
        """Return the rules in order, each with the starts that it allows on that date."""
        if on not in self._known:
            self._known[on] = list(self._after_each_rule(on))
        return self._known[on]

    def grid(self, on: date) -> int:
        return ticks.grid_of(self.roster.days[on], self.roster.grid_minutes)

    def _after_each_rule(self, on: date) -> Iterator[tuple[str, int]]:
        step, roles = self.step, self.starts.shape(self.step).roles
        everything = ticks.span(0, self.roster.days[on].length_minutes)
        yield "site_closed", 0 if self.roster.days[on].closed else everything
        yield "in_the_past", self.idle.open_starts(step, on) | ~self.unhurried.open_starts(step, on)
        is_able = all(self.starts.able(step, role, on) for role in roles)
        yield "lacks_capability", everything if is_able else 0
        on_duty = everything
        for role in roles:
            on_duty &= self.idle.role_starts(step, role, on)
        yield "off_duty", on_duty
        yield "lead_busy", self.starts.role_starts(step, step.lead_role, on)
        others = everything
        for role in roles:
            if role != step.lead_role:
                others &= self.starts.role_starts(step, role, on)
        yield "others_busy", others
        yield "patient_busy", self.unwished.open_starts(step, on)
        wished, possible = 0, 0
        for lead in self.starts.leads(step, on):
            wished |= self.starts.lead_starts(step, on, lead)
            for _, tick in self.starts.by_cost(step, on, lead):
                possible |= 1 << tick
        yield "wish_missed", wished
        yield "roles_collide", possible


def _relaxations(chain: Chain, stuck: Stuck) -> Iterator[Relaxation]:
    """Yield the ways out: wishes dropped one by one and all, then times outside the window."""
    wishes = chain.course.wishes
    if wishes.strict:
        for code, other in _softer(wishes):
            course = replace(chain.course, wishes=other)
            again = Chain(course, chain.roster, chain.weights, today=chain.today, stay={} if chain.moves else None)
            slots = again.outcome()
            if not isinstance(slots, Stuck):
                yield Relaxation(code, stuck.session.id, next(s for s in slots if s.session == stuck.session.id), True)
    later = range(max(stuck.last + 1, chain.first_day), chain.last_day + 1)
    sooner = range(min(stuck.first, chain.last_day + 1) - 1, chain.first_day - 1, -1)
    window = windows_of(chain.course)[stuck.session.id]
    if window.lapse_on is not None:
        yield from _outside("after_lapse", chain, stuck, later)
    if window.earliest_on is not None:
        floor = window.floor_on.toordinal() if window.floor_on else window.earliest_on.toordinal()
        yield from _outside("before_minimum", chain, stuck, (on for on in sooner if on >= floor))


def _softer(wishes: Wishes) -> Iterator[tuple[str, Wishes]]:
    """Yield the wishes with one kind of them dropped, for each kind there is, and then as mere wishes."""
    plain = Wishes()
    for code, names in (
        ("without_weekdays", ("weekdays",)),
        ("without_times", ("from_minute", "until_minute")),
        ("without_practitioner", ("practitioner",)),
        ("without_avoided_dates", ("avoid_dates",)),
        ("without_language", ("language",)),
    ):
        softer = replace(wishes, **{name: getattr(plain, name) for name in names})
        if softer != wishes:
            yield code, softer
    yield "without_wishes", replace(wishes, strict=False)


def _outside(code: str, chain: Chain, stuck: Stuck, dates: Iterable[int]) -> Iterator[Relaxation]:
    """Yield the first of these dates on which the session has a time, with its cheapest one."""
    step, starts = stuck.session.step, chain.starts
    for on in map(date.fromordinal, dates):
        leads = starts.leads(step, on)
        possible = [(best, lead.id, lead) for lead in leads if (best := starts.cheapest(step, on, lead))]
        if possible:
            (_, tick), _, lead = min(possible, key=lambda one: one[:2])
            yield Relaxation(code, stuck.session.id, starts.slot(stuck.session, on, lead, tick), False)
            return
