"""What would make a plan where there is none: the fewest things to give up, by as few days as may be, and that plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache, partial
from itertools import combinations
from typing import Any
from uuid import UUID

from .amounts import Amount, after
from .asks import FREE, is_asked_of
from .chains import Chain, Stuck
from .cost import steps_of_others
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
    Spacing,
    Terms,
    Wishes,
)
from .gates import PRESCRIBER, gate_answers, refuses
from .layers import Layer
from .plans import plan_of
from .windows import references, window_of
from .work import MOST_TRIED

MOST_SEARCHES = 40
MOST_MEASURED = 80  # searches for the fewest days, of all relaxations together
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
# The same of dates, and whether giving it up makes it earlier or later.
OF_DATES = (
    ("asked_starts_from", "starts_from", -1),
    ("asked_starts_by", "starts_by", 1),
    ("asked_ends_before", "ends_before", 1),
)

# What of a spacing says to which sessions and dates it applies, besides its reference.
WHEN_IT_APPLIES = ("reference_key", "areas", "effective_from", "effective_to")


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """What a search is asked for, in which something can be given up."""

    course: CourseFacts
    ask: Ask
    roster: Roster
    missed: frozenset[str] = frozenset()  # fields of strict wishes that are given up


@dataclass(frozen=True, slots=True)
class Way:
    """One thing that can be given up: `without` it, and where it is a matter of days, `within` so many of them."""

    what: GivenUp
    without: Callable[[SearchRequest], SearchRequest]
    within: Callable[[SearchRequest, int], SearchRequest] | None = None  # of a request without it


@dataclass(frozen=True, slots=True)
class WaysOut:
    """The relaxations found, the cheapest first, and how far it was looked."""

    found: tuple[Relaxation, ...]
    searches: int
    is_smallest: bool  # fewer things are not enough, nor the same by fewer days; else the bound was reached


@dataclass(frozen=True, slots=True)
class Enough:
    """Things that are enough when they are given up whole, and the cheapest plan then."""

    chosen: Sequence[Way]
    relaxation: Relaxation

    @property
    def cost(self) -> int:
        return self.relaxation.plan.cost.total


def ways_out(refusal: Unplannable, further: Callable[[], Roster] | None = None) -> WaysOut:
    """Return the smallest relaxations that make a plan possible, each with the plan for the whole course.

    Smallest by how many things are given up, then by how many days, then by what the plan costs. First one thing alone
    is given up; only if none is enough, two together. Of two that are a matter of days the first is given up by as few
    as there are with the other one whole, then the other. Things, in the order tried:

    * each part of a strict wish (then it only costs) and of the ask: `without_…`, `asked_…`;
    * a visit booked already, which then moves: `booked_visit`;
    * for the session that got stuck, then those ever further before it: `before_minimum`, down to the floor, with an
      override; `after_lapse`, after a new assessment; a gate closed on some dates only that somebody may override;
    * `horizon`: the roster that `further` returns, which lasts longer.

    If no two are enough, or MOST_SEARCHES searches have found nothing, everything is given up and taken back one by
    one, the last things first, as long as there is a plan: none of what is left can be taken back alone. Bounded:
    MOST_SEARCHES searches for each of the two and MOST_MEASURED for the days, that look at MOST_TRIED dates together,
    and MOST_SHOWN relaxations.
    """
    chain = refusal.chain
    start = SearchRequest(chain.course, chain.ask, chain.given[0])
    ways = list(_ways(chain, refusal.stuck, further))
    searches, is_whole = 0, True
    chain.work.allow(MOST_TRIED)
    for number in (1, 2):
        found: list[Enough] = []
        for chosen in combinations(ways, number):
            if _are_at_odds(chosen, chain):
                continue
            if searches == MOST_SEARCHES or chain.work.is_over:
                is_whole = False
                break
            searches += 1
            relaxation = _relaxed(chosen, start, chain)
            if isinstance(relaxation, Relaxation):
                found.append(Enough(chosen, relaxation))
        if found:
            least, more, is_least = _by_least_days(found, start, chain)
            return WaysOut(least, searches + more, is_smallest=is_whole and is_least and not chain.work.is_over)
    if len(ways) < 3 or chain.work.is_over:
        return WaysOut((), searches, is_smallest=is_whole and not chain.work.is_over)
    rest, more = _taken_back(ways, start, chain)
    searches += more
    if rest is None:
        return WaysOut((), searches, is_smallest=not chain.work.is_over)
    least, more, _ = _by_least_days([rest], start, chain)
    return WaysOut(least, searches + more, is_smallest=False)


def _taken_back(ways: list[Way], start: SearchRequest, chain: Chain) -> tuple[Enough | None, int]:
    """Return what cannot be taken back of everything that could be given up, and how often it was searched."""
    whole, searches = _relaxed(ways, start, chain), 1
    if isinstance(whole, Stuck):
        return None, searches
    least = Enough(ways, whole)
    for way in reversed(ways):
        fewer = [one for one in least.chosen if one is not way]
        if searches == MOST_SEARCHES or chain.work.is_over:
            break
        searches += 1
        relaxation = _relaxed(fewer, start, chain)
        if isinstance(relaxation, Relaxation):
            least = Enough(fewer, relaxation)
    return least, searches


def _by_least_days(found: list[Enough], start: SearchRequest, chain: Chain) -> tuple[tuple[Relaxation, ...], int, bool]:
    """Return the relaxations by the fewest days, the cheapest first, how often it was searched and if that was enough.

    Where it was not, some are by as many days as the cheapest plan found for them takes. What tables decide costs no
    work, so dates that were asked for are measured even when all that may be looked at one by one has been.
    """
    least, searches, is_enough = [], 0, True
    for one in sorted(found, key=lambda one: one.cost):
        relaxation, within = one.relaxation, dict[int, int]()
        for number, way in enumerate(one.chosen):
            too_few, days = 0, relaxation.gives_up[number].days
            while way.within is not None and days - too_few > 1:
                within[number] = (too_few + days) // 2
                nearer = _relaxed(one.chosen, start, chain, within) if searches < MOST_MEASURED else None
                searches += nearer is not None
                if isinstance(nearer, Relaxation):
                    relaxation, days = nearer, nearer.gives_up[number].days
                elif nearer is not None and nearer.is_proven:
                    too_few = within[number]
                else:
                    is_enough = False
                    break
            within[number] = days
        least.append(relaxation)
    least.sort(key=lambda relaxation: relaxation.plan.cost.total)
    return tuple(least[:MOST_SHOWN]), searches, is_enough


def _are_at_odds(chosen: Iterable[Way], chain: Chain) -> bool:
    """Whether two ways say of one session that it comes too early and too late, where that is of one reference."""
    of_dates = [way.what.session for way in chosen if way.what.code in ("before_minimum", "after_lapse")]
    counted = {layer.session.id: len(layer.session.step.spacings) for layer in chain.layers}
    return any(of_dates.count(uid) > 1 and counted[uid] == 1 for uid in set(of_dates) if uid is not None)


def _relaxed(
    chosen: Sequence[Way], start: SearchRequest, chain: Chain, within: Mapping[int, int] | None = None
) -> Relaxation | Stuck:
    """Return the cheapest plan without all that is chosen; where `within` says so, by so many days at most."""
    asked = start
    for way in chosen:
        asked = way.without(asked)
    asked = nearer = _with_the_other_wishes(asked)
    for number, days in (within or {}).items():
        by_days = chosen[number].within
        nearer = by_days(nearer, days) if by_days else nearer
    slots = _search(nearer, chain).outcome()
    if isinstance(slots, Stuck):
        return slots
    plan = plan_of(slots, _search(asked, chain))
    return Relaxation(tuple(_measured(way.what, plan, chain) for way in chosen), plan)


def _search(asked: SearchRequest, chain: Chain) -> Chain:
    return chain.again(course=asked.course, ask=asked.ask, roster=asked.roster)


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
        yield Way(GivenUp("horizon"), partial(_with_roster, cache(further)), partial(_until, chain.last_day))


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
    of_others = steps_of_others(asked.course, {resource.id: resource for resource in asked.roster.resources})
    is_about_some = any(is_asked_of(one) and one.step.key not in of_others for one in asked.course.sessions)
    only = {left.practitioner} if left.practitioner is not None and is_about_some else set()
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
    for code, name, sign in OF_DATES:
        on: date | None = getattr(ask, name)
        if on is not None:
            yield Way(GivenUp(code), partial(_with_date, name, None), partial(_shifted, name, on, sign))
    for code, names in OF_TERMS:
        if _with_fields(ask.every, names) != FREE:
            yield Way(GivenUp(code), partial(_without_terms, names, None))
    for one in ask.sessions:
        for code, names in OF_TERMS:
            if _with_fields(one.terms, names) != FREE:
                yield Way(GivenUp(code, one.session), partial(_without_terms, names, one.session))


def _with_fields(terms: Terms, names: tuple[str, ...]) -> Terms:
    return replace(FREE, **{name: getattr(terms, name) for name in names})


def _with_date(name: str, on: date | None, asked: SearchRequest) -> SearchRequest:
    said: dict[str, Any] = {name: on}
    return replace(asked, ask=replace(asked.ask, **said))


def _shifted(name: str, on: date, sign: int, asked: SearchRequest, days: int) -> SearchRequest:
    return _with_date(name, on + timedelta(days=sign * days), asked)


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
        override = OverrideFacts("before_minimum", session.id, date.max)
        yield Way(what, partial(_overridden, override), partial(_early_within, session))
    if any(spacing.lapse is not None for spacing in session.step.spacings):
        within = partial(_late_within, session.id, _standing_lapses(session, chain.course))
        yield Way(GivenUp("after_lapse", session.id), partial(_without_lapse, session), within)
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


def _early_within(session: SessionFacts, asked: SearchRequest, days: int) -> SearchRequest:
    """Return the request with floors so many days before each minimum; what the dates cost stays as it was."""
    spaced = ((s, s.minimum) for s in session.step.spacings if s.minimum is not None)
    return _with_spacings(session.id, [replace(_blank(s), floor=_later(m, -days)) for s, m in spaced], asked)


def _late_within(uid: UUID, lapses: Sequence[tuple[Spacing, Amount]], asked: SearchRequest, days: int) -> SearchRequest:
    return _with_spacings(uid, [replace(_blank(s), lapse=_later(lapse, days)) for s, lapse in lapses], asked)


def _standing_lapses(session: SessionFacts, course: CourseFacts) -> list[tuple[Spacing, Amount]]:
    """Return the lapses of a session, less those that an assessment has silenced."""
    found = []
    for spacing, reference in references(session, course):
        booked = reference.booked if isinstance(reference, SessionFacts) and reference.pinned else None
        on = reference if isinstance(reference, date) else reference.performed_on or (booked and booked.on)
        lapse_on = on and after(spacing.lapse, on)
        if spacing.lapse and not (lapse_on and course.assessed_on and lapse_on <= course.assessed_on):
            found.append((spacing, spacing.lapse))
    return found


def _blank(spacing: Spacing) -> Spacing:
    """Return a spacing of the same reference that says nothing."""
    blank = Spacing(spacing.reference)
    return replace(blank, **{name: getattr(spacing, name) for name in WHEN_IT_APPLIES})


def _later(amount: Amount, days: int) -> Amount:
    return replace(amount, days=amount.days + days)


def _with_spacings(uid: UUID, more: Iterable[Spacing], asked: SearchRequest) -> SearchRequest:
    session = next(one for one in asked.course.sessions if one.id == uid)
    step = replace(session.step, spacings=(*session.step.spacings, *more))
    return _with_session(replace(session, step=step), asked)


def _moved(session: SessionFacts) -> Way:
    return Way(GivenUp("booked_visit", session.id), partial(_with_session, replace(session, pinned=False)))


def _with_session(session: SessionFacts, asked: SearchRequest) -> SearchRequest:
    sessions = tuple(session if one.id == session.id else one for one in asked.course.sessions)
    return replace(asked, course=replace(asked.course, sessions=sessions))


def _with_roster(further: Callable[[], Roster], asked: SearchRequest) -> SearchRequest:
    return replace(asked, roster=further())


def _until(last_day: int, asked: SearchRequest, days: int) -> SearchRequest:
    until = Terms(last_on=date.fromordinal(last_day + days))
    return replace(asked, ask=replace(asked.ask, also=(*asked.ask.also, until)))
