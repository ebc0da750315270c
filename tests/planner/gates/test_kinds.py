from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from scheduling.planner import gates
from scheduling.planner.amounts import Amount
from scheduling.planner.facts import (
    AnswerFacts,
    AssessmentFacts,
    AssessmentRule,
    ConsentFacts,
    ConsentRule,
    ConsentScope,
    CoolingOff,
    CourseFacts,
    Gate,
    GateAnswer,
    GateState,
    GuardianFacts,
    HoldFacts,
    LateAction,
    LateBand,
    OutcomeFacts,
    OutcomeResult,
    PatientFacts,
    Reference,
    Reflux,
    RiskRule,
    SessionFacts,
    Severity,
    Step,
    StepKind,
    TreatmentFacts,
)
from scheduling.planner.gates import GATES, DatedSession, as_json
from scheduling.planner.gates.kinds import GateKind
from tests.planner.build import PATIENT, booked, course, day, open_session, performed, sample, spacing, step
from tests.planner.gates.build import TODAY


def test_every_gate_that_is_written_is_asked():
    rooms = [import_module(f"{gates.__name__}.{room.name}") for room in iter_modules(gates.__path__)]
    written = {one.name for room in rooms for one in vars(room).values() if isinstance(one, GateKind)}

    assert written == GATES.keys()


@pytest.mark.parametrize("name", GATES)
def test_what_a_gate_takes_is_read_back_as_it_is_stored(name):
    given = sample(name)

    assert GATES[name].read(json.loads(json.dumps(as_json(given)))) == given.parameters


# --- whom a gate concerns ---------------------------------------------------------------------------------------------

DATES = st.integers(-40, 40).map(day)
MAYBE = st.none() | DATES
KINDS = st.sampled_from([StepKind.TREATMENT, *StepKind])
AREAS = st.frozensets(st.sampled_from(["left_leg", "face"]))
CONSENTS = st.none() | st.builds(
    ConsentFacts, DATES, signed_on=MAYBE, withdrawn_on=MAYBE, expires_on=MAYBE, by_guardian=st.booleans()
)
RISKS = (
    RiskRule("clot", Severity.ABSOLUTE, 14),
    RiskRule("pill", Severity.RELATIVE, 14),
    RiskRule("lump", Severity.ASK, 14),
)
TREATMENTS = st.builds(
    TreatmentFacts,
    st.sampled_from(["laser", "micro"]),
    DATES,
    st.booleans(),
    areas=AREAS,
    apart=st.sampled_from([(), (Gate("apart", {"protocol": "micro", "at_least": Amount.parse("2 weeks")}),)]),
)


@st.composite
def steps(draw, key: str) -> Step:
    """A step of any kind, with late bands or without, which lists some gates."""
    bands = [
        LateBand(Amount.parse(f"{at} days"), Amount.parse(f"{at + 5} days"), draw(st.sampled_from(LateAction)))
        for at in (5, 10)
    ]
    reference = draw(st.sampled_from([(Reference.PREVIOUS, ""), (Reference.EVENT, "varicose_treatment")]))
    spacings = [replace(spacing(*reference), late_bands=tuple(bands[: draw(st.integers(0, 2))]))]
    return step(key, *spacings, kind=draw(KINDS), gates=draw(st.sampled_from([(), (sample("apart"),)])))


@st.composite
def pasts(draw) -> list[SessionFacts]:
    """Up to three sessions, performed or still to come, booked or not."""
    sessions: list[SessionFacts] = []
    for at in range(draw(st.integers(0, 3))):
        visit = open_session(at, draw(steps(f"step_{at}")))
        outcome = draw(st.none() | st.builds(OutcomeFacts, st.sampled_from(OutcomeResult), st.booleans()))
        was = performed(at, visit.step, day(-draw(st.integers(0, 40))), outcome=outcome)
        sessions.append(draw(st.sampled_from([was, visit, booked(visit, draw(DATES))])))
    return sessions


@st.composite
def patients(draw) -> PatientFacts:
    """Somebody of any age of whom anything may be known or not."""
    answers = st.none() | st.builds(AnswerFacts, st.sampled_from(["yes", "no"]), DATES, st.booleans())
    given = {rule.question: draw(answers) for rule in RISKS}
    return PatientFacts(
        PATIENT,
        deceased_on=draw(MAYBE),
        merged_away=draw(st.booleans()),
        answers={question: answer for question, answer in given.items() if answer is not None},
        born_on=draw(st.none() | st.sampled_from([date(1980, 5, 17), date(2012, 3, 10)])),
        guardians=tuple(draw(st.lists(st.builds(GuardianFacts, MAYBE, MAYBE), max_size=2))),
    )


@st.composite
def courses(draw) -> CourseFacts:
    """A course and a patient with whom anything may be wrong, by a protocol of any rules."""
    before = draw(pasts())
    visit = open_session(
        len(before),
        draw(steps("last")),
        areas=draw(AREAS),
        consent=draw(CONSENTS),
        late_action=draw(st.sampled_from(["", *LateAction])),
    )
    visit = draw(st.sampled_from([visit, booked(visit, draw(DATES))]))
    assessments = st.builds(
        AssessmentFacts,
        DATES,
        suitable=st.booleans(),
        reflux=st.sampled_from(Reflux),
        reflux_clear_on=MAYBE,
        expires_on=MAYBE,
    )
    holds = st.builds(HoldFacts, st.just("payment"), st.just(""), st.just("manager"))
    made = course(
        *before,
        visit,
        patient=draw(patients()),
        assessment=draw(st.none() | assessments),
        consent=draw(CONSENTS),
        holds=tuple(draw(st.lists(holds, max_size=2))),
        elsewhere=tuple(draw(st.lists(TREATMENTS, max_size=3))),
        events={"varicose_treatment": draw(DATES)},
    )
    waits = (CoolingOff(Amount.parse("7 days")),)
    consents = st.builds(
        ConsentRule,
        st.sampled_from(["booking", "visit"]),
        st.sampled_from([(), waits]),
        st.sampled_from([None, Amount.parse("1 month")]),
        st.sampled_from(ConsentScope),
    )
    rules: dict[str, Any] = {
        "risks": RISKS,
        "consent": draw(st.none() | consents),
        "assessment": AssessmentRule(Amount.parse("1 month"), Amount.parse("3 days")),
        "minimum_age": draw(st.none() | st.sampled_from([14, 18])),
    }
    return replace(made, protocol=replace(made.protocol, **rules))


ASKED_ON = [day(number) for number in range(-1, 40)]


def said(kind: GateKind, of: CourseFacts) -> list[GateAnswer]:
    """What a gate says of the last session of a course on some date, whether or not it says that it concerns it."""
    gate = sample(kind.name)
    dated = (DatedSession(of.sessions[-1], on, of, TODAY, parameters=gate.parameters) for on in ASKED_ON)
    return [answer for one in dated for answer in kind.ask(one)]


@settings(max_examples=200, deadline=None)
@given(courses())
def test_a_gate_says_nothing_on_any_date_of_a_step_that_does_not_concern_it(of):
    unconcerned = [kind for kind in GATES.values() if not kind.concerns(of.sessions[-1].step, of)]

    assert {kind.name: answers for kind in unconcerned if (answers := said(kind, of))} == {}


def test_the_courses_of_these_tests_bring_about_every_answer_of_every_gate():
    """Else the test above would show nothing."""
    found: set[tuple[str, GateState]] = set()

    @settings(max_examples=200, deadline=None, phases=[Phase.generate], derandomize=True, database=None)
    @given(courses())
    def look(of: CourseFacts) -> None:
        found.update((answer.code, answer.state) for kind in GATES.values() for answer in said(kind, of))

    look()
    assert found == {(code.code, state) for kind in GATES.values() for code in kind.codes for state in code.states}
