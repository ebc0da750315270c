"""The JSON Schema of protocol files, for editors that check while one types. Made of the same words as the parser.

It refuses nothing that the parser accepts. The parser refuses more: what no schema can know, such as the order of
amounts or which steps there are, and it names the line and the remedy.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from scheduling.models import FollowUp, MessageKind
from scheduling.planner.facts import ConsentScope, LateAction, OverrideScope, Severity, StepKind
from scheduling.planner.gates import GATES, Takes

from .parsing import (
    AMOUNTS,
    CONSENT_AT,
    DAYS_AT_MOST,
    JURISDICTION,
    LANGUAGE,
    MINUTES_AT_MOST,
    OLDEST_AGE,
    SESSIONS_AT_MOST,
)
from .reading import ITEMS_AT_MOST, KEY, NO, YES

Schema = dict[str, Any]

BLANK: Schema = {"$ref": "#/$defs/blank"}


def schema() -> Schema:
    """Return the schema of one protocol file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Protocol: how a treatment is given",
        **_group(
            {
                "protocol": _said(_key(), "Key of the protocol. It never changes."),
                "name": _text(),
                "product": _said(_text(), "What the severities of the questions belong to."),
                "jurisdiction": _matching(JURISDICTION.pattern),
                "sources": _said(_list(_text()), "One line each; mark what was chosen."),
                "effective_from": _said(_ref("date"), "First day on which courses may be started."),
                "effective_to": _said(_ref("date"), "Last day on which courses may be started."),
                "areas": _said(_list(_key()), "Areas or regions that may be treated."),
                "minimum_age": _said(_number(1, OLDEST_AGE), "In years; asked before every session."),
                "adult_age": _said(_number(1, OLDEST_AGE), "In years; for who is younger, a guardian consents."),
                "assessment": _group({"valid_for": _ref("amount"), "cooling_off": _ref("amount")}),
                "consent": _consent(),
                "questions": _list(_question()),
                "steps": _list(_step(), least=1),
                "follow_ups": _list(_follow_up()),
                "messages": _list(_message()),
                "texts": _texts(),
            },
            required=["protocol", "name", "steps"],
        ),
        "$defs": {
            "blank": {"type": ["null", "string"], "pattern": r"^\s*$", "description": "Nothing: the same as left out."},
            "amount": {"type": "string", "pattern": _amount(), "description": "Such as 4 weeks, or 6 months - 4 days."},
            "date": _matching("[0-9]{4}-[0-9]{2}-[0-9]{2}"),
        },
    }


def schema_text() -> str:
    """Return the schema as the file that is published."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


# --- parts of a file --------------------------------------------------------------------------------------------------


def _step() -> Schema:
    phase = {
        "name": _text(),
        "minutes": _number(1, MINUTES_AT_MOST),
        "buffer_before": _said(_number(0, MINUTES_AT_MOST), "Minutes that only the resources need."),
        "buffer_after": _said(_number(0, MINUTES_AT_MOST), "Minutes that only the resources need."),
        "needs": _said(_free(KEY.pattern, _key()), "role: capability; {} for nobody."),
    }
    return _group(
        {
            "key": _said(_key(), "It never changes."),
            "name": _text(),
            "kind": _choice(StepKind),
            "sessions": _said(_number(1, SESSIONS_AT_MOST), "Planned at first; 1 unless said."),
            "at_most": _said(_number(1, SESSIONS_AT_MOST), "No limit unless said."),
            "planned_with_course": _said(_flag(), "no: a person books it when it is due."),
            "lead_role": _said(_key(), "The role whose person is the practitioner; a phase needs it."),
            "phases": _list(_group(phase, required=["name", "minutes", "needs"]), least=1),
            "spacings": _said(_list(_spacing()), "All of them must hold."),
            "gates": _said(_list(_gate()), "What must be in order before the session."),
        },
        required=["key", "name", "kind", "lead_role", "phases"],
    )


def _spacing() -> Schema:
    band = {
        "from": _ref("amount"),
        "until": _said(_ref("amount"), "The first day that no longer belongs to the band."),
        "action": _choice(LateAction),
        "note": _text(),
    }
    kinds = "|".join(StepKind)
    return _group(
        {
            "from": _said(
                _matching(f"previous|step {KEY.pattern}|event {KEY.pattern}|last ({kinds})"),
                "previous, step KEY, event KEY, or last KIND",
            ),
            **{name: _ref("amount") for name in AMOUNTS},
            "tolerance_days": _said(_number(0, DAYS_AT_MOST), "Either side of the target, as good as it."),
            "only_for_areas": _list(_key()),
            "late_bands": _list(_group(band, required=["from", "action"])),
            "effective_from": _said(_ref("date"), "First reference date to which it applies."),
            "effective_to": _said(_ref("date"), "Last reference date to which it applies."),
        },
        required=["from"],
    )


def _gate() -> Schema:
    """A gate by its name; one that takes something as a group of one."""
    parameters = {
        Takes.COUNT: _number(1, SESSIONS_AT_MOST),
        Takes.AMOUNT: _ref("amount"),
        Takes.DAY_OF_YEAR: _matching("(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"),
        Takes.PROTOCOL: _key(),
        Takes.AREAS: _list(_key()),
    }
    listed = {name: {**kind.takes, **kind.may_take} for name, kind in GATES.items() if not kind.always}
    groups = {
        name: _group({one: parameters[what] for one, what in takes.items()}, required=GATES[name].takes)
        if takes
        else BLANK
        for name, takes in listed.items()
    }
    plain = [name for name, takes in listed.items() if not takes]
    one = {
        "type": "object",
        "properties": groups,
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }
    return {"anyOf": [{"enum": plain}, one]}


def _consent() -> Schema:
    wait = {
        "amount": _ref("amount"),
        "jurisdiction": _matching(JURISDICTION.pattern),
        "under_age": _number(1, OLDEST_AGE),
    }
    waits = {"anyOf": [_ref("amount"), _list(_group(wait, required=["amount"]))]}
    return _group(
        {
            "at": _choice(CONSENT_AT),
            "scope": _choice(ConsentScope),
            "cooling_off": _said(waits, "After the patient was informed; the longest that applies counts."),
            "valid_for": _ref("amount"),
            "texts": _free(LANGUAGE.pattern, _text()),
        },
        required=["at", "texts"],
    )


def _question() -> Schema:
    return _group(
        {
            "question": _said(_key(), "A code of the vocabulary."),
            "severity": _choice(Severity),
            "valid_days": _said(_number(1, DAYS_AT_MOST), "How long an answer holds."),
            "refused": _said(_list(_text(), least=1), "Answers that close the gate; [yes] unless said."),
            "override": _said(_choice(OverrideScope), "Of relative ones: for one session (unless said) or the course."),
            "source": _text(),
        },
        required=["question", "severity", "valid_days"],
    )


def _follow_up() -> Schema:
    return _group(
        {
            "key": _key(),
            "name": _text(),
            "after_step": _key(),
            "kind": _choice(FollowUp.Kind.values),
            "after": _ref("amount"),
            "give_or_take_days": _number(0, DAYS_AT_MOST),
            "only_after_last_session": _flag(),
        },
        required=["key", "name", "after_step", "kind", "after"],
    )


def _message() -> Schema:
    return _group(
        {
            "kind": _choice(kind for kind in MessageKind.values if kind != MessageKind.CHECK),
            "days_before": _number(1, DAYS_AT_MOST),
            "days_after": _number(1, DAYS_AT_MOST),
            "only_if_booked_days_ahead": _number(1, DAYS_AT_MOST),
            "sent": _flag(),
        },
        required=["kind"],
    )


def _texts() -> Schema:
    words = _group({"subject": _text(), "body": _text()}, required=["subject", "body"])
    return _free("|".join(MessageKind.values), _or_blank(_free(LANGUAGE.pattern, words)))


# --- what may stand in a place ----------------------------------------------------------------------------------------


def _group(fields: dict[str, Schema], required: Iterable[str] = ()) -> Schema:
    """A group of these fields and no others; what is not required may be blank."""
    needed = list(required)
    properties = {name: one if name in needed else _or_blank(one) for name, one in fields.items()}
    return {"type": "object", "properties": properties, "required": needed, "additionalProperties": False}


def _or_blank(one: Schema) -> Schema:
    said = {"description": one["description"]} if "description" in one else {}
    rest = {name: value for name, value in one.items() if name != "description"}
    return {**said, "anyOf": [rest, BLANK]}


def _free(pattern: str, one: Schema) -> Schema:
    """A group whose names are the writer's own."""
    return {"type": "object", "propertyNames": {"pattern": f"^({pattern})$"}, "additionalProperties": one}


def _list(one: Schema, least: int = 0) -> Schema:
    return {"type": "array", "items": one, "minItems": least, "maxItems": ITEMS_AT_MOST}


def _choice(choices: Iterable[str]) -> Schema:
    return {"enum": [str(choice) for choice in choices]}


def _text() -> Schema:
    return {"type": ["string", "number", "boolean"], "pattern": r"\S"}


def _key() -> Schema:
    return _matching(KEY.pattern)


def _matching(pattern: str) -> Schema:
    return {"type": "string", "pattern": f"^({pattern})$"}


def _number(least: int, most: int) -> Schema:
    return {"type": ["integer", "string"], "pattern": "^[0-9]{1,9}$", "minimum": least, "maximum": most}


def _flag() -> Schema:
    words = "|".join(_any_case(word) for word in sorted(YES | NO))
    return {"type": ["boolean", "string"], "pattern": f"^({words})$"}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _said(one: Schema, description: str) -> Schema:
    return {**one, "description": description}


def _amount() -> str:
    units = "|".join(_any_case(unit) for unit in ("year", "month", "week", "day"))
    term = rf"[0-9]{{1,6}}\s+({units})[Ss]?"
    return rf"^\s*{term}(\s+[+-]?\s*{term})*\s*$"


def _any_case(word: str) -> str:
    """Return a pattern for the word in small and capital letters; the patterns of JSON Schema know no flags."""
    return "".join(f"[{letter.upper()}{letter}]" for letter in word)
