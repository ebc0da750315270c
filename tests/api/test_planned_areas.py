"""Which areas each session is to treat, said over the API: what it answers, what it refuses, and to whom."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from scheduling.models import Course, StateChange
from tests.scheduling import legs
from tests.scheduling.legs import LEFT, RIGHT, planned, treatments

from .conftest import ApiClinic, refusal


@pytest.fixture
def legs_clinic(clinic: ApiClinic) -> ApiClinic:
    legs.give_at(clinic)
    return clinic


def address(course: Course) -> str:
    return f"courses/{course.uid}/planned-areas/"


def asked(*pairs: tuple[Any, list[Any]]) -> dict[str, Any]:
    return {"sessions": [{"session": str(getattr(one, "uid", one)), "areas": areas} for one, areas in pairs]}


def test_the_whole_course_is_shown_with_each_sessions_areas_and_windows(legs_clinic: ApiClinic):
    clinic, course = legs_clinic, legs.course(legs_clinic)
    first, second, third, fourth = treatments(course)
    clinic.perform(first, treated_areas=[LEFT])
    before = clinic.reception.get(f"courses/{course.uid}/").json()

    answer = clinic.reception.post(address(course), asked((second, [RIGHT]), (third, [LEFT]), (fourth, [RIGHT])))

    body = answer.json()
    sessions = body["sessions"]
    assert answer.status_code == 200
    assert [(one["planned_areas"], one["treated_areas"], one["window"]["earliest_on"]) for one in sessions] == [
        ([LEFT, RIGHT], [], None),
        ([LEFT, RIGHT], [LEFT], None),
        ([RIGHT], [], "2027-01-18"),
        ([LEFT], [], "2027-02-04"),
        ([RIGHT], [], "2027-02-18"),
    ]
    assert body["revision"] == before["revision"] + 1
    whole = {key for key in body if body[key] != before[key]}
    assert whole == {"revision", "sessions"}
    assert clinic.reception.get(f"courses/{course.uid}/").json() == body


def test_visits_that_are_too_near_now_are_a_proposal(legs_clinic: ApiClinic):
    clinic, course = legs_clinic, legs.course(legs_clinic)
    one, another, third, fourth = treatments(course)
    door = clinic.reception
    turns = asked((one, [LEFT]), (another, [RIGHT]), (third, [LEFT]), (fourth, [RIGHT]))
    assert door.post(address(course), turns).json()["proposal"] is None
    clinic.book(course)

    proposal = door.post(address(course), asked((another, [LEFT]))).json()["proposal"]

    assert (proposal["reason"], proposal["state"]) == ("areas_planned", "open")
    moved = {move["session"]: move["to"]["on"] for move in proposal["moves"]}
    assert moved[str(another.uid)] == "2027-02-04"


def test_a_repeated_request_acts_once(legs_clinic: ApiClinic):
    clinic, course = legs_clinic, legs.course(legs_clinic)
    body, key = asked((treatments(course)[0], [LEFT])), str(uuid.uuid4())

    first, again = (clinic.reception.post_once(address(course), body, key) for _twice in range(2))

    assert (first.status_code, again.content, again["Idempotency-Replayed"]) == (200, first.content, "true")
    assert StateChange.objects.filter(course=course, details__has_key="areas").count() == 1


def test_what_can_never_be_is_refused_whole(legs_clinic: ApiClinic):
    clinic, course = legs_clinic, legs.course(legs_clinic)
    first, second, third, _fourth = treatments(course)
    look, unknown = course.sessions.get(step_key="first_look"), uuid.uuid4()
    sent = asked((first, []), (second, ["left_knee", RIGHT]), (third, [RIGHT]), (look, [LEFT]), (unknown, [LEFT]))

    answer = clinic.reception.post(address(course), sent)

    assert refusal(answer) == (
        400,
        "rule_broken",
        [
            ("areas_missing", str(first.uid)),
            ("area_not_of_course", str(second.uid)),
            ("session_not_a_treatment", str(look.uid)),
            ("session_unknown", str(unknown)),
        ],
    )
    assert answer.json()["violations"][1]["area"] == "left_knee"
    assert planned(course) == [[LEFT, RIGHT]] * 4


def test_a_session_that_is_over_is_a_conflict(legs_clinic: ApiClinic):
    clinic, course = legs_clinic, legs.course(legs_clinic)
    first, second, *_others = treatments(course)
    clinic.perform(first)

    answer = clinic.reception.post(address(course), asked((first, [LEFT]), (second, [RIGHT])))

    assert refusal(answer) == (409, "illegal_transition", [("session_not_open", str(first.uid))])
    assert planned(course) == [[LEFT, RIGHT]] * 4


def test_turns_that_no_plan_could_remember_are_refused(legs_clinic: ApiClinic):
    near = legs.TEXT.replace("2 weeks", "1 week").replace("1 month", "2 weeks").replace("sessions: 4", "sessions: 14")
    legs_clinic.version = legs.load(near)
    course = legs.course(legs_clinic)
    turns = [(session, [(LEFT, RIGHT)[at % 2]]) for at, session in enumerate(treatments(course))]

    status, code, [(problem, _where)] = refusal(legs_clinic.reception.post(address(course), asked(*turns)))

    assert (status, code, problem) == (400, "rule_broken", "too_much_to_remember")
    assert planned(course) == [[LEFT, RIGHT]] * 14


@pytest.mark.parametrize(
    ("body", "code", "where"),
    [
        ({}, "required", "sessions"),
        ({"sessions": []}, "empty", "sessions"),
        ({"sessions": [{"session": "x", "areas": [LEFT]}]}, "invalid", "sessions.0.session"),
        ({"sessions": [{"areas": [LEFT]}]}, "required", "sessions.0.session"),
        ({"sessions": [{"session": str(uuid.uuid4())}]}, "required", "sessions.0.areas"),
        ({"sessions": [{"session": str(uuid.uuid4()), "areas": [1]}]}, "invalid", "sessions.0.areas.0"),
        ({"sessions": [{"session": str(uuid.UUID(int=1)), "areas": [LEFT]}] * 2}, "given_twice", "sessions"),
        ({"sessions": [], "session": "x"}, "unknown_field", "session"),
    ],
)
def test_a_body_of_another_shape_is_refused(legs_clinic: ApiClinic, body, code, where):
    course = legs.course(legs_clinic)

    status, title, found = refusal(legs_clinic.reception.post(address(course), body))

    assert (status, title) == (400, "invalid_input")
    assert (code, where) in found


def test_who_plans_may_say_the_areas(legs_clinic: ApiClinic):
    course = legs.course(legs_clinic)
    session = treatments(course)[0]

    for at, door in enumerate((legs_clinic.reception, legs_clinic.doctor, legs_clinic.senior, legs_clinic.boss)):
        leg = (LEFT, RIGHT)[at % 2]
        assert door.post(address(course), asked((session, [leg]))).json()["sessions"][1]["planned_areas"] == [leg]
    answers = [refusal(door.post(address(course), asked((session, [LEFT]))))
               for door in (legs_clinic.operator, legs_clinic.stranger)]  # fmt: skip
    assert answers == [
        (403, "not_allowed", [("role_missing", "")]),
        (404, "not_found", [("not_found", "")]),
    ]
