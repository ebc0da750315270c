"""What would make a plan where there is none: the fewest things to give up, each proven by the plan it makes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from functools import cache, partial
from itertools import combinations
from typing import Any
from uuid import UUID

from .asks import FREE
from .chains import Chain, Stuck
from .explain import Unplannable
from .facts import (
    Ask,
    CourseFacts,
    GivenUp,
    Moment,
    OverrideFacts,
    Plan,
    Relaxation,
    Roster,
    SessionFacts,
    Terms,
    Wishes,
)
from .gates import PRESCRIBER, gate_answers, refuses
from .layers import Layer
from .plans import plan_of
from .windows import window_of
from .work import MOST_TRIED

MOST_SEARCHES = 40
MOST_SHOWN = 6
MOST_EDGES = 12  # dates on which a session's gates are asked for what closes them

# What may be given up of terms, and of strict wishes: the code, and the fields that say it.
OF_TERMS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("asked_date", ("on", "first_on", "last_on")),
    ("asked_forbidden", ("forbidden",)),
    ("asked_weekdays", ("weekdays",)),
    ("asked_time", ("at_minute", "from_minute", "until_minute")),
    ("asked_practitioner", ("only_with", "not_with")),
)
OF_WISHES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("without_weekdays", ("weekdays",)),
    ("without_times", ("from_minute", "until_minute")),
    ("without_practitioner", ("practitioner",)),
    ("without_avoided_dates", ("avoid_dates",)),
    ("without_language", ("language",)),
)
OF_DATES = (
    ("asked_starts_from", "starts_from"),
    ("asked_starts_by", "starts_by"),
    ("asked_ends_before", "ends_before"),
)


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """What a search is asked for, in which something can be given up."""

    course: CourseFacts
    ask: Ask
    roster: Roster
    missed: frozenset[str] = frozenset()  # fields of strict wishes that are given up


@dataclass(frozen=True, slots=True)
class Way:
    """One thing that can be given up."""

    what: GivenUp
    without: Callable[[SearchRequest], SearchRequest]


@dataclass(frozen=True, slots=True)
class WaysOut:
    """The relaxations found, the cheapest first, and how far it was looked."""

    found: tuple[Relaxation, ...]
    searches: int
    is_smallest: bool  # fewer things, or as many that cost less, are not enough; else the bound was reached


def ways_out(refusal: Unplannable, further: Callable[[], Roster] | None = None) -> WaysOut:
    """Return the smallest relaxations that make a plan possible, each with the plan for the whole course.

    Smallest by how many things are given up, then by what the plan costs. First one thing alone is given up; only if
    none is enough, two together. Things, in the order tried:

    * each part of a strict wish (then it only costs) and of the ask: `without_…`, `asked_…`;
    * a visit booked already, which then moves: `booked_visit`;
    * for the session that got stuck, then those ever further before it: `before_minimum`, down to the floor, with an
      override; `after_lapse`, after a new assessment; a gate closed on some dates only that somebody may override;
    * `horizon`: the roster that `further` returns, which lasts longer.

    If no two are enough, or MOST_SEARCHES searches have found nothing, everything is given up and taken back one by
    one, the last things first, as long as there is a plan: none of what is left can be taken back alone. Bounded:
    MOST_SEARCHES searches for each of the two, that look at MOST_TRIED dates together, and MOST_SHOWN relaxations.
    """
    chain = refusal.chain
    start = SearchRequest(chain.course, chain.ask, chain.given[0])
    ways = list(_ways(chain, refusal.stuck, further))
    searches, is_whole = 0, True
    chain.work.allow(MOST_TRIED)
    for number in (1, 2):
        found: list[tuple[int, int, Relaxation]] = []
        for chosen in combinations(ways, number):
            if _are_at_odds(chosen, chain):
                continue
            if searches == MOST_SEARCHES or chain.work.is_over:
                is_whole = False
                break
            searches += 1
            if relaxation := _relaxed(chosen, start, chain):
                found.append((relaxation.plan.cost.total, searches, relaxation))
        if found:
            return WaysOut(_best(found), searches, is_smallest=is_whole and not chain.work.is_over)
    if len(ways) < 3 or chain.work.is_over:
        return WaysOut((), searches, is_smallest=is_whole and not chain.work.is_over)
    least, more = _taken_back(ways, start, chain)
    return WaysOut((least,) if least else (), searches + more, is_smallest=least is None and not chain.work.is_over)


def _taken_back(ways: list[Way], start: SearchRequest, chain: Chain) -> tuple[Relaxation | None, int]:
    """Return what cannot be taken back of everything that could be given up, and how often it was searched."""
    least, searches = _relaxed(ways, start, chain), 1
    if least is None:
        return None, searches
    for way in reversed(ways):
        fewer = [one for one in ways if one is not way]
        if searches == MOST_SEARCHES or chain.work.is_over:
            break
        searches += 1
        if relaxation := _relaxed(fewer, start, chain):
            least, ways = relaxation, fewer
    return least, searches


def _best(found: list[tuple[int, int, Relaxation]]) -> tuple[Relaxation, ...]:
    return tuple(relaxation for *_, relaxation in sorted(found, key=lambda one: one[:2])[:MOST_SHOWN])


def _are_at_odds(chosen: Iterable[Way], chain: Chain) -> bool:
    """Whether two ways say of one session that it comes too early and too late, where that is of one reference."""
    of_dates = [way.what.session for way in chosen if way.what.code in ("before_minimum", "after_lapse")]
    counted = {layer.session.id: len(layer.session.step.spacings) for layer in chain.layers}
    return any(of_dates.count(uid) > 1 and counted[uid] == 1 for uid in set(of_dates) if uid is not None)


def _relaxed(chosen: Iterable[Way], start: SearchRequest, chain: Chain) -> Relaxation | None:
    asked = start
    for way in chosen:
        asked = way.without(asked)
    asked = _with_the_other_wishes(asked)
    again = chain.again(course=asked.course, ask=asked.ask, roster=asked.roster)
    slots = again.outcome()
    if isinstance(slots, Stuck):
        return None
    plan = plan_of(slots, again)
    return Relaxation(tuple(_measured(way.what, plan, chain) for way in chosen), plan)


def _measured(what: GivenUp, plan: Plan, chain: Chain) -> GivenUp:
    """Say by how many days it is given up, where it is a matter of days."""
    days = 0
    on = {planned.slot.session: planned.slot.on for planned in plan.sessions}
    new = [planned.slot.on for planned in plan.sessions if not planned.pinned]
    if what.code in ("before_minimum", "after_lapse") and what.session is not None:
        session = next(one for one in chain.course.sessions if one.id == what.session)
        window = window_of(session, chain.course, on)
        if what.code == "before_minimum" and window.earliest_on is not None:
            days = (window.earliest_on - on[session.id]).days
        elif window.lapse_on is not None:
            days = (on[session.id] - window.lapse_on).days + 1
    elif what.code == "horizon":
        days = (max(new) - date.fromordinal(chain.last_day)).days
    elif what.code == "asked_starts_from" and chain.ask.starts_from:
        days = (chain.ask.starts_from - new[0]).days
    elif what.code == "asked_starts_by" and chain.ask.starts_by:
        days = (new[0] - chain.ask.starts_by).days
    elif what.code == "asked_ends_before" and chain.ask.ends_before:
        days = (new[-1] - chain.ask.ends_before).days + 1
    return replace(what, days=max(0, days))


# --- what can be given up ---------------------------------------------------------------------------------------------


def _ways(chain: Chain, stuck: Stuck, further: Callable[[], Roster] | None) -> Iterator[Way]:
    yield from _of_wishes(chain.course.wishes)
    yield from _of_the_ask(chain.ask)
    yield from (_moved(layer.session) for layer in chain.layers if layer.fixed is not None and not chain.moves)
    at = next(number for number, layer in enumerate(chain.layers) if layer.session.id == stuck.session.id)
    for _, layer in sorted(enumerate(chain.layers), key=lambda one: (one[0] > at, abs(one[0] - at))):
        if layer.fixed is None:
            yield from _of_rules(layer, chain)
    if further is not None:
        yield Way(GivenUp("horizon"), partial(_with_roster, cache(further)))


def _of_wishes(wishes: Wishes) -> Iterator[Way]:
    """Yield the parts of strict wishes."""
    plain = Wishes()
    for code, names in OF_WISHES if wishes.strict else ():
        if any(getattr(wishes, name) != getattr(plain, name) for name in names):
            yield Way(GivenUp(code), partial(_without_wish, names))


def _without_wish(names: tuple[str, ...], asked: SearchRequest) -> SearchRequest:
    return replace(asked, missed=asked.missed | set(names))


def _with_the_other_wishes(asked: SearchRequest) -> SearchRequest:
    """Return what is asked when some wishes may be missed, at their cost, and the other ones are terms."""
    wishes = asked.course.wishes
    if not asked.missed:
        return asked
    plain = Wishes()
    left = replace(wishes, **{name: getattr(plain, name) for name in asked.missed})
    only = {left.practitioner} if left.practitioner is not None else set()
    speechless = {r.id for r in asked.roster.resources if left.language and left.language not in r.languages}
    terms = Terms(
        forbidden=tuple((on, on) for on in sorted(left.avoid_dates)),
        weekdays=left.weekdays,
        from_minute=left.from_minute,
        until_minute=left.until_minute,
        only_with=frozenset(only),
        not_with=frozenset(speechless),
    )
    course = replace(asked.course, wishes=replace(wishes, strict=False))
    return replace(asked, course=course, ask=replace(asked.ask, also=(*asked.ask.also, terms)))


def _of_the_ask(ask: Ask) -> Iterator[Way]:
    """Yield the parts of what a person asks: of the dates, of each session, of one."""
    for code, name in OF_DATES:
        if getattr(ask, name) is not None:
            yield Way(GivenUp(code), partial(_without_date, name))
    for code, names in OF_TERMS:
        if _with_fields(ask.every, names) != FREE:
            yield Way(GivenUp(code), partial(_without_terms, names, None))
    for one in ask.sessions:
        for code, names in OF_TERMS:
            if _with_fields(one.terms, names) != FREE:
                yield Way(GivenUp(code, one.session), partial(_without_terms, names, one.session))


def _with_fields(terms: Terms, names: tuple[str, ...]) -> Terms:
    return replace(FREE, **{name: getattr(terms, name) for name in names})


def _without_date(name: str, asked: SearchRequest) -> SearchRequest:
    blank: dict[str, Any] = {name: None}
    return replace(asked, ask=replace(asked.ask, **blank))


def _without_terms(names: tuple[str, ...], session: UUID | None, asked: SearchRequest) -> SearchRequest:
    plain = {name: getattr(FREE, name) for name in names}
    ask = asked.ask
    if session is None:
        return replace(asked, ask=replace(ask, every=replace(ask.every, **plain)))
    sessions = tuple(
        replace(one, terms=replace(one.terms, **plain)) if one.session == session else one for one in ask.sessions
    )
    return replace(asked, ask=replace(ask, sessions=sessions))


def _of_rules(layer: Layer, chain: Chain) -> Iterator[Way]:
    """Yield the rules of a session that somebody may decide against."""
    session = layer.session
    if any(spacing.minimum is not None for spacing in session.step.spacings):
        what = GivenUp("before_minimum", session.id, override=PRESCRIBER)
        yield Way(what, partial(_overridden, OverrideFacts("before_minimum", session.id, date.max)))
    if any(spacing.lapse is not None for spacing in session.step.spacings):
        yield Way(GivenUp("after_lapse", session.id), partial(_without_lapse, session))
    for code, subject, role in _gates_on_some_dates(layer, chain):
        what = GivenUp(code, session.id, subject=subject, override=role)
        yield Way(what, partial(_overridden, OverrideFacts(code, session.id, date.max, subject)))


def _gates_on_some_dates(layer: Layer, chain: Chain) -> list[tuple[str, str, str]]:
    """Return what closes the session's dates and somebody may override: codes, subjects and roles."""
    found: dict[tuple[str, str, str], None] = {}
    edges = sorted(on for on in layer.gated if on - 1 not in layer.gated or on + 1 not in layer.gated)
    for on in map(date.fromordinal, edges[:MOST_EDGES]):
        answers = gate_answers(layer.session, on, chain.course, chain.today)
        shut = [one for one in answers if refuses(one, Moment.BOOK)]
        if shut and all(one.override for one in shut):
            found.update(dict.fromkeys((one.code, one.subject, one.override) for one in shut))
    return list(found)


def _overridden(override: OverrideFacts, asked: SearchRequest) -> SearchRequest:
    return replace(asked, course=replace(asked.course, overrides=(*asked.course.overrides, override)))


def _without_lapse(session: SessionFacts, asked: SearchRequest) -> SearchRequest:
    spacings = tuple(replace(spacing, lapse=None) for spacing in session.step.spacings)
    other = replace(session, step=replace(session.step, spacings=spacings))
    return _with_session(other, asked)


def _moved(session: SessionFacts) -> Way:
    return Way(GivenUp("booked_visit", session.id), partial(_with_session, replace(session, pinned=False)))


def _with_session(session: SessionFacts, asked: SearchRequest) -> SearchRequest:
    sessions = tuple(session if one.id == session.id else one for one in asked.course.sessions)
    return replace(asked, course=replace(asked.course, sessions=sessions))


def _with_roster(further: Callable[[], Roster], asked: SearchRequest) -> SearchRequest:
    return replace(asked, roster=further())
