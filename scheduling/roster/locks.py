"""The locks of acts: patient, course, resources, in this order."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from patients.models import Patient
from scheduling.models import Course, Resource


def lock(course: Course, resources: Iterable[UUID] = ()) -> Course:
    """Lock patient, course and resources, in this order and each by id, and return the course as it stands now.

    `NO KEY UPDATE`, so foreign keys to these rows can still be written. What an act decides upon is read after this.
    """
    Patient.objects.select_for_update(no_key=True).get(pk=course.patient_id)
    locked = (
        Course.objects.select_for_update(no_key=True, of=("self",))
        .select_related("patient", "site", "version__protocol", "lead", "wish_practitioner")
        .get(pk=course.pk)
    )
    lock_resources(resources)
    return locked


def lock_resources(resources: Iterable[UUID]) -> None:
    """Lock resources, by id; the last in the order of locks."""
    if wanted := set(resources):
        rows = Resource.objects.select_for_update(no_key=True).filter(uid__in=wanted).order_by("pk")
        list(rows.values_list("pk", flat=True))
