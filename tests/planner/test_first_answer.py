"""The first answer of a repair is that of the plainest greedy: course by course, everything tried."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduling.planner import cost
from scheduling.planner.cost import Weights
from scheduling.planner.facts import CourseFacts, Roster, SessionFacts, Slot, Wishes
from scheduling.planner.repair import Progress, repair_together
from scheduling.planner.shapes import patient_span
from tests.planner import brute_joint
from tests.planner.brute_joint import Taken, alone, places
from tests.planner.build import (
    ANNA,
    BEN,
    MONDAY,
    NINE,
    ROOM,
    ROOM_2,
    booked,
    day,
    minutes,
    numbered,
    open_session,
    performed,
    phase,
    resource,
    roster,
    spacing,
    step,
)
from tests.planner.checker import wrong_dates, wrong_with

CARA = UUID(int=13)
FIRST = step("first")
Busy = Mapping[UUID, Mapping[date, int]]  # the time of each course's patient


def until_the_first(progress: Progress) -> bool:
    return progress.stage != "first"


class Greedy:
    """All that is right is listed, and priced as a part of the plan so far."""

    def __init__(self, courses: Sequence[CourseFacts], on_roster: Roster, weights: Weights, busy: Busy) -> None:
        self.courses, self.roster, self.weights, self.busy = courses, on_roster, weights, busy
        self._listed: dict[int, list[Slot]] = {}
        self.stays = [
            [
                s.booked
                for s in left(one)
                if s.booked and not wrong_with([s.booked], alone(s), on_roster, MONDAY)
                if not self.is_busy(one, s.booked)
            ]
            for one in courses
        ]

    def answer(self) -> list[list[Slot] | None]:
        taken = [places(stays, one) for stays, one in zip(self.stays, self.courses, strict=True)]
        found: list[list[Slot] | None] = [None] * len(self.courses)
        for number in sorted(range(len(self.courses)), key=lambda n: (self.leeway(n), n)):
            one, stays = self.courses[number], self.stays[number]
            if len(stays) == len(left(one)) and not wrong_dates(stays, one):
                found[number] = stays
                continue
            others = frozenset[tuple[object, ...]]().union(*taken[:number], *taken[number + 1 :])
            ways = (next(self.plans(number, [], others, may_all_move=may), None) for may in (False, True))
            found[number] = next((slots for slots in ways if slots is not None), None)
            if (slots := found[number]) is not None:
                taken[number] = places(slots, one)
        return found

    def is_busy(self, one: CourseFacts, slot: Slot) -> bool:
        return bool(self.busy.get(one.id, {}).get(slot.on, 0) & patient_span(slot))

    def leeway(self, number: int) -> int:
        """How many dates the first session has that has none."""
        one, stays, chosen = self.courses[number], self.stays[number], list[Slot]()
        for session in left(one):
            kept = [s for s in stays if s.session == session.id and not wrong_dates([*chosen, s], unbooked(one))]
            if not kept:
                dates = [Slot(session.id, on, NINE, 0, ANNA, ()) for on in self.roster.days]
                return sum(not wrong_dates([*chosen, at], unbooked(one)) for at in dates)
            chosen += kept
        return 0

    def plans(self, number: int, chosen: list[Slot], others: Taken, *, may_all_move: bool) -> Iterator[list[Slot]]:
        one = self.courses[number]
        if len(chosen) == len(left(one)):
            yield chosen
            return
        session = left(one)[len(chosen)]
        stays = [stay for stay in self.stays[number] if stay.session == session.id]
        kept = [stay for stay in stays if not wrong_dates([*chosen, stay], unbooked(one))]
        options = kept if kept and not may_all_move else [*stays, *self.listed(session)]
        best: dict[date, tuple[int, date, int, UUID, Slot]] = {}
        for slot in options:
            if places([slot], one) & others or self.is_busy(one, slot) or wrong_dates([*chosen, slot], unbooked(one)):
                continue
            parts = cost.price([*chosen, slot], one, self.roster, self.weights, today=MONDAY, moves=True)
            if one.wishes.strict and parts[-1].wishes and slot not in stays:
                continue
            choice = (parts[-1].total, slot.on, slot.tick, slot.lead, slot)
            if slot.on not in best or choice[:4] < best[slot.on][:4]:
                best[slot.on] = choice
        for *_, slot in sorted(best.values(), key=lambda choice: choice[:4]):
            yield from self.plans(number, [*chosen, slot], others, may_all_move=may_all_move)

    def listed(self, session: SessionFacts) -> list[Slot]:
        key = id(session.step)
        if key not in self._listed:
            self._listed[key] = list(brute_joint.slots_of(session, self.roster, MONDAY))
        return [replace(slot, session=session.id) for slot in self._listed[key]]


def left(one: CourseFacts) -> list[SessionFacts]:
    return [s for s in one.sessions if s.booked is not None]


def unbooked(one: CourseFacts) -> CourseFacts:
    return replace(one, sessions=tuple(replace(s, booked=None) for s in one.sessions))


def crowded(seed: int) -> tuple[list[CourseFacts], Roster, Weights, Busy]:
    """Up to six courses that want Anna's or Ben's time on a few days, of which Anna loses some."""
    rng = random.Random(seed)
    phases = rng.choice(((phase(30),), (phase(30, "injector", "room", after=30),), (phase(30), phase(30, "room"))))
    steps = [step("next", spacing(minimum="2 days", target="3 days", lapse="6 days"), phases=phases)]
    steps.append(replace(steps[0], key="other", spacings=(spacing(minimum="1 day", target="4 days", lapse="6 days"),)))
    rooms = [resource(ROOM, "room", places=rng.choice((1, 1, 2)), kind="room"), resource(ROOM_2, "room", kind="room")]
    people = [resource(who, "injector") for who in (ANNA, BEN, CARA)[: rng.choice((2, 2, 3))]]
    off = [(ANNA, day(number)) for number in rng.choice(((3,), (3, 4), (2, 3, 4)))]
    site = roster(
        11,
        resources=(*people, *rooms[: rng.choice((1, 2))]),
        hours=minutes(NINE, NINE + rng.choice((60, 90))),
        off=off,
        shortest_useful_minutes=rng.choice((20, 45)),
    )
    courses = []
    taken: set[tuple[UUID, int, int]] = set()
    for number in range(1, rng.choice((3, 5, 7))):
        visits, at = [], 0
        for position in (1, 2, 3)[: rng.choice((1, 2, 2, 3))]:
            at += rng.choice((2, 3, 3, 4))
            who = rng.choice((ANNA, ANNA, BEN))
            visit = open_session(position, rng.choice(steps))
            one = booked(visit, day(at), NINE + 30 * rng.choice((0, 0, 1)), injector=who)
            assert one.booked is not None
            mine = {
                (use.resource, at, tick) for use in one.booked.uses for tick in range(use.from_tick, use.until_tick)
            }
            visits.append(visit if mine & taken or rng.random() < 0.1 else one)
            taken |= set() if visits[-1] is visit else mine
        wishes = rng.choice(
            (
                Wishes(),
                Wishes(practitioner=ANNA),
                Wishes(practitioner=BEN, weekdays=frozenset({2, 3, 5})),
                Wishes(from_minute=NINE + 30, avoid_dates=frozenset({day(3)})),
                Wishes(practitioner=BEN, avoid_dates=frozenset({day(4)}), strict=True),
                Wishes(practitioner=BEN, strict=True),
            )
        )
        lead = rng.choice((None, ANNA, BEN))
        courses.append(numbered(number, performed(0, FIRST, day(0)), *visits, lead=lead, wishes=wishes))
    if len(courses) > 2 and rng.random() < 0.4:
        courses[2] = replace(courses[2], patient=courses[0].patient)
    busy = {
        one.id: {day(rng.choice((3, 4, 5, 6))): minutes(NINE, NINE + rng.choice((30, 60)))}
        for one in courses
        if rng.random() < 0.3
    }
    return (
        courses,
        site,
        Weights(hole=rng.choice((0, 3)), change=rng.choice((0, 15)), practitioner=rng.choice((5, 15))),
        busy,
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_the_first_answer_is_that_of_taking_the_courses_one_by_one(seed):
    courses, site, weights, busy = crowded(seed)

    first = repair_together(courses, site, busy, weights, today=MONDAY, seconds=60, on_progress=until_the_first)

    plain = Greedy(courses, site, weights, busy).answer()
    assert [one.plan and [planned.slot for planned in one.plan.sessions] for one in first.courses] == plain


def refusing(seed: int) -> tuple[CourseFacts, Roster, Weights]:
    """One course of three visits, some of them with Anna, whom its patient refuses; on some days somebody is away."""
    rng = random.Random(seed)
    people = [resource(who, "injector") for who in (ANNA, BEN)]
    off = [(rng.choice((ANNA, BEN)), day(rng.randrange(12))) for _ in range(rng.choice((4, 6, 8, 10)))]
    site = roster(13, resources=(*people, resource(ROOM, "room")), hours=minutes(NINE, NINE + 60), off=off)
    a_visit = step("next", spacing(minimum="2 days", target="3 days", lapse="4 days"), phases=(phase(30),))
    visits, at = [], 0
    for position in (1, 2, 3):
        at += rng.choice((2, 3))
        lead = rng.choice((ANNA, ANNA, BEN))
        visits.append(booked(open_session(position, a_visit), day(at), NINE + 30 * rng.choice((0, 1)), injector=lead))
    wishes = Wishes(practitioner=BEN, strict=True)
    course = numbered(1, performed(0, FIRST, day(0)), *visits, wishes=wishes)
    return course, site, Weights(hole=0, change=rng.choice((0, 15)))


@pytest.mark.parametrize("seed", range(80))
def test_a_visit_with_somebody_whom_the_patient_refuses_stays_where_it_can(seed):
    course, site, weights = refusing(seed)

    first = repair_together([course], site, {}, weights, today=MONDAY, seconds=60, on_progress=until_the_first)

    plain = Greedy([course], site, weights, {}).answer()
    assert [one.plan and [planned.slot for planned in one.plan.sessions] for one in first.courses] == plain
