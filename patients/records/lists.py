"""A patient's identifiers, phones and guardians: read as typed, written as whole lists."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TypeVar

from django.db import models
from django.db.models import ProtectedError, Q
from django.utils.translation import gettext as _
from phonenumber_field.phonenumber import PhoneNumber, to_python

from clinic.errors import Problem
from clinic.wellformed import field_problems, tidy, twice_problems, unless_taken
from patients.models import Guardian, Identifier, Patient, Phone

from .details import GuardianDetails, GuardianInUse, IdentifierDetails, IdentifierTaken, PatientDetails, PhoneDetails

Row = TypeVar("Row", bound=models.Model)


@dataclass(slots=True)
class Lists:
    identifiers: list[Identifier]
    phones: list[Phone]
    guardians: list[Guardian]


def read_lists(patient: Patient, details: PatientDetails) -> tuple[Lists, list[Problem]]:
    """Return the unsaved rows that the details ask for, and everything that is wrong with them."""
    problems: list[Problem] = []
    lists = Lists(
        [_read_identifier(one, f"identifiers.{at}", problems) for at, one in enumerate(details.identifiers)],
        [_read_phone(patient, one, f"phones.{at}", problems) for at, one in enumerate(details.phones)],
        [_read_guardian(patient, one, f"guardians.{at}", problems) for at, one in enumerate(details.guardians)],
    )
    problems += twice_problems(
        [(one.system, one.value) for one in lists.identifiers], "identifiers", "identifier_twice"
    )
    problems += twice_problems([str(one.number) for one in lists.phones if one.number], "phones", "phone_twice")
    problems += twice_problems([one.pk for one in lists.guardians if one.pk], "guardians", "guardian_twice")
    if sum(phone.is_preferred for phone in lists.phones) > 1:
        problems.append(Problem("more_than_one_preferred", _("Mark one phone as preferred, not several."), "phones"))
    return lists, problems


def _read_identifier(given: IdentifierDetails, where: str, problems: list[Problem]) -> Identifier:
    row = Identifier(system=tidy(given.system), value=tidy(given.value))
    problems += field_problems(row, exclude={"patient"}, where=where)
    return row


def _read_phone(patient: Patient, given: PhoneDetails, where: str, problems: list[Problem]) -> Phone:
    row = Phone(label=tidy(given.label), is_preferred=given.is_preferred)
    row.number = _read_number(patient, given.number, f"{where}.number", problems)
    problems += field_problems(row, exclude={"patient", "number"}, where=where)
    if not given.number:
        problems.append(Problem("missing", _("Give the number, or take the line away."), f"{where}.number"))
    return row


def _read_guardian(patient: Patient, given: GuardianDetails, where: str, problems: list[Problem]) -> Guardian:
    row = Guardian(
        pk=given.pk,
        name=tidy(given.name),
        relationship=tidy(given.relationship),
        email=tidy(given.email),
        from_on=given.from_on,
        until_on=given.until_on,
    )
    row.phone = _read_number(patient, given.phone, f"{where}.phone", problems)
    problems += field_problems(row, exclude={"id", "patient", "phone"}, where=where)
    if given.from_on and given.until_on and given.until_on < given.from_on:
        problems.append(
            Problem(
                "ends_before_it_begins", _("The last day lies before the first: exchange them."), f"{where}.until_on"
            )
        )
    if given.pk is not None and not Guardian.objects.filter(pk=given.pk, patient=patient.pk).exists():
        problems.append(
            Problem("guardian_unknown", _("This patient has no such guardian: load the page again."), where)
        )
    return row


def _read_number(patient: Patient, typed: str, where: str, problems: list[Problem]) -> PhoneNumber | str:
    """Return the number, or the empty text; one without a country is read as the usual site's country reads it."""
    number = to_python(tidy(typed), region=patient.site.country if patient.site else None)
    if not number:
        return ""
    if number.is_valid():
        return number
    sentence = _("“%(number)s” is no phone number: write it with its country code, such as +44 20 7946 0018.")
    problems.append(Problem("not_a_phone_number", sentence % {"number": typed}, where))
    return ""


def write_lists(patient: Patient, lists: Lists, *, only: AbstractSet[str]) -> bool:
    """Make the patient's rows in the named lists equal to these, and return whether any was written."""
    changed = False
    if "identifiers" in only:
        _refuse_taken(patient, lists.identifiers)
        taken = {"identifier_belongs_to_one_patient": _taken(range(len(lists.identifiers)))}
        changed |= unless_taken(
            lambda: _write_list(patient, patient.identifiers, lists.identifiers, ("system", "value")), taken
        )
    if "phones" in only:
        changed |= _write_list(patient, patient.phones, lists.phones, ("number", "label", "is_preferred"))
    if "guardians" in only:
        try:
            changed |= _write_guardians(patient, lists.guardians)
        except ProtectedError as error:
            raise GuardianInUse(
                Problem(
                    "guardian_in_use",
                    _("A consent was given by this guardian: enter a last day instead of taking them away."),
                    "guardians",
                )
            ) from error
    return changed


def _refuse_taken(patient: Patient, identifiers: Sequence[Identifier]) -> None:
    if not identifiers:
        return
    same = Q()
    for one in identifiers:
        same |= Q(system=one.system, value=one.value)
    taken = set(Identifier.objects.filter(same).exclude(patient=patient.pk).values_list("system", "value"))
    at = [at for at, one in enumerate(identifiers) if (one.system, one.value) in taken]
    if at:
        raise _taken(at)


def _taken(at: Iterable[int]) -> IdentifierTaken:
    sentence = _("A patient with this number is registered already: search for the number.")
    return IdentifierTaken(*(Problem("identifier_taken", sentence, f"identifiers.{one}.value") for one in at))


def _write_list(patient: Patient, held: models.Manager[Row], wanted: Sequence[Row], names: Sequence[str]) -> bool:
    """Delete what is no longer wanted, insert what is new, and leave equal rows alone."""

    def key(row: Row) -> tuple[str, ...]:
        return tuple(str(getattr(row, name)) for name in names)

    keys = {key(row) for row in wanted}
    kept = {key(row): row for row in held.all() if key(row) in keys}
    gone, _count = held.exclude(pk__in=[row.pk for row in kept.values()]).delete()
    new = [row for row in wanted if key(row) not in kept]
    for row in new:
        row.patient = patient  # type: ignore[attr-defined]  # identifiers, phones and guardians have one
    held.bulk_create(new)
    return bool(gone or new)


def _write_guardians(patient: Patient, wanted: Sequence[Guardian]) -> bool:
    """As `_write_list`, but rows named by their key are changed in place: consents point at them."""
    names = ("name", "relationship", "email", "phone", "from_on", "until_on")
    held = {row.pk: row for row in patient.guardians.all()}
    changed = False
    for row in wanted:
        if row.pk and any(str(getattr(row, name)) != str(getattr(held[row.pk], name)) for name in names):
            row.patient = patient
            row.save(update_fields=names)
            changed = True
    return _write_list(patient, patient.guardians, wanted, names) or changed
