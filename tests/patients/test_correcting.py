"""What changes when a patient is corrected, and for whom nothing may."""

from __future__ import annotations

from datetime import date

import pytest

from clinic.errors import RuleBroken
from clinic.models import Role
from patients import records
from patients.models import MailState, Patient
from patients.records import GuardianDetails, IdentifierDetails, PhoneDetails
from scheduling.models import Consent
from tests import build

from .conftest import NHS, NOW, correct, events_of, make_user, problems_of, register


def test_a_changed_identity_counts_up_and_leaves_an_event_that_does_not_say_what(db):
    patient = register()

    corrected = correct(patient, family_name="Sörensen-Berg", born_on=date(1981, 5, 17))

    patient.refresh_from_db()
    assert (corrected.pk, patient.search_name, patient.born_on) == (
        patient.pk,
        "maria sorensen-berg",
        date(1981, 5, 17),
    )
    assert [event.identity_revision for event in events_of(patient)] == [1, 2]
    columns = {field.name for field in events_of(patient).model._meta.get_fields()}
    assert columns & {"given_name", "family_name", "search_name", "born_on", "email", "access_needs"} == set()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"given_name": "Maria"}, 2),
        ({"access_needs": "Hearing loop"}, 2),
        ({"email": ""}, 2),
        ({"identifiers": [IdentifierDetails(NHS, "1")]}, 2),
        ({"phones": [PhoneDetails("+4530123456")]}, 2),
        ({"guardians": [GuardianDetails("Ida")]}, 2),
        ({"language": "da"}, 1),
        ({"given_name": "María", "family_name": " Sørensen", "phones": []}, 1),
        ({}, 1),
    ],
)
def test_the_revision_goes_up_when_and_only_when_identity_changes(db, changes, expected):
    assert correct(register(), **changes).identity_revision == expected


def test_nothing_is_written_when_nothing_changes(db):
    patient = register(phones=[PhoneDetails("+4530123456", "home")])
    phone = patient.phones.get()

    correct(patient, family_name="Sørensen", phones=[PhoneDetails("+45 30 12 34 56", "home")])

    assert (events_of(patient).count(), patient.phones.get().pk) == (1, phone.pk)


@pytest.mark.parametrize(
    ("before", "email", "expected"),
    [
        (MailState.BOUNCED, "new@example.org", MailState.OK),
        (MailState.BOUNCED, "maria@example.org", MailState.BOUNCED),
        (MailState.SUPPRESSED, "", MailState.NONE),
    ],
)
def test_the_state_of_the_address_follows_the_address(db, before, email, expected):
    patient = records.set_mail_state(register(), before, now=NOW)

    assert correct(patient, email=email).mail_state == expected


def test_the_first_address_is_in_use(db):
    assert correct(register(email=""), email="maria@example.org").mail_state == MailState.OK


def test_consent_to_mail_is_given_and_taken_back(db):
    patient = register(agrees_to_mail=False)

    given = correct(patient, agrees_to_mail=True)
    kept = records.correct(given, {"agrees_to_mail": True}, by=None, now=NOW.replace(year=2028))

    assert (given.mail_consent_at, kept.mail_consent_at) == (NOW, NOW)
    assert correct(patient, agrees_to_mail=False).mail_consent_at is None


def test_lists_are_given_whole_and_equal_rows_stay(db):
    patient = register(
        identifiers=[IdentifierDetails(NHS, "1"), IdentifierDetails(NHS, "2")],
        phones=[PhoneDetails("+4530123456", is_preferred=True), PhoneDetails("+4530123457")],
    )
    kept = patient.identifiers.get(value="2").pk

    correct(
        patient,
        identifiers=[IdentifierDetails(NHS, "2"), IdentifierDetails(NHS, "3")],
        phones=[PhoneDetails("+4530123456"), PhoneDetails("+4530123457", is_preferred=True)],
    )

    assert sorted(patient.identifiers.values_list("value", flat=True)) == ["2", "3"]
    assert patient.identifiers.get(value="2").pk == kept
    assert sorted((str(one.number), one.is_preferred) for one in patient.phones.all()) == [
        ("+4530123456", False),
        ("+4530123457", True),
    ]
    correct(patient, phones=[])
    assert (patient.phones.count(), patient.identifiers.count()) == (0, 2)


def test_a_guardian_is_changed_in_place_by_key(db):
    patient = register(guardians=[GuardianDetails("Ida"), GuardianDetails("Eva")])
    ida = patient.guardians.get(name="Ida")

    correct(patient, guardians=[GuardianDetails("Ida Berg", phone="+4530123456", pk=ida.pk)])

    assert [(one.pk, one.name, str(one.phone)) for one in patient.guardians.all()] == [
        (ida.pk, "Ida Berg", "+4530123456")
    ]
    stranger = register(guardians=[GuardianDetails("Bo")]).guardians.get()
    with pytest.raises(RuleBroken) as refusal:
        correct(patient, guardians=[GuardianDetails("Ida", pk=stranger.pk)])
    assert problems_of(refusal.value) == [("guardian_unknown", "guardians.0")]


def test_a_guardian_who_gave_a_consent_is_not_taken_away(db):
    clinic = build.Clinic()
    course = clinic.course(register(guardians=[GuardianDetails("Ida")]))
    clinic.consent(course)
    ida = course.patient.guardians.get()
    Consent.objects.update(given_by_guardian=ida)

    with pytest.raises(records.GuardianInUse) as refusal:
        correct(course.patient, guardians=[])

    assert problems_of(refusal.value) == [("guardian_in_use", "guardians")]
    until = GuardianDetails("Ida", until_on=date(2027, 1, 3), pk=ida.pk)
    assert correct(course.patient, guardians=[until]).guardians.get().until_on == date(2027, 1, 3)


def test_an_identifier_of_another_patient_is_refused_when_correcting(db):
    register(identifiers=[IdentifierDetails(NHS, "1")])
    patient = register(identifiers=[IdentifierDetails(NHS, "2")])

    with pytest.raises(records.IdentifierTaken):
        correct(patient, family_name="Berg", identifiers=[IdentifierDetails(NHS, "1")])

    patient.refresh_from_db()
    assert (patient.family_name, patient.identifiers.get().value) == ("Sørensen", "2")


def test_what_is_no_field_of_a_patient_is_refused(db):
    with pytest.raises(RuleBroken) as refusal:
        correct(register(), merged_into=1, search_name="x", mail_state="ok")

    assert problems_of(refusal.value) == [
        ("field_unknown", "mail_state"),
        ("field_unknown", "merged_into"),
        ("field_unknown", "search_name"),
    ]


def test_a_correction_sees_what_a_colleague_wrote_meanwhile(db):
    patient = register()
    read_before = Patient.objects.get(pk=patient.pk)
    correct(patient, given_name="Mia")

    correct(read_before, language="da")

    patient.refresh_from_db()
    assert (patient.given_name, patient.language) == ("Mia", "da")


@pytest.mark.parametrize(
    ("closing", "code"),
    [({"merged_into": True}, "patient_merged"), ({"pseudonymised_at": NOW}, "patient_pseudonymised")],
)
def test_a_patient_merged_away_or_pseudonymised_is_read_only(site, closing, code):
    patient, other = register(), register()
    records.load_vocabulary(questions=[{"code": "pregnancy", "text": "Pregnant?", "choices": ["no", "yes"]}])
    (answer,) = records.record_answers(patient, {"pregnancy": "no"}, given_on=date(2027, 1, 4), by=None, now=NOW)
    clinician = make_user(site, Role.CLINICIAN)
    Patient.objects.filter(pk=patient.pk).update(**{name: other if v is True else v for name, v in closing.items()})

    for act in (
        lambda: correct(patient, given_name="Mia"),
        lambda: correct(patient),
        lambda: records.record_death(patient, date(2027, 1, 3), by=None, now=NOW),
        lambda: records.take_back_death(patient, by=None, now=NOW),
        lambda: records.opt_out(patient, now=NOW),
        lambda: records.opt_in(patient, now=NOW),
        lambda: records.record_answers(patient, {"pregnancy": "no"}, given_on=date(2027, 1, 4), by=None, now=NOW),
        lambda: records.review_answer(answer, by=clinician, now=NOW),
        lambda: records.mark_answer_error(answer, reason="wrong person", by=None, now=NOW),
    ):
        with pytest.raises(records.PatientReadOnly) as refusal:
            act()
        assert problems_of(refusal.value) == [(code, "")]
    assert records.set_mail_state(patient, MailState.BOUNCED, now=NOW).mail_state == MailState.BOUNCED
