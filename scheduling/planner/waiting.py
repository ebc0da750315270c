"""Who on the waiting list could use time that fell free, and who gains most by it.

What fell free is what can be had now and could not be had while it was taken: any other time is for the front desk to
book, and nobody is offered it by surprise. A session is only offered a time that breaks no rule, lies before its visit,
and pushes out no other visit of its course.

The order, the first first:

1. *overdue*: sessions that are late without this time: booked on their overdue day or later, or not booked, with that
   day no later than the freed one;
2. *gained*: the days by which the session comes nearer to its target (to the day itself where the protocol names no
   target). One that is not booked counts as booked on the last day that can be booked at all;
3. *since*: the longest on the list, then the lowest id.

Of the times that a session could have, the one on the date that gains most, then the cheapest, then the earliest.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from uuid import UUID

from .chains import Chain
from .cost import Weights
from .facts import CourseFacts, ResourceFacts, Roster, SessionFacts, SessionState, Slot, Step, Violation, Wishes
from .rules import violations
from .starts import Starts
from .windows import window_of

Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Freed:
    """Minutes of a date that a place of a resource (None: all of its places) was not to be had, and is now."""

    resource: UUID
    place: int | None
    on: date
    ticks: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """A session whose patient would take an earlier time."""

    session: UUID
    course: CourseFacts
    since: datetime
    patient_busy: Mapping[date, int]  # by every visit of the patient, that of this session too
    not_before: datetime  # the notice that the patient needs, and time to ask, are over
    from_on: date | None = None
    until_on: date | None = None
    offered: tuple[Span, ...] = ()  # times that were offered before, and not taken


@dataclass(frozen=True, slots=True)
class Match:
    """A time for a waiting session, and what it gains by it."""

    session: UUID
    slot: Slot
    is_overdue: bool
    days_gained: int
    since: datetime

    @property
    def rank(self) -> tuple[bool, int, datetime, UUID]:
        return not self.is_overdue, -self.days_gained, self.since, self.session


def matches(
    waiting: Iterable[Waiting],
    freed: Collection[Freed],
    roster: Roster,
    weights: Weights,
    *,
    today: date,
    horizon_on: date,
) -> list[Match]:
    """Return the best lawful time of each waiting session in what fell free, those first that gain most.

    `roster` holds the dates on which something fell free, with everything that stands taken, the sessions' own visits
    too. Sessions that could not use any of it are left out. `horizon_on` is the last day that can be booked at all.
    """
    taken = with_freed_taken(roster, freed)
    dates = sorted({one.on for one in freed} & roster.days.keys())
    news = _News(roster, taken, weights)
    found = (_match(one, dates, roster, taken, weights, (today, horizon_on)) for one in waiting if news.holds_for(one))
    return sorted((match for match in found if match is not None), key=lambda match: match.rank)


class _News:
    """Whether anything fell free for a step at all, whoever the patient is: asked once for all who wait for it."""

    def __init__(self, roster: Roster, before: Roster, weights: Weights) -> None:
        self._now, self._before = (Starts(one, Wishes(), weights) for one in (roster, before))
        self._known: dict[tuple[str, int, str], bool] = {}

    def holds_for(self, one: Waiting) -> bool:
        step = next((s.step for s in one.course.sessions if s.id == one.session), None)
        if step is None:
            return False
        key = (one.course.protocol.key, one.course.protocol.version, step.key)
        if key not in self._known:
            self._known[key] = any(
                _ticks(self._now, step, on, lead) - _ticks(self._before, step, on, lead)
                for on in self._now.roster.days
                for lead in self._now.leads(step, on)
            )
        return self._known[key]


def with_freed_taken(roster: Roster, freed: Iterable[Freed]) -> Roster:
    """Return the roster as it was before that time fell free."""
    places = {resource.id: resource.places for resource in roster.resources}
    masks: dict[tuple[UUID, date], dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for one in freed:
        for place in range(places.get(one.resource, 0)) if one.place is None else (one.place,):
            masks[one.resource, one.on][place] |= one.ticks
    busy = dict(roster.busy)
    for key, mask in masks.items():
        before = roster.busy.get(key, ())
        busy[key] = tuple(
            (before[place] if place < len(before) else 0) | mask.get(place, 0)
            for place in range(max(len(before), max(mask) + 1))
        )
    return replace(roster, busy=busy)


def _match(
    one: Waiting, dates: Sequence[date], roster: Roster, taken: Roster, weights: Weights, between: tuple[date, date]
) -> Match | None:
    session = next((s for s in one.course.sessions if s.id == one.session), None)
    if session is None or session.state is not SessionState.OPEN or session.pinned:
        return None
    today, horizon_on = between
    roster = replace(roster, patient_busy=one.patient_busy)
    chain = Chain(one.course, roster, weights, today=today, only=session.id)
    was = replace(taken, patient_busy=one.patient_busy)
    before = Starts(was, one.course.wishes, weights, of_others=chain.steps_of_others)
    wanted = [on for on in dates if (one.from_on or date.min) <= on <= (one.until_on or date.max)]
    open_dates = dict(chain.open_dates(wanted[0], wanted[-1])) if wanted and chain.sessions else {}
    gains = {on: _gain(session, one.course, on, horizon_on) for on in wanted if on in open_dates}
    for on in sorted(gains, key=lambda on: (-gains[on][1], on)):
        # What the starts leave open to a rule (gates, windows, order) is one answer for the whole date.
        slot = _slot(one, session, on, chain, before)
        if slot is not None and _is_lawful(slot, one.course, roster, today):
            is_overdue, days = gains[on]
            return Match(one.session, slot, is_overdue, days, one.since)
    return None


def _gain(session: SessionFacts, course: CourseFacts, on: date, horizon_on: date) -> tuple[bool, int]:
    """Return whether the session is late without that date, and the days by which it comes nearer to its target."""
    window = window_of(session, course)
    without = session.booked.on if session.booked is not None else horizon_on
    overdue_on = window.overdue_on
    is_overdue = overdue_on is not None and (overdue_on <= (on if session.booked is None else without))
    target = window.target_on or on
    return is_overdue, abs((without - target).days) - abs((on - target).days)


def _slot(one: Waiting, session: SessionFacts, on: date, chain: Chain, before: Starts) -> Slot | None:
    """Return the cheapest freed time of a date that the patient could come to, then the earliest."""
    day = chain.roster.days[on]
    best: tuple[tuple[int, int, UUID], ResourceFacts] | None = None
    for lead in chain.starts.leads(session.step, on):
        had = _ticks(before, session.step, on, lead)
        for price, tick in chain.starts.by_cost(session.step, on, lead):
            starts_at = day.instant(tick)
            span = (starts_at, starts_at + timedelta(minutes=session.step.minutes))
            if tick in had or starts_at < one.not_before or any(_overlap(span, other) for other in one.offered):
                continue
            if session.booked is not None and (on, tick) >= (session.booked.on, session.booked.tick):
                continue
            key = (price + chain.lead_price(lead), tick, lead.id)
            if best is None or key < best[0]:
                best = (key, lead)
    return None if best is None else chain.starts.slot(session, on, best[1], best[0][1])


def _ticks(starts: Starts, step: Step, on: date, lead: ResourceFacts) -> set[int]:
    return {tick for _price, tick in starts.by_cost(step, on, lead)}


def _overlap(one: Span, other: Span) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _is_lawful(slot: Slot, course: CourseFacts, roster: Roster, today: date) -> bool:
    """Whether the slot breaks no rule, and no other visit of the course breaks one by it that it does not break now."""
    if violations([slot], course, roster, today):
        return False
    others = [
        s.booked
        for s in course.sessions
        if s.state is SessionState.OPEN and s.booked is not None and s.id != slot.session
    ]
    moved = replace(
        course, sessions=tuple(replace(s, booked=slot) if s.id == slot.session else s for s in course.sessions)
    )
    return not others or _broken(others, moved, roster, today) <= _broken(others, course, roster, today)


def _broken(slots: Sequence[Slot], course: CourseFacts, roster: Roster, today: date) -> set[Violation]:
    return set(violations(slots, course, roster, today))
