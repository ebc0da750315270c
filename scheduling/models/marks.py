"""What acts leave for jobs to do: time that fell free, and bookings to look at again. Written by `scheduling.marks`."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from clinic.models import Site

from .appointments import Appointment, WaitingListEntry
from .resources import Resource


class FreedTime(models.Model):
    """Time that fell free: a visit's places, or hours that a resource (blank: the whole site) has again.

    Offered to the waiting list until nobody is left who could use it, or it was given up: closed, its tries used up.
    """

    GIVEN_UP_AT_TRY = 4  # three looks have died, and of nobody who waits

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    site = models.ForeignKey(Site, models.CASCADE, related_name="+")
    appointment = models.ForeignKey(Appointment, models.CASCADE, null=True, related_name="+")
    resource = models.ForeignKey(Resource, models.CASCADE, null=True, related_name="+")
    freed_at = models.DateTimeField(_("fell free"))
    first_on = models.DateField(_("first day"))
    last_on = models.DateField(_("last day"))
    from_time = models.TimeField(_("from"), null=True)
    until_time = models.TimeField(_("until"), null=True)
    look_at = models.DateTimeField(_("next look"), help_text=_("when somebody may be found for it"))
    lease_until = models.DateTimeField(null=True)  # by the database's clock
    tries = models.PositiveSmallIntegerField(_("looks begun and not ended"), default=0)
    timeouts = models.PositiveSmallIntegerField(_("looks that took too long"), default=0)
    at_entry = models.ForeignKey(WaitingListEntry, models.SET_NULL, null=True, related_name="+")  # while it is asked
    closed_at = models.DateTimeField(_("closed"), null=True)

    class Meta:
        verbose_name = _("freed time")
        verbose_name_plural = _("freed times")
        ordering = ["freed_at", "id"]
        indexes = [
            models.Index(fields=["look_at"], condition=Q(closed_at=None), name="open_freed_time_by_next_look"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(last_on__gte=F("first_on")), name="freed_time_ends_on_or_after_its_first_day"
            ),
            models.CheckConstraint(
                condition=Q(appointment=None) | Q(resource=None), name="freed_time_is_a_visits_or_a_resources"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.first_on:%Y-%m-%d}"


class Examination(models.Model):
    """A look at every visit to come: of a site, once each night, or of a resource whose hours or skills changed.

    It goes through the courses in the order of their numbers, a few at a time; `cursor` is the last one looked at.
    """

    site = models.ForeignKey(Site, models.CASCADE, null=True, related_name="+")
    resource = models.ForeignKey(Resource, models.CASCADE, null=True, related_name="+")
    on = models.DateField(_("date"), help_text=_("the site's, of a nightly look"))
    reason = models.SlugField(_("because"))
    asked_at = models.DateTimeField(_("asked"))
    cursor = models.BigIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    tries = models.PositiveSmallIntegerField(_("tries without progress"), default=0)
    timeouts = models.PositiveSmallIntegerField(_("tries that took too long"), default=0)
    finished_at = models.DateTimeField(_("finished"), null=True)
    courses = models.PositiveIntegerField(_("courses looked at"), default=0)
    uncovered = models.PositiveIntegerField(_("visits no longer covered"), default=0)
    mended = models.PositiveIntegerField(_("stored windows that were wrong"), default=0)
    failed = models.PositiveIntegerField(_("courses that could not be looked at"), default=0)

    class Meta:
        verbose_name = _("examination")
        verbose_name_plural = _("examinations")
        ordering = ["asked_at", "id"]
        indexes = [
            models.Index(fields=["asked_at"], condition=Q(finished_at=None), name="unfinished_examination_by_age"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["site", "on"], name="site_is_examined_once_a_night"),
            models.UniqueConstraint(
                fields=["resource"], condition=Q(finished_at=None), name="resource_waits_for_one_examination"
            ),
            models.CheckConstraint(
                condition=Q(site=None, resource__isnull=False) | Q(site__isnull=False, resource=None),
                name="examination_is_of_a_site_or_a_resource",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.on:%Y-%m-%d}"
