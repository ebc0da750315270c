"""docs/protocols.md: its examples are in order, and it names everything there is."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent, indent

from scheduling import protocols
from scheduling.models import MessageKind
from scheduling.outbox import placeholders
from scheduling.outbox.policy import ALWAYS, USUAL, Rule
from scheduling.planner import facts
from scheduling.planner.gates import GATES

from .protocol_files import WORDS, changed

DOCS = Path(__file__).resolve().parents[2] / "docs" / "protocols.md"


def test_the_examples_in_the_docs_are_in_order_and_the_long_one_is_the_file_that_is_shipped():
    blocks = [block.split("```")[0] for block in DOCS.read_text("utf-8").split("```yaml\n")[1:]]
    small, words, whole = blocks

    assert protocols.parse_with(small, WORDS).key == "fruit_acid_peel"
    assert protocols.parse_vocabulary(words).choices == {
        "metal_implant": ("no", "yes"),
        "skin_type": ("light", "medium", "dark"),
    }
    assert whole == protocols.shipped("microsclerotherapy")


def test_the_docs_name_every_gate_and_every_late_action():
    told = DOCS.read_text("utf-8")

    listed = [name for name, kind in GATES.items() if not kind.always]
    assert [name for name in (*listed, *facts.LateAction) if f"`{name}" not in told] == []


def test_the_docs_name_every_shipped_protocol_placeholder_and_message():
    told = DOCS.read_text("utf-8")

    names = [*protocols.shipped_keys(), *MessageKind.values, *(f"${{{name}}}" for name in placeholders.PLACEHOLDERS)]
    assert [name for name in names if f"`{name}`" not in told] == []
    assert {name for name in placeholders.PLACEHOLDERS if f"`${{{name}}}`†" in told} == placeholders.SUBJECT


def test_the_docs_say_which_messages_are_usual():
    rows = [row.split(" | ") for row in DOCS.read_text("utf-8").splitlines() if row.startswith("| `")]
    said = {kind: cells[-1].removesuffix(" |") for cells in rows for kind in re.findall(r"`(\w+)`", cells[0])}

    assert {kind for kind in MessageKind.values if said.get(kind) == "always"} == ALWAYS
    usual = {kind: said[kind] for kind in USUAL}
    assert usual == {
        "preparation": "7 days before, if booked more than 14 days ahead",
        "reminder": "3 days and 1 day before",
        "recall": "yes",
        "overdue": "yes",
        "finished": "yes",
    }
    assert (USUAL["preparation"], USUAL["reminder"]) == ((Rule(7, 14),), (Rule(3), Rule(1)))


def test_the_pieces_of_files_in_the_docs_are_in_order():
    """Pieces that are indented in the docs: put where they belong, they are read."""
    told = DOCS.read_text("utf-8")
    pieces = [
        dedent(block)
        for block in re.findall(r"(?:^    [^\n]*\n)+", told, re.MULTILINE)
        if block.lstrip().startswith(("spacings:", "gates:", "cooling_off:"))
    ]
    spacings, gates, cooling_off = (next(p for p in pieces if p.startswith(w)) for w in ("spac", "gates", "cool"))
    consent = "consent:\n  at: visit\n  texts: {en: I agree}\n" + indent(cooling_off, "  ")
    text = changed("    gates: []\n", indent(gates, "    ").replace("- outcome", "- consent"))
    text = text[: text.index("    spacings:")] + indent(spacings, "    ") + text[text.index("    gates:") :] + consent

    found = protocols.parse_with(text, WORDS)

    assert [band.action for band in found.steps[0].spacings[0].late_bands] == ["repeat_step", "shorten", "review"]
    assert [gate.name for gate in found.steps[0].gates] == ["assessment", "consent", "yearly_limit"]
    assert found.consent is not None
    assert [wait.under_age for wait in found.consent.cooling_off] == [None, 18]
