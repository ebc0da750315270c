"""Whether a patient wants mail, and whether it arrives."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from clinic.errors import Conflict, Problem, RuleBroken
from patients.models import MailState, Patient

from .rows import lock, update


@transaction.atomic
def set_mail_state(
    patient: Patient,
    state: MailState,
    *,
    now: datetime,  # noqa: ARG001
    address: str | None = None,
) -> Patient:
    """Note what became of the patient's address. With `address`, only if it still is theirs: bounces come late.

    Works for every patient, read-only ones too. Raises Conflict for one without an address.
    """
    locked = Patient.objects.select_for_update(no_key=True).get(pk=patient.pk)
    if address is not None and address.casefold() != locked.email.casefold():
        return locked
    if not locked.email:
        raise Conflict(Problem("address_missing", _("This patient has no e-mail address: enter one first."), "email"))
    if state == MailState.NONE:
        raise RuleBroken(
            Problem("address_has_a_state", _("To end mail to an address, take the address away."), "mail_state")
        )
    return update(locked, mail_state=state)


@transaction.atomic
def opt_out(patient: Patient, *, now: datetime) -> Patient:
    """The patient wants no more mail (safety advice aside). Again keeps the first moment."""
    locked = lock(patient)
    return locked if locked.mail_opted_out_at else update(locked, mail_opted_out_at=now)


@transaction.atomic
def opt_in(patient: Patient, *, now: datetime) -> Patient:
    """The patient agrees to mail, again or for the first time."""
    locked = lock(patient)
    if locked.mail_consent_at and not locked.mail_opted_out_at:
        return locked
    return update(locked, mail_opted_out_at=None, mail_consent_at=now)
