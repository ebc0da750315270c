"""Proposals over REST, for one patient or many: how far they are, what they say, what can be done with them."""

from __future__ import annotations

from typing import Any

import pytest

from scheduling import absences, booking, replanning
from scheduling.models import Course, Session
from scheduling.planner import facts
from tests import build

from .conftest import ApiClinic, Door, proposed, refusal

pytestmark = pytest.mark.django_db


@pytest.fixture
def courses(clinic: ApiClinic) -> list[Course]:
    lead = clinic.staff["injector"][0]
    courses = [clinic.booked_course(build.patient(), lead=lead) for _ in range(2)]
    second = build.visits_of(courses[0])[1]
    absences.record(absences.AbsenceDetails(lead, second.on, second.on), by=clinic.receptionist, now=clinic.now)
    return courses


@pytest.fixture
def desk(clinic: ApiClinic) -> Door:
    return Door(clinic.receptionist)


def listed(desk: Door) -> Any:
    (one,) = desk.get("proposals/").json()["results"]
    return one


def test_one_that_is_being_worked_out_says_how_far_it_is(clinic, courses, desk):
    asked = listed(desk)

    assert {
        name: asked[name] for name in ("state", "course", "reason", "progress", "stage", "bound", "gap_percent")
    } == {
        "state": "making",
        "course": None,
        "reason": "absence",
        "progress": 0,
        "stage": "",
        "bound": None,
        "gap_percent": None,
    }
    stopped = desk.post(f"proposals/{asked['uid']}/stop/", {})
    assert (stopped.status_code, stopped.json()["stop_asked_at"] is not None) == (200, True)
    refused = desk.post(f"proposals/{asked['uid']}/apply/", {})
    assert (refused.status_code, refused.json()["violations"][0]["code"]) == (409, "proposal_is_making")


def test_one_that_is_worked_out_is_applied_in_parts_and_the_rest_discarded(clinic, courses, desk):
    replanning.work_out_next(clinic.now, seconds=2)
    proposal = listed(desk)
    uid = proposal["uid"]
    of_one = [
        move["session"]
        for move in proposal["moves"]
        if move["session"] in {str(s.uid) for s in build.sessions_of(courses[0])}
    ]
    assert (proposal["state"], proposal["progress"]) == ("open", 100)
    assert 0 <= proposal["gap_percent"] <= 100
    assert proposal["bound"] <= proposal["cost"]

    stranger = "9f0c1c1e-2f3a-4f0e-9b57-0d1f5b1d2a11"
    refused = desk.post(f"proposals/{uid}/apply/", {"sessions": [*of_one, stranger]})
    assert refusal(refused) == (400, "not_in_proposal", [("session_not_in_proposal", stranger)])
    applied = desk.post(f"proposals/{uid}/apply/", {"sessions": of_one}).json()
    discarded = desk.post(f"proposals/{uid}/discard/", {}).json()

    assert applied["proposal"]["state"] == "open"
    assert {visit["session"] for visit in applied["appointments"]} == set(of_one)
    assert discarded["state"] == "partly"
    assert desk.get("proposals/").json()["results"] == []


def test_what_is_left_is_worked_out_anew(clinic, courses, desk):
    replanning.work_out_next(clinic.now, seconds=2)
    before = listed(desk)

    again = desk.post(f"proposals/{before['uid']}/again/", {}).json()

    assert (again["state"], again["uid"] != before["uid"]) == ("making", True)
    assert desk.get(f"proposals/{before['uid']}/").json()["overtaken_by"] == again["uid"]


def test_a_whole_course_is_planned_anew(clinic, desk):
    course = clinic.booked_course()
    assert desk.post(f"courses/{course.uid}/replan/", {}).json() == {"proposal": None}
    thursdays = facts.Wishes(weekdays=frozenset({3}), strict=True)
    booking.set_wishes(course, thursdays, by=clinic.receptionist, now=clinic.now)

    found = desk.post(f"courses/{course.uid}/replan/", {}).json()["proposal"]

    assert (found["reason"], found["course"], found["gap_percent"]) == ("asked", str(course.uid), 0)
    assert len(found["moves"]) == 3


def test_another_sites_proposals_do_not_exist_here_either(clinic, courses):
    stranger = Door(build.user("reception", at=build.site()))
    uid = replanning.work_out_next(clinic.now, seconds=1).uid
    for act in ("apply", "discard", "stop", "again"):
        assert stranger.post(f"proposals/{uid}/{act}/", {}).status_code == 404


def test_a_proposal_is_listed_looked_at_and_applied(clinic: ApiClinic):
    course, proposal = proposed(clinic)
    door = clinic.reception

    assert door.get("proposals/").json() == {"results": [proposal], "next": None}
    assert door.get(f"proposals/{proposal['uid']}/").json() == proposal
    assert clinic.stranger.get("proposals/").json() == {"results": [], "next": None}
    assert refusal(clinic.stranger.post(f"proposals/{proposal['uid']}/apply/"))[:2] == (404, "not_found")
    clinic.answer_all(course)

    answer = door.post(f"proposals/{proposal['uid']}/apply/")

    assert answer.status_code == 200, answer.json()
    body = answer.json()
    assert (body["proposal"]["state"], body["proposal"]["decided_at"]) == ("applied", "2027-01-12T08:00:00Z")
    assert [(one["session"], one["on"], one["at"]) for one in body["appointments"]] == [
        (move["session"], move["to"]["on"], move["to"]["at"]) for move in proposal["moves"]
    ]
    assert door.get("proposals/").json()["results"] == []
    again = door.post(f"proposals/{proposal['uid']}/apply/")
    assert refusal(again)[:2] == (409, "proposal_overtaken")


def test_a_proposal_is_applied_for_chosen_sessions_only_or_discarded(clinic: ApiClinic):
    course, proposal = proposed(clinic)
    door = clinic.reception
    nothing = door.post(f"proposals/{proposal['uid']}/apply/", {"sessions": []})

    assert refusal(nothing)[:2] == (409, "proposal_overtaken")
    discarded = door.post(f"proposals/{proposal['uid']}/discard/")
    assert discarded.json() == {**proposal, "state": "discarded", "decided_at": "2027-01-12T08:00:00Z"}
    assert refusal(door.post(f"proposals/{proposal['uid']}/discard/"))[:2] == (409, "proposal_overtaken")
    assert Session.objects.booked().filter(course=course).count() == 2


def test_visits_whose_proposal_is_discarded_stay_in_the_worklist(clinic, courses, desk):
    def uncovered() -> list[str]:
        kinds = {one["kind"]: one["rows"] for one in desk.get("worklist/").json()["results"]}
        return [row["uid"] for row in kinds.get("uncovered", [])]

    proposal = replanning.work_out_next(clinic.now, seconds=2)
    assert proposal is not None
    nobody_there = proposal.moves.filter(why__contains=[{"code": "off_duty"}]).order_by("appointment__during", "pk")
    lost = [str(move.appointment.uid) for move in nobody_there]
    assert (len(lost), uncovered()) == (2, lost)

    desk.post(f"proposals/{proposal.uid}/discard/", {})

    assert uncovered() == lost
