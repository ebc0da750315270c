"""Looking again at what is booked: what a change of hours or skills, and each night, puts before a person."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from clinic.acts import MOST_TIMEOUTS
from scheduling import booking, closures, holds, marks, reexamination, replanning, roster, staffing, worklists
from scheduling.booking import occupancies
from scheduling.models import (
    Appointment,
    BusyPeriod,
    Course,
    Examination,
    ExtraOpening,
    Hours,
    Move,
    Proposal,
    Resource,
    ResourceCapability,
    Session,
)
from tests import build
from tests.slowness import OF_EVERY_COURSE, too_slow_to_read

pytestmark = pytest.mark.django_db

NIGHT = time(3)


def examine(clinic: build.Clinic) -> None:
    """Let the jobs do all there is: look, and work out what is proposed."""
    while reexamination.go_on(clinic.now):
        pass
    while replanning.work_out_next(clinic.now, seconds=2):
        pass


def a_night(clinic: build.Clinic) -> Examination:
    """Let the next night come, and everything be looked at."""
    clinic.now = datetime.combine(clinic.today + timedelta(days=1), NIGHT, UTC)
    reexamination.begin_nights(clinic.now)
    examine(clinic)
    return Examination.objects.filter(site=clinic.site).latest("on")


def seen(examination: Examination) -> tuple[int, int, int, int]:
    return examination.courses, examination.uncovered, examination.mended, examination.failed


def injector_of(visit: Appointment) -> Resource:
    return visit.lead


def weekly(resource: Resource, *, but: int) -> list[staffing.WeeklyHours]:
    """The hours that a resource has, without those of one weekday."""
    names = ("site", "weekday", "from_time", "until_time", "valid_from", "valid_to", "every_weeks")
    return [
        staffing.WeeklyHours(**{name: getattr(row, name) for name in names})
        for row in resource.hours.exclude(weekday=but)
    ]


def details_of(resource: Resource, **changes: Any) -> staffing.ResourceDetails:
    given = {"kind": resource.kind, "name": resource.name, "capabilities": skills(resource)} | changes
    return staffing.ResourceDetails(**given)


def skills(resource: Resource, **of: date | None) -> list[staffing.Grant]:
    return [staffing.Grant(one.capability.code, **of) for one in resource.has_capabilities.select_related("capability")]


def uncovered(clinic: build.Clinic) -> list[tuple[date, list[str], bool]]:
    """What the worklist says: the visit's date, why it cannot stay, and whether another time is proposed."""
    assert all(isinstance(row, Move) for row in worklists.uncovered([clinic.site], clinic.now))
    return [
        (row.appointment.on, [one["code"] for one in row.why], row.to_slot is not None)
        for row in worklists.uncovered([clinic.site], clinic.now)
        if row.appointment is not None
    ]


# --- what changes -----------------------------------------------------------------------------------------------------


def test_hours_that_shrink_leave_a_mark_and_the_visits_in_them_get_a_proposal(clinic):
    """The visits are on Mondays, at four weeks' distance; the injector leaves Mondays."""
    course = clinic.booked_course()
    visits = build.visits_of(course)
    assert {visit.on.weekday() for visit in visits} == {0}
    injector = injector_of(visits[0])

    staffing.set_hours(injector, weekly(injector, but=0), by=clinic.manager, now=clinic.now)
    assert uncovered(clinic) == []
    examine(clinic)

    (proposal,) = Proposal.objects.open()
    assert (proposal.course, proposal.reason) == (course, "hours")
    assert uncovered(clinic) == [(visit.on, ["off_duty"], True) for visit in visits]
    examination = Examination.objects.get(resource=injector)
    assert (seen(examination), examination.finished_at) == ((1, 3, 0, 0), clinic.now)


def test_hours_that_only_grow_leave_none(clinic):
    injector = clinic.staff["injector"][0]
    evening = staffing.WeeklyHours(clinic.site, 0, time(18), time(20), date(2027, 1, 1))

    staffing.set_hours(injector, [*weekly(injector, but=7), evening], by=clinic.manager, now=clinic.now)

    assert not Examination.objects.exists()


@pytest.mark.parametrize("how", ["skill_lost", "skill_expires", "leaves", "opening_withdrawn"])
def test_every_other_way_to_be_there_no_more_does_the_same(clinic, how):
    course = clinic.booked_course()
    visits = build.visits_of(course)
    injector = injector_of(visits[0])
    opening = None
    if how == "opening_withdrawn":
        # They are there on the first visit's day by an extra opening alone.
        opening = staffing.add_extra_opening(
            injector, site=clinic.site, on=visits[1].on, from_time=time(17), until_time=time(19),
            by=clinic.manager, now=clinic.now,
        )  # fmt: skip
        Hours.objects.filter(resource=injector, weekday=0).delete()
        ExtraOpening.objects.filter(pk=opening.pk).update(from_time=time(9), until_time=time(12))
    last_on = visits[1].on - timedelta(days=1)
    changes: dict[str, Any] = {
        "skill_lost": {"capabilities": []},
        "skill_expires": {"capabilities": skills(injector, until_on=last_on)},
        "leaves": {"active_to": last_on},
    }

    if opening is not None:
        staffing.remove_extra_opening(opening, by=clinic.manager, now=clinic.now)
    else:
        staffing.save_resource(
            details_of(injector, **changes[how]), resource=injector, by=clinic.manager, now=clinic.now
        )
    examine(clinic)

    found = uncovered(clinic)
    assert visits[1].on in [on for on, _codes, _is_proposed in found]
    assert {code for _on, codes, _is_proposed in found for code in codes} <= {
        "off_duty", "lacks_capability", "place_unknown", "before_minimum",
    }  # fmt: skip
    assert all(is_proposed for *_rest, is_proposed in found)


def test_what_is_asked_for_again_begins_again(clinic):
    injector = clinic.staff["injector"][0]
    for number in range(3):
        clinic.booked_course(build.patient(f"Ana Patient{number}"))
    staffing.set_hours(injector, weekly(injector, but=0), by=clinic.manager, now=clinic.now)
    under_way = marks.claim_examination()
    assert under_way is not None

    staffing.set_hours(injector, weekly(injector, but=1), by=clinic.manager, now=clinic.wait(minutes=1).now)
    is_ours = marks.note_progress(under_way, cursor=10**9, tries=0, courses=9, uncovered=0, mended=0, failed=0)
    marks.finish_examination(under_way, now=clinic.now)

    assert not is_ours
    (again,) = Examination.objects.filter(resource=injector)
    assert (again.cursor, again.finished_at, again.lease_until) == (0, None, None)


# --- each night -------------------------------------------------------------------------------------------------------


def test_the_night_of_a_site_is_examined_once_whoever_asks_and_however_often(clinic):
    clinic.booked_course()
    before = clinic.now.replace(hour=2, minute=59)
    reexamination.begin_nights(before)
    assert not Examination.objects.exists()

    for _tick in range(3):
        reexamination.begin_nights(before + timedelta(minutes=1))
        examine(clinic)

    (night,) = Examination.objects.all()
    assert (night.site, night.on, seen(night)) == (clinic.site, clinic.today, (1, 0, 0, 0))
    assert a_night(clinic).on == clinic.today


def test_a_night_is_by_the_clocks_of_the_site(db):
    sydney = build.site(zone="Australia/Sydney")
    at_three_there = datetime(2027, 1, 3, 16, 0, tzinfo=UTC)

    reexamination.begin_nights(at_three_there - timedelta(minutes=1))
    assert not Examination.objects.filter(site=sydney).exists()
    reexamination.begin_nights(at_three_there)
    assert [one.on for one in Examination.objects.filter(site=sydney)] == [date(2027, 1, 4)]


def test_a_site_that_is_not_active_has_no_nights(db):
    build.site(is_active=False)

    reexamination.begin_nights(datetime(2027, 1, 4, 12, 0, tzinfo=UTC))

    assert not Examination.objects.exists()


def test_what_no_act_has_marked_is_found_in_the_night(clinic):
    """A closure that was written by hand, say."""
    course = clinic.booked_course()
    _first, second, _third = build.visits_of(course)
    clinic.site.closures.create(
        name="Flooded", first_on=second.on, last_on=second.on, recorded_at=clinic.now, source="clinic"
    )

    night = a_night(clinic)

    assert seen(night) == (1, 1, 0, 0)
    assert uncovered(clinic) == [(second.on, ["site_closed", "off_duty", "off_duty", "off_duty"], True)]
    assert Proposal.objects.open().get().reason == "nightly"


def test_an_open_proposal_is_made_afresh_and_one_discarded_is_not_made_again_for_a_week(clinic):
    course = clinic.booked_course()
    second = build.visits_of(course)[1]
    closures.record(
        closures.ClosureDetails(clinic.site, "Flooded", second.on, second.on), by=clinic.manager, now=clinic.now
    )
    made = replanning.work_out_next(clinic.now)
    assert made is not None

    a_night(clinic)
    fresh = Proposal.objects.open().get()
    assert (fresh.pk != made.pk, fresh.reason) == (True, "nightly")

    replanning.discard(fresh, by=clinic.receptionist, now=clinic.now)
    for _night in range(6):
        a_night(clinic)
        assert not Proposal.objects.open().exists()
    a_night(clinic)
    clinic.wait(hours=1)
    assert Proposal.objects.open().exists()


def test_a_course_on_hold_is_left_alone(clinic):
    course = clinic.booked_course()
    second = build.visits_of(course)[1]
    holds.place(course, code="other", reason="ask first", by=clinic.receptionist, now=clinic.now)
    clinic.site.closures.create(name="Flooded", first_on=second.on, last_on=second.on, recorded_at=clinic.now)

    assert seen(a_night(clinic)) == (1, 0, 0, 0)
    assert not Proposal.objects.exists()


def test_visits_that_are_over_are_not_looked_at(clinic):
    course = clinic.booked_course()
    first = build.visits_of(course)[0]
    Hours.objects.filter(resource=injector_of(first)).delete()
    clinic.now = first.during.upper + timedelta(days=1)

    found = reexamination.uncovered(
        [Course.objects.for_facts().get()], {course.pk: roster.course_facts(course)}, now=clinic.now
    )

    assert first.session.uid not in found
    assert len(found) == 2


def test_stored_windows_that_are_wrong_are_counted_and_mended(clinic, caplog):
    course = clinic.booked_course()
    right = list(Session.objects.filter(course=course).order_by("pk").values_list("earliest_on", "overdue_on"))
    Session.objects.filter(course=course, position__gte=2).update(earliest_on=date(2030, 1, 1))

    night = a_night(clinic)

    assert seen(night) == (1, 0, 4, 0)
    assert list(Session.objects.filter(course=course).order_by("pk").values_list("earliest_on", "overdue_on")) == right
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == [
        "4 stored windows were wrong and are mended: an act has forgotten to refresh them"
    ]
    assert seen(a_night(clinic)) == (1, 0, 0, 0)


def test_a_busy_map_that_is_wrong_is_mended_in_the_night(clinic, caplog):
    clinic.booked_course()
    BusyPeriod.objects.filter(pk=BusyPeriod.objects.order_by("pk").first().pk).update(minutes=b"")
    assert len(booking.busy_map_differences()) == 1

    a_night(clinic)

    assert booking.busy_map_differences() == []
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == [
        "1 rows of the busy map were wrong and are mended: something wrote occupancies past the acts"
    ]


def test_each_resource_is_compared_with_the_busy_map_once_a_night_however_many_sites_there_are(db):
    """One works at two sites, one has an opening at a site that is not active any more, one is nowhere."""
    first, second, closed = build.site(), build.site(), build.site(is_active=False)
    both, here, there = (build.resource("injector", at=site) for site in (second, first, second))
    left, nowhere = (build.resource("injector", at=closed, hours=()) for _number in range(2))
    times = {"on": date(2027, 1, 9), "from_time": time(9), "until_time": time(12)}
    ExtraOpening.objects.create(resource=both, site=first, **times)
    ExtraOpening.objects.create(resource=left, site=closed, **times)
    compared = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql == occupancies.BOTH:
            compared.append(params["resource"])
        return execute(sql, params, many, context)

    reexamination.begin_nights(build.MONDAY)
    with connection.execute_wrapper(note):
        while reexamination.go_on(build.MONDAY):
            pass

    assert [night.finished_at for night in Examination.objects.all()] == [build.MONDAY] * 2
    assert sorted(compared) == [one.pk for one in (both, here, there, left, nowhere)]


def test_sessions_that_nobody_may_give_any_more_are_on_the_worklist_though_no_overdue_day_is_named(clinic):
    course = clinic.course()
    session = build.sessions_of(course)[0]
    Session.objects.filter(course=course).exclude(pk=session.pk).update(state="dropped", state_reason="moved away")
    Session.objects.filter(pk=session.pk).update(overdue_on=None, lapse_on=clinic.today)

    assert list(worklists.overdue([clinic.site], clinic.now)) == [session]
    assert list(worklists.due([clinic.site], clinic.now)) == []


# --- many courses, and bad ones ---------------------------------------------------------------------------------------


@pytest.fixture
def three_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reexamination, "AT_ONCE", 3)


def test_it_goes_on_where_a_worker_has_died(clinic, three_at_a_time):
    for number in range(4):
        clinic.course(build.patient(f"Ana Patient{number}"))
    clinic.now = datetime.combine(clinic.today + timedelta(days=1), NIGHT, UTC)
    reexamination.begin_nights(clinic.now)
    assert reexamination.go_on(clinic.now)
    dead = marks.claim_examination()
    assert dead is not None
    assert seen(dead) == (3, 0, 0, 0)

    assert not reexamination.go_on(clinic.now)
    Examination.objects.update(lease_until=Now())
    examine(clinic)

    (night,) = Examination.objects.filter(site=clinic.site)
    assert (seen(night), night.finished_at) == ((4, 0, 0, 0), clinic.now)


def test_who_was_not_heard_of_for_too_long_does_not_write_over_who_has_gone_on(clinic, three_at_a_time):
    for number in range(4):
        clinic.course(build.patient(f"Ana Patient{number}"))
    clinic.now = datetime.combine(clinic.today + timedelta(days=1), NIGHT, UTC)
    reexamination.begin_nights(clinic.now)
    slow = marks.claim_examination()
    assert slow is not None
    Examination.objects.update(lease_until=Now())
    other = marks.claim_examination()
    assert other is not None

    found = {"tries": 0, "courses": 3, "uncovered": 0, "mended": 0, "failed": 0}
    assert marks.note_progress(other, cursor=300, **found)
    assert not marks.note_progress(slow, cursor=100, **found)
    marks.let_go(slow)

    night = Examination.objects.get()
    assert (night.cursor, night.courses, night.lease_until) == (300, 3, other.lease_until)
    assert marks.claim_examination() is None
    marks.let_go(other)
    assert marks.claim_examination() == night


def test_a_course_that_could_not_be_worked_out_is_not_asked_for_again_in_the_night(clinic):
    second = build.visits_of(clinic.booked_course())[1]
    closures.record(
        closures.ClosureDetails(clinic.site, "Flooded", second.on, second.on), by=clinic.manager, now=clinic.now
    )
    Proposal.objects.update(state="failed", tries=replanning.MOST_TRIES)

    night = a_night(clinic)

    assert seen(night) == (1, 1, 0, 0)
    assert [proposal.state for proposal in Proposal.objects.all()] == ["failed"]


def test_a_course_that_cannot_be_looked_at_is_passed_over_and_stops_no_other(clinic, three_at_a_time, caplog):
    """Its session has a step that its version does not have: nothing of ours writes that."""
    courses = [clinic.booked_course(build.patient(f"Ana Patient{number}")) for number in range(5)]
    bad = courses[2]
    Session.objects.filter(course=bad, position=2).update(step_key="nowhere")
    second = build.visits_of(courses[4])[1]
    clinic.site.closures.create(name="Flooded", first_on=second.on, last_on=second.on, recorded_at=clinic.now)
    clinic.now = datetime.combine(clinic.today + timedelta(days=1), NIGHT, UTC)
    reexamination.begin_nights(clinic.now)

    died = 0
    for _tick in range(10):
        try:
            examine(clinic)
        except KeyError:
            died += 1
    night = Examination.objects.get(site=clinic.site)

    assert died == 1 + 3  # the batch that it was in, and then by itself
    assert (night.finished_at, night.failed, night.courses) == (clinic.now, 1, 4)
    assert courses[4] in [course for proposal in Proposal.objects.open() for course in proposal.touched.all()]
    assert [r.getMessage() for r in caplog.records if "by hand" in r.getMessage()] == [
        f"course {bad.uid} could not be looked at in 3 tries: look at it by hand"
    ]


def steps_taken(clinic: build.Clinic, *, most: int) -> list[str]:
    """Take steps, each when whoever had the last has lost it, and say what became of each."""
    taken = []
    for _step in range(most):
        try:
            taken.append("on" if reexamination.go_on(clinic.now) else "off")
        except OperationalError:
            taken.append("died")
        Examination.objects.update(lease_until=Now())
    return taken


@pytest.mark.django_db(transaction=True)
def test_a_step_that_a_slow_database_breaks_off_is_tried_again_and_passes_over_nobody(clinic):
    clinic.booked_course()
    clinic.now = datetime.combine(clinic.today + timedelta(days=1), NIGHT, UTC)
    reexamination.begin_nights(clinic.now)

    with too_slow_to_read(OF_EVERY_COURSE):
        assert not reexamination.go_on(clinic.now)
        assert marks.claim_examination() is None  # for some minutes
        Examination.objects.update(lease_until=Now())
        assert steps_taken(clinic, most=MOST_TIMEOUTS) == ["off"] * (MOST_TIMEOUTS - 1) + ["died"]
    night = Examination.objects.get()
    assert (night.tries, night.timeouts, seen(night)) == (1, MOST_TIMEOUTS, (0, 0, 0, 0))
    examine(clinic)

    night.refresh_from_db()
    assert (night.timeouts, seen(night), night.finished_at) == (0, (1, 0, 0, 0), clinic.now)


@pytest.mark.django_db(transaction=True)
def test_who_comes_after_one_passed_over_has_all_tries_left_though_the_database_is_slow(clinic):
    courses = [clinic.booked_course(build.patient(f"Ana Patient{number}")) for number in range(2)]
    reexamination.begin_nights(clinic.now)
    Examination.objects.update(tries=reexamination.GIVEN_UP_AT_TRY - 1)

    with too_slow_to_read(OF_EVERY_COURSE):
        assert not reexamination.go_on(clinic.now)

    examination = Examination.objects.get()
    assert (examination.cursor, examination.tries, examination.timeouts) == (courses[0].pk, 1, 1)


@pytest.mark.django_db(transaction=True)
def test_a_night_whose_end_is_broken_off_each_time_ends_and_says_so(clinic, caplog):
    clinic.now = datetime.combine(clinic.today + timedelta(days=1), NIGHT, UTC)
    reexamination.begin_nights(clinic.now)
    Examination.objects.update(timeouts=MOST_TIMEOUTS - 1)

    with too_slow_to_read("scheduling_busyperiod"):
        assert steps_taken(clinic, most=6) == ["off", "died", "died", "died", "on", "off"]

    night = Examination.objects.get()
    assert night.finished_at == clinic.now
    assert [r.getMessage() for r in caplog.records if r.levelname == "ERROR"] == [
        f"examination {night.pk} could not be ended in 3 tries: see `manage.py busymap`"
    ]


def test_three_courses_take_as_many_statements_as_one(clinic):
    counts = []
    for number in (1, 2):
        for more in range(number):
            clinic.booked_course(build.patient(f"Ana Patient{number}{more}"))
        courses = list(Course.objects.for_facts().order_by("pk"))
        reexamination.look_at(courses, reason="nightly", now=clinic.now)  # who is there is remembered from here on
        with CaptureQueriesContext(connection) as asked:
            reexamination.look_at(courses, reason="nightly", now=clinic.now)
        counts.append((len(courses), len(asked)))

    assert [courses for courses, _asked in counts] == [1, 3]
    assert counts[0][1] == counts[1][1] <= 30


def test_old_examinations_are_forgotten(clinic):
    a_night(clinic)
    marks.examine_visits_of(clinic.staff["injector"][0], reason="hours", now=clinic.now)

    assert marks.forget_examinations_before(clinic.now) == 0
    assert marks.forget_examinations_before(clinic.wait(seconds=1).now) == 1
    assert Examination.objects.count() == 1
    assert ResourceCapability.objects.exists()
