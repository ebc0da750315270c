"""The diary of a repair says what the rules and the roster say, whatever is put in and taken out."""

import random
from dataclasses import replace
from uuid import UUID

import pytest

from scheduling.planner import cost
from scheduling.planner.chains import Chain
from scheduling.planner.cost import Weights
from scheduling.planner.diary import Diary
from scheduling.planner.facts import CapabilityFacts, ResourceFacts, Wishes
from scheduling.planner.repair_alike import REFUSED, Alike
from scheduling.planner.search import still_possible
from scheduling.planner.shapes import free_of, with_taken
from tests.planner.build import (
    ANNA,
    BEN,
    MONDAY,
    NINE,
    NOON,
    PATIENT,
    ROOM,
    ROOM_2,
    TEN,
    booked,
    course,
    day,
    minutes,
    open_session,
    performed,
    phase,
    resource,
    roster,
    slot,
    spacing,
    step,
)

WEEKLY = spacing(minimum="5 days", target="7 days", lapse="12 days")
SHAPES = (
    (phase(30),),
    (phase(30, "injector", "room", before=10, after=20),),
    (phase(20), phase(40, "room"), phase(15, "injector", "nurse")),
    (phase(30, "injector", "nurse", "room"),),
)


def clinic(rng):
    """People of whom some can do two things, or one until some day; rooms with one place and two; some time taken."""
    until = CapabilityFacts("injector", until_on=day(3))
    people = (
        resource(ANNA, "injector", "nurse"),
        resource(BEN, "injector", languages=frozenset({"pl"})),
        ResourceFacts(UUID(int=13), "practitioner", "13", (until, CapabilityFacts("nurse"))),
    )
    rooms = (resource(ROOM, "room", kind="room"), resource(ROOM_2, "room", places=2, kind="room"))
    busy = {
        (who.id, day(number)): tuple(minutes(at, at + 30) for at in rng.sample(range(NINE, NOON, 15), who.places))
        for who in (*people, *rooms)
        for number in range(7)
        if rng.random() < 0.5
    }
    return roster(
        7,
        resources=(*people, *rooms),
        grid_minutes=15,
        busy=busy,
        off=[(BEN, day(1))],
        closed={day(5): "holiday"},
        patient_busy={day(0): minutes(TEN, TEN + 30)},
    )


def lawful_slots(rng, visit, diary, many):
    """Slots that the diary has room for, at random."""
    kind = diary.kind_of(visit.step)
    found = []
    for _ in range(many):
        on = day(rng.randrange(7))
        times = diary.times(kind, on)
        if times:
            _, lead, starts = rng.choice(times)
            tick = rng.choice([tick for tick in range(NINE, NOON) if starts >> tick & 1])
            ways = list(diary.ways(kind, on, lead, tick))
            if ways:
                uses = rng.choice(ways)
                found.append(replace(slot(visit, on, tick, nurse=ANNA), lead=lead.id, uses=uses))
                diary.take(PATIENT, found[-1:])
    return found


@pytest.mark.parametrize("seed", range(20))
def test_what_is_put_in_and_taken_out_leaves_what_a_roster_with_the_same_slots_has(seed):
    rng = random.Random(seed)
    shapes = [open_session(1, step(str(number), phases=shape)) for number, shape in enumerate(SHAPES)]
    given, at = clinic(rng), [day(number) for number in range(7)]
    below = Diary(given)
    beneath = lawful_slots(rng, rng.choice(shapes), below, 2)
    diary = below.above()
    put = [one for visit in shapes for one in lawful_slots(rng, visit, diary, 3)]
    gone = rng.sample(put, len(put) // 2)
    diary.free(PATIENT, gone)

    left = [*beneath, *(one for one in put if one not in gone)]
    fresh = Diary(with_taken(given, left))
    of_each = [(diary.kind_of(visit.step), fresh.kind_of(visit.step)) for visit in shapes]
    assert [[diary.times(kind, on) for kind, _ in of_each] for on in at] == [
        [fresh.times(kind, on) for _, kind in of_each] for on in at
    ]
    assert [[diary.others_starts(kind, on, None) for kind, _ in of_each] for on in at] == [
        [fresh.others_starts(kind, on, None) for _, kind in of_each] for on in at
    ]
    taken = with_taken(given, left)
    assert all(
        list(diary.free_places(r.id, on)) == free_of(taken, r.id, on, r.places) for r in given.resources for on in at
    )


@pytest.mark.parametrize("seed", range(200))
def test_a_booked_time_is_possible_when_the_rules_say_so(seed):
    rng = random.Random(seed)
    given = clinic(rng)
    visit = open_session(1, step(phases=rng.choice(SHAPES)))
    resources = [r.id for r in given.resources]
    on, tick = day(rng.choice((0, 0, 1, 2, 3, 4, 5, 8))), NINE + 15 * rng.randrange(-1, 13)
    at = slot(visit, on, tick, nurse=rng.choice(resources[:3]), injector=rng.choice(resources[:3]))
    uses = list(at.uses)
    match rng.randrange(8):
        case 0:
            uses[0] = replace(uses[0], place=rng.choice((-1, 1, 2)))
        case 1:
            uses[-1] = replace(uses[-1], until_tick=uses[-1].until_tick + 5)
        case 2:
            uses[-1] = replace(uses[-1], resource=rng.choice((*resources, UUID(int=99))))
        case 3:
            uses = uses[1:]
        case 4:
            at = replace(at, minutes=at.minutes + 5)
        case 5:
            at = replace(at, lead=rng.choice(resources))
    at = replace(at, uses=tuple(uses))

    said = Diary(given).could_be(at, visit.step, given.patient_busy)

    assert said == bool(still_possible(course(replace(visit, booked=at)), given, MONDAY))


def test_a_time_is_possible_that_nothing_stands_against():
    visit = open_session(1, step())
    diary = Diary(roster(7, busy={(ROOM, day(0)): (minutes(NINE, NINE + 15),)}, closed={day(2): "holiday"}))
    at_ten, elsewhere = slot(visit, day(0), TEN), {day(0): minutes(TEN + 15, TEN + 20)}

    said = [
        diary.could_be(at_ten, visit.step, {}),
        diary.could_be(slot(visit, day(0), NINE), visit.step, {}),  # the room is taken
        diary.could_be(at_ten, visit.step, elsewhere),  # the patient is
        diary.could_be(slot(visit, day(2), TEN), visit.step, {}),
        diary.could_be(replace(at_ten, lead=BEN), visit.step, {}),
        diary.could_be(at_ten, step(phases=SHAPES[1]), {}),
    ]

    assert said == [True, False, False, False, False, False]


@pytest.mark.parametrize("seed", range(10))
def test_courses_that_are_alike_are_told_what_each_would_be_told_alone(seed):
    rng = random.Random(seed)
    given = replace(clinic(rng), patient_busy={})
    diary = Diary(given)
    alike = Alike(diary)
    first, weekly = step("first"), step("next", WEEKLY, phases=rng.choice(SHAPES[:2]))
    weights = Weights(hole=rng.choice((0, 3)), time_of_day=rng.choice((0, 6)))
    wishes = [Wishes(), Wishes(from_minute=TEN), Wishes(practitioner=BEN), Wishes(language="pl", strict=True)]
    for wish in (*wishes, *wishes):
        sessions = (performed(0, first, day(-5)), open_session(1, weekly))
        busy = rng.choice(({}, {day(1): minutes(NINE, TEN)}))
        one = course(*sessions, wishes=wish)
        chain = Chain(one, replace(given, patient_busy=busy), weights, today=MONDAY, stay={})
        kind, starts = diary.kind_of(weekly), chain.starts
        assert alike.onward(chain, 0, ()).dates == list(chain.onward(0, ()))
        for on in (day(number) for number in range(7)):
            assert alike.open_starts(chain, kind, chain.sessions[0], on) == starts.open_starts(weekly, on)
            for number, lead in enumerate(given.resources[:3]):
                missed = alike.leads_missed(chain, weekly)[number]
                assert missed == (REFUSED if starts.is_refused(weekly, lead) else starts.lead_missed(weekly, lead))
                assert prices_of(alike.classes(chain, kind, on, number)) == [
                    starts.price_of(weekly, on, lead, tick) for tick in range(NINE, NOON)
                ]


def prices_of(classes):
    assert classes == sorted(classes)
    return [next(price for price, starts in classes if starts >> tick & 1) for tick in range(NINE, NOON)]


def test_leaving_a_booked_time_costs_and_its_own_start_does_not():
    weekly = step("next", WEEKLY)
    visit = booked(open_session(1, weekly), day(4), TEN)
    chain = Chain(course(performed(0, step("first"), day(-5)), visit), roster(7), Weights(), today=MONDAY, stay={})
    diary = Diary(roster(7))

    classes = Alike(diary).classes_at_home(chain, diary.kind_of(weekly), 0, visit.booked)

    moved = cost.moving_to(visit.booked, day(4), MONDAY, chain.weights)
    prices = prices_of(classes)
    assert prices == [
        chain.starts.price_of(weekly, day(4), chain.roster.resources[0], tick) + (tick != TEN) * moved
        for tick in range(NINE, NOON)
    ]


def test_awkward_times_are_those_of_the_roster_whatever_is_put_in():
    given = clinic(random.Random(3))
    diary = Diary(given)
    diary.take(PATIENT, [])
    begins, ends = diary.awkward(day(0))

    assert list(zip(begins, ends, strict=True)) == [
        cost.awkward(free_of(given, r.id, day(0), 1)[0], given.shortest_useful_minutes) for r in given.resources
    ]
