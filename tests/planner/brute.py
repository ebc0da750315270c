"""Every plan there is, for courses small enough to list them; the checker decides what is a plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from itertools import product
from uuid import UUID

from scheduling.planner import cost
from scheduling.planner.asks import NOTHING
from scheduling.planner.facts import Ask, CourseFacts, ResourceFacts, Roster, SessionFacts, SessionState, Slot, Use
from scheduling.planner.shapes import stretches_of
from tests.planner.build import course
from tests.planner.checker import wrong_by_ask, wrong_dates, wrong_with


def slots_of(session: SessionFacts, roster: Roster, today: date) -> list[Slot]:
    """A slot for each date, start and lead that is right by itself, whatever its window.

    Other resources change neither cost nor ties.
    """
    alone = _alone(session)
    stretches = stretches_of(session.step)
    found: dict[tuple[date, int, UUID], Slot] = {}
    for on, day in roster.days.items():
        for tick in range(day.length_minutes):
            if day.wall_minute(tick) % roster.grid_minutes or not _somebody(roster, on, tick):
                continue
            for fill in product(*(_able(roster, stretch.capability) for stretch in stretches)):
                uses = tuple(
                    Use(s.phase, s.role, resource.id, place, tick + s.from_minute, tick + s.until_minute)
                    for s, (resource, place) in zip(stretches, fill, strict=True)
                )
                lead = next(use.resource for use in uses if use.role == session.step.lead_role)
                slot = Slot(session.id, on, tick, session.step.minutes, lead, uses)
                if (on, tick, lead) not in found and not wrong_with([slot], alone, roster, today):
                    found[on, tick, lead] = slot
    return list(found.values())


def plans(whole: CourseFacts, roster: Roster, today: date, ask: Ask = NOTHING) -> Iterator[tuple[Slot, ...]]:
    """Every plan for the open sessions of a course, with no strict wishes, that gives what is asked."""
    left = [s for s in whole.sessions if s.state is SessionState.OPEN]
    options = [[s.booked] if s.pinned and s.booked else slots_of(s, roster, today) for s in left]

    def onwards(chosen: tuple[Slot, ...]) -> Iterator[tuple[Slot, ...]]:
        if len(chosen) == len(left):
            if not wrong_by_ask(chosen, whole, roster, ask):
                yield chosen
            return
        right: dict[date, bool] = {}
        for slot in options[len(chosen)]:
            if slot.on not in right:
                right[slot.on] = not wrong_dates((*chosen, slot), whole)
            if right[slot.on]:
                yield from onwards((*chosen, slot))

    return onwards(())


def cheapest(
    whole: CourseFacts, roster: Roster, weights: cost.Weights, today: date, ask: Ask = NOTHING
) -> tuple[int, list[tuple[date, int, int]]] | None:
    """The least cost of any plan, and the (date, tick, lead) of the first plan that has it by the documented ties."""

    def key(plan: tuple[Slot, ...]) -> tuple[object, ...]:
        spent = cost.total(cost.price(plan, whole, roster, weights, today=today)).total
        return spent, [s.on for s in plan], [s.tick for s in plan], [s.lead for s in plan]

    best = min((key(plan) for plan in plans(whole, roster, today, ask)), default=None)
    if best is None:
        return None
    spent, dates, ticks, leads = best
    return spent, [(on, tick, lead.int) for on, tick, lead in zip(dates, ticks, leads, strict=True)]  # type: ignore[call-overload, return-value]


def cheapest_repair(
    whole: CourseFacts, roster: Roster, weights: cost.Weights, today: date, *, all_may_move: bool
) -> tuple[int, list[date]] | None:
    """The least that a repair of the booked visits costs, and its dates; what can stay does, if there is a way then."""
    left = [s for s in whole.sessions if s.booked is not None]
    nothing_booked = replace(whole, sessions=tuple(replace(s, booked=None) for s in whole.sessions))
    possible = {s.id: s.booked for s in left if s.booked and not wrong_with([s.booked], _alone(s), roster, today)}
    options = {s.id: slots_of(s, roster, today) for s in left}

    def onwards(chosen: tuple[Slot, ...], stays: Mapping[UUID, Slot]) -> Iterator[tuple[Slot, ...]]:
        if len(chosen) == len(left):
            yield chosen
            return
        session = left[len(chosen)]
        stay = stays.get(session.id)
        if stay is not None and not wrong_dates((*chosen, stay), nothing_booked):
            yield from onwards((*chosen, stay), stays)
            return
        for slot in options[session.id]:
            if not wrong_dates((*chosen, slot), nothing_booked):
                yield from onwards((*chosen, slot), stays)

    for stays in ({},) if all_may_move else (possible, {}):
        prices = [
            (cost.total(cost.price(plan, whole, roster, weights, today=today, moves=True)).total, [s.on for s in plan])
            for plan in onwards((), stays)
        ]
        if prices:
            return min(prices)
    return None


def has_room(slots: Sequence[Slot], whole: CourseFacts, roster: Roster, today: date) -> bool:
    """Whether the sessions not booked that come before the last of these visits have times, too."""
    at = {slot.session: slot for slot in slots}
    last = max(s.position for s in whole.sessions if s.id in at)
    sessions = tuple(replace(s, booked=at.get(s.id), pinned=s.id in at) for s in whole.sessions if s.position <= last)
    return next(plans(replace(whole, sessions=sessions), roster, today), None) is not None


def _alone(session: SessionFacts) -> CourseFacts:
    return course(replace(session, booked=None, step=replace(session.step, spacings=())))


def _able(roster: Roster, capability: str) -> list[tuple[ResourceFacts, int]]:
    able = [r for r in roster.resources if any(c.code == capability for c in r.capabilities)]
    return [(resource, place) for resource in able for place in range(resource.places)]


def _somebody(roster: Roster, on: date, tick: int) -> bool:
    return any(duty >> tick & 1 for (_, day), duty in roster.on_duty.items() if day == on)
