"""What took place too soon does not count, is replaced, and is the reference of the next all the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, time, timedelta

import pytest

from clinic.errors import NotAllowed, RuleBroken
from scheduling import booking, dossier, holds, outbox, roster, sessions, visits
from scheduling.models import Course, FollowUpTask, Hold, Message, Session
from scheduling.outbox.wanted import Situation, why_not
from scheduling.planner.evaluation import evaluate
from scheduling.planner.gates import gate_answers
from tests import build
from tests.refusals import codes
from tests.scheduling import weekly

pytestmark = pytest.mark.django_db


def told(course):
    """Return each session as (position, step, state, counts, why not)."""
    return list(
        course.sessions.order_by("position").values_list("position", "step_key", "state", "counts", "counts_reason")
    )


def performed_twice(clinic, days):
    """A course whose second treatment took place so many days after its first, without a booking."""
    course = clinic.cleared_course()
    first, second, _third = build.sessions_of(course)
    clinic.perform(first)
    clinic.wait(days=days)
    return course, second, clinic.perform(second)


def test_a_session_performed_too_soon_does_not_count_and_is_replaced(clinic):
    course, second, result = performed_twice(clinic, 6)

    assert (result.session.counts, result.session.counts_reason) == (False, "too_soon")
    assert told(course) == [
        (1, "assessment", "performed", True, ""),
        (2, "treatment", "performed", True, ""),
        (3, "treatment", "performed", False, "too_soon"),
        (4, "treatment", "open", True, ""),
        (5, "treatment", "open", True, ""),
        (6, "final_review", "open", True, ""),
    ]
    replacement = course.sessions.get(position=4)
    assert replacement.earliest_on == date(2027, 1, 10) + timedelta(weeks=4)  # counted from the one too soon
    assert [area.code for area in replacement.planned_areas.all()] == [area.code for area in clinic.areas()]
    changes = course.changes.filter(details__has_key="counts") | course.changes.filter(details__has_key="replaces")
    assert [(one.session, one.reason, one.details) for one in changes.order_by("id")] == [
        (second, "too_soon", {"counts": False}),
        (replacement, "too_soon", {"replaces": str(second.uid)}),
    ]


@pytest.mark.parametrize(("days", "verdict"), [(7, "grace"), (27, "grace"), (28, "in_time"), (84, "late")])
def test_grace_and_lateness_count(clinic, days, verdict):
    course, second, result = performed_twice(clinic, days)

    assert result.session.counts
    assert [one.verdict for one in evaluate(roster.course_facts(course)) if one.session == second.uid] == [verdict]
    assert course.sessions.filter(state="open").count() == 2


def test_grace_never_books(clinic):
    """The day after the floor would count if it had happened; booking it is refused all the same."""
    course = clinic.cleared_course()
    first, second, _third = build.sessions_of(course)
    clinic.perform(first)
    clinic.wait(days=1)
    (time_,) = visits.free_times(second, first_on=date(2027, 2, 1), last_on=date(2027, 2, 2), now=clinic.now, limit=1)
    early = replace(time_.slot, on=date(2027, 1, 12))

    with pytest.raises(booking.NotBookable) as refused:
        visits.book(second, early, by=clinic.receptionist, now=clinic.now)

    assert "before_minimum" in codes(refused)


def test_booked_visits_after_it_are_proposed_anew_and_leave_room_for_the_one_that_takes_its_place(clinic):
    course = clinic.booked_course()
    first, second, third = build.visits_of(course)
    clinic.wait(days=0, hours=4)
    clinic.perform(first.session)
    clinic.wait(days=5)

    result = clinic.perform(second.session)

    (move,) = result.proposal.moves.all()
    assert (move.session, move.appointment) == (third.session, third)
    replacement, on = course.sessions.get(position=4), date.fromisoformat(move.to_slot["on"])
    between = {"first_on": clinic.today, "last_on": on - timedelta(days=1)}
    assert on > third.on
    assert visits.free_times(replacement, **between, now=clinic.now)  # and that is booked from the worklist


def test_where_the_cap_forbids_another_a_clinician_decides():
    clinic = build.Clinic(key="hepatitis_b")
    course = clinic.cleared_course()
    first, second, _third = build.sessions_of(course)
    clinic.perform(first)
    clinic.perform(second)
    clinic.perform(course.sessions.get(position=3))

    # A dose that came too soon is given once more, and no more than that.
    assert told(course) == [
        (1, "dose_1", "performed", True, ""),
        (2, "dose_2", "performed", False, "too_soon"),
        (3, "dose_2", "performed", False, "too_soon"),
        (4, "dose_3", "open", True, ""),
    ]
    assert [(hold.code, hold.lifted_by_role) for hold in Hold.objects.standing().filter(course=course)] == [
        ("session_not_replaced", "clinician")
    ]


def test_a_course_whose_last_session_was_too_soon_is_not_completed():
    clinic = weekly.clinic(weekly.TEXT.partition("  - key: upkeep")[0].replace("at_most: 5", "at_most: 3"))
    course = clinic.course(areas=())
    for session in build.sessions_of(course):
        clinic.perform(session)
        clinic.wait(hours=2)

    course.refresh_from_db()
    assert (course.state, course.holds.get().code) == ("open", "session_not_replaced")
    outbox.load_texts(now=clinic.now)
    clinic.wait(days=3)
    outbox.deliver_due(clinic.now)
    assert Message.objects.get(course=course, kind="finished").state_reason == "course_goes_on"


def test_an_assessment_taken_over_is_judged_like_any_session(clinic):
    course = clinic.cleared_course()
    visits.end_course(course, reason="moved away", by=clinic.receptionist, now=clinic.now)

    again = clinic.course(course.patient)

    assert told(again)[0] == (1, "assessment", "performed", True, "")


# --- corrected --------------------------------------------------------------------------------------------------------


def corrected(clinic, session, on, **fields):
    details = {"reason": "typed wrong", "by": clinic.clinician, "now": clinic.now} | fields
    return visits.correct_performed(session, performed_on=on, **details)


def test_a_corrected_date_is_judged_anew_and_gives_up_the_replacement(clinic):
    course, second, _result = performed_twice(clinic, 6)
    clinic.wait(days=30)

    corrected(clinic, second, date(2027, 2, 1), at_time=time(9))

    assert told(course) == [
        (1, "assessment", "performed", True, ""),
        (2, "treatment", "performed", True, ""),
        (3, "treatment", "performed", True, ""),
        (4, "treatment", "dropped", True, ""),
        (5, "treatment", "open", True, ""),
        (6, "final_review", "open", True, ""),
    ]
    assert course.sessions.get(position=5).earliest_on == date(2027, 3, 1)
    change = course.changes.get(details__has_key="performed_on")
    assert (change.by, change.reason, change.details) == (
        clinic.clinician,
        "typed wrong",
        {"performed_on": {"from": "2027-01-10", "to": "2027-02-01"}},
    )


def test_a_correction_may_make_a_session_too_soon(clinic):
    course, second, _result = performed_twice(clinic, 40)

    corrected(clinic, second, date(2027, 1, 8))

    assert told(course)[2:4] == [(3, "treatment", "performed", False, "too_soon"), (4, "treatment", "open", True, "")]


def test_a_booked_replacement_is_left_to_a_person(clinic):
    course, second, _result = performed_twice(clinic, 6)
    clinic.answer_all(course)
    clinic.book(course)
    clinic.wait(days=30)

    corrected(clinic, second, date(2027, 2, 1))

    assert told(course)[2:5] == [
        (3, "treatment", "performed", True, ""),
        (4, "treatment", "open", True, ""),
        (5, "treatment", "open", True, ""),
    ]


def test_what_waits_to_be_said_moves_with_the_date(clinic):
    course = clinic.cleared_course()
    first, *_others = build.sessions_of(course)
    clinic.perform(first)
    check = Message.objects.get(session=first, kind="check")
    assert check.due_at.date() == date(2027, 1, 18)

    clinic.wait(days=2)
    corrected(clinic, first, date(2027, 1, 5))

    check.refresh_from_db()
    assert check.due_at.date() == date(2027, 1, 19)
    assert not FollowUpTask.objects.filter(session=first).exists()


@pytest.mark.parametrize(
    ("fields", "refusal", "code"),
    [
        ({"reason": " "}, RuleBroken, "reason_missing"),
        ({"performed_on": date(2027, 3, 1)}, RuleBroken, "performed_in_future"),
    ],
)
def test_a_correction_says_why_and_never_lies_ahead(clinic, fields, refusal, code):
    course = clinic.cleared_course()
    first, *_others = build.sessions_of(course)
    clinic.perform(first)
    given = {"performed_on": clinic.today, "reason": "typed wrong"} | fields

    with pytest.raises(refusal) as refused:
        visits.correct_performed(first, **given, by=clinic.clinician, now=clinic.now)

    assert codes(refused) == [code]


def test_only_clinicians_correct_and_only_what_was_performed(clinic):
    course = clinic.cleared_course()
    first, second, _third = build.sessions_of(course)
    clinic.perform(first)

    with pytest.raises(NotAllowed):
        corrected(clinic, first, clinic.today, by=clinic.receptionist)
    with pytest.raises(booking.NotPossibleNow):
        corrected(clinic, second, clinic.today)
    with pytest.raises(RuleBroken) as refused:
        corrected(clinic, Session.objects.get(course=course, step_key="assessment"), clinic.today)
    assert codes(refused) == ["date_is_the_assessments"]


# --- out of turn ------------------------------------------------------------------------------------------------------


def test_a_session_performed_out_of_its_turn_is_what_the_next_counts_from(clinic):
    """The wrong one of two open sessions was recorded: the treatment is as recent, and its outcome as missing."""
    course = clinic.cleared_course()
    first, second, third = build.sessions_of(course)
    clinic.perform(first)
    clinic.wait(days=30)

    clinic.perform(third, outcome=None)

    assert told(course) == [
        (1, "assessment", "performed", True, ""),
        (2, "treatment", "performed", True, ""),
        (3, "treatment", "performed", True, ""),
        (4, "treatment", "open", True, ""),
        (5, "final_review", "open", True, ""),
    ]
    second.refresh_from_db()
    assert (second.position, second.earliest_on) == (4, clinic.today + timedelta(weeks=4))
    known = next(one for one in roster.course_facts(course).sessions if one.id == second.uid)
    answers = gate_answers(known, clinic.today, roster.course_facts(course), clinic.today)
    assert "outcome_missing" in [answer.code for answer in answers]


def test_the_next_counts_from_the_last_one_when_a_correction_changes_their_order(clinic):
    course = clinic.cleared_course()
    first, second, third = build.sessions_of(course)
    clinic.perform(first)
    clinic.wait(days=30)
    clinic.perform(second)
    clinic.wait(days=30)

    corrected(clinic, first, clinic.today)

    third.refresh_from_db()
    assert [row.pk for row in build.sessions_of(course)] == [second.pk, first.pk, third.pk]
    assert third.earliest_on == clinic.today + timedelta(weeks=4)


def test_a_correction_opens_nothing_where_another_course_goes_on():
    clinic = weekly.clinic(weekly.TEXT.partition("  - key: upkeep")[0])
    course = clinic.course(areas=())
    _first, second, third = build.sessions_of(course)
    for session in build.sessions_of(course):
        clinic.perform(session)
        clinic.wait(days=7)
    other = clinic.course(course.patient, areas=())

    corrected(clinic, third, Session.objects.get(pk=second.pk).performed_on)

    assert [counts for *_told, counts, _why in told(course)] == [True, True, False]
    assert list(Course.objects.open().filter(patient=course.patient)) == [other]


def test_nothing_is_opened_for_who_has_died():
    clinic = weekly.clinic(weekly.TEXT.partition("  - key: upkeep")[0])
    course = clinic.course(areas=())
    _first, second, third = build.sessions_of(course)
    for session in build.sessions_of(course):
        clinic.perform(session)
        clinic.wait(days=7)
    dossier.record_death(course.patient, clinic.today, by=clinic.receptionist, now=clinic.now)

    corrected(clinic, third, Session.objects.get(pk=second.pk).performed_on)
    with pytest.raises(booking.NotPossibleNow) as refused:
        sessions.add_session(course, "building_up", reason="one more", by=clinic.clinician, now=clinic.now)

    assert codes(refused) == ["patient_inactive"]
    assert (Course.objects.get(pk=course.pk).state, course.sessions.filter(state="open").count()) == ("completed", 0)


# --- not done before somebody decides ---------------------------------------------------------------------------------


@pytest.fixture
def not_replaced():
    """A course whose second dose came too soon twice, and may not be given again; the third is to come."""
    clinic = build.Clinic(key="hepatitis_b")
    course = clinic.cleared_course()
    for position in (1, 2, 3):
        clinic.perform(course.sessions.get(position=position))
    return clinic, course, course.sessions.get(position=4)


def test_a_course_is_not_completed_while_a_session_waits_for_a_decision(not_replaced):
    clinic, course, last = not_replaced
    clinic.wait(days=200)

    clinic.perform(last)

    course.refresh_from_db()
    assert course.state == "open"
    farewell = Message.objects.get(course=course, kind="finished")
    assert why_not(farewell, [], Situation([farewell], clinic.now)) == "course_goes_on"
    holds.lift(Hold.objects.get(course=course), reason="titre is high", by=clinic.clinician, now=clinic.now)
    course.refresh_from_db()
    assert course.state == "completed"


def test_nor_by_giving_up_the_last_session(not_replaced):
    clinic, course, last = not_replaced

    sessions.skip_session(last, reason="enough", by=clinic.clinician, now=clinic.now)

    course.refresh_from_db()
    assert course.state == "open"
