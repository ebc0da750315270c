"""Why there is no time, and why not a better one. What would make one is in `relax`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from datetime import date
from functools import cached_property

from . import cost, ticks
from .asks import Held, may_lead, wanted_starts
from .chains import Chain, Stuck
from .facts import (
    Ask,
    CostParts,
    Nearer,
    NotOn,
    Plan,
    PlannedSession,
    Reason,
    Removed,
    ResourceFacts,
    SessionFacts,
    SessionTerms,
    Terms,
    Window,
    Wishes,
)
from .layers import Layer
from .plans import plan_of
from .rules import may_be_early
from .starts import Starts
from .windows import windows_of
from .work import MOST_TRIED

# The order in which rules are asked: each counts what the ones before it have left.
ASKED_IN_ORDER = (
    "outside_window",
    "out_of_order",
    "gate_closed",
    "site_closed",
    "in_the_past",
    "lacks_capability",
    "off_duty",
    "lead_busy",
    "others_busy",
    "patient_busy",
    "wish_missed",
    "not_asked",
    "roles_collide",
)
MOST_DATES = 62  # of a session, the nearest to its best date: told one by one
MOST_TRIALS = 24  # searches with a session put on another date, shared by the sessions of a plan


class Unplannable(Exception):
    """No plan breaks no rule and gives all that is asked. Why not is worked out when somebody wants to know."""

    def __init__(self, chain: Chain, stuck: Stuck) -> None:
        super().__init__("there is no plan")
        self.chain, self.stuck = chain, stuck

    @property
    def stuck_at(self) -> Reason:
        """The reason of the first session without a time."""
        return next(reason for reason in self.reasons if reason.session == self.stuck.session.id)

    @cached_property
    def reasons(self) -> tuple[Reason, ...]:
        """What each rule took away, for every session to plan, by position."""
        chain = self.chain
        windows = windows_of(chain.course)
        cascades: dict[tuple[str, Held], Cascade] = {}
        reasons = []
        for layer in chain.layers:
            cascade = cascades.setdefault((layer.session.step.key, layer.held), Cascade(chain, layer))
            question = self._question(layer, windows[layer.session.id])
            reasons.append(_reason(chain, cascade, layer, question, self.stuck))
        return tuple(reasons)

    def _question(self, layer: Layer, window: Window) -> Question:
        stuck, (first, last) = self.stuck, layer.span
        if layer.session.id == stuck.session.id:
            until = stuck.closes if stuck.latest is None else stuck.last
            return Question(stuck.opens, stuck.closes, until, stuck.first, stuck.last, layer.gated | stuck.full)
        opens = max(first, window.earliest_on.toordinal() if window.earliest_on else 0)
        closes = min(last, window.lapse_on.toordinal() - 1 if window.lapse_on else last)
        return Question(opens, closes, closes, max(layer.first, opens), min(layer.last, closes), layer.gated)


@dataclass(frozen=True, slots=True)
class Question:
    """The dates (ordinals, inclusive) of which a session might have had one."""

    opens: int  # by windows, and in order with what is fixed
    closes: int
    until: int  # the last that leaves the sessions after it a date
    first: int  # of all these, those asked for
    last: int
    gated: frozenset[int]  # on which a gate is closed


def _reason(chain: Chain, cascade: Cascade, layer: Layer, question: Question, stuck: Stuck) -> Reason:
    session, first, last = layer.session, question.first, question.last
    is_stuck = session.id == stuck.session.id
    dates = dict.fromkeys(ASKED_IN_ORDER, 0)
    starts = dict.fromkeys(ASKED_IN_ORDER, 0)
    inside = dict.fromkeys(ASKED_IN_ORDER, 0)  # of the dates, those in question
    dates_left = starts_left = 0
    for on in range(chain.first_day, chain.last_day + 1):
        day = date.fromordinal(on)
        left = cascade.grid(day)
        is_left = True
        code = _date_against(on, layer, question)
        steps: list[tuple[str, int]] = [(code, 0)] if code else cascade.of(day)
        for code, mask in steps:
            starts[code] += (left & ~mask).bit_count()
            left &= mask
            if is_left and not left:
                dates[code] += 1
                inside[code] += first <= on <= last
                is_left = False
        dates_left += is_left
        starts_left += left.bit_count()
    removed = tuple(Removed(code, dates[code], starts[code]) for code in ASKED_IN_ORDER if dates[code] or starts[code])
    reason = Reason(
        session.id,
        session.position,
        date.fromordinal(first),
        date.fromordinal(last),
        removed,
        dates_left,
        starts_left,
    )
    if first > last:
        # What is projected from dates that the sessions before it do not have is no reason.
        return _between(reason, layer, chain, question, stuck) if is_stuck or layer.is_certain else reason
    if is_stuck and dates_left and stuck.is_proven:
        return replace(reason, binding="spacing")
    if not dates_left:
        most = max(ASKED_IN_ORDER, key=lambda code: inside[code])
        return replace(reason, binding=most if inside[most] else "outside_window")
    return reason


def _date_against(on: int, layer: Layer, question: Question) -> str:
    """Return what stands against a date whatever its hours; "" when nothing does."""
    if not question.opens <= on <= question.closes:
        return "outside_window"
    if on > question.until:
        return "out_of_order"
    if on in question.gated:
        return "gate_closed"
    return "" if layer.first <= on <= layer.last and on not in layer.closed else "not_asked"


def _between(reason: Reason, layer: Layer, chain: Chain, question: Question, stuck: Stuck) -> Reason:
    """Return the reason for which a session has no date at all in question."""
    latest, because = None, ""
    if question.opens > question.closes == layer.span[1]:
        latest, because = _booked_after(layer, chain), "booked"
    elif question.first <= min(layer.last, question.closes) and stuck.latest is not None:
        latest = stuck.latest
        after = next(one for one in chain.layers if one.session.id == latest[0].id)
        because = "asked" if latest[1] == after.last < after.span[1] else ""
    if latest is not None and (because or not _is_end_of(latest[1], chain)):
        latest_on = date.fromordinal(latest[1])
        return replace(reason, binding="out_of_order", because=because, latest=(latest[0].id, latest_on))
    if latest is not None or question.opens > chain.last_day:
        return replace(reason, binding="beyond_horizon")
    if question.opens > question.closes:
        return replace(reason, binding="spacing")
    is_early = question.first == question.opens  # what was asked for, else what the window allows
    return replace(reason, binding="not_asked", because="asked_last" if is_early else "asked_first")


def _booked_after(layer: Layer, chain: Chain) -> tuple[SessionFacts, int] | None:
    """Return the visit that ends the span of a session; None when the horizon does."""
    for other in chain.course.sessions:
        if other.booked is not None and other.position > layer.session.position:
            on = other.booked.on.toordinal()
            return (other, on) if layer.span[1] in (on - 1, on) and layer.span[1] < chain.last_day else None
    return None


def _is_end_of(on: int, chain: Chain) -> bool:
    """Whether the site takes no bookings, or is closed, on every date after it."""
    after = range(on + 1, chain.last_day + 1)
    return all(chain.roster.days[date.fromordinal(later)].closed for later in after)


class Cascade:
    """What each rule in turn leaves of a date's starts, for sessions of one step of which the same is asked.

    Where a session is pinned, to a start or a lead, that is taken first: the rules then speak of what it is pinned to.
    """

    def __init__(self, chain: Chain, layer: Layer) -> None:
        self.step, self.roster = layer.session.step, chain.roster
        self.starts, self.unasked = chain.starts_by(layer.held), chain.starts
        self.pins = tuple(
            Terms(at_minute=terms.at_minute, only_with=terms.only_with)
            for terms in layer.held
            if terms.on is not None or terms.at_minute is not None
        )
        self._known: dict[date, list[tuple[str, int]]] = {}
        unwished = Wishes()
        idle = replace(chain.roster, busy={}, patient_busy={})
        self.idle = Starts(idle, unwished, chain.weights)
        self.unhurried = Starts(replace(idle, not_before=None), unwished, chain.weights)
        self.unwished = Starts(chain.roster, unwished, chain.weights, like=chain.starts)

    def of(self, on: date) -> list[tuple[str, int]]:
        """Return the rules in order, each with the starts that it allows on that date."""
        if on not in self._known:
            self._known[on] = list(self._after_each_rule(on))
        return self._known[on]

    def first_without(self, on: date) -> str:
        """Return the rule that leaves no start of a date; "" when there are starts left."""
        left = self.grid(on)
        for code, mask in self.of(on):
            left &= mask
            if not left:
                return code
        return ""

    def grid(self, on: date) -> int:
        day = self.roster.days[on]
        return ticks.grid_of(day, self.roster.grid_minutes) & wanted_starts(self.pins, day, self.step.minutes)

    def _after_each_rule(self, on: date) -> Iterator[tuple[str, int]]:
        step, roles = self.step, self.starts.shape(self.step).roles
        everything = ticks.span(0, self.roster.days[on].length_minutes)
        yield "site_closed", 0 if self.roster.days[on].closed else everything
        yield "in_the_past", self.idle.open_starts(step, on) | ~self.unhurried.open_starts(step, on)
        others = [role for role in roles if role != step.lead_role]
        able = self._leads(self.starts.able(step, step.lead_role, on))
        is_able = bool(able) and all(self.starts.able(step, role, on) for role in others)
        yield "lacks_capability", everything if is_able else 0
        on_duty = self._led(self.idle, on)
        for role in others:
            on_duty &= self.idle.role_starts(step, role, on)
        yield "off_duty", on_duty
        yield "lead_busy", self._led(self.starts, on)
        for_others = everything
        for role in others:
            for_others &= self.starts.role_starts(step, role, on)
        yield "others_busy", for_others
        yield "patient_busy", self.unwished.open_starts(step, on)
        for code, starts in (("wish_missed", self.unasked), ("not_asked", self.starts)):
            mask = 0
            for lead in self._leads(starts.leads(step, on)):
                mask |= starts.lead_starts(step, on, lead)
            yield code, mask
        possible = 0
        for lead in self.starts.leads(step, on):
            for _, tick in self.starts.by_cost(step, on, lead):
                possible |= 1 << tick
        yield "roles_collide", possible

    def _leads(self, able: list[ResourceFacts]) -> list[ResourceFacts]:
        return [lead for lead in able if may_lead(self.pins, lead.id)]

    def _led(self, starts: Starts, on: date) -> int:
        """Return the starts at which somebody could lead, of those to whom the session is pinned."""
        if not self.pins:
            return starts.role_starts(self.step, self.step.lead_role, on)
        mask = 0
        for lead in self._leads(starts.shape(self.step).leads.members):
            mask |= starts.own_starts(self.step, on, lead)
        return mask


# --- why not nearer ---------------------------------------------------------------------------------------------------


def why_not_nearer(plan: Plan, chain: Chain) -> tuple[Nearer, ...]:
    """Say, for each session that a plan gives a time to, what stands between it and its best date.

    `plan` is the chain's cheapest. Told are the dates inside the session's window, under the plan's own dates, that
    would by themselves cost less than the date it has: the rule that leaves no time on each, or what the whole plan
    would cost more with the session on it, all other sessions planned anew. Bounded: MOST_DATES of a session, those
    nearest to its best date, and MOST_TRIALS searches for the plan, shared evenly by its sessions, that look at
    MOST_TRIED dates together; what is beyond is `not_tried`.
    """
    new = [(layer, one) for layer, one in zip(chain.layers, plan.sessions, strict=True) if layer.fixed is None]
    trials = max(1, MOST_TRIALS // max(1, len(new)))
    chain.work.allow(MOST_TRIED)
    cascades: dict[tuple[str, Held], Cascade] = {}
    found = []
    for layer, planned in new:
        cascade = cascades.setdefault((layer.session.step.key, layer.held), Cascade(chain, layer))
        found.append(_nearer(planned, layer, plan, chain, cascade, trials))
    return tuple(found)


def _nearer(planned: PlannedSession, layer: Layer, plan: Plan, chain: Chain, cascade: Cascade, trials: int) -> Nearer:
    slot, window = planned.slot, planned.window
    slope = cost.timing(window, chain.today, chain.weights)
    has = slope.at(slot.on.toordinal())
    cheaper = sorted(
        (on for on in _around(slope, has) if _is_lawful(date.fromordinal(on), planned, layer, chain)),
        key=lambda on: (slope.at(on), on),
    )
    dates: list[NotOn] = []
    for on in map(date.fromordinal, cheaper[:MOST_DATES]):
        code = _against(on, layer, chain, cascade)
        if not code and trials and not chain.work.is_over:
            trials -= 1
            dates.append(_tried(on, layer, plan, chain))
        else:
            dates.append(NotOn(on, code or "not_tried"))
    dates.sort(key=lambda one: one.on)
    return Nearer(slot.session, slot.on, date.fromordinal(slope.anchor), tuple(dates))


def _around(slope: cost.Slope, has: int) -> Iterator[int]:
    """Yield the dates that cost less than this; those nearest to the anchor, where there are very many."""
    for away in range(MOST_DATES + slope.tolerance):
        for on in {slope.anchor + away, slope.anchor - away}:
            if slope.at(on) < has:
                yield on


def _is_lawful(on: date, planned: PlannedSession, layer: Layer, chain: Chain) -> bool:
    """Whether a date lies inside the session's window and is not over."""
    window = planned.window
    early = window.earliest_on is not None and on < window.earliest_on
    if early and (on < (window.floor_on or date.min) or not may_be_early(layer.session, on, chain.course)):
        return False
    return chain.today <= on and (window.lapse_on is None or on < window.lapse_on)


def _against(on: date, layer: Layer, chain: Chain, cascade: Cascade) -> str:
    """Return the rule that leaves no time on a date, whatever the other sessions' dates; "" when none does."""
    ordinal = on.toordinal()
    if not chain.first_day <= ordinal <= chain.last_day:
        return "beyond_horizon"
    if ordinal in layer.gated:
        return "gate_closed"
    if ordinal in layer.closed:
        return "not_asked"
    if not layer.span[0] <= ordinal <= layer.span[1]:
        return "out_of_order"
    if not layer.first <= ordinal <= layer.last:
        return "not_asked"
    return cascade.first_without(on)


def _tried(on: date, layer: Layer, plan: Plan, chain: Chain) -> NotOn:
    """Return what becomes of the plan with the session on another date."""
    again = chain.again(ask=_put_on(chain.ask, layer, on))
    slots = again.outcome()
    if isinstance(slots, Stuck):
        return NotOn(on, "others_stuck", session=slots.session.id) if slots.is_proven else NotOn(on, "not_tried")
    more = plan_of(slots, chain).cost
    parts = CostParts(*(getattr(more, part.name) - getattr(plan.cost, part.name) for part in fields(CostParts)))
    return NotOn(on, "dearer" if parts.total else "as_good", parts)


def _put_on(ask: Ask, layer: Layer, on: date) -> Ask:
    """Return the ask with the session on that date besides."""
    uid = layer.session.id
    own = next((one.terms for one in ask.sessions if one.session == uid), Terms())
    others = tuple(one for one in ask.sessions if one.session != uid)
    return replace(ask, sessions=(*others, SessionTerms(uid, replace(own, on=on))))
