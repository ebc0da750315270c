"""What a person asks of one plan."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

Between = tuple[date, date]  # first and last date, inclusive


@dataclass(frozen=True, slots=True)
class Terms:
    """What must be so for a session of a plan. Unlike a wish it is never missed; all that is said must hold."""

    on: date | None = None  # pinned to this date
    at_minute: int | None = None  # pinned to this start: local wall-clock minutes after midnight
    first_on: date | None = None  # both inclusive
    last_on: date | None = None
    forbidden: tuple[Between, ...] = ()
    weekdays: frozenset[int] = frozenset()  # 0 = Monday; empty: any
    from_minute: int = 0  # local wall-clock minutes after midnight; the session lies inside [from, until]
    until_minute: int = 24 * 60
    only_with: frozenset[UUID] = frozenset()  # one of these leads; empty: anybody; see `asks.terms_of`
    not_with: frozenset[UUID] = frozenset()


@dataclass(frozen=True, slots=True)
class SessionTerms:
    """Terms for one session."""

    session: UUID
    terms: Terms


@dataclass(frozen=True, slots=True)
class Ask:
    """What a person asks of one plan; nothing of it is kept with the course.

    It is about the sessions that the plan gives a time to: visits that are booked already stay where they are.
    """

    every: Terms = Terms()  # for each session
    sessions: tuple[SessionTerms, ...] = ()  # besides, for one session; each is named once
    starts_from: date | None = None  # the first session is not before it
    starts_by: date | None = None  # nor after it
    ends_before: date | None = None  # the last session is before it
    also: tuple[Terms, ...] = ()  # more terms for each session: what makes a plan one of its kind
