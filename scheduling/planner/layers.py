"""The layers of a chain: its sessions, each with all that does not depend on the path that leads to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from uuid import UUID

from . import cost
from .asks import Held, dates_within, is_wanted
from .facts import CourseFacts, Moment, SessionFacts, SessionState, Slot, Spacing, Step
from .gates import could_refuse, gate_answers, refuses, turning_dates
from .rules import follows
from .windows import GONE, depends_on, references

Dates = tuple[int, ...]  # ordinals; of a state, after the count of the year where there is one
Found = tuple[Spacing, SessionFacts | date]  # what a session's window is counted from
Known = tuple[Spacing, date | int | None]  # a date, or the layer that will have one; None: see `_known`


@dataclass(frozen=True, slots=True)
class Layer:
    """One session of the chain."""

    session: SessionFacts
    fixed: Slot | None  # pinned: this time and no other
    stay: Slot | None  # booked and still possible: this time whenever the window allows it
    shared: int  # the date on which it is booked with an assessment before it; 0: none, each has a date of its own
    anchors: list[tuple[Spacing, date | int]] | None  # spacings from a date or a layer; None: ask `window_of`
    is_certain: bool  # no reference is to come
    counted_from: Dates  # layers whose dates decide the window
    kept: Dates  # layers whose dates must be known after this one; the last is this one
    span: tuple[int, int]  # first and last date in order with what is fixed outside the chain
    first: int  # those of them that were asked for
    last: int
    gated: frozenset[int]  # dates on which a gate is closed that is not closed always
    closed: frozenset[int]  # those, and the dates that nobody asked for
    held: Held  # what was asked of it
    may_be_early: bool  # an override of the minimum stands for some date
    counts_change: bool  # another lead than before would be a change
    change: int  # what that costs


class Frame:
    """What a chain is made of: its sessions, among those of the course, and the dates that can be booked.

    Whether a gate is closed always is judged by all dates until `gated_until`, read or not.
    """

    def __init__(
        self,
        course: CourseFacts,
        sessions: Sequence[SessionFacts],
        today: date,
        dates: tuple[int, int],
        gated_until: int,
    ) -> None:
        self.course, self.sessions, self.today = course, sessions, today
        self.first_day, self.last_day = dates
        self._gated_until = gated_until
        self._inside = {session.id for session in sessions}
        self._refusing: dict[int, bool] = {}  # by identity of the step

    @cached_property
    def outside(self) -> CourseFacts:
        """The course without the times that the chain's own sessions had before: gates say nothing of them."""
        sessions = (replace(s, booked=None) if s.id in self._inside else s for s in self.course.sessions)
        return replace(self.course, sessions=tuple(sessions))

    def layers(
        self, stay: Mapping[UUID, Slot], held: Mapping[UUID, Held], change: int, alike: Sequence[Layer] = ()
    ) -> Iterator[Layer]:
        """Yield the layers; `change` is what another lead costs, `alike` are those of the same course and dates."""
        ids = [session.id for session in self.sessions]
        found = [references(session, self.course) for session in self.sessions]
        known = [[(spacing, _known(reference, ids)) for spacing, reference in those] for those in found]
        needs = [self._needs(*of, ids) for of in zip(found, known, strict=True)]
        until = list(range(len(ids)))  # the last layer whose window is counted from each
        for number, needed in enumerate(needs):
            for earlier in needed:
                until[earlier] = number
        may_be_early = any(override.rule == "before_minimum" for override in self.course.overrides)
        only_before: Slot | None = None
        for number, session in enumerate(self.sessions):
            before = self.sessions[number - 1] if number else None
            fixed = session.booked if session.pinned else None
            only = fixed or stay.get(session.id)
            is_shared = (
                only and only_before and before and only.on == only_before.on and follows(only.on, before, only.on)
            )
            anchors = [(spacing, anchor) for spacing, anchor in known[number] if anchor is not None]
            terms = held.get(session.id, ())
            span = self._between(session, is_fixed=fixed is not None)
            first, last = dates_within(terms, *span) if terms else span
            gated = alike[number].gated if alike else frozenset() if fixed else self._closed_dates(session)
            counts = cost.counts_change(before, session)
            yield Layer(
                session=session,
                fixed=fixed,
                stay=None if fixed else only,
                shared=only.on.toordinal() if only and is_shared else 0,
                anchors=anchors if len(anchors) == len(known[number]) else None,
                is_certain=all(isinstance(r, date) or r.performed_on is not None for _, r in found[number]),
                counted_from=needs[number],
                kept=(*(n for n in range(number) if until[n] > number), number),
                span=span,
                first=first,
                last=last,
                gated=gated,
                closed=gated | _unwanted(terms, first, last),
                held=terms,
                may_be_early=may_be_early,
                counts_change=counts,
                change=change if counts else 0,
            )
            only_before = only

    def _needs(self, found: Sequence[Found], anchors: Sequence[Known], ids: Sequence[UUID]) -> Dates:
        """Return the layers whose dates decide a window that counts from these references."""
        needs: set[int] = set()
        for (_, reference), (_, anchor) in zip(found, anchors, strict=True):
            if isinstance(anchor, int):
                needs.add(anchor)
            elif anchor is None and isinstance(reference, SessionFacts) and reference.booked is None:  # projected
                needs.update(map(ids.index, depends_on(reference, self.course, frozenset(ids))))
        return tuple(sorted(needs))

    def _between(self, session: SessionFacts, *, is_fixed: bool) -> tuple[int, int]:
        """Return the first and last date in order with sessions that are performed, pinned or outside the chain.

        A pinned visit may lie before today (it took place and is not recorded yet) or beyond the roster.
        """
        first, last = (1, date.max.toordinal()) if is_fixed else (self.first_day, self.last_day)
        for other in self.course.sessions:
            if other.state in GONE or other.id == session.id:
                continue
            slot = other.booked if other.id not in self._inside or other.pinned else None
            if other.position < session.position:
                on = other.performed_on or (slot.on if slot else None)
                if on is not None:
                    first = max(first, on.toordinal() + (not follows(on, other, on)))
            elif slot is not None and other.state is SessionState.OPEN:
                last = min(last, slot.on.toordinal() - (not follows(slot.on, session, slot.on)))
        return first, last

    def _could_refuse(self, step: Step) -> bool:
        if id(step) not in self._refusing:
            self._refusing[id(step)] = could_refuse(step, self.course)
        return self._refusing[id(step)]

    def _closed_dates(self, session: SessionFacts) -> frozenset[int]:
        """Return the dates on which booking would be refused by a gate that is open on other dates.

        Between two dates on which gates turn a code changes at most once (see `gates`), so two such dates with equal
        answers have no other answer between them. What is closed on every date is reported.
        """
        if self.first_day > self.last_day or not self._could_refuse(session.step):
            return frozenset()

        def closed(on: int) -> frozenset[tuple[str, str]]:
            found = gate_answers(session, date.fromordinal(on), self.outside, self.today)
            return frozenset((a.code, a.subject) for a in found if refuses(a, Moment.BOOK))

        ends = date.fromordinal(self.first_day), date.fromordinal(self._gated_until)
        turns = [on.toordinal() for on in turning_dates(session, *ends, self.outside, self.today)]
        spans = [
            (first, closed(first), last, closed(last))
            for first, last in zip(turns, [*(on - 1 for on in turns[1:]), self._gated_until], strict=True)
        ]
        even: list[tuple[int, int, frozenset[tuple[str, str]]]] = []  # first and last date, and what is closed on all
        while spans:
            first, at_first, last, at_last = spans.pop()
            if at_first == at_last:
                even.append((first, last, at_first))
            elif last - first == 1:
                even += [(first, first, at_first), (last, last, at_last)]
            else:
                middle = (first + last) // 2
                at_middle = closed(middle)
                spans += [(first, at_first, middle, at_middle), (middle, at_middle, last, at_last)]
        always = frozenset.intersection(*(codes for *_, codes in even))
        return frozenset(on for first, last, codes in even if codes - always for on in range(first, last + 1))


def _unwanted(held: Held, first: int, last: int) -> frozenset[int]:
    """Return the dates of a span that the terms do not leave."""
    if not any(terms.weekdays or terms.forbidden for terms in held):
        return frozenset()
    return frozenset(on for on in range(first, last + 1) if not is_wanted(held, date.fromordinal(on)))


def _known(reference: SessionFacts | date, ids: list[UUID]) -> date | int | None:
    """Return the date of a reference, or the layer that will have it; None when it must be projected or looked up."""
    if isinstance(reference, date):
        return reference
    if reference.performed_on is not None:
        return reference.performed_on
    return ids.index(reference.id) if reference.id in ids else None
