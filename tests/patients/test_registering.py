"""What is written down when a patient is registered, and what is refused with every reason."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from django.db import connection

from clinic.errors import Refusal, RuleBroken
from patients import records
from patients.models import Identifier, MailState, Patient
from patients.records import GuardianDetails, IdentifierDetails, PatientDetails, PhoneDetails
from tests import build

from .conftest import MARIA, NHS, NOW, problems_of, refused, register


def test_a_patient_is_registered_with_everything_that_was_typed(site):
    patient = register(
        site=site,
        family_name="  Sørensen\u00a0",
        language="da",
        interpreter_language="pt-BR",
        access_needs="Wheelchair\nGround floor",
        identifiers=[IdentifierDetails(NHS, " 9434765919 ")],
        phones=[PhoneDetails("020 7946 0018", "home"), PhoneDetails("+4530123456", is_preferred=True)],
        guardians=[GuardianDetails("Ida Sørensen", "mother", "ida@example.org", "020 7946 0019")],
    )

    patient.refresh_from_db()
    assert (patient.name, patient.search_name, patient.born_on) == (
        "María Sørensen",
        "maria sorensen",
        date(1980, 5, 17),
    )
    assert (patient.mail_state, patient.mail_consent_at, patient.identity_revision) == (MailState.OK, NOW, 1)
    assert (patient.language, patient.interpreter_language, patient.site) == ("da", "pt-BR", site)
    assert list(patient.identifiers.values_list("system", "value")) == [(NHS, "9434765919")]
    assert [(str(phone.number), phone.label, phone.is_preferred) for phone in patient.phones.order_by("id")] == [
        ("+442079460018", "home", False),
        ("+4530123456", "", True),
    ]
    guardian = patient.guardians.get()
    assert (guardian.name, guardian.relationship, guardian.email, str(guardian.phone)) == (
        "Ida Sørensen",
        "mother",
        "ida@example.org",
        "+442079460019",
    )


def test_a_family_name_is_enough(db):
    patient = register(PatientDetails("Teresa"))

    assert (patient.name, patient.search_name, patient.mail_state, patient.mail_consent_at) == (
        "Teresa",
        "teresa",
        MailState.NONE,
        None,
    )


def test_everything_wrong_is_said_at_once(site):
    assert refused(
        family_name="",
        given_name="Ma\nría",
        born_on=date(2027, 1, 5),
        site=site,
        email="a@example.org, b@example.org",
        language="English",
        interpreter_language="?",
        identifiers=[IdentifierDetails("", "1\r2"), IdentifierDetails("x", "1"), IdentifierDetails("x", "1 ")],
        phones=[PhoneDetails("call me"), PhoneDetails(""), PhoneDetails("+4530123456", "a\tb")],
        guardians=[
            GuardianDetails("", email="nobody", phone="1"),
            GuardianDetails("Ida", from_on=date(2020, 1, 2), until_on=date(2020, 1, 1)),
            GuardianDetails("Eva", pk=1),
        ],
    ) == [
        ("born_in_future", "born_on"),
        ("ends_before_it_begins", "guardians.1.until_on"),
        ("guardian_unknown", "guardians.2"),
        ("identifier_twice", "identifiers"),
        ("invalid", "guardians.0.email"),
        ("missing", "family_name"),
        ("missing", "guardians.0.name"),
        ("missing", "identifiers.0.system"),
        ("missing", "phones.1.number"),
        ("more_than_one_address", "email"),
        ("not_a_language", "interpreter_language"),
        ("not_a_language", "language"),
        ("not_a_phone_number", "guardians.0.phone"),
        ("not_a_phone_number", "phones.0.number"),
        ("not_one_line", "given_name"),
        ("not_one_line", "identifiers.0.value"),
        ("not_one_line", "phones.2.label"),
    ]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\u2028", "\x85", "\t", "\x1b[1m"])
def test_a_name_has_no_line_ends_or_control_characters_not_even_at_its_end(db, ending):
    assert refused(family_name=f"Berg{ending}") == [("not_one_line", "family_name")]


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_what_the_database_cannot_store_is_refused(db, text):
    assert refused(access_needs=text) == [("not_storable", "access_needs")]


@pytest.mark.parametrize(
    ("email", "expected"),
    [
        ("a@example.org,b@example.org", "more_than_one_address"),
        ("a@example.org;b@example.org", "more_than_one_address"),
        ("a@example.org\nBcc: b@example.org", "more_than_one_address"),
        ("a@example.org b@example.org", "invalid"),
        ("Maria <maria@example.org>", "invalid"),
        ("maria", "invalid"),
        ("maria@example", "invalid"),
    ],
)
def test_an_address_is_exactly_one(db, email, expected):
    assert refused(email=email) == [(expected, "email")]


def test_a_birth_date_is_judged_by_the_clock_of_the_usual_site(db):
    """Late on the 4th in UTC it is the 5th in Auckland, and still the 4th in London."""
    late, tomorrow = datetime(2027, 1, 4, 20, 0, tzinfo=UTC), date(2027, 1, 5)
    auckland = build.site(name="Auckland", zone="Pacific/Auckland", country="NZ")

    assert records.register(replace(MARIA, born_on=tomorrow, site=auckland), by=None, now=late).born_on == tomorrow
    with pytest.raises(RuleBroken) as refusal:
        records.register(replace(MARIA, born_on=tomorrow), by=None, now=late)
    assert problems_of(refusal.value) == [("born_in_future", "born_on")]


def test_a_birth_date_before_anybody_was_born_is_a_typing_error(db):
    assert refused(born_on=date(180, 5, 17)) == [("born_too_long_ago", "born_on")]


def test_more_than_one_preferred_phone_or_the_same_twice_is_refused(site):
    phones = [PhoneDetails("020 7946 0018", is_preferred=True), PhoneDetails("+44 20 7946 0018", is_preferred=True)]

    assert refused(site=site, phones=phones) == [("more_than_one_preferred", "phones"), ("phone_twice", "phones")]


def test_a_national_number_without_a_usual_site_is_refused(db):
    assert refused(phones=[PhoneDetails("020 7946 0018")]) == [("not_a_phone_number", "phones.0.number")]


def test_a_name_that_grows_when_decomposed_is_still_found(db):
    patient = register(PatientDetails("ﷺ" * 120))

    assert len(patient.search_name) == 260


def test_an_identifier_belongs_to_one_patient(db):
    register(identifiers=[IdentifierDetails(NHS, "1"), IdentifierDetails(NHS, "2")])

    with pytest.raises(records.IdentifierTaken) as refusal:
        register(identifiers=[IdentifierDetails(NHS, "3"), IdentifierDetails(NHS, "2")])

    assert (refusal.value.status, problems_of(refusal.value)) == (409, [("identifier_taken", "identifiers.1.value")])
    assert Patient.objects.count() == 1
    assert register(identifiers=[IdentifierDetails("clinic", "1")]).identifiers.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_equal_registrations_at_once_one_wins():
    start = threading.Barrier(3)

    def attempt(_: int) -> str:
        try:
            start.wait(10)
            register(identifiers=[IdentifierDetails(NHS, "1")])
        except Refusal as refusal:
            return refusal.code
        else:
            return "registered"
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=3) as pool:
        outcomes = sorted(pool.map(attempt, range(3)))

    assert outcomes == ["identifier_taken", "identifier_taken", "registered"]
    assert (Patient.objects.count(), Identifier.objects.count()) == (1, 1)


def test_likely_duplicates_have_the_name_and_birth_date_and_are_only_a_warning(db):
    maria = register()
    swapped = register(family_name="Maria", given_name="SØRENSEN")
    register(born_on=date(1980, 5, 18))
    register(given_name="Marta")
    merged = register()
    Patient.objects.filter(pk=merged.pk).update(merged_into=maria)

    found = records.likely_duplicates(replace(MARIA, given_name=" MARIA ", email=""))

    assert sorted(patient.pk for patient in found) == [maria.pk, swapped.pk]


def test_registering_asks_a_constant_number_of_questions(site, django_assert_max_num_queries):
    identifiers = [IdentifierDetails(NHS, str(number)) for number in range(5)]
    phones = [PhoneDetails(f"+45301234{number:02}") for number in range(5)]

    with django_assert_max_num_queries(16):
        register(site=site, identifiers=identifiers, phones=phones)
