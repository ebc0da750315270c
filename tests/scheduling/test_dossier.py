"""A death: recorded once, above patients and courses, and everything that was to come ends with it."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from clinic.errors import NotAllowed, RuleBroken
from clinic.models import Role
from scheduling import dossier, outbox, visits, worklists
from scheduling.models import Appointment, FollowUpTask, Message, Proposal
from tests import build

pytestmark = pytest.mark.django_db
MONDAY = date(2027, 1, 4)


def messages(**which: object) -> set[tuple[str, str, str]]:
    return set(Message.objects.filter(**which).values_list("kind", "state", "state_reason"))


def test_a_death_ends_every_open_course_at_whichever_site_and_says_nothing_to_anybody(clinic):
    outbox.load_texts(now=clinic.now)
    course = clinic.booked_course()
    elsewhere = build.Clinic(key="hepatitis_b")
    other = elsewhere.course(course.patient)
    promised = set(Message.objects.values_list("kind", flat=True))

    died = dossier.record_death(course.patient, MONDAY, by=clinic.receptionist, now=clinic.now)

    assert (died.deceased_on, died.is_active) == (MONDAY, False)
    for one in (course, other):
        one.refresh_from_db()
        assert (one.state, one.end_reason, one.ended_at) == ("ended", "The patient has died.", clinic.now)
        assert set(one.sessions.values_list("state", flat=True)) <= {"dropped", "performed"}
    cancelled = Appointment.objects.filter(session__course=course)
    assert set(cancelled.values_list("state", "cancel_reason", "cancel_asked_by")) == {
        ("cancelled", "course_ended", "clinic")
    }
    assert messages() == {(kind, "dropped", "patient_deceased") for kind in promised}
    assert {"confirmation", "reminder"} <= promised
    assert worklists.worklist([clinic.site, elsewhere.site], now=clinic.now + timedelta(days=40)) == []


def test_a_death_after_a_session_calls_off_advice_check_ups_and_the_proposal(clinic):
    outbox.load_texts(now=clinic.now)
    course = clinic.booked_course()
    first = build.visits_of(course)[0]
    clinic.wait(days=4, hours=4)
    clinic.perform(first.session)
    (proposal,) = Proposal.objects.open()
    follow_up = course.version.follow_ups.first()
    task = FollowUpTask.objects.create(
        session=first.session, follow_up=follow_up, due_on=clinic.today, until_on=clinic.today
    )
    assert {"aftercare", "check"} <= set(Message.objects.filter(state="pending").values_list("kind", flat=True))

    dossier.record_death(course.patient, clinic.today, by=clinic.receptionist, now=clinic.now)

    task.refresh_from_db()
    proposal.refresh_from_db()
    assert (task.cancelled_at, proposal.state) == (clinic.now, "stale")
    assert not Message.objects.filter(state__in=("pending", "parked")).exists()


def test_a_death_that_cannot_be_leaves_everything_as_it_is(clinic):
    course = clinic.booked_course()
    operator = build.user(Role.OPERATOR, at=clinic.site)

    with pytest.raises(RuleBroken):
        dossier.record_death(course.patient, MONDAY + timedelta(days=1), by=clinic.receptionist, now=clinic.now)
    with pytest.raises(NotAllowed):
        dossier.record_death(course.patient, MONDAY, by=operator, now=clinic.now)

    course.refresh_from_db()
    assert (course.state, len(build.visits_of(course)), course.patient.is_active) == ("open", 3, True)


def test_a_death_taken_back_leaves_courses_ended_and_lets_new_ones_start(clinic):
    course = clinic.booked_course()
    died = dossier.record_death(course.patient, MONDAY, by=clinic.receptionist, now=clinic.now)

    alive = dossier.take_back_death(died, by=clinic.receptionist, now=clinic.now)

    course.refresh_from_db()
    assert (alive.is_active, course.state, clinic.course(alive).state) == (True, "ended", "open")


def test_ending_a_course_withdraws_its_proposal(clinic):
    course = clinic.booked_course()
    first = build.visits_of(course)[0]
    clinic.wait(days=4, hours=4)
    clinic.perform(first.session)
    assert Proposal.objects.open().count() == 1

    visits.end_course(course, reason="moved away", by=clinic.receptionist, now=clinic.now)

    assert Proposal.objects.open().count() == 0
