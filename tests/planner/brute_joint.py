"""Every repair there is of courses small enough to list them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from itertools import product

from scheduling.planner import cost
from scheduling.planner.facts import CourseFacts, Roster, SessionFacts, Slot, Use
from scheduling.planner.shapes import stretches_of
from tests.planner.build import course
from tests.planner.checker import wrong_dates, wrong_with

Taken = frozenset[tuple[object, ...]]


def cheapest(courses: Sequence[CourseFacts], roster: Roster, weights: cost.Weights, today: date) -> int:
    """The least that any repair of the visits costs. Courses that have lost none stay; they count for nothing."""
    fixed: set[tuple[object, ...]] = set()
    choices: list[list[tuple[int, Taken]]] = []
    for one in courses:
        left = [s for s in one.sessions if s.booked is not None]
        stays = [s.booked for s in left if s.booked and not wrong_with([s.booked], alone(s), roster, today)]
        if len(stays) == len(left) and not wrong_dates(stays, one):
            fixed |= places(stays, one)
            continue
        lost = weights.unplaced * max(1, len(left) - len(stays))
        found = [(lost, places(stays, one))]
        for plan in plans(left, one, stays, roster, today):
            parts = cost.price(plan, one, roster, weights, today=today, moves=True)
            found.append((cost.total(parts).total, places(plan, one)))
        choices.append(sorted(found, key=lambda choice: choice[0]))
    ahead = [sum(those[0][0] for those in choices[number:]) for number in range(len(choices) + 1)]
    best = [sum(those[-1][0] for those in choices) + 1]

    def onwards(number: int, spent: int, taken: Taken) -> None:
        if number == len(choices):
            best[0] = min(best[0], spent)
            return
        for price, more in choices[number]:
            if spent + price + ahead[number + 1] >= best[0]:
                return
            if not taken & more:
                onwards(number + 1, spent + price, taken | more)

    onwards(0, 0, frozenset(fixed))
    return best[0]


def alone(session: SessionFacts) -> CourseFacts:
    return course(replace(session, booked=None, step=replace(session.step, spacings=())))


def places(slots: Sequence[Slot], of: CourseFacts) -> Taken:
    """Who and what is taken in which minute."""
    found: set[tuple[object, ...]] = set()
    for slot in slots:
        found |= {(of.patient.id, slot.on, minute) for minute in range(slot.tick, slot.tick + slot.minutes)}
        found |= {
            (use.resource, use.place, slot.on, minute)
            for use in slot.uses
            for minute in range(use.from_tick, use.until_tick)
        }
    return frozenset(found)


def plans(
    left: Sequence[SessionFacts], one: CourseFacts, stays: Sequence[Slot], roster: Roster, today: date
) -> Iterator[list[Slot]]:
    options = [
        [
            slot
            for slot in slots_of(session, roster, today)
            # A visit that stays keeps its room.
            if not any(
                (s.session, s.on, s.tick, s.lead) == (slot.session, slot.on, slot.tick, slot.lead) for s in stays
            )
        ]
        + [stay for stay in stays if stay.session == session.id]
        for session in left
    ]

    def onwards(chosen: list[Slot]) -> Iterator[list[Slot]]:
        if len(chosen) == len(left):
            yield chosen
            return
        for slot in options[len(chosen)]:
            if not wrong_dates([*chosen, slot], one):
                yield from onwards([*chosen, slot])

    # Dates booked now are no reference: all of them are chosen.
    one = replace(one, sessions=tuple(replace(s, booked=None) for s in one.sessions))
    return onwards([])


def slots_of(session: SessionFacts, roster: Roster, today: date) -> Iterator[Slot]:
    """Every slot that is right by itself, whatever its window, with every way to fill its roles."""
    stretches = stretches_of(session.step)
    for on, day in roster.days.items():
        for tick in range(0, day.length_minutes, roster.grid_minutes):
            if not any(duty >> tick & 1 for (_, other), duty in roster.on_duty.items() if other == on):
                continue
            able = [
                [
                    (r.id, place)
                    for r in roster.resources
                    for c in r.capabilities
                    if c.code == s.capability
                    for place in range(r.places)
                ]
                for s in stretches
            ]
            for fill in product(*able):
                uses = tuple(
                    Use(s.phase, s.role, who, place, tick + s.from_minute, tick + s.until_minute)
                    for s, (who, place) in zip(stretches, fill, strict=True)
                )
                lead = next(use.resource for use in uses if use.role == session.step.lead_role)
                slot = Slot(session.id, on, tick, session.step.minutes, lead, uses)
                if not wrong_with([slot], alone(session), roster, today):
                    yield slot
