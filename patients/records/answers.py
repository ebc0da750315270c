"""What patients answer to the questions of risk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime

from django.db import transaction
from django.utils.translation import gettext as _

from clinic.audit import written_by
from clinic.errors import Conflict, NotAllowed, Problem, RuleBroken
from clinic.models import Role, User
from clinic.wellformed import field_problems, tidy
from patients.models import Answer, Patient, Question

from .rows import lock, today_for


@transaction.atomic
def record_answers(
    patient: Patient,
    values: Mapping[str, str],
    *,
    given_on: date,
    by: User | None,
    now: datetime,
    source: str = Answer.Source.STAFF,
    note: str = "",
) -> list[Answer]:
    """Write down what the patient answered, question code to value, all or none, and return it in that order.

    The newest answer that is no error counts; none is ever overwritten. Raises RuleBroken about the first that is
    wrong: question_unknown, answer_unknown (the allowed ones in its details), answer_in_future, answer_before_birth,
    and what the fields refuse. Raises PatientReadOnly.
    """
    locked = lock(patient)
    questions = Question.objects.in_bulk(list(values), field_name="code")
    answers = []
    for code, value in values.items():
        question = questions.get(code)
        problems = _answer_problems(locked, question, code, value, given_on, now)
        answer = Answer(
            patient=locked,
            question=question,
            value=value,
            note=note,
            given_on=given_on,
            source=source,
            recorded_at=now,
            recorded_by=by,
        )
        said = {problem.where for problem in problems}
        problems += [one for one in field_problems(answer, exclude={"question", "patient"}) if one.where not in said]
        if problems:
            raise RuleBroken(*problems)
        answers.append(answer)
    with written_by(by):
        return Answer.objects.bulk_create(answers)


def _answer_problems(
    patient: Patient, question: Question | None, question_code: str, value: str, given_on: date, now: datetime
) -> list[Problem]:
    problems = []
    if question is None:
        sentence = _("There is no question “%(code)s”: choose one of the clinic's questions.")
        problems.append(Problem("question_unknown", sentence % {"code": question_code}, "question"))
    elif value not in question.choices:
        allowed = list(question.choices)
        sentence = _("“%(value)s” is no answer to this question: choose from %(allowed)s.")
        problems.append(
            Problem(
                "answer_unknown",
                sentence % {"value": value, "allowed": ", ".join(allowed)},
                "value",
                {"allowed": allowed},
            )
        )
    if given_on > today_for(patient, now):
        sentence = _("An answer cannot be given on a day to come: enter the day it was given.")
        problems.append(Problem("answer_in_future", sentence, "given_on"))
    if patient.born_on and given_on < patient.born_on:
        sentence = _("The patient was not born yet on that day: enter the day the answer was given.")
        problems.append(Problem("answer_before_birth", sentence, "given_on"))
    return problems


def _lock_answer(answer: Answer) -> Answer:
    lock(answer.patient)
    locked = Answer.objects.select_for_update(no_key=True, of=("self",)).get(pk=answer.pk)
    if locked.error_at is not None:
        raise Conflict(
            Problem("answer_in_error", _("This answer was marked as an error: look at the newest one instead."))
        )
    return locked


@transaction.atomic
def review_answer(answer: Answer, *, by: User, now: datetime) -> Answer:
    """Note that a clinician has looked at the answer; the first look stays. Raises NotAllowed for anybody else."""
    if not by.has_role(Role.CLINICIAN, Role.PRESCRIBER):
        raise NotAllowed(Problem("clinician_needed", _("Ask a clinician to look at this answer.")))
    locked = _lock_answer(answer)
    if locked.reviewed_at is None:
        locked.reviewed_at, locked.reviewed_by = now, by
        with written_by(by):
            locked.save(update_fields=["reviewed_at", "reviewed_by"])
    return locked


@transaction.atomic
def mark_answer_error(answer: Answer, *, reason: str, by: User | None, now: datetime) -> Answer:
    """Strike an answer recorded in error; the one before it counts again. Raises RuleBroken without a reason."""
    locked = _lock_answer(answer)
    locked.error_at, locked.error_by, locked.error_reason = now, by, tidy(reason)
    problems = field_problems(locked, exclude={"question", "patient", "value", "note"})
    if not locked.error_reason:
        problems.append(Problem("reason_missing", _("Say why this answer is an error."), "reason"))
    if problems:
        raise RuleBroken(*(replace(one, where="reason") if one.where == "error_reason" else one for one in problems))
    with written_by(by):
        locked.save(update_fields=["error_at", "error_by", "error_reason"])
    return locked
