"""What holds for the whole house and no linter knows: one writer per table, no signals, a planner without a clock.

The source is read, not run. What a statement writes is found by following names: models, their managers, relations,
annotations and assignments. Where that fails the test fails too, and asks for a name that can be followed.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, models

from scheduling import holds, outbox, replanning, visits
from scheduling.models import Appointment, CancelReason
from scheduling.models.appointments import AskedBy
from tests import build

PROJECT = Path(__file__).resolve().parents[1]
APPS = ("clinic", "patients", "scheduling")
TABLE_OF_WRITERS = "## Who writes which table"

# Only a model, a queryset or a manager has these.
WRITES = {
    "abulk_create", "abulk_update", "acreate", "adelete", "aget_or_create", "asave", "aupdate", "aupdate_or_create",
    "bulk_create", "bulk_update", "create", "create_superuser", "create_user", "delete", "get_or_create", "save",
    "update_or_create",
}  # fmt: skip
# A dict, a set or an event has these too: they count where what they are called on is a model's.
MAYBE_WRITES = {"add", "clear", "remove", "set", "update"}

# (module, source of what is written to) -> why it may be written there although it cannot be followed.
KNOWN_OTHERWISE = {
    ("clinic.models", "user"): "the manager with which Django's own commands make users",
    ("clinic.models", "self"): "the same",
    ("patients.records.lists", "held"): "the patient's identifiers, phones or guardians",
    ("patients.records.lists", "held.exclude(pk__in=[row.pk for row in kept.values()])"): "the same",
    ("patients.records.vocabulary", "table"): "one of the three vocabularies",
    ("scheduling.api.people", "tokens"): "knox's tokens, which are no table of ours",
    ("scheduling.api.people", "tokens.filter(digest__in=list(surplus.values_list('digest', flat=True)))"): "the same",
    ("scheduling.api.people", "request.auth"): "the same",
}


# --- reading the house ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Module:
    name: str
    path: Path
    tree: ast.Module = field(repr=False)


@cache
def modules() -> tuple[Module, ...]:
    found = []
    for app in APPS:
        for path in sorted((PROJECT / app).rglob("*.py")):
            parts = path.relative_to(PROJECT).with_suffix("").parts
            if "migrations" not in parts:
                name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
                found.append(Module(name, path, ast.parse(path.read_text())))
    return tuple(found)


@cache
def our_models() -> dict[str, type[models.Model]]:
    """Return our models by name; the event tables, which triggers write, are none."""
    return {
        model.__name__: model
        for app in APPS
        for model in apps.get_app_config(app).get_models()
        if not any(one.name == "pgh_id" for one in model._meta.get_fields())
    }


@cache
def writers() -> dict[str, str]:
    """Return who writes each table, as docs/architecture.md tells it."""
    text = (PROJECT / "docs" / "architecture.md").read_text()
    section = text.partition(TABLE_OF_WRITERS)[2].partition("\n## ")[0]
    found: dict[str, str] = {}
    for who, tables in re.findall(r"^\| (.+?) \| (.+?) \|$", section, re.MULTILINE):
        if who not in ("writer", "---"):
            for table in tables.split(", "):
                assert table not in found, f"{table} has two writers"
                found[table] = who.strip("`")
    return found


def is_written_by(module: str, model: str) -> bool:
    return is_part_of(module, writers().get(model, ""))


def is_part_of(module: str, whole: str) -> bool:
    """Whether a module is that module, or in that package."""
    return module == whole or module.startswith(f"{whole}.")


# --- following names --------------------------------------------------------------------------------------------------


@cache
def relations() -> dict[str, frozenset[str]]:
    """Return the models that an attribute of that name may lead to, from whichever model."""
    found: dict[str, set[str]] = {}
    for model in our_models().values():
        for one in model._meta.get_fields():
            if one.related_model is not None and not isinstance(one.related_model, str):
                name = one.get_accessor_name() if one.auto_created and not one.concrete else one.name
                found.setdefault(name, set()).add(one.related_model.__name__)
    return {name: frozenset(targets) for name, targets in found.items()}


@cache
def owners() -> dict[str, frozenset[str]]:
    """Return the models that own a many-to-many field of that name: who writes them writes its rows too."""
    found: dict[str, set[str]] = {}
    for name, model in our_models().items():
        for one in model._meta.local_many_to_many:
            found.setdefault(one.name, set()).add(name)
    return {name: frozenset(those) for name, those in found.items()}


class Reader:
    """Follows the names in one function (or the module around it) to the models they stand for."""

    def __init__(self, module: Module, around: Reader | None = None) -> None:
        self.module = module
        self.names: dict[str, frozenset[str]] = dict(around.names) if around else {}

    def learn(self, body: Iterable[ast.AST]) -> None:
        for node in body:
            for one in within(node):
                match one:
                    case ast.Assign(targets=[target], value=value):
                        self._bind(target, self.models_of(value))
                    case ast.AnnAssign(target=target, annotation=annotation):
                        self._bind(target, self.named_in(annotation))
                    case ast.For(target=target, iter=value) | ast.comprehension(target=target, iter=value):
                        self._bind(target, self.models_of(value))
                    case ast.NamedExpr(target=target, value=value):
                        self._bind(target, self.models_of(value))
                    case ast.arg(arg=name, annotation=annotation) if annotation is not None:
                        self.names[name] = self.named_in(annotation)

    def _bind(self, target: ast.expr, found: frozenset[str]) -> None:
        for one in ast.walk(target):
            if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store):
                self.names[one.id] = self.names.get(one.id, frozenset()) | found

    def named_in(self, annotation: ast.expr) -> frozenset[str]:
        words = re.findall(r"\w+", ast.unparse(annotation))
        return frozenset(word for word in words if word in our_models())

    def models_of(self, expression: ast.expr) -> frozenset[str]:
        """Return the models whose rows an expression may stand for; empty when nothing is known."""
        match expression:
            case ast.Name(id=name):
                return self.names.get(name) or frozenset({name} & our_models().keys())
            case ast.Attribute():
                return self._models_of_attribute(expression)
            case ast.Call(func=ast.Name(id=name), args=args):
                return self._models_of_answer(name, args)
            case ast.Call(func=ast.Attribute(value=of)) | ast.Subscript(value=of) | ast.ListComp(elt=of):
                return self.models_of(of)
            case ast.BinOp(left=one, right=other) | ast.IfExp(body=one, orelse=other):
                return self.models_of(one) | self.models_of(other)
            case ast.BoolOp(values=values):
                return frozenset().union(*(self.models_of(value) for value in values))
        return frozenset()

    def _models_of_attribute(self, expression: ast.Attribute) -> frozenset[str]:
        of, name = expression.value, expression.attr
        if name in our_models():  # rows.Protocol
            return frozenset({name})
        if name == "objects":
            return self.models_of(of)
        if name == "through" and isinstance(of, ast.Attribute):
            return owners().get(of.attr, frozenset())
        return relations().get(name, frozenset())

    def _models_of_answer(self, function: str, args: list[ast.expr]) -> frozenset[str]:
        if function in our_models():
            return frozenset({function})
        if function in ("list", "sorted", "next", "iter", "reversed") and args:
            return self.models_of(args[0])
        return self.returned_by(function)

    def returned_by(self, name: str) -> frozenset[str]:
        """Return what a function of the same module says that it returns."""
        for node in self.module.tree.body:
            if isinstance(node, ast.FunctionDef) and node.name == name and node.returns is not None:
                return self.named_in(node.returns)
        return frozenset()


def within(node: ast.AST) -> Iterator[ast.AST]:
    """Return a node with everything in it in the order it is written, functions inside functions too."""
    yield node
    for child in ast.iter_child_nodes(node):
        yield from within(child)


def calls(module: Module) -> Iterator[tuple[Reader, ast.Call, ast.Attribute]]:
    """Return every call of a method, with a reader that knows the names around it."""

    def of(body: list[ast.stmt], reader: Reader) -> Iterator[tuple[Reader, ast.Call, ast.Attribute]]:
        for node in body:
            if isinstance(node, ast.ClassDef):
                yield from of(node.body, Reader(module, reader))
                continue
            inner = Reader(module, reader)
            inner.learn([node])
            for one in within(node):
                if isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute):
                    yield inner, one, one.func

    around = Reader(module)
    around.learn(node for node in module.tree.body if not isinstance(node, ast.ClassDef | ast.FunctionDef))
    yield from of(module.tree.body, around)


@dataclass(frozen=True)
class Write:
    """A statement that writes: where, how, on what, and the models it may write."""

    module: str
    line: int
    source: str
    on: str
    models: frozenset[str]

    def __str__(self) -> str:
        return f"{self.module}:{self.line}: {self.source[:100]}"


@cache
def writes() -> tuple[Write, ...]:
    return tuple(write for module in modules() for write in writes_in(module))


def writes_in(module: Module) -> Iterator[Write]:
    of_ours, of_others = modules_imported_by(module), classes_of_others_imported_by(module)
    for reader, call, method in calls(module):
        on = method.value
        if root_of(on) in of_others or (isinstance(on, ast.Name) and on.id in of_ours):
            continue
        is_set = method.attr in MAYBE_WRITES and isinstance(on, ast.Attribute)
        written = (is_set and owners().get(on.attr)) or reader.models_of(on)
        if method.attr in WRITES or (method.attr in MAYBE_WRITES and _is_a_rows(method, written)):
            source = f"{ast.unparse(on)}.{method.attr}(…)"
            yield Write(module.name, call.lineno, source, ast.unparse(on), written)


def modules_imported_by(module: Module) -> set[str]:
    """Return the names of modules in a module: what is called on them is a function, and its writes are its own."""
    known = {one.name for one in modules()}
    found = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom):
            base = absolute(node, module)
            found |= {one.asname or one.name for one in node.names if f"{base}.{one.name}" in known}
    return found


def classes_of_others_imported_by(module: Module) -> set[str]:
    return {
        one.asname or one.name
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ImportFrom) and absolute(node, module).partition(".")[0] not in APPS
        for one in node.names
    }


def absolute(node: ast.ImportFrom, module: Module) -> str:
    if not node.level:
        return node.module or ""
    package = module.name.split(".") if module.path.name == "__init__.py" else module.name.split(".")[:-1]
    return ".".join([*package[: len(package) - node.level + 1], *([node.module] if node.module else [])])


def root_of(expression: ast.expr) -> str:
    """Return the name that a chain of attributes and calls begins with."""
    while not isinstance(expression, ast.Name):
        match expression:
            case ast.Attribute(value=value) | ast.Call(func=value) | ast.Subscript(value=value):
                expression = value
            case _:
                return ""
    return expression.id


def _is_a_rows(method: ast.Attribute, written: frozenset[str]) -> bool:
    """Whether the method with a common name is called on rows and not on a container that holds some."""
    if not written:
        return False
    return method.attr == "update" or (isinstance(method.value, ast.Attribute) and method.value.attr in relations())


def raw_writes() -> Iterator[tuple[str, int, str]]:
    """Return the tables that SQL in our strings writes: module, line, table."""
    for module in modules():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                for table in re.findall(
                    r"(?:INSERT INTO|UPDATE|DELETE FROM|TRUNCATE)\s+((?:clinic|patients|scheduling)_\w+)", node.value
                ):
                    yield module.name, node.lineno, table


# --- one writer per table ---------------------------------------------------------------------------------------------


def test_every_table_of_ours_has_a_writer_in_the_architecture_document_and_no_other_is_named():
    assert set(writers()) == set(our_models())


def test_every_writer_is_a_module_of_ours_or_still_to_come():
    names = {module.name for module in modules()}
    to_come = {who for who in writers().values() if who not in names}

    # What nobody writes yet: the shape is there, the act comes later.
    assert {who for who in to_come if not who.startswith("nobody yet")} <= {"scheduling.contacts"}


@pytest.mark.parametrize(
    ("source", "models_written"),
    [
        ("Course.objects.filter(pk=1).update(state='open')", [{"Course"}]),
        ("from . import models as rows\nrows.Hold.objects.create()", [{"Hold"}]),
        ("def act(course: Course):\n    course.state = 'open'\n    course.save(update_fields=['state'])", [{"Course"}]),
        ("def act(course):\n    course.sessions.filter(state='open').update(state='dropped')", [{"Session"}]),
        ("def act(visit):\n    for one in visit.occupancies.all():\n        one.delete()", [{"Occupancy"}]),
        ("rows = Hold.objects.standing()\nif rows.update(lifted_at=None): pass", [{"Hold"}]),
        ("def act(course):\n    course.areas.set([])", [{"Course", "ProtocolVersion", "Spacing"}]),
        ("def act(thing):\n    thing.save()", [set()]),
        ("seen = set()\nseen.add(1)\nfound = {}\nfound.update(a=1)", []),
        ("from scheduling import visits\nvisits.move(1)\nfrom clinic import accounts\naccounts.create_user()", []),
        ("from knox.models import AuthToken\nAuthToken.objects.create()", []),
    ],
)
def test_the_reader_sees_what_is_written(source, models_written):
    module = Module("scheduling.somewhere", PROJECT / "scheduling" / "somewhere.py", ast.parse(source))

    assert [set(write.models) for write in writes_in(module)] == models_written


def test_every_module_writes_only_its_own_tables():
    foreign = [
        f"{write} writes {', '.join(sorted(theirs))}: that is {', '.join(sorted({writers()[one] for one in theirs}))}'s"
        for write in writes()
        if (write.module, write.on) not in KNOWN_OTHERWISE
        and (theirs := {model for model in write.models if not is_written_by(write.module, model)})
        and (len(theirs) == len(write.models))  # a name that leads to several models: one of them may be meant
    ]

    assert foreign == []


def test_of_every_write_it_can_be_seen_what_it_writes():
    unknown = [str(write) for write in writes() if not write.models and (write.module, write.on) not in KNOWN_OTHERWISE]

    assert unknown == []


def test_what_is_known_otherwise_is_still_there():
    assert KNOWN_OTHERWISE.keys() <= {(write.module, write.on) for write in writes()}


EDGES_AND_READERS = (
    "clinic.admin",
    "clinic.api",
    "clinic.management",
    "patients.admin",
    "scheduling.admin",
    "scheduling.api",
    "scheduling.demo",
    "scheduling.management",
    "scheduling.pages",
    "scheduling.planner",
    "scheduling.reports",
    "scheduling.roster",
    "scheduling.tasks",
    "scheduling.worklists",
)


def test_edges_and_readers_write_nothing():
    theirs = [
        str(write)
        for write in writes()
        if write.module.startswith(EDGES_AND_READERS) and (write.module, write.on) not in KNOWN_OTHERWISE
    ]

    assert theirs == []


def test_raw_sql_writes_only_its_own_tables():
    names = {model._meta.db_table: name for name, model in our_models().items()}
    foreign = [
        f"{module}:{line} writes {table}"
        for module, line, table in raw_writes()
        if not is_written_by(module, names.get(table, ""))
    ]

    assert foreign == []


WROTE = re.compile(r'^\s*(?:INSERT INTO|UPDATE|DELETE FROM)\s+"?((?:clinic|patients|scheduling)_\w+)')


def test_what_is_written_while_a_course_runs_is_written_by_its_writer(db, settings, tmp_path):
    """The same asked of the running code: the nearest frame of ours above each statement that writes."""
    settings.MAIL_HOST, settings.MAIL_DIR = "", tmp_path
    names = {model._meta.db_table: name for name, model in our_models().items()}
    found: dict[str, set[str]] = {}

    def note(execute: Any, sql: Any, params: Any, many: Any, context: Any) -> Any:
        wrote = WROTE.match(str(sql))
        if wrote and (name := names.get(wrote[1])) and (writer := nearest_of_ours()):
            found.setdefault(name, set()).add(writer)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        a_course_with_everything(build.Clinic())

    strangers = {(name, module) for name, those in found.items() for module in those if not is_written_by(module, name)}
    assert strangers <= {("User", "clinic.models")}  # Django's manager, called by the builders
    assert found.keys() >= {"Course", "Session", "Appointment", "Occupancy", "Message", "Proposal", "Outcome", "Hold"}


def nearest_of_ours() -> str:
    """Return our module that is about to write; an empty text when a test writes by itself."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(PROJECT) and path.relative_to(PROJECT).parts[0] in APPS:
            return str(frame.f_globals["__name__"])
        frame = frame.f_back
    return ""


def a_course_with_everything(clinic: build.Clinic) -> None:
    course = clinic.booked_course()
    first, second, _third = build.visits_of(course)
    outbox.deliver_due(clinic.now)
    clinic.now = first.during.lower + timedelta(days=4)
    performed = clinic.perform(first.session)
    assert performed.proposal is not None
    replanning.apply(performed.proposal, by=clinic.receptionist, now=clinic.now)
    reason = {"reason": CancelReason.PATIENT_ILL, "asked_by": AskedBy.PATIENT}
    visits.cancel(Appointment.objects.get(pk=second.pk), **reason, by=clinic.receptionist, now=clinic.now)
    hold = holds.place(course, code="other", reason="to be looked at", by=clinic.receptionist, now=clinic.now)
    holds.lift(hold, reason="looked at", by=clinic.prescriber, now=clinic.now)
    visits.end_course(course, reason="moved away", by=clinic.receptionist, now=clinic.now)
    outbox.deliver_due(clinic.now + timedelta(minutes=4))


# --- habits -----------------------------------------------------------------------------------------------------------


def test_there_are_no_signals_inside_our_house():
    signals = [
        f"{module.name}:{node.lineno}"
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith(("django.dispatch", "django.db.models.signals", "django.core.signals"))
    ]

    assert signals == []


def test_only_the_delivery_loop_catches_everything():
    blind = [
        module.name
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ExceptHandler) and _catches_everything(node) and not _raises_again(node)
    ]

    assert blind == ["scheduling.outbox.deliver"]


def _catches_everything(handler: ast.ExceptHandler) -> bool:
    caught = ast.unparse(handler.type) if handler.type else "BaseException"
    return bool({"Exception", "BaseException"} & set(re.findall(r"\w+", caught)))


def _raises_again(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


PLANNER = [module for module in modules() if module.name.startswith("scheduling.planner")]
MAY_IMPORT = sys.stdlib_module_names | {"numpy", "ortools"}
NO_WORLD = {"io", "os", "pathlib", "random", "secrets", "socket", "subprocess", "sys", "threading", "urllib"}


@pytest.mark.parametrize("module", PLANNER, ids=lambda module: module.name)
def test_the_planner_imports_nothing_of_ours_and_nothing_of_the_world(module):
    imported = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            if not is_part_of(node.module or "", "scheduling.planner"):
                imported.add((node.module or "").partition(".")[0])
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 1, f"line {node.lineno} leaves the planner"

    assert imported <= MAY_IMPORT - NO_WORLD


def test_only_the_repair_of_many_courses_loads_solvers_and_only_when_it_is_asked():
    """Each web process would carry them otherwise."""
    found = set()
    for module in modules():
        for node in ast.walk(module.tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(name.partition(".")[0] == "ortools" for name in names):
                found.add((module.name, node in module.tree.body))

    assert found == {("scheduling.planner.repair_master", False)}


CLOCKS = {"now", "today", "utcnow", "monotonic", "perf_counter", "process_time", "time_ns", "localtime", "gmtime"}


@pytest.mark.parametrize("module", PLANNER, ids=lambda module: module.name)
def test_the_planner_reads_no_clock(module):
    read = [
        ast.unparse(node)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in CLOCKS
        and ast.unparse(node.func.value).rpartition(".")[2] in {"datetime", "date", "time", "timezone"}
    ]
    imported = [
        alias.name
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ImportFrom) and node.module == "time"
        for alias in node.names
    ]

    assert read + imported == []


ACTS = (
    "patients.records",
    "scheduling.absences",
    "scheduling.booking",
    "scheduling.closures",
    "scheduling.holds",
    "scheduling.intake",
    "scheduling.replanning",
    "scheduling.roster",
    "scheduling.staffing",
    "scheduling.visits",
)


def test_acts_are_handed_the_time():
    read = [
        f"{module.name}:{call.lineno}"
        for module in modules()
        if any(is_part_of(module.name, act) for act in ACTS)
        for _reader, call, method in calls(module)
        if method.attr in {"now", "today", "utcnow"} and ast.unparse(method.value) in {"timezone", "datetime", "date"}
    ]

    assert read == []


# --- what the documents promise ---------------------------------------------------------------------------------------


def documents() -> list[Path]:
    return [path for path in (PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))) if path.exists()]


def test_every_test_that_a_document_names_exists():
    names = {node.name for path in PROJECT.glob("tests/**/*.py") for node in ast.walk(ast.parse(path.read_text()))
             if isinstance(node, ast.FunctionDef)}  # fmt: skip
    missing = []
    for document in documents():
        text = document.read_text()
        files = re.findall(r"\b(?:tests|bench)/[\w/]+\.py\b", text)
        missing += [file for file in files if not (PROJECT / file).exists()]
        modules_named = {Path(path).stem for path in re.findall(r"tests/[\w/]+\.py", text)}
        tests_named = set(re.findall(r"\btest_\w+\b(?!\.py)", text)) - modules_named
        missing += [name for name in sorted(tests_named) if name not in names]

    assert missing == []
