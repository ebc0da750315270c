"""Every code of every gate, in each of its states, at each moment and at every door: as the table says, or refused.

The rows are made of GATES: a gate or a code that is new and has no situation (gate_situations.py) fails here.
"""

from __future__ import annotations

import ast
import io
import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import time, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.utils import timezone

from clinic import localtime
from scheduling import tasks, wording, worklists
from scheduling.models import Appointment, Course, Message, Session
from scheduling.planner.facts import GateState, Moment
from scheduling.planner.gates import GATES
from tests import build, smtp_sink

from .conftest import Api, Desk, act_page, everything_stored, plan_page
from .gate_situations import SITUATIONS, Beginning, SmallClinic, as_file, asked_session, book_alone, twin_of

OPEN, CLOSED, PENDING = GateState.OPEN, GateState.CLOSED, GateState.PENDING
PLAN, BOOK, MESSAGE, CHECK_IN = Moment.PLAN, Moment.BOOK, Moment.MESSAGE, Moment.CHECK_IN
CODES = {code.code: code for kind in GATES.values() for code in kind.codes}


class Door(StrEnum):
    ADMIN = "admin"
    API = "API"
    JOB = "job"
    IMPORT = "import"


# What a cell says. The table of the product, written out; `gates.refuses` is not asked.
TABLE: Mapping[GateState, Mapping[Moment, str]] = {
    OPEN: {PLAN: "not reported", BOOK: "booked", MESSAGE: "sent", CHECK_IN: "arrived"},
    PENDING: {PLAN: "reported as pending", BOOK: "booked", MESSAGE: "sent", CHECK_IN: "refused"},
    CLOSED: {PLAN: "reported as closed", BOOK: "refused", MESSAGE: "dropped, with a task", CHECK_IN: "refused"},
}

# --- what there is no cell for, and why -------------------------------------------------------------------------------

# By moment and door. It can be told: each door's source calls none of what brings the moment about.
NO_SUCH_DOOR: Mapping[tuple[Moment, Door], str] = {
    (PLAN, Door.JOB): "nobody asks a job for a plan of a course; what it looks at again is booked already",
    (PLAN, Door.IMPORT): "a file says when visits are: nothing is planned",
    (BOOK, Door.JOB): "only a person books",
    (MESSAGE, Door.ADMIN): "mail is sent by the worker alone; a page can only ask it to try again",
    (MESSAGE, Door.API): "mail is sent by the worker alone",
    (MESSAGE, Door.IMPORT): "mail is sent by the worker alone",
    (CHECK_IN, Door.JOB): "who is there is said by a person",
    (CHECK_IN, Door.IMPORT): "a file tells what took place, and what is to come; never that somebody has just come in",
}
BROUGHT_ABOUT_BY: Mapping[Moment, frozenset[str]] = {
    PLAN: frozenset({"propose_course"}),
    BOOK: frozenset({"book_course", "book"}),
    MESSAGE: frozenset({"deliver_due"}),
    CHECK_IN: frozenset({"arrive", "check_in"}),
}
SOURCES: Mapping[Door, str] = {
    Door.ADMIN: "admin/**/*.py",
    Door.API: "api/**/*.py",
    Door.JOB: "tasks.py",
    Door.IMPORT: "imports/**/*.py",
}

# Codes that are closed or open and never pending, as the gates declare.
NEVER_PENDING: Mapping[str, str] = {
    "assessment_missing": "evaluation comes before planning",
    "assessment_expired": "evaluation comes before planning",
    "assessment_unsuitable": "a clinician has decided",
    "assessment_cooling_off": "it is known when it ends: a later date is in order",
    "reflux_not_checked": "evaluation comes before planning",
    "reflux_untreated": "a clinician has found it",
    "reflux_treated_recently": "it is known when it ends: a later date is in order",
    "answer_missing": "unknown is not “no”: it is asked before booking",
    "answer_expired": "before that it is `answer_due_again`",
    "risk_absolute": "the answer is known",
    "risk_relative": "the answer is known",
    "risk_ask": "the answer is known",
    "area_not_allowed": "the protocol says so whatever the date",
    "consent_withdrawn": "the patient has decided",
    "consent_cooling_off": "it is known when it ends: a later date is in order",
    "guardian_missing": "whose consent it takes is known",
    "guardian_consent_missing": "whose consent it takes is known",
    "of_age_unknown": "unknown is not of age",
    "outcome_missing": "before that it is `outcome_awaited`",
    "outcome_stop": "a clinician has decided",
    "outcome_review": "a clinician has decided",
    "yearly_limit_reached": "what is booked counts, and the year of the date is known",
    "season_closed": "the calendar is known",
    "too_near_other_treatment": "what is booked counts, and its date is known",
    "late_review": "counted from what really happened",
    "late_repeat_step": "counted from what really happened",
    "late_restart": "counted from what really happened",
    "too_young": "the age on a date is known",
    "birth_date_missing": "unknown is not old enough",
    "course_on_hold": "a hold stands or does not",
    "patient_deceased": "known",
    "patient_merged": "known",
}
NEVER_CLOSED: Mapping[str, str] = {
    "answer_due_again": "on the day of the visit it becomes `answer_expired`",
    "outcome_awaited": "when the session before it takes place it becomes `outcome_missing`, or is open",
}
# What is pending until the visit is closed when the day has come: check-in is refused with that.
ON_THE_DAY: Mapping[str, str] = {"answer_due_again": "answer_expired"}
# The last two where something is shut, so that nobody presses the first again and again.
CHECK_IN_BUTTONS = ("The patient is here", "Try again", "Save the answers")
# What the form of check-in asks for itself, and does not go on without.
ASKED_AT_THE_DESK = {"answer_missing", "answer_expired", "answer_due_again"}

# --- cells that behave otherwise, and why -----------------------------------------------------------------------------

OTHERWISE: Mapping[tuple[str, GateState, Moment, Door], tuple[str, str]] = {
    ("outcome_awaited", PENDING, PLAN, Door.ADMIN): (
        "not reported",
        "that sessions follow each other is the order of things: the page of a plan shows them in it",
    ),
    ("course_on_hold", CLOSED, BOOK, Door.IMPORT): (
        "booked",
        "a file tells of no hold but by a bad answer: the course that it brings is another, and not held",
    ),
    **{
        (code, OPEN, BOOK, Door.IMPORT): ("refused", "an override is given here, it cannot be brought in")
        for code, one in CODES.items()
        if one.override
    },
    ("risk_ask", OPEN, BOOK, Door.IMPORT): ("refused", "a clinician looks at the answer here"),
}
# What a file says in other words, or cannot say: it is refused with another code.
IN_A_FILE: Mapping[str, str] = {
    "consent_withdrawn": "consent_missing",  # a consent that was withdrawn is not among those brought in
    "patient_deceased": "patient_inactive",  # no course is started
    "patient_merged": "unknown",  # the number is not found among the patients in use
}
# Why no mail goes to a patient is said before any gate is asked, and nobody is asked to call.
NO_MAIL_TO_THE_PATIENT = frozenset({"patient_deceased", "patient_merged"})


# --- the doors --------------------------------------------------------------------------------------------------------


@dataclass
class Scene:
    """A course in a situation, and the people at the doors."""

    code: str
    clinic: SmallClinic
    course: Course
    sink: smtp_sink.Sink
    file: Path
    visit: Appointment | None = None
    plan: Any = None

    def __post_init__(self) -> None:
        self.desk, self.api = Desk(self.clinic.receptionist), Api(self.clinic.receptionist)

    def says(self, words: str) -> bool:
        """Whether words hold the sentence of the code, whatever it is about."""
        sentence = str(wording.SENTENCES[self.code])
        return re.search(re.escape(sentence).replace(re.escape("%(subject)s"), ".+?"), words) is not None

    @property
    def session(self) -> Session:
        return asked_session(self.course)

    @property
    def slots(self) -> list[dict[str, Any]]:
        """What the API has proposed."""
        return [one["slot"] for one in self.plan["alternatives"][0]["sessions"]]


Cell = Callable[[Scene], str]


def plan_over_rest(scene: Scene) -> str:
    answer = scene.api.post(f"courses/{scene.course.uid}/plan/")
    if answer.status_code != 200:
        return f"{answer.status_code} {answer.json()}"
    scene.plan = answer.json()
    states = {
        gate["state"]
        for plan in scene.plan["alternatives"]
        for one in plan["sessions"]
        for gate in one["gates"]
        if one["slot"]["session"] == str(scene.session.uid)
        and gate["code"] == scene.code
        and scene.says(gate["message"])
    }
    return f"reported as {', '.join(states)}" if states else "not reported"


SAYS_OF_A_STATE = {CLOSED: "Closed: nothing can be booked.", PENDING: "Not known yet: booking is possible"}


def plan_at_the_desk(scene: Scene) -> str:
    page = scene.desk.open(plan_page(scene.course))
    if "points" not in page.words:
        return f"{page.status}, no plan: {page.words}"
    if not scene.says(page.words):
        return "not reported"
    states = [state.value for state, words in SAYS_OF_A_STATE.items() if words in page.words]
    return f"reported as {', '.join(states)}"


def is_booked(scene: Scene) -> bool:
    return Appointment.objects.live().filter(session=scene.session).exists()


def book_at_the_desk(scene: Scene) -> str:
    posted, stored = {"plan": json.dumps(scene.slots), "key": str(uuid.uuid4())}, everything_stored()
    page = scene.desk.send(plan_page(scene.course), posted, follow=False)
    if page.status == 409 and "Nothing was booked." in page.words and scene.says(page.words):
        return refused(stored)
    return "booked" if page.status == 302 and is_booked(scene) else f"{page.status}: {page.words}"


def book_over_rest(scene: Scene) -> str:
    posted, stored = {"slots": scene.slots}, everything_stored()
    return booked_over_rest(scene, f"courses/{scene.course.uid}/book/", posted, stored)


def book_one_over_rest(scene: Scene) -> str:
    asked, stored = scene.session, everything_stored()
    (slot,) = (slot for slot in scene.slots if slot["session"] == str(asked.uid))
    return booked_over_rest(scene, f"sessions/{asked.uid}/book/", {"slot": slot}, stored)


def booked_over_rest(scene: Scene, path: str, posted: Any, stored: Mapping[str, int]) -> str:
    answer = scene.api.post(path, posted)
    if answer.status_code == 409 and scene.code in codes_of(answer):
        return refused(stored)
    return "booked" if answer.status_code == 201 and is_booked(scene) else f"{answer.status_code} {answer.json()}"


def book_by_file(scene: Scene) -> str:
    """Bring in the patient's courses as another system tells them."""
    patient, said = scene.course.patient, io.StringIO()
    twin = twin_of(patient, scene.clinic)
    scene.file.write_text(as_file(patient, scene.clinic), encoding="utf-8")
    stored = everything_stored()
    try:
        call_command(
            "courses", "import", str(scene.file), "--as", scene.clinic.prescriber.email, stdout=said, stderr=said
        )
    except CommandError:
        codes = set(re.findall(r"\[(\w+)\]$", said.getvalue(), re.MULTILINE))
        return refused(stored) if IN_A_FILE.get(scene.code, scene.code) in codes else said.getvalue()
    asked = build.sessions_of(Course.objects.get(patient=twin, version__protocol__key="treatment"))[-1]
    return "booked" if Appointment.objects.live().filter(session=asked).exists() else said.getvalue()


def codes_of(answer: Any) -> set[str]:
    return {violation["code"] for violation in answer.json().get("violations", ())}


def refused(stored: Mapping[str, int]) -> str:
    return "refused" if everything_stored() == stored else "refused, but something was written"


def message_by_the_worker(scene: Scene) -> str:
    """The mails of the day before: preparation and reminder."""
    before = len(scene.sink.taken)
    tasks.deliver_due()
    tasks.sweep()
    tasks.work_out_proposals()
    about = Message.objects.filter(visits__appointment=scene.visit, kind__in=["preparation", "reminder"])
    became = {(message.state, message.state_reason) for message in about}
    kinds = {message.kind for message in about}
    arrived = {str(taken.message["Message-ID"]) for taken in scene.sink.taken[before:]}
    is_true = arrived == set(Message.objects.filter(state="sent").values_list("message_id", flat=True))
    if kinds != {"preparation", "reminder"} or not is_true or not still_stands(scene):
        return f"{kinds}, {became}, {arrived}"
    if became == {("sent", "")}:
        return "sent"
    if [state for state, _reason in became] == ["dropped"]:
        return dropped(scene, became.pop()[1])
    return f"{became}"


def dropped(scene: Scene, reason: str) -> str:
    work = {listing.kind: listing.rows for listing in worklists.worklist([scene.clinic.site], now=scene.clinic.now)}
    if scene.code in NO_MAIL_TO_THE_PATIENT:
        is_told = reason == scene.code and any(row.visit == scene.visit for row in work.get("not_ready", ()))
        return "dropped, with a task" if is_told else f"dropped: {reason}; {work}"
    said, _, codes = reason.partition(":")
    is_told = said == "gate_closed" and scene.code in codes.split(",")
    tasks_of = [message for message in work.get("dropped", ()) if message.session_id == scene.visit.session_id]
    return "dropped, with a task" if is_told and len(tasks_of) == 2 else f"dropped: {reason}; {work}"


def still_stands(scene: Scene) -> bool:
    return scene.visit in Appointment.objects.live() and Appointment.objects.count() == 1


def check_in_at_the_desk(scene: Scene) -> str:
    stored = everything_stored()
    form = scene.desk.open(act_page(scene.course, "arrive", scene.visit))
    button = next(words for words in CHECK_IN_BUTTONS if any(words in one for one in form.buttons))
    page = form.press(button, follow=False)
    if is_arrived(scene):
        return "arrived"
    is_said = scene.says(page.words)
    if scene.code in ASKED_AT_THE_DESK:
        is_said = "Ask these questions first. Are you pregnant, or might you be?" in page.words
    return refused(stored) if is_said else f"{page.status}: {page.words}"


def check_in_over_rest(scene: Scene) -> str:
    stored = everything_stored()
    answer = scene.api.post(f"appointments/{scene.visit.uid}/arrive/")
    if answer.status_code == 200 and is_arrived(scene):
        return "arrived"
    is_said = answer.status_code == 409 and ON_THE_DAY.get(scene.code, scene.code) in codes_of(answer)
    return refused(stored) if is_said else f"{answer.status_code} {answer.json()}"


def check_in_with_answers_over_rest(scene: Scene) -> str:
    stored = everything_stored()
    answer = scene.api.post(f"sessions/{scene.session.uid}/check-in/", {"answers": []})
    told = answer.json()
    if answer.status_code == 200 and told["admitted"] and is_arrived(scene):
        return "arrived"
    codes = {problem["code"] for problem in told.get("problems", ())}
    is_said = answer.status_code == 200 and ON_THE_DAY.get(scene.code, scene.code) in codes
    stored["IdempotencyKey"] += 1  # what was answered is kept for the request, as nothing failed
    return refused(stored) if is_said else f"{answer.status_code} {told}"


def is_arrived(scene: Scene) -> bool:
    return Appointment.objects.get(pk=scene.visit.pk).state == "arrived"


# Asked of a course that is not booked, and of one that was booked before it came to that.
BEFORE_BOOKING: Mapping[tuple[Moment, Door], list[Cell]] = {
    (PLAN, Door.API): [plan_over_rest],
    (PLAN, Door.ADMIN): [plan_at_the_desk],
    (BOOK, Door.ADMIN): [book_at_the_desk],
    (BOOK, Door.API): [book_over_rest, book_one_over_rest],
    (BOOK, Door.IMPORT): [book_by_file],
}
WHEN_BOOKED: Mapping[tuple[Moment, Door], list[Cell]] = {
    (MESSAGE, Door.JOB): [message_by_the_worker],
    (CHECK_IN, Door.ADMIN): [check_in_at_the_desk],
    (CHECK_IN, Door.API): [check_in_over_rest, check_in_with_answers_over_rest],
}
CELLS = {**BEFORE_BOOKING, **WHEN_BOOKED}
# How many days before the visit, and at what time.
COMES = {MESSAGE: (1, time(9)), CHECK_IN: (0, time(8, 30))}
Row = tuple[str, GateState]
Said = dict[tuple[Moment, Door], set[str]]  # a door with several ways in says the same on each


# --- the matrix -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sink() -> Iterator[smtp_sink.Sink]:
    with smtp_sink.running() as running:
        yield running


@contextmanager
def undone() -> Iterator[None]:
    """What happens inside has not happened after it."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.fixture
def clinic(db, monkeypatch) -> SmallClinic:
    """A clinic whose clock is also the server's, and the people who work there."""
    build.message_texts()
    made = SmallClinic()
    monkeypatch.setattr(timezone, "now", lambda: made.now)
    assert all([made.receptionist, made.clinician, made.prescriber])
    return made


ROWS: Mapping[str, list[Row]] = {
    name: [(code.code, state) for code in kind.codes for state in (OPEN, *code.states)] for name, kind in GATES.items()
}


@pytest.mark.parametrize("name", GATES)
def test_a_gate_is_asked_at_every_door(name, clinic, sink, settings, tmp_path):
    file = tmp_path / "courses.yaml"
    settings.MAIL_HOST, settings.MAIL_PORT, settings.MAIL_SECURITY = "127.0.0.1", sink.port, ""
    untold = {code for code, _state in ROWS[name]} - SITUATIONS.keys()
    assert not untold, f"say in gate_situations.py how {untold} of the gate “{name}” come about"
    found: dict[Row, Said] = {row: {} for row in ROWS[name]}

    for beginning, rows in beginnings(ROWS[name]).items():
        clinic.now = build.MONDAY
        with undone():
            course = beginning.course(clinic)
            for row in rows:
                found[row] |= said_of(row, clinic, Scene(row[0], clinic, course, sink, file), BEFORE_BOOKING)
            visit = book_alone(clinic, course)
            for row in rows:
                found[row] |= said_of(row, clinic, Scene(row[0], clinic, course, sink, file, visit), WHEN_BOOKED)

    otherwise = {
        f"{code} {state}, {moment} at {door}": {"said": found[code, state].get((moment, door)), "expected": says}
        for code, state in ROWS[name]
        for (moment, door), says in expected(code, state).items()
        if found[code, state].get((moment, door)) != {says}
    }
    assert otherwise == {}


def beginnings(rows: list[Row]) -> dict[Beginning, list[Row]]:
    """Return rows by the course that they begin with, which is built once."""
    found: dict[Beginning, list[Row]] = {}
    for code, state in rows:
        found.setdefault(SITUATIONS[code].beginning(state), []).append((code, state))
    return found


def said_of(row: Row, clinic: SmallClinic, scene: Scene, cells: Mapping[tuple[Moment, Door], list[Cell]]) -> Said:
    """Let a situation come about, ask cells what they say, and take it all back."""
    code, state = row
    with undone():
        SITUATIONS[code].turn(state)(clinic, scene.course)
        scene.course = Course.objects.get(pk=scene.course.pk)
        found = ask(scene, state, cells)
    clinic.now = build.MONDAY
    return found


def ask(scene: Scene, state: GateState, cells: Mapping[tuple[Moment, Door], list[Cell]]) -> Said:
    """Ask cells one after the other, each as if no other had been asked."""
    found: Said = {}
    turned_at = scene.clinic.now
    for (moment, door), ways in cells.items():
        asks = ways if state is not OPEN else ways[:1]  # where nothing stands in the way, one way in is enough
        if moment in COMES:
            days_before, at = COMES[moment]
            on = scene.visit.on - timedelta(days=days_before)
            scene.clinic.now = max(turned_at, localtime.instant(on, at, scene.clinic.zone))
        for one in asks:
            scene.desk.come_in()
            scene.api.come_in()
            with undone():
                found.setdefault((moment, door), set()).add(one(scene))
    return found


def expected(code: str, state: GateState) -> dict[tuple[Moment, Door], str]:
    return {
        (moment, door): OTHERWISE.get((code, state, moment, door), (TABLE[state][moment], ""))[0]
        for moment, door in CELLS
    }


# --- what the matrix leaves out ---------------------------------------------------------------------------------------


def test_every_code_of_every_gate_has_a_situation_for_each_of_its_states():
    told = {
        code: {state for state, turn in ((CLOSED, one.closed), (PENDING, one.pending)) if turn is not None}
        for code, one in SITUATIONS.items()
    }

    assert told == {code: set(one.states) for code, one in CODES.items()}


def test_the_states_that_a_code_never_has_are_named():
    assert NEVER_PENDING.keys() == {code for code, one in CODES.items() if PENDING not in one.states}
    assert NEVER_CLOSED.keys() == {code for code, one in CODES.items() if CLOSED not in one.states}


def called_in(door: Door) -> set[str]:
    """Return the names of all that the source of a door calls."""
    root = Path(wording.__file__).parent
    calls = [
        node.func
        for path in sorted(root.glob(SOURCES[door]))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    ]
    return {call.attr for call in calls if isinstance(call, ast.Attribute)} | {
        call.id for call in calls if isinstance(call, ast.Name)
    }


@pytest.mark.parametrize("door", Door)
@pytest.mark.parametrize("moment", Moment)
def test_a_door_that_brings_a_moment_about_is_asked(moment, door):
    is_there = bool(called_in(door) & BROUGHT_ABOUT_BY[moment])

    assert is_there is ((moment, door) in CELLS)
    assert is_there is not ((moment, door) in NO_SUCH_DOOR)


def test_a_mail_that_many_gates_keep_back_names_none_of_them_by_half(clinic, sink, settings):
    settings.MAIL_HOST, settings.MAIL_PORT, settings.MAIL_SECURITY = "127.0.0.1", sink.port, ""
    course = SITUATIONS["consent_withdrawn"].beginning(CLOSED).course(clinic)
    visit = book_alone(clinic, course)
    for code in ("assessment_missing", "answer_missing", "consent_withdrawn"):
        SITUATIONS[code].turn(CLOSED)(clinic, course)

    clinic.now = localtime.instant(visit.on - timedelta(days=1), time(9), clinic.zone)
    tasks.deliver_due()

    (reason,) = set(
        Message.objects.filter(visits__appointment=visit, state="dropped").values_list("state_reason", flat=True)
    )
    assert reason == "gate_closed:assessment_missing,reflux_not_checked,answer_missing"
