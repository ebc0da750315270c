"""A patient at the desk: ask what is due for this visit, record it, and let the visit begin if every gate is open.

What was answered stays, whether or not the visit may begin: a bad answer must not be lost with the refusal it causes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from clinic import rights
from clinic.acts import act
from clinic.errors import Problem
from clinic.models import Role, User
from patients.models import Answer

from . import holds, intake, roster, visits, wording
from .models import Appointment, Course, Hold, RiskRule, Session
from .planner import facts
from .planner.gates import ASK_AGAIN, gate_answers, not_asked_since


@dataclass(frozen=True, slots=True)
class Due:
    """A question to ask now: why, what was answered last, and which answers would hold the course."""

    rule: RiskRule
    why: str
    last: Answer | None

    @property
    def code(self) -> str:
        return self.rule.question.code

    @property
    def decided_by(self) -> Role:
        """Who decides about the hold that a bad answer places."""
        return intake.who_decides(self.rule)


@dataclass(frozen=True, slots=True)
class CheckedIn:
    """What became of it. Problems keep the visit from beginning; they are empty exactly if it was admitted."""

    appointment: Appointment
    admitted: bool
    problems: tuple[Problem, ...]
    holds: tuple[Hold, ...]


def due_questions(session: Session, *, now: datetime) -> list[Due]:
    """Return what must be asked before a session on its day: unknown, too old by then, or not asked since the last one.

    In the protocol's order and a constant number of statements. A step that does not ask for answers asks for none.
    """
    course = Course.objects.for_facts().get(pk=session.course_id)
    as_it_stands = roster.course_facts(course)
    known = next(one for one in as_it_stands.sessions if one.id == session.uid)
    today = roster.today(course.site, now)
    why = _why(known, as_it_stands, max(known.booked.on if known.booked else today, today), today)
    rules = course.version.risk_rules.select_related("question").filter(question__code__in=why)
    last = {answer.question_id: answer for answer in _newest(course, list(why))}
    return [Due(rule, why[rule.question.code], last.get(rule.question_id)) for rule in rules.order_by("pk")]


def _why(session: facts.SessionFacts, course: facts.CourseFacts, on: date, today: date) -> dict[str, str]:
    """Return, by question, why it is due for a session on that date."""
    since = {answer.subject: answer.code for answer in not_asked_since(session, course)}
    gates = gate_answers(session, on, course, today)
    return since | {answer.subject: answer.code for answer in gates if answer.code in ASK_AGAIN}


def _newest(course: Course, questions: list[str]) -> list[Answer]:
    rows = Answer.objects.filter(patient=course.patient_id, question__code__in=questions, error_at=None)
    return list(rows.order_by("question_id", "-given_on", "-recorded_at", "-id").distinct("question_id"))


@act
def check_in(
    appointment: Appointment,
    values: Mapping[str, str],
    *,
    visits_of_held: str = holds.Visits.KEEP,
    by: User | None,
    now: datetime,
) -> CheckedIn:
    """Record the answers given at the desk, then let the visit begin if nothing is left to ask and every gate is open.

    Refuses a visit that is not live or not today, and malformed answers: then nothing is written. A gate that is not
    open is no refusal here: the answers are recorded, a bad one holds the course at once, and the result says why the
    visit does not begin.
    """
    rights.require(by, appointment.site, *rights.FRONT_DESK)
    course = roster.lock(appointment.session.course, now=now)
    appointment = visits.fresh(appointment)
    session, on = appointment.session, roster.today(appointment.site, now)
    visits.refuse_unless_expected(appointment, on)
    if values:
        intake.answer_all(course.patient, values, given_on=on, visits=visits_of_held, by=by, now=now)
    problems = wording.gate_problems(visits.gates_at_check_in(course, session, on), session.uid, roster.subjects())
    appointment = visits.fresh(appointment) if problems else visits.arrive(appointment, by=by, now=now)
    standing = Hold.objects.standing().filter(course=course).select_related("course").order_by("pk")
    return CheckedIn(appointment, not problems, tuple(problems), tuple(standing))
