"""Several courses led by one person, who falls ill; and what is proposed then."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from scheduling import absences, replanning
from scheduling.absences import AbsenceDetails
from scheduling.models import Absence, Course, Proposal, Resource
from tests import build


def work_out(clinic: build.Clinic) -> Proposal:
    proposal = replanning.work_out_next(clinic.now, seconds=3)
    assert proposal is not None
    return proposal


@pytest.fixture
def courses(clinic) -> list[Course]:
    """Three courses, all led by the same person."""
    made = [clinic.booked_course(build.patient(), lead=clinic.staff["injector"][0]) for _ in range(3)]
    assert len({visit.lead_id for course in made for visit in build.visits_of(course)}) == 1
    return made


def lead_of(course: Course) -> Resource:
    return build.visits_of(course)[0].lead


def is_ill(clinic: build.Clinic, who: Resource, first_on: date, last_on: date | None = None) -> Absence:
    ill = AbsenceDetails(who, first_on, last_on or first_on, kind=Absence.Kind.ILLNESS)
    return absences.record(ill, by=clinic.receptionist, now=clinic.now)


@pytest.fixture
def proposal(clinic, courses) -> Proposal:
    """The person is ill on the day of everybody's second visit."""
    second = build.visits_of(courses[0])[1]
    is_ill(clinic, second.lead, second.on)
    return work_out(clinic)


def where(course: Course) -> list[tuple[date, str, int]]:
    return [(visit.on, visit.lead.name, visit.revision) for visit in build.visits_of(course)]


def sessions_in(proposal: Proposal, *courses: Course) -> list[Any]:
    return [move.session.uid for move in proposal.moves.all() if not courses or move.session.course in courses]
