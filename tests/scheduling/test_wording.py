"""Every code that the planner can answer has a sentence for people."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from clinic.models import Site
from scheduling import planner, wording
from scheduling.planner import relax
from scheduling.planner.chains import Chain, Stuck
from scheduling.planner.cost import Weights
from scheduling.planner.explain import ASKED_IN_ORDER, Unplannable
from scheduling.planner.facts import LateAction, Severity
from scheduling.planner.gates import BEFORE_LAST_SESSION, GATES
from scheduling.planner.rules import RULES, SPACING_RULES
from tests.planner.build import day
from tests.planner.far_back import every_other_day, far_back


def codes_of(module: str, *functions: str) -> set[str]:
    """The literal codes with which a module of the planner, or a package there, calls one of the functions."""
    here = Path(planner.__file__).parent
    trees = [ast.parse(path.read_text()) for path in (*here.glob(f"{module}.py"), *here.glob(f"{module}/*.py"))]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    calls = [node for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    return {
        argument.value
        for call in calls
        if call.func.id in functions
        for argument in call.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str) and "_" in argument.value
    }


def test_every_gate_and_rule_has_a_sentence():
    gates = {code.code for kind in GATES.values() for code in kind.codes}
    rules = codes_of("rules", "_broken", "Violation") | {rule.__name__ for rule in RULES} - {"gate_closed"}

    assert gates | rules <= wording.SENTENCES.keys()


# Time opens these, and the sentence says when; of the dead and of merged records there is nothing to open.
OPENED_BY_NOBODY = {
    "assessment_cooling_off",
    "consent_cooling_off",
    "yearly_limit_reached",
    "season_closed",
    "too_young",
    "patient_deceased",
    "patient_merged",
}


def test_every_gate_says_who_opens_it_and_where():
    gates = {code.code: code.override for kind in GATES.values() for code in kind.codes}

    unsaid = {code for code, override in gates.items() if not wording.remedy(code) and not override}
    assert unsaid == OPENED_BY_NOBODY
    spacing = {rule.__name__ for rule in SPACING_RULES}
    assert spacing <= wording.REMEDIES.keys() <= gates.keys() | spacing | {BEFORE_LAST_SESSION}


def test_gates_answer_with_the_codes_that_they_have_entered_and_no_others():
    entered = {code.code for kind in GATES.values() for code in kind.codes}
    written = codes_of("gates", "closed", "_until_the_visit", "GateAnswer")
    made = {f"risk_{severity}" for severity in Severity}
    made |= {f"late_{action}" for action in (LateAction.REVIEW, LateAction.REPEAT_STEP, LateAction.RESTART)}

    assert written | made == entered


def test_every_reason_and_way_out_has_a_sentence():
    of_terms = {code for code, _ in relax.OF_TERMS}
    ways_out = {"horizon"} | of_terms | {code for code, *_ in (*relax.OF_WISHES, *relax.OF_DATES)}
    ways_out |= codes_of("relax", "GivenUp")

    assert set(ASKED_IN_ORDER) | {"spacing", "beyond_horizon"} <= wording.NO_PLAN.keys()
    assert ways_out == set(wording.GIVEN_UP)
    assert of_terms == set(wording.GIVEN_UP_FOR_ONE)


@pytest.mark.parametrize("code", sorted(wording.SENTENCES))
def test_a_sentence_reads_with_its_subject(code):
    text = wording.sentence(code, subject="x", override="prescriber", names={"x": "Dr Ada"})

    assert text.endswith("Only a prescriber may override this.")
    assert "%(" not in text


def test_a_search_that_was_broken_off_says_first_that_there_may_be_a_plan():
    chain = Chain(far_back(), every_other_day(120), Weights(), today=day(0))
    chain.work.allow(1000)
    stuck = chain.outcome()
    assert isinstance(stuck, Stuck)

    first, *others = wording.no_plan(Unplannable(chain, stuck), Site(zone="Europe/London"))

    assert (first.code, first.where) == ("search_broken_off", str(stuck.session.id))
    assert first.message.startswith("There may be a plan")
    assert "search_broken_off" not in {problem.code for problem in others}
