"""What concerns a patient and all of their courses at once: a death. Writes nothing itself; the acts below do."""

from __future__ import annotations

from datetime import date, datetime

from django.utils.translation import gettext as _

from clinic import rights
from clinic.acts import act
from clinic.models import User
from patients import records
from patients.models import Patient

from . import outbox, visits


@act
def record_death(patient: Patient, on: date, *, by: User | None, now: datetime) -> Patient:
    """Note that the patient died, and end every open course: visits are cancelled, and nobody writes or calls.

    A fact about the person, at whichever sites the courses are. Refuses as `records.record_death` does.
    """
    rights.require_somewhere(by, *rights.FRONT_DESK)
    patient = records.record_death(patient, on, by=by, now=now)
    visits.end_courses_of(patient, reason=_("The patient has died."), by=by, now=now)
    outbox.drop_for_patient(patient, "patient_deceased", now=now)
    return patient


@act
def take_back_death(patient: Patient, *, by: User | None, now: datetime) -> Patient:
    """The patient is alive: the death was recorded in error. Courses that it ended stay so; new ones can be started."""
    rights.require_somewhere(by, *rights.FRONT_DESK)
    return records.take_back_death(patient, by=by, now=now)
