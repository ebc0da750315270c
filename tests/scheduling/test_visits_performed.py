"""Sessions that took place: what is recorded, and what becomes of the visits after them."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pytest

from clinic.errors import NotAllowed, RuleBroken
from scheduling import booking, replanning, visits
from scheduling.models import Appointment, Message, Occupancy, Session
from tests import build
from tests.refusals import codes

pytestmark = pytest.mark.django_db

MONDAY, FEBRUARY, MARCH = date(2027, 1, 4), date(2027, 2, 1), date(2027, 3, 1)


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
    clinic.move(second, on="2027-02-10")
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
    assert codes(early) == ["performed_in_future"]


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
