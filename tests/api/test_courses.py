"""A course over the API: start, plan, book, and what is recorded around it."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import parse_qsl

import pytest

from clinic.models import AccessEvent, IdempotencyKey
from patients.records import GuardianDetails
from scheduling.models import Appointment, Assessment, Consent, Course, Hold, Override, Session
from tests import build

from .conftest import ApiClinic, Door, course_in_brief, refusal

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


def gate(code: str, subject: str = "", message: str = "", state: str = "closed") -> dict[str, Any]:
    return {
        "code": code,
        "state": state,
        "subject": subject,
        "message": message,
        "opens_on": None,
        "changes_on": [],
        "override": None,
    }


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


# --- what clinicians record -------------------------------------------------------------------------------------------


def test_an_assessment_is_recorded_and_performs_its_session(clinic: ApiClinic):
    course = clinic.course()

    answer = clinic.doctor.post(
        f"courses/{course.uid}/assessments/",
        {
            "assessed_on": "2027-01-04",
            "is_suitable": True,
            "reflux": "treated",
            "reflux_treated_on": "2026-06-01",
            "reflux_clear_on": "2026-12-01",
            "risks_explained": True,
            "notes": "C1",
        },
    )

    row = Assessment.objects.get()
    assert (answer.status_code, answer.json()["assessments"]) == (
        201,
        [
            {
                "uid": str(row.uid),
                "assessed_on": "2027-01-04",
                "assessed_by": {"uid": str(clinic.clinician.uid), "name": clinic.clinician.name},
                "is_suitable": True,
                "reflux": "treated",
                "reflux_treated_on": "2026-06-01",
                "reflux_clear_on": "2026-12-01",
                "expires_on": None,
                "risks_explained": True,
                "expectations_discussed": False,
                "notes": "C1",
                "error_at": None,
                "error_reason": "",
            }
        ],
    )
    opening = answer.json()["sessions"][0]
    assert (opening["state"], opening["performed_on"], opening["gates"]) == ("performed", "2027-01-04", [])


def test_an_assessment_in_the_future_or_by_the_front_desk_is_refused(clinic: ApiClinic):
    course = clinic.course()
    path = f"courses/{course.uid}/assessments/"

    assert refusal(clinic.doctor.post(path, {"assessed_on": "2027-01-05", "is_suitable": True})) == (
        400,
        "rule_broken",
        [("assessed_in_future", "assessed_on")],
    )
    assert refusal(clinic.reception.post(path, {"assessed_on": "2027-01-04", "is_suitable": True})) == (
        403,
        "not_allowed",
        [("role_missing", "")],
    )
    assert not Assessment.objects.exists()


def test_a_consent_is_informed_then_signed_then_withdrawn(clinic: ApiClinic):
    course = clinic.course()

    informed = clinic.doctor.post(
        f"courses/{course.uid}/consents/", {"number": 1, "informed_on": "2027-01-04", "expires_on": "2028-01-04"}
    )

    row = Consent.objects.get()
    shown = {
        "uid": str(row.uid),
        "session": None,
        "language": "en",
        "number": 1,
        "informed_on": "2027-01-04",
        "signed_on": None,
        "expires_on": "2028-01-04",
        "withdrawn_on": None,
        "sought_by": {"uid": str(clinic.clinician.uid), "name": clinic.clinician.name},
        "given_by_guardian": None,
    }
    assert (informed.status_code, informed.json()["consents"]) == (201, [shown])

    door = clinic.reception
    signed = door.post(f"consents/{row.uid}/sign/", {"signed_on": "2027-01-04"})
    assert (signed.status_code, signed.json()) == (200, {**shown, "signed_on": "2027-01-04"})
    again = door.post(f"consents/{row.uid}/sign/", {"signed_on": "2027-01-04"})
    assert refusal(again) == (409, "consent_not_open", [("consent_not_open", "consent")])

    unsaid = door.post(f"consents/{row.uid}/withdraw/", {"withdrawn_on": "2027-01-04"})
    assert refusal(unsaid) == (400, "invalid_input", [("required", "cancel_visits")])
    withdrawn = door.post(f"consents/{row.uid}/withdraw/", {"withdrawn_on": "2027-01-04", "cancel_visits": False})
    assert withdrawn.json() == {**shown, "signed_on": "2027-01-04", "withdrawn_on": "2027-01-04"}
    assert door.get(f"courses/{course.uid}/").json()["is_held"] is True


def test_a_withdrawal_cancels_the_visits_when_it_says_so(clinic: ApiClinic):
    course = clinic.booked_course()
    sent = {"withdrawn_on": "2027-01-04", "cancel_visits": True}

    assert clinic.reception.post(f"consents/{course.consents.get().uid}/withdraw/", sent).status_code == 200

    told = set(Appointment.objects.values_list("state", "cancel_reason", "cancel_asked_by"))
    assert told == {("cancelled", "patient_changed_mind", "patient")}


def test_a_guardian_gives_the_consent_for_a_minor(clinic: ApiClinic):
    patient = build.patient("Zoë Müller", guardians=(GuardianDetails("Ada Müller", "mother"),))
    mother = patient.guardians.get()
    stranger = build.patient(guardians=(GuardianDetails("Somebody Else"),)).guardians.get()
    course = clinic.course(patient)
    path = f"courses/{course.uid}/consents/"
    given = {"number": 1, "informed_on": "2027-01-04", "signed_on": "2027-01-04"}

    refused = clinic.doctor.post(path, given | {"given_by_guardian": str(stranger.uid)})
    recorded = clinic.doctor.post(path, given | {"given_by_guardian": str(mother.uid)})

    assert refusal(refused) == (400, "invalid_input", [("unknown", "given_by_guardian")])
    assert [one["given_by_guardian"] for one in recorded.json()["consents"]] == [
        {"uid": str(mother.uid), "name": "Ada Müller"}
    ]
    assert Consent.objects.get().given_by_guardian == mother


def test_a_consent_text_that_does_not_exist_is_unknown(clinic: ApiClinic):
    course = clinic.course()

    answer = clinic.doctor.post(f"courses/{course.uid}/consents/", {"number": 99, "informed_on": "2027-01-04"})

    assert refusal(answer) == (400, "invalid_input", [("unknown", "number")])


def test_a_hold_is_placed_and_lifted_by_the_role_it_names(clinic: ApiClinic):
    course = clinic.course()

    placed = clinic.reception.post(
        f"courses/{course.uid}/holds/",
        {"code": "new_medicine", "reason": "Started a blood thinner", "lifted_by_role": "prescriber"},
    )

    row = Hold.objects.get()
    shown = {
        "uid": str(row.uid),
        "course": str(course.uid),
        "code": "new_medicine",
        "reason": "Started a blood thinner",
        "lifted_by_role": "prescriber",
        "placed_at": "2027-01-04T08:00:00Z",
        "lifted_at": None,
        "lift_reason": "",
        "is_settled": False,
    }
    assert (placed.status_code, placed.json()["holds"], placed.json()["is_held"]) == (201, [shown], True)
    path = f"holds/{row.uid}/lift/"
    assert refusal(clinic.doctor.post(path, {"reason": "fine"})) == (403, "not_allowed", [("role_missing", "")])
    lifted = clinic.senior.post(path, {"reason": "Stopped again"})
    assert lifted.json() == {
        "hold": {**shown, "lifted_at": "2027-01-04T08:00:00Z", "lift_reason": "Stopped again"},
        "proposal": None,
    }
    assert refusal(clinic.senior.post(path, {"reason": "Stopped again"}))[:2] == (409, "hold_lifted")


def test_an_event_and_an_override_stand_in_the_course(clinic: ApiClinic):
    course = clinic.course()

    event = clinic.doctor.post(
        f"courses/{course.uid}/events/", {"key": "varicose_treatment", "happened_on": "2026-06-01"}
    )
    override = clinic.senior.post(
        f"courses/{course.uid}/overrides/",
        {
            "rule": "before_minimum",
            "session": str(build.sessions_of(course)[1].uid),
            "reason": "Leaves the country",
            "expires_on": "2027-02-01",
        },
    )

    row = Override.objects.get()
    assert event.json()["events"] == [{"key": "varicose_treatment", "happened_on": "2026-06-01", "note": ""}]
    assert (override.status_code, override.json()["overrides"]) == (
        201,
        [
            {
                "uid": str(row.uid),
                "session": str(build.sessions_of(course)[1].uid),
                "rule": "before_minimum",
                "subject": "",
                "reason": "Leaves the country",
                "expires_on": "2027-02-01",
                "given_at": "2027-01-04T08:00:00Z",
                "given_by": {"uid": str(clinic.prescriber.uid), "name": clinic.prescriber.name},
                "revoked_at": None,
                "revoked_by": None,
                "revoke_reason": "",
            }
        ],
    )


def test_what_nobody_may_override_is_refused_and_a_clinician_overrides_nothing(clinic: ApiClinic):
    course = clinic.course()
    sent = {"rule": "risk_absolute", "subject": "pregnancy", "reason": "please", "expires_on": "2027-02-01"}

    assert refusal(clinic.senior.post(f"courses/{course.uid}/overrides/", sent)) == (
        400,
        "rule_broken",
        [("rule_not_overridable", "rule")],
    )
    assert refusal(clinic.doctor.post(f"courses/{course.uid}/overrides/", sent))[:2] == (403, "not_allowed")


def test_ending_a_course_cancels_its_visits_and_drops_its_sessions(clinic: ApiClinic):
    course = clinic.booked_course()

    body = clinic.reception.post(f"courses/{course.uid}/end/", {"reason": "Moved away"}).json()

    assert (body["state"], body["end_reason"], body["ended_at"]) == ("ended", "Moved away", "2027-01-04T08:00:00Z")
    assert [(one["state"], one["appointment"]) for one in body["sessions"][1:]] == [("dropped", None)] * 4
    assert [one["former_appointments"][0]["cancel_reason"] for one in body["sessions"][1:4]] == ["course_ended"] * 3
    again = clinic.reception.post(f"courses/{course.uid}/end/", {"reason": "Moved away"})
    assert refusal(again)[:2] == (409, "illegal_transition")


# --- plan and book ----------------------------------------------------------------------------------------------------


def visit_shown(visit: Appointment, **changes: Any) -> dict[str, Any]:
    """A visit as every answer shows it."""
    return {
        "uid": str(visit.uid),
        "session": str(visit.session.uid),
        "course": str(visit.session.course.uid),
        "state": "booked",
        "on": visit.on.isoformat(),
        "at": f"{visit.at_time:%H:%M}",
        "fold": 0,
        "zone": "Europe/London",
        "starts_at": f"{visit.during.lower:%Y-%m-%dT%H:%M:%SZ}",
        "ends_at": f"{visit.during.upper:%Y-%m-%dT%H:%M:%SZ}",
        "minutes": 65,
        "site": {"uid": str(visit.site.uid), "name": visit.site.name},
        "lead": {"uid": str(visit.lead.uid), "name": visit.lead.name},
        "revision": 1,
        "arrived_at": None,
        "confirmed_at": None,
        "cancelled_at": None,
        "cancel_reason": "",
        "cancel_asked_by": "",
        "note": "",
        **changes,
    }


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
    assert (booked.status_code, booked.json()) == (201, {"appointments": [visit_shown(one) for one in visits]})
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


# --- held by an answer ------------------------------------------------------------------------------------------------


def test_a_bad_answer_frees_the_visits_over_rest_when_it_says_so(clinic: ApiClinic):
    course = clinic.booked_course()
    path = f"patients/{course.patient.uid}/answers/"

    sent = clinic.reception.post(path, {"question": "pregnancy", "value": "yes", "visits": "free"})

    assert sent.status_code == 201
    assert set(Appointment.objects.values_list("state", "cancel_reason")) == {("cancelled", "clinical")}
    refused = clinic.reception.post(path, {"question": "pregnancy", "value": "yes", "visits": "perhaps"})
    assert refusal(refused) == (400, "invalid_input", [("invalid_choice", "visits")])


def test_the_visits_of_a_held_course_are_freed_later_and_lifting_proposes_new_ones(clinic: ApiClinic):
    course = clinic.booked_course()
    booked = [str(visit.uid) for visit in build.visits_of(course)]
    clinic.reception.post(f"patients/{course.patient.uid}/answers/", {"question": "pregnancy", "value": "yes"})
    hold = Hold.objects.get()

    freed = clinic.reception.post(f"holds/{hold.uid}/free-visits/")

    body = freed.json()
    assert [(visit["uid"], visit["state"]) for visit in body["appointments"]] == [(uid, "cancelled") for uid in booked]
    clinic.answer_all(course)
    lifted = clinic.senior.post(f"holds/{hold.uid}/lift/", {"reason": "a mistake"}).json()
    assert [(move["session"], move["from"]) for move in lifted["proposal"]["moves"]] == [
        (str(session.uid), None) for session in build.sessions_of(course)
    ]
    assert refusal(clinic.reception.post(f"holds/{hold.uid}/free-visits/"))[:2] == (409, "hold_lifted")


def test_an_answer_recorded_in_error_is_struck_and_its_hold_offered_for_lifting(clinic: ApiClinic):
    course = clinic.booked_course()
    sent = clinic.reception.post(
        f"patients/{course.patient.uid}/answers/", {"question": "pregnancy", "value": "yes"}
    ).json()
    path = f"answers/{sent['uid']}/strike/"

    assert refusal(clinic.reception.post(path, {"reason": "x"}))[:2] == (403, "not_allowed")
    assert refusal(clinic.doctor.post(path, {"reason": ""}))[2] == [("blank", "reason")]
    struck = clinic.doctor.post(path, {"reason": "another patient"})

    assert struck.json() == {**sent, "error_at": "2027-01-04T08:00:00Z", "error_reason": "another patient"}
    shown = clinic.doctor.get(f"courses/{course.uid}/").json()
    assert [(hold["code"], hold["is_settled"], hold["lifted_at"]) for hold in shown["holds"]] == [
        ("risk_pregnancy", True, None)
    ]
    assert refusal(clinic.doctor.post(path, {"reason": "again"}))[0] == 409


def test_a_clinician_has_looked_at_an_answer_and_the_gate_opens(clinic: ApiClinic):
    course = clinic.booked_course()
    asked = course.version.risk_rules.filter(severity="ask").select_related("question")[0]
    sent = clinic.reception.post(
        f"patients/{course.patient.uid}/answers/",
        {"question": asked.question.code, "value": asked.refused_answers[0]},
    ).json()
    path = f"answers/{sent['uid']}/review/"
    assert closed_gates(clinic, course) == {"risk_ask", "course_on_hold"}

    assert refusal(clinic.reception.post(path))[:2] == (403, "not_allowed")
    looked_at = clinic.doctor.post(path)

    assert looked_at.json() == {**sent, "reviewed_at": "2027-01-04T08:00:00Z"}
    assert closed_gates(clinic, course) == {"course_on_hold"}


def closed_gates(clinic: ApiClinic, course: Course) -> set[str]:
    """Return what keeps sessions of the course from being booked."""
    sessions = clinic.doctor.get(f"courses/{course.uid}/").json()["sessions"]
    return {gate["code"] for session in sessions for gate in session["gates"] if gate["state"] == "closed"}


def test_an_assessment_recorded_in_error_is_struck_and_its_gate_closes(clinic: ApiClinic):
    course = clinic.cleared_course()
    (assessment,) = clinic.doctor.get(f"courses/{course.uid}/").json()["assessments"]
    path = f"assessments/{assessment['uid']}/strike/"

    assert refusal(clinic.reception.post(path, {"reason": "x"}))[:2] == (403, "not_allowed")
    assert clinic.stranger.post(path, {"reason": "x"}).status_code == 404
    struck = clinic.doctor.post(path, {"reason": "another patient"})

    assert (struck.status_code, struck.json()["error_reason"]) == (200, "another patient")
    sessions = clinic.doctor.get(f"courses/{course.uid}/").json()["sessions"]
    assert [one["state"] for one in sessions if one["step"]["key"] == "assessment"] == ["open"]
    assert "assessment_missing" in {gate["code"] for one in sessions for gate in one["gates"]}
    assert refusal(clinic.doctor.post(path, {"reason": "again"}))[:2] == (409, "struck_already")


def test_a_clock_that_went_back_is_refused_and_nothing_is_written(clinic: ApiClinic):
    course = clinic.booked_course()
    clinic.wait(hours=-1)

    refused = clinic.reception.post(f"courses/{course.uid}/holds/", {"code": "x", "reason": "y"})

    assert refusal(refused) == (409, "clock_went_back", [("clock_went_back", str(course.uid))])
    assert Hold.objects.count() == 0


# --- overrides --------------------------------------------------------------------------------------------------------


def override_of(clinic: ApiClinic, course: Course) -> dict[str, Any]:
    second = build.sessions_of(course)[1]
    sent = {
        "rule": "before_minimum", "session": str(second.uid), "reason": "A wedding.", "expires_on": "2027-02-01",
    }  # fmt: skip
    clinic.wait(minutes=1)
    given: dict[str, Any] = clinic.senior.post(f"courses/{course.uid}/overrides/", sent).json()["overrides"][0]
    return given


@pytest.mark.parametrize(
    ("left_out", "violation"),
    [("reason", ("required", "reason")), ("expires_on", ("required", "expires_on")), ("rule", ("required", "rule"))],
)
def test_an_override_without_rule_reason_or_expiry_is_refused(clinic: ApiClinic, left_out: str, violation: Any):
    course = clinic.course()
    sent = {"rule": "before_minimum", "reason": "A wedding.", "expires_on": "2027-02-01"}
    del sent[left_out]

    assert refusal(clinic.senior.post(f"courses/{course.uid}/overrides/", sent)) == (400, "invalid_input", [violation])
    assert Override.objects.count() == 0


def test_the_report_of_overrides_is_filtered_and_read_page_by_page(clinic: ApiClinic):
    course = clinic.course()
    older, newer = override_of(clinic, course), override_of(clinic, course)
    boss = clinic.boss

    page = boss.get("overrides/", site=str(clinic.site.uid), limit=1).json()

    assert page["results"] == [
        newer
        | {
            "state": "valid",
            "course": str(course.uid),
            "patient": str(course.patient.uid),
            "site": {"uid": str(clinic.site.uid), "name": clinic.site.name},
        }
    ]
    following = boss.get(page["next"].removeprefix("/api/v1/").partition("?")[0], **query_of(page["next"])).json()
    assert [one["uid"] for one in following["results"]] == [older["uid"]]
    assert [one["uid"] for one in boss.get("overrides/", state="expired").json()["results"]] == []
    assert boss.get("overrides/", rule="risk_relative").json()["results"] == []
    assert len(boss.get("overrides/", given_by=str(clinic.prescriber.uid)).json()["results"]) == 2
    assert clinic.stranger.get("overrides/").json()["results"] == []
    assert refusal(clinic.operator.get("overrides/"))[:2] == (403, "not_allowed")
    assert refusal(boss.get("overrides/", state="old"))[2] == [("invalid_choice", "state")]


def query_of(address: str) -> dict[str, str]:
    return dict(parse_qsl(address.partition("?")[2]))


def test_an_override_is_revoked_by_a_prescriber(clinic: ApiClinic):
    path = f"overrides/{override_of(clinic, clinic.course())['uid']}/revoke/"

    assert refusal(clinic.doctor.post(path, {"reason": "x"}))[:2] == (403, "not_allowed")
    assert clinic.stranger.post(path, {"reason": "x"}).status_code == 404
    revoked = clinic.senior.post(path, {"reason": "no need"}).json()

    assert (revoked["state"], revoked["revoke_reason"], revoked["revoked_by"]["name"]) == (
        "revoked",
        "no need",
        clinic.prescriber.name,
    )
    assert refusal(clinic.senior.post(path, {"reason": "again"}))[:2] == (409, "override_revoked")
