"""What becomes of a course that takes too long to search, among others and alone: it is named, with that reason."""

from __future__ import annotations

from datetime import timedelta
from itertools import chain, repeat

import pytest

from scheduling import booking, replanning, visits, waitlist
from scheduling.models import Appointment, CancelReason, Course, Offer, Proposal
from scheduling.models.appointments import AskedBy
from scheduling.planner import facts
from scheduling.planner.work import MOST_DATES, Work
from tests import build
from tests.planner.works import counted
from tests.scheduling import far_back

pytestmark = pytest.mark.django_db


@pytest.fixture
def clinic() -> build.Clinic:
    return far_back.clinic()


def worked_out(clinic: build.Clinic) -> Proposal:
    far_back.shut_today(clinic)
    proposal = replanning.work_out_next(clinic.now, seconds=20)
    assert proposal is not None
    return proposal


def found(proposal: Proposal) -> list[tuple[str, bool, bool]]:
    """Return of each move which course it is of, whether it leads anywhere, and whether that took too long to find."""
    return sorted(
        (move.session.course.version.protocol.key, bool(move.to_slot), move.why[-1]["code"] == "search_broken_off")
        for move in proposal.moves.all()
    )


def test_among_others_it_is_repaired_with_fewer_dates(clinic, monkeypatch):
    far_back.two_courses(clinic)
    monkeypatch.setattr("scheduling.planner.repair_reach.MOST_OF_ONE", 1_000)
    counted(monkeypatch, 10)  # no search of one course alone comes so far

    proposal = worked_out(clinic)

    assert found(proposal) == [("far_back", True, False), ("weekly_injections", True, False)]
    assert (proposal.state, 0 < (proposal.bound or 0) <= (proposal.cost or 0)) == ("open", True)


def test_among_others_it_is_named_when_it_has_no_time_and_the_others_have_theirs(clinic, monkeypatch):
    far_back.two_courses(clinic)
    far_back.leave_all_to_their_own_searches(monkeypatch)
    counted(monkeypatch, 10)

    proposal = worked_out(clinic)

    assert found(proposal) == [("far_back", False, True), ("weekly_injections", True, False)]
    assert proposal.state == "open"
    assert (proposal.cost or 0) > booking.WEIGHTS.unplaced


def test_alone_it_is_named_too(clinic, monkeypatch):
    clinic.book(clinic.course(build.patient()))
    counted(monkeypatch, 10)

    assert found(worked_out(clinic)) == [("far_back", False, True)]


# --- the waiting list -------------------------------------------------------------------------------------------------


@pytest.fixture
def waiting(clinic) -> Course:
    """A course without visits that waits for a time which has just fallen free."""
    later = frozenset(clinic.today + timedelta(days=number) for number in range(10))
    other = clinic.course(build.patient(), wishes=facts.Wishes(avoid_dates=later, strict=True))
    visit: Appointment = clinic.book(other)[0]
    course: Course = clinic.course(build.patient())
    first = build.sessions_of(course)[0]
    waitlist.put_on(first, from_on=visit.on, until_on=visit.on, by=clinic.receptionist, now=clinic.now)
    cancelled = {"reason": CancelReason.PATIENT_BUSY, "asked_by": AskedBy.PATIENT}
    visits.cancel(visit, **cancelled, by=clinic.receptionist, now=clinic.now)
    return course


def may_look_at(monkeypatch: pytest.MonkeyPatch, *dates: int) -> None:
    """Have the searches that follow look at no more than so many dates each, and those after them at all."""
    until = chain(dates, repeat(MOST_DATES))
    monkeypatch.setattr("scheduling.planner.chains.Work", lambda: Work(until=next(until)))


@pytest.mark.parametrize(
    ("most", "offers"),
    [
        ((), 1),  # the rest of the course has a time
        ((MOST_DATES, 10), 0),  # it takes too long to find it with this time, and without it there is one
        ((MOST_DATES, 10, 10), 1),  # nor is it found without it: then nothing is known to be lost
    ],
)
def test_a_time_is_not_offered_when_the_rest_of_the_course_might_be_lost_by_it(
    clinic, waiting, monkeypatch, most, offers
):
    may_look_at(monkeypatch, *most)

    waitlist.offer_freed_times(clinic.now)

    assert Offer.objects.count() == offers
