"""What needs a person, and why."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from patients import records
from patients.models import MailState
from scheduling import holds, outbox, replanning, visits, worklists
from scheduling.models import Appointment, FollowUpTask, Message, Session
from tests import build
from tests.build import Clinic


@pytest.fixture
def clinic(db: None) -> Clinic:
    build.message_texts()
    return Clinic()


def kinds(clinic: Clinic) -> dict[str, int]:
    return {listing.kind: listing.count for listing in worklists.worklist([clinic.site], now=clinic.now)}


def test_nothing_is_on_the_worklist_of_an_empty_clinic_or_of_nobodys_sites(clinic):
    assert kinds(clinic) == {}
    assert worklists.worklist([], now=clinic.now) == []


def test_a_course_that_was_started_waits_for_its_assessment_then_for_its_first_treatment(clinic):
    course = clinic.course()
    (assessment,) = worklists.due([clinic.site], clinic.now)
    clinic.assess(course)
    (treatment,) = worklists.due([clinic.site], clinic.now)

    assert (assessment.step.kind, treatment) == ("assessment", build.sessions_of(course)[0])


def test_a_booked_session_is_not_due_and_one_that_lost_its_visit_is(clinic):
    course = clinic.booked_course()
    assert kinds(clinic) == {}
    visit = build.visits_of(course)[0]

    visits.cancel(visit, reason="patient_ill", asked_by="patient", by=clinic.receptionist, now=clinic.now)

    assert [session.pk for session in worklists.due([clinic.site], clinic.now)] == [visit.session_id]


def test_a_session_is_due_two_weeks_before_its_window_opens_and_overdue_on_its_overdue_day(clinic):
    course = clinic.cleared_course()
    first, second, _third = build.sessions_of(course)
    visits.perform(first, visits.Performed(clinic.today), by=clinic.clinician, now=clinic.now)
    second = Session.objects.get(pk=second.pk)
    assert second.earliest_on is not None
    assert second.overdue_on is not None
    opens, late = second.earliest_on - clinic.today, second.overdue_on - clinic.today

    def due_and_overdue(wait: timedelta) -> tuple[int, int]:
        now = clinic.now + wait
        return worklists.due([clinic.site], now).count(), worklists.overdue([clinic.site], now).count()

    day = timedelta(days=1)
    assert [
        due_and_overdue(wait)
        for wait in (opens - worklists.DUE_AHEAD - day, opens - worklists.DUE_AHEAD, late - day, late)
    ] == [(0, 0), (1, 0), (1, 0), (0, 1)]


def test_a_held_course_is_listed_as_held_and_not_as_due(clinic):
    course = clinic.course()
    holds.place(course, code="other", reason="Waits for the lab", by=clinic.receptionist, now=clinic.now)

    assert kinds(clinic) == {"held": 1}
    (listed,) = worklists.held([clinic.site])
    assert [hold.reason for hold in listed.standing] == ["Waits for the lab"]


def test_a_visit_that_is_over_waits_to_be_recorded(clinic):
    visit = build.visits_of(clinic.booked_course())[0]

    assert not worklists.unclosed([clinic.site], visit.during.upper - timedelta(minutes=1))
    assert list(worklists.unclosed([clinic.site], visit.during.upper)) == [visit]


def test_an_outcome_that_is_missing_and_a_review_that_waits(clinic):
    first = build.sessions_of(clinic.booked_course())[0]
    clinic.now = first.appointments.get().during.upper
    clinic.perform(first, outcome=None)
    assert list(worklists.outcomes([clinic.site], clinic.now)) == []
    midnight = clinic.now.replace(hour=0, minute=0) + timedelta(days=1)
    assert list(worklists.outcomes([clinic.site], midnight - timedelta(minutes=1))) == []
    assert list(worklists.outcomes([clinic.site], midnight)) == [first]

    visits.record_outcome(first, visits.OutcomeInput("review"), by=clinic.clinician, now=clinic.now)
    assert list(worklists.outcomes([clinic.site], midnight)) == []
    assert [outcome.session for outcome in worklists.reviews([clinic.site])] == [first]

    visits.clear_review(first.outcome, note="Fine.", by=clinic.clinician, now=clinic.now)
    assert list(worklists.reviews([clinic.site])) == []


def test_an_open_proposal_is_listed_until_it_is_decided(clinic):
    course = clinic.booked_course()
    first = build.sessions_of(course)[0]
    clinic.wait(days=20)
    proposal = clinic.perform(first).proposal
    assert proposal is not None

    (listed,) = worklists.proposals([clinic.site])
    assert (listed, listed.visits_moved) == (proposal, proposal.moves.count())

    replanning.discard(proposal, by=clinic.receptionist, now=clinic.now)
    assert list(worklists.proposals([clinic.site])) == []


def test_a_visit_soon_that_could_not_begin_as_things_stand_is_listed_until_it_could(clinic):
    course = clinic.booked_course()
    first, second, _third = build.sessions_of(course)
    clinic.now = first.appointments.get().during.upper
    clinic.perform(first)
    visit = second.appointments.get()
    clinic.now = visit.during.lower - timedelta(days=7)
    assert worklists.not_ready([clinic.site], clinic.now - timedelta(days=1)) == []

    (listed,) = worklists.not_ready([clinic.site], clinic.now)
    assert (listed.visit, {answer.code for answer in listed.gates}) == (visit, {"answer_due_again"})

    clinic.now = visit.during.lower - timedelta(days=1)
    clinic.answer_all(course)
    assert worklists.not_ready([clinic.site], clinic.now) == []


def test_a_visit_soon_that_is_too_near_to_the_last_session_is_listed(clinic):
    course = clinic.booked_course()
    clinic.perform(build.sessions_of(course)[0])
    clinic.wait(days=53)
    clinic.perform(build.sessions_of(course)[1])
    clinic.answer_all(course)
    (third,) = build.visits_of(course)

    (listed,) = worklists.not_ready([clinic.site], clinic.now)

    assert (listed.visit, [(one.code, one.opens_on) for one in listed.gates]) == (
        third,
        [("before_floor", date(2027, 3, 5)), ("before_minimum", date(2027, 3, 26))],
    )


def test_mail_that_failed_or_came_back_is_listed_until_the_address_is_corrected(clinic):
    course = clinic.booked_course()
    message = Message.objects.filter(course=course).order_by("due_at")[0]
    Message.objects.filter(pk=message.pk).update(state="bounced", due_at=clinic.now)
    records.set_mail_state(course.patient, MailState.BOUNCED, now=clinic.now)
    assert list(worklists.mail_undelivered([clinic.site], clinic.now)) == [message]

    records.correct(course.patient, {"email": "new@example.org"}, by=clinic.receptionist, now=clinic.now)
    assert list(worklists.mail_undelivered([clinic.site], clinic.now)) == []


def test_a_reminder_dropped_for_a_gate_is_listed_while_the_visit_stands(clinic):
    course = clinic.booked_course()
    visit = build.visits_of(course)[0]
    message = Message.objects.filter(course=course, kind="confirmation").get()
    Message.objects.filter(pk=message.pk).update(
        state="dropped", state_reason=f"{outbox.GATE_CLOSED}consent_missing", due_at=clinic.now
    )
    assert list(worklists.mail_dropped([clinic.site], clinic.now)) == [message]

    later = Appointment.objects.filter(session__course=course).order_by("-on")[0].during.upper
    assert visit.during.upper < later
    assert list(worklists.mail_dropped([clinic.site], later)) == []

    # One that has moved since has other reminders.
    Appointment.objects.filter(session__course=course).update(revision=2)
    assert list(worklists.mail_dropped([clinic.site], clinic.now)) == []


def test_a_call_is_listed_from_its_day_until_it_is_done(clinic):
    course = clinic.booked_course()
    first = build.sessions_of(course)[0]
    follow_up = course.version.follow_ups.all()[0]
    task = FollowUpTask.objects.create(
        session=first,
        follow_up=follow_up,
        due_on=clinic.today + timedelta(days=2),
        until_on=clinic.today + timedelta(days=4),
    )

    assert list(worklists.calls([clinic.site], clinic.now)) == []
    assert list(worklists.calls([clinic.site], clinic.now + timedelta(days=2))) == [task]


def test_another_sites_work_is_not_ours(clinic):
    clinic.course()

    assert worklists.worklist([build.site()], now=clinic.now) == []


def test_the_day_list_holds_the_days_visits_by_time_and_their_gates_say_what_is_missing(clinic):
    course = clinic.booked_course()
    visit = build.visits_of(course)[0]

    assert worklists.day_list(clinic.site, visit.on) == [visit]
    assert worklists.day_list(clinic.site, visit.on - timedelta(days=1)) == []
    assert worklists.gates_of([visit], now=clinic.now) == {visit.pk: []}

    course.consents.update(signed_on=None)
    (missing,) = worklists.gates_of([visit], now=clinic.now)[visit.pk]
    assert missing.code == "consent_missing"


def test_the_worklist_asks_as_often_for_many_as_for_one(clinic):
    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            worklists.worklist([clinic.site], now=clinic.now)
        return len(queries)

    holds.place(clinic.course(), code="other", reason="x", by=clinic.receptionist, now=clinic.now)
    clinic.course(build.patient("Ana Kovač"))
    one = asked()
    for number in range(5):
        held = clinic.course(build.patient(f"Ines Peña {number}"))
        holds.place(held, code="other", reason="x", by=clinic.receptionist, now=clinic.now)
        clinic.course(build.patient(f"Olga Nagy {number}"))

    assert asked() == one
    assert kinds(clinic) == {"due": 6, "held": 6}


def test_every_row_says_whom_it_is_about_and_where_the_work_is_done(clinic):
    course = clinic.booked_course()
    visit = build.visits_of(course)[0]
    message = Message.objects.filter(course=course)[0]

    for row in (course, visit.session, visit, message):
        assert (worklists.patient_of(row), worklists.course_of(row)) == (course.patient, course)
    with pytest.raises(TypeError):
        worklists.patient_of(clinic.site)
