"""Times that fall free: what frees them, for whom they are any use, and how long they are remembered."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import time, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clinic import localtime
from scheduling import absences, closures, marks, replanning, roster, staffing, visits, waitlist
from scheduling.models import Appointment, FreedTime, Offer, Resource, Spacing
from tests import build

from .waiting import cancel, course_from, first_of, standing, three, waits

__all__ = ["three"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def ana(clinic: build.Clinic) -> Appointment:
    """A visit for whose time a course without visits waits. Its sessions may not lie more than six weeks apart."""
    Spacing.objects.filter(step__version=clinic.version, step__kind="treatment").update(overdue="", lapse="6 weeks")
    visit = first_of(course_from(clinic, 10))
    waits(clinic, clinic.cleared_course(build.patient("Dora Fourth")), from_on=visit.on, until_on=visit.on)
    return visit


@pytest.mark.parametrize(("shut_days", "offered"), [(13, ["Dora Fourth"]), (14, [])])
def test_nobody_is_offered_a_time_after_which_the_rest_of_their_course_has_none(clinic, ana, shut_days, offered):
    """The next session may come from the fourth week on, for two weeks."""
    first_on = ana.on + timedelta(weeks=4)
    clinic.site.closures.create(
        name="Moving", first_on=first_on, last_on=first_on + timedelta(days=shut_days - 1), recorded_at=clinic.now
    )
    cancel(clinic, ana)

    waitlist.offer_freed_times(clinic.now)

    assert [who for who, *_rest in standing(clinic)] == offered


def test_of_the_rest_of_a_course_no_time_is_read_that_it_cannot_have(clinic, ana):
    cancel(clinic, ana)
    read: set[int] = set()

    def note_periods(execute: Callable[..., Any], sql: str, params: Any, *more: Any) -> Any:
        read.update(params[int(number) - 1] for number in re.findall(r"period BETWEEN \$\d+ AND \$(\d+)", sql))
        return execute(sql, params, *more)

    with connection.execute_wrapper(note_periods):
        assert waitlist.offer_freed_times(clinic.now) == 1

    last_at = localtime.instant(ana.on + timedelta(weeks=12), time(12), clinic.zone)
    assert max(read) == roster.period_of(int(last_at.timestamp()) // 60)


def test_a_move_an_ended_course_and_an_applied_proposal_free_their_times_too(clinic):
    moved, ended, late = course_from(clinic, 10), course_from(clinic, 10), course_from(clinic, 0)
    first = first_of(moved)
    other = visits.free_times(first.session, first_on=first.on, last_on=first.on, now=clinic.now, limit=500)[-1].slot
    visits.move(first, other, by=clinic.receptionist, now=clinic.now)
    assert [(row.appointment_id, row.first_on) for row in FreedTime.objects.all()] == [(first.pk, first.on)]

    visits.end_course(ended, reason="moved away", by=clinic.receptionist, now=clinic.now)
    assert FreedTime.objects.count() == 1 + 3

    clinic.wait(days=4, hours=4)
    proposal = clinic.perform(build.sessions_of(late)[0]).proposal
    replanning.apply(proposal, by=clinic.receptionist, now=clinic.now)
    assert FreedTime.objects.filter(freed_at=clinic.now).count() == 2


def test_a_visit_that_was_missed_has_no_time_left_to_offer(clinic):
    course = course_from(clinic, 0)
    first = first_of(course)
    clinic.now = first.during.lower + timedelta(minutes=1)

    visits.miss(first, by=clinic.receptionist, now=clinic.now)

    assert not FreedTime.objects.exists()


def test_an_absence_taken_back_is_offered_time_by_time(clinic):
    """Both injectors were away for a day; one is back, and two patients are offered times of that day at once."""
    on = clinic.today + timedelta(days=3)
    away = [
        absences.record(absences.AbsenceDetails(one, on, on), by=clinic.manager, now=clinic.now)
        for one in clinic.staff["injector"]
    ]
    for name, days in (("Ben Second", 20), ("Cleo Third", 25)):
        waits(clinic, course_from(clinic, days, name))

    absences.take_back(away[0], by=clinic.manager, now=clinic.now)

    assert waitlist.offer_freed_times(clinic.now) == 2
    offered = standing(clinic)
    assert [(who, when[:10]) for who, when, _left in offered] == [("Cleo Third", f"{on}"), ("Ben Second", f"{on}")]
    assert len({when for _who, when, _left in offered}) == 2


def test_an_extra_opening_and_a_closure_taken_back_are_offered(clinic):
    saturday = clinic.today + timedelta(days=5)
    monday = clinic.today + timedelta(days=7)
    shut = closures.record(
        closures.ClosureDetails(clinic.site, "Flooded", monday, monday), by=clinic.manager, now=clinic.now
    )
    for name, days in (("Ben Second", 20), ("Cleo Third", 25)):
        waits(clinic, course_from(clinic, days, name))
    rooms = Resource.objects.filter(name="treatment room 1")
    for one in (clinic.staff["injector"][0], clinic.staff["supervisor"][0], rooms.get()):
        staffing.add_extra_opening(
            one, site=clinic.site, on=saturday, **dict(zip(("from_time", "until_time"), build.MORNING, strict=True)),
            by=clinic.manager, now=clinic.now,
        )  # fmt: skip
    waitlist.offer_freed_times(clinic.now)
    assert {when[:10] for _who, when, _left in standing(clinic)} == {f"{saturday}"}

    for offer in Offer.objects.standing(clinic.now):
        waitlist.decline(offer, by=clinic.receptionist, now=clinic.now)
    waitlist.offer_freed_times(clinic.now)
    closures.take_back(shut, by=clinic.manager, now=clinic.now)
    waitlist.offer_freed_times(clinic.now)
    assert {when[:10] for _who, when, _left in standing(clinic)} == {f"{monday}"}


def test_who_matches_is_found_in_as_many_statements_for_one_as_for_four(clinic):
    ana = first_of(course_from(clinic, 10))
    counts = []
    for number in (1, 3):
        for _more in range(number):
            waits(clinic, course_from(clinic, 15 + 3 * number))
        if ana.is_live:
            cancel(clinic, ana)
            ana.refresh_from_db()
        freed = FreedTime.objects.select_related("site", "appointment", "resource").get()
        waitlist.find(freed, now=clinic.now)  # who is there is remembered from here on
        with CaptureQueriesContext(
            connection,
        ) as asked:
            found = waitlist.find(freed, now=clinic.now)
        counts.append((len(found), len(asked)))

    assert [found for found, _asked in counts] == [1, 4]
    assert counts[0][1] == counts[1][1] <= 30


def test_a_patient_is_busy_on_both_days_of_a_visit_over_midnight_and_on_no_other(clinic):
    course = clinic.booked_course()
    first, second, third = build.visits_of(course)
    midnight = localtime.day_shape(second.on + timedelta(days=1), clinic.zone).starts_at
    over = (midnight - timedelta(minutes=20), midnight + timedelta(minutes=10))
    Appointment.objects.filter(pk=second.pk).update(during=over)
    times = roster.load_site(clinic.site, set(), first.on, third.on, now=clinic.now)

    busy = roster.busy_of_patients({course.patient_id}, times)

    minutes = {on: taken.bit_count() for on, taken in busy[course.patient_id].items()}
    assert minutes == {
        first.on: first.minutes,
        second.on: 20,
        second.on + timedelta(days=1): 10,
        third.on: third.minutes,
    }


def test_closed_marks_are_forgotten_but_for_those_that_were_offered(clinic, three):
    course = course_from(clinic, 40)
    cancel(clinic, first_of(three[0]))
    visits.end_course(course, reason="moved away", by=clinic.receptionist, now=clinic.now)
    for _round in range(3):
        waitlist.offer_freed_times(clinic.wait(hours=3).now)
    assert not FreedTime.objects.filter(closed_at=None).exists()
    before = FreedTime.objects.count()

    forgotten = marks.forget_freed_before(clinic.wait(days=31).now)

    assert forgotten > 0
    assert FreedTime.objects.count() == before - forgotten == Offer.objects.values("freed").distinct().count()
