"""One more session, one given up, and what is decided when one comes late."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from clinic.errors import NotAllowed, RuleBroken
from scheduling import booking, roster, sessions, visits
from scheduling.models import Appointment, Message, Override, Session
from scheduling.planner.gates import gate_answers
from tests import build
from tests.refusals import codes
from tests.scheduling import weekly

pytestmark = pytest.mark.django_db


def told(course):
    """Return each session as (step, state, counts)."""
    return list(course.sessions.order_by("position").values_list("step_key", "state", "counts"))


def closed(course, session, on, today):
    as_it_stands = roster.course_facts(course)
    known = next(one for one in as_it_stands.sessions if one.id == session.uid)
    return [answer.code for answer in gate_answers(known, on, as_it_stands, today)]


# --- one more ---------------------------------------------------------------------------------------------------------


def added(clinic, course, step="treatment", **fields):
    details = {"reason": "veins left", "by": clinic.clinician, "now": clinic.now} | fields
    return sessions.add_session(course, step, **details)


def test_a_session_is_added_after_the_last_of_its_step(clinic):
    course = clinic.booked_course()

    session, proposal = added(clinic, course)

    assert [(row.step_key, row.pk == session.pk) for row in course.sessions.order_by("position")] == [
        ("assessment", False),
        ("treatment", False),
        ("treatment", False),
        ("treatment", False),
        ("treatment", True),
        ("final_review", False),
    ]
    assert session.planned_areas.get() == clinic.areas()[0]
    session.refresh_from_db()
    assert (session.earliest_on, session.window_is_provisional) == (date(2027, 3, 29), True)
    change = course.changes.get(session=session)
    assert (change.to_state, change.reason, change.by) == ("open", "veins left", clinic.clinician)
    assert proposal is None


def test_the_cap_of_the_protocol_is_kept(clinic):
    course = clinic.cleared_course()
    for _fourth_to_sixth in range(3):
        added(clinic, course)

    with pytest.raises(booking.CapReached) as refused:
        added(clinic, course)

    assert [(p.code, p.details) for p in refused.value.problems] == [("cap_reached", {"at_most": 6})]
    assert course.sessions.filter(step_key="treatment").count() == 6


def test_another_session_opens_a_completed_course_again():
    clinic = weekly.clinic(weekly.TEXT.partition("  - key: upkeep")[0])
    course = clinic.course(areas=())
    for session in build.sessions_of(course):
        clinic.perform(session)
        clinic.wait(days=7)
    course.refresh_from_db()
    assert course.state == "completed"

    added(clinic, course, "building_up")

    course.refresh_from_db()
    assert (course.state, course.ended_at) == ("open", None)
    changes = course.changes.filter(session=None).order_by("id").values_list("from_state", "to_state", "reason")
    assert list(changes) == [("", "open", ""), ("open", "completed", ""), ("completed", "open", "veins left")]


def test_a_completed_course_stays_so_when_the_patient_has_another():
    clinic = weekly.clinic(weekly.TEXT.partition("  - key: upkeep")[0])
    course = clinic.course(areas=())
    for session in build.sessions_of(course):
        clinic.perform(session)
        clinic.wait(days=7)
    clinic.course(course.patient, areas=())

    with pytest.raises(booking.NotPossibleNow) as refused:
        added(clinic, course, "building_up")

    assert codes(refused) == ["course_already_open"]


@pytest.mark.parametrize(
    ("step", "fields", "refusal", "code"),
    [
        ("nothing", {}, RuleBroken, "step_unknown"),
        ("treatment", {"reason": "  "}, RuleBroken, "reason_missing"),
    ],
)
def test_nonsense_adds_nothing(clinic, step, fields, refusal, code):
    course = clinic.course()

    with pytest.raises(refusal) as refused:
        added(clinic, course, step, **fields)

    assert codes(refused) == [code]


def test_the_front_desk_adds_and_skips_nothing(clinic):
    course = clinic.course()
    first, *_others = build.sessions_of(course)

    with pytest.raises(NotAllowed):
        added(clinic, course, by=clinic.receptionist)
    with pytest.raises(NotAllowed):
        skipped(clinic, first, by=clinic.receptionist)


# --- one given up -----------------------------------------------------------------------------------------------------


def skipped(clinic, session, **fields):
    return sessions.skip_session(session, **({"reason": "enough", "by": clinic.clinician, "now": clinic.now} | fields))


def test_a_session_given_up_takes_its_visit_and_its_messages_with_it(clinic):
    course = clinic.booked_course()
    _first, second, third = build.visits_of(course)

    session, proposal = skipped(clinic, second.session)

    second.refresh_from_db()
    assert (session.state, session.state_reason, second.state, second.cancel_reason) == (
        "skipped",
        "enough",
        "cancelled",
        "clinical",
    )
    assert not Message.objects.filter(session=session, kind="reminder", state="pending").exists()
    assert Message.objects.filter(course=course, kind="cancelled", state="pending").count() == 1
    third.session.refresh_from_db()
    assert third.session.earliest_on == date(2027, 2, 1)  # counted from the first now
    assert proposal is None
    assert Appointment.objects.get(pk=third.pk).state == "booked"


def test_the_last_session_given_up_ends_the_series():
    clinic = weekly.clinic(weekly.TEXT.partition("  - key: upkeep")[0])
    course = clinic.course(areas=())
    first, second, third = build.sessions_of(course)
    clinic.perform(first)

    skipped(clinic, second)
    skipped(clinic, third)

    course.refresh_from_db()
    assert course.state == "completed"
    with pytest.raises(booking.NotPossibleNow) as refused:
        skipped(clinic, second)
    assert codes(refused) == ["course_completed"]


# --- late -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def clinic_of_weeks():
    return weekly.clinic()


def late_course(clinic, days):
    """A course whose second injection has not taken place so many days after its first."""
    course = clinic.course(areas=())
    first, second, *_others = build.sessions_of(course)
    clinic.perform(first)
    clinic.wait(days=days)
    return course, second


def decided(clinic, session, action, **fields):
    details = {"reason": "was away", "by": clinic.clinician, "now": clinic.now} | fields
    return sessions.act_on_lateness(session, action, **details)


def test_what_only_changes_the_session_is_recorded(clinic_of_weeks):
    clinic = clinic_of_weeks
    course, second = late_course(clinic, 10)

    session, _proposal = decided(clinic, second, "shorten")

    assert session.late_action == "shorten"
    assert (
        told(course)
        == [("building_up", "performed", True)] + [("building_up", "open", True)] * 2 + [("upkeep", "open", True)] * 2
    )
    change = course.changes.get(details__has_key="late")
    assert (change.session, change.reason, change.details) == (
        second,
        "was away",
        {"late": {"action": "shorten", "band": "shorten", "on": "2027-01-14"}},
    )


def test_a_step_repeated_has_one_more_session_before_the_late_one(clinic_of_weeks):
    clinic = clinic_of_weeks
    course, second = late_course(clinic, 15)
    assert closed(course, second, clinic.today, clinic.today) == ["late_repeat_step"]

    decided(clinic, second, "repeat_step")

    rows = list(course.sessions.order_by("position"))
    assert (
        told(course)
        == [("building_up", "performed", True)] + [("building_up", "open", True)] * 3 + [("upkeep", "open", True)] * 2
    )
    repeated = rows[1]
    assert rows[2] == second
    assert [row.late_action for row in rows] == ["", "repeat_step", "", "", "", ""]
    assert closed(course, repeated, clinic.today, clinic.today) == []
    # Once it is repeated, the late one is counted from it, and may come late again.
    clinic.perform(repeated)
    second.refresh_from_db()
    assert second.earliest_on == clinic.today + timedelta(days=5)
    assert closed(course, second, clinic.today + timedelta(days=14), clinic.today) == ["late_repeat_step"]


def test_a_restart_sets_aside_what_was_performed_and_plans_the_series_anew(clinic_of_weeks):
    clinic = clinic_of_weeks
    course, second = late_course(clinic, 7)
    clinic.perform(second)
    third = course.sessions.get(position=3)
    clinic.wait(days=30)
    assert closed(course, third, clinic.today, clinic.today) == ["late_restart"]

    decided(clinic, third, "restart")

    assert (
        told(course)
        == [("building_up", "performed", False)] * 2
        + [("building_up", "open", True)] * 3
        + [("upkeep", "open", True)] * 2
    )
    assert set(course.sessions.filter(state="performed").values_list("counts_reason", flat=True)) == {"restarted"}
    following = course.sessions.get(position=3)
    assert (following.late_action, closed(course, following, clinic.today, clinic.today)) == ("restart", [])
    clinic.perform(following)  # judging the history again leaves what was set aside
    assert told(course)[:3] == [("building_up", "performed", False)] * 2 + [("building_up", "performed", True)]


def test_a_restart_gives_back_every_step_of_the_series_in_its_order():
    clinic = build.Clinic(key="hepatitis_b")
    course = clinic.cleared_course()
    first, second, third = build.sessions_of(course)
    clinic.perform(first)
    clinic.wait(days=35)
    clinic.perform(second)

    from scheduling.sessions import _restart  # the shipped series is never restarted: its bands name no such thing

    _restart(course, third, reason="another product", by=None, now=clinic.now)

    assert told(course) == [
        ("dose_1", "performed", False),
        ("dose_2", "performed", False),
        ("dose_1", "open", True),
        ("dose_2", "open", True),
        ("dose_3", "open", True),
    ]


def test_another_choice_than_the_bands_is_the_prescribers(clinic_of_weeks):
    clinic = clinic_of_weeks
    course, second = late_course(clinic, 15)

    with pytest.raises(NotAllowed):
        decided(clinic, second, "book_anyway")
    decided(clinic, second, "book_anyway", by=clinic.prescriber)

    second.refresh_from_db()
    assert second.late_action == "book_anyway"
    given = Override.objects.get(course=course)
    assert (given.session, given.rule, given.reason, given.expires_on) == (
        second,
        "late_repeat_step",
        "was away",
        date(2027, 1, 24),  # the band's last day: the next one asks again
    )
    assert closed(course, second, date(2027, 1, 24), clinic.today) == []
    assert closed(course, second, date(2027, 1, 25), clinic.today) == ["late_restart"]


def test_going_further_than_the_band_needs_no_override(clinic_of_weeks):
    clinic = clinic_of_weeks
    course, second = late_course(clinic, 15)

    decided(clinic, second, "restart", by=clinic.prescriber)

    assert not Override.objects.filter(course=course).exists()
    assert closed(course, course.sessions.get(position=2), clinic.today, clinic.today) == []


def test_a_review_instead_waits_for_the_assessment(clinic_of_weeks):
    clinic = clinic_of_weeks
    course, second = late_course(clinic, 15)

    decided(clinic, second, "review", by=clinic.prescriber)

    second.refresh_from_db()
    assert (second.late_action, Override.objects.filter(course=course).exists()) == ("review", False)
    assert closed(course, second, clinic.today, clinic.today) == ["late_review"]
    clinic.assess(course)
    assert closed(course, second, clinic.today, clinic.today) == []


@pytest.mark.parametrize(
    ("days", "action", "fields", "code"),
    [
        (7, "shorten", {}, "not_late"),
        (10, "dance", {}, "action_unknown"),
        (10, "review", {}, "review_is_an_assessment"),
        (10, "shorten", {"reason": ""}, "reason_missing"),
    ],
)
def test_nonsense_decides_nothing(clinic_of_weeks, days, action, fields, code):
    clinic = clinic_of_weeks
    course, second = late_course(clinic, days)
    before = told(course)

    with pytest.raises((RuleBroken, sessions.NotLate)) as refused:
        decided(clinic, second, action, **fields)

    assert (codes(refused), told(course)) == ([code], before)


def test_the_front_desk_decides_nothing(clinic_of_weeks):
    _course, second = late_course(clinic_of_weeks, 10)

    with pytest.raises(NotAllowed):
        decided(clinic_of_weeks, second, "shorten", by=clinic_of_weeks.receptionist)


def test_the_band_is_that_of_the_day_on_which_it_is_to_take_place(clinic_of_weeks):
    clinic = clinic_of_weeks
    _course, second = late_course(clinic, 10)

    with pytest.raises(NotAllowed):
        decided(clinic, second, "shorten", on=date(2027, 1, 18))  # then it is repeat_step
    decided(clinic, second, "repeat_step", on=date(2027, 1, 18))

    assert Session.objects.get(course=second.course, position=2).late_action == "repeat_step"


def test_a_repeat_beyond_the_cap_is_refused(clinic_of_weeks):
    clinic = clinic_of_weeks
    course, second = late_course(clinic, 15)
    for _two in range(2):
        added(clinic, course, "building_up")

    with pytest.raises(booking.CapReached):
        decided(clinic, second, "repeat_step")


def test_visits_after_the_late_one_are_looked_at_again(clinic_of_weeks):
    """The visit of the third session was booked as if the second were not late."""
    clinic = clinic_of_weeks
    course = clinic.course(areas=())
    clinic.book(course)
    first, second, third, *_others = build.visits_of(course)
    clinic.wait(hours=2)
    clinic.perform(first.session)
    clinic.move(third, on=f"{third.on + timedelta(days=2)}")
    clinic.wait(days=15)
    visits.miss(second, by=clinic.receptionist, now=clinic.now)

    _session, proposal = decided(clinic, second.session, "repeat_step")

    assert [
        (move.session.position, move.to_slot["on"], [problem["code"] for problem in move.why])
        for move in proposal.moves.all()
    ] == [(4, "2027-02-01", ["before_minimum"]), (5, "2027-02-22", []), (6, "2027-03-15", [])]


def test_a_course_whose_last_session_is_left_out_says_farewell(clinic):
    course = clinic.booked_course()
    first, second, third = build.sessions_of(course)
    clinic.wait(hours=4)
    clinic.perform(first)
    review = course.sessions.get(step_key="final_review")
    for session in (second, third, review):
        sessions.skip_session(session, reason="the veins are gone", by=clinic.clinician, now=clinic.now)

    course.refresh_from_db()
    (farewell,) = Message.objects.filter(course=course, kind="finished")
    assert (course.state, farewell.state, farewell.due_at.date()) == (
        "completed",
        "pending",
        clinic.today + timedelta(days=1),
    )


def test_a_course_of_which_nothing_was_performed_ends_without_a_farewell(clinic):
    course = clinic.course()
    for session in course.sessions.order_by("position"):
        sessions.skip_session(session, reason="never begun", by=clinic.clinician, now=clinic.now)

    course.refresh_from_db()
    assert course.state == "completed"
    assert not Message.objects.filter(course=course, kind="finished").exists()
