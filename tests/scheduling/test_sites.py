"""Sites: none is given up while anything is left to do there, and nothing new is begun at one that is."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest

from clinic import accounts
from clinic.errors import NotAllowed
from scheduling import booking, reexamination, replanning, roster, sessions, sites, visits, worklists
from scheduling.models import Course, FollowUpTask, Message, Session
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
        ("site_in_use", "is_active", {"visits": 3, "courses": 2, "outcomes": 0, "calls": 0}),
        ("site_in_use", "is_active", {"visits": 0, "courses": 1, "outcomes": 0, "calls": 0}),
    ]
    assert problems[0].message == (
        "Visits that stand here: 3; open courses: 2; outcomes missing: 0; calls to make: 0. First record a closure from"
        " the last day on and apply what it proposes, record or cancel the visits that are left, complete or end the"
        " courses, and record the outcomes. Calls can be made until their last day: give the site up after it."
    )
    clinic.site.refresh_from_db()
    assert clinic.site.is_active is False


def completed(clinic: build.Clinic) -> Session:
    """The one session of a completed course, without an outcome."""
    course = clinic.cleared_course()
    session = clinic.perform(build.sessions_of(course)[0], outcome=None).session
    FollowUpTask.objects.filter(session=session).delete()
    booking.close_course(course, reason="", by=clinic.clinician, now=clinic.now, completed=True)
    return session


def call_after(session: Session, on: date) -> FollowUpTask:
    follow_up = session.step.version.follow_ups.all()[0]
    return FollowUpTask.objects.create(session=session, follow_up=follow_up, due_on=on, until_on=on)


def test_a_site_is_not_given_up_while_completed_courses_want_an_outcome_or_a_call(clinic):
    session = completed(clinic)
    call_after(session, clinic.today + timedelta(days=2))

    with pytest.raises(sites.SiteInUse) as both:
        give_up(clinic)
    visits.record_outcome(session, visits.OutcomeInput("ok"), by=clinic.clinician, now=clinic.now)
    with pytest.raises(sites.SiteInUse) as one:
        give_up(clinic)
    clinic.wait(days=3)
    give_up(clinic)

    assert [refused.value.problems[0].details for refused in (both, one)] == [
        {"visits": 0, "courses": 0, "outcomes": 1, "calls": 1},
        {"visits": 0, "courses": 0, "outcomes": 0, "calls": 1},
    ]


def without_outcome(clinic: build.Clinic, session: Session) -> None:
    session.outcome.delete()


def a_call_to_make(clinic: build.Clinic, session: Session) -> None:
    call_after(session, clinic.today)


def mail_that_failed(clinic: build.Clinic, session: Session) -> None:
    course = session.course
    Message.objects.create(
        kind="aftercare",
        patient=course.patient,
        course=course,
        session=session,
        site=course.site,
        promised_at=clinic.now,
        due_at=clinic.now,
        expires_at=clinic.now + timedelta(days=1),
        state="failed",
        state_reason="refused",
    )


@pytest.mark.parametrize(
    ("what", "kind"), [(without_outcome, "outcomes"), (a_call_to_make, "calls"), (mail_that_failed, "mail")]
)
def test_a_site_that_is_given_up_is_at_work_while_its_worklist_names_anything(clinic, what, kind):
    session = completed(clinic)
    visits.record_outcome(session, visits.OutcomeInput("ok"), by=clinic.clinician, now=clinic.now)
    Message.objects.all().delete()
    give_up(clinic)
    assert clinic.site not in roster.sites_at_work(clinic.now)

    what(clinic, Session.objects.get(pk=session.pk))

    clinic.wait(days=1)
    assert [one.kind for one in worklists.worklist([clinic.site], now=clinic.now)] == [kind]
    assert clinic.site in roster.sites_at_work(clinic.now)


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


def test_no_session_is_added_at_a_site_that_is_given_up_but_what_took_place_is_corrected(clinic):
    session = completed(clinic)
    visits.record_outcome(session, visits.OutcomeInput("ok"), by=clinic.clinician, now=clinic.now)
    course = session.course
    give_up(clinic)

    with pytest.raises(booking.NotPossibleNow) as refused:
        sessions.add_session(course, "treatment", reason="veins left", by=clinic.clinician, now=clinic.now)
    visits.correct_performed(
        session, performed_on=clinic.today - timedelta(days=1), reason="a slip", by=clinic.clinician, now=clinic.now
    )

    course.refresh_from_db()
    session.refresh_from_db()
    assert codes(refused) == ["site_given_up"]
    assert (course.state, session.performed_on) == ("completed", clinic.today - timedelta(days=1))


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
    assert clinic.site in roster.sites_at_work(clinic.now)
    assert empty not in roster.sites_at_work(clinic.now)
    for visit in build.visits_of(course):
        visits.cancel(visit, reason="clinic_closed", asked_by="clinic", by=clinic.receptionist, now=clinic.now)
    assert clinic.site in roster.sites_at_work(clinic.now)  # for the course
    visits.end_course(course, reason="the site closes", by=clinic.receptionist, now=clinic.now)
    assert clinic.site not in roster.sites_at_work(clinic.now)
