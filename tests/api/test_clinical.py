"""What clinicians record in a course over the API, and what holds it until somebody has looked."""

from __future__ import annotations

from patients.records import GuardianDetails
from scheduling.models import Appointment, Assessment, Consent, Course, Hold
from tests import build

from .conftest import ApiClinic, refusal


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
