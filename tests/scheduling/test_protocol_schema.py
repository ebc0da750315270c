"""The published JSON Schema: it is the current one, shipped files satisfy it, and it refuses nothing that is right."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from scheduling import protocols
from tests.scheduling.protocol_files import WORDS, changed

PUBLISHED = Path(__file__).resolve().parents[2] / "docs" / "protocol.schema.json"


class _Core(yaml.SafeLoader):
    """YAML 1.2 as editors read it: only true and false are booleans, and no date is anything but text."""


_Core.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in [
    ("bool", r"true|false", "tf"),
    ("null", r"null|~|", ["n", "~", ""]),
    ("int", r"[-+]?[0-9]+", list("-+0123456789")),
    ("float", r"[-+]?[0-9]+\.[0-9]*", list("-+0123456789")),
]:
    _Core.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), _first)


@cache
def validator() -> Draft202012Validator:
    schema = json.loads(PUBLISHED.read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def is_valid(tree: Any) -> bool:
    return bool(validator().is_valid(tree))


def is_refused(text: str) -> bool:
    try:
        protocols.parse_with(text, WORDS)
    except protocols.ProtocolInvalid:
        return True
    return False


def as_text(text: str) -> Any:
    """A file with every value as the text that stands there, as our own reader sees it."""
    return yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506  (it builds texts, lists and mappings only)


def as_an_editor_reads(text: str) -> Any:
    return yaml.load(text, Loader=_Core)  # noqa: S506  (the same, with numbers and booleans)


def test_the_published_schema_is_the_current_one():
    assert PUBLISHED.read_text("utf-8") == protocols.schema_text()


@pytest.mark.parametrize("key", protocols.shipped_keys())
@pytest.mark.parametrize("read", [as_text, as_an_editor_reads])
def test_every_shipped_file_satisfies_the_schema(key, read):
    assert [error.message for error in validator().iter_errors(read(protocols.shipped(key)))] == []


@pytest.mark.parametrize("read", [as_text, as_an_editor_reads])
def test_the_example_satisfies_the_schema(read):
    example = PUBLISHED.parent / "examples" / "photodynamic_therapy.yaml"

    assert [error.message for error in validator().iter_errors(read(example.read_text("utf-8")))] == []


FULL = (
    changed("gates: []", "gates: [area, answers, consent, {yearly_limit: {at_most: 5}}]")
    + """\
areas: [leg]
consent: {at: visit, texts: {en: I agree}}
questions: [{question: pregnancy, severity: ask, valid_days: 3}]
follow_ups: [{key: call, name: Call, after_step: peel, kind: call, after: 2 days}]
messages: [{kind: reminder, days_before: 1}]
texts: {aftercare: {en: {subject: After, body: Rest.}}}
"""
)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name: Peel", "nmae: Peel"),
        ("name: Peel", "name:"),
        ("name: Peel", "name: [Peel]"),
        ("protocol: peel", "protocol: Peel"),
        ("kind: treatment", "kind: treatmnet"),
        ("sessions: 4", "sessions: four"),
        ("sessions: 4", "sessions: 0"),
        ("minutes: 30", "minutes: 1 month"),
        ("minutes: 30", "minutes: 721"),
        ("        needs: {nurse: vaccination, room: treatment_room}\n", ""),
        ("from: previous", "from: 'previous '"),
        ("gates: [area,", "gates: [hold, area,"),
        ("needs: {nurse: vaccination, room: treatment_room}", "needs: [vaccination]"),
        ("needs: {nurse: vaccination, room: treatment_room}", "needs: {Nurse: vaccination}"),
        ("minimum: 2 weeks", "minimum: 2 mo"),
        ("minimum: 2 weeks", "minimum: 20 minutes"),
        ("minimum: 2 weeks", "minimum: 14"),
        ("minimum: 2 weeks", "minimum: 2 weeks\n        lapse: 6 months minus 4 days"),
        ("from: previous", "from: yesterday"),
        ("from: previous", "from: last week"),
        ("from: previous", "from: previous\n        effective_from: 1 March 2027"),
        ("from: previous", "from: previous\n        effective_from: 20270301"),
        ("{yearly_limit: {at_most: 5}}", "yearly_limit"),
        ("{yearly_limit: {at_most: 5}}", "{yearly_limit: {at_most: 5, per: month}}"),
        ("{yearly_limit: {at_most: 5}}", "{season: {from: 05-01}}"),
        ("{yearly_limit: {at_most: 5}}", "{season: {from: 05-01, until: 13-01}}"),
        ("{yearly_limit: {at_most: 5}}", "{outcome: {at_most: 5}}"),
        ("{yearly_limit: {at_most: 5}}", "horoscope"),
        ("at: visit", "at: home"),
        ("at: visit", "at: visit, cooling_off: a week"),
        ("at: visit", "at: visit, cooling_off: [{under_age: 18}]"),
        ("at: visit", "at: visit, scope: visit"),
        ("severity: ask", "severity: mild"),
        ("valid_days: 3", "valid_days: 0"),
        ("kind: reminder", "kind: remainder"),
        ("kind: call,", "kind: visit,"),
        ("texts: {aftercare: {en:", "texts: {aftercare: {English:"),
        ("areas: [leg]", "areas: leg"),
        ("areas: [leg]", "areas: [leg, ]\nminimum_age: 18 years"),
        ("areas: [leg]", "areas: [leg]\nreview_after_sessions: 6"),
    ],
)
def test_what_the_schema_refuses_the_parser_refuses(old, new):
    text = changed(old, new, FULL)

    assert (is_valid(as_an_editor_reads(text)), is_refused(text)) == (False, True)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name: Peel", "name: 2024"),
        ("sessions: 4", "sessions: '4'"),
        ("sessions: 4\n    at_most: 6\n", "sessions: 4\n    at_most:\n"),
        ("minimum: 2 weeks", "minimum: 2  WEEKS"),
        ("minimum: 2 weeks", "minimum: 1 month - 14 days"),
        ("minimum: 2 weeks", "minimum: ~"),
        ("room: treatment_room}", "room: treatment_room}\n      - {name: Rest, minutes: 5, needs: {}}"),
        ("from: previous", "from: step peel"),
        ("kind: reminder, days_before: 1", "kind: recall, sent: No"),
        (
            "at: visit",
            "at: visit, cooling_off: [{amount: 7 days, jurisdiction: AU-NSW, under_age: 18}, {amount: 1 day}]",
        ),
        ("{yearly_limit: {at_most: 5}}", "{outcome: }"),
        ("areas: [leg]", "areas: [leg]\nproduct: ''\njurisdiction: ' '"),
        ("{aftercare: {en: {subject: After, body: Rest.}}}", "{aftercare: }"),
    ],
)
def test_what_may_be_written_in_several_ways_satisfies_both(old, new):
    text = changed(old, new, FULL)

    assert (is_refused(text), is_valid(as_an_editor_reads(text))) == (False, True)


# --- files damaged at random ------------------------------------------------------------------------------------------

SCRAPS = st.sampled_from(
    [
        *("", "  ", "x", "X y", "0", "7", "-1", "1000000", "1.5", "yes", "No", "true", "treatment", "leg", "GB", "gb"),
        *("previous", "previous ", "step  peel", "last treatment", "event fall", "booking", "session"),
        *("2 weeks", "2 Weeks ", "6 months -4 days", "1 mo", "6 months + - 4 days"),
        *("2027-01-31", "2027-02-30", "20270131", "05-01", "02-30"),
        *("outcome", "review_due", {"review_due": {"every": "3"}}, {"outcome": ""}, {"season": ""}),
        *([], ["x"], [""], {}, {"x": "y"}),
    ]
)


def places(tree: Any) -> list[tuple[Any, Any]]:
    """Every place in a tree, as what holds it and its key there."""
    inside = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [place for key, value in inside for place in ((tree, key), *places(value))]


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_file_that_the_schema_refuses_is_never_accepted(data):
    text = data.draw(st.sampled_from([FULL, *map(protocols.shipped, protocols.shipped_keys())]))
    tree = as_text(text)
    for _ in range(data.draw(st.integers(1, 2))):
        holder, key = data.draw(st.sampled_from(places(tree)))
        match data.draw(st.sampled_from(["replace", "replace", "remove", "add"])):
            case "replace":
                holder[key] = data.draw(SCRAPS)
            case "remove":
                del holder[key]
            case _ if isinstance(holder, dict):
                holder[data.draw(st.sampled_from(["x", "note", "gates", "from", "en"]))] = data.draw(SCRAPS)
            case _:
                holder.append(data.draw(SCRAPS))
    damaged = yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)

    if not is_valid(as_text(damaged)):
        assert is_refused(damaged)
