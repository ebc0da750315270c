"""Protocols that people wrote from the docs alone: they hold what the docs promise."""

from __future__ import annotations

from datetime import date, timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from clinic.models import Role
from scheduling import protocols, roster
from scheduling.models import Course, ProtocolVersion
from scheduling.planner import facts
from scheduling.planner.gates import gate_answers
from tests import build

pytestmark = pytest.mark.django_db
EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
THERAPY, WORDS = EXAMPLES / "photodynamic_therapy.yaml", EXAMPLES / "photodynamic_words.yaml"


def run(*words: object) -> tuple[str, str]:
    """Return what the command says, and what it doubts."""
    said, doubted = StringIO(), StringIO()
    call_command("protocol", *map(str, words), stdout=said, stderr=doubted)
    return said.getvalue(), doubted.getvalue()


@pytest.fixture
def clinic() -> build.Clinic:
    """A clinic that has imported the example as the docs say, and has what it needs."""
    prescriber = build.user(Role.PRESCRIBER, at=build.site())
    run("import", THERAPY, WORDS, "--approve-by", prescriber.email)
    return build.Clinic(key="photodynamic_therapy")


def test_the_files_are_in_order_and_nothing_in_them_is_in_doubt():
    assert run("validate", THERAPY, WORDS) == (f"{WORDS}: in order\n{THERAPY}: in order\n", "")
    assert "Written from docs/protocols.md alone" in THERAPY.read_text("utf-8")


def test_what_is_stored_reads_back_as_the_same(clinic):
    found = protocols.parse(THERAPY.read_text("utf-8"))

    assert protocols.document_of(clinic.version) == found
    assert protocols.parse(protocols.export(clinic.version)) == found
    assert ProtocolVersion.objects.get(protocol__key="photodynamic_therapy").state == "approved"


def test_a_course_is_started_assessed_planned_and_booked(clinic):
    """From Monday, 4 January 2027: a day to think, and then two weeks, as the clinician told it."""
    course = clinic.cleared_course()

    clinic.book(course)

    first, second = build.visits_of(course)
    window = second.session
    assert [(visit.session.step.key, f"{visit.on}", visit.minutes) for visit in (first, second)] == [
        ("light_session", "2027-01-05", 225),
        ("light_session", "2027-01-18", 225),  # best on the 19th, give or take three days
    ]
    assert [f"{on}" for on in (window.floor_on, window.target_on, window.overdue_on, window.lapse_on)] == [
        "2027-01-12",  # never sooner than 7 days
        "2027-01-19",  # best at 2 weeks
        "2027-02-16",  # not after 6 weeks: somebody calls
        "2027-03-30",  # after 12 weeks the doctor looks again
    ]
    assert [
        session.step.key for session in course.sessions.order_by("position") if not session.appointments.exists()
    ] == [
        "assessment",
        "skin_check",
    ]


def closed(course: Course, on: date, step: str) -> set[str]:
    """What refuses the first session of a step on a date."""
    as_it_stands = roster.course_facts(Course.objects.for_facts().get(pk=course.pk))
    session = next(one for one in as_it_stands.sessions if one.step.key == step)
    found = gate_answers(session, on, as_it_stands, date(2027, 1, 4))
    return {answer.code for answer in found if answer.state is facts.GateState.CLOSED}


def test_it_is_for_adults_and_not_for_high_summer(clinic):
    grown_up, young = clinic.cleared_course(), clinic.cleared_course(build.patient(born_on=date(2010, 5, 17)))

    assert closed(grown_up, date(2027, 2, 1), "light_session") == set()
    assert closed(grown_up, date(2027, 6, 14), "light_session") == set()
    assert closed(grown_up, date(2027, 6, 15), "light_session") == {"season_closed"}
    assert "too_young" in closed(young, date(2027, 2, 1), "light_session")


def test_a_superficial_peel_keeps_two_weeks_away_though_its_own_file_says_nothing(clinic):
    light = clinic.booked_course()
    peel = build.Clinic(key="superficial_peel").cleared_course(light.patient)
    last = build.visits_of(light)[-1].on

    assert "photodynamic" not in protocols.shipped("superficial_peel")
    assert closed(peel, last + timedelta(days=13), "peel") == {"too_near_other_treatment"}
    assert closed(peel, last + timedelta(days=14), "peel") == set()
