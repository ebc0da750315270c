"""What a person asks of one plan: which terms hold for each session, and what in them can never be met."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from uuid import UUID

from . import ticks
from .facts import (
    Ask,
    CourseFacts,
    Day,
    Roster,
    SessionFacts,
    SessionState,
    Step,
    Terms,
    Window,
)
from .gates import PRESCRIBER
from .rules import follows, may_be_early
from .shapes import could_lead
from .windows import GONE, depends_on, window_of

NOTHING = Ask()
FREE = Terms()
WHOLE_DAY = 24 * 60
Held = tuple[Terms, ...]  # all of them hold


@dataclass(frozen=True, slots=True)
class Contradiction:
    """One thing in an ask that can never be met, whatever the diary says."""

    code: str
    where: str  # the path of the field: starts_by, every.weekdays, sessions.0.on
    session: UUID | None = None
    subject: str = ""
    on: date | None = None  # the date that would be possible, or that stands against it
    override: str = ""


def is_asked_of(session: SessionFacts) -> bool:
    """Whether a plan gives the session a time, so that an ask is about it."""
    return session.state is SessionState.OPEN and session.step.planned_with_course and not session.pinned


def terms_of(ask: Ask, course: CourseFacts, roster: Roster) -> dict[UUID, Held]:
    """Return the terms that hold for each session that the plan gives a time to; all of a session's hold at once.

    Who may lead each session is about those that one of the named could lead, and the others are free; where they could
    lead none, it holds for all, and nobody is left. Of a single session it always holds.
    """
    asked = [session for session in course.sessions if is_asked_of(session)]
    of_each = [_as_they_can_lead(terms, asked, roster) for terms in (ask.every, *ask.also)]
    own = {one.session: one.terms for one in ask.sessions}
    last_on = ask.ends_before and ask.ends_before - timedelta(days=1)
    found: dict[UUID, Held] = {}
    for number, session in enumerate(asked):
        starts = Terms(first_on=ask.starts_from, last_on=ask.starts_by if number == 0 else None)
        of_all = (terms[session.step.key] for terms in of_each)
        held = (starts, Terms(last_on=last_on), *of_all, own.get(session.id, FREE))
        found[session.id] = tuple(terms for terms in held if terms != FREE)
    return found


def _as_they_can_lead(terms: Terms, sessions: Iterable[SessionFacts], roster: Roster) -> dict[str, Terms]:
    """Return what is left of terms for each of these sessions, by step."""
    steps = {session.step.key: session.step for session in sessions}
    led = {key for key, step in steps.items() if any(_could_lead(step, terms.only_with, roster))}
    freed = replace(terms, only_with=frozenset()) if led else terms
    return {key: terms if key in led else freed for key in steps}


def _could_lead(step: Step, those: frozenset[UUID], roster: Roster) -> Iterator[UUID]:
    """Yield those of the people that could lead the step on some date."""
    return (one.id for one in roster.resources if one.id in those and could_lead(step, one))


def within_a_day(held: Held) -> Held:
    """Return what the terms say of hours and people."""
    hours = (replace(t, on=None, first_on=None, last_on=None, forbidden=(), weekdays=frozenset()) for t in held)
    return tuple(terms for terms in hours if terms != FREE)


def dates_within(held: Held, first: int, last: int) -> tuple[int, int]:
    """Return the first and last date (ordinals) that the terms leave of a span; see `is_wanted` for those between."""
    firsts = [on.toordinal() for terms in held for on in (terms.on, terms.first_on) if on]
    lasts = [on.toordinal() for terms in held for on in (terms.on, terms.last_on) if on]
    return max([first, *firsts]), min([last, *lasts])


def is_wanted(held: Held, on: date) -> bool:
    """Whether the terms leave a date."""
    return all(
        terms.on in (None, on)
        and (terms.first_on or on) <= on <= (terms.last_on or on)
        and (not terms.weekdays or on.weekday() in terms.weekdays)
        and not any(first_on <= on <= last_on for first_on, last_on in terms.forbidden)
        for terms in held
    )


def wanted_starts(held: Held, day: Day, minutes: int) -> int:
    """Return the starts that the terms leave of a day."""
    mask = ticks.span(0, day.length_minutes)
    for terms in held:
        if (terms.from_minute, terms.until_minute) != (0, WHOLE_DAY):
            mask &= ticks.within_wall_hours(day, minutes, terms.from_minute, terms.until_minute)
        if terms.at_minute is not None:
            mask &= ticks.at_wall_minute(day, terms.at_minute)
    return mask


def may_lead(held: Held, lead: UUID) -> bool:
    """Whether the terms leave a lead."""
    return all((not terms.only_with or lead in terms.only_with) and lead not in terms.not_with for terms in held)


# --- what can never be met --------------------------------------------------------------------------------------------


def contradictions(ask: Ask, course: CourseFacts, roster: Roster, today: date) -> list[Contradiction]:
    """Return everything in an ask that can never be met as it is put, in the order of its fields.

    Asked are the ask itself, who and what it names, the horizon, and where a session is pinned to a date: the dates of
    performed, booked and pinned sessions, and its window where that is counted from those. What depends on the diary is
    for the search to say. Bounded: a step per named thing, and one per date of the roster for each session.
    """
    found = [*_of_the_dates(ask, course, roster, today), *_of_terms(ask.every, "every", None, roster)]
    by_id = {session.id: session for session in course.sessions}
    named: set[UUID] = set()
    for number, one in enumerate(ask.sessions):
        where = f"sessions.{number}"
        session = by_id.get(one.session)
        if code := _against_naming(session, one.session in named):
            found.append(Contradiction(code, f"{where}.session", one.session))
        named.add(one.session)
        found += _of_terms(one.terms, where, one.session, roster)
    if not found:
        found += _together(ask, course, roster)
    if not found:
        found += _of_pins(ask, course, roster, today)
    return found


def _against_naming(session: SessionFacts | None, is_named: bool) -> str:
    if session is None:
        return "session_unknown"
    if is_named:
        return "session_twice"
    if session.state is not SessionState.OPEN:
        return "session_not_open"
    if session.booked is not None and session.pinned:
        return "already_booked"
    return "" if session.step.planned_with_course else "session_not_planned"


def _of_the_dates(ask: Ask, course: CourseFacts, roster: Roster, today: date) -> Iterator[Contradiction]:
    """Yield what is wrong with where the course starts and ends."""
    last_day = max(roster.days, default=today)
    if ask.starts_from and ask.starts_by and ask.starts_by < ask.starts_from:
        yield Contradiction("dates_reversed", "starts_by", on=ask.starts_from)
    if ask.starts_from and ask.ends_before and ask.ends_before <= ask.starts_from:
        yield Contradiction("ends_before_start", "ends_before", on=ask.starts_from)
    if ask.starts_from and ask.starts_from > last_day:
        yield Contradiction("beyond_horizon", "starts_from", on=last_day)
    if ask.starts_by and ask.starts_by < today:
        yield Contradiction("in_the_past", "starts_by", on=today)
    if ask.ends_before and ask.ends_before <= today:
        yield Contradiction("in_the_past", "ends_before", on=today + timedelta(days=1))
    for session in course.sessions:
        if session.pinned and session.booked and ask.ends_before and session.booked.on >= ask.ends_before:
            yield Contradiction("booked_later", "ends_before", session.id, on=session.booked.on)


def _of_terms(terms: Terms, where: str, session: UUID | None, roster: Roster) -> Iterator[Contradiction]:
    """Yield what is wrong with terms by themselves."""
    people = {resource.id for resource in roster.resources if resource.kind == "practitioner"}
    if terms.first_on and terms.last_on and terms.last_on < terms.first_on:
        yield Contradiction("dates_reversed", f"{where}.last_on", session, on=terms.first_on)
    for number, (first_on, last_on) in enumerate(terms.forbidden):
        if last_on < first_on:
            yield Contradiction("dates_reversed", f"{where}.forbidden.{number}", session, on=first_on)
    if not terms.weekdays <= set(range(7)):
        yield Contradiction("weekday_unknown", f"{where}.weekdays", session)
    if not 0 <= terms.from_minute < terms.until_minute <= WHOLE_DAY:
        yield Contradiction("hours_empty", f"{where}.until_time", session)
    if terms.at_minute is not None and terms.at_minute % roster.grid_minutes:
        yield Contradiction("off_grid", f"{where}.at", session, str(roster.grid_minutes))
    for name, who in (("only_with", terms.only_with), ("not_with", terms.not_with)):
        for lead in sorted(who - people):
            yield Contradiction("practitioner_unknown", f"{where}.{name}", session, str(lead))


def _together(ask: Ask, course: CourseFacts, roster: Roster) -> Iterator[Contradiction]:
    """Yield what contradicts itself in all that is asked of a session; once when that is asked of each."""
    places = {one.session: f"sessions.{number}" for number, one in enumerate(ask.sessions)}
    seen: set[str] = set()
    by_id = {session.id: session for session in course.sessions}
    for uid, held in terms_of(ask, course, roster).items():
        is_own = uid in places
        for code, field, on in _against(held, by_id[uid].step, roster):
            if is_own:
                yield Contradiction(code, f"{places[uid]}.{field}", uid, on=on)
            elif code not in seen:
                seen.add(code)
                yield Contradiction(code, f"every.{field}", on=on)


def _against(held: Held, step: Step, roster: Roster) -> Iterator[tuple[str, str, date | None]]:
    weekdays = frozenset(range(7)).intersection(*(terms.weekdays for terms in held if terms.weekdays))
    days = sorted(roster.days)
    pinned = next((terms.on for terms in held if terms.on), None)
    others = tuple(replace(terms, on=None) for terms in held)
    if pinned is not None and not is_wanted(others, pinned):
        yield _why_unwanted(others, pinned), "on", pinned
    elif not weekdays:
        yield "no_weekday_left", "weekdays", None
    elif pinned is None and days and not any(is_wanted(held, on) for on in days):
        yield "no_date_left", "first_on", None
    wanted = [terms.only_with for terms in held if terms.only_with]
    leads = frozenset.intersection(*wanted) if wanted else frozenset[UUID]()
    if wanted and not any(may_lead(held, lead) for lead in _could_lead(step, leads, roster)):
        yield "nobody_left", "only_with", None
    first_minute, until = max([0, *(t.from_minute for t in held)]), min([WHOLE_DAY, *(t.until_minute for t in held)])
    starts = {terms.at_minute for terms in held if terms.at_minute is not None}
    if until - first_minute < step.minutes:
        yield "hours_too_short", "until_time", None
    elif any(not first_minute <= at <= until - step.minutes for at in starts):
        yield "pin_outside_hours", "at", None
    day = roster.days.get(pinned) if pinned else None
    if day is not None and any(not ticks.at_wall_minute(day, at) for at in starts):
        yield "time_does_not_exist", "at", pinned


def _why_unwanted(held: Iterable[Terms], on: date) -> str:
    for terms in held:
        if terms.weekdays and on.weekday() not in terms.weekdays:
            return "pin_on_other_weekday"
        if any(first_on <= on <= last_on for first_on, last_on in terms.forbidden):
            return "pin_forbidden"
    return "pin_outside_dates"


def _of_pins(ask: Ask, course: CourseFacts, roster: Roster, today: date) -> Iterator[Contradiction]:
    """Yield the dates that a pinned session cannot have by what is performed, booked or pinned besides."""
    by_id = {session.id: session for session in course.sessions}
    pins = {one.session: one.terms.on for one in ask.sessions if one.terms.on}
    dates = {s.id: s.booked.on for s in course.sessions if s.state is SessionState.OPEN and s.pinned and s.booked}
    dates |= pins
    free = frozenset(session.id for session in course.sessions if is_asked_of(session) and session.id not in pins)
    last_day = max(roster.days, default=today)
    for number, one in enumerate(ask.sessions):
        on, where, session = one.terms.on, f"sessions.{number}.on", by_id[one.session]
        if on is None:
            continue
        if not today <= on <= last_day:
            code, bound = ("in_the_past", today) if on < today else ("beyond_horizon", last_day)
            yield Contradiction(code, where, session.id, on=bound)
            continue
        yield from _out_of_order(session, on, course, dates, where)
        # A window that hangs on a session whose date is still to be found is for the search to judge.
        if not depends_on(session, course, free):
            yield from _outside(session, on, course, window_of(session, course, dates), where)


def _out_of_order(
    session: SessionFacts, on: date, course: CourseFacts, dates: Mapping[UUID, date], where: str
) -> Iterator[Contradiction]:
    for other in course.sessions:
        other_on = other.performed_on or dates.get(other.id)
        if other.id == session.id or other.state in GONE or other_on is None:
            continue
        if other.position < session.position:
            wrong = not follows(on, other, other_on)
        else:  # of two that are pinned the later one tells
            wrong = is_asked_of(other) is False and not follows(other_on, session, on)
        if wrong:
            yield Contradiction("out_of_order", where, session.id, str(other.position), other_on)


def _outside(
    session: SessionFacts, on: date, course: CourseFacts, window: Window, where: str
) -> Iterator[Contradiction]:
    if window.floor_on is not None and on < window.floor_on:
        yield Contradiction("before_floor", where, session.id, on=window.floor_on)
    elif window.earliest_on is not None and on < window.earliest_on and not may_be_early(session, on, course):
        yield Contradiction("before_minimum", where, session.id, on=window.earliest_on, override=PRESCRIBER)
    if window.lapse_on is not None and on >= window.lapse_on:
        yield Contradiction("after_lapse", where, session.id, on=window.lapse_on)
