"""A file of running courses as records, each with the line on which it stands. YAML or CSV, the same fields in both.

Nothing is guessed: an unknown column or field is a problem, and so is a date that is none. Reads no database.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, time
from typing import Any

import yaml
from django.utils.translation import gettext as _

from clinic.errors import Problem, RuleBroken

RECORDS_AT_MOST = 20_000
DEPTH_AT_MOST = 10  # of a YAML file: a list in a record in a list of a course stands six deep
SEVERAL = ";"  # between the items of one cell


class FileUnreadable(RuleBroken):
    """The file is no list of courses; nothing was stored."""

    code = "import_unreadable"
    title = "The file cannot be read as it stands."


def _text(typed: str) -> str:
    return typed


def _several(typed: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in typed.split(SEVERAL) if part.strip())


def _day(typed: str) -> date:
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", typed, re.ASCII):
        raise ValueError(typed)
    return date.fromisoformat(typed)


def _clock(typed: str) -> time:
    if not re.fullmatch(r"\d{2}:\d{2}", typed, re.ASCII):
        raise ValueError(typed)
    return time.fromisoformat(typed)


def _whole(typed: str) -> int:
    if not re.fullmatch(r"\d{1,6}", typed, re.ASCII):
        raise ValueError(typed)
    return int(typed)


def _flag(typed: str) -> bool:
    return {"yes": True, "true": True, "no": False, "false": False}[typed.lower()]


Reader = Callable[[str], Any]
ASKED_FOR: Mapping[Reader, Any] = {
    _day: "2027-01-31",
    _clock: "09:30",
    _whole: "3",
    _flag: "yes / no",
}


@dataclass(frozen=True, slots=True)
class Spec:
    """The fields of a kind of record, and those that cannot be left out."""

    fields: Mapping[str, Reader]
    required: frozenset[str]


SPECS: Mapping[str, Spec] = {
    "course": Spec(
        {
            "patient_system": _text,
            "patient_number": _text,
            "protocol": _text,
            "site": _text,
            "areas": _several,
            "started_on": _day,
            "lead": _text,
        },
        frozenset({"patient_system", "patient_number", "protocol", "site", "started_on"}),
    ),
    "assessment": Spec(
        {
            "assessed_on": _day,
            "is_suitable": _flag,
            "reflux": _text,
            "reflux_treated_on": _day,
            "reflux_clear_on": _day,
            "expires_on": _day,
            "notes": _text,
        },
        frozenset({"assessed_on", "is_suitable"}),
    ),
    "event": Spec({"key": _text, "happened_on": _day}, frozenset({"key", "happened_on"})),
    "consent": Spec(
        {
            "language": _text,
            "number": _whole,
            "informed_on": _day,
            "signed_on": _day,
            "expires_on": _day,
            "guardian": _text,
        },
        frozenset({"number", "informed_on"}),
    ),
    "answer": Spec({"question": _text, "value": _text, "given_on": _day}, frozenset({"question", "value", "given_on"})),
    "performed": Spec(
        {
            "step": _text,
            "performed_on": _day,
            "at": _clock,
            "minutes": _whole,
            "lead": _text,
            "areas": _several,
            "outcome": _text,
            "complications": _several,
            "clearance": _text,
            "product": _text,
            "batch": _text,
            "notes": _text,
        },
        frozenset({"performed_on"}),
    ),
    "visit": Spec({"step": _text, "on": _day, "at": _clock, "lead": _text, "areas": _several}, frozenset({"on", "at"})),
}
# In a YAML file, under which name a course lists its records.
LISTS = {
    "assessments": "assessment",
    "events": "event",
    "consents": "consent",
    "answers": "answer",
    "performed": "performed",
    "visits": "visit",
}


@dataclass(frozen=True, slots=True)
class Record:
    """One thing that a file says of a course. `course` is the name by which the file knows the course."""

    line: int
    course: str
    kind: str
    fields: Mapping[str, Any]

    def problem(self, code: str, message: str, where: str = "") -> Problem:
        return Problem(code, message, where or self.kind, {"line": self.line, "course": self.course})


Raw = tuple[int, str, str, Mapping[str, str]]  # line, course, kind, what was typed


def read(text: str, *, form: str) -> list[Record]:
    """Return the records of a file ("csv" or "yaml"), in its order; raise FileUnreadable with everything wrong."""
    problems: list[Problem] = []
    raw = list(_csv(text, problems) if form == "csv" else _yaml(text, problems))
    if len(raw) > RECORDS_AT_MOST:
        raise FileUnreadable(
            Problem("too_many", _("At most %(most)d records stand in a file.") % {"most": RECORDS_AT_MOST})
        )
    records = [record for one in raw if (record := _record(*one, problems)) is not None]
    problems += _against_courses(records, {course for _number, course, kind, _typed in raw if kind == "course"})
    if not raw and not problems:
        problems.append(Problem("nothing_there", _("The file holds no course.")))
    if problems:
        raise FileUnreadable(*sorted(problems, key=lambda one: one.details.get("line", 0)))
    return records


def _record(line: int, course: str, kind: str, typed: Mapping[str, str], problems: list[Problem]) -> Record | None:
    where = {"line": line, "course": course}
    spec = SPECS.get(kind)
    if not course:
        problems.append(Problem("missing", _("Say which course this is about."), "course", where))
        return None
    if spec is None:
        message = _("There is no kind of record “%(kind)s”. Known: %(known)s.")
        problems.append(Problem("record_unknown", message % {"kind": kind, "known": ", ".join(SPECS)}, "record", where))
        return None
    before = len(problems)
    problems += [
        Problem("field_unknown", _("A record of the kind “%(kind)s” has no such field.") % {"kind": kind}, name, where)
        for name in typed
        if name not in spec.fields
    ]
    problems += [
        Problem("missing", _("This cannot be left out."), name, where) for name in sorted(spec.required - typed.keys())
    ]
    fields = {}
    for name, value in typed.items():
        reader = spec.fields.get(name)
        if reader is None:
            continue
        try:
            fields[name] = reader(value)
        except (ValueError, KeyError):
            message = _("“%(value)s” cannot be read. Write it as in: %(example)s.")
            problems.append(
                Problem("malformed", message % {"value": value[:40], "example": ASKED_FOR[reader]}, name, where)
            )
    return Record(line, course, kind, fields) if len(problems) == before else None


def _against_courses(records: Iterable[Record], said: Collection[str]) -> Iterator[Problem]:
    """Each course is said once, and nothing is said of one that the file does not bring."""
    known: dict[str, int] = {}
    records = list(records)
    for record in records:
        if record.kind == "course":
            if record.course in known:
                message = _("This course stands in line %(line)d already.") % {"line": known[record.course]}
                yield record.problem("course_twice", message, "course")
            known.setdefault(record.course, record.line)
    for record in records:
        if record.course not in said:
            yield record.problem("course_missing", _("No record says what this course is."), "course")


def _csv(text: str, problems: list[Problem]) -> Iterator[Raw]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        if "course" not in header or "record" not in header or len(set(header)) < len(header):
            problems.append(
                Problem(
                    "header_wrong",
                    _("The first line names the columns, each once; “course” and “record” are among them."),
                    "",
                    {"line": 1},
                )
            )
            return
        line = reader.line_num + 1
        for cells in reader:
            begins, line = line, reader.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) > len(header):
                problems.append(
                    Problem("too_many_cells", _("This line has more cells than the header."), "", {"line": begins})
                )
                continue
            typed = {name: cell.strip() for name, cell in zip(header, cells, strict=False) if cell.strip()}
            yield begins, typed.pop("course", ""), typed.pop("record", ""), typed
    except csv.Error as error:
        problems.append(
            Problem("malformed", _("This is no CSV: %(why)s.") % {"why": error}, "", {"line": reader.line_num})
        )


def _yaml(text: str, problems: list[Problem]) -> Iterator[Raw]:
    try:
        depth = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                problems.append(Problem("alias", _("Write everything out: aliases (*) are not read.")))
                return
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEPTH_AT_MOST:  # composing needs stack for each level
                where = {"line": event.start_mark.line + 1 if event.start_mark else 1}
                problems.append(Problem("malformed", _("This is nested too deeply for a list of courses."), "", where))
                return
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        problems.append(Problem("malformed", _("This is no YAML."), "", {"line": line}))
        return
    courses = _entries(root, problems).get("courses")
    if not isinstance(courses, yaml.SequenceNode):
        problems.append(Problem("nothing_there", _("Write “courses:” and below it a list."), "courses", {"line": 1}))
        return
    for number, node in enumerate(courses.value):
        yield from _course(node, f"{number + 1}", problems)


def _course(node: yaml.Node, name: str, problems: list[Problem]) -> Iterator[Raw]:
    entries = _entries(node, problems)
    if "course" in entries:
        name = _scalar(entries.pop("course"), problems)
    lists = {key: entries.pop(key) for key in LISTS if key in entries}
    yield _line(node), name, "course", {key: _scalar(value, problems) for key, value in entries.items()}
    for key, listed in lists.items():
        if not isinstance(listed, yaml.SequenceNode):
            problems.append(Problem("not_a_list", _("Write a list here."), key, {"line": _line(listed)}))
            continue
        for item in listed.value:
            typed = {field: _scalar(value, problems) for field, value in _entries(item, problems).items()}
            yield _line(item), name, LISTS[key], {field: value for field, value in typed.items() if value}


def _entries(node: yaml.Node | None, problems: list[Problem]) -> dict[str, yaml.Node]:
    if not isinstance(node, yaml.MappingNode):
        line = _line(node) if node is not None else 1
        problems.append(Problem("not_a_group", _("Write “name: value” lines here."), "", {"line": line}))
        return {}
    found: dict[str, yaml.Node] = {}
    for key, value in node.value:
        if str(key.value) in found:
            problems.append(
                Problem("field_repeated", _("This stands here twice."), str(key.value), {"line": _line(key)})
            )
        found[str(key.value)] = value
    return found


def _scalar(node: yaml.Node, problems: list[Problem]) -> str:
    """Return the text that stands in the file; a list of texts as one cell."""
    if isinstance(node, yaml.SequenceNode):
        return SEVERAL.join(_scalar(item, problems) for item in node.value)
    if not isinstance(node, yaml.ScalarNode):
        problems.append(Problem("not_a_text", _("Write a single value here."), "", {"line": _line(node)}))
        return ""
    return "" if node.tag == "tag:yaml.org,2002:null" else str(node.value).strip()


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
