"""Proposals: applied whole, in part, overtaken, discarded; visits may swap places in one transaction."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from scheduling import absences, booking, holds, intake, replanning, roster, visits
from scheduling.models import Absence, Appointment, CancelReason, Message, Proposal, Session
from scheduling.models.appointments import AskedBy
from scheduling.planner import facts
from tests import build
from tests.refusals import codes

pytestmark = pytest.mark.django_db


@pytest.fixture
def late(clinic) -> tuple[Proposal, list[Appointment]]:
    """A course whose first session was performed four days late, and its proposal."""
    course = clinic.booked_course()
    booked = build.visits_of(course)
    clinic.wait(days=4, hours=4)
    return clinic.perform(booked[0].session).proposal, booked


def test_one_message_tells_all_moves(clinic, late):
    proposal, _booked = late

    replanning.apply(proposal, by=clinic.receptionist, now=clinic.now)

    (message,) = Message.objects.filter(kind="changed", state="pending")
    assert [(visit.before["on"], visit.appointment.on.isoformat()) for visit in message.visits.all()] == [
        ("2027-02-01", "2027-02-05"),
        ("2027-03-01", "2027-03-05"),
    ]


def test_some_of_a_proposal_may_be_applied(clinic, late):
    proposal, (_first, second, third) = late

    replanning.apply(proposal, by=clinic.receptionist, now=clinic.now, sessions=[second.session.uid])

    proposal.refresh_from_db()
    assert proposal.state == "partly"
    assert [Appointment.objects.get(pk=visit.pk).on for visit in (second, third)] == [
        date(2027, 2, 5),
        date(2027, 3, 1),
    ]


def test_what_was_left_out_is_looked_at_again(clinic, late):
    """The third visit is now too soon after the second."""
    proposal, (_first, second, third) = late

    replanning.apply(proposal, by=clinic.receptionist, now=clinic.now, sessions=[second.session.uid])

    (move,) = Proposal.objects.open().get(course=second.session.course).moves.all()
    assert (move.session, [why["code"] for why in move.why]) == (third.session, ["before_minimum"])


def test_a_visit_moved_meanwhile_makes_the_proposal_stale(clinic, late):
    proposal, (_first, second, third) = late
    cancelling = {"reason": CancelReason.PATIENT_BUSY, "asked_by": AskedBy.PATIENT, "by": clinic.receptionist}
    visits.cancel(third, now=clinic.now, **cancelling)

    with pytest.raises(replanning.ProposalOvertaken) as refused:
        replanning.apply(proposal, by=clinic.receptionist, now=clinic.now)

    assert codes(refused) == ["proposal_is_stale"]
    assert Appointment.objects.get(pk=second.pk).on == date(2027, 2, 1)


def test_a_new_time_that_was_taken_meanwhile_moves_nothing(clinic, late):
    proposal, (_first, second, third) = late
    for injector in clinic.staff["injector"]:
        Absence.objects.create(
            resource=injector, first_on=date(2027, 3, 5), last_on=date(2027, 3, 5), recorded_at=clinic.now
        )

    with pytest.raises(booking.NotBookable) as refused:
        replanning.apply(proposal, by=clinic.receptionist, now=clinic.now)

    assert set(codes(refused)) == {"off_duty"}
    assert [Appointment.objects.get(pk=visit.pk).revision for visit in (second, third)] == [1, 1]


def test_a_gate_that_closed_meanwhile_moves_nothing(clinic, late):
    proposal, (_first, second, third) = late
    course = second.session.course
    intake.answer(course.patient, "pregnancy", "yes", given_on=clinic.today, by=clinic.receptionist, now=clinic.now)

    with pytest.raises(booking.NotBookable) as refused:
        replanning.apply(proposal, by=clinic.receptionist, now=clinic.now)

    assert set(codes(refused)) == {"risk_absolute", "course_on_hold"}
    assert [Appointment.objects.get(pk=visit.pk).revision for visit in (second, third)] == [1, 1]


def test_a_proposal_is_discarded_once(clinic, late):
    proposal, _booked = late

    replanning.discard(proposal, by=clinic.receptionist, now=clinic.now)
    with pytest.raises(replanning.ProposalOvertaken) as refused:
        replanning.apply(proposal, by=clinic.receptionist, now=clinic.now)

    assert codes(refused) == ["proposal_is_discarded"]


def test_a_course_on_hold_is_left_alone_until_the_hold_is_lifted(clinic):
    course = clinic.booked_course()
    first, second, third = build.visits_of(course)
    clinic.wait(days=4, hours=4)
    hold = holds.place(course, code="clinician", reason="ask first", by=clinic.clinician, now=clinic.now)

    while_held = clinic.perform(first.session).proposal
    lifted = holds.lift(hold, reason="asked", by=clinic.clinician, now=clinic.now)

    assert while_held is None
    assert [move.session for move in lifted.moves.all()] == [second.session, third.session]


def test_visits_with_nowhere_to_go_are_named_with_the_reason(clinic):
    course = clinic.booked_course()
    first, second, third = build.visits_of(course)
    for injector in clinic.staff["injector"]:
        Absence.objects.create(
            resource=injector, first_on=date(2027, 2, 2), last_on=date(2028, 12, 31), recorded_at=clinic.now
        )
    clinic.wait(days=4, hours=4)

    proposal = clinic.perform(first.session).proposal

    assert [(move.session, move.to_slot) for move in proposal.moves.all()] == [
        (second.session, None),
        (third.session, None),
    ]
    assert {problem["code"] for move in proposal.moves.all() for problem in move.why} >= {"before_minimum", "off_duty"}


def test_a_reason_that_lies_with_another_visit_stands_with_the_one_that_cannot_stay(clinic):
    """Performed nine days late: the second visit would have times, but the third then only beyond the horizon."""
    course = clinic.booked_course()
    first, second, third = build.visits_of(course)
    clinic.wait(days=9, hours=4)
    course.site.booking_horizon_days = (third.on - clinic.today).days
    course.site.save()

    proposal = clinic.perform(first.session).proposal

    (move,) = proposal.moves.all()
    assert (move.session, move.to_slot) == (second.session, None)
    broken, stuck = move.why
    assert (broken["code"], stuck["where"]) == ("before_minimum", str(third.session.uid))
    assert stuck["message"].startswith("Session 4")
    assert [one["gives_up"][0]["code"] for one in stuck["relaxations"]][:1] == ["before_minimum"]


def test_a_session_that_was_never_booked_keeps_no_visit_from_a_new_time(clinic):
    """The visit after the second one is cancelled, and has no time before the horizon."""
    course = clinic.booked_course()
    first, second, third = build.visits_of(course)
    cancel(clinic, third)
    clinic.site.booking_horizon_days = (second.on - clinic.today).days + 14
    clinic.site.save()

    proposal = moved_by(clinic, first, days=9)

    assert [(move.session, move.to_slot["on"]) for move in proposal.moves.all()] == [(second.session, "2027-02-10")]


def moved_by(clinic: build.Clinic, visit: Appointment, *, days: int) -> Proposal:
    """Move a visit to the first time so many days later; what that proposes for the others."""
    first_on = visit.on + timedelta(days=days)
    last_on = first_on + timedelta(days=3)
    free = visits.find_free(visit.session, first_on=first_on, last_on=last_on, now=clinic.now, limit=1)
    _moved, proposal = visits.move(visit, free.times[0].slot, by=clinic.receptionist, now=clinic.now)
    assert proposal is not None
    return proposal


def cancel(clinic: build.Clinic, visit: Appointment) -> None:
    reason, asked_by = CancelReason.PATIENT_BUSY, AskedBy.PATIENT
    visits.cancel(visit, reason=reason, asked_by=asked_by, by=clinic.receptionist, now=clinic.now)


# --- what is booked -------------------------------------------------------------------------------------------------


@pytest.fixture
def between(clinic) -> Session:
    """A second session without a visit, between the first one, performed, and the third one's visit on 1 March."""
    course = clinic.booked_course()
    first, second, _third = build.visits_of(course)
    clinic.perform(first.session)
    cancel(clinic, second)
    for proposal in Proposal.objects.open():
        replanning.discard(proposal, by=clinic.receptionist, now=clinic.now)
    return second.session


def free(clinic: build.Clinic, session: Session, first_on: date, last_on: date) -> facts.Slot:
    return visits.free_times(session, first_on=first_on, last_on=last_on, now=clinic.now, limit=1)[0].slot


def moves_in(proposal: Proposal) -> list[tuple[int, str | None, str, list[str]]]:
    """Each move as position, from, to and why."""
    return [
        (
            move.session.position,
            move.from_slot and move.from_slot["on"],
            move.to_slot["on"],
            [problem["code"] for problem in move.why],
        )
        for move in proposal.moves.order_by("session__position")
    ]


TOO_NEAR = date(2027, 2, 26), date(2027, 2, 28)
PUSHED_OUT = [(4, "2027-03-01", "2027-03-26", ["before_floor", "before_minimum"])]


def test_a_session_booked_too_near_to_the_next_visit_pushes_it_out(clinic, between):
    visits.book(between, free(clinic, between, *TOO_NEAR), by=clinic.receptionist, now=clinic.now)

    proposal = Proposal.objects.open().get()
    assert (proposal.reason, moves_in(proposal)) == ("booked", PUSHED_OUT)


def test_a_plan_booked_too_near_to_the_next_visit_pushes_it_out(clinic, between):
    slot = free(clinic, between, *TOO_NEAR)

    visits.book_course(between.course, [slot], by=clinic.receptionist, now=clinic.now)

    proposal = Proposal.objects.open().get()
    assert (proposal.reason, moves_in(proposal)) == ("booked", PUSHED_OUT)


def test_a_session_booked_where_all_others_may_stay_proposes_nothing(clinic, between):
    slot = free(clinic, between, date(2027, 2, 1), date(2027, 2, 1))

    visits.book(between, slot, by=clinic.receptionist, now=clinic.now)

    assert not Proposal.objects.open().exists()


def test_booking_by_hand_renews_what_was_proposed_before(clinic):
    """The first visit was moved by a week, so the second should follow; the third is booked four weeks after where
    the second still is, and should follow too.
    """
    course = clinic.booked_course()
    first, _second, third = build.visits_of(course)
    cancel(clinic, third)
    before = moved_by(clinic, first, days=7)
    assert moves_in(before) == [(3, "2027-02-01", "2027-02-08", ["before_minimum"])]

    slot = free(clinic, third.session, date(2027, 3, 1), date(2027, 3, 1))
    visits.book(third.session, slot, by=clinic.receptionist, now=clinic.now)

    (renewed,) = Proposal.objects.filter(state="open")
    assert (renewed.reason, moves_in(renewed)) == (
        "booked",
        [(3, "2027-02-01", "2027-02-08", ["before_minimum"]), (4, "2027-03-01", "2027-03-08", [])],
    )


# --- a plan for what has no visit -------------------------------------------------------------------------------------


@pytest.fixture
def planned(clinic) -> Proposal:
    """The plan after a hold that had freed every visit."""
    course = clinic.booked_course()
    why = {"code": "patient_wish", "reason": "travel", "lifted_by_role": "reception", "visits": "free"}
    hold = holds.place(course, **why, by=clinic.receptionist, now=clinic.now)
    proposal = holds.lift(hold, reason="back", by=clinic.receptionist, now=clinic.now)
    assert proposal is not None
    return proposal


def dates_in(proposal: Proposal) -> list[tuple[int, str | None, str]]:
    return [(position, old, new) for position, old, new, _why in moves_in(proposal)]


def test_a_plan_for_what_has_no_visit_is_made_anew_by_the_next_event(clinic, planned):
    wanted = dates_in(planned)

    clinic.assess(planned.course)

    again = Proposal.objects.open().get()
    assert again != planned
    assert dates_in(again) == wanted == [(2, None, "2027-01-04"), (3, None, "2027-02-01"), (4, None, "2027-03-01")]


def test_a_plan_is_made_for_the_rest_when_one_session_of_it_is_booked(clinic, planned):
    first = build.sessions_of(planned.course)[0]
    slot = free(clinic, first, date(2027, 1, 11), date(2027, 1, 11))

    visits.book(first, slot, by=clinic.receptionist, now=clinic.now)

    assert dates_in(Proposal.objects.open().get()) == [(3, None, "2027-02-08"), (4, None, "2027-03-08")]


def test_a_plan_is_made_for_the_rest_when_a_part_of_it_is_applied(clinic, planned):
    first = build.sessions_of(planned.course)[0]

    replanning.apply(planned, by=clinic.receptionist, now=clinic.now, sessions=[first.uid])

    assert dates_in(Proposal.objects.open().get()) == [(3, None, "2027-02-01"), (4, None, "2027-03-01")]


def test_a_plan_outlives_a_job_that_looks_at_its_course(clinic, planned):
    """The first session is booked, and its practitioner away."""
    first = build.sessions_of(planned.course)[0]
    slot = free(clinic, first, date(2027, 1, 11), date(2027, 1, 11))
    visit = visits.book(first, slot, by=clinic.receptionist, now=clinic.now)
    away = absences.AbsenceDetails(visit.lead, visit.on, visit.on)

    absences.record(away, by=clinic.manager, now=clinic.now)
    replanning.work_out_next(clinic.now, seconds=2)

    assert dates_in(Proposal.objects.open().get()) == [
        (2, "2027-01-11", "2027-01-11"),
        (3, None, "2027-02-08"),
        (4, None, "2027-03-08"),
    ]


def test_a_visit_that_is_cancelled_is_not_in_the_plan_for_another_session(clinic):
    course = clinic.booked_course()
    _first, second, third = build.visits_of(course)
    cancel(clinic, second)
    hold = holds.place(course, code="clinician", reason="ask first", by=clinic.clinician, now=clinic.now)
    planned = holds.lift(hold, reason="asked", by=clinic.clinician, now=clinic.now)
    assert planned is not None
    assert dates_in(planned) == [(3, None, "2027-02-01")]

    cancel(clinic, third)

    assert dates_in(Proposal.objects.open().get()) == [(3, None, "2027-02-01")]


def test_a_plan_that_was_discarded_is_not_made_again(clinic, planned):
    replanning.discard(planned, by=clinic.receptionist, now=clinic.now)

    clinic.assess(planned.course)

    assert not Proposal.objects.open().exists()


def test_two_visits_swap_their_places_in_one_transaction(clinic):
    one, other = clinic.booked_course(), clinic.cleared_course(build.patient(email=""))
    clinic.book(other)
    mine, theirs = build.visits_of(one)[0], build.visits_of(other)[0]
    swapped = [
        booking.slot_as_data(roster.slot_of(visit), clinic.site) | {"session": str(other_visit.session.uid)}
        for visit, other_visit in ((mine, theirs), (theirs, mine))
    ]
    proposal = Proposal.objects.create(site=clinic.site, reason="swap", made_at=clinic.now)
    for data, visit in zip(swapped, (theirs, mine), strict=True):
        build.move_to(proposal, visit, data, from_slot=booking.when_as_data(visit))
    before = [roster.slot_of(visit).uses for visit in (mine, theirs)]

    replanning.apply(proposal, by=clinic.receptionist, now=clinic.now)

    after = [roster.slot_of(Appointment.objects.get(pk=visit.pk)).uses for visit in (mine, theirs)]
    assert after == before[::-1]
    assert before[0] != before[1]
