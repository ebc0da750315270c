"""Visits of sessions that are booked by themselves (an assessment, a final review): no repair forgets one."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from scheduling import absences, closures, reexamination, replanning, visits, worklists
from scheduling.models import Appointment, Course, Hours, Proposal, Resource, Session
from tests import build

pytestmark = pytest.mark.django_db


def work_out(clinic: build.Clinic) -> Proposal:
    proposal = replanning.work_out_next(clinic.now, seconds=3)
    assert proposal is not None
    return proposal


def night(clinic: build.Clinic) -> Proposal:
    clinic.wait(days=1)
    reexamination.begin_nights(clinic.now)
    while reexamination.go_on(clinic.now):
        pass
    return work_out(clinic)


def book(clinic: build.Clinic, session: Session, first_on: date, last_on: date) -> Appointment:
    (time,) = visits.free_times(session, first_on=first_on, last_on=last_on, now=clinic.now, limit=1)
    return visits.book(session, time.slot, by=clinic.receptionist, now=clinic.now)


def book_assessment(clinic: build.Clinic, on: date, patient: str = "Ada Bell") -> Appointment:
    return book(clinic, clinic.course(build.patient(patient)).sessions.get(position=1), on, on)


def is_away(clinic: build.Clinic, who: Resource, first_on: date, last_on: date | None = None) -> None:
    away = absences.AbsenceDetails(who, first_on, last_on or first_on)
    absences.record(away, by=clinic.manager, now=clinic.now)


def moves_in(proposal: Proposal) -> list[tuple[str, str, str | None, list[str]]]:
    """Each move as step, from, to and why."""
    return [
        (
            move.session.step_key,
            move.from_slot["on"],
            move.to_slot and move.to_slot["on"],
            [w["code"] for w in move.why],
        )
        for move in proposal.moves.order_by("session__course_id", "session__position")
    ]


def kinds(clinic: build.Clinic) -> list[str]:
    return [one.kind for one in worklists.worklist([clinic.site], now=clinic.now)]


@pytest.fixture
def reviewed(clinic) -> tuple[Course, Appointment]:
    """A course with its three treatments and its final review booked, eight weeks after the last of them."""
    course = clinic.booked_course()
    review = course.sessions.get(step_key="final_review")
    return course, book(clinic, review, clinic.today, clinic.today + timedelta(days=140))


def test_an_assessment_whose_clinician_is_ill_goes_to_another(clinic):
    visit = book_assessment(clinic, date(2027, 1, 6))

    is_away(clinic, visit.lead, visit.on)
    proposal = work_out(clinic)

    assert moves_in(proposal) == [("assessment", "2027-01-06", "2027-01-06", ["off_duty"])]
    assert kinds(clinic) == ["uncovered", "proposals"]
    (moved,) = replanning.apply(proposal, by=clinic.receptionist, now=clinic.now)
    assert (moved.pk, moved.on, moved.lead != visit.lead) == (visit.pk, visit.on, True)


def test_an_assessment_that_nobody_can_make_is_named_with_its_reason(clinic):
    visit = book_assessment(clinic, date(2027, 1, 6))

    for clinician in clinic.staff["clinician"]:
        is_away(clinic, clinician, clinic.today, clinic.today + timedelta(days=400))
    proposal = work_out(clinic)

    assert moves_in(proposal) == [("assessment", "2027-01-06", None, ["off_duty", "off_duty"])]
    assert kinds(clinic) == ["uncovered", "proposals"]
    assert Appointment.objects.get(pk=visit.pk).on == visit.on


def test_the_night_names_an_assessment_whose_clinician_works_no_more(clinic):
    visit = book_assessment(clinic, date(2027, 1, 8))
    Hours.objects.filter(resource=visit.lead).delete()

    assert moves_in(night(clinic)) == [("assessment", "2027-01-08", "2027-01-08", ["place_unknown", "off_duty"])]


def test_a_closure_names_every_visit_of_its_day(clinic):
    for patient in ("Ada Bell", "Cleo Dent"):
        book_assessment(clinic, date(2027, 2, 1), patient)
    clinic.booked_course(build.patient("Eve Fox"))
    touched = Appointment.objects.live().filter(on=date(2027, 2, 1))
    assert touched.count() == 3

    closures.record(
        closures.ClosureDetails(clinic.site, "burst pipe", date(2027, 2, 1), date(2027, 2, 1)),
        by=clinic.manager,
        now=clinic.now,
    )
    proposal = work_out(clinic)

    assert set(touched.values_list("session", flat=True)) <= set(proposal.moves.values_list("session", flat=True))
    assert all(to != "2027-02-01" for _step, _from, to, _why in moves_in(proposal))


def move_third(clinic: build.Clinic, course: Course) -> Proposal | None:
    third = build.visits_of(course)[2]
    (time,) = visits.free_times(
        third.session, first_on=date(2027, 3, 15), last_on=date(2027, 3, 20), now=clinic.now, limit=1
    )
    return visits.move(third, time.slot, by=clinic.receptionist, now=clinic.now)[1]


def test_a_final_review_follows_the_last_treatment(clinic, reviewed):
    course, review = reviewed

    proposal = move_third(clinic, course)

    assert proposal is not None
    assert moves_in(proposal) == [("final_review", review.on.isoformat(), "2027-05-17", ["before_minimum"])]


def test_a_final_review_that_may_stay_does(clinic, reviewed):
    course, review = reviewed
    (later,) = visits.free_times(
        review.session, first_on=date(2027, 5, 24), last_on=date(2027, 5, 28), now=clinic.now, limit=1
    )
    visits.move(review, later.slot, by=clinic.receptionist, now=clinic.now)

    assert move_third(clinic, course) is None


def test_a_final_review_without_a_time_does_not_keep_the_treatments_from_theirs(clinic, reviewed):
    """The first treatment was four days late; whoever reviews is away from the review's own day on."""
    course, review = reviewed
    for clinician in clinic.staff["clinician"]:
        is_away(clinic, clinician, review.on + timedelta(days=1), review.on + timedelta(days=400))
    clinic.wait(days=4, hours=4)

    proposal = clinic.perform(build.sessions_of(course)[0]).proposal

    assert moves_in(proposal) == [
        ("treatment", "2027-02-01", "2027-02-05", ["before_minimum"]),
        ("treatment", "2027-03-01", "2027-03-05", []),
        ("final_review", review.on.isoformat(), None, ["before_minimum", "off_duty"]),
    ]


def test_of_many_courses_a_final_review_without_a_time_keeps_no_treatment_either(clinic, reviewed):
    """Nobody injects from the third treatments on for three weeks, nor reviews after the review's own day."""
    course, review = reviewed
    clinic.booked_course(build.patient("Gil Hart"))
    for clinician in clinic.staff["clinician"]:
        is_away(clinic, clinician, review.on + timedelta(days=1), review.on + timedelta(days=400))
    for injector in clinic.staff["injector"]:
        is_away(clinic, injector, date(2027, 3, 1), date(2027, 3, 20))

    proposal = work_out(clinic)

    assert moves_in(proposal) == [
        ("treatment", "2027-03-01", "2027-03-22", ["off_duty"]),
        ("final_review", review.on.isoformat(), None, ["before_minimum", "off_duty"]),
        ("treatment", "2027-03-01", "2027-03-22", ["off_duty"]),
    ]
    assert replanning.judge(proposal, now=clinic.now).problems == {}
    moved = replanning.apply(proposal, by=clinic.receptionist, now=clinic.now)
    assert [visit.on for visit in moved] == [date(2027, 3, 22)] * 2
    assert moves_in(Proposal.objects.open().get(course=course)) == [
        ("final_review", review.on.isoformat(), None, ["before_minimum", "off_duty"])
    ]


def test_a_visit_before_its_gate_opens_is_named_also_where_no_date_is_left(clinic):
    """Veins were treated: the gate opens after everything that can be booked yet, which is no time to move to."""
    course = clinic.booked_course()

    clinic.assess(course, reflux="treated", reflux_treated_on=clinic.today, reflux_clear_on=date(2027, 12, 1))

    proposal = Proposal.objects.open().get(course=course)
    assert [(to, why) for _step, _from, to, why in moves_in(proposal)] == [(None, ["reflux_treated_recently"])] * 3


def test_a_visit_that_is_over_is_not_among_those_without_a_time(clinic):
    clinic.booked_course()
    clinic.wait(days=1)

    for lead in clinic.staff["injector"]:
        is_away(clinic, lead, date(2027, 1, 20), date(2027, 7, 28))
    proposal = work_out(clinic)

    assert [move.session.position for move in proposal.moves.all()] == [3, 4]
