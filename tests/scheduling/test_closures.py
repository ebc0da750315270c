"""Shutting a site, by hand and on public holidays."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from clinic.errors import Refusal, RuleBroken
from clinic.models import Site, User
from scheduling import booking, closures, replanning, roster, staffing
from scheduling.closures import ClosureDetails
from scheduling.models import Closure, Proposal, Resource
from scheduling.planner import facts
from tests import build

NOW = datetime(2027, 1, 4, 8, 0, tzinfo=UTC)
FIRST, LAST = date(2027, 8, 2), date(2027, 8, 13)


@pytest.fixture
def site(db: None) -> Site:
    return build.site()


@pytest.fixture
def by(db: None) -> User:
    return build.user(is_superuser=True, name="Desk")


def problems_of(refusal: Refusal) -> list[tuple[str, str]]:
    return sorted((problem.code, problem.where) for problem in refusal.problems)


def store(site: Site, *years: int) -> list[tuple[str, str]]:
    return [(one.first_on.isoformat(), one.name) for one in closures.store_holidays(site, years, by=None, now=NOW)]


def test_a_site_is_shut_for_days_or_part_of_each(site, by):
    summer = closures.record(ClosureDetails(site, " Summer ", FIRST, LAST), by=by, now=NOW)
    training = closures.record(ClosureDetails(site, "Training", FIRST, FIRST, time(12), time(17)), by=None, now=NOW)

    names = (
        "name",
        "first_on",
        "last_on",
        "from_time",
        "until_time",
        "source",
        "recorded_at",
        "recorded_by",
        "cancelled_at",
    )
    assert list(site.closures.order_by("id").values_list("pk", *names)) == [
        (summer.pk, "Summer", FIRST, LAST, None, None, "clinic", NOW, by.pk, None),
        (training.pk, "Training", FIRST, FIRST, time(12), time(17), "clinic", NOW, None, None),
    ]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"first_on": LAST, "last_on": FIRST}, [("ends_before_it_begins", "last_on")]),
        ({"from_time": time(8)}, [("time_half_given", "until_time")]),
        ({"from_time": time(9), "until_time": time(8)}, [("ends_before_it_starts", "until_time")]),
        (
            {"first_on": date(2270, 1, 1), "last_on": date(2270, 1, 1)},
            [("date_too_far", "first_on"), ("date_too_far", "last_on")],
        ),
        ({"name": ""}, [("missing", "name")]),
        ({"name": "Sum\r\nmer"}, [("not_one_line", "name")]),
    ],
)
def test_what_can_never_be_a_closure_is_refused(site, changes, expected):
    with pytest.raises(RuleBroken) as refusal:
        closures.record(replace(ClosureDetails(site, "Summer", FIRST, LAST), **changes), by=None, now=NOW)

    assert problems_of(refusal.value) == expected
    assert Closure.objects.count() == 0


def test_a_site_that_is_not_there_is_not_shut(site):
    gone = Site.objects.get(pk=site.pk)
    site.delete()

    with pytest.raises(RuleBroken) as by_hand:
        closures.record(ClosureDetails(gone, "Summer", FIRST, LAST), by=None, now=NOW)
    with pytest.raises(RuleBroken) as holidays:
        store(gone, 2027)

    assert problems_of(by_hand.value) == problems_of(holidays.value) == [("site_unknown", "site")]


def test_the_same_closure_is_recorded_once_and_taken_back_once(site, by):
    details = ClosureDetails(site, "Summer", FIRST, LAST)
    closure = closures.record(details, by=by, now=NOW)

    with pytest.raises(closures.ClosureRecorded) as twice:
        closures.record(replace(details, name="Holidays"), by=by, now=NOW)
    assert closures.take_back(closure, by=by, now=NOW).cancelled_at == NOW
    with pytest.raises(closures.ClosureTakenBack) as again:
        closures.take_back(closure, by=by, now=NOW)

    assert problems_of(twice.value) == [("closure_already_recorded", "")]
    assert problems_of(again.value) == [("closure_already_taken_back", "")]


def test_the_public_holidays_of_a_country_and_its_part_are_stored(by):
    scotland = build.site(subdivision="SCT")

    stored = closures.store_holidays(scotland, [2027], by=by, now=NOW)

    assert [(one.first_on.isoformat(), one.name) for one in stored] == [
        ("2027-01-01", "New Year's Day"),
        ("2027-01-02", "New Year Holiday"),
        ("2027-01-04", "New Year Holiday (observed)"),
        ("2027-03-26", "Good Friday"),
        ("2027-05-03", "May Day"),
        ("2027-05-31", "Spring Bank Holiday"),
        ("2027-08-02", "Summer Bank Holiday"),
        ("2027-11-30", "Saint Andrew's Day"),
        ("2027-12-25", "Christmas Day"),
        ("2027-12-26", "Boxing Day"),
        ("2027-12-27", "Christmas Day (observed)"),
        ("2027-12-28", "Boxing Day (observed)"),
    ]
    assert {(one.last_on == one.first_on, one.source, one.recorded_by, one.recorded_at) for one in stored} == {
        (True, "holiday", by, NOW)
    }


@pytest.mark.parametrize(
    ("language", "expected"),
    [("de", "Neujahr"), ("en", "New Year's Day"), ("en-US", "New Year's Day"), ("fr", "Neujahr"), ("uk", "Новий рік")],
)
def test_holidays_are_named_in_the_sites_language_where_that_is_known(db, language, expected):
    site = build.site(country="DE", subdivision="BY", zone="Europe/Berlin", language=language)

    assert store(site, 2027)[0] == ("2027-01-01", expected)


def test_storing_holidays_again_adds_only_what_is_missing(site):
    first = store(site, 2027)
    Closure.objects.filter(first_on=date(2027, 12, 25)).update(name="Christmas, as an older release wrote it")

    assert store(site, 2027) == []
    second = store(site, 2028, 2027, 2028)
    assert {on[:4] for on, _ in second} == {"2028"}
    assert site.closures.count() == len(first) + len(second)


def test_a_holiday_taken_back_stays_so(site):
    store(site, 2027)
    closures.take_back(site.closures.get(first_on=date(2027, 3, 26)), by=None, now=NOW)

    assert store(site, 2027) == []


def test_a_closure_of_ones_own_does_not_stand_in_for_a_holiday(site):
    closures.record(ClosureDetails(site, "Stocktaking", date(2027, 3, 26), date(2027, 3, 26)), by=None, now=NOW)

    assert ("2027-03-26", "Good Friday") in store(site, 2027)


def test_years_given_apart_are_the_same_as_together(db):
    together, apart = build.site(name="A"), build.site(name="B")

    assert store(together, 2026, 2027, 2028) == [*store(apart, 2026), *store(apart, 2027), *store(apart, 2028)]


@pytest.mark.parametrize(
    ("fields", "years", "expected"),
    [
        ({"subdivision": "ZZ"}, [2027], ("subdivision_unknown", "subdivision")),
        ({"country": "XX"}, [2027], ("country_unknown", "country")),
        ({}, [], ("year_out_of_range", "years")),
        ({}, [2027, 20270], ("year_out_of_range", "years")),
        ({}, [0], ("year_out_of_range", "years")),
    ],
)
def test_holidays_that_nobody_knows_are_refused(site, fields, years, expected):
    Site.objects.filter(pk=site.pk).update(**fields)

    with pytest.raises(RuleBroken) as refusal:
        store(site, *years)

    assert problems_of(refusal.value) == [expected]
    assert Closure.objects.count() == 0


def test_an_unknown_part_of_a_country_is_answered_with_the_known_ones(db):
    with pytest.raises(RuleBroken) as refusal:
        store(build.site(subdivision="ZZ"), 2027)

    assert [problem.details for problem in refusal.value.problems] == [{"allowed": ["ENG", "NIR", "SCT", "WLS"]}]


def test_storing_holidays_asks_a_constant_number_of_questions(site, django_assert_num_queries):
    with django_assert_num_queries(7):
        store(site, 2027)
    with django_assert_num_queries(7):
        store(site, 2028, 2029, 2030, 2031)


@pytest.mark.django_db(transaction=True)
def test_holidays_stored_twice_at_once_are_stored_once():
    site, start = build.site(), threading.Barrier(3)

    def send(_: int) -> int:
        try:
            start.wait(10)
            return len(closures.store_holidays(site, [2027], by=None, now=NOW))
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=3) as pool:
        counts = sorted(pool.map(send, range(3)))

    assert counts == [0, 0, site.closures.count()]


@pytest.mark.django_db(transaction=True)
def test_a_booking_that_holds_a_resource_of_the_site_is_waited_for():
    """A booking locks its resources and then reads the closures: it must not book a day that is just being shut."""
    site = build.site()
    resource = staffing.save_resource(staffing.ResourceDetails("room", "Room 1"), by=None, now=NOW)
    staffing.set_hours(resource, [staffing.WeeklyHours(site, 0, time(9), time(12), date(2027, 1, 1))], by=None, now=NOW)

    def shut() -> Any:
        try:
            return closures.record(ClosureDetails(site, "Summer", FIRST, LAST), by=None, now=NOW)
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=1) as pool:
        with transaction.atomic():
            Resource.objects.select_for_update(no_key=True).get(pk=resource.pk)
            shutting = pool.submit(shut)
            while not _somebody_waits():
                assert not shutting.done()
            assert Closure.objects.count() == 0
        assert shutting.result(10).name == "Summer"


@pytest.mark.django_db(transaction=True)
def test_a_booking_that_holds_a_resource_still_refers_to_a_site_that_is_being_shut():
    """Each would wait for the other, if shutting a site kept others from referring to it."""
    clinic = build.Clinic()
    course = clinic.cleared_course()
    slots = [planned.slot for planned in clinic.propose(course).sessions]
    far_off = clinic.today + timedelta(days=300)

    def shut() -> Any:
        try:
            return closures.record(ClosureDetails(clinic.site, "Summer", far_off, far_off), by=None, now=clinic.now)
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=1) as pool:
        with transaction.atomic():
            roster.lock(course, booking.resources_of(slots), now=clinic.now)
            shutting = pool.submit(shut)
            while not _somebody_waits():
                assert not shutting.done()
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '200ms'")  # sooner than a deadlock is looked for
            booked = booking.book_course(course, slots, by=None, now=clinic.now)
        assert shutting.result(10).name == "Summer"

    assert len(booked) == 3


def test_visits_on_a_new_holiday_get_a_proposal(clinic):
    course = clinic.course()
    clinic.assess(course)
    clinic.consent(course)
    clinic.wait(days=77)  # Friday 26 March 2027 is Good Friday
    clinic.answer_all(course)
    clinic.site.subdivision = "ENG"
    clinic.site.save()
    wanted = facts.Wishes(weekdays=frozenset({4}), strict=True)
    course = booking.set_wishes(course, wanted, by=None, now=clinic.now)
    clinic.book(course)
    visit = build.visits_of(course)[0]
    assert visit.on == date(2027, 3, 26)

    closures.store_holidays(clinic.site, [2027], by=clinic.manager, now=clinic.now)
    replanning.work_out_next(clinic.now)

    (proposal,) = Proposal.objects.open()
    move = proposal.moves.all()[0]
    assert (move.session, move.why[0]["code"]) == (visit.session, "site_closed")


def test_opening_after_all_withdraws_the_proposals(clinic):
    visit = build.visits_of(clinic.booked_course())[1]
    closure = closures.record(ClosureDetails(clinic.site, "Storm", visit.on, visit.on), by=None, now=clinic.now)
    proposal = replanning.work_out_next(clinic.now)
    assert list(Proposal.objects.open()) == [proposal]

    closures.take_back(closure, by=clinic.manager, now=clinic.now)
    replanning.work_out_next(clinic.now)

    proposal.refresh_from_db()
    assert (proposal.state, Proposal.objects.open().count()) == ("stale", 0)


def _somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("select pg_sleep(0.01), count(*) from pg_locks where not granted and pid <> pg_backend_pid()")
        row = cursor.fetchone()
    return bool(row and row[1])
