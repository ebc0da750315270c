"""The hazard log names its tests, and they are there; what it calls not yet controlled is known to be so."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
LOG = PROJECT / "docs" / "hazards.md"
ROWS = (
    "causes", "effect and harm", "risk before", "controls", "proven by", "not yet controlled", "risk left", "owner",
)  # fmt: skip
NOTHING = "–"
OWNERS = {"maker", "prescriber", "clinician", "front desk", "manager", "operator"}

# Hazard -> what a later issue has to control. Whoever closes the issue takes the line away, here and in the log.
NOT_YET = {
    5: "verified addresses: issue on bounces and links",
    7: "bounces: issue on bounces and links; alarm to an operator: issue on operations",
    10: "merging with undo: issue on merging and pseudonymising",
    14: "links that act only on POST, expire, and are stored hashed: issue on bounces and links",
    15: "tested backup and restore, day list on paper: issue on operations",
    26: "a clock that runs ahead: issue on operations",
}
UNPROVEN = {14}  # mail has no links: there is nothing to test yet


@dataclass(frozen=True)
class Hazard:
    number: int
    title: str
    rows: dict[str, str]

    @property
    def tests(self) -> list[str]:
        return re.findall(r"`([^`]+)`", self.rows.get("proven by", ""))

    @property
    def not_yet(self) -> str:
        said = self.rows.get("not yet controlled", "")
        return "" if said == NOTHING else said

    def __str__(self) -> str:
        return f"{self.number}. {self.title}"


@cache
def hazards() -> tuple[Hazard, ...]:
    sections = re.split(r"^## (\d+)\. (.+)$", LOG.read_text(), flags=re.MULTILINE)[1:]
    return tuple(
        Hazard(int(number), title, dict(re.findall(r"^\| ([a-z][a-z ]*) \| (.+) \|$", text, re.MULTILINE)))
        for number, title, text in zip(sections[::3], sections[1::3], sections[2::3], strict=True)
    )


@cache
def names_in(path: str) -> frozenset[str]:
    """Return the names of the tests of a file, read and not run."""
    file = PROJECT / path
    if not file.is_file():
        return frozenset()
    tree = ast.parse(file.read_text())
    return frozenset(
        node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    )


@cache
def matrix() -> dict[tuple[str, str], str]:
    """Return the risk for each severity and likelihood, as the log prints the table."""
    table = re.findall(r"^\| ([a-z ]+?) +\| ([a-z0-9 |]+) \|$", LOG.read_text().partition("## 1.")[0], re.MULTILINE)
    (_word, heads), *lines = [(head, row.split(" | ")) for head, row in table]
    return {
        (severity, likelihood): risk for likelihood, row in lines for severity, risk in zip(heads, row, strict=True)
    }


def is_read(risk: str) -> bool:
    """Whether a risk is what the table says for its severity and likelihood."""
    said = re.fullmatch(r"(\w+) × ([\w ]+) = (\d)", risk)
    return said is not None and matrix().get((said[1], said[2])) == said[3]


def missing(nodes: list[str]) -> list[str]:
    return [node for node in nodes if node.partition("::")[2] not in names_in(node.partition("::")[0])]


def test_the_fifteen_known_hazards_stand_first_and_all_are_numbered_through():
    assert [hazard.number for hazard in hazards()] == list(range(1, len(hazards()) + 1))
    assert len(hazards()) > 15


@pytest.mark.parametrize("hazard", hazards(), ids=str)
def test_a_hazard_says_everything(hazard: Hazard):
    assert set(hazard.rows) == set(ROWS)
    assert hazard.rows["owner"] in OWNERS
    assert [hazard.rows[name] for name in ("risk before", "risk left") if not is_read(hazard.rows[name])] == []


@pytest.mark.parametrize("hazard", hazards(), ids=str)
def test_the_tests_that_prove_a_control_are_there(hazard: Hazard):
    assert missing(hazard.tests) == []
    assert bool(hazard.tests) != (hazard.number in UNPROVEN)


def test_what_is_not_yet_controlled_is_known_to_be_so():
    assert {hazard.number: hazard.not_yet for hazard in hazards() if hazard.not_yet} == NOT_YET
    assert NOT_YET.keys() >= UNPROVEN


def test_no_risk_of_four_or_more_is_left():
    assert [str(hazard) for hazard in hazards() if int(hazard.rows["risk left"][-1]) >= 4] == []


def test_a_test_that_is_gone_is_noticed():
    assert missing(
        [
            "tests/test_hazards.py::test_a_test_that_is_gone_is_noticed",
            "tests/test_hazards.py::test_of_yesterday",
            "tests/test_of_yesterday.py::test_a_test_that_is_gone_is_noticed",
            "tests/test_hazards.py::missing",
        ]
    ) == [
        "tests/test_hazards.py::test_of_yesterday",
        "tests/test_of_yesterday.py::test_a_test_that_is_gone_is_noticed",
        "tests/test_hazards.py::missing",
    ]
