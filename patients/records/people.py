"""Registers patients, corrects them, notes their death."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Any, Final

from django.db import transaction
from django.utils.translation import gettext as _

from clinic.audit import written_by
from clinic.errors import Problem, RuleBroken
from clinic.models import User
from clinic.wellformed import field_problems, language_problems, longest_text, tidy
from patients.models import MailState, Patient
from patients.models.people import searchable

from .details import CORRECTABLE, LISTS, PLAIN, PatientDetails
from .lists import Lists, read_lists, write_lists
from .rows import lock, today_for, update

OLDEST_BIRTH_YEAR = 1870  # nobody alive was born before; a typing error
SEARCH_NAME_LENGTH: Final = longest_text(Patient, "search_name")
# What event rows leave out. That one of them changed must still leave an event: the revision goes up.
IDENTITY: Final = frozenset({"given_name", "family_name", "born_on", "email", "access_needs"})


def likely_duplicates(details: PatientDetails) -> list[Patient]:
    """Return current patients of the same name (accents, case, order aside) and birth date: a warning only."""
    names = [tidy(details.given_name), tidy(details.family_name)]
    return list(
        Patient.objects.current().filter(
            search_name__in={_search_name(*names), _search_name(*reversed(names))}, born_on=details.born_on
        )
    )


def _search_name(given_name: str, family_name: str) -> str:
    # A ligature or syllable may become several characters: the row has room for any real name, and is cut for others.
    return searchable(f"{given_name} {family_name}".strip())[:SEARCH_NAME_LENGTH]


@transaction.atomic
def register(details: PatientDetails, *, by: User | None, now: datetime) -> Patient:
    """Add a patient. Raises RuleBroken with all that is malformed, or IdentifierTaken."""
    patient = Patient(registered_at=now, mail_consent_at=now if details.agrees_to_mail else None)
    for name in PLAIN:
        setattr(patient, name, tidy(getattr(details, name)))
    lists, problems = read_lists(patient, details)
    problems = _patient_problems(patient, now) + problems
    if problems:
        raise RuleBroken(*problems)
    patient.search_name = _search_name(patient.given_name, patient.family_name)
    patient.mail_state = MailState.OK if patient.email else MailState.NONE
    with written_by(by):
        patient.save(force_insert=True)
        write_lists(patient, lists, only=LISTS)
    return patient


@transaction.atomic
def correct(patient: Patient, changes: Mapping[str, Any], *, by: User | None, now: datetime) -> Patient:
    """Change the named fields of PatientDetails; `identifiers`, `phones` and `guardians` are given whole.

    A new address is in use again, whatever became of the old one. Refuses as `register` does, and unknown names,
    a read-only patient (PatientReadOnly), and taking away a guardian whom a consent names (GuardianInUse).
    """
    unknown = sorted(changes.keys() - CORRECTABLE)
    if unknown:
        raise RuleBroken(*(Problem("field_unknown", _("A patient has no such field."), name) for name in unknown))
    locked = lock(patient)
    before = {name: getattr(locked, name) for name in PLAIN}
    for name in PLAIN:
        if name in changes:
            setattr(locked, name, tidy(changes[name]))
    given = replace(PatientDetails(family_name=locked.family_name), **changes)
    lists, problems = read_lists(locked, given)
    problems = _patient_problems(locked, now) + problems
    if problems:
        raise RuleBroken(*problems)
    with written_by(by):
        _write_changes(locked, lists, before, changes, now)
    return locked


def _write_changes(
    patient: Patient, lists: Lists, before: Mapping[str, Any], changes: Mapping[str, Any], now: datetime
) -> None:
    changed = {name for name in PLAIN if getattr(patient, name) != before[name]}
    if {"given_name", "family_name"} & changed:
        patient.search_name = _search_name(patient.given_name, patient.family_name)
        changed.add("search_name")
    if "email" in changed:
        patient.mail_state = MailState.OK if patient.email else MailState.NONE
        changed.add("mail_state")
    if "agrees_to_mail" in changes and changes["agrees_to_mail"] != (patient.mail_consent_at is not None):
        patient.mail_consent_at = now if changes["agrees_to_mail"] else None
        changed.add("mail_consent_at")
    if write_lists(patient, lists, only=LISTS & changes.keys()) or changed & IDENTITY:
        patient.identity_revision += 1
        changed.add("identity_revision")
    if changed:
        patient.save(update_fields=sorted(changed))


def _patient_problems(patient: Patient, now: datetime) -> list[Problem]:
    problems = field_problems(patient, exclude={"search_name", "mail_state"})
    found = {problem.where for problem in problems}
    if "language" not in found:
        problems += language_problems(patient.language, "language")
    if patient.interpreter_language and "interpreter_language" not in found:
        problems += language_problems(patient.interpreter_language, "interpreter_language")
    if patient.born_on is not None and "born_on" not in found:
        problems += _birth_problems(patient, patient.born_on, now)
    return problems


def _birth_problems(patient: Patient, born_on: date, now: datetime) -> list[Problem]:
    if born_on > today_for(patient, now):
        return [Problem("born_in_future", _("The birth date lies in the future: correct it."), "born_on")]
    if born_on.year < OLDEST_BIRTH_YEAR:
        return [Problem("born_too_long_ago", _("The birth date is too long ago: correct the year."), "born_on")]
    if patient.deceased_on and born_on > patient.deceased_on:
        return [Problem("born_after_death", _("The birth date lies after the date of death: correct one."), "born_on")]
    return []


@transaction.atomic
def record_death(patient: Patient, on: date, *, by: User | None, now: datetime) -> Patient:
    """Note that the patient died: nothing is booked or sent any more. Refuses a date in the future or before birth."""
    locked = lock(patient)
    if on > today_for(locked, now):
        raise RuleBroken(Problem("died_in_future", _("The date of death lies in the future: correct it."), "on"))
    if locked.born_on and on < locked.born_on:
        raise RuleBroken(Problem("died_before_birth", _("The date of death lies before the birth date."), "on"))
    with written_by(by):
        return update(locked, deceased_on=on)


@transaction.atomic
def take_back_death(patient: Patient, *, by: User | None, now: datetime) -> Patient:  # noqa: ARG001
    """The patient is alive: the death was recorded in error."""
    with written_by(by):
        return update(lock(patient), deceased_on=None)
