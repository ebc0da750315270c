"""What may be written down about a patient, and what is refused with every reason."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clinic import accounts
from clinic.errors import Conflict, NotAllowed, Refusal, RuleBroken
from clinic.models import Role, Site, User
from patients import records
from patients.models import Answer, Area, Complication, Identifier, MailState, Patient, Question
from patients.records import GuardianDetails, IdentifierDetails, PatientDetails, PhoneDetails
from scheduling.models import Consent
from tests import build

NOW = datetime(2027, 1, 4, 8, 0, tzinfo=UTC)
MARIA = PatientDetails("Sørensen", "María", born_on=date(1980, 5, 17), email="maria@example.org", agrees_to_mail=True)
NHS = "urn:nhs"


@pytest.fixture
def site(db: None) -> Site:
    return build.site()


def make_user(site: Site, *roles: Role) -> User:
    return accounts.create_user(
        email=f"{roles[0]}@harbour.example",
        name=str(roles[0].label),
        password=None,
        roles={site: roles},
        by=None,
        now=NOW,
    )


def register(details: PatientDetails = MARIA, **changes: Any) -> Patient:
    return records.register(replace(details, **changes), by=None, now=NOW)


def correct(patient: Patient, **changes: Any) -> Patient:
    return records.correct(patient, changes, by=None, now=NOW)


def events_of(patient: Patient) -> Any:
    return apps.get_model("patients", "PatientEvent")._default_manager.filter(pgh_obj=patient).order_by("pgh_id")


def problems_of(refusal: Refusal) -> list[tuple[str, str]]:
    return sorted((problem.code, problem.where) for problem in refusal.problems)


def refused(**changes: Any) -> list[tuple[str, str]]:
    with pytest.raises(RuleBroken) as refusal:
        register(**changes)
    assert Patient.objects.count() == 0
    return problems_of(refusal.value)


# --- registering ----------------------------------------------------------------------------------------------------


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


# --- correcting -----------------------------------------------------------------------------------------------------


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


# --- death, mail ----------------------------------------------------------------------------------------------------


def test_a_death_is_recorded_corrected_and_taken_back(db):
    patient = register()

    assert records.record_death(patient, date(2027, 1, 3), by=None, now=NOW).is_active is False
    assert records.record_death(patient, date(2027, 1, 4), by=None, now=NOW).deceased_on == date(2027, 1, 4)
    assert records.take_back_death(patient, by=None, now=NOW).is_active is True


@pytest.mark.parametrize(
    ("on", "code"), [(date(2027, 1, 5), "died_in_future"), (date(1980, 5, 16), "died_before_birth")]
)
def test_a_death_in_the_future_or_before_birth_is_refused(db, on, code):
    with pytest.raises(RuleBroken) as refusal:
        records.record_death(register(), on, by=None, now=NOW)

    assert problems_of(refusal.value) == [(code, "on")]


def test_nobody_was_born_after_they_died(db):
    patient = records.record_death(register(), date(2026, 1, 1), by=None, now=NOW)

    with pytest.raises(RuleBroken) as refusal:
        correct(patient, born_on=date(2026, 1, 2))

    assert problems_of(refusal.value) == [("born_after_death", "born_on")]


def test_a_bounce_of_an_address_that_is_theirs_no_more_changes_nothing(db):
    patient = correct(register(), email="new@example.org")

    assert records.set_mail_state(patient, MailState.BOUNCED, now=NOW, address="maria@example.org").mail_state == "ok"
    assert (
        records.set_mail_state(patient, MailState.BOUNCED, now=NOW, address="NEW@example.org").mail_state == "bounced"
    )


def test_an_address_that_is_not_there_has_no_state(db):
    with pytest.raises(Conflict) as missing:
        records.set_mail_state(register(email=""), MailState.BOUNCED, now=NOW)
    with pytest.raises(RuleBroken) as none:
        records.set_mail_state(register(), MailState.NONE, now=NOW)

    assert problems_of(missing.value) == [("address_missing", "email")]
    assert problems_of(none.value) == [("address_has_a_state", "mail_state")]


def test_opting_out_keeps_its_first_moment_until_the_patient_opts_in_again(db):
    patient, later = register(agrees_to_mail=False), NOW.replace(hour=9)

    records.opt_out(patient, now=NOW)
    assert records.opt_out(patient, now=later).mail_opted_out_at == NOW
    again = records.opt_in(patient, now=later)
    assert (again.mail_opted_out_at, again.mail_consent_at) == (None, later)
    assert records.opt_in(patient, now=NOW).mail_consent_at == later


# --- answers --------------------------------------------------------------------------------------------------------


@pytest.fixture
def question(db: None) -> Question:
    records.load_vocabulary(questions=[{"code": "pregnancy", "text": "Pregnant?", "choices": ["no", "yes", "unsure"]}])
    return Question.objects.get()


def answer(patient: Patient, value: str = "no", **changes: Any) -> Answer:
    details: dict[str, Any] = {"given_on": date(2027, 1, 4), "by": None, "now": NOW}
    (recorded,) = records.record_answers(patient, {"pregnancy": value}, **{**details, **changes})
    return recorded


def test_an_answer_is_written_beside_the_earlier_ones(question, site):
    patient, by = register(), make_user(site, Role.RECEPTION)

    answer(patient, "yes", given_on=date(2027, 1, 3))
    answer(patient, "no", by=by, source="patient", note="on the phone")

    assert list(patient.answers.values_list("value", "given_on", "source", "note", "recorded_at", "recorded_by")) == [
        ("no", date(2027, 1, 4), "patient", "on the phone", NOW, by.pk),
        ("yes", date(2027, 1, 3), "staff", "", NOW, None),
    ]


def test_everything_wrong_with_an_answer_is_said_at_once(question):
    with pytest.raises(RuleBroken) as refusal:
        answer(register(), "maybe", given_on=date(2027, 1, 5), source="rumour", note="\0")

    assert problems_of(refusal.value) == [
        ("answer_in_future", "given_on"),
        ("answer_unknown", "value"),
        ("not_storable", "note"),
    ]
    assert [problem.details for problem in refusal.value.problems if problem.code == "answer_unknown"] == [
        {"allowed": ["no", "yes", "unsure"]}
    ]
    assert Answer.objects.count() == 0


@pytest.mark.parametrize(
    ("code", "changes", "expected"),
    [
        ("nonsense", {}, ("question_unknown", "question")),
        ("pregnancy", {"given_on": date(1980, 5, 16)}, ("answer_before_birth", "given_on")),
        ("pregnancy", {"source": "rumour"}, ("unknown_choice", "source")),
    ],
)
def test_an_answer_that_can_never_be_right_is_refused(question, code, changes, expected):
    details: dict[str, Any] = {"given_on": date(2027, 1, 4), "by": None, "now": NOW} | changes

    with pytest.raises(RuleBroken) as refusal:
        records.record_answers(register(), {"pregnancy": "no", code: "no"}, **details)

    assert problems_of(refusal.value) == [expected]
    assert not Answer.objects.exists()


def test_many_answers_take_as_many_statements_as_one_and_keep_their_order(question):
    codes = ["pregnancy", "breastfeeding", "thrombosis"]
    records.load_vocabulary(questions=[{"code": code, "text": "?", "choices": ["no", "yes"]} for code in codes[1:]])
    patient = register()
    counts = []
    for values in ({"thrombosis": "no"}, {"thrombosis": "yes", "pregnancy": "no", "breastfeeding": "yes"}):
        with CaptureQueriesContext(connection) as asked:
            answers = records.record_answers(patient, values, given_on=date(2027, 1, 4), by=None, now=NOW)
        counts.append(len(asked))
        assert {one.question.code: one.value for one in answers} == values
        assert list(Answer.objects.order_by("-pk")[: len(values)]) == answers[::-1]

    assert counts[0] == counts[1]


def test_a_day_to_come_is_judged_by_the_clock_of_the_usual_site(question):
    late, tomorrow = datetime(2027, 1, 4, 20, 0, tzinfo=UTC), date(2027, 1, 5)
    auckland = build.site(name="Auckland", zone="Pacific/Auckland", country="NZ")

    assert answer(register(site=auckland), given_on=tomorrow, now=late).given_on == tomorrow
    with pytest.raises(RuleBroken):
        answer(register(), given_on=tomorrow, now=late)


@pytest.mark.parametrize("role", [Role.CLINICIAN, Role.PRESCRIBER])
def test_a_clinician_looks_at_an_answer_and_the_first_look_stays(question, site, role):
    given, by = answer(register(), "yes"), make_user(site, role)

    records.review_answer(given, by=by, now=NOW)
    again = records.review_answer(given, by=by, now=NOW.replace(hour=9))

    assert (again.reviewed_at, again.reviewed_by) == (NOW, by)


@pytest.mark.parametrize("role", [Role.RECEPTION, Role.MANAGER, Role.OPERATOR])
def test_nobody_else_looks_at_an_answer_for_a_clinician(question, site, role):
    with pytest.raises(NotAllowed) as refusal:
        records.review_answer(answer(register(), "yes"), by=make_user(site, role), now=NOW)

    assert problems_of(refusal.value) == [("clinician_needed", "")]


def test_an_answer_recorded_in_error_says_why_and_is_left_alone_afterwards(question, site):
    given, clinician = answer(register(), "yes"), make_user(site, Role.CLINICIAN)

    for reason, code in (("  ", "reason_missing"), ("x" * 301, "too_long")):
        with pytest.raises(RuleBroken) as refusal:
            records.mark_answer_error(given, reason=reason, by=clinician, now=NOW)
        assert problems_of(refusal.value) == [(code, "reason")]
    struck = records.mark_answer_error(given, reason="Wrong patient", by=clinician, now=NOW)

    assert (struck.error_at, struck.error_by, struck.error_reason) == (NOW, clinician, "Wrong patient")
    for act in (
        lambda: records.mark_answer_error(given, reason="again", by=clinician, now=NOW),
        lambda: records.review_answer(given, by=clinician, now=NOW),
    ):
        with pytest.raises(Conflict) as refused_:
            act()
        assert problems_of(refused_.value) == [("answer_in_error", "")]


# --- vocabularies ---------------------------------------------------------------------------------------------------


def test_a_vocabulary_is_added_and_changed_by_code_and_nothing_is_taken_away(db):
    leg = {"code": "left_calf", "name": "Left calf", "side": "left", "region": "leg"}
    records.load_vocabulary(
        questions=[{"code": "pregnancy", "text": "Pregnant?", "choices": ["no", "yes"]}],
        areas=[leg, {"code": "face", "name": "Face", "region": "face"}],
        complications=[{"code": "matting", "name": "Matting"}],
    )
    kept = Question.objects.get().pk

    records.load_vocabulary(
        questions=[
            {
                "code": "pregnancy",
                "text": "Could you be pregnant?",
                "choices": ["no", "yes"],
                "texts": {"de": "Schwanger?"},
            }
        ],
        areas=[leg | {"name": "Calf, left"}],
        complications=[{"code": "bruising", "name": "Bruising", "is_expected": True}],
    )

    question = Question.objects.get()
    assert (question.pk, question.text, question.text_in("de"), question.text_in("fr")) == (
        kept,
        "Could you be pregnant?",
        "Schwanger?",
        "Could you be pregnant?",
    )
    assert sorted(Area.objects.values_list("code", "name", "side")) == [
        ("face", "Face", ""),
        ("left_calf", "Calf, left", "left"),
    ]
    assert list(Complication.objects.values_list("code", "is_expected")) == [("bruising", True), ("matting", False)]


def test_everything_wrong_with_a_vocabulary_is_said_at_once(db):
    with pytest.raises(RuleBroken) as refusal:
        records.load_vocabulary(
            questions=[
                {"code": "not a slug", "text": "", "choices": []},
                {"code": "a", "text": "A?", "choices": ["yes", "yes"], "texts": {"?": "A", "de": "A"}},
                {"code": "a", "text": "A?", "choices": "yes", "texts": {"de": 1}, "colour": "red"},
            ],
            areas=[{"code": "leg", "name": "Leg", "side": "top", "region": "leg"}],
            complications=[{"code": "x", "name": "x" * 121}],
        )

    assert problems_of(refusal.value) == [
        ("choices_malformed", "questions.1.choices"),
        ("choices_malformed", "questions.2.choices"),
        ("code_twice", "questions"),
        ("field_unknown", "questions.2.colour"),
        ("invalid", "questions.0.code"),
        ("missing", "questions.0.choices"),
        ("missing", "questions.0.text"),
        ("not_a_language", "questions.1.texts.?"),
        ("texts_malformed", "questions.2.texts"),
        ("too_long", "complications.0.name"),
        ("unknown_choice", "areas.0.side"),
    ]
    assert Question.objects.count() == Area.objects.count() == 0
