"""How much a search must remember to plan a course, or a protocol's courses: a bound, from the spacings alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import pairwise
from uuid import UUID

from .amounts import Amount
from .facts import CourseFacts, PatientFacts, Protocol, SessionFacts, SessionState, Spacing, Step
from .windows import depends_on, references

# At most so many states of one layer, and dates looked at after states of all layers, over a year. One date remembered
# besides the last is always below the first; two are when spacings with a lapse keep them near. A search looks at a
# thirtieth of these dates at most (measured): to prove that there is no plan takes it less than `work.MOST_DATES`,
# ten seconds or so. A plan that there is is found in a fraction of it.
MOST_STATES = 500_000
MOST_LOOKS = 150_000_000
DAYS = 365


@dataclass(frozen=True, slots=True)
class Effort:
    """What a course's search must remember and look at; step and spacing are of its layer that has the most states."""

    states: int  # at most so many in one layer, over the days in question
    dates: int  # that a state remembers there, the last one included
    step: str  # the key of the step whose spacing needs the earliest of them, when it is not the last
    spacing: int  # which one, from 0
    looks: int = field(default=0, compare=False)  # at dates, after the states of all layers
    session: UUID | None = field(default=None, compare=False)  # the session of that step

    @property
    def is_bounded(self) -> bool:
        return self.states <= MOST_STATES and self.looks <= MOST_LOOKS


def effort(steps: Sequence[Step], days: int = DAYS) -> Effort:
    """Return the most that a search must do for a course of these steps, one for each session; see `effort_of`.

    Every session is taken to be open, not booked, and to treat the same areas: a spacing for areas then counts from the
    treatment before. A course whose sessions treat different areas in turn may need more; `effort_of` says how much.
    """
    sessions = tuple(SessionFacts(UUID(int=number + 1), number, step) for number, step in enumerate(steps))
    protocol = Protocol("", 1, tuple(steps))
    course = CourseFacts(UUID(int=0), protocol, PatientFacts(UUID(int=0)), sessions, date.min)
    return effort_of(course, days)


def effort_of(course: CourseFacts, days: int = DAYS) -> Effort:
    """Return the most that a search must do for the sessions left in a course, with the areas that each is to treat.

    A state holds the last date and each earlier one that a later spacing is counted from (`chains`). There are at most
    as many as dates, times for each date between two that are remembered the widths of the windows between them: from
    minimum to lapse of the spacing from the session before, or all days where one of the two is blank. A session's days
    begin when the minimums since the first of those left are over. Years are taken to have room for all treatments, and
    visits that are booked to be free to move. A session that is not planned with the course is no part of the search:
    what counts from it counts from its date, or where it has none from those planned sessions from which its date is
    projected.
    """
    layers = [one for one in course.sessions if one.state is SessionState.OPEN and one.step.planned_with_course]
    at = {session.id: number for number, session in enumerate(layers)}
    needs = [[at[uid] for uid in depends_on(session, course, frozenset(at))] for session in layers]
    until = list(range(len(layers)))
    for number, needed in enumerate(needs):
        for earlier in needed:
            until[earlier] = number
    spans = [max(1, days - since) for since in _soonest(layers, course)]
    widths = [_width(*pair, course) for pair in zip(layers, [None, *layers], strict=False)]
    most, looks = Effort(0, 0, "", 0), 0
    for number in range(len(layers)):
        kept = [*(n for n in range(number) if until[n] > number), number]
        states = spans[kept[0]]
        for earlier, later in pairwise(kept):
            states *= min(spans[later], sum(widths[earlier + 1 : later + 1]))
        if len(kept) > 1 and number + 1 < len(layers):  # one date is looked up in tables, until a year is full
            looks += states * min(spans[number + 1], widths[number + 1])
        if (states, len(kept)) > (most.states, most.dates):
            most = Effort(states, len(kept), "", 0)
            if len(kept) > 1:
                because = layers[until[kept[0]]]
                spacing = _because(because, layers[kept[0]], course)
                most = Effort(states, len(kept), because.step.key, spacing, session=because.id)
    return replace(most, looks=looks)


def _soonest(layers: Sequence[SessionFacts], course: CourseFacts) -> list[int]:
    """Return how many days after the first of these sessions each can be, at the soonest."""
    since: dict[UUID, int] = {}
    latest = 0
    for session in layers:
        least = [
            since[reference.id] + _days(_least(spacing, course), 28)
            for spacing, reference in references(session, course)
            if isinstance(reference, SessionFacts) and reference.id in since
            if not spacing.effective_from and not spacing.effective_to
        ]
        latest = since[session.id] = max([latest, *least])
    return list(since.values())


def _width(session: SessionFacts, before: SessionFacts | None, course: CourseFacts) -> int:
    """Return on how many dates the session can be, once the date of the planned one before it is known."""
    widths = [
        _days(spacing.lapse, 31) - _days(_least(spacing, course), 28)
        for spacing, reference in references(session, course)
        if isinstance(reference, SessionFacts) and before is not None and reference.id == before.id
        if spacing.lapse is not None and not spacing.effective_from and not spacing.effective_to
    ]
    return max(1, min([DAYS, *widths]))


def _least(spacing: Spacing, course: CourseFacts) -> Amount | None:
    """Return how soon after its reference the spacing lets anything be; an override may silence the minimum."""
    may_be_early = any(override.rule == "before_minimum" for override in course.overrides)
    return spacing.floor if may_be_early else spacing.minimum or spacing.floor


def _days(amount: Amount | None, month: int) -> int:
    return 0 if amount is None else amount.months * month + amount.days


def _because(session: SessionFacts, earliest: SessionFacts, course: CourseFacts) -> int:
    """Return which spacing of a session is counted from an early date when all others are past."""
    planned = frozenset(one.id for one in course.sessions if one.step.planned_with_course)
    for spacing, reference in references(session, course):
        if not isinstance(reference, SessionFacts):
            continue
        counted_from = {reference.id} if reference.id in planned else depends_on(reference, course, planned)
        if earliest.id in counted_from:
            return _index(spacing, session.step)
    return 0


def _index(spacing: Spacing, step: Step) -> int:
    return next(number for number, one in enumerate(step.spacings) if one is spacing)
