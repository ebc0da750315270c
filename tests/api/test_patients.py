"""Patients, their answers, and the vocabularies over the API."""

from __future__ import annotations

import pytest

from clinic.models import AccessEvent
from patients.models import Answer, Area, Complication, Patient, Question
from scheduling.models import Message
from tests import build

from .conftest import ApiClinic, course_in_brief, refusal

SENT = {
    "family_name": "Okonkwo-Łuczak",
    "given_name": "Zoë",
    "born_on": "1990-02-28",
    "language": "pl",
    "email": "zoe@example.org",
    "agrees_to_mail": True,
    "interpreter_language": "ig",
    "access_needs": "No stairs",
    "identifiers": [{"system": "urn:harbour", "value": "H-77"}],
    "phones": [{"number": "+44 20 7946 0018", "label": "home", "is_preferred": True}],
    "guardians": [{"name": "Ada Okonkwo", "relationship": "mother", "phone": "+442079460019"}],
}


def test_registering_a_patient_shows_the_whole_record(clinic: ApiClinic):
    answer = clinic.reception.post("patients/", {**SENT, "site": str(clinic.site.uid)})

    patient = Patient.objects.get(family_name="Okonkwo-Łuczak")
    shown = {
        "uid": str(patient.uid),
        "name": "Zoë Okonkwo-Łuczak",
        "born_on": "1990-02-28",
        "given_name": "Zoë",
        "family_name": "Okonkwo-Łuczak",
        "site": str(clinic.site.uid),
        "language": "pl",
        "email": "zoe@example.org",
        "mail_state": "ok",
        "mail_consent_at": "2027-01-04T08:00:00Z",
        "mail_opted_out_at": None,
        "interpreter_language": "ig",
        "access_needs": "No stairs",
        "identifiers": [{"system": "urn:harbour", "value": "H-77"}],
        "phones": [{"number": "+442079460018", "label": "home", "is_preferred": True}],
        "guardians": [
            {
                "uid": str(patient.guardians.get().uid),
                "name": "Ada Okonkwo",
                "relationship": "mother",
                "email": "",
                "phone": "+442079460019",
                "from_on": None,
                "until_on": None,
            }
        ],
        "deceased_on": None,
        "merged_into": None,
        "registered_at": "2027-01-04T08:00:00Z",
    }
    assert (answer.status_code, answer.json()) == (201, shown)
    assert clinic.doctor.get(f"patients/{patient.uid}/").json() == shown


def test_what_is_wrong_with_a_patient_is_said_field_by_field_and_nothing_is_written(clinic: ApiClinic):
    answer = clinic.reception.post(
        "patients/",
        {
            "family_name": "Lee\nBcc: all@example.org",
            "email": "a@example.org, b@example.org",
            "phones": [{"number": "12"}],
        },
    )

    assert refusal(answer) == (
        400,
        "rule_broken",
        [
            ("not_one_line", "family_name"),
            ("more_than_one_address", "email"),
            ("not_a_phone_number", "phones.0.number"),
        ],
    )
    assert not Patient.objects.exists()


def test_a_number_of_another_patient_is_a_conflict(clinic: ApiClinic):
    door = clinic.reception
    door.post("patients/", SENT)

    again = door.post("patients/", {**SENT, "family_name": "Other"})

    assert refusal(again)[:2] == (409, "identifier_taken")


def test_a_site_or_patient_that_is_not_mine_to_name_is_unknown(clinic: ApiClinic):
    elsewhere = build.site()

    answer = clinic.reception.post("patients/", {**SENT, "site": str(elsewhere.uid)})

    assert refusal(answer) == (400, "invalid_input", [("unknown", "site")])


def test_correcting_changes_what_is_sent_and_nothing_else(clinic: ApiClinic):
    door = clinic.reception
    shown = door.post("patients/", SENT).json()

    answer = door.patch(f"patients/{shown['uid']}/", {"family_name": "Okonkwo", "email": "", "phones": []})

    changed = {"family_name": "Okonkwo", "name": "Zoë Okonkwo", "email": "", "mail_state": "none", "phones": []}
    assert (answer.status_code, answer.json()) == (200, {**shown, **changed})
    half = door.patch(f"patients/{shown['uid']}/", {"identifiers": [{"system": "urn:x"}], "nickname": "Z"})
    assert refusal(half)[2] == [("unknown_field", "nickname"), ("required", "identifiers.0.value")]


def test_a_guardian_is_registered_and_corrected_by_uid(clinic: ApiClinic):
    door = clinic.reception
    made = door.post("patients/", {"family_name": "Müller", "guardians": [{"name": "Ada", "relationship": "mother"}]})
    patient, (mother,) = made.json()["uid"], made.json()["guardians"]
    other = door.post("patients/", {"family_name": "Kovač", "guardians": [{"name": "Ivo"}]}).json()["guardians"][0]

    corrected = door.patch(
        f"patients/{patient}/", {"guardians": [{"uid": mother["uid"], "name": "Ada Müller", "until_on": "2030-01-01"}]}
    )
    foreign = door.patch(f"patients/{patient}/", {"guardians": [{"uid": other["uid"], "name": "Ivo"}]})

    assert corrected.json()["guardians"] == [
        mother | {"name": "Ada Müller", "relationship": "", "until_on": "2030-01-01"}
    ]
    assert refusal(foreign) == (400, "invalid_input", [("unknown", "guardians")])


def test_a_search_is_a_post_and_finds_parts_of_names_whatever_their_accents(clinic: ApiClinic):
    zoe = build.patient("Zoë Łuczak")
    build.patient("Maria Sørensen")

    answer = clinic.reception.post("patients/search/", {"words": "zoe łucz"})

    assert (answer.status_code, answer.json()) == (
        200,
        {"results": [{"uid": str(zoe.uid), "name": "Zoë Łuczak", "born_on": "1980-05-17"}], "has_more": False},
    )
    assert clinic.reception.get("patients/", q="zoe").status_code == 405


def test_a_search_shows_as_many_as_are_asked_for_and_says_when_there_are_more(clinic: ApiClinic):
    for name in ("Ada Adams", "Bea Adams", "Cem Adams"):
        build.patient(name)

    answer = clinic.reception.post("patients/search/", {"words": "adams", "limit": 2}).json()

    assert ([one["name"] for one in answer["results"]], answer["has_more"]) == (["Ada Adams", "Bea Adams"], True)
    assert refusal(clinic.reception.post("patients/search/", {"words": "adams", "limit": 51}))[2] == [
        ("max_value", "limit")
    ]


def test_an_answer_is_recorded_and_a_bad_one_holds_the_course(clinic: ApiClinic):
    course = clinic.course()
    patient = course.patient

    answer = clinic.reception.post(
        f"patients/{patient.uid}/answers/", {"question": "pregnancy", "value": "yes", "note": "12 weeks"}
    )

    row = Answer.objects.get(patient=patient, question__code="pregnancy")
    shown = {
        "uid": str(row.uid),
        "question": "pregnancy",
        "value": "yes",
        "given_on": "2027-01-04",
        "note": "12 weeks",
        "source": "staff",
        "recorded_at": "2027-01-04T08:00:00Z",
        "reviewed_at": None,
        "error_at": None,
        "error_reason": "",
    }
    assert (answer.status_code, answer.json()) == (201, shown)
    assert clinic.reception.get(f"patients/{patient.uid}/answers/").json() == {
        "results": [shown],
        "next": None,
    }
    assert clinic.reception.get(f"courses/{course.uid}/").json()["is_held"] is True


@pytest.mark.parametrize(
    "sent",
    [
        {"question": "shoe_size", "value": "yes"},
        {"question": "pregnancy", "value": "perhaps"},
        {"question": "pregnancy", "value": "no", "given_on": "2027-01-05"},
    ],
)
def test_an_answer_that_cannot_be_is_refused(clinic: ApiClinic, sent: dict[str, str]):
    patient = build.patient()

    answer = clinic.reception.post(f"patients/{patient.uid}/answers/", sent)

    assert refusal(answer)[0] == 400
    assert not Answer.objects.exists()


def test_a_list_is_read_page_by_page_newest_first(clinic: ApiClinic):
    course = clinic.cleared_course()
    door = clinic.reception
    everything = door.get(f"patients/{course.patient.uid}/answers/", limit=100).json()["results"]

    pages, following = [], f"patients/{course.patient.uid}/answers/?limit=4"
    while following:
        page = door.get(following).json()
        pages.append(page["results"])
        following = (page["next"] or "").removeprefix("/api/v1/")

    assert [len(page) for page in pages[:-1]] == [4] * (len(pages) - 1)
    assert [one for page in pages for one in page] == everything
    assert len(everything) == course.version.risk_rules.count()


@pytest.mark.parametrize(
    ("query", "violation"),
    [
        ({"limit": "0"}, ("min_value", "limit")),
        ({"limit": "101"}, ("max_value", "limit")),
        ({"limit": "many"}, ("invalid", "limit")),
        ({"after": "7"}, ("invalid", "after")),
        ({"after": "6f1c1f2e-0000-4000-8000-000000000000"}, ("page_unknown", "after")),
    ],
)
def test_a_page_that_cannot_be_is_refused(clinic: ApiClinic, query: dict[str, str], violation: tuple[str, str]):
    patient = build.patient()

    assert refusal(clinic.reception.get(f"patients/{patient.uid}/answers/", None, **query)) == (
        400,
        "invalid_input",
        [violation],
    )


def test_a_patients_courses_are_those_of_my_sites(clinic: ApiClinic):
    course = clinic.course()

    path = f"patients/{course.patient.uid}/courses/"
    assert clinic.reception.get(path).json() == {"results": [course_in_brief(course)], "next": None}
    assert clinic.stranger.get(path).json() == {"results": [], "next": None}


def test_the_vocabularies_are_listed_by_code(clinic: ApiClinic):
    door = clinic.doctor
    area, question, complication = (
        Area.objects.get(code="left_ankle"),
        Question.objects.get(code="pregnancy"),
        Complication.objects.order_by("-pk")[0],
    )

    areas = door.get("areas/", limit=100).json()["results"]
    questions = door.get("questions/", limit=100).json()["results"]
    complications = door.get("complications/", limit=1).json()

    assert {"code": "left_ankle", "name": area.name, "side": "left", "region": area.region} in areas
    assert {
        "code": "pregnancy",
        "text": question.text,
        "texts": question.texts,
        "choices": question.choices,
    } in questions
    assert complications == {
        "results": [{"code": complication.code, "name": complication.name, "is_expected": complication.is_expected}],
        "next": f"/api/v1/complications/?limit=1&after={complication.code}",
    }


def test_each_read_of_a_patient_is_in_the_trail_with_everybody_it_showed(clinic: ApiClinic):
    one, two = build.patient("Ada Adams"), build.patient("Bea Adams")
    door = clinic.reception

    door.get(f"patients/{one.uid}/")
    door.post("patients/search/", {"words": "adams"})
    door.get(f"patients/{two.uid}/answers/")
    door.get("me/")

    trail = AccessEvent.objects.order_by("pk").values_list(
        "user", "action", "subject", "subject_uid", "patient_uids", "door"
    )
    me = clinic.receptionist.pk
    assert list(trail) == [
        (me, "view", "patients.patient", one.uid, [str(one.uid)], "api"),
        (me, "search", "patients.patient", None, sorted([str(one.uid), str(two.uid)]), "api"),
        (me, "view", "patients.answer", two.uid, [str(two.uid)], "api"),
    ]


def test_history_names_who_changed_a_patient_through_the_api(clinic: ApiClinic):
    door = clinic.reception

    uid = door.post("patients/", SENT).json()["uid"]

    event = Patient.objects.get(uid=uid).history.get()
    assert event.pgh_context.metadata == {"user": clinic.receptionist.pk, "url": "/api/v1/patients/"}


def test_a_death_ends_every_course_and_is_taken_back(clinic: ApiClinic):
    course = clinic.booked_course()
    address = f"patients/{course.patient.uid}/death/"

    to_come = clinic.reception.post(address, {"on": "2027-01-05"})
    by_an_operator = clinic.operator.post(address, {"on": "2027-01-04"})
    recorded = clinic.reception.post(address, {"on": "2027-01-04"})

    assert refusal(to_come) == (400, "rule_broken", [("died_in_future", "on")])
    assert refusal(by_an_operator)[0] == 403
    assert (recorded.status_code, recorded.json()["deceased_on"]) == (200, "2027-01-04")
    course.refresh_from_db()
    assert (course.state, build.visits_of(course)) == ("ended", [])
    assert not Message.objects.filter(state="pending").exists()
    taken_back = clinic.reception.post(f"{address}take-back/")
    assert (taken_back.status_code, taken_back.json()["deceased_on"]) == (200, None)
