"""Proposals: applied whole, in part, overtaken, discarded; visits may swap places in one transaction."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from scheduling import booking, holds, intake, replanning, roster, visits
from scheduling.models import Absence, Appointment, CancelReason, Message, Proposal
from scheduling.models.appointments import AskedBy
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
