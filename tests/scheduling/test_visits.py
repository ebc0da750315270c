"""What happens to a visit, and what becomes of the rest of the course."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clinic.errors import NotAllowed, RuleBroken
from patients.models import Complication
from scheduling import booking, replanning, roster, visits
from scheduling.models import Appointment, CancelReason, Course, Hold, Message, Occupancy, Outcome, Proposal, Session
from scheduling.models.appointments import AskedBy
from scheduling.planner import facts
from scheduling.planner.windows import windows_of
from tests import build

pytestmark = pytest.mark.django_db
MONDAY, FEBRUARY, MARCH = date(2027, 1, 4), date(2027, 2, 1), date(2027, 3, 1)


def codes(refusal: pytest.ExceptionInfo[Any]) -> list[str]:
    return [problem.code for problem in refusal.value.problems]


def moved(clinic: build.Clinic, visit: Appointment, **changes: str) -> tuple[Appointment, object]:
    data = build.slot(visit, **changes)
    (slot,) = booking.slots_from([data], visit.session.course)
    return visits.move(visit, slot, by=clinic.receptionist, now=clinic.now, reason="asked by phone")


# --- every act --------------------------------------------------------------------------------------------------------


def test_an_act_reads_the_course_once_and_hands_on_what_it_knows(clinic):
    def reads(act: Callable[[], object]) -> int:
        """How often the course's facts were read: only they look at overrides in these acts."""
        with CaptureQueriesContext(connection) as queries:
            act()
        return sum("FROM scheduling_override" in query["sql"] for query in queries)

    def visit(number: int) -> Appointment:
        return build.visits_of(course)[number]

    def cancelled() -> None:
        reason = {"reason": CancelReason.PATIENT_ILL, "asked_by": AskedBy.PATIENT}
        visits.cancel(visit(-1), **reason, by=clinic.receptionist, now=clinic.now)

    def performed_late() -> None:
        clinic.now = visit(0).during.lower + timedelta(days=4)
        clinic.perform(visit(0).session)

    course = clinic.cleared_course()
    slots = [planned.slot for planned in clinic.propose(course).sessions]
    found = {"book_course": reads(lambda: booking.book_course(course, slots, by=clinic.receptionist, now=clinic.now))}
    found["move"] = reads(lambda: moved(clinic, visit(2), on="2027-03-03"))
    found["perform"] = reads(performed_late)
    proposal = course.proposals.get(state="open")
    found["apply"] = reads(lambda: replanning.apply(proposal, by=clinic.receptionist, now=clinic.now))
    found["cancel"] = reads(cancelled)
    clinic.answer_all(course)
    lost = Session.objects.get(uid=slots[-1].session)
    until_on = MARCH + timedelta(days=60)
    free = visits.free_times(lost, first_on=MARCH, last_on=until_on, now=clinic.now, limit=1)[0].slot
    found["book"] = reads(lambda: visits.book(lost, free, by=clinic.receptionist, now=clinic.now))
    clinic.now = visit(0).during.upper
    found["miss"] = reads(lambda: visits.miss(visit(0), by=clinic.receptionist, now=clinic.now))

    assert found == dict.fromkeys(("book_course", "move", "perform", "apply", "cancel", "book", "miss"), 1)


def test_what_an_act_hands_on_is_what_stands_in_the_rows_afterwards(clinic):
    course = clinic.cleared_course()
    slots = [planned.slot for planned in clinic.propose(course).sessions]
    expected = booking.with_booked(roster.course_facts(course), slots)
    booking.book_course(course, slots, by=clinic.receptionist, now=clinic.now)
    assert roster.course_facts(course) == expected

    moved(clinic, build.visits_of(course)[1], on="2027-02-12")
    proposal = course.proposals.get(state="open")
    replanning.apply(proposal, by=clinic.receptionist, now=clinic.now)

    fresh = windows_of(roster.course_facts(course))
    kept = {row.uid: (row.earliest_on, row.target_on, row.overdue_on) for row in course.sessions.filter(uid__in=fresh)}
    assert kept == {uid: (window.earliest_on, window.target_on, window.overdue_on) for uid, window in fresh.items()}


# --- move -------------------------------------------------------------------------------------------------------------


def test_a_visit_keeps_its_identity_when_it_moves(clinic):
    first, _second, third = build.visits_of(clinic.booked_course())
    identity = (third.uid, third.calendar_uid)

    after, proposal = moved(clinic, third, on="2027-03-03", at="10:00")

    assert (after.on, after.at_time, after.revision, after.calendar_sequence) == (date(2027, 3, 3), time(10), 2, 1)
    assert (after.uid, after.calendar_uid) == identity
    assert proposal is None
    assert after.occupancies.filter(released_at=None).count() == 3
    assert after.occupancies.exclude(released_at=None).count() == 3
    change = after.changes.last()
    assert (change.details["from"]["on"], change.details["to"]["on"]) == ("2027-03-01", "2027-03-03")
    assert first.revision == 1


def test_moving_one_visit_proposes_moves_for_those_it_pushes_out(clinic):
    _first, second, third = build.visits_of(clinic.booked_course())

    _after, proposal = moved(clinic, second, on="2027-02-12")

    moves = [(move.session, move.from_slot["on"], move.to_slot["on"]) for move in proposal.moves.all()]
    assert moves == [(third.session, "2027-03-01", "2027-03-12")]
    assert [problem["code"] for problem in proposal.moves.get().why] == ["before_minimum"]
    assert Appointment.objects.get(pk=third.pk).on == MARCH


def test_moving_below_the_minimum_is_refused_and_says_who_may(clinic):
    _first, second, _third = build.visits_of(clinic.booked_course())

    with pytest.raises(booking.NotBookable) as refused:
        moved(clinic, second, on="2027-01-25")

    assert [(p.code, p.details["opens_on"], p.details["override"]) for p in refused.value.problems] == [
        ("before_minimum", "2027-02-01", "prescriber")
    ]


def test_answers_that_have_grown_old_do_not_hinder_a_move_of_what_is_booked(clinic):
    _first, second, _third = build.visits_of(clinic.booked_course())
    clinic.wait(days=10)

    after, _proposal = moved(clinic, second, on="2027-02-02")

    assert after.on == date(2027, 2, 2)


def test_a_move_sent_twice_moves_once(clinic):
    third = build.visits_of(clinic.booked_course())[2]
    after, _proposal = moved(clinic, third, on="2027-03-03", at="10:00")

    again, proposal = moved(clinic, after)

    assert (again.revision, again.calendar_sequence, proposal) == (2, 1, None)


def test_a_visit_is_refused_a_day_that_is_closed_or_off_duty_by_names_people_know(clinic):
    third = build.visits_of(clinic.booked_course())[2]
    holiday = {"name": "Carnival", "first_on": date(2027, 3, 2), "last_on": date(2027, 3, 2), "recorded_at": clinic.now}
    clinic.site.closures.create(**holiday)

    with pytest.raises(booking.NotBookable) as refused:
        moved(clinic, third, on="2027-03-02")

    assert codes(refused) == ["site_closed", "off_duty", "off_duty", "off_duty"]
    assert refused.value.problems[1].message == f"{third.lead.name} is not working then."


def test_a_patient_who_is_here_and_gets_another_day_is_checked_in_anew(clinic):
    visit = build.visits_of(clinic.booked_course())[0]
    clinic.now = visit.during.lower - timedelta(minutes=5)
    visits.arrive(visit, by=clinic.receptionist, now=clinic.now)

    later_today, _proposal = moved(clinic, visit, at="11:00")
    tomorrow, _proposal = moved(clinic, later_today, on="2027-01-05")

    assert (later_today.state, tomorrow.state, tomorrow.arrived_at) == ("arrived", "booked", None)
    changes = visit.changes.values_list("from_state", "to_state")
    assert list(changes) == [("", "booked"), ("booked", "arrived"), ("arrived", "arrived"), ("arrived", "booked")]


def test_a_session_is_booked_by_its_own_slot(clinic):
    _first, second, third = build.visits_of(clinic.booked_course())
    visits.cancel(
        third, reason=CancelReason.PATIENT_BUSY, asked_by=AskedBy.PATIENT, by=clinic.receptionist, now=clinic.now
    )

    with pytest.raises(booking.NotBookable) as refused:
        visits.book(third.session, roster.slot_of(second), by=clinic.receptionist, now=clinic.now)

    assert codes(refused) == ["session_unknown"]


def test_a_cancelled_visit_is_not_moved(clinic):
    visit = build.visits_of(clinic.booked_course())[0]
    data = build.slot(visit)
    (slot,) = booking.slots_from([data], visit.session.course)
    visits.cancel(
        visit, reason=CancelReason.PATIENT_ILL, asked_by=AskedBy.PATIENT, by=clinic.receptionist, now=clinic.now
    )

    with pytest.raises(booking.NotPossibleNow) as refused:
        visits.move(visit, slot, by=clinic.receptionist, now=clinic.now)

    assert codes(refused) == ["appointment_is_cancelled"]


# --- cancel -----------------------------------------------------------------------------------------------------------


def test_cancelling_keeps_the_row_frees_the_time_and_leaves_the_session_open(clinic):
    course = clinic.booked_course()
    visit = build.visits_of(course)[1]
    slot = roster.slot_of(visit)

    visits.cancel(
        visit,
        reason=CancelReason.PATIENT_BUSY,
        asked_by=AskedBy.PATIENT,
        by=clinic.receptionist,
        now=clinic.now,
        note="on holiday",
    )

    visit.refresh_from_db()
    assert (visit.state, visit.cancel_reason, visit.cancel_asked_by, visit.calendar_sequence, visit.cancelled_at) == (
        "cancelled",
        "patient_busy",
        "patient",
        1,
        clinic.now,
    )
    assert not Occupancy.objects.standing().filter(appointment=visit).exists()
    assert Session.objects.get(pk=visit.session_id).state == "open"
    again = visits.book(visit.session, slot, by=clinic.receptionist, now=clinic.now)
    assert (again.on, again.pk == visit.pk) == (FEBRUARY, False)


def test_a_visit_is_cancelled_once(clinic):
    visit = build.visits_of(clinic.booked_course())[0]
    cancelling = {"reason": CancelReason.PATIENT_ILL, "asked_by": AskedBy.PATIENT, "now": clinic.now}
    visits.cancel(visit, by=clinic.receptionist, **cancelling)

    with pytest.raises(booking.NotPossibleNow) as refused:
        visits.cancel(visit, by=clinic.receptionist, **cancelling)

    assert codes(refused) == ["appointment_is_cancelled"]


def test_an_unknown_reason_is_refused(clinic):
    visit = build.visits_of(clinic.booked_course())[0]

    with pytest.raises(RuleBroken) as refused:
        visits.cancel(visit, reason="because", asked_by=AskedBy.PATIENT, by=clinic.receptionist, now=clinic.now)

    assert [problem.code for problem in refused.value.problems] == ["reason_unknown"]


# --- confirm ----------------------------------------------------------------------------------------------------------


def test_a_patient_confirms_a_visit_to_come_once_and_nothing_else_of_it_changes(clinic):
    second = build.visits_of(clinic.booked_course())[1]

    confirmed = visits.confirm(second, by=clinic.receptionist, now=clinic.now)
    again = visits.confirm(second, by=clinic.receptionist, now=clinic.wait(hours=1).now)

    said_at = clinic.now - timedelta(hours=1)
    assert [(visit.confirmed_at, visit.state, visit.revision) for visit in (confirmed, again)] == [
        (said_at, "booked", 1), (said_at, "booked", 1),
    ]  # fmt: skip
    told = Appointment.pgh_event_model.objects.filter(pgh_obj=second, pgh_label="update")
    assert list(told.values_list("confirmed_at", flat=True)) == [said_at]


def test_a_visit_that_is_not_to_come_any_more_is_not_confirmed(clinic):
    first, second, third = build.visits_of(clinic.booked_course())
    cancelling = {"reason": CancelReason.PATIENT_ILL, "asked_by": AskedBy.PATIENT, "by": clinic.receptionist}
    visits.cancel(second, now=clinic.now, **cancelling)
    visits.arrive(first, by=clinic.receptionist, now=clinic.now)
    found = []

    for visit, at in ((first, clinic.now), (second, clinic.now), (third, third.during.lower)):
        with pytest.raises(booking.NotPossibleNow) as refused:
            visits.confirm(visit, by=clinic.receptionist, now=at)
        found += codes(refused)

    assert found == ["appointment_is_arrived", "appointment_is_cancelled", "visit_begun"]


def test_a_visit_that_moves_is_to_be_confirmed_again(clinic):
    third = build.visits_of(clinic.booked_course())[2]
    visits.confirm(third, by=clinic.receptionist, now=clinic.now)

    there, _proposal = moved(clinic, third, on="2027-03-03")

    assert (there.on, there.confirmed_at) == (date(2027, 3, 3), None)


def test_somebody_who_does_not_work_there_confirms_no_visit(clinic):
    first = build.visits_of(clinic.booked_course())[0]

    with pytest.raises(NotAllowed):
        visits.confirm(first, by=build.user("reception", at=build.site()), now=clinic.now)

    assert Appointment.objects.get(pk=first.pk).confirmed_at is None


def test_a_visit_that_its_patient_has_confirmed_costs_more_to_move(clinic):
    """All three must move, as only another weekday suits."""
    course = clinic.booked_course()
    thursdays = facts.Wishes(weekdays=frozenset({3}), strict=True)
    course = booking.set_wishes(course, thursdays, by=clinic.receptionist, now=clinic.now)

    def replanned() -> tuple[list[date], int]:
        proposal = replanning.replan_course(course, by=clinic.receptionist, now=clinic.now)
        assert proposal is not None
        return [visit.on for visit in build.visits_of(course)], proposal.cost

    dates, cost = replanned()
    visits.confirm(build.visits_of(course)[1], by=clinic.receptionist, now=clinic.now)

    assert replanned() == (dates, cost + booking.WEIGHTS.confirmed)


# --- arrive, miss -----------------------------------------------------------------------------------------------------


def test_a_patient_is_checked_in_when_every_gate_is_open(clinic):
    visit = build.visits_of(clinic.booked_course())[0]

    after = visits.arrive(visit, by=clinic.receptionist, now=clinic.now)

    assert (after.state, after.arrived_at, [c.to_state for c in after.changes.all()]) == (
        "arrived",
        clinic.now,
        ["booked", "arrived"],
    )


def test_later_gates_that_are_pending_keep_a_later_visit_from_beginning(clinic):
    course = clinic.booked_course()
    first, second, _third = build.visits_of(course)
    clinic.perform(first.session, outcome=None)
    clinic.now = second.during.lower

    with pytest.raises(visits.NotAdmitted) as refused:
        visits.arrive(second, by=clinic.receptionist, now=clinic.now)

    assert set(codes(refused)) == {"answer_expired", "outcome_missing"}
    assert Appointment.objects.get(pk=second.pk).state == "booked"


def test_a_patient_is_checked_in_once(clinic):
    visit = build.visits_of(clinic.booked_course())[0]
    visits.arrive(visit, by=clinic.receptionist, now=clinic.now)

    with pytest.raises(booking.NotPossibleNow) as refused:
        visits.arrive(visit, by=clinic.receptionist, now=clinic.now)

    assert codes(refused) == ["appointment_is_arrived"]


def test_a_visit_on_another_day_is_not_checked_in(clinic):
    second = build.visits_of(clinic.booked_course())[1]

    with pytest.raises(booking.NotPossibleNow) as refused:
        visits.arrive(second, by=clinic.receptionist, now=clinic.now)

    assert codes(refused) == ["not_today"]


def test_a_missed_visit_is_no_reference_and_the_session_stays(clinic):
    course = clinic.booked_course()
    first, second, third = build.visits_of(course)
    clinic.wait(days=1)

    after, proposal = visits.miss(first, by=clinic.receptionist, now=clinic.now)

    session = Session.objects.get(pk=first.session_id)
    assert (after.state, session.state, session.target_on) == ("missed", "open", None)
    assert [
        (move.session, move.from_slot and move.from_slot["on"], move.to_slot["on"]) for move in proposal.moves.all()
    ] == [
        (first.session, None, "2027-01-05"),
        (second.session, "2027-02-01", "2027-02-02"),
        (third.session, "2027-03-01", "2027-03-02"),
    ]


def test_the_time_of_a_missed_visit_is_free_at_once(clinic):
    visit = build.visits_of(clinic.booked_course())[0]
    clinic.now = visit.during.lower + timedelta(minutes=10)

    visits.miss(visit, by=clinic.receptionist, now=clinic.now)

    assert not visit.occupancies.standing().exists()
    soonest = visits.free_times(visit.session, first_on=MONDAY, last_on=MONDAY, now=clinic.now)[0]
    again = visits.book(visit.session, soonest.slot, by=clinic.receptionist, now=clinic.now)
    assert again.at_time == time(9, 10)


def test_a_visit_that_has_not_begun_is_not_missed(clinic):
    visit = build.visits_of(clinic.booked_course())[0]

    with pytest.raises(booking.NotPossibleNow) as refused:
        visits.miss(visit, by=clinic.receptionist, now=clinic.now)

    assert codes(refused) == ["not_over_yet"]


# --- perform ----------------------------------------------------------------------------------------------------------


def test_performing_records_what_happened_and_the_next_window_counts_from_it(clinic):
    course = clinic.booked_course()
    first, second, third = build.visits_of(course)
    clinic.now = datetime(2027, 1, 4, 10, 5, tzinfo=UTC)
    what = visits.OutcomeInput("ok", ("bruise",), product="STD", batch="A1", amount=Decimal("2.5"), amount_unit="mL")

    result = clinic.perform(first.session, at_time=time(9, 10), outcome=what, minutes=50)

    session = Session.objects.get(pk=first.session_id)
    assert (session.state, session.performed_on, session.performed_at, session.performed_minutes) == (
        "performed",
        MONDAY,
        datetime(2027, 1, 4, 9, 10, tzinfo=UTC),
        50,
    )
    assert (
        session.outcome.result,
        str(session.outcome.amount),
        [c.code for c in session.outcome.complications.all()],
    ) == (
        "ok",
        "2.500",
        ["bruise"],
    )
    assert {use.role for use in session.uses.all()} == {"injector", "room", "supervisor"}
    assert Appointment.objects.get(pk=first.pk).state == "performed"
    after = Session.objects.get(pk=second.session_id)
    assert (after.earliest_on, after.window_is_provisional, result.proposal) == (FEBRUARY, False, None)
    assert [Appointment.objects.get(pk=visit.pk).on for visit in (second, third)] == [FEBRUARY, MARCH]
    assert Message.objects.filter(kind="aftercare", session=session).count() == 1


def test_performing_late_proposes_a_move_for_the_visits_it_pushes_out_and_applying_moves_them(clinic):
    course = clinic.booked_course()
    first, second, third = build.visits_of(course)
    clinic.wait(days=4, hours=4)

    result = clinic.perform(first.session)

    moves = [(move.session, move.from_slot["on"], move.to_slot["on"]) for move in result.proposal.moves.all()]
    assert moves == [
        (second.session, "2027-02-01", "2027-02-05"),
        (third.session, "2027-03-01", "2027-03-05"),
    ]
    applied = replanning.apply(result.proposal, by=clinic.receptionist, now=clinic.now)
    assert [(visit.pk, visit.on, visit.revision, visit.calendar_sequence) for visit in applied] == [
        (second.pk, date(2027, 2, 5), 2, 1),
        (third.pk, date(2027, 3, 5), 2, 1),
    ]
    result.proposal.refresh_from_db()
    assert result.proposal.state == "applied"


def test_a_visit_still_inside_its_window_stays(clinic):
    course = clinic.booked_course()
    first, second, _third = build.visits_of(course)
    moved(clinic, second, on="2027-02-10")
    clinic.wait(days=4, hours=4)

    result = clinic.perform(first.session)

    assert second.session not in [move.session for move in result.proposal.moves.all()]


def test_a_session_is_performed_once_and_never_in_the_future(clinic):
    first, second, _third = build.visits_of(clinic.booked_course())
    clinic.perform(first.session)

    with pytest.raises(booking.NotPossibleNow) as twice:
        clinic.perform(first.session)
    with pytest.raises(RuleBroken) as early:
        clinic.perform(second.session, performed_on=MONDAY + timedelta(days=1))

    assert codes(twice) == ["session_not_open"]
    assert [problem.code for problem in early.value.problems] == ["performed_in_future"]


def test_performing_early_releases_the_time_that_lies_ahead(clinic):
    course = clinic.booked_course()
    first, second, _third = build.visits_of(course)
    clinic.perform(first.session)
    clinic.wait(days=21)

    clinic.perform(second.session)

    assert not Occupancy.objects.standing().filter(appointment=second).exists()


def test_reception_does_not_perform(clinic):
    visit = build.visits_of(clinic.booked_course())[0]

    with pytest.raises(NotAllowed):
        visits.perform(visit.session, visits.Performed(performed_on=MONDAY), by=clinic.receptionist, now=clinic.now)


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

    assert [problem.code for problem in refused.value.problems] == [code]
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

    assert [problem.code for problem in refused.value.problems] == ["outcome_recorded"]


# --- the end ----------------------------------------------------------------------------------------------------------


def test_ending_a_course_cancels_its_visits_and_drops_its_sessions_with_the_reason(clinic):
    course = clinic.booked_course()

    ended = visits.end_course(
        course, reason="moved away", asked_by=AskedBy.PATIENT, by=clinic.receptionist, now=clinic.now
    )

    assert (ended.state, ended.end_reason, ended.ended_at) == ("ended", "moved away", clinic.now)
    assert set(Appointment.objects.filter(session__course=course).values_list("state", "cancel_reason")) == {
        ("cancelled", "course_ended")
    }
    assert set(course.sessions.values_list("step_key", "state", "state_reason")) == {
        ("assessment", "performed", ""),
        ("treatment", "dropped", "moved away"),
        ("final_review", "dropped", "moved away"),
    }
    assert not Message.objects.filter(course=course, kind="reminder", state="pending").exists()


def test_the_last_session_completes_the_course(clinic):
    course = clinic.booked_course()
    for session in [*build.sessions_of(course), course.sessions.get(step_key="final_review")]:
        clinic.perform(session)
        clinic.wait(days=30)

    course.refresh_from_db()
    assert (course.state, course.end_reason) == ("completed", "")
    assert [change.to_state for change in course.changes.filter(session=None)] == ["open", "completed"]


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

    assert [one.code for one in refused.value.problems] == ["nothing_to_clear"]


# --- the patient's other courses --------------------------------------------------------------------------------------


def test_a_treatment_in_one_course_is_looked_at_from_the_others(clinic):
    """Laser on the legs keeps two weeks from injections there. It is given two days before one that is booked."""
    laser, patient = build.Clinic(key="laser_hair_removal"), build.patient()
    away = frozenset(clinic.today + timedelta(days=number) for number in range(14))
    course = clinic.booked_course(patient, wishes=facts.Wishes(avoid_dates=away, strict=True))
    first = build.visits_of(course)[0]
    legs = list(laser.version.areas.filter(code__contains="leg"))[:1]
    other = laser.course(patient, areas=legs)
    clinic.now = laser.now = first.during.lower - timedelta(days=2)
    treatment = other.sessions.filter(step__kind="treatment").first()

    laser.perform(treatment)

    (proposal,) = Proposal.objects.open()
    assert (proposal.course, proposal.reason) == (course, "other_course")
    (move, *_later) = proposal.moves.all()
    assert (move.session, [one["code"] for one in move.why]) == (first.session, ["too_near_other_treatment"])
    assert date.fromisoformat(move.to_slot["on"]) >= laser.today + timedelta(weeks=2)
