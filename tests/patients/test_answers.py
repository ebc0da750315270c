"""What patients answer: each answer stays, the newest that is no error counts."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clinic.errors import Conflict, NotAllowed, RuleBroken
from clinic.models import Role
from patients import records
from patients.models import Answer, Patient, Question
from tests import build

from .conftest import NOW, make_user, problems_of, register


@pytest.fixture
def question(db: None) -> Question:
    records.load_vocabulary(questions=[{"code": "pregnancy", "text": "Pregnant?", "choices": ["no", "yes", "unsure"]}])
    return Question.objects.get()


def answer(patient: Patient, value: str = "no", **changes: Any) -> Answer:
    details: dict[str, Any] = {"given_on": date(2027, 1, 4), "by": None, "now": NOW}
    (recorded,) = records.record_answers(patient, {"pregnancy": value}, **{**details, **changes})
    return recorded


def test_an_answer_is_written_beside_the_earlier_ones(question, site):
    patient, by = register(), make_user(site, Role.RECEPTION)

    answer(patient, "yes", given_on=date(2027, 1, 3))
    answer(patient, "no", by=by, source="patient", note="on the phone")

    assert list(patient.answers.values_list("value", "given_on", "source", "note", "recorded_at", "recorded_by")) == [
        ("no", date(2027, 1, 4), "patient", "on the phone", NOW, by.pk),
        ("yes", date(2027, 1, 3), "staff", "", NOW, None),
    ]


def test_everything_wrong_with_an_answer_is_said_at_once(question):
    with pytest.raises(RuleBroken) as refusal:
        answer(register(), "maybe", given_on=date(2027, 1, 5), source="rumour", note="\0")

    assert problems_of(refusal.value) == [
        ("answer_in_future", "given_on"),
        ("answer_unknown", "value"),
        ("not_storable", "note"),
    ]
    assert [problem.details for problem in refusal.value.problems if problem.code == "answer_unknown"] == [
        {"allowed": ["no", "yes", "unsure"]}
    ]
    assert Answer.objects.count() == 0


@pytest.mark.parametrize(
    ("code", "changes", "expected"),
    [
        ("nonsense", {}, ("question_unknown", "question")),
        ("pregnancy", {"given_on": date(1980, 5, 16)}, ("answer_before_birth", "given_on")),
        ("pregnancy", {"source": "rumour"}, ("unknown_choice", "source")),
    ],
)
def test_an_answer_that_can_never_be_right_is_refused(question, code, changes, expected):
    details: dict[str, Any] = {"given_on": date(2027, 1, 4), "by": None, "now": NOW} | changes

    with pytest.raises(RuleBroken) as refusal:
        records.record_answers(register(), {"pregnancy": "no", code: "no"}, **details)

    assert problems_of(refusal.value) == [expected]
    assert not Answer.objects.exists()


def test_many_answers_take_as_many_statements_as_one_and_keep_their_order(question):
    codes = ["pregnancy", "breastfeeding", "thrombosis"]
    records.load_vocabulary(questions=[{"code": code, "text": "?", "choices": ["no", "yes"]} for code in codes[1:]])
    patient = register()
    counts = []
    for values in ({"thrombosis": "no"}, {"thrombosis": "yes", "pregnancy": "no", "breastfeeding": "yes"}):
        with CaptureQueriesContext(connection) as asked:
            answers = records.record_answers(patient, values, given_on=date(2027, 1, 4), by=None, now=NOW)
        counts.append(len(asked))
        assert {one.question.code: one.value for one in answers} == values
        assert list(Answer.objects.order_by("-pk")[: len(values)]) == answers[::-1]

    assert counts[0] == counts[1]


def test_a_day_to_come_is_judged_by_the_clock_of_the_usual_site(question):
    late, tomorrow = datetime(2027, 1, 4, 20, 0, tzinfo=UTC), date(2027, 1, 5)
    auckland = build.site(name="Auckland", zone="Pacific/Auckland", country="NZ")

    assert answer(register(site=auckland), given_on=tomorrow, now=late).given_on == tomorrow
    with pytest.raises(RuleBroken):
        answer(register(), given_on=tomorrow, now=late)


@pytest.mark.parametrize("role", [Role.CLINICIAN, Role.PRESCRIBER])
def test_a_clinician_looks_at_an_answer_and_the_first_look_stays(question, site, role):
    given, by = answer(register(), "yes"), make_user(site, role)

    records.review_answer(given, by=by, now=NOW)
    again = records.review_answer(given, by=by, now=NOW.replace(hour=9))

    assert (again.reviewed_at, again.reviewed_by) == (NOW, by)


@pytest.mark.parametrize("role", [Role.RECEPTION, Role.MANAGER, Role.OPERATOR])
def test_nobody_else_looks_at_an_answer_for_a_clinician(question, site, role):
    with pytest.raises(NotAllowed) as refusal:
        records.review_answer(answer(register(), "yes"), by=make_user(site, role), now=NOW)

    assert problems_of(refusal.value) == [("clinician_needed", "")]


def test_an_answer_recorded_in_error_says_why_and_is_left_alone_afterwards(question, site):
    given, clinician = answer(register(), "yes"), make_user(site, Role.CLINICIAN)

    for reason, code in (("  ", "reason_missing"), ("x" * 301, "too_long")):
        with pytest.raises(RuleBroken) as refusal:
            records.mark_answer_error(given, reason=reason, by=clinician, now=NOW)
        assert problems_of(refusal.value) == [(code, "reason")]
    struck = records.mark_answer_error(given, reason="Wrong patient", by=clinician, now=NOW)

    assert (struck.error_at, struck.error_by, struck.error_reason) == (NOW, clinician, "Wrong patient")
    for act in (
        lambda: records.mark_answer_error(given, reason="again", by=clinician, now=NOW),
        lambda: records.review_answer(given, by=clinician, now=NOW),
    ):
        with pytest.raises(Conflict) as refused_:
            act()
        assert problems_of(refused_.value) == [("answer_in_error", "")]
