"""Repairs of many courses: courses that lose visits, and answers that are checked."""

from __future__ import annotations

import random
from dataclasses import replace
from uuid import UUID

from scheduling.planner.cost import Weights
from scheduling.planner.repair import repair_together
from scheduling.planner.shapes import with_taken
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
from tests.planner.checker import wrong_with

W = Weights(hole=0)
FIRST = step("first")
WEEKLY = step("next", spacing(minimum="5 days", target="7 days", lapse="12 days"))


def visits(number, *booked_on, tick=NINE, since=0, lead=ANNA):
    """A course performed on day `since`, with visits of Anna on these days."""
    following = [
        booked(open_session(position, WEEKLY), day(on), tick, injector=lead)
        for position, on in enumerate(booked_on, start=1)
    ]
    return numbered(number, performed(0, FIRST, day(since)), *following)


def repaired(courses, on_roster, *, weights=W, seconds=5.0, **rest):
    """The answer, after the independent checker has looked at every visit of it, in its own course and together."""
    answer = repair_together(courses, on_roster, {}, weights, today=MONDAY, seconds=seconds, **rest)
    assert_right(answer, courses, on_roster)
    return answer


def assert_right(answer, courses, on_roster):
    assert [one.course for one in answer.courses] == [c.id for c in courses]
    assert answer.bound <= answer.cost
    everything = on_roster
    for one, c in zip(answer.courses, courses, strict=True):
        booked_now = {s.id: s.booked for s in c.sessions}
        moves = {move.session: move.new for move in one.moves}
        assert all(move.old == booked_now[move.session] != move.new for move in one.moves)
        if one.plan is None:
            assert moves == {}
            continue
        slots = [planned.slot for planned in one.plan.sessions]
        assert slots == [moves.get(s.id, s.booked) for s in c.sessions if s.booked is not None]
        assert wrong_with(slots, c, on_roster, MONDAY) == []
        assert wrong_with(slots, c, replace(everything, patient_busy={}), MONDAY) == [], "together they clash"
        everything = with_taken(everything, slots)


def hearing(heard):
    def hear(progress):
        heard.append(progress)
        return True

    return hear


def tiny(seed):
    """Two or three courses in a clinic with a little time, which lose visits of Anna's on some days.

    Some visits are of sessions that no plan of their course holds.
    """
    rng, by_itself = random.Random(seed), random.Random(-1 - seed)
    phases = rng.choice(((phase(30),), (phase(30, "injector", "room", after=30),), (phase(30), phase(30, "room"))))
    places = rng.choice((1, 1, 2))
    weekly = step("next", spacing(minimum="2 days", target="3 days", lapse="5 days"), phases=phases)
    rooms = [resource(ROOM, "room", places=places, kind="room")]
    rooms += [resource(ROOM_2, "room", kind="room")] * rng.choice((0, 1))
    people = [resource(ANNA, "injector"), resource(BEN, "injector")]
    site = roster(9, resources=(*people, *rooms), hours=minutes(NINE, NINE + 90), off=[(ANNA, day(3))])
    courses = []
    taken: set[tuple[UUID, int, int]] = set()
    for number in range(1, rng.choice((3, 4))):
        visits_of = []
        at = 0
        for position in (1, 2)[: rng.choice((1, 1, 2))]:
            at += 3 if position == 1 else rng.choice((2, 3, 4))
            tick = NINE + 30 * rng.choice((0, 1))
            one = booked(
                open_session(position, weekly), day(at), tick, injector=ANNA if at == 3 else rng.choice((ANNA, BEN))
            )
            mine = {
                (use.resource, at, minute) for use in one.booked.uses for minute in range(use.from_tick, use.until_tick)
            }
            is_booked = not mine & taken and rng.random() < 0.8
            step_of = replace(weekly, planned_with_course=by_itself.random() > 0.3)
            visits_of.append(replace(one, step=step_of) if is_booked else open_session(position, weekly))
            taken |= mine if is_booked else set()
        lead = rng.choice((None, ANNA, BEN))
        courses.append(numbered(number, performed(0, FIRST, day(0)), *visits_of, lead=lead))
    if rng.random() < 0.3:
        courses[1:2] = [replace(courses[1], patient=courses[0].patient)]
    return courses, site
