"""Finding, registering and correcting patients at the front desk."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from clinic.models import AccessEvent, Role
from patients.models import Identifier, Patient, Phone
from scheduling.models import Message
from tests import build

from .conftest import rows, words

NOBODY = {
    f"{rows}-{name}": "0"
    for rows in ("phones", "identifiers", "guardians")
    for name in ("TOTAL_FORMS", "INITIAL_FORMS", "MIN_NUM_FORMS")
}


def form(**changes: Any) -> dict[str, Any]:
    """What the browser sends when the form is filled in."""
    return {
        "given_name": "Zoë",
        "family_name": "Müller",
        "born_on": "1980-05-17",
        "email": "zoe@example.org",
        "language": "en",
        "agrees_to_mail": "on",
        "interpreter_language": "",
        "access_needs": "",
        "site": "",
        **NOBODY,
        **changes,
    }


def test_a_patient_is_registered_with_phones_and_numbers_and_read_back(clinic, reception):
    answer = reception.post(
        "/admin/patients/patient/add/",
        form(site=clinic.site.pk)
        | rows("phones", {"number": "020 7946 0018", "label": "mobile", "is_preferred": "on"})
        | rows("identifiers", {"system": "urn:clinic", "value": "H-1"}),
    )

    patient = Patient.objects.get()
    assert (answer.status_code, answer.url) == (302, f"/admin/patients/patient/{patient.uid}/change/")
    assert (patient.name, patient.born_on, patient.site) == ("Zoë Müller", date(1980, 5, 17), clinic.site)
    assert [str(phone.number) for phone in patient.phones.all()] == ["+442079460018"]
    assert [(number.system, number.value) for number in patient.identifiers.all()] == [("urn:clinic", "H-1")]
    page = words(reception.get(answer.url))
    assert all(text in page for text in ("Zoë Müller", "born 17 May 1980", "H-1", "+44 20 7946 0018"))


def test_the_same_name_and_birth_date_is_a_warning_that_can_be_overruled(clinic, reception):
    known = build.patient("Zoe Muller", born_on=date(1980, 5, 17))

    warned = reception.post("/admin/patients/patient/add/", form())
    assert (warned.status_code, Patient.objects.count()) == (200, 1)
    assert f"/admin/patients/patient/{known.uid}/change/" in warned.content.decode()

    sure = reception.post("/admin/patients/patient/add/", form(is_another_person="on"))
    assert (sure.status_code, Patient.objects.count()) == (302, 2)


def test_what_the_act_refuses_stands_on_the_form_and_nothing_is_written(clinic, reception):
    answer = reception.post(
        "/admin/patients/patient/add/",
        form(born_on="2190-01-01", email="a@example.org, b@example.org")
        | rows("phones", {"number": "12", "label": ""}),
    )

    assert (answer.status_code, Patient.objects.count(), Phone.objects.count()) == (200, 0, 0)
    assert "zoe" not in words(answer).lower() or 'value="Müller"' in answer.content.decode()
    assert "one e-mail address only" in words(answer)


def test_every_problem_of_a_refusal_is_shown(clinic, reception):
    answer = reception.post(
        "/admin/patients/patient/add/",
        form(born_on="2190-01-01") | rows("phones", {"number": "12", "label": ""}),
    )

    assert (answer.status_code, Patient.objects.count()) == (200, 0)
    page = words(answer)
    assert "no phone number" in page


def test_a_number_of_another_patient_is_refused(clinic, reception):
    Identifier.objects.create(patient=build.patient(), system="urn:clinic", value="H-1")

    answer = reception.post(
        "/admin/patients/patient/add/", form() | rows("identifiers", {"system": "urn:clinic", "value": "H-1"})
    )

    assert (answer.status_code, Patient.objects.count()) == (200, 1)


def test_correcting_changes_what_was_changed_and_leaves_the_rest(clinic, reception):
    patient = build.patient("Zoë Müller", email="old@example.org", agrees_to_mail=True)
    address = f"/admin/patients/patient/{patient.uid}/change/"

    answer = reception.post(address + "?edit=1", form(email="new@example.org"))

    assert (answer.status_code, answer.url) == (302, address)
    patient.refresh_from_db()
    assert (patient.email, patient.mail_state, patient.mail_consent_at is not None) == ("new@example.org", "ok", True)


def test_patients_are_found_by_name_without_accents_by_number_and_by_birth_date(clinic, reception):
    found = build.patient("Zoë Müller", born_on=date(1980, 5, 17))
    Identifier.objects.create(patient=found, system="urn:clinic", value="H-77")
    build.patient("Ana Kovač", born_on=date(1970, 1, 2))

    def names(asked: str) -> list[str]:
        listed = reception.get("/admin/patients/patient/", {"q": asked})
        return [patient.name for patient in listed.context["cl"].result_list]

    assert names("muller zoe") == names("h-77") == names("17.05.1980") == names("mull 1980-05-17") == ["Zoë Müller"]
    assert names("muller 1970-01-02") == []


def test_reading_a_patient_is_recorded_with_who_and_whom(clinic, reception):
    patient = build.patient()

    reception.get(f"/admin/patients/patient/{patient.uid}/change/")
    reception.get("/admin/patients/patient/")
    reception.get("/admin/patients/patient/", {"q": patient.family_name})

    seen = AccessEvent.objects.order_by("pk").values_list(
        "user", "action", "subject", "subject_uid", "patient_uids", "door"
    )
    who = clinic.receptionist.pk
    assert list(seen) == [
        (who, "view", "patients.patient", patient.uid, [str(patient.uid)], "admin"),
        (who, "list", "patients.patient", None, [str(patient.uid)], "admin"),
        (who, "search", "patients.patient", None, [str(patient.uid)], "admin"),
    ]


def test_the_patients_page_shows_courses_visits_and_answers(clinic, reception):
    course = clinic.booked_course()

    page = words(reception.get(f"/admin/patients/patient/{course.patient.uid}/change/"))

    visit = course.sessions.get(position=2).appointments.get()
    assert course.version.protocol.name in page
    assert f"{visit.at_time:%H:%M}" in page
    assert "Answers to health questions 16" in page


def test_a_death_is_recorded_and_taken_back_on_the_patients_page(clinic, reception):
    course = clinic.booked_course()
    address = f"/admin/patients/patient/{course.patient.uid}/"

    nothing = reception.post(f"{address}death/", {"died_on": ""}, follow=True)
    tomorrow = reception.post(f"{address}death/", {"died_on": f"{clinic.today + timedelta(days=2)}"}, follow=True)
    assert "Enter the date of death." in words(nothing)
    assert "The date of death lies in the future: correct it." in words(tomorrow)
    assert Patient.objects.get().is_active

    recorded = reception.post(f"{address}death/", {"died_on": f"{clinic.today}"}, follow=True)

    course.refresh_from_db()
    assert (recorded.redirect_chain[-1], course.state) == ((f"{address}change/", 302), "ended")
    assert "Open courses have ended, and no mail is sent." in words(recorded)
    assert build.visits_of(course) == []
    assert not Message.objects.filter(state="pending").exists()
    taken_back = reception.post(f"{address}death/take-back/", follow=True)
    assert "The death is taken back." in words(taken_back)
    assert Patient.objects.get().is_active


def test_a_death_is_not_recorded_by_looking_nor_by_who_has_no_part_in_care(clinic, reception, signed_in):
    patient = build.patient()
    address = f"/admin/patients/patient/{patient.uid}/death/"

    assert reception.get(address).status_code == 404
    assert signed_in(Role.OPERATOR).post(address, {"died_on": f"{clinic.today}"}).status_code in (403, 404)
    assert Patient.objects.get().is_active
