"""The patient's row: locked, changed, and the date where they are."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django.utils.translation import gettext as _

from clinic.errors import Problem
from clinic.localtime import local_date
from patients.models import Patient

from .details import PatientReadOnly


def today_for(patient: Patient, now: datetime) -> date:
    """Return the date at the patient's usual site, else in UTC."""
    return local_date(now, patient.site.zone if patient.site else "UTC")


def lock(patient: Patient) -> Patient:
    """Lock and return the patient as it stands now, or raise PatientReadOnly."""
    locked = Patient.objects.select_for_update(no_key=True, of=("self",)).select_related("site").get(pk=patient.pk)
    if locked.merged_into_id is not None:
        raise PatientReadOnly(
            Problem("patient_merged", _("This record was merged into another one: open that one and change it there."))
        )
    if locked.pseudonymised_at is not None:
        raise PatientReadOnly(
            Problem("patient_pseudonymised", _("This record was pseudonymised and cannot be changed any more."))
        )
    return locked


def update(patient: Patient, **values: Any) -> Patient:
    """Write these fields of the row, and no other."""
    for name, value in values.items():
        setattr(patient, name, value)
    patient.save(update_fields=sorted(values))
    return patient
