"""A proposal for many patients is applied while others book, move, cancel and fall ill: real threads, real database.

Never a double booking, never half an apply.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest

from clinic.errors import Conflict
from scheduling import absences, replanning, visits
from scheduling.absences import AbsenceDetails
from scheduling.models import Appointment, CancelReason, Course, Message, Move, Proposal, Resource, StateChange
from scheduling.models.appointments import AskedBy
from tests import build

from .racing import DEADLOCKS, OVERLAPS, Rival, asked, at_once

RIVALS, ROUNDS = 3, 2


@pytest.fixture
def clinic(transactional_db: None) -> build.Clinic:
    return build.Clinic()


@pytest.fixture
def courses(clinic: build.Clinic) -> list[Course]:
    """Four courses led by the same person."""
    return [clinic.booked_course(build.patient(), lead=clinic.staff["injector"][0]) for _ in range(4)]


def proposal_for(clinic: build.Clinic, courses: list[Course]) -> Proposal:
    """That person is ill for the week of everybody's second visit."""
    second = build.visits_of(courses[0])[1]
    ill = AbsenceDetails(second.lead, second.on, second.on + timedelta(days=4))
    absences.record(ill, by=clinic.receptionist, now=clinic.now)
    proposal = replanning.work_out_next(clinic.now, seconds=2)
    assert proposal is not None
    assert {move.session.course for move in proposal.moves.all() if move.to_slot} == set(courses)
    return proposal


def where(visit: Appointment) -> tuple[str, str, str]:
    return (visit.on.isoformat(), f"{visit.at_time:%H:%M}", str(visit.lead.uid))


def moved_by(proposal: Proposal, courses: Iterable[Course]) -> list[tuple[int, int]]:
    """Of each course: how many moves are marked as carried out, and how many changes its history knows of."""
    return [
        (
            proposal.moves.filter(session__course=course).exclude(applied_at=None).count(),
            StateChange.objects.filter(course=course, reason="absence").count(),
        )
        for course in courses
    ]


def test_of_two_who_apply_it_at_once_one_does(clinic, courses):
    proposal = proposal_for(clinic, courses)

    results = at_once(*(lambda: replanning.apply(proposal, by=clinic.receptionist, now=clinic.now) for _ in range(2)))

    assert sorted(results) == ["done", "proposal_overtaken"]
    moves = list(proposal.moves.select_related("appointment__lead", "session__course"))
    assert all(move.applied_at and move.appointment.revision == 2 for move in moves)
    assert [where(move.appointment) for move in moves] == [
        (move.to_slot["on"], move.to_slot["at"], move.to_slot["lead"]) for move in moves
    ]
    told = Counter(Message.objects.filter(kind="changed").values_list("course", flat=True))
    at_another_time = {
        move.session.course_id
        for move in moves
        if (move.from_slot["on"], move.from_slot["at"]) != (move.to_slot["on"], move.to_slot["at"])
    }
    assert told == dict.fromkeys(at_another_time, 1)  # who else leads a visit is no news
    assert asked(OVERLAPS) == 0


def test_of_two_who_apply_different_halves_at_once_both_do(clinic, courses):
    """Or they are told what is in the way, where one needs the other's times; then what is left is applied."""
    proposal = proposal_for(clinic, courses)
    halves = [sessions_of(proposal, courses[:2]), sessions_of(proposal, courses[2:])]

    results = at_once(
        *(
            lambda half=half: replanning.apply(proposal, by=clinic.receptionist, now=clinic.now, sessions=half)
            for half in halves
        )
    )

    assert set(results) <= {"done", "not_bookable"}
    for result, part in zip(results, (courses[:2], courses[2:]), strict=True):
        for marked, changed in moved_by(proposal, part):
            assert marked == changed
            assert (marked > 0) == (result == "done")
    if "not_bookable" in results:
        replanning.apply(proposal, by=clinic.receptionist, now=clinic.now)
    assert {move.applied_at is not None for move in proposal.moves.all()} == {True}
    assert asked(OVERLAPS) == 0


def sessions_of(proposal: Proposal, courses: list[Course]) -> list[UUID]:
    return [move.session.uid for move in proposal.moves.filter(session__course__in=courses)]


@dataclass
class Decider:
    """Somebody at the desk who applies what is still right, again and again."""

    clinic: build.Clinic
    proposal: Proposal
    codes: list[str] = field(default_factory=list)

    def __call__(self) -> None:
        for _ in range(ROUNDS):
            for chosen in (None, "good"):
                try:
                    good = None if chosen is None else replanning.judge(self.proposal, now=self.clinic.now).good
                    replanning.apply(self.proposal, by=self.clinic.receptionist, now=self.clinic.now, sessions=good)
                except Conflict as refusal:
                    self.codes.append(refusal.code)
                else:
                    self.codes.append("done")


@dataclass
class Meddler:
    """Somebody who moves and cancels the same visits by hand."""

    clinic: build.Clinic
    course: Course
    random: Random
    codes: list[str] = field(default_factory=list)

    def __call__(self) -> None:
        how: dict[str, Any] = {"by": self.clinic.receptionist, "now": self.clinic.now}
        for visit in build.visits_of(self.course)[1:]:
            try:
                times = visits.free_times(
                    visit.session, first_on=visit.on, last_on=visit.on + timedelta(days=9), now=how["now"], limit=20
                )
                if times and self.random.random() < 0.6:
                    visits.move(visit, self.random.choice(times).slot, **how)
                else:
                    visits.cancel(visit, reason=CancelReason.PATIENT_BUSY, asked_by=AskedBy.PATIENT, **how)
            except Conflict as refusal:
                self.codes.append(refusal.code)
            else:
                self.codes.append("done")


def test_applied_while_others_book_move_and_cancel_there_is_no_double_booking_and_no_half_apply(clinic, courses):
    proposal = proposal_for(clinic, courses)
    before = {visit.pk: visit.revision for course in courses for visit in build.visits_of(course)}
    rivals = [Rival(clinic, clinic.cleared_course(), Random(number)) for number in range(RIVALS)]
    deciders = [Decider(clinic, proposal) for _ in range(2)]
    meddler = Meddler(clinic, courses[0], Random(11))
    deadlocks = asked(DEADLOCKS)

    assert at_once(*rivals, *deciders, meddler) == ["done"] * (RIVALS + 3)

    assert asked(OVERLAPS) == 0
    assert asked(DEADLOCKS) == deadlocks
    said = {code for one in (*rivals, *deciders, meddler) for code in one.codes}
    assert said <= {"done", "not_bookable", "proposal_overtaken", "illegal_transition", "no_plan"}
    for course in courses[1:]:  # which nobody else has touched
        ((marked, changed),) = moved_by(proposal, [course])
        assert marked == changed
        assert marked in (0, proposal.moves.filter(session__course=course).count())
    for move in Move.objects.filter(proposal=proposal, session__course__in=courses[1:]).select_related("appointment"):
        visit = move.appointment
        assert visit is not None
        is_moved = visit.revision == before[visit.pk] + 1
        assert is_moved == (move.applied_at is not None)
        if is_moved and move.to_slot:
            assert where(visit) == (move.to_slot["on"], move.to_slot["at"], move.to_slot["lead"])


@pytest.mark.parametrize("of", [0, 1, 2])
def test_who_falls_ill_while_it_is_applied_is_given_no_visit_that_nobody_looks_at(clinic, courses, of):
    """Either the new times are refused, or those visits are among the ones for which new times are asked."""
    proposal = proposal_for(clinic, courses)
    move = next(move for move in proposal.moves.all() if move.session.course == courses[of] and move.to_slot)
    on, lead = date.fromisoformat(move.to_slot["on"]), Resource.objects.get(uid=move.to_slot["lead"])

    applied, recorded = at_once(
        lambda: replanning.apply(proposal, by=clinic.receptionist, now=clinic.now),
        lambda: absences.record(AbsenceDetails(lead, on, on), by=clinic.receptionist, now=clinic.now),
    )

    stands = Appointment.objects.live().filter(session=move.session, on=on, lead=lead).exists()
    asked_for = Proposal.objects.filter(state="making", touched=courses[of]).exists()
    assert (recorded, applied, stands, asked_for) in (
        ("done", "done", True, True),
        ("done", "not_bookable", False, False),
    )
    assert moved_by(proposal, [courses[of]])[0][0] == (len(sessions_of(proposal, [courses[of]])) if stands else 0)
    assert asked(OVERLAPS) == 0
