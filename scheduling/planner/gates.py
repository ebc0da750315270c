"""Clinical conditions that must be open before a session may happen: one function per gate, asked at four moments.

Each gate answers with what is *not* open, for a session on a date, as known on `today` (the site's local date at
asking). As the date of a session grows, one code of one gate changes at most once; the search relies on it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

from .amounts import after
from .facts import (
    AssessmentFacts,
    ConsentFacts,
    ConsentRule,
    CourseFacts,
    GateAnswer,
    GateState,
    Moment,
    OutcomeResult,
    Reflux,
    RiskRule,
    SessionFacts,
    SessionState,
    Severity,
    StepKind,
)
from .windows import GONE

PRESCRIBER = "prescriber"


@dataclass(frozen=True, slots=True)
class Asked:
    """A session on a date, in its course, as known on `today`."""

    session: SessionFacts
    on: date
    course: CourseFacts
    today: date


GateFunction = Callable[[Asked], list[GateAnswer]]


def assessment(asked: Asked) -> list[GateAnswer]:
    """A clinician has assessed the patient as suitable, long enough ago and not too long ago."""
    done, rule = asked.course.assessment, asked.course.protocol.assessment
    if done is None:
        return [_closed("assessment_missing")]
    answers = []
    if max(asked.on, asked.today) >= _first(done.expires_on, after(rule.valid_for, done.assessed_on)):
        answers.append(_closed("assessment_expired"))
    if not done.suitable:
        answers.append(_closed("assessment_unsuitable"))
    if rule.cooling_off and asked.on < (opens_on := rule.cooling_off.after(done.assessed_on)):
        answers.append(_closed("assessment_cooling_off", opens_on=opens_on))
    return answers


def reflux(asked: Asked) -> list[GateAnswer]:
    """Underlying varicose veins: none, or treated and long enough ago. Not assessed is not checked."""
    found: AssessmentFacts | None = asked.course.assessment
    match found.reflux if found else Reflux.NOT_CHECKED:
        case Reflux.NOT_CHECKED:
            return [_closed("reflux_not_checked")]
        case Reflux.UNTREATED:
            return [_closed("reflux_untreated")]
        case Reflux.TREATED if found and (found.reflux_clear_on is None or asked.on < found.reflux_clear_on):
            return [_closed("reflux_treated_recently", opens_on=found.reflux_clear_on)]
    return []


def answers(asked: Asked) -> list[GateAnswer]:
    """Every risk question of the protocol is answered, recently enough and well. Unknown is not "no".

    Of a session that is booked, an answer that has grown too old since is to be asked again before the visit: pending.
    """
    return [answer for rule in asked.course.protocol.risks for answer in _risk(rule, asked)]


def area(asked: Asked) -> list[GateAnswer]:
    """The protocol may treat every area that the session names."""
    return [_closed("area_not_allowed", name) for name in sorted(asked.session.areas - asked.course.protocol.areas)]


def consent(asked: Asked) -> list[GateAnswer]:
    """A signed consent stands: at booking, or (where the protocol says so) when the visit begins.

    A protocol that lists the gate and says nothing about consent asks for it at booking.
    """
    rule, given = asked.course.protocol.consent or ConsentRule(at="booking"), asked.course.consent
    can_still_be_signed = rule.at == "visit" and asked.on > asked.today
    answers = []
    if given is not None and given.withdrawn_on is not None and given.withdrawn_on <= asked.today:
        answers.append(_closed("consent_withdrawn"))
    elif given is None or given.signed_on is None:
        answers.append(
            _until_the_visit("consent_missing", asked.on) if can_still_be_signed else _closed("consent_missing")
        )
    elif max(asked.on, asked.today) >= _consent_ends(rule, given, given.signed_on):
        answers.append(
            _until_the_visit("consent_expired", asked.on) if can_still_be_signed else _closed("consent_expired")
        )
    if given is not None and rule.cooling_off and asked.on < (opens_on := rule.cooling_off.after(given.informed_on)):
        answers.append(_closed("consent_cooling_off", opens_on=opens_on))
    return answers


def outcome(asked: Asked) -> list[GateAnswer]:
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
            answers.append(_closed("outcome_missing", last.step.key))
        elif last.outcome.result is OutcomeResult.STOP:
            answers.append(_closed("outcome_stop", last.step.key))
        elif last.outcome.result is OutcomeResult.REVIEW and not last.outcome.cleared:
            answers.append(_closed("outcome_review", last.step.key))
    if before and before[-1].state is SessionState.OPEN:
        awaited = before[-1]
        changes_on = (awaited.booked.on,) if awaited.booked else ()
        answers.append(GateAnswer("outcome_awaited", GateState.PENDING, awaited.step.key, changes_on=changes_on))
    return answers


def hold(asked: Asked) -> list[GateAnswer]:
    """Nothing holds the asked.course. A hold is lifted by whom it names, never overridden."""
    return [_closed("course_on_hold", hold.code) for hold in asked.course.holds]


def patient_active(asked: Asked) -> list[GateAnswer]:
    """The patient lives, and the record is not merged into another."""
    answers = []
    if asked.course.patient.deceased_on is not None:
        answers.append(_closed("patient_deceased"))
    if asked.course.patient.merged_away:
        answers.append(_closed("patient_merged"))
    return answers


GATES: dict[str, GateFunction] = {
    gate.__name__: gate for gate in (assessment, reflux, answers, area, consent, outcome, hold, patient_active)
}
ALWAYS_ASKED = frozenset({"hold", "patient_active"})


def gate_answers(session: SessionFacts, on: date, course: CourseFacts, today: date) -> list[GateAnswer]:
    """Return every answer that is not open, in the order of GATES, overrides taken into account.

    A step is asked for the gates it lists, and for a hold and the patient always. Raise KeyError for a gate that does
    not exist: a protocol that names one must not be saved, and never counts as open.
    """
    listed = {gate.name for gate in session.step.gates}
    if unknown := listed - GATES.keys():
        raise KeyError(f"no such gate: {sorted(unknown)}")
    asked = Asked(session, on, course, today)
    return [
        answer
        for name, gate in GATES.items()
        if name in listed or name in ALWAYS_ASKED
        for answer in gate(asked)
        if not is_overridden(answer.code, answer.subject, answer.override, session, on, course)
    ]


def is_overridden(code: str, subject: str, role: str, session: SessionFacts, on: date, course: CourseFacts) -> bool:
    """Whether an override silences this for the session on that date; nothing silences what no role may override."""
    return bool(role) and any(
        o.rule == code and o.subject == subject and o.session in (None, session.id) and on <= o.expires_on
        for o in course.overrides
    )


def refuses(answer: GateAnswer, moment: Moment) -> bool:
    """Whether an answer stands in the way at that moment; at `message` the mail is dropped and a task raised.

    A plan only reports. Booking and messages go on while something is pending; nobody checks in before it is known.
    """
    match answer.state, moment:
        case (GateState.OPEN, _) | (_, Moment.PLAN):
            return False
        case GateState.PENDING, _:
            return moment is Moment.CHECK_IN
        case _:
            return True


def _risk(rule: RiskRule, asked: Asked) -> list[GateAnswer]:
    given = asked.course.patient.answers.get(rule.question)
    if given is None:
        return [_closed("answer_missing", rule.question)]
    found = []
    asked_again_on = given.given_on + timedelta(days=rule.valid_days + 1)
    if asked.today >= asked_again_on and (asked.session.booked is None or asked.on <= asked.today):
        found.append(_closed("answer_expired", rule.question))
    elif asked.on >= asked_again_on:
        found.append(GateAnswer("answer_due_again", GateState.PENDING, rule.question, changes_on=(asked_again_on,)))
    if given.value in rule.refused_answers and not (rule.severity is Severity.ASK and given.reviewed):
        override = PRESCRIBER if rule.severity is Severity.RELATIVE else ""
        found.append(_closed(f"risk_{rule.severity}", rule.question, override=override))
    return found


def _consent_ends(rule: ConsentRule, given: ConsentFacts, signed_on: date) -> date:
    return _first(given.expires_on, after(rule.valid_for, signed_on))


def _first(*dates: date | None) -> date:
    return min((day for day in dates if day is not None), default=date.max)


def _closed(code: str, subject: str = "", *, opens_on: date | None = None, override: str = "") -> GateAnswer:
    return GateAnswer(code, GateState.CLOSED, subject, opens_on=opens_on, override=override)


def _until_the_visit(code: str, on: date) -> GateAnswer:
    return GateAnswer(code, GateState.PENDING, changes_on=(on,))
