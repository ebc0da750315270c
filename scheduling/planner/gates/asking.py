"""Every gate there is, and asking them: which a session is asked for, what they answer, and what that refuses.

Between two dates on which gates turn, one code about one subject changes at most once as the date of the session grows.
The search relies on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import cache
from uuid import UUID

from scheduling.planner.facts import CourseFacts, GateAnswer, GateState, Moment, Parameter, SessionFacts, Step
from scheduling.planner.windows import NO_DATES

from . import calendar, clinical, patient
from .kinds import DatedSession, GateKind

GATES: dict[str, GateKind] = {  # in the order in which they are asked
    kind.name: kind
    for kind in (
        clinical.assessment,
        clinical.reflux,
        clinical.answers,
        clinical.area,
        patient.consent,
        clinical.outcome,
        calendar.yearly_limit,
        calendar.review_due,
        calendar.season,
        calendar.apart,
        calendar.late,
        patient.age,
        patient.hold,
        patient.patient_active,
    )
}


def gate_answers(
    session: SessionFacts, on: date, course: CourseFacts, today: date, dates: Mapping[UUID, date] = NO_DATES
) -> list[GateAnswer]:
    """Return every answer that is not open, in the order of GATES, overrides taken into account.

    A session is asked for the gates that its step lists, and for those that need no listing. `dates` are assumed for
    other sessions of the course. Raise KeyError for a gate that does not exist: a protocol that names one must not be
    saved, and never counts as open.
    """
    return [
        answer
        for kind, parameters in _gates_of(session.step, course)
        for answer in kind.ask(DatedSession(session, on, course, today, dates, parameters))
        if not is_overridden(answer.code, answer.subject, answer.override, session, on, course)
    ]


def could_refuse(step: Step, course: CourseFacts) -> bool:
    """Whether there is any gate to ask about the sessions of a step; False: all are open on every date."""
    return bool(_gates_of(step, course))


def turning_dates(session: SessionFacts, first_on: date, last_on: date, course: CourseFacts, today: date) -> list[date]:
    """Return the dates from the first one on between which no code of a gate changes more than once, in order."""
    turns = {
        on
        for kind, parameters in _gates_of(session.step, course)
        for on in kind.turns(DatedSession(session, first_on, course, today, NO_DATES, parameters), last_on)
    }
    return sorted({first_on} | {on for on in turns if first_on < on <= last_on})


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


def _gates_of(step: Step, course: CourseFacts) -> list[tuple[GateKind, Mapping[str, Parameter]]]:
    """Return the gates that a session is asked for, in the order of GATES, each with its parameters."""
    if not step.gates:
        return [(kind, {}) for kind in _unlisted() if kind.concerns(step, course)]
    listed: dict[str, list[Mapping[str, Parameter]]] = {}
    for one in step.gates:
        listed.setdefault(one.name, []).append(one.parameters)
    if unknown := listed.keys() - GATES.keys():
        raise KeyError(f"no such gate: {sorted(unknown)}")
    return [
        (kind, parameters)
        for name, kind in GATES.items()
        for parameters in ([{}] if kind.always or kind.both_ways else listed.get(name, []))
        if kind.concerns(step, course)
    ]


@cache
def _unlisted() -> list[GateKind]:
    """Return the gates that are asked of every session."""
    return [kind for kind in GATES.values() if kind.always or kind.both_ways]
