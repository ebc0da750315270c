"""What touches many courses at once: asked for in the act, worked out by a job, applied whole or in part."""

from __future__ import annotations

import sys
from datetime import date, datetime, timedelta
from types import FrameType
from typing import Any
from uuid import UUID

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from clinic.acts import MOST_TIMEOUTS
from clinic.errors import Problem
from scheduling import absences, booking, closures, holds, protocols, replanning, visits
from scheduling.absences import AbsenceDetails
from scheduling.models import Absence, Appointment, CancelReason, Course, Message, Move, Proposal, Resource
from scheduling.models.appointments import AskedBy
from scheduling.replanning import together
from scheduling.replanning.judging import Bench, chosen, left_in
from scheduling.roster import there
from tests import build
from tests.refusals import codes
from tests.slowness import OF_EVERY_COURSE, too_slow_to_read

pytestmark = pytest.mark.django_db


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


# --- asking -----------------------------------------------------------------------------------------------------------


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


# --- working out ------------------------------------------------------------------------------------------------------


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


# --- sessions that are not booked -------------------------------------------------------------------------------------


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


def test_of_two_workers_one_works_it_out_until_its_lease_is_over(clinic, courses):
    """The first dies: it took the request up, and is never heard of again."""
    second = build.visits_of(courses[0])[1]
    is_ill(clinic, second.lead, second.on)
    (asked,) = Proposal.objects.all()
    take_up_and_die(asked)

    assert replanning.work_out_next(clinic.now) is None
    Proposal.objects.update(lease_until=clock())
    found = work_out(clinic)

    assert (found, found.state, found.tries, found.moves.exists()) == (asked, "open", 2, True)


def take_up_and_die(proposal: Proposal) -> None:
    assert together._take_up(build.MONDAY) == proposal
    proposal.refresh_from_db()
    assert None not in (proposal.lease_until, proposal.worker)


def clock() -> Any:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return (cursor.fetchone() or (None,))[0]


def test_a_request_that_ends_its_worker_three_times_is_left_to_people(clinic, courses):
    second = build.visits_of(courses[0])[1]
    is_ill(clinic, second.lead, second.on)
    (asked,) = Proposal.objects.all()
    for _time in range(replanning.MOST_TRIES):
        take_up_and_die(asked)
        Proposal.objects.update(lease_until=clock())

    assert replanning.work_out_next(clinic.now) is None
    asked.refresh_from_db()
    assert (asked.state, list(Proposal.objects.undecided())) == ("failed", [asked])
    again = replanning.work_out_again(asked, by=clinic.receptionist, now=clinic.now)
    found = work_out(clinic)

    asked.refresh_from_db()
    assert (found, found.state, asked.state, asked.overtaken_by) == (again, "open", "stale", again)


def test_a_request_that_has_ended_a_worker_is_not_taken_in_by_the_next_and_ends_three_at_most(clinic, courses):
    """However many requests come after it: each is worked out before it, and its tries are not forgotten."""
    second = build.visits_of(courses[0])[1]
    is_ill(clinic, second.lead, second.on)
    (bad,) = Proposal.objects.all()
    for died in (1, 2, 3):
        take_up_and_die(bad)
        bad.refresh_from_db()
        assert bad.tries == died
        Proposal.objects.update(lease_until=clock())
        replanning.ask_for([courses[1]], reason="absence", by=None, now=clinic.now)
        fresh = work_out(clinic)
        assert (fresh == bad, list(fresh.touched.all()), fresh.tries) == (False, [courses[1]], 1)

    assert replanning.work_out_next(clinic.now) is None
    bad.refresh_from_db()
    assert (bad.state, bad.tries, set(bad.touched.all())) == ("failed", 3, set(courses))


def test_a_request_that_was_left_to_people_does_not_come_back_with_the_next_one(clinic, courses):
    """Whatever has ended its workers would end those of everything else at the site."""
    second = build.visits_of(courses[0])[1]
    is_ill(clinic, second.lead, second.on)
    (bad,) = Proposal.objects.all()
    Proposal.objects.update(state="failed", tries=replanning.MOST_TRIES)
    other = clinic.booked_course(build.patient(), lead=clinic.staff["injector"][1])
    is_ill(clinic, clinic.staff["injector"][1], build.visits_of(other)[1].on)

    found = work_out(clinic)

    bad.refresh_from_db()
    assert (bad.state, list(found.touched.all()), found.state) == ("failed", [other], "open")


@pytest.mark.django_db(transaction=True)
def test_a_request_that_a_slow_database_breaks_off_is_tried_again_and_is_left_to_people_only_after_some(clinic):
    course = clinic.booked_course()
    second = build.visits_of(course)[1]
    is_ill(clinic, second.lead, second.on)
    (asked,) = Proposal.objects.all()

    with too_slow_to_read(OF_EVERY_COURSE):
        assert replanning.work_out_next(clinic.now) is None
        asked.refresh_from_db()
        assert (asked.state, asked.tries, asked.timeouts, asked.stage) == ("making", 0, 1, "")
        assert replanning.work_out_next(clinic.now) is None  # for some minutes
        for _when in ("put off", "due"):  # no other waits for it, nor takes it in
            (other,) = replanning.ask_for([course], reason="absence", by=None, now=clinic.now)
            assert together._take_up(clinic.now) == other
            asked.refresh_from_db()
            assert asked.state == "making"
            other.delete()
            Proposal.objects.update(lease_until=clock())
        tried = []
        for _time in range(MOST_TIMEOUTS + replanning.MOST_TRIES):
            Proposal.objects.update(lease_until=clock())
            try:
                tried.append(replanning.work_out_next(clinic.now))
            except OperationalError:
                tried.append("died")
    died = ["died"] * replanning.MOST_TRIES
    asked.refresh_from_db()
    assert (tried, asked.state) == ([None] * (MOST_TIMEOUTS - 1) + died + [None], "failed")

    replanning.work_out_again(asked, by=clinic.receptionist, now=clinic.now)
    assert work_out(clinic).state == "open"


def test_what_an_act_has_proposed_meanwhile_is_not_overtaken_by_what_was_read_before(clinic, courses):
    second = build.visits_of(courses[0])[1]
    is_ill(clinic, second.lead, second.on)
    (asked,) = Proposal.objects.all()
    job = together._take_up(clinic.now)
    assert job == asked
    question = together._Question.of(job, clinic.now)
    found = together._found(question, together.Reins(job, 2), 2)
    newer = replanning.replan_course(courses[0], by=clinic.receptionist, now=clinic.now)
    assert newer is not None

    assert together._put_down(job, question, found, now=clinic.now)

    newer.refresh_from_db()
    assert newer.state == "open"
    assert {move.session.course for move in job.moves.all()} == set(courses[1:])


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


def test_nothing_is_explained_for_a_job_that_was_taken_away_during_the_search(clinic):
    course = clinic.booked_course()
    closed = closures.ClosureDetails(clinic.site, "Flood", date(2027, 1, 20), date(2028, 12, 31))
    closures.record(closed, by=clinic.manager, now=clinic.now)
    job = together._take_up(clinic.now)
    assert job is not None
    question = together._Question.of(job, clinic.now)
    replanning.discard(job, by=clinic.receptionist, now=clinic.now)

    found = together._found(question, together.Reins(job, 2), 2)

    assert found.stuck == {visit.session.uid for visit in build.visits_of(course)[1:]}
    assert not any(problem["message"].startswith("Session") for said in found.why.values() for problem in said)


def test_who_is_asked_to_stop_gives_the_best_so_far(clinic, courses):
    second = build.visits_of(courses[0])[1]
    is_ill(clinic, second.lead, second.on)
    (asked,) = Proposal.objects.all()

    replanning.stop(asked, by=clinic.receptionist, now=clinic.now)
    replanning.stop(asked, by=clinic.receptionist, now=clinic.now)
    found = replanning.work_out_next(clinic.now, seconds=600)

    assert found is not None
    assert (found.state, {move.session.course for move in found.moves.all()}) == ("open", set(courses))


def test_what_is_discarded_while_it_is_worked_out_stays_discarded(clinic, courses):
    second = build.visits_of(courses[0])[1]
    is_ill(clinic, second.lead, second.on)
    (asked,) = Proposal.objects.all()
    take_up_and_die(asked)

    replanning.discard(asked, by=clinic.receptionist, now=clinic.now)

    assert replanning.work_out_next(clinic.now) is None
    asked.refresh_from_db()
    assert (asked.state, asked.decided_by, asked.moves.count()) == ("discarded", clinic.receptionist, 0)
    with pytest.raises(replanning.ProposalOvertaken) as refused:
        replanning.stop(asked, by=clinic.receptionist, now=clinic.now)
    assert codes(refused) == ["proposal_is_discarded"]


# --- applying ---------------------------------------------------------------------------------------------------------


def test_applied_whole_it_moves_all_and_tells_each_patient_once(clinic, courses, proposal):
    moved = replanning.apply(proposal, by=clinic.receptionist, now=clinic.now)

    proposal.refresh_from_db()
    assert (proposal.state, proposal.decided_by, len(moved)) == ("applied", clinic.receptionist, proposal.moves.count())
    assert Appointment.objects.live().filter(on=date(2027, 2, 1), lead=lead_of(courses[0])).count() == 0
    assert told() == at_another_time(proposal)


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
        Move.objects.create(
            proposal=proposal,
            session=visit.session,
            appointment=visit,
            appointment_revision=visit.revision,
            to_slot=build.slot(target, session=str(visit.session.uid)),
        )

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
        Move.objects.create(
            proposal=proposal,
            session=visit.session,
            appointment=visit,
            appointment_revision=visit.revision,
            to_slot=build.slot(target, session=str(visit.session.uid)),
        )
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
    Move.objects.create(
        proposal=proposal,
        session=second.session,
        appointment=second,
        appointment_revision=second.revision,
        to_slot=booking.slot_as_data(later, clinic.site),
    )

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
            bench = Bench(chosen(moves), now=clinic.now)
            assert bench.problems(bench.moves.slots.keys()) == []
        return len(asked)

    assert statements(courses[0]) == statements(*courses)


# --- the whole course, on request -------------------------------------------------------------------------------------


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
