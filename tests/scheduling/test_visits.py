"""What becomes of the rest of a course, and of the patient's others, when something happens to a visit."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from scheduling import booking, replanning, roster, visits
from scheduling.models import Appointment, CancelReason, Message, Proposal, Session
from scheduling.models.appointments import AskedBy
from scheduling.planner import facts
from scheduling.planner.windows import windows_of
from tests import build

pytestmark = pytest.mark.django_db


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
    found = {"book_course": reads(lambda: visits.book_course(course, slots, by=clinic.receptionist, now=clinic.now))}
    found["move"] = reads(lambda: clinic.move(visit(2), on="2027-03-03"))
    found["perform"] = reads(performed_late)
    proposal = course.proposals.get(state="open")
    found["apply"] = reads(lambda: replanning.apply(proposal, by=clinic.receptionist, now=clinic.now))
    found["cancel"] = reads(cancelled)
    clinic.answer_all(course)
    lost = Session.objects.get(uid=slots[-1].session)
    until_on = date(2027, 4, 30)
    free = visits.free_times(lost, first_on=date(2027, 3, 1), last_on=until_on, now=clinic.now, limit=1)[0].slot
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

    clinic.move(build.visits_of(course)[1], on="2027-02-12")
    proposal = course.proposals.get(state="open")
    replanning.apply(proposal, by=clinic.receptionist, now=clinic.now)

    fresh = windows_of(roster.course_facts(course))
    kept = {row.uid: (row.earliest_on, row.target_on, row.overdue_on) for row in course.sessions.filter(uid__in=fresh)}
    assert kept == {uid: (window.earliest_on, window.target_on, window.overdue_on) for uid, window in fresh.items()}


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
