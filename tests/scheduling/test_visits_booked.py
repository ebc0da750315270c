"""Visits that are booked: moved, cancelled, confirmed, begun, or missed."""

from __future__ import annotations

from datetime import date, time, timedelta

import pytest

from clinic.errors import NotAllowed, RuleBroken
from scheduling import booking, replanning, roster, visits
from scheduling.models import Appointment, CancelReason, Occupancy, Session
from scheduling.models.appointments import AskedBy
from scheduling.planner import facts
from tests import build
from tests.refusals import codes

pytestmark = pytest.mark.django_db
MONDAY, FEBRUARY, MARCH = date(2027, 1, 4), date(2027, 2, 1), date(2027, 3, 1)


# --- move -------------------------------------------------------------------------------------------------------------


def test_a_visit_keeps_its_identity_when_it_moves(clinic):
    first, _second, third = build.visits_of(clinic.booked_course())
    identity = (third.uid, third.calendar_uid)

    after, proposal = clinic.move(third, on="2027-03-03", at="10:00")

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

    _after, proposal = clinic.move(second, on="2027-02-12")

    moves = [(move.session, move.from_slot["on"], move.to_slot["on"]) for move in proposal.moves.all()]
    assert moves == [(third.session, "2027-03-01", "2027-03-12")]
    assert [problem["code"] for problem in proposal.moves.get().why] == ["before_minimum"]
    assert Appointment.objects.get(pk=third.pk).on == MARCH


def test_moving_below_the_minimum_is_refused_and_says_who_may(clinic):
    _first, second, _third = build.visits_of(clinic.booked_course())

    with pytest.raises(booking.NotBookable) as refused:
        clinic.move(second, on="2027-01-25")

    assert [(p.code, p.details["opens_on"], p.details["override"]) for p in refused.value.problems] == [
        ("before_minimum", "2027-02-01", "prescriber")
    ]


def test_answers_that_have_grown_old_do_not_hinder_a_move_of_what_is_booked(clinic):
    _first, second, _third = build.visits_of(clinic.booked_course())
    clinic.wait(days=10)

    after, _proposal = clinic.move(second, on="2027-02-02")

    assert after.on == date(2027, 2, 2)


def test_a_move_sent_twice_moves_once(clinic):
    third = build.visits_of(clinic.booked_course())[2]
    after, _proposal = clinic.move(third, on="2027-03-03", at="10:00")

    again, proposal = clinic.move(after)

    assert (again.revision, again.calendar_sequence, proposal) == (2, 1, None)


def test_a_visit_is_refused_a_day_that_is_closed_or_off_duty_by_names_people_know(clinic):
    third = build.visits_of(clinic.booked_course())[2]
    holiday = {"name": "Carnival", "first_on": date(2027, 3, 2), "last_on": date(2027, 3, 2), "recorded_at": clinic.now}
    clinic.site.closures.create(**holiday)

    with pytest.raises(booking.NotBookable) as refused:
        clinic.move(third, on="2027-03-02")

    assert codes(refused) == ["site_closed", "off_duty", "off_duty", "off_duty"]
    assert refused.value.problems[1].message == f"{third.lead.name} is not working then."


def test_a_patient_who_is_here_and_gets_another_day_is_checked_in_anew(clinic):
    visit = build.visits_of(clinic.booked_course())[0]
    clinic.now = visit.during.lower - timedelta(minutes=5)
    visits.arrive(visit, by=clinic.receptionist, now=clinic.now)

    later_today, _proposal = clinic.move(visit, at="11:00")
    tomorrow, _proposal = clinic.move(later_today, on="2027-01-05")

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

    assert codes(refused) == ["reason_unknown"]


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

    there, _proposal = clinic.move(third, on="2027-03-03")

    assert (there.on, there.confirmed_at) == (date(2027, 3, 3), None)


def test_somebody_else_at_the_same_time_needs_no_other_confirmation(clinic):
    _, second, _ = build.visits_of(clinic.booked_course())
    confirmed = visits.confirm(second, by=clinic.receptionist, now=clinic.now)
    offered = visits.free_times(second.session, first_on=second.on, last_on=second.on, now=clinic.now, limit=500)
    then = roster.slot_of(second)
    other = next(one.slot for one in offered if one.slot.tick == then.tick and one.slot.lead != then.lead)

    moved, _ = visits.move(second, other, by=clinic.receptionist, now=clinic.wait(hours=1).now)

    assert (moved.lead.uid, moved.revision) == (other.lead, 2)
    assert moved.confirmed_at == confirmed.confirmed_at


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
