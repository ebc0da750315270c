"""Gates of what clinicians find and record: assessment, reflux, answers to risk questions, areas, outcomes."""

from __future__ import annotations

from datetime import date, timedelta

from scheduling.planner.amounts import after
from scheduling.planner.facts import (
    AssessmentFacts,
    CourseFacts,
    GateAnswer,
    OutcomeResult,
    Reflux,
    RiskRule,
    SessionFacts,
    SessionState,
    Severity,
    StepKind,
)
from scheduling.planner.windows import GONE

from .kinds import PENDING, PRESCRIBER, Code, DatedSession, closed, first_of, gate

BEFORE_LAST_SESSION = "answer_before_last_session"
# Codes of questions that are to be asked; the last only at check-in.
ASK_AGAIN = ("answer_missing", "answer_expired", "answer_due_again", BEFORE_LAST_SESSION)


# --- assessment -----------------------------------------------------------------------------------------------------


@gate(
    Code("assessment_missing"),
    Code("assessment_expired"),
    Code("assessment_unsuitable"),
    Code("assessment_cooling_off"),
)
def assessment(asked: DatedSession) -> list[GateAnswer]:
    """A clinician has assessed the patient as suitable, long enough ago and not too long ago."""
    done, rule = asked.course.assessment, asked.course.protocol.assessment
    if done is None:
        return [closed("assessment_missing")]
    answers = []
    if max(asked.on, asked.today) >= first_of(done.expires_on, after(rule.valid_for, done.assessed_on)):
        answers.append(closed("assessment_expired"))
    if not done.suitable:
        answers.append(closed("assessment_unsuitable"))
    if rule.cooling_off and asked.on < (opens_on := rule.cooling_off.after(done.assessed_on)):
        answers.append(closed("assessment_cooling_off", opens_on=opens_on))
    return answers


@gate(Code("reflux_not_checked"), Code("reflux_untreated"), Code("reflux_treated_recently"))
def reflux(asked: DatedSession) -> list[GateAnswer]:
    """Underlying varicose veins: none, or treated and long enough ago. Not assessed is not checked."""
    found: AssessmentFacts | None = asked.course.assessment
    match found.reflux if found else Reflux.NOT_CHECKED:
        case Reflux.NOT_CHECKED:
            return [closed("reflux_not_checked")]
        case Reflux.UNTREATED:
            return [closed("reflux_untreated")]
        case Reflux.TREATED if found and (found.reflux_clear_on is None or asked.on < found.reflux_clear_on):
            return [closed("reflux_treated_recently", opens_on=found.reflux_clear_on)]
    return []


# --- answers --------------------------------------------------------------------------------------------------------


@gate(
    Code("answer_missing"),
    Code("answer_expired"),
    Code("answer_due_again", (PENDING,)),
    Code("risk_absolute"),
    Code("risk_relative", override=PRESCRIBER),
    Code("risk_ask"),
)
def answers(asked: DatedSession) -> list[GateAnswer]:
    """Every risk question of the protocol is answered, recently enough and well. Unknown is not "no".

    Of a session that is booked, an answer that has grown too old since is to be asked again before the visit: pending.
    """
    return [answer for rule in asked.course.protocol.risks for answer in _risk(rule, asked)]


def _risk(rule: RiskRule, asked: DatedSession) -> list[GateAnswer]:
    given = asked.course.patient.answers.get(rule.question)
    if given is None:
        return [closed("answer_missing", rule.question)]
    found = []
    asked_again_on = given.given_on + timedelta(days=rule.valid_days + 1)
    if asked.today >= asked_again_on and (asked.session.booked is None or asked.on <= asked.today):
        found.append(closed("answer_expired", rule.question))
    elif asked.on >= asked_again_on:
        found.append(GateAnswer("answer_due_again", PENDING, rule.question, changes_on=(asked_again_on,)))
    if given.value in rule.refused_answers and not (rule.severity is Severity.ASK and given.reviewed):
        override = PRESCRIBER if rule.severity is Severity.RELATIVE else ""
        found.append(closed(f"risk_{rule.severity}", rule.question, override=override))
    return found


def not_asked_since(session: SessionFacts, course: CourseFacts) -> list[GateAnswer]:
    """Return the risk questions answered last before, or on the day of, the treatment before this session.

    They are asked again before every session, however long an answer would hold. Only check-in asks for it: until then
    there is time. A step that does not list the gate `answers` asks for none.
    """
    if not any(gate.name == "answers" for gate in session.step.gates):
        return []
    before = [
        other.performed_on
        for other in course.sessions
        if other.performed_on is not None
        and other.step.kind is StepKind.TREATMENT
        and other.position < session.position
    ]
    last_on = max(before, default=date.min)
    return [
        GateAnswer(BEFORE_LAST_SESSION, PENDING, rule.question)
        for rule in course.protocol.risks
        if (given := course.patient.answers.get(rule.question)) is not None and given.given_on <= last_on
    ]


# --- area -----------------------------------------------------------------------------------------------------------


@gate(Code("area_not_allowed"))
def area(asked: DatedSession) -> list[GateAnswer]:
    """The protocol may treat every area that the session names."""
    return [closed("area_not_allowed", name) for name in sorted(asked.session.areas - asked.course.protocol.areas)]


# --- outcome --------------------------------------------------------------------------------------------------------


@gate(
    Code("outcome_missing"),
    Code("outcome_stop"),
    Code("outcome_review"),
    Code("outcome_awaited", (PENDING,)),
)
def outcome(asked: DatedSession) -> list[GateAnswer]:
    """The treatment before it has an outcome that lets the course go on; one that is still to come is awaited."""
    before = [
        s
        for s in asked.course.sessions
        if s.position < asked.session.position and s.step.kind is StepKind.TREATMENT and s.state not in GONE
    ]
    answers = []
    performed = [s for s in before if s.state is SessionState.PERFORMED]
    if performed:
        last = performed[-1]
        if last.outcome is None:
            answers.append(closed("outcome_missing", last.step.key))
        elif last.outcome.result is OutcomeResult.STOP:
            answers.append(closed("outcome_stop", last.step.key))
        elif last.outcome.result is OutcomeResult.REVIEW and not last.outcome.cleared:
            answers.append(closed("outcome_review", last.step.key))
    if before and before[-1].state is SessionState.OPEN:
        awaited = before[-1]
        changes_on = (awaited.booked.on,) if awaited.booked else ()
        answers.append(GateAnswer("outcome_awaited", PENDING, awaited.step.key, changes_on=changes_on))
    return answers
