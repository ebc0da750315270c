"""A course over the API: started, shown whole, ended; and what it is a course of."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from clinic import accounts
from clinic.models import AccessEvent
from scheduling.models import Course, Hold
from tests import build

from .conftest import ApiClinic, Door, course_in_brief, gate, refusal

BLANK_WINDOW = {
    "floor_on": None,
    "earliest_on": None,
    "target_on": None,
    "overdue_on": None,
    "lapse_on": None,
    "tolerance_days": 0,
    "is_provisional": False,
    "loinc": {"30981-5": None, "30980-7": None, "59778-1": None, "59777-3": None},
}

ANY_WISHES: dict[str, Any] = {
    "weekdays": [],
    "from_time": None,
    "until_time": None,
    "practitioner": None,
    "avoid_dates": [],
    "language": "",
    "strict": False,
}


def started(clinic: ApiClinic, door: Door, **changes: Any) -> Any:
    sent = {
        "patient": str(build.patient("Maria Sørensen").uid),
        "protocol": str(clinic.version.uid),
        "site": str(clinic.site.uid),
        "areas": ["left_ankle"],
    }
    return door.post("courses/", {**sent, **changes})


def test_starting_a_course_shows_it_whole_with_the_gates_that_are_closed(clinic: ApiClinic):
    answer = started(clinic, clinic.reception)

    course = Course.objects.get()
    body = answer.json()
    sessions = body.pop("sessions")
    assert (answer.status_code, body) == (
        201,
        {
            **course_in_brief(course),
            "patient": {"uid": str(course.patient.uid), "name": "Maria Sørensen", "born_on": "1980-05-17"},
            "areas": ["left_ankle"],
            "revision": 1,
            "wishes": ANY_WISHES,
            "events": [],
            "is_held": False,
            "holds": [],
            "assessments": [],
            "consents": [],
            "overrides": [],
            "proposal": None,
        },
    )
    first = sessions[1]
    gates = first.pop("gates")
    assert first == {
        "uid": str(build.sessions_of(course)[0].uid),
        "course": str(course.uid),
        "position": 2,
        "step": {"key": "treatment", "name": "Injection session", "kind": "treatment"},
        "state": "open",
        "state_reason": "",
        "counts": True,
        "counts_reason": "",
        "evaluation": None,
        "late": None,
        "late_action": "",
        "planned_areas": ["left_ankle"],
        "treated_areas": [],
        "performed_on": None,
        "performed_at": None,
        "performed_minutes": None,
        "window": BLANK_WINDOW,
        "gates_on": "2027-01-04",
        "appointment": None,
        "former_appointments": [],
        "outcome": None,
        "waiting": None,
    }
    assert gates[0] == gate(
        "assessment_missing", message="A clinician has not assessed the patient for this treatment yet."
    )
    assert gate("answer_missing", "pregnancy", gates_message(gates, "pregnancy")) in gates
    assert [one["step"]["key"] for one in sessions] == [
        "assessment",
        "treatment",
        "treatment",
        "treatment",
        "final_review",
    ]


def gates_message(gates: list[dict[str, Any]], subject: str) -> str:
    """The sentence about a question says the question, not its code."""
    (message,) = [one["message"] for one in gates if one["subject"] == subject]
    assert subject not in message
    return str(message)


@pytest.mark.parametrize(
    ("changes", "status", "code", "violations"),
    [
        ({"areas": []}, 409, "course_not_startable", [("areas_missing", "areas")]),
        ({"areas": ["nose"]}, 409, "course_not_startable", [("area_not_allowed", "areas")]),
        ({"areas": ["left_wing"]}, 400, "invalid_input", [("unknown", "areas")]),
        ({"patient": str(uuid.uuid4())}, 400, "invalid_input", [("unknown", "patient")]),
        ({"protocol": str(uuid.uuid4())}, 400, "invalid_input", [("unknown", "protocol")]),
        ({"site": str(uuid.uuid4())}, 400, "invalid_input", [("unknown", "site")]),
        ({"lead": str(uuid.uuid4())}, 400, "invalid_input", [("unknown", "lead")]),
        (
            {"wishes": {"from_time": "15:00", "until_time": "09:00"}},
            400,
            "rule_broken",
            [("wish_times_reversed", "wishes")],
        ),
        ({"wishes": {"language": "polish"}}, 400, "rule_broken", [("not_a_language", "wishes.language")]),
    ],
)
def test_a_course_that_cannot_be_started_is_refused(
    clinic: ApiClinic, changes: dict[str, Any], status: int, code: str, violations: list[tuple[str, str]]
):
    assert refusal(started(clinic, clinic.reception, **changes)) == (status, code, violations)
    assert not Course.objects.exists()


def test_a_site_where_i_do_not_work_is_unknown_to_me(clinic: ApiClinic):
    assert refusal(started(clinic, clinic.stranger)) == (400, "invalid_input", [("unknown", "site")])


def test_a_second_course_of_a_protocol_is_a_conflict(clinic: ApiClinic):
    course = clinic.course()

    again = started(clinic, clinic.reception, patient=str(course.patient.uid))

    assert refusal(again) == (409, "course_not_startable", [("course_already_open", "protocol")])


def test_wishes_are_replaced_as_they_were_sent(clinic: ApiClinic):
    course = clinic.course()
    wished = {
        "weekdays": [1, 4],
        "from_time": "09:30",
        "until_time": "16:00",
        "practitioner": str(clinic.staff["injector"][0].uid),
        "avoid_dates": ["2027-02-02"],
        "language": "pl",
        "strict": True,
    }
    door = clinic.reception

    assert door.post(f"courses/{course.uid}/wishes/", wished).json()["wishes"] == wished
    assert door.post(f"courses/{course.uid}/wishes/", {}).json()["wishes"] == ANY_WISHES


@pytest.mark.parametrize("language", ["PL", "polish", "p", "pl_PL"])
def test_a_wish_for_no_language_is_refused_and_the_others_are_kept(clinic: ApiClinic, language: str):
    course = clinic.course()
    address = f"courses/{course.uid}/wishes/"
    clinic.reception.post(address, {"language": "pt-BR"})

    refused = clinic.reception.post(address, {"language": language})

    assert refusal(refused) == (400, "rule_broken", [("not_a_language", "wishes.language")])
    course.refresh_from_db()
    assert course.wish_language == "pt-BR"


def test_no_course_is_started_at_a_site_that_is_given_up(clinic: ApiClinic):
    clinic.course()
    accounts.save_site(clinic.site, is_active=False, by=None, now=clinic.now)

    refused = started(clinic, clinic.reception)

    assert refusal(refused) == (409, "course_not_startable", [("site_given_up", "site")])


def test_ending_a_course_cancels_its_visits_and_drops_its_sessions(clinic: ApiClinic):
    course = clinic.booked_course()

    body = clinic.reception.post(f"courses/{course.uid}/end/", {"reason": "Moved away"}).json()

    assert (body["state"], body["end_reason"], body["ended_at"]) == ("ended", "Moved away", "2027-01-04T08:00:00Z")
    assert [(one["state"], one["appointment"]) for one in body["sessions"][1:]] == [("dropped", None)] * 4
    assert [one["former_appointments"][0]["cancel_reason"] for one in body["sessions"][1:4]] == ["course_ended"] * 3
    again = clinic.reception.post(f"courses/{course.uid}/end/", {"reason": "Moved away"})
    assert refusal(again)[:2] == (409, "illegal_transition")


def test_a_clock_that_went_back_is_refused_and_nothing_is_written(clinic: ApiClinic):
    course = clinic.booked_course()
    clinic.wait(hours=-1)

    refused = clinic.reception.post(f"courses/{course.uid}/holds/", {"code": "x", "reason": "y"})

    assert refusal(refused) == (409, "clock_went_back", [("clock_went_back", str(course.uid))])
    assert Hold.objects.count() == 0


def test_the_four_dates_stand_under_their_loinc_codes_a_day_earlier_where_cdsi_says_so(clinic: ApiClinic):
    course = clinic.booked_course()
    first = build.sessions_of(course)[0]
    clinic.now = build.visits_of(course)[0].during.upper
    clinic.perform(first)

    second = clinic.doctor.get(f"sessions/{build.sessions_of(course)[1].uid}/").json()

    # floor 7 days, minimum 4 weeks, target 1 month, overdue 12 weeks, each from 4 January
    assert second["window"] == {
        "floor_on": "2027-01-11",
        "earliest_on": "2027-02-01",
        "target_on": "2027-02-04",
        "overdue_on": "2027-03-29",
        "lapse_on": None,
        "tolerance_days": 3,
        "is_provisional": False,
        "loinc": {"30981-5": "2027-02-01", "30980-7": "2027-02-04", "59778-1": "2027-03-28", "59777-3": None},
    }


def test_reading_and_planning_a_course_are_in_the_trail(clinic: ApiClinic):
    course = clinic.cleared_course()
    patient = str(course.patient.uid)

    clinic.doctor.get(f"courses/{course.uid}/")
    clinic.reception.post(f"courses/{course.uid}/plan/")

    assert list(AccessEvent.objects.order_by("pk").values_list("user", "action", "subject", "patient_uids")) == [
        (clinic.clinician.pk, "view", "scheduling.course", [patient]),
        (clinic.receptionist.pk, "view", "scheduling.course", [patient]),
    ]


def test_protocols_are_listed_and_shown_whole(clinic: ApiClinic):
    door = clinic.reception
    brief = {
        "uid": str(clinic.version.uid),
        "key": "microsclerotherapy",
        "name": clinic.version.protocol.name,
        "number": 1,
    }

    assert door.get("protocols/").json() == {"results": [brief], "next": None}
    body = door.get(f"protocols/{clinic.version.uid}/").json()

    treatment = body["steps"][1]
    assert {name: body[name] for name in brief} == brief
    assert [step["key"] for step in body["steps"]] == ["assessment", "treatment", "final_review"]
    assert (treatment["sessions"], [one["minutes"] for one in treatment["phases"]]) == (3, [45, 20])
    assert treatment["spacings"][0]["minimum"] == "4 weeks"
    assert {one["question"] for one in body["risks"]} == set(
        clinic.version.risk_rules.values_list("question__code", flat=True)
    )
    assert [(one["language"], one["number"]) for one in body["consent_texts"] if one["language"] == "en"] == [("en", 1)]
