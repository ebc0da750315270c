"""A proposal for many courses is carried out: whole or in part, as far as it is still right."""

from __future__ import annotations

import sys
from datetime import date, datetime, timedelta
from types import FrameType
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clinic.errors import Problem
from scheduling import absences, booking, protocols, replanning, visits, worklists
from scheduling.absences import AbsenceDetails
from scheduling.models import Appointment, CancelReason, Course, Message, Move, Proposal, Resource
from scheduling.models.appointments import AskedBy
from scheduling.replanning.judging import Bench, chosen, left_in
from scheduling.roster import there
from tests import build
from tests.refusals import codes

from .illness import courses, is_ill, lead_of, proposal, sessions_in, where, work_out

__all__ = ["courses", "proposal"]

pytestmark = pytest.mark.django_db


def test_applied_whole_it_moves_all_and_tells_each_patient_once(clinic, courses, proposal):
    moved = replanning.apply(proposal, by=clinic.receptionist, now=clinic.now)

    proposal.refresh_from_db()
    assert (proposal.state, proposal.decided_by, len(moved)) == ("applied", clinic.receptionist, proposal.moves.count())
    assert Appointment.objects.live().filter(on=date(2027, 2, 1), lead=lead_of(courses[0])).count() == 0
    assert told() == at_another_time(proposal)


def test_what_an_act_has_proposed_for_one_of_its_courses_is_overtaken(clinic, courses, proposal):
    """One course is assessed again: its second visit, that nobody covers, is proposed for a second time."""
    clinic.assess(courses[0])
    own = courses[0].proposals.get(state="open")
    assert who_names_what(clinic) == [
        (build.visits_of(course)[1].pk, by) for course, by in zip(courses, (own, proposal, proposal), strict=True)
    ]

    replanning.apply(proposal, by=clinic.receptionist, now=clinic.now)

    own.refresh_from_db()
    assert (own.state, list(Proposal.objects.open()), who_names_what(clinic)) == ("stale", [], [])


def who_names_what(clinic: build.Clinic) -> list[tuple[int | None, Proposal]]:
    """The uncovered visits on the worklist, each with the proposal that names it."""
    rows = worklists.uncovered([clinic.site], clinic.now)
    return sorted(((move.appointment_id, move.proposal) for move in rows), key=lambda row: row[0] or 0)


def test_a_patient_with_two_courses_is_told_of_each_by_its_own_mail(clinic, courses):
    """A hold of the one, or its end, keeps back what is to be said of it, and nothing of the other."""
    other, lead = courses[0], courses[0].lead
    text = protocols.shipped(clinic.key).replace("protocol: microsclerotherapy", "protocol: other_treatment")
    clinic.version = protocols.load(text, by=None, now=clinic.now, approve_by=build.user(is_superuser=True))
    one = clinic.booked_course(other.patient, lead=lead)
    for on in {build.visits_of(course)[1].on for course in (one, other)}:
        is_ill(clinic, lead, on)
    proposal = work_out(clinic)

    replanning.apply(proposal, by=clinic.receptionist, now=clinic.now)

    proposal.refresh_from_db()
    assert {one.pk, other.pk} <= set(told())
    assert (proposal.state, told()) == ("applied", at_another_time(proposal))
    visits.end_course(one, reason="moved away", by=clinic.receptionist, now=clinic.now)
    assert other.pk in told()


def told() -> list[int]:
    """The courses whose patients are promised a mail about changed visits, once for each mail."""
    return sorted(Message.objects.filter(kind="changed", state="pending").values_list("course", flat=True))


def at_another_time(proposal: Proposal) -> list[int]:
    """The courses with a visit that is moved to another time: who else leads it, or where, is no news."""
    return sorted(
        {
            move.session.course_id
            for move in proposal.moves.exclude(applied_at=None)
            if (move.from_slot["on"], move.from_slot["at"]) != (move.to_slot["on"], move.to_slot["at"])
        }
    )


def test_some_are_applied_and_then_the_rest(clinic, courses, proposal):
    before = [where(course) for course in courses]

    replanning.apply(proposal, by=clinic.receptionist, now=clinic.now, sessions=sessions_in(proposal, *courses[:1]))

    proposal.refresh_from_db()
    assert (proposal.state, list(Proposal.objects.open())) == ("open", [proposal])
    assert where(courses[0]) != before[0]
    assert [where(course) for course in courses[1:]] == before[1:]

    replanning.apply(proposal, by=clinic.receptionist, now=clinic.now)

    proposal.refresh_from_db()
    assert (proposal.state, list(Proposal.objects.undecided())) == ("applied", [])
    assert all(where(course) != was for course, was in zip(courses, before, strict=True))
    assert told() == at_another_time(proposal)


def test_what_is_chosen_and_not_in_the_proposal_is_named_and_nothing_is_moved(clinic, courses, proposal):
    """A session of another course, and one for which no time was found; what is carried out by now is no mistake."""
    strange = build.sessions_of(clinic.course(build.patient()))[0].uid
    stuck, *_others = sessions_in(proposal, courses[1])
    proposal.moves.filter(session__uid=stuck).update(to_slot=None)
    chosen_ones = sessions_in(proposal, courses[0])
    before = [where(course) for course in courses]

    with pytest.raises(replanning.NotInProposal) as refused:
        replanning.apply(proposal, by=clinic.receptionist, now=clinic.now, sessions=[*chosen_ones, strange, stuck])

    assert (refused.value.status, refused.value.code) == (400, "not_in_proposal")
    assert named(refused.value.problems) == {(strange, "session_not_in_proposal"), (stuck, "session_without_new_time")}
    assert [where(course) for course in courses] == before
    replanning.apply(proposal, by=clinic.receptionist, now=clinic.now, sessions=chosen_ones)
    with pytest.raises(replanning.ProposalOvertaken) as again:
        replanning.apply(proposal, by=clinic.receptionist, now=clinic.now, sessions=chosen_ones)
    assert codes(again) == ["nothing_to_apply"]


def test_what_is_discarded_after_some_was_applied_is_partly_applied(clinic, courses, proposal):
    replanning.apply(proposal, by=clinic.receptionist, now=clinic.now, sessions=sessions_in(proposal, courses[0]))

    after = replanning.discard(proposal, by=clinic.receptionist, now=clinic.now)

    assert (after.state, list(Proposal.objects.undecided())) == ("partly", [])


def test_a_proposal_gone_stale_says_which_parts_and_the_rest_is_applied(clinic, courses, proposal):
    """One patient has cancelled, and the new time of another is lost to an absence."""
    gone, lost, fine = courses
    visits.cancel(
        build.visits_of(gone)[1],
        reason=CancelReason.PATIENT_BUSY,
        asked_by=AskedBy.PATIENT,
        by=clinic.receptionist,
        now=clinic.now,
    )
    (move,) = proposal.moves.filter(session__course=lost, session__position=3)
    away = Resource.objects.get(uid=move.to_slot["lead"])
    begins, ends = beginning_of(move)
    absences.record(
        AbsenceDetails(away, begins.date(), begins.date(), from_time=begins.time(), until_time=ends.time()),
        by=clinic.receptionist,
        now=clinic.now,
    )
    before = [where(course) for course in courses]

    judged = replanning.judge(proposal, now=clinic.now)
    assert judged.good == frozenset(sessions_in(proposal, fine))
    assert {session: [one.code for one in those] for session, those in judged.problems.items()} == {
        build.sessions_of(gone)[1].uid: ["visit_changed_since"],
        move.session.uid: ["off_duty"],
    }
    with pytest.raises(replanning.ProposalOvertaken) as refused:
        replanning.apply(proposal, by=clinic.receptionist, now=clinic.now)
    assert named(refused.value.problems) == {
        (build.sessions_of(gone)[1].uid, "visit_changed_since"),
        (move.session.uid, "off_duty"),
    }
    assert [where(course) for course in courses] == before

    replanning.apply(proposal, by=clinic.receptionist, now=clinic.now, sessions=judged.good)
    assert [where(course) != was for course, was in zip(courses, before, strict=True)] == [False, False, True]


def test_what_is_chosen_is_judged_with_all_others_where_they_are(clinic, courses):
    """Two change places: either alone would take the time that the other has."""
    one, other, _third = (build.visits_of(course)[0] for course in courses)
    proposal = Proposal.objects.create(site=clinic.site, reason="swap", made_at=clinic.now)
    for visit, target in ((one, other), (other, one)):
        build.move_to(proposal, visit, build.slot(target, session=str(visit.session.uid)))

    both = replanning.judge(proposal, now=clinic.now)
    alone = replanning.judge(proposal, now=clinic.now, among=[one.session.uid])

    assert (both.good, both.problems) == (frozenset([one.session.uid, other.session.uid]), {})
    assert (alone.good, {problem.code for problem in alone.problems[one.session.uid]}) == (
        frozenset(),
        {"resource_busy"},
    )


def in_a_chain(clinic: build.Clinic, length: int) -> tuple[list[Appointment], Proposal]:
    """Each visit but the last is to have the time of the one after it; that has been changed by hand since."""
    first = [build.visits_of(clinic.booked_course(build.patient()))[0] for _number in range(length)]
    proposal = Proposal.objects.create(site=clinic.site, reason="chain", made_at=clinic.now)
    for visit, target in zip(first, [*first[1:], first[-1]], strict=True):
        build.move_to(proposal, visit, build.slot(target, session=str(visit.session.uid)))
    Appointment.objects.filter(pk=first[-1].pk).update(revision=7)
    return first, proposal


def test_who_was_to_have_the_time_of_one_who_stays_falls_out_too_and_the_work_grows_with_the_courses(clinic):
    """They fall one after the other. Each is asked at first, and again when the one whose time it was to have falls;
    asked as often as any falls, ten of them would be asked 45 times."""
    visits_in_it, proposal = in_a_chain(clinic, 10)
    questions = 0

    def count(frame: FrameType, event: str, _arg: Any) -> None:
        nonlocal questions
        questions += event == "call" and frame.f_code is Bench._left_behind.__code__  # once for each time it is asked

    sys.setprofile(count)
    try:
        judged = replanning.judge(proposal, now=clinic.now)
    finally:
        sys.setprofile(None)

    assert judged.good == frozenset()
    assert {session: {one.code for one in those} for session, those in judged.problems.items()} == {
        visit.session.uid: {"visit_changed_since" if visit == visits_in_it[-1] else "resource_busy"}
        for visit in visits_in_it
    }
    assert questions == 9 + 8


def test_what_becomes_wrong_with_a_visit_that_is_not_in_the_proposal_stands_against_what_moves(clinic, courses):
    """The third visit was moved by hand since, and the second would now come too near to it."""
    second, third = build.visits_of(courses[0])[1:]
    later = visits.free_times(
        second.session, first_on=second.on + timedelta(days=1), last_on=third.on, now=clinic.now, limit=500
    )[-1].slot
    proposal = Proposal.objects.create(site=clinic.site, reason="by_hand", made_at=clinic.now)
    build.move_to(proposal, second, booking.slot_as_data(later, clinic.site))

    judged = replanning.judge(proposal, now=clinic.now)

    assert (judged.good, list(judged.problems)) == (frozenset(), [second.session.uid])
    assert (f"{third.session.uid}", "before_minimum") in {
        (problem.where, problem.code) for problem in judged.problems[second.session.uid]
    }


def named(problems: tuple[Problem, ...]) -> set[tuple[UUID, str]]:
    return {(UUID(problem.where), problem.code) for problem in problems}


def beginning_of(move: Move) -> tuple[datetime, datetime]:
    """The first half hour of a move's new time."""
    to = move.to_slot or {}
    begins = datetime.fromisoformat(f"{to['on']} {to['at']}")
    return begins, begins + timedelta(minutes=30)


def test_what_would_break_a_rule_without_the_others_is_refused_with_its_session(clinic, courses):
    """All of one course must move or none: its third visit would come too soon after a second that moved alone."""
    for injector in clinic.staff["injector"]:
        is_ill(clinic, injector, date(2027, 1, 25), date(2027, 2, 5))
    proposal = work_out(clinic)
    second, third = [move for move in proposal.moves.all() if move.session.course == courses[0]]

    with pytest.raises(booking.NotBookable) as refused:
        replanning.apply(proposal, by=clinic.receptionist, now=clinic.now, sessions=[second.session.uid])

    assert named(refused.value.problems) == {(third.session.uid, "before_minimum")}
    assert [visit.revision for visit in build.visits_of(courses[0])] == [1, 1, 1]


def test_as_many_statements_judge_three_courses_as_one(clinic, courses, proposal):
    def statements(*those: Course) -> int:
        moves = [move for move in left_in(proposal) if move.session.course in those]
        there.forget()
        with CaptureQueriesContext(connection) as asked:
            bench = Bench(chosen(moves), frozenset(), now=clinic.now)
            assert bench.problems(bench.moves.slots.keys()) == []
        return len(asked)

    assert statements(courses[0]) == statements(*courses)
