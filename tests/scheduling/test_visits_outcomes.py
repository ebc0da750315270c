"""How a session went: outcomes, complications, and the holds that only a person lifts."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from clinic.errors import RuleBroken
from patients.models import Complication
from scheduling import visits
from scheduling.models import Course, Hold, Outcome, Session
from tests import build
from tests.refusals import codes

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"result": "fine"}, "result_unknown"),
        ({"complications": ("bruise", "boredom")}, "complication_unknown"),
        ({"amount": Decimal(1)}, "amount_without_unit"),
    ],
)
def test_an_outcome_that_makes_no_sense_is_refused_with_the_whole_session(clinic, fields, code):
    visit = build.visits_of(clinic.booked_course())[0]

    with pytest.raises(RuleBroken) as refused:
        clinic.perform(visit.session, outcome=visits.OutcomeInput(**({"result": "ok"} | fields)))

    assert codes(refused) == [code]
    assert Session.objects.get(pk=visit.session_id).state == "open"


def test_a_review_holds_the_course_until_a_clinician_clears_it(clinic):
    course = clinic.booked_course()
    first, second, _third = build.visits_of(course)
    clinic.perform(first.session, outcome=visits.OutcomeInput("review", ("ulcer",)))
    clinic.now = second.during.lower
    clinic.answer_all(course)

    with pytest.raises(visits.NotAdmitted) as refused:
        visits.arrive(second, by=clinic.receptionist, now=clinic.now)
    outcome = Session.objects.get(pk=first.session_id).outcome
    visits.clear_review(outcome, note="healed", by=clinic.clinician, now=clinic.now)
    admitted = visits.arrive(second, by=clinic.receptionist, now=clinic.now)

    assert codes(refused) == ["outcome_review", "course_on_hold"]
    assert admitted.state == "arrived"
    assert [(hold.code, hold.lift_reason) for hold in Hold.objects.filter(course=course)] == [
        ("outcome_review", "healed")
    ]


def test_the_hold_of_two_reviews_is_lifted_with_the_last_of_them(clinic):
    course = clinic.booked_course()
    first, second, _third = build.visits_of(course)
    clinic.perform(first.session, outcome=visits.OutcomeInput("review"))
    clinic.now = second.during.upper
    clinic.perform(second.session, outcome=visits.OutcomeInput("review"))
    standing = []

    for visit in (first, second):
        outcome = Session.objects.get(pk=visit.session_id).outcome
        visits.clear_review(outcome, note="healed", by=clinic.clinician, now=clinic.now)
        standing.append(Hold.objects.standing().filter(course=course).count())

    assert standing == [1, 0]


def test_a_stop_holds_until_a_prescriber_lifts_it(clinic):
    course = clinic.booked_course()
    clinic.perform(build.visits_of(course)[0].session, outcome=visits.OutcomeInput("stop"))

    hold = Hold.objects.get(course=course)

    assert (hold.code, hold.lifted_by_role, hold.lifted_at) == ("outcome_stop", "prescriber", None)


def test_a_missing_outcome_is_recorded_later_and_once(clinic):
    session = build.visits_of(clinic.booked_course())[0].session
    clinic.perform(session, outcome=None)

    visits.record_outcome(session, visits.OutcomeInput("ok"), by=clinic.clinician, now=clinic.now)
    with pytest.raises(RuleBroken) as refused:
        visits.record_outcome(session, visits.OutcomeInput("ok"), by=clinic.clinician, now=clinic.now)

    assert codes(refused) == ["outcome_recorded"]


# --- complications ----------------------------------------------------------------------------------------------------


def outcome_of(clinic: build.Clinic, *seen: str, result: str = "ok", **more: Any) -> Course:
    course = clinic.booked_course()
    first = build.sessions_of(course)[0]
    clinic.now = first.appointments.get().during.upper
    clinic.perform(first, outcome=visits.OutcomeInput(result, complications=seen, **more))
    return course


def test_an_expected_complication_holds_nothing(clinic):
    expected = Complication.objects.filter(is_expected=True)[0]

    course = outcome_of(clinic, expected.code)

    assert not Hold.objects.filter(course=course).exists()
    second = build.sessions_of(course)[1]
    visit = second.appointments.get()
    assert "outcome_review" not in {one.code for one in visits.gates_at_check_in(course, second, visit.on)}


def test_an_unexpected_complication_is_not_all_right_and_nothing_is_written(clinic):
    with pytest.raises(RuleBroken) as refused:
        outcome_of(clinic, "blister")

    assert [(one.code, one.where) for one in refused.value.problems] == [
        ("complication_needs_review", "outcome.result")
    ]
    assert not Outcome.objects.exists()
    assert not Session.objects.filter(step_key="treatment", state="performed").exists()


def test_an_unexpected_complication_holds_the_course_until_a_clinician_clears_it(clinic):
    course = outcome_of(clinic, "blister", result="review")

    assert [(hold.code, hold.lifted_by_role) for hold in Hold.objects.filter(course=course)] == [
        ("outcome_review", "clinician")
    ]


def test_a_clinician_who_has_looked_says_so_and_the_course_goes_on(clinic):
    course = outcome_of(clinic, "blister", result="review", clearance="small, dry, closed")

    assert not Hold.objects.filter(course=course).exists()
    outcome = Outcome.objects.get()
    assert (outcome.result, outcome.cleared_at, outcome.cleared_by, outcome.cleared_note) == (
        "review",
        clinic.now,
        clinic.clinician,
        "small, dry, closed",
    )


@pytest.mark.parametrize("result", ["ok", "stop"])
def test_only_a_review_is_cleared(clinic, result):
    with pytest.raises(RuleBroken) as refused:
        outcome_of(clinic, result=result, clearance="fine")

    assert codes(refused) == ["nothing_to_clear"]
