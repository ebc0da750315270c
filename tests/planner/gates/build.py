"""Asks gates about a session on a date, in a course that says what matters."""

from __future__ import annotations

from dataclasses import replace

from scheduling.planner.amounts import Amount
from scheduling.planner.facts import Gate, GateState, PatientFacts, RiskRule
from scheduling.planner.gates import gate_answers
from tests.planner.build import PATIENT, course, day, gated, open_session, step

TODAY = day(0)
VISIT = day(20)
APART = Gate("apart", {"protocol": "laser", "at_least": Amount.parse("1 month")})
CLOSED, PENDING = GateState.CLOSED, GateState.PENDING


def asked(*gates, on=VISIT, today=TODAY, before=(), areas=frozenset(), rules=None, **facts):
    """What the gates say about a session that comes after others, in a course of these rules."""
    session = open_session(len(before), step(gates=gated(*gates)), areas=frozenset(areas))
    c = course(*before, session, **facts)
    c = replace(c, protocol=replace(c.protocol, **(rules or {})))
    return gate_answers(session, on, c, today)


def codes(*gates, **facts):
    return [(answer.code, answer.state.value) for answer in asked(*gates, **facts)]


def risk(severity, answer, **facts):
    answers = {} if answer is None else {"pill": answer}
    rules = {"risks": (RiskRule("pill", severity, valid_days=30),)}
    return asked("answers", rules=rules, patient=PatientFacts(PATIENT, answers=answers), **facts)
