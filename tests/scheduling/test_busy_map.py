"""The busy map says what the occupancies say, whoever writes, and no refusal believes it."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange

from scheduling import booking, roster, visits
from scheduling.booking import occupancies
from scheduling.models import BusyPeriod, Closure, ExtraOpening, Hours, Occupancy, Reservation, Resource
from scheduling.models.resources import Absence
from scheduling.planner import facts
from scheduling.roster import busy
from tests import build
from tests.refusals import codes

pytestmark = pytest.mark.django_db
MONDAY = date(2027, 1, 4)
# The clocks go forward and back inside these, by an hour or by half of one; Kolkata's never do, Apia's no more.
SPANS = {
    "Europe/London": date(2027, 3, 1),
    "Australia/Lord_Howe": date(2027, 3, 20),
    "America/Havana": date(2027, 10, 20),
    "Africa/Casablanca": date(2027, 1, 25),
    "Asia/Kolkata": date(2027, 3, 1),
    "Pacific/Apia": date(2027, 3, 1),
}
DAYS = 45


def reservation(clinic: build.Clinic) -> Reservation:
    """Something that can hold occupancies, and stands until the end of time."""
    course = clinic.course()
    return Reservation.objects.create(
        session=course.sessions.order_by("position")[0],
        purpose="choosing",
        on=MONDAY,
        at_time="09:00",
        minutes=30,
        created_at=clinic.now,
        expires_at=datetime(2100, 1, 1, tzinfo=UTC),
    )


def spans(rng: random.Random, since: datetime, *, unit: int) -> Iterator[DateTimeTZRange]:
    """Times that do not overlap, some of them over midnight, for some weeks."""
    at = since
    while at < since + timedelta(days=DAYS):
        at += timedelta(minutes=unit * rng.randint(0, 600 // unit))
        ends_at = at + timedelta(minutes=unit * rng.randint(1, 700 // unit))
        yield DateTimeTZRange(at, ends_at)
        at = ends_at


def in_map_and_in_occupancies(clinic: build.Clinic, first_on: date, last_on: date) -> tuple[Any, Any]:
    """What is taken of everything on each date, as a search reads it, and as a refusal reads it."""
    capabilities = set(Resource.objects.values_list("capabilities__code", flat=True)) - {None}
    known = roster.load_site(clinic.site, capabilities, first_on, last_on, now=clinic.now)
    everything = [
        facts.Slot(one.id, on, 0, 0, one.id, (facts.Use(0, "any", one.id, 0, 0, 0),))
        for one in known.resources
        for on in known.days
    ]
    asked = roster.load_site(clinic.site, capabilities, first_on, last_on, now=clinic.now, check=everything)
    return dict(known.busy), dict(asked.busy)


@pytest.mark.parametrize("zone", SPANS)
def test_the_map_says_of_every_day_what_the_occupancies_say(zone):
    clinic, rng = build.Clinic(zone=zone), random.Random(zone)
    Resource.objects.filter(pk=clinic.staff["supervisor"][0].pk).update(places=3)
    by_fives, by_minutes, *_ = [one for resources in clinic.staff.values() for one in resources]
    first_on, kept = SPANS[zone], reservation(clinic)
    since = datetime(first_on.year, first_on.month, first_on.day, tzinfo=UTC) - timedelta(days=2)
    taken = [
        Occupancy(reservation=kept, phase=0, role="any", resource=resource, place=place, during=during)
        for resource, place, unit in (
            (by_fives, 1, 5),
            (by_minutes, 1, 1),
            (clinic.staff["supervisor"][0], 1, 15),
            (clinic.staff["supervisor"][0], 3, 15),
        )
        for during in spans(rng, since, unit=unit)
    ]
    occupancies.occupy(taken, now=clinic.now)

    known, asked = in_map_and_in_occupancies(clinic, first_on, first_on + timedelta(days=DAYS - 5))

    assert known == asked
    assert len({uid for uid, _ in known}) == 3
    assert {len(places) for (uid, _), places in known.items() if uid == clinic.staff["supervisor"][0].uid} >= {3}
    assert booking.busy_map_differences() == []
    bytes_of = {len(bytes(minutes)) for minutes in BusyPeriod.objects.values_list("minutes", flat=True)}
    assert bytes_of == {28 * 1440 // 8, 28 * 1440 // 8 // 5}


def test_it_follows_what_is_booked_moved_cancelled_and_performed(clinic):
    course = clinic.booked_course()
    first, second, third = build.visits_of(course)

    def check() -> set[date]:
        known, asked = in_map_and_in_occupancies(clinic, MONDAY, third.on + timedelta(days=40))
        assert known == asked
        assert booking.busy_map_differences() == []
        return {on for _, on in known}

    assert check() == {first.on, second.on, third.on}
    later = visits.free_times(second.session, first_on=second.on + timedelta(days=1), last_on=third.on, now=clinic.now)
    moved, _ = visits.move(second, later[0].slot, by=clinic.receptionist, now=clinic.now)
    assert moved.on != second.on
    assert check() == {first.on, moved.on, third.on}
    visits.cancel(third, reason="patient_busy", asked_by="patient", by=clinic.receptionist, now=clinic.now)
    assert check() == {first.on, moved.on}
    clinic.now = first.during.lower + timedelta(minutes=30)  # the patient is walking already
    clinic.perform(first.session)
    assert check() == {first.on, moved.on}
    assert BusyPeriod.objects.filter(minutes=b"").exists()  # and what is free again is kept as nothing


def test_a_reservation_is_taken_until_it_expires_though_nobody_has_released_it(clinic):
    kept, injector = reservation(clinic), clinic.staff["injector"][0]
    during = DateTimeTZRange(datetime(2027, 1, 5, 10, tzinfo=UTC), datetime(2027, 1, 5, 11, tzinfo=UTC))
    taken = Occupancy(reservation=kept, phase=0, role="injector", resource=injector, during=during)
    occupancies.occupy([taken], now=clinic.now)
    before = in_map_and_in_occupancies(clinic, MONDAY, MONDAY + timedelta(days=3))
    Reservation.objects.update(expires_at=clinic.now + timedelta(minutes=10))

    clinic.wait(minutes=10)

    assert [set(found) for found in before] == [{(injector.uid, date(2027, 1, 5))}] * 2
    assert in_map_and_in_occupancies(clinic, MONDAY, MONDAY + timedelta(days=3)) == ({}, {})


def test_a_refusal_does_not_believe_it_and_a_booking_does_not_need_it(clinic):
    taken = clinic.booked_course()
    course = clinic.cleared_course(build.patient(email=""))
    BusyPeriod.objects.all().delete()
    plan = [planned.slot for planned in clinic.propose(course).sessions]
    assert plan[0].uses == roster.slot_of(build.visits_of(taken)[0]).uses  # the map says that it is free

    with pytest.raises(booking.NotBookable) as refusal:
        booking.book_course(course, plan, by=clinic.receptionist, now=clinic.now)
    assert set(codes(refusal)) == {"resource_busy"}

    assert booking.rebuild_busy_map() > 0
    plan = [planned.slot for planned in clinic.propose(course).sessions]
    BusyPeriod.objects.update(minutes=bytes([255]) * (28 * 1440 // 8))  # the map says that nothing is free

    assert len(booking.book_course(course, plan, by=clinic.receptionist, now=clinic.now)) == 3


def test_what_is_wrong_in_it_is_named_and_mended(clinic, capsys):
    course = clinic.booked_course()
    first, *_ = build.visits_of(course)
    lead = BusyPeriod.objects.filter(resource=first.lead).order_by("period")[0]
    wrong = bytes(lead.minutes[:-1]) + b"\x01"
    BusyPeriod.objects.filter(pk=lead.pk).update(minutes=wrong)
    BusyPeriod.objects.exclude(resource=first.lead).delete()

    found = booking.busy_map_differences()

    assert str(found[0]) == f"{first.lead.name}, place 1, four weeks from 2026-12-21"
    assert len(found) == 1 + Occupancy.objects.exclude(resource=first.lead).count()  # each in a period of its own
    with pytest.raises(SystemExit):
        call_command("busymap", "check")
    call_command("busymap", "rebuild")
    assert capsys.readouterr().out.endswith(f"{len(found)} rows written anew\n")
    call_command("busymap", "check")
    assert booking.busy_map_differences() == []


@pytest.mark.django_db(transaction=True)
def test_two_that_write_the_same_period_at_once_lose_nothing():
    clinic = build.Clinic()
    injector, kept = clinic.staff["injector"][0], [reservation(clinic) for _ in range(8)]
    start, since = Barrier(8), datetime(2027, 1, 5, 8, tzinfo=UTC)

    def run(number: int) -> None:
        """Take a time in that period, and give every second one back."""
        begins_at = since + timedelta(hours=number)
        taken = Occupancy(
            reservation=kept[number],
            phase=0,
            role="injector",
            resource=injector,
            during=DateTimeTZRange(begins_at, begins_at + timedelta(minutes=45)),
        )
        try:
            start.wait(30)
            with transaction.atomic():
                roster.lock_resources([injector.uid])
                occupancies.occupy([taken], now=clinic.now)
            if number % 2:
                with transaction.atomic():
                    occupancies.release(Occupancy.objects.filter(reservation=kept[number]), now=clinic.now)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(run, range(8)))

    known, asked = in_map_and_in_occupancies(clinic, MONDAY, MONDAY + timedelta(days=6))
    assert known == asked
    ((ticks_taken,),) = known.values()
    assert ticks_taken.bit_count() == 4 * 45


# --- on duty ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("clock", [(0, 17, 30), (0, 30)])
@pytest.mark.parametrize("zone", SPANS)
def test_time_on_duty_is_that_of_each_day_by_itself(zone, clock):
    """Periods that are written at once say the same as a day that is worked out alone, on whatever date."""
    clinic, rng, first_on = build.Clinic(zone=zone), random.Random(zone), SPANS[zone]
    everyone = [one for resources in clinic.staff.values() for one in resources]
    for one in everyone:
        hours, minutes = rng.randint(0, 12), rng.choice(clock)
        on = first_on + timedelta(days=rng.randint(-5, DAYS))
        to_on = on + timedelta(days=rng.randint(0, 20))
        part = {"from_time": f"{hours:02}:{minutes:02}", "until_time": f"{hours + 5:02}:{minutes:02}"}
        Hours.objects.create(
            resource=one, site=clinic.site, weekday=rng.randint(0, 6), valid_from=on, **part,
            valid_to=rng.choice((None, to_on)), every_weeks=rng.randint(1, 3),
        )  # fmt: skip
        ExtraOpening.objects.create(resource=one, site=clinic.site, on=on, **part)
        away = {"first_on": on + timedelta(days=3), "last_on": to_on + timedelta(days=3), "recorded_at": clinic.now}
        Absence.objects.create(resource=one, **away, **rng.choice(({}, part)))
        Closure.objects.create(site=clinic.site, name="Shut", **away, **part)
        Resource.objects.filter(pk=one.pk).update(
            active_from=rng.choice((None, first_on + timedelta(days=4))),
            active_to=rng.choice((None, first_on + timedelta(days=30))),
        )
    capabilities = {row.capability.code for one in everyone for row in one.has_capabilities.all()}

    whole = roster.load_site(
        clinic.site, capabilities, first_on, first_on + timedelta(days=DAYS), now=clinic.now
    ).on_duty
    by_days: dict[tuple[UUID, date], int] = {}
    for number in range(DAYS + 1):
        on = first_on + timedelta(days=number)
        by_days |= roster.load_site(clinic.site, capabilities, on, on, now=clinic.now).on_duty

    assert dict(whole) == by_days
    assert len({uid for uid, _ in by_days}) == len({one.pk for one in everyone})


# --- how it is read ---------------------------------------------------------------------------------------------------


def plans_of(statement: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
    """Every node of the plan that PostgreSQL makes."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {statement}", asked)
        (answer,) = cursor.fetchone()
    todo, found = [(answer if isinstance(answer, list) else json.loads(answer))[0]["Plan"]], []
    while todo:
        node = todo.pop()
        found.append(node)
        todo += node.get("Plans", [])
    return found


@pytest.mark.parametrize("rows", [1_000, 100_000])
def test_no_plan_filters_by_resource_above_the_exclusion_constraints_index(clinic, rows):
    """`resource = ANY(...)` cannot use the first column of a GiST index, and would read everybody's time."""
    kept, (resources, uids) = reservation(clinic), zip(*Resource.objects.values_list("pk", "uid"), strict=True)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO scheduling_occupancy (reservation_id, phase, role, resource_id, place, during)
            SELECT %s, 0, 'any', (%s::bigint[])[1 + n %% %s], 1,
                   tstzrange('2027-01-01'::timestamptz + n * interval '20 minutes', '2027-01-01'::timestamptz
                             + n * interval '20 minutes' + interval '15 minutes')
            FROM generate_series(1, %s) n
            """,
            [kept.pk, list(resources), len(resources), rows],
        )
        cursor.execute("ANALYZE scheduling_occupancy")
    span = (datetime(2027, 1, 5, tzinfo=UTC), datetime(2027, 1, 6, tzinfo=UTC))
    begins, ends = ([moment] * len(resources) for moment in span)
    of_slots = {
        "resources": list(uids), "begins": begins, "ends": ends, "without": [0], "now": clinic.now, "patient": 0,
        "since": span[0], "until": span[1],
    }  # fmt: skip
    standing = {"resources": list(resources), "places": [1] * len(resources), "begins": begins, "ends": ends}

    for statement, asked, resource in (
        (busy.OF_SLOTS, of_slots, "r.id"),
        (occupancies.STANDING, standing, "wanted.resource"),
    ):
        nodes = plans_of(statement, asked)
        by_index = [node for node in nodes if node.get("Index Name") == "resource_place_is_taken_once_at_a_time"]
        assert len(by_index) == 1
        assert f"resource_id = {resource}" in by_index[0]["Index Cond"]
        assert "during &&" in by_index[0]["Index Cond"]
        occupied = [node for node in nodes if node.get("Relation Name") == "scheduling_occupancy"]
        assert [node["Filter"] for node in occupied if "resource_id" in node.get("Filter", "")] == []
