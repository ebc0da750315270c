"""What touches many courses at once: asked for in the act, and worked out for all of them together."""

from __future__ import annotations

from datetime import date

import pytest

from scheduling import absences, booking, closures, holds, replanning, visits
from scheduling.models import Appointment, CancelReason, Course, Proposal
from scheduling.models.appointments import AskedBy
from scheduling.replanning import together
from tests import build

from .illness import courses, is_ill, lead_of, proposal, sessions_in, where, work_out

__all__ = ["courses", "proposal"]

pytestmark = pytest.mark.django_db


def test_an_absence_asks_for_one_proposal_and_moves_nothing(clinic, courses):
    second = build.visits_of(courses[0])[1]

    is_ill(clinic, second.lead, second.on)

    (asked,) = Proposal.objects.all()
    assert (asked.state, asked.course, asked.site, asked.reason, asked.progress, asked.made_by) == (
        "making",
        None,
        clinic.site,
        "absence",
        0,
        clinic.receptionist,
    )
    assert set(asked.touched.all()) == set(courses)
    assert [asked] == list(Proposal.objects.undecided())
    assert list(Proposal.objects.open()) == []


def test_what_touches_no_visit_asks_for_nothing(clinic, courses):
    is_ill(clinic, lead_of(courses[0]), date(2027, 12, 24))

    assert Proposal.objects.count() == 0
    assert replanning.work_out_next(clinic.now) is None


def test_all_courses_are_worked_out_together(clinic, courses, proposal):
    moves = list(proposal.moves.select_related("session__course"))

    assert (proposal.state, proposal.progress, proposal.stage, proposal.tries) == ("open", 100, "", 1)
    assert {move.session.course for move in moves} == set(courses)
    assert all(move.to_slot for move in moves)
    assert 0 <= proposal.bound <= proposal.cost
    assert [where(course)[1][2] for course in courses] == [1, 1, 1]
    assert {move.why[0]["code"] for move in moves if move.why} == {"off_duty"}


def test_the_proposed_times_break_no_rule_together(clinic, courses, proposal):
    judged = replanning.judge(proposal, now=clinic.now)

    assert (judged.good, judged.problems) == (frozenset(sessions_in(proposal)), {})


def test_requests_at_a_site_are_worked_out_as_one_and_take_over_what_is_open(clinic, courses, proposal):
    first, third = build.visits_of(courses[0])[0], build.visits_of(courses[0])[2]
    earlier = is_ill(clinic, first.lead, first.on)
    is_ill(clinic, third.lead, third.on)
    waiting = list(Proposal.objects.filter(state="making").order_by("pk"))

    found = work_out(clinic)

    for overtaken in (proposal, waiting[0]):
        overtaken.refresh_from_db()
        assert (overtaken.state, overtaken.overtaken_by) == ("stale", found)
    assert (found, found.state, set(found.touched.all())) == (waiting[1], "open", set(courses))
    assert earlier.resource == third.lead
    assert replanning.work_out_next(clinic.now) is None


def test_what_is_taken_back_leaves_nothing_to_move(clinic, courses):
    second = build.visits_of(courses[0])[1]
    absence = is_ill(clinic, second.lead, second.on)
    proposal = work_out(clinic)

    absences.take_back(absence, by=clinic.receptionist, now=clinic.now)
    after = work_out(clinic)

    proposal.refresh_from_db()
    assert (proposal.state, after.state, after.moves.count()) == ("stale", "needless", 0)
    assert list(Proposal.objects.undecided()) == []


def test_a_course_on_hold_is_left_alone_and_named(clinic, courses):
    second = build.visits_of(courses[0])[1]
    holds.place(courses[0], code="clinician", reason="ask first", by=clinic.clinician, now=clinic.now)
    is_ill(clinic, second.lead, second.on)

    proposal = work_out(clinic)

    assert {move.session.course for move in proposal.moves.filter(to_slot__isnull=False)} == set(courses[1:])
    (named_,) = proposal.moves.filter(to_slot__isnull=True)
    assert (named_.session, [problem["code"] for problem in named_.why]) == (
        second.session,
        ["off_duty", "course_on_hold"],
    )


def test_the_time_of_a_held_course_is_nobody_elses(clinic, courses):
    """All three are held or moved at once, and what is proposed breaks no rule."""
    held, *_others = courses
    holds.place(held, code="clinician", reason="ask first", by=clinic.clinician, now=clinic.now)
    for number, injector in enumerate(clinic.staff["injector"]):
        is_ill(clinic, injector, date(2027, 2, 1), date(2027, 2, 28 if number else 26))

    proposal = work_out(clinic)

    judged = replanning.judge(proposal, now=clinic.now)
    assert (judged.good, judged.problems) == (
        frozenset(move.session.uid for move in proposal.moves.filter(to_slot__isnull=False)),
        {},
    )
    assert {move.session.course for move in proposal.moves.filter(to_slot__isnull=True)} == {held}


def test_visits_with_nowhere_to_go_are_named_with_the_reason(clinic, courses):
    last = date(2028, 12, 31)
    closures.record(
        closures.ClosureDetails(clinic.site, "Flood", date(2027, 1, 20), last), by=clinic.manager, now=clinic.now
    )

    proposal = work_out(clinic)

    moves = list(proposal.moves.all())
    assert [(move.session.course, move.to_slot) for move in moves] == [
        (course, None) for course in courses for _visit in (2, 3)
    ]
    assert all("site_closed" in [problem["code"] for problem in move.why] for move in moves)
    assert any(problem["message"].startswith("Session 3") for move in moves for problem in move.why)
    assert replanning.judge(proposal, now=clinic.now) == replanning.Judged(frozenset(), {})


# --- plans for sessions without a visit -------------------------------------------------------------------------------


@pytest.fixture
def planned(clinic, courses) -> list[Course]:
    """Each had lost its second visit before a hold: lifting it has planned that anew, for all at one time."""
    for course in courses:
        cancel(clinic, build.visits_of(course)[1])
        hold = holds.place(course, code="clinician", reason="ask first", by=clinic.clinician, now=clinic.now)
        holds.lift(hold, reason="asked", by=clinic.clinician, now=clinic.now)
    assert Proposal.objects.open().count() == len(courses)
    return courses


def ends_in(proposal: Proposal) -> list[tuple[int, int, bool]]:
    """Each move that has a time as course, position, and whether there is a visit to move."""
    return [
        (move.session.course_id, move.session.position, move.appointment is not None)
        for move in proposal.moves.filter(to_slot__isnull=False).order_by("session__course_id", "session__position")
    ]


def of_each(courses: list[Course]) -> list[tuple[int, int, bool]]:
    return [(course.pk, position, is_booked) for course in courses for position, is_booked in ((3, False), (4, True))]


def test_plans_of_many_courses_become_part_of_what_is_proposed_for_all(clinic, planned):
    third = build.visits_of(planned[0])[1]
    is_ill(clinic, third.lead, third.on)

    proposal = work_out(clinic)

    assert list(Proposal.objects.open()) == [proposal]
    assert ends_in(proposal) == of_each(planned)
    assert len(replanning.apply(proposal, by=clinic.receptionist, now=clinic.now)) == 6


def test_what_is_worked_out_again_plans_again_what_it_had_planned(clinic, planned):
    """One of the courses has no visit any more."""
    first, *others = planned
    third = build.visits_of(first)[1]
    is_ill(clinic, third.lead, third.on)
    proposal = work_out(clinic)
    cancel(clinic, *build.visits_of(first))

    asked = replanning.work_out_again(proposal, by=clinic.receptionist, now=clinic.now)
    again = work_out(clinic)

    assert asked == again
    assert ends_in(again) == [(first.pk, 3, False), *of_each(others)]
    assert list(Proposal.objects.open()) == [again]


def test_a_plan_that_is_discarded_while_a_job_searches_is_not_made_again(clinic, planned):
    third = build.visits_of(planned[0])[1]
    is_ill(clinic, third.lead, third.on)
    job = together._take_up(clinic.now)
    assert job is not None
    question = together._Question.of(job, clinic.now)
    found = together._found(question, together.Reins(job, 2), 2)
    replanning.discard(planned[0].proposals.get(state="open"), by=clinic.receptionist, now=clinic.now)

    assert together._put_down(job, question, found, now=clinic.now)

    assert ends_in(job) == of_each(planned)[1:]


@pytest.fixture(params=[1, 2], ids=["one course", "two courses"])
def some(request, clinic) -> list[Course]:
    return [clinic.booked_course(build.patient(), lead=clinic.staff["injector"][0]) for _ in range(request.param)]


def cancel(clinic: build.Clinic, *those: Appointment) -> None:
    reason, asked_by = CancelReason.PATIENT_BUSY, AskedBy.PATIENT
    for visit in those:
        visits.cancel(visit, reason=reason, asked_by=asked_by, by=clinic.receptionist, now=clinic.now)


def test_sessions_after_the_last_visit_take_no_part(clinic, some):
    """The horizon leaves them no time: the visit that is touched gets one all the same, and nothing else is booked."""
    first = [build.visits_of(course)[0] for course in some]
    cancel(clinic, *(visit for course in some for visit in build.visits_of(course)[1:]))
    clinic.site.booking_horizon_days = (first[0].on - clinic.today).days + 20
    clinic.site.save()
    is_ill(clinic, first[0].lead, first[0].on)

    proposal = work_out(clinic)

    assert [(move.session, move.to_slot["on"]) for move in proposal.moves.all()] == [
        (visit.session, "2027-01-05") for visit in first
    ]
    assert proposal.cost == proposal.bound
    assert proposal.cost < booking.WEIGHTS.unplaced
    replanning.apply(proposal, by=clinic.receptionist, now=clinic.now)
    assert [len(build.visits_of(course)) for course in some] == [1 for _ in some]


def test_what_has_lost_nothing_takes_no_part_though_sessions_wait_to_be_booked(clinic, some):
    first = [build.visits_of(course)[0] for course in some]
    cancel(clinic, *(visit for course in some for visit in build.visits_of(course)[1:]))
    absence = is_ill(clinic, first[0].lead, first[0].on)
    absences.take_back(absence, by=clinic.receptionist, now=clinic.now)

    proposal = work_out(clinic)

    assert (proposal.state, proposal.moves.count()) == ("needless", 0)


def test_a_session_between_visits_keeps_a_time_where_it_can(clinic, some):
    """With its first week closed it needs the second; the visit four weeks after it goes further than it must."""
    between = [build.visits_of(course)[1] for course in some]
    last = [build.visits_of(course)[2] for course in some]
    cancel(clinic, *between)
    closed = closures.ClosureDetails(clinic.site, "Flood", date(2027, 2, 1), date(2027, 2, 7))
    closures.record(closed, by=clinic.manager, now=clinic.now)
    is_ill(clinic, last[0].lead, last[0].on)

    proposal = work_out(clinic)

    moves = list(proposal.moves.all())
    assert [(move.session, move.to_slot["on"]) for move in moves] == [(visit.session, "2027-03-08") for visit in last]
    assert set(replanning.judge(proposal, now=clinic.now).good) == {move.session.uid for move in moves}
    assert proposal.bound is not None
    assert proposal.cost >= proposal.bound


def test_what_has_nowhere_to_go_is_named_though_there_is_no_time_left_to_explain_it(clinic, courses, monkeypatch):
    monkeypatch.setattr(together, "EXPLAINS_FOR_SECONDS", 0.0)
    last = date(2028, 12, 31)
    closures.record(
        closures.ClosureDetails(clinic.site, "Flood", date(2027, 1, 20), last), by=clinic.manager, now=clinic.now
    )

    moves = list(work_out(clinic).moves.all())

    assert [(move.session.course, move.to_slot) for move in moves] == [
        (course, None) for course in courses for _visit in (2, 3)
    ]
    assert all("site_closed" in [problem["code"] for problem in move.why] for move in moves)


def test_a_whole_course_is_replanned_on_request(clinic):
    """Its wishes have changed: the visits may stay where they are, but a better way costs less than moving them."""
    course = clinic.booked_course()
    wanted = build.facts.Wishes(weekdays=frozenset({3}), strict=False)
    course = booking.set_wishes(course, wanted, by=clinic.receptionist, now=clinic.now)
    assert replanning.replan_course(course, by=clinic.receptionist, now=clinic.now) is None

    strict = build.facts.Wishes(weekdays=frozenset({3}), strict=True)
    course = booking.set_wishes(course, strict, by=clinic.receptionist, now=clinic.now)
    proposal = replanning.replan_course(course, by=clinic.receptionist, now=clinic.now)

    assert proposal is not None
    assert (proposal.reason, proposal.course, proposal.cost) == ("asked", course, proposal.bound)
    assert {date.fromisoformat(move.to_slot["on"]).weekday() for move in proposal.moves.all()} == {3}


def test_a_course_without_visits_or_on_hold_is_not_replanned(clinic):
    course = clinic.cleared_course()
    with pytest.raises(replanning.NothingToReplan) as empty:
        replanning.replan_course(course, by=clinic.receptionist, now=clinic.now)
    clinic.book(course)
    holds.place(course, code="clinician", reason="ask first", by=clinic.clinician, now=clinic.now)
    with pytest.raises(replanning.NothingToReplan) as held:
        replanning.replan_course(course, by=clinic.receptionist, now=clinic.now)

    assert [problem.code for refused in (empty, held) for problem in refused.value.problems] == [
        "nothing_to_replan",
        "course_on_hold",
    ]
