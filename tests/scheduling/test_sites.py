"""Sites: none is given up while anything is left to do there, and nothing new is begun at one that is."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest

from clinic import accounts
from clinic.errors import NotAllowed
from scheduling import booking, reexamination, replanning, roster, sites, visits, worklists
from scheduling.models import Course
from tests import build
from tests.refusals import codes

pytestmark = pytest.mark.django_db


def give_up(clinic: build.Clinic) -> None:
    sites.save(clinic.site, is_active=False, by=clinic.manager, now=clinic.now)


def given_up_all_the_same(clinic: build.Clinic) -> None:
    """As a row written before this was refused, or past the acts."""
    accounts.save_site(clinic.site, is_active=False, by=None, now=clinic.now)
    clinic.site.refresh_from_db()


def test_a_site_is_not_given_up_while_visits_stand_or_courses_are_open(clinic):
    booked, unbooked = clinic.booked_course(), clinic.course(build.patient("Ana Kovač"))

    with pytest.raises(sites.SiteInUse) as both:
        give_up(clinic)
    visits.end_course(booked, reason="moved away", by=clinic.receptionist, now=clinic.now)
    with pytest.raises(sites.SiteInUse) as one:
        give_up(clinic)
    visits.end_course(unbooked, reason="moved away", by=clinic.receptionist, now=clinic.now)
    give_up(clinic)

    problems = [refused.value.problems[0] for refused in (both, one)]
    assert [(one.code, one.where, one.details) for one in problems] == [
        ("site_in_use", "is_active", {"visits": 3, "courses": 2}),
        ("site_in_use", "is_active", {"visits": 0, "courses": 1}),
    ]
    assert problems[0].message == (
        "Visits that stand here: 3; open courses: 2. First record a closure from the last day on and apply what it "
        "proposes, record or cancel the visits that are left, and complete or end the courses."
    )
    clinic.site.refresh_from_db()
    assert clinic.site.is_active is False


def test_other_fields_of_a_site_in_use_are_changed_and_only_a_manager_gives_one_up(clinic):
    clinic.course()

    sites.save(clinic.site, is_active=True, phone="+44 20 7946 0999", by=clinic.manager, now=clinic.now)
    with pytest.raises(NotAllowed):
        sites.save(clinic.site, is_active=False, by=clinic.receptionist, now=clinic.now)

    clinic.site.refresh_from_db()
    assert (clinic.site.is_active, clinic.site.phone) == (True, "+44 20 7946 0999")


def test_no_course_is_started_at_a_site_that_is_given_up(clinic):
    give_up(clinic)

    with pytest.raises(booking.NotStartable) as refused:
        clinic.course()
    sites.save(clinic.site, is_active=True, by=clinic.manager, now=clinic.now)

    assert codes(refused) == ["site_given_up"]
    assert clinic.course().site == clinic.site


def test_nothing_is_planned_booked_or_moved_at_a_site_that_is_given_up(clinic):
    course, waits = clinic.booked_course(), clinic.cleared_course(build.patient("Ana Kovač"))
    visit = build.visits_of(course)[2]
    later = visit.on + timedelta(days=1)
    (free,) = visits.free_times(visit.session, first_on=later, last_on=later, now=clinic.now, limit=1)
    plan = [one.slot for one in clinic.propose(waits).sessions]
    given_up_all_the_same(clinic)
    course, waits = (Course.objects.for_facts().get(pk=one.pk) for one in (course, waits))

    with pytest.raises(booking.NoPlan) as unplanned:
        booking.propose_course(waits, now=clinic.now)
    with pytest.raises(booking.NotBookable) as unbooked:
        booking.book_course(waits, plan, by=clinic.receptionist, now=clinic.now)
    with pytest.raises(booking.NotBookable) as unmoved:
        visits.move(visit, free.slot, by=clinic.receptionist, now=clinic.now)

    assert codes(unplanned) == ["site_given_up"]
    closed = [one for one in unbooked.value.problems if one.code == "site_closed"]
    assert [one.message for one in closed] == ["The site is closed on that day: it is given up."] * len(plan)
    assert "site_closed" in codes(unmoved)


def test_what_stands_at_a_site_that_is_given_up_is_found_by_the_night_and_shown_at_the_desk(clinic):
    course = clinic.booked_course()
    empty = build.site(is_active=False)
    given_up_all_the_same(clinic)
    clinic.now = datetime.combine(clinic.today + timedelta(days=1), time(3), UTC)

    reexamination.begin_nights(clinic.now)
    while reexamination.go_on(clinic.now):
        pass
    while replanning.work_out_next(clinic.now, seconds=2):
        pass

    to_come = [visit for visit in build.visits_of(course) if visit.during.lower > clinic.now]
    rows = list(worklists.uncovered([clinic.site], clinic.now))
    assert [row.appointment for row in rows] == to_come
    assert {row.why[0]["message"] for row in rows} == {"The site is closed on that day: it is given up."}
    assert clinic.site in roster.sites_at_work()
    assert empty not in roster.sites_at_work()
    for visit in build.visits_of(course):
        visits.cancel(visit, reason="clinic_closed", asked_by="clinic", by=clinic.receptionist, now=clinic.now)
    assert clinic.site in roster.sites_at_work()  # for the course
    visits.end_course(course, reason="the site closes", by=clinic.receptionist, now=clinic.now)
    assert clinic.site not in roster.sites_at_work()
