"""Death, and mail that is wanted, returned or unwanted."""

from __future__ import annotations

from datetime import date

import pytest

from clinic.errors import Conflict, RuleBroken
from patients import records
from patients.models import MailState

from .conftest import NOW, correct, problems_of, register


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
