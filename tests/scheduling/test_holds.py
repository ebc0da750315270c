"""A hold: its visits kept or freed as a person chooses, its reason settled or not, and the plan when it is lifted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from clinic.errors import Conflict, NotAllowed, RuleBroken
from clinic.models import Role
from patients.models import Answer
from scheduling import booking, holds, intake, replanning, roster, visits, worklists
from scheduling.models import Appointment, Assessment, Course, Hold, Message, Occupancy, Proposal
from tests import build
from tests.refusals import codes

pytestmark = pytest.mark.django_db


def pregnant(clinic: build.Clinic, course: Course, **more: Any) -> Hold:
    """The patient turns out to be pregnant; return the hold."""
    intake.answer(
        course.patient, "pregnancy", "yes", given_on=clinic.today, by=clinic.receptionist, now=clinic.now, **more
    )
    return Hold.objects.get(course=course, code="risk_pregnancy", lifted_at=None)


def waiting_kinds(course: Course) -> set[str]:
    return set(Message.objects.filter(course=course, state="pending").values_list("kind", flat=True))


# --- kept or freed ----------------------------------------------------------------------------------------------------


def test_a_bad_answer_keeps_the_visits_unless_a_person_says_otherwise(clinic):
    course = clinic.booked_course()

    pregnant(clinic, course)

    assert len(build.visits_of(course)) == 3


def test_a_bad_answer_frees_the_visits_when_a_person_says_so(clinic):
    course = clinic.booked_course()
    visits_before = build.visits_of(course)

    pregnant(clinic, course, visits="free")

    freed = Appointment.objects.filter(session__course=course).order_by("on")
    assert [(one.pk, one.state, one.cancel_reason, one.cancel_asked_by, one.cancelled_at) for one in freed] == [
        (one.pk, "cancelled", "clinical", "clinic", clinic.now) for one in visits_before
    ]
    assert not Occupancy.objects.standing().exists()
    assert [session.state for session in build.sessions_of(course)] == ["open"] * 3
    assert waiting_kinds(course) & {"reminder", "preparation"} == set()
    assert "cancelled" in waiting_kinds(course)


def test_the_choice_may_come_after_the_hold(clinic):
    course = clinic.booked_course()
    hold = pregnant(clinic, course)

    freed = holds.free_visits(hold, by=clinic.receptionist, now=clinic.now)

    assert (len(freed), build.visits_of(course)) == (3, [])


def test_a_second_bad_answer_to_the_same_question_may_still_free_the_visits(clinic):
    course = clinic.booked_course()
    first = pregnant(clinic, course)

    again = pregnant(clinic, course, visits="free")

    assert (again, build.visits_of(course)) == (first, [])


def test_a_patient_who_has_arrived_keeps_the_visit_and_what_is_over_stays_what_it_is(clinic):
    course = clinic.booked_course()
    first, second, third = build.visits_of(course)
    clinic.now = first.during.lower
    clinic.answer_all(course)
    visits.arrive(first, by=clinic.receptionist, now=clinic.now)

    freed = holds.free_visits(pregnant(clinic, course), by=clinic.receptionist, now=clinic.now)

    assert [one.pk for one in freed] == [second.pk, third.pk]
    assert [one.pk for one in build.visits_of(course)] == [first.pk]


def test_the_visits_of_a_hold_that_was_lifted_are_not_freed(clinic):
    course = clinic.booked_course()
    hold = pregnant(clinic, course)
    holds.lift(hold, reason="a mistake", by=clinic.prescriber, now=clinic.now)

    with pytest.raises(holds.HoldLifted):
        holds.free_visits(hold, by=clinic.receptionist, now=clinic.now)

    assert len(build.visits_of(course)) == 3


def test_a_wish_to_wait_frees_visits_in_the_patients_name(clinic):
    course = clinic.booked_course()

    holds.place(course, code="patient_wish", reason="travels", visits="free", by=clinic.receptionist, now=clinic.now)

    (told,) = set(Appointment.objects.filter(session__course=course).values_list("cancel_reason", "cancel_asked_by"))
    assert told == ("patient_busy", "patient")


def test_visits_are_kept_or_freed_and_nothing_else(clinic):
    course = clinic.booked_course()

    with pytest.raises(RuleBroken) as refused:
        holds.place(course, code="x", reason="y", visits="perhaps", by=clinic.receptionist, now=clinic.now)

    assert (codes(refused), Hold.objects.count()) == (["visits_choice_unknown"], 0)


# --- lifted -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["outcome_stop", "session_not_replaced", "risk_pregnancy"])
def test_nobody_chooses_beforehand_who_lifts_a_hold_that_an_act_places(clinic, code):
    course = clinic.course()

    with pytest.raises(RuleBroken) as refused:
        holds.place(
            course, code=code, reason="x", lifted_by_role=Role.RECEPTION, by=clinic.receptionist, now=clinic.now
        )

    assert (codes(refused), Hold.objects.count()) == (["hold_code_reserved"], 0)


def test_lifting_proposes_a_new_plan_for_what_was_freed(clinic):
    course = clinic.booked_course()
    hold = pregnant(clinic, course, visits="free")
    clinic.wait(days=70)
    clinic.answer_all(course)

    proposal = holds.lift(hold, reason="no longer pregnant", by=clinic.prescriber, now=clinic.now)

    assert proposal is not None
    moves = list(proposal.moves.order_by("session__position"))
    assert [(move.session, move.appointment) for move in moves] == [
        (session, None) for session in build.sessions_of(course)
    ]
    booked = replanning.apply(proposal, by=clinic.receptionist, now=clinic.now)
    assert [one.session for one in booked] == build.sessions_of(course)
    assert all(one.on >= clinic.today for one in booked)


def test_a_proposal_is_overtaken_when_its_sessions_are_booked_in_another_way(clinic):
    course = clinic.booked_course()
    hold = pregnant(clinic, course, visits="free")
    clinic.answer_all(course)
    proposal = holds.lift(hold, reason="a mistake", by=clinic.prescriber, now=clinic.now)
    assert list(worklists.proposals([clinic.site])) == [proposal]

    clinic.book(course)

    assert list(worklists.proposals([clinic.site])) == []
    with pytest.raises(replanning.ProposalOvertaken):
        replanning.apply(proposal, by=clinic.receptionist, now=clinic.now)
    visits.cancel(
        build.visits_of(course)[2],
        reason="patient_busy",
        asked_by="patient",
        by=clinic.receptionist,
        now=clinic.now,
    )
    assert Proposal.objects.get(pk=proposal.pk).state == "stale"


# --- settled ----------------------------------------------------------------------------------------------------------


def settled(course: Course) -> dict[str, bool]:
    as_it_stands = roster.course_facts(course)
    return {hold.code: holds.is_settled(hold.code, as_it_stands) for hold in as_it_stands.holds}


def test_an_answer_struck_as_an_error_offers_its_hold_for_lifting_and_lifts_nothing(clinic):
    course = clinic.booked_course()
    pregnant(clinic, course)
    assert settled(course) == {"risk_pregnancy": False}
    wrong = Answer.objects.filter(patient=course.patient, question__code="pregnancy").order_by("-pk")[0]

    struck = intake.strike_answer(wrong, reason="another patient's answer", by=clinic.clinician, now=clinic.now)

    assert (struck.error_at, struck.error_by, struck.error_reason) == (
        clinic.now,
        clinic.clinician,
        "another patient's answer",
    )
    assert roster.course_facts(course).patient.answers["pregnancy"].value == "no"
    assert settled(course) == {"risk_pregnancy": True}
    (listing,) = [one for one in worklists.worklist([clinic.site], now=clinic.now) if one.kind == "held"]
    assert [(hold.code, hold.is_settled) for row in listing.rows for hold in row.standing] == [("risk_pregnancy", True)]


def test_an_answer_is_struck_once_by_a_clinician_with_a_reason(clinic):
    course = clinic.cleared_course()
    given = Answer.objects.filter(patient=course.patient)[0]

    with pytest.raises(NotAllowed):
        intake.strike_answer(given, reason="x", by=clinic.receptionist, now=clinic.now)
    with pytest.raises(RuleBroken) as without_reason:
        intake.strike_answer(given, reason=" ", by=clinic.clinician, now=clinic.now)
    intake.strike_answer(given, reason="x", by=clinic.clinician, now=clinic.now)
    with pytest.raises(Conflict) as twice:
        intake.strike_answer(given, reason="x", by=clinic.clinician, now=clinic.now)

    assert (codes(without_reason), codes(twice)) == (["reason_missing"], ["answer_in_error"])


def test_a_struck_answer_closes_the_gate_of_visits_that_are_booked(clinic):
    course = clinic.booked_course()
    first = build.visits_of(course)[0]
    good = Answer.objects.get(patient=course.patient, question__code="pregnancy")

    intake.strike_answer(good, reason="nobody asked", by=clinic.clinician, now=clinic.now)

    shut = visits.gates_at_check_in(course, first.session, first.on)
    assert ("answer_missing", "pregnancy") in {(answer.code, answer.subject) for answer in shut}


def test_an_assessment_struck_as_an_error_opens_its_session_again_and_the_one_before_counts(clinic):
    course = clinic.booked_course()
    clinic.assess(course, is_suitable=False)
    wrong = Assessment.objects.get(is_suitable=False)
    assert settled(course) == {"unsuitable": False}

    intake.strike_assessment(wrong, site=clinic.site, reason="another patient", by=clinic.clinician, now=clinic.now)

    assert settled(course) == {"unsuitable": True}
    first = Assessment.objects.get(is_suitable=True)
    session = course.sessions.get(step_key="assessment")
    assert (session.state, session.assessment) == ("performed", first)

    intake.strike_assessment(first, site=clinic.site, reason="the wrong date", by=clinic.clinician, now=clinic.now)

    session.refresh_from_db()
    assert (session.state, session.performed_on) == ("open", None)
    assert list(session.changes.order_by("-pk").values_list("from_state", "to_state", "reason")[:1]) == [
        ("performed", "open", "struck")
    ]
    with pytest.raises(intake.StruckAlready):
        intake.strike_assessment(first, site=clinic.site, reason="again", by=clinic.clinician, now=clinic.now)
    with pytest.raises(NotAllowed):
        intake.strike_assessment(first, site=clinic.site, reason="again", by=clinic.receptionist, now=clinic.now)
    clinic.assess(course)
    session.refresh_from_db()
    assert (session.state, session.performed_on) == ("performed", clinic.today)


def test_a_new_consent_and_a_cleared_review_settle_their_holds_a_stop_never(clinic):
    course = clinic.cleared_course()
    consent = course.consents.get()
    intake.withdraw_consent(consent, on=clinic.today, cancel_visits=False, by=clinic.receptionist, now=clinic.now)
    assert settled(course) == {"consent_withdrawn": False}
    clinic.wait(days=1)
    clinic.consent(course)
    assert settled(course) == {"consent_withdrawn": True}

    clinic.perform(build.sessions_of(course)[0], outcome=visits.OutcomeInput("stop"))
    assert settled(course) == {"consent_withdrawn": True, "outcome_stop": False}


def test_the_worklist_names_who_decides(clinic):
    course = clinic.booked_course()
    pregnant(clinic, course)

    (held,) = worklists.held([clinic.site])

    assert [hold.lifted_by_role for hold in held.standing] == [Role.PRESCRIBER]


# --- the clock --------------------------------------------------------------------------------------------------------


def test_an_act_before_the_courses_last_change_is_refused_and_writes_nothing(clinic):
    course = clinic.booked_course()
    clinic.wait(days=-1)

    with pytest.raises(roster.ClockWentBack) as refused:
        pregnant(clinic, course)

    assert codes(refused) == ["clock_went_back"]
    assert Hold.objects.count() == 0
    assert not Answer.objects.filter(question__code="pregnancy", value="yes").exists()


def test_clocks_of_several_machines_may_differ_a_little(clinic):
    course = clinic.booked_course()
    clinic.now -= roster.CLOCKS_MAY_DIFFER_BY

    pregnant(clinic, course)
    clinic.now -= timedelta(seconds=1)

    with pytest.raises(roster.ClockWentBack):
        holds.free_visits(Hold.objects.get(course=course), by=clinic.receptionist, now=clinic.now)


def test_a_course_that_is_over_is_not_held(clinic):
    course = clinic.booked_course()
    visits.end_course(course, reason="moved away", by=clinic.receptionist, now=clinic.now)

    with pytest.raises(booking.NotPossibleNow) as refused:
        holds.place(course, code="other", reason="ask first", by=clinic.receptionist, now=clinic.now)

    assert codes(refused) == ["course_ended"]
    assert not Hold.objects.filter(course=course).exists()


def test_a_consent_withdrawn_after_the_course_is_noted_and_holds_nothing(clinic):
    course = clinic.booked_course()
    visits.end_course(course, reason="moved away", by=clinic.receptionist, now=clinic.now)
    consent = course.consents.get()

    intake.withdraw_consent(consent, on=clinic.today, cancel_visits=False, by=clinic.receptionist, now=clinic.now)

    consent.refresh_from_db()
    assert consent.withdrawn_on == clinic.today
    assert not Hold.objects.filter(course=course).exists()
