"""At the desk: what is due is asked, what is answered stays, and a visit begins when nothing stands in the way."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clinic.errors import NotAllowed, RuleBroken
from clinic.models import Role
from patients.models import Answer
from scheduling import booking, check_in, intake, visits
from scheduling.models import Appointment, Course, RiskRule
from scheduling.planner import facts
from tests import build

pytestmark = pytest.mark.django_db


def booked_in_a_month(clinic: build.Clinic) -> Course:
    """A course booked today whose first visit is a month ahead: most answers are too old by then."""
    soon = frozenset(clinic.today + timedelta(days=number) for number in range(30))
    return clinic.booked_course(wishes=facts.Wishes(avoid_dates=soon, strict=True))


def on_the_day(clinic: build.Clinic, visit: Appointment) -> Appointment:
    """Let it be five minutes before the visit."""
    clinic.now = visit.during.lower - timedelta(minutes=5)
    return visit


def good_answers(course: Course, **values: str) -> dict[str, str]:
    rules = course.version.risk_rules.select_related("question")
    return {
        rule.question.code: next(one for one in rule.question.choices if one not in rule.refused_answers)
        for rule in rules
    } | values


def due(clinic: build.Clinic, visit: Appointment) -> dict[str, tuple[str, str | None]]:
    found = check_in.due_questions(visit.session, now=clinic.now)
    return {one.code: (one.why, one.last.value if one.last else None) for one in found}


def checked_in(clinic: build.Clinic, visit: Appointment, values: dict[str, str], **more: Any) -> check_in.CheckedIn:
    return check_in.check_in(visit, values, by=clinic.receptionist, now=clinic.now, **more)


def test_only_what_is_due_is_asked_with_the_last_answer(clinic):
    RiskRule.objects.filter(question__code="pregnancy").update(valid_days=200)
    course = booked_in_a_month(clinic)
    first = on_the_day(clinic, build.visits_of(course)[0])

    found = due(clinic, first)

    assert found == {
        code: ("answer_expired", value) for code, value in good_answers(course).items() if code != "pregnancy"
    }


def test_every_question_is_asked_again_before_the_next_session_even_if_it_would_hold_longer(clinic):
    RiskRule.objects.filter(version=clinic.version).update(valid_days=365)
    course = clinic.booked_course()
    first, second, _third = build.visits_of(course)
    on_the_day(clinic, first)
    assert due(clinic, first) == {}
    assert checked_in(clinic, first, {}).admitted
    clinic.now = first.during.upper
    clinic.perform(first.session)
    on_the_day(clinic, second)
    assert {why for why, _last in due(clinic, second).values()} == {"answer_before_last_session"}
    assert due(clinic, second).keys() == good_answers(course).keys()

    unasked = checked_in(clinic, second, {})
    asked = checked_in(clinic, second, good_answers(course))

    assert (unasked.admitted, {one.code for one in unasked.problems}) == (False, {"answer_before_last_session"})
    assert (asked.admitted, asked.problems, asked.appointment.state) == (True, (), "arrived")


def test_a_visit_begins_at_no_door_before_its_questions_are_asked_again(clinic):
    RiskRule.objects.filter(version=clinic.version).update(valid_days=365)
    course = clinic.booked_course()
    first, second, _third = build.visits_of(course)
    clinic.now = first.during.upper
    clinic.perform(first.session)
    on_the_day(clinic, second)

    with pytest.raises(visits.NotAdmitted) as refused:
        visits.arrive(second, by=clinic.receptionist, now=clinic.now)

    questions = {(one.code, (one.details or {})["subject"]) for one in refused.value.problems}
    assert questions == {("answer_before_last_session", code) for code in good_answers(course)}
    second.refresh_from_db()
    assert second.state == "booked"


def test_a_question_never_asked_is_due_and_a_step_without_questions_asks_none(clinic):
    course = clinic.course()
    treatment = build.sessions_of(course)[0]

    found = check_in.due_questions(treatment, now=clinic.now)

    assert {(one.why, one.last) for one in found} == {("answer_missing", None)}
    assert [one.code for one in found] == [rule.question.code for rule in course.version.risk_rules.order_by("pk")]
    assert check_in.due_questions(course.sessions.get(step_key="assessment"), now=clinic.now) == []


def test_answers_and_check_in_are_one_step(clinic):
    course = booked_in_a_month(clinic)
    first = on_the_day(clinic, build.visits_of(course)[0])

    done = checked_in(clinic, first, good_answers(course))

    assert (done.admitted, done.problems, done.holds) == (True, (), ())
    assert (done.appointment.state, done.appointment.arrived_at) == ("arrived", clinic.now)
    assert due(clinic, first) == {}


def test_a_bad_answer_is_kept_holds_at_once_and_the_visit_does_not_begin(clinic):
    course = booked_in_a_month(clinic)
    first = on_the_day(clinic, build.visits_of(course)[0])

    done = checked_in(clinic, first, good_answers(course, pregnancy="yes"))

    assert (done.admitted, done.appointment.state) == (False, "booked")
    assert {one.code for one in done.problems} == {"risk_absolute", "course_on_hold"}
    assert [hold.code for hold in done.holds] == ["risk_pregnancy"]
    assert Answer.objects.filter(question__code="pregnancy", given_on=clinic.today).get().value == "yes"


def test_a_bad_answer_at_the_desk_may_free_the_visits(clinic):
    course = booked_in_a_month(clinic)
    first = on_the_day(clinic, build.visits_of(course)[0])

    done = checked_in(clinic, first, good_answers(course, pregnancy="yes"), visits_of_held="free")

    assert (done.admitted, done.appointment.state, build.visits_of(course)) == (False, "cancelled", [])


def test_some_answers_are_kept_and_the_others_still_due(clinic):
    course = booked_in_a_month(clinic)
    first = on_the_day(clinic, build.visits_of(course)[0])
    asked = list(due(clinic, first))
    values = {code: good_answers(course)[code] for code in asked[1:]}

    done = checked_in(clinic, first, values)

    assert (done.admitted, [one.details["subject"] for one in done.problems]) == (False, asked[:1])
    assert list(due(clinic, first)) == asked[:1]


def third_visit_after(clinic: build.Clinic, second_on: date) -> Appointment:
    """The third visit, of 1 March, on its day; the second session took place late. All questions are asked again."""
    course = clinic.booked_course()
    clinic.perform(build.sessions_of(course)[0])
    clinic.wait(days=(second_on - clinic.today).days)
    clinic.perform(build.sessions_of(course)[1])
    (third,) = build.visits_of(course)
    clinic.wait(days=(third.on - clinic.today).days)
    clinic.answer_all(course)
    return third


def test_a_visit_three_days_after_the_last_session_does_not_begin_whoever_allows_it(clinic):
    third = third_visit_after(clinic, date(2027, 2, 26))
    early = {"rule": "before_minimum", "reason": "Leaves the country", "expires_on": third.on}
    refused = []

    for _try in range(2):
        done = checked_in(clinic, third, {})
        with pytest.raises(visits.NotAdmitted) as at_another_door:
            visits.arrive(third, by=clinic.receptionist, now=clinic.now)
        assert at_another_door.value.problems == done.problems
        refused.append((done.admitted, [(one.code, one.details["opens_on"]) for one in done.problems]))
        intake.override(third.session.course, session=third.session, **early, by=clinic.prescriber, now=clinic.now)

    assert refused == [
        (False, [("before_floor", "2027-03-05"), ("before_minimum", "2027-03-26")]),
        (False, [("before_floor", "2027-03-05")]),
    ]
    third.refresh_from_db()
    assert third.state == "booked"


def test_a_visit_below_its_minimum_begins_only_with_the_override_that_was_given_for_it(clinic):
    third = third_visit_after(clinic, date(2027, 2, 15))
    early = {"rule": "before_minimum", "reason": "Leaves the country"}

    without = checked_in(clinic, third, {})
    yesterday = third.on - timedelta(days=1)
    for session, expires_on in ((third.session, yesterday), (build.sessions_of(third.session.course)[0], third.on)):
        clinic.wait(days=-2)
        intake.override(
            session.course, session=session, **early, expires_on=expires_on, by=clinic.prescriber, now=clinic.now
        )
        clinic.wait(days=2)
    with_others = checked_in(clinic, third, {})
    intake.override(
        third.session.course,
        session=third.session,
        **early,
        expires_on=third.on,
        by=clinic.prescriber,
        now=clinic.now,
    )
    allowed = checked_in(clinic, third, {})

    said = (
        "This is earlier than the protocol allows. Possible from Mon 15 March 2027. "
        "Only a prescriber may override this. Else choose that date, or a later one."
    )
    for refused in (without, with_others):
        assert [(one.code, one.message, one.details["override"]) for one in refused.problems] == [
            (
                "before_minimum",
                said,
                "prescriber",
            )
        ]
    assert (allowed.admitted, allowed.problems, allowed.appointment.state) == (True, (), "arrived")


def test_a_session_that_took_place_too_soon_is_recorded_all_the_same(clinic):
    third = third_visit_after(clinic, date(2027, 2, 26))
    assert not checked_in(clinic, third, {}).admitted

    clinic.perform(third.session)

    third.refresh_from_db()
    assert (third.state, third.session.state, third.session.counts) == ("performed", "performed", False)


def test_nonsense_writes_nothing(clinic):
    course = booked_in_a_month(clinic)
    first = on_the_day(clinic, build.visits_of(course)[0])
    before = Answer.objects.count()

    with pytest.raises(RuleBroken):
        checked_in(clinic, first, good_answers(course, pregnancy="perhaps"))
    clinic.wait(days=-1)
    with pytest.raises(booking.NotPossibleNow) as early:
        checked_in(clinic, first, good_answers(course))
    operator = build.user(Role.OPERATOR, at=clinic.site)
    with pytest.raises(NotAllowed):
        check_in.check_in(first, {}, by=operator, now=clinic.now)

    assert early.value.problems[0].code == "not_today"
    assert (Answer.objects.count(), Appointment.objects.get(pk=first.pk).state) == (before, "booked")


def test_a_visit_that_was_cancelled_is_not_checked_in(clinic):
    course = booked_in_a_month(clinic)
    first = on_the_day(clinic, build.visits_of(course)[0])
    visits.cancel(first, reason="patient_ill", asked_by="patient", by=clinic.receptionist, now=clinic.now)

    with pytest.raises(booking.NotPossibleNow):
        checked_in(clinic, first, good_answers(course))


def test_what_is_due_takes_the_same_number_of_queries_for_one_question_and_for_many(clinic):
    course = booked_in_a_month(clinic)
    first = on_the_day(clinic, build.visits_of(course)[0])

    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as run:
            check_in.due_questions(first.session, now=clinic.now)
        return len(run)

    queries()  # what a protocol says is read once
    many = queries()
    assert len(due(clinic, first)) > 1
    clinic.answer_all(course)
    Answer.objects.filter(question__code="unwell").delete()

    assert (queries(), len(due(clinic, first))) == (many, 1)
