"""Proposals for many patients, at the desk: wait, look, apply some, and read what is in the way of others."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from scheduling import absences, booking, replanning, visits
from scheduling.absences import AbsenceDetails
from scheduling.models import CancelReason, Course, Proposal, Resource
from scheduling.models.appointments import AskedBy
from scheduling.planner import facts
from tests import build

from .conftest import OpenClinic, course_page, words


def page_of(proposal: Proposal) -> str:
    return f"/admin/scheduling/proposal/{proposal.uid}/change/"


def injectors(clinic: OpenClinic) -> list[Resource]:
    able = Resource.objects.filter(has_capabilities__capability__code="sclerotherapy", hours__site=clinic.site)
    return list(able.distinct().order_by("pk"))


def courses_of_one(clinic: OpenClinic, count: int) -> list[Course]:
    lead = injectors(clinic)[0]
    return [clinic.booked_course(build.patient(), lead=lead) for _ in range(count)]


def is_ill(clinic: OpenClinic, courses: list[Course], *, days: int = 1) -> Proposal:
    second = build.visits_of(courses[0])[1]
    last_on = max(build.visits_of(course)[1].on for course in courses)
    ill = AbsenceDetails(second.lead, second.on, last_on + timedelta(days=days))
    absences.record(ill, by=clinic.receptionist, now=clinic.now)
    return Proposal.objects.get(state="making")


@pytest.fixture
def courses(clinic: OpenClinic) -> list[Course]:
    return courses_of_one(clinic, 2)


@pytest.fixture
def asked(clinic: OpenClinic, courses: list[Course]) -> Proposal:
    return is_ill(clinic, courses)


@pytest.fixture
def proposal(clinic: OpenClinic, asked: Proposal) -> Proposal:
    found = replanning.work_out_next(clinic.now, seconds=2)
    assert found == asked
    return asked


def test_who_waits_sees_how_far_it_is_and_is_led_on_when_it_is_done(clinic, reception, asked):
    page = reception.get(page_of(asked))
    part = reception.get(page_of(asked), {"part": "progress"})
    replanning.work_out_next(clinic.now, seconds=2)
    done = reception.get(page_of(asked), {"part": "progress"})

    assert (page.status_code, "New times are being worked out" in words(page)) == (200, True)
    assert '<progress id="how-far" max="100" value="0">' in part.content.decode()
    assert "<html" not in part.content.decode()
    assert (done.status_code, done.content) == (204, b"")
    said = words(reception.get(page_of(asked)))
    local = asked.made_at.astimezone(ZoneInfo(clinic.zone))
    assert "Proposed moves" in said
    assert f"{local:%a} {local.day} {local:%b %Y, %H:%M}, {clinic.zone.rpartition('/')[2].replace('_', ' ')} (" in said


def test_whoever_waits_may_stop_it_or_discard_it(reception, asked):
    stopped = reception.post(page_of(asked), {"decision": "stop"})
    asked.refresh_from_db()
    assert (stopped.url, asked.stop_asked_at is not None) == (page_of(asked), True)
    assert "Coming to an end" in words(reception.get(page_of(asked)))

    reception.post(page_of(asked), {"decision": "discard"})
    asked.refresh_from_db()
    assert asked.state == "discarded"
    assert reception.get(page_of(asked)).status_code == 200


@pytest.mark.parametrize("state", ["making", "open"])
def test_the_worklist_begins_with_it_and_the_course_leads_there(clinic, reception, courses, asked, state):
    if state == "open":
        replanning.work_out_next(clinic.now, seconds=2)
    asked.refresh_from_db()
    assert asked.state == state

    home = reception.get("/admin/")

    assert home.context["listings"][0][0].kind == "proposals"
    assert page_of(asked) in home.content.decode()
    assert page_of(asked) in reception.get(course_page(courses[0])).content.decode()


def test_only_what_is_ticked_is_moved_and_nothing_when_nothing_is(reception, courses, proposal):
    nothing = reception.post(page_of(proposal), {"decision": "apply"})
    of_one = [str(move.session.uid) for move in proposal.moves.filter(session__course=courses[0])]
    some = reception.post(page_of(proposal), {"decision": "apply", "session": of_one})

    assert "Choose at least one visit that is." in words(nothing)
    assert some.url == page_of(proposal)
    assert {move.applied_at is not None for move in proposal.moves.filter(session__course=courses[0])} == {True}
    assert {move.applied_at for move in proposal.moves.filter(session__course=courses[1])} == {None}
    page = words(reception.get(page_of(proposal)))
    assert "moved" in page
    assert "Close: leave the rest where it is" in page


def test_a_form_of_an_older_page_that_ticks_what_is_not_in_the_proposal_moves_nothing(
    clinic, reception, courses, proposal
):
    other = build.sessions_of(clinic.course(build.patient()))[0]
    of_one = [str(move.session.uid) for move in proposal.moves.filter(session__course=courses[0])]

    refused = reception.post(page_of(proposal), {"decision": "apply", "session": [*of_one, str(other.uid)]})

    assert "Nothing was moved. This session is not in the proposal. Load the proposal again" in words(refused)
    assert {move.applied_at for move in proposal.moves.all()} == {None}


def test_what_is_in_the_way_is_said_beside_the_visit_and_the_rest_may_be_applied(clinic, reception, courses, proposal):
    gone = build.visits_of(courses[0])[1]
    visits.cancel(
        gone, reason=CancelReason.PATIENT_BUSY, asked_by=AskedBy.PATIENT, by=clinic.receptionist, now=clinic.now
    )
    all_of_them = [str(move.session.uid) for move in proposal.moves.all()]

    refused = reception.post(page_of(proposal), {"decision": "apply", "session": all_of_them})

    said = words(refused)
    assert refused.status_code == 200
    assert "Nothing was moved." in said
    assert "This visit has changed since the proposal was made." in said
    assert "Apply the rest" in said
    still = {str(move.session.uid) for move in proposal.moves.filter(session__course=courses[1])}
    assert {line.move.session.uid for group in refused.context["groups"] for line in group.lines if line.is_ticked} == {
        move.session.uid for move in proposal.moves.filter(session__course=courses[1])
    }
    reception.post(page_of(proposal), {"decision": "apply", "session": list(still)})
    assert {move.applied_at is not None for move in proposal.moves.filter(session__course=courses[1])} == {True}


def test_who_cannot_be_placed_is_named_first(clinic, reception, courses):
    for injector in injectors(clinic):
        ill = AbsenceDetails(injector, clinic.today + timedelta(days=20), clinic.today + timedelta(days=900))
        absences.record(ill, by=clinic.receptionist, now=clinic.now)
    proposal = replanning.work_out_next(clinic.now, seconds=2)
    assert proposal is not None

    page = reception.get(page_of(proposal))

    said = words(page)
    assert all(said.index(course.patient.name) > said.index("No other time found") for course in courses)
    assert "Nobody who could do it is working" in said
    assert "Find a time by hand" in said


def test_one_that_could_not_be_worked_out_is_begun_anew(reception, asked):
    Proposal.objects.filter(pk=asked.pk).update(state="failed", tries=3)
    assert "could not be worked out" in words(reception.get(page_of(asked)))

    answer = reception.post(page_of(asked), {"decision": "again"})

    again = Proposal.objects.get(state="making")
    asked.refresh_from_db()
    assert (answer.url, asked.state, asked.overtaken_by) == (page_of(again), "stale", again)
    assert "A newer proposal has taken the place" in words(reception.get(page_of(asked)))


def test_the_page_asks_as_often_for_four_courses_as_for_two(clinic, reception, courses, proposal):
    def statements(of: Proposal) -> int:
        reception.get(page_of(of))
        with CaptureQueriesContext(connection) as queries:
            assert reception.get(page_of(of)).status_code == 200
        return len(queries)

    few = statements(proposal)
    replanning.discard(proposal, by=clinic.receptionist, now=clinic.now)
    is_ill(clinic, [*courses, *courses_of_one(clinic, 2)], days=2)
    many = replanning.work_out_next(clinic.now, seconds=2)

    assert many is not None
    assert many.moves.values("session__course").distinct().count() >= 4
    assert statements(many) == few


def test_the_booked_visits_of_a_course_are_planned_anew(clinic, reception):
    course = clinic.booked_course()
    address = f"/admin/scheduling/course/{course.uid}/replan/"
    assert "Plan the booked visits anew" in words(reception.get(course_page(course)))
    assert reception.get(address).status_code == 404
    assert follow(reception, address, course) == "Nothing better is possible: all visits may stay."

    other = (build.visits_of(course)[0].on.weekday() + 2) % 7
    wanted = facts.Wishes(weekdays=frozenset({other}), strict=True)
    booking.set_wishes(course, wanted, by=clinic.receptionist, now=clinic.now)

    assert follow(reception, address, course) == "Look at the proposed moves."
    assert "Proposed moves" in words(reception.get(course_page(course)))


def follow(reception: Any, address: str, course: Course) -> str:
    answer = reception.post(address, follow=True)
    assert answer.redirect_chain[0][0] == course_page(course)
    (said,) = [str(message) for message in answer.context["messages"]]
    return said


def test_what_is_discarded_still_cannot_take_place_and_the_worklist_says_who_decided(clinic, reception, proposal):
    lost = [move.appointment for move in proposal.moves.filter(why__contains=[{"code": "off_duty"}])]
    visit = lost[0]
    replanning.discard(proposal, by=clinic.receptionist, now=clinic.now)

    page = reception.get("/admin/")

    why = f"{visit.lead.name} is not working then. The proposal was discarded by {clinic.receptionist.name}"
    assert words(page).count(f"{why}: move or cancel it.") == len(lost) == 2
    assert f"{course_page(visit.session.course)}#session-{visit.session.position}" in page.content.decode()
    assert "Visits no longer covered" in words(page)
