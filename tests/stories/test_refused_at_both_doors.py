"""What must not happen is refused at the front desk and over REST, in the same words, and nothing is written."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from patients.models import Area, Patient
from scheduling import booking, closures
from scheduling.models import Course
from scheduling.planner import facts
from tests import build

from .conftest import everything_stored, plan_page

Prepare = Callable[[build.Clinic, Course], None]


def slots_of(course: Course, clinic: build.Clinic) -> list[dict[str, Any]]:
    """The plan that the clinic would propose, whether or not it may be booked."""
    plan = booking.propose_course(course, now=clinic.now)[0].plan
    return [booking.slot_as_data(planned.slot, course.site) for planned in plan.sessions]


def refused_at_both_doors(clinic: build.Clinic, api: Any, desk: Any, course: Course, slots: Any) -> set[str]:
    """Post the plan at both doors; check that both refuse in the same words and write nothing. Return the codes."""
    stored = everything_stored()

    over_rest = api(clinic.clinician).post(f"courses/{course.uid}/book/", {"slots": slots})
    at_the_desk = desk.send(plan_page(course), {"plan": json.dumps(slots), "key": str(uuid.uuid4())})

    assert (over_rest.status_code, over_rest.json()["code"]) == (409, "not_bookable")
    assert at_the_desk.status == 409
    assert "Nothing was booked." in at_the_desk.words
    violations = over_rest.json()["violations"]
    assert [violation["message"] for violation in violations if violation["message"] not in at_the_desk.words] == []
    assert everything_stored() == stored
    return {violation["code"] for violation in violations}


# --- conditions -------------------------------------------------------------------------------------------------------


def without_assessment(clinic: build.Clinic, course: Course) -> None:
    clinic.consent(course)
    clinic.answer_all(course)


def assessed_long_ago(clinic: build.Clinic, course: Course) -> None:
    without_assessment(clinic, course)
    clinic.assess(course, assessed_on=clinic.today - timedelta(days=366))


def found_unsuitable(clinic: build.Clinic, course: Course) -> None:
    without_assessment(clinic, course)
    clinic.assess(course, is_suitable=False)


def with_reflux(clinic: build.Clinic, course: Course) -> None:
    without_assessment(clinic, course)
    clinic.assess(course, reflux="untreated")


def without_answers(clinic: build.Clinic, course: Course) -> None:
    clinic.assess(course)
    clinic.consent(course)


def pregnant(clinic: build.Clinic, course: Course) -> None:
    without_answers(clinic, course)
    clinic.answer_all(course, pregnancy="yes")


def consent_not_signed(clinic: build.Clinic, course: Course) -> None:
    clinic.assess(course)
    clinic.consent(course, signed_on=None)
    clinic.answer_all(course)


@pytest.mark.parametrize(
    ("prepare", "codes"),
    [
        (without_assessment, {"assessment_missing", "reflux_not_checked"}),
        (assessed_long_ago, {"assessment_expired"}),
        (found_unsuitable, {"assessment_unsuitable", "course_on_hold"}),
        (with_reflux, {"reflux_untreated"}),
        (without_answers, {"answer_missing"}),
        (pregnant, {"risk_absolute", "course_on_hold"}),
        (consent_not_signed, {"consent_missing"}),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_closed_gate_refuses_booking_and_says_which(clinic, api, desk, prepare: Prepare, codes):
    course = clinic.course()
    prepare(clinic, course)
    course = Course.objects.get(pk=course.pk)

    assert refused_at_both_doors(clinic, api, desk, course, slots_of(course, clinic)) == codes


def test_the_face_is_never_treated(clinic, api, desk):
    patient, cheeks = build.patient("Ana Kovač"), Area.objects.get(code="cheeks", region="face")
    stored = everything_stored()
    what = {"patient": str(patient.uid), "protocol": str(clinic.version.uid), "site": str(clinic.site.uid)}

    over_rest = api(clinic.receptionist).post("courses/", what | {"areas": ["cheeks"]})
    start = desk.open(f"/admin/scheduling/course/add/?patient={patient.uid}")
    at_the_desk = start.press("Start the course", version=clinic.version.pk, areas=[cheeks.pk])

    (violation,) = over_rest.json()["violations"]
    assert (over_rest.status_code, violation["code"], violation["area"]) == (409, "area_not_allowed", "cheeks")
    assert "Start a course" in at_the_desk.words
    assert cheeks.name not in start.words
    assert everything_stored() == stored


# --- times ------------------------------------------------------------------------------------------------------------


def moved(slots: list[dict[str, Any]], **changes: str) -> list[dict[str, Any]]:
    """The plan with another time for its first session."""
    return [slots[0] | changes, *slots[1:]]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"on": "2027-01-03"}, "in_the_past"),
        ({"on": "2027-01-04", "at": "07:55"}, "in_the_past"),
        ({"at": "08:00"}, "off_duty"),
        ({"at": "12:00"}, "off_duty"),  # runs into lunch
        ({"at": "16:30"}, "off_duty"),  # runs past closing
        ({"on": "2027-01-09"}, "off_duty"),  # a Saturday
        ({"at": "09:02"}, "off_grid"),
        ({"on": "2029-01-08"}, "beyond_horizon"),
    ],
)
def test_a_time_that_cannot_be_is_refused(clinic, api, desk, changes, code):
    course = clinic.cleared_course()

    assert code in refused_at_both_doors(clinic, api, desk, course, moved(slots_of(course, clinic), **changes))


def test_a_holiday_is_refused_by_its_name(clinic, api, desk):
    closures.store_holidays(clinic.site, [2027], by=clinic.manager, now=clinic.now)
    course = clinic.cleared_course()
    slots = moved(slots_of(course, clinic), on="2027-03-26")  # Good Friday

    codes = refused_at_both_doors(clinic, api, desk, course, slots)

    said = desk.send(plan_page(course), {"plan": json.dumps(slots), "key": "again"}).words
    assert "site_closed" in codes
    assert "Good Friday" in said


def test_a_time_that_was_taken_meanwhile_is_refused(clinic, api, desk):
    course, rival = clinic.cleared_course(), clinic.cleared_course()
    slots = slots_of(course, clinic)
    clinic.book(rival)

    assert refused_at_both_doors(clinic, api, desk, course, slots) == {"resource_busy"}


def test_a_patient_is_not_booked_into_two_places(clinic, api, desk):
    patient = build.patient()
    elsewhere = build.Clinic(now=clinic.now, key="hepatitis_b")  # another site of the same clinic
    visit = build.visits_of(elsewhere.booked_course(patient, areas=[]))[0]
    course = clinic.cleared_course(patient)
    slots = moved(slots_of(course, clinic), on=f"{visit.on}", at=f"{visit.at_time:%H:%M}")

    assert "patient_busy" in refused_at_both_doors(clinic, api, desk, course, slots)


# --- no time at all ---------------------------------------------------------------------------------------------------


def test_when_no_time_is_possible_every_session_says_why(clinic, api, desk):
    course = clinic.cleared_course()
    before_opening = facts.Wishes(from_minute=6 * 60, until_minute=8 * 60, strict=True)
    booking.set_wishes(course, before_opening, by=clinic.receptionist, now=clinic.now)
    stored = everything_stored()

    over_rest = api(clinic.receptionist).post(f"courses/{course.uid}/plan/")
    at_the_desk = desk.open(plan_page(course))

    assert (over_rest.status_code, over_rest.json()["code"]) == (409, "no_plan")
    violations = over_rest.json()["violations"]
    sessions = [str(session.uid) for session in build.sessions_of(course)]
    assert [violation["where"] for violation in violations] == sessions[: len(violations)] != []
    assert all(violation["removed"] for violation in violations)
    assert "There is no plan, and this is why" in at_the_desk.words
    ways_out = [way["message"] for violation in violations for way in violation["relaxations"]]
    assert ways_out
    said = [violation["reason"] for violation in violations] + ways_out
    assert [text for text in said if text not in at_the_desk.words] == []
    assert everything_stored() == stored

    without_the_wish = replace(before_opening, from_minute=0, until_minute=24 * 60)
    booking.set_wishes(course, without_the_wish, by=clinic.receptionist, now=clinic.now)
    assert api(clinic.receptionist).post(f"courses/{course.uid}/plan/").status_code == 200


# --- nonsense ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"{", b"", b'{"slots": [', b"\xff\xfe", b'{"a": NaN}', b"nonsense"])
def test_a_malformed_body_is_refused(clinic, api, desk, body):
    course = clinic.cleared_course()
    stored = everything_stored()

    over_rest = api(clinic.receptionist).post(f"courses/{course.uid}/book/", raw=body)
    at_the_desk = desk.send(plan_page(course), {"plan": body.decode("latin-1"), "key": str(uuid.uuid4())})

    assert (over_rest.status_code, over_rest.json()["code"]) in [(400, "malformed_json"), (400, "invalid_input")]
    assert at_the_desk.status == 409
    assert everything_stored() == stored


@pytest.mark.parametrize(
    ("details", "field"),
    [
        ({"family_name": "Müller\nBcc: all@example.org"}, "family_name"),
        ({"given_name": "Zoë\r\nX: y"}, "given_name"),
        ({"email": "zoe@example.org, ana@example.org"}, "email"),
        ({"email": "zoe@example.org\nana@example.org"}, "email"),
        ({"email": "Zoë <zoe@example.org>"}, "email"),
    ],
)
def test_a_name_of_two_lines_and_an_e_mail_of_two_addresses_are_refused(clinic, api, desk, details, field):
    stored = everything_stored()
    whole = {"family_name": "Müller"} | details

    over_rest = api(clinic.receptionist).post("patients/", whole)
    at_the_desk = desk.open("/admin/patients/patient/add/").press("Save", **whole)

    assert over_rest.status_code == 400
    assert [violation["where"] for violation in over_rest.json()["violations"]] == [field]
    assert over_rest.json()["violations"][0]["message"] in at_the_desk.words
    assert everything_stored() == stored
    assert Patient.objects.count() == 0
