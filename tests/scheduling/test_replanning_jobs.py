"""Who works a proposal out: one at a time, on a lease, stopped, slowed down, or dead before its end."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from django.db import OperationalError, connection

from clinic.acts import MOST_TIMEOUTS
from scheduling import closures, replanning
from scheduling.models import Proposal
from scheduling.replanning import together
from tests import build
from tests.refusals import codes
from tests.slowness import OF_EVERY_COURSE, too_slow_to_read

from .illness import courses, is_ill, work_out

__all__ = ["courses"]

pytestmark = pytest.mark.django_db


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
