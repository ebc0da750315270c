"""Plan a course over the API, and book what is planned, once."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from clinic.models import IdempotencyKey
from scheduling.models import Appointment, Course, Session
from tests import build

from .conftest import ApiClinic, gate, refusal, visit_shown


def test_a_plan_covers_every_session_left_with_costs_and_posts_back_as_it_is(clinic: ApiClinic):
    course = clinic.cleared_course()
    door = clinic.reception

    plan = door.post(f"courses/{course.uid}/plan/")

    assert plan.status_code == 200
    body = plan.json()
    assert (body["course"], body["alternatives"][0]["kind"]) == (str(course.uid), "closest_to_target")
    best = body["alternatives"][0]
    assert best["is_proven"] is True
    assert best["cost"]["total"] == sum(value for part, value in best["cost"].items() if part != "total")
    assert [one["slot"]["session"] for one in best["sessions"]] == [
        str(session.uid) for session in build.sessions_of(course)[-len(best["sessions"]) :]
    ]
    second = best["sessions"][1]
    chosen = {use["role"]: use["resource"] for use in second["slot"]["uses"]}
    names = {str(one.uid): one.name for one in clinic.staff["injector"]}
    gates = second.pop("gates")
    assert second == {
        "slot": {
            "session": str(build.sessions_of(course)[1].uid),
            "on": "2027-02-01",
            "at": "09:00",
            "fold": 0,
            "lead": chosen["injector"],
            "uses": [
                {"phase": 0, "role": "injector", "resource": chosen["injector"], "place": 1},
                {"phase": 0, "role": "room", "resource": chosen["room"], "place": 1},
                {"phase": 1, "role": "supervisor", "resource": chosen["supervisor"], "place": 1},
            ],
        },
        "zone": "Europe/London",
        "starts_at": "2027-02-01T09:00:00Z",
        "ends_at": "2027-02-01T10:05:00Z",
        "lead": {"uid": chosen["injector"], "name": names[chosen["injector"]]},
        "position": 3,
        "step": {"key": "treatment", "name": "Injection session", "kind": "treatment"},
        "is_booked": False,
        "window": {
            "floor_on": "2027-01-11",
            "earliest_on": "2027-02-01",
            "target_on": "2027-02-04",
            "overdue_on": "2027-03-29",
            "lapse_on": None,
            "tolerance_days": 3,
            "is_provisional": True,
            "loinc": {"30981-5": "2027-02-01", "30980-7": "2027-02-04", "59778-1": "2027-03-28", "59777-3": None},
        },
        "cost": {
            "spacing": 0, "lateness": 0, "continuity": 0, "wishes": 0, "holes": 0, "moves": 0, "total": 0,
        },
        "not_on": [],
    }  # fmt: skip
    assert gates[-1] == gate(
        "outcome_awaited", "treatment", "The session before it has not taken place yet.", "pending"
    )
    assert {one["code"] for one in gates[:-1]} == {"answer_due_again"}

    booked = door.post_once(f"courses/{course.uid}/book/", {"slots": [one["slot"] for one in best["sessions"]]})

    visits = build.visits_of(course)
    assert (booked.status_code, booked.json()) == (
        201,
        {"appointments": [visit_shown(one) for one in visits], "proposal": None},
    )
    assert [(one["slot"]["on"], one["starts_at"]) for one in best["sessions"]] == [
        (one.on.isoformat(), f"{one.during.lower:%Y-%m-%dT%H:%M:%SZ}") for one in visits
    ]
    again = door.post(f"courses/{course.uid}/plan/")
    assert refusal(again)[:2] == (409, "no_plan")


def test_booking_needs_a_key_and_acts_once_under_it(clinic: ApiClinic):
    course = clinic.cleared_course()
    door = clinic.reception
    plan = door.post(f"courses/{course.uid}/plan/").json()["alternatives"][0]
    sent = {"slots": [one["slot"] for one in plan["sessions"]]}
    path = f"courses/{course.uid}/book/"

    assert refusal(door.post(path, sent)) == (
        400,
        "idempotency_key_missing",
        [("idempotency_key_missing", "Idempotency-Key")],
    )
    first = door.post_once(path, sent, key="k-1")
    second = door.post_once(path, sent, key="k-1")
    other_body = door.post_once(path, {"slots": sent["slots"][:1]}, key="k-1")
    other_key = door.post_once(path, sent, key="k-2")

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert ("Idempotency-Replayed" in first, second["Idempotency-Replayed"]) == (False, "true")
    assert refusal(other_body)[:2] == (422, "idempotency_key_reused")
    assert refusal(other_key)[0] == 409
    assert Appointment.objects.count() == len(sent["slots"])
    assert list(IdempotencyKey.objects.values_list("key", flat=True)) == ["k-1"]


def test_any_other_act_may_be_repeated_under_a_key_too(clinic: ApiClinic):
    patient = build.patient()
    sent = {"patient": str(patient.uid), "protocol": str(clinic.version.uid), "site": str(clinic.site.uid)}
    sent |= {"areas": ["left_ankle"]}  # type: ignore[dict-item]
    door = clinic.reception

    answers = [door.post_once("courses/", sent, key="start-1") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].content == answers[1].content
    assert Course.objects.count() == 1


def test_a_booking_names_every_violation_and_writes_nothing(clinic: ApiClinic):
    course = clinic.course()
    session = build.sessions_of(course)[0]
    injector, room, walker = (clinic.staff[role][0] for role in ("injector", "room", "supervisor"))
    slot = {
        "session": str(session.uid),
        "on": "2027-01-09",
        "at": "09:03",
        "lead": str(injector.uid),
        "uses": [
            {"phase": 0, "role": "injector", "resource": str(injector.uid), "place": 1},
            {"phase": 0, "role": "room", "resource": str(room.uid), "place": 1},
            {"phase": 1, "role": "supervisor", "resource": str(walker.uid), "place": 1},
        ],
    }

    answer = clinic.reception.post_once(f"courses/{course.uid}/book/", {"slots": [slot]})

    status, code, violations = refusal(answer)
    assert (status, code) == (409, "not_bookable")
    about = [found for found, where in violations if where == str(session.uid)]
    assert {"off_grid", "place_unknown", "assessment_missing", "consent_missing", "answer_missing"} <= set(about) or {
        "off_grid",
        "off_duty",
        "assessment_missing",
        "consent_missing",
        "answer_missing",
    } <= set(about)
    assert [found for found, where in violations].count("session_missing") == 2
    assert not Appointment.objects.exists()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"on": "tomorrow"}, (400, "invalid_input", [("invalid", "slots.0.on")])),
        ({"uses": "room 1"}, (400, "invalid_input", [("not_a_list", "slots.0.uses")])),
        ({"colour": "red"}, (400, "invalid_input", [("unknown_field", "slots.0.colour")])),
        ({"uses": []}, (409, "not_bookable", None)),
        ({"session": str(uuid.uuid4())}, (409, "not_bookable", None)),
        ({"lead": str(uuid.uuid4())}, (409, "not_bookable", None)),
    ],
)
def test_a_slot_that_was_never_proposed_is_refused(clinic: ApiClinic, changes: dict[str, Any], expected: Any):
    course = clinic.cleared_course()
    door = clinic.reception
    plan = door.post(f"courses/{course.uid}/plan/").json()["alternatives"][0]
    slots = [one["slot"] for one in plan["sessions"]]

    answer = door.post_once(f"courses/{course.uid}/book/", {"slots": [{**slots[0], **changes}, *slots[1:]]})

    found = refusal(answer)
    assert found[:2] == expected[:2]
    assert expected[2] is None or found[2] == expected[2]
    assert not Appointment.objects.exists()


def test_a_time_the_clock_skips_is_refused(clinic: ApiClinic):
    course = clinic.cleared_course()
    door = clinic.reception
    plan = door.post(f"courses/{course.uid}/plan/").json()["alternatives"][0]
    slots = [one["slot"] for one in plan["sessions"]]

    skipped = {**slots[0], "on": "2027-03-28", "at": "01:30"}
    answer = door.post_once(f"courses/{course.uid}/book/", {"slots": [skipped, *slots[1:]]})

    assert refusal(answer)[:2] == (400, "time_does_not_exist")


def test_when_there_is_no_plan_the_answer_says_why_session_by_session(clinic: ApiClinic):
    course = clinic.cleared_course()
    door = clinic.reception
    door.post(f"courses/{course.uid}/wishes/", {"weekdays": [6], "strict": True})

    answer = door.post(f"courses/{course.uid}/plan/")

    status, code, violations = refusal(answer)
    assert (status, code) == (409, "no_plan")
    assert {where for _code, where in violations} == {str(session.uid) for session in build.sessions_of(course)}


def test_the_plan_names_booked_visits_as_booked(clinic: ApiClinic):
    course = clinic.booked_course()
    door = clinic.reception
    visit = build.visits_of(course)[-1]
    door.post(f"appointments/{visit.uid}/cancel/", {"reason": "patient_busy", "asked_by": "patient"})

    best = door.post(f"courses/{course.uid}/plan/").json()["alternatives"][0]

    assert [one["is_booked"] for one in best["sessions"]] == [True, True, False]
    booked = door.post_once(
        f"courses/{course.uid}/book/", {"slots": [one["slot"] for one in best["sessions"] if not one["is_booked"]]}
    )
    assert booked.status_code == 201
    assert Session.objects.booked().count() == 3


@pytest.mark.parametrize("what", ["session", "course"])
def test_what_a_booking_pushes_out_comes_with_the_answer(clinic: ApiClinic, what: str):
    """The second session is booked three days before the third one's visit."""
    course = clinic.booked_course()
    clinic.perform(build.sessions_of(course)[0])
    session, third = build.sessions_of(course)[1:]
    door, visit = clinic.reception, session.appointments.get()
    door.post(f"appointments/{visit.uid}/cancel/", {"reason": "patient_busy", "asked_by": "patient"})
    (cancelled,) = door.get("proposals/").json()["results"]
    door.post(f"proposals/{cancelled['uid']}/discard/")
    near = door.get(f"sessions/{session.uid}/free-times/?from=2027-02-26&until=2027-02-28&limit=1")
    slot = near.json()["results"][0]["slot"]
    asked = {
        "session": (f"sessions/{session.uid}/book/", {"slot": slot}),
        "course": (f"courses/{course.uid}/book/", {"slots": [slot]}),
    }

    booked = door.post_once(*asked[what])

    proposal = booked.json()["proposal"]
    assert (booked.status_code, proposal["reason"], proposal["course"]) == (201, "booked", str(course.uid))
    assert [(move["session"], move["to"]["on"]) for move in proposal["moves"]] == [(str(third.uid), "2027-03-26")]
