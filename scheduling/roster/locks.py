"""The locks of acts: patient, course, resources, in this order; and what keeps a site from being given up."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import OuterRef, Subquery
from django.utils.translation import gettext as _

from clinic.errors import Conflict, Problem
from clinic.models import Site
from patients.models import Patient
from scheduling.models import Course, Resource, StateChange

# Clocks of several machines differ, and an act reads its clock before it waits for a lock. Kerberos allows as much.
CLOCKS_MAY_DIFFER_BY = timedelta(minutes=5)


class ClockWentBack(Conflict):
    """The machine's clock stands before something that has happened to the course already."""

    code = "clock_went_back"
    title = "The clock of this computer is wrong."


def lock(course: Course, resources: Iterable[UUID] = (), *, now: datetime) -> Course:
    """Lock patient, course and resources, in this order and each by id, and return the course as it stands now.

    `NO KEY UPDATE`, so foreign keys to these rows can still be written. What an act decides upon is read after this.
    Raise ClockWentBack when `now` lies before the last change in the course's history: windows, gates and messages
    would all be counted from a wrong day. This is the one place that every act on a course passes.
    """
    (locked,) = lock_courses([course], now=now)
    lock_resources(resources)
    return locked


def lock_courses(courses: Collection[Course], *, now: datetime) -> list[Course]:
    """Lock the patients of courses, then the courses, each by id, and return the courses as they stand now; see `lock`.

    Two statements, however many there are.
    """
    patients = Patient.objects.select_for_update(no_key=True).filter(pk__in={course.patient_id for course in courses})
    list(patients.order_by("pk").values_list("pk", flat=True))
    changes = StateChange.objects.filter(course=OuterRef("pk")).order_by("-at")
    locked = list(
        Course.objects.select_for_update(no_key=True, of=("self",))
        .for_facts()
        .annotate(changed_at=Subquery(changes.values("at")[:1]))
        .filter(pk__in=[course.pk for course in courses])
        .order_by("pk")
    )
    for course in locked:
        changed_at: datetime | None = getattr(course, "changed_at", None)
        if changed_at is not None and now < changed_at - CLOCKS_MAY_DIFFER_BY:
            raise ClockWentBack(
                Problem(
                    "clock_went_back",
                    _("Something later than now is on record for this course. Ask an operator to set the clock right."),
                    str(course.uid),
                )
            )
    return locked


def lock_resources(resources: Iterable[UUID]) -> None:
    """Lock resources, by id; the last in the order of locks."""
    if wanted := set(resources):
        rows = Resource.objects.select_for_update(no_key=True).filter(uid__in=wanted).order_by("pk")
        list(rows.values_list("pk", flat=True))


def keep_site(site: Site) -> Site:
    """Keep a site from being given up while an act opens a course there, and return the site as it stands now.

    `KEY SHARE`: nobody who keeps a site waits for another who does, nor for whoever changes its fields. Only giving it
    up (`UPDATE`) waits for them all, and they for it. A course's foreign key takes the same lock, but not before the
    act ends: too late to read what it says.
    """
    (kept,) = Site.objects.raw("SELECT * FROM clinic_site WHERE id = %s FOR KEY SHARE", [site.pk])
    return kept
