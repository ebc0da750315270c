"""Visits, the time they take, and what surrounds them. Written by `scheduling.booking` (links by `links`)."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeOperators
from django.db import models
from django.db.models import Deferrable, F, Q
from django.utils.translation import gettext_lazy as _

from clinic.history import tracked
from clinic.models import Site
from patients.models import Patient

from .courses import Course, Session
from .resources import Resource

if TYPE_CHECKING:
    from datetime import datetime

    from clinic.models import User


class AppointmentState(models.TextChoices):
    BOOKED = "booked", _("booked")
    ARRIVED = "arrived", _("arrived")
    PERFORMED = "performed", _("performed")
    CANCELLED = "cancelled", _("cancelled")
    MISSED = "missed", _("missed")


def _is_finite(bound: str) -> models.Func:
    """Whether the lower or upper bound of `during` is a real moment; 'infinity' would pass for one."""
    moment = models.Func(F("during"), function=bound, output_field=models.DateTimeField())
    return models.Func(moment, function="isfinite", output_field=models.BooleanField())


def _begins_and_ends(what: str) -> list[models.CheckConstraint]:
    """An empty or unbounded range would pass the exclusion constraint, or block who is in it for ever."""
    return [
        models.CheckConstraint(
            condition=Q(
                during__isempty=False,
                during__lower_inf=False,
                during__upper_inf=False,
                during__lower_inc=True,
                during__upper_inc=False,
            ),
            name=f"{what}_ends_after_it_starts",
        ),
        models.CheckConstraint(condition=Q(_is_finite("lower")) & Q(_is_finite("upper")), name=f"{what}_ends_some_day"),
    ]


LIVE = (AppointmentState.BOOKED, AppointmentState.ARRIVED)


class CancelReason(models.TextChoices):
    PATIENT_ILL = "patient_ill", _("patient is ill")
    PATIENT_BUSY = "patient_busy", _("patient cannot come")
    PATIENT_CHANGED_MIND = "patient_changed_mind", _("patient no longer wants it")
    CLINIC_STAFF = "clinic_staff", _("practitioner not there")
    CLINIC_CLOSED = "clinic_closed", _("clinic closed")
    CLINICAL = "clinical", _("clinical reason")
    REPLANNED = "replanned", _("course replanned")
    COURSE_ENDED = "course_ended", _("course ended")
    ERROR = "error", _("booked in error")


class AskedBy(models.TextChoices):
    PATIENT = "patient", _("the patient")
    CLINIC = "clinic", _("the clinic")


class AppointmentQuerySet(models.QuerySet["Appointment"]):
    """Questions about appointments, named as people ask them."""

    def live(self) -> Self:
        return self.filter(state__in=LIVE)

    def visible_to(self, user: User) -> Self:
        """What this user may see; everything else does not exist for them."""
        if user.is_superuser:
            return self
        return self.filter(site__in=user.roles.values("site"))


@tracked(exclude=["note"])
class Appointment(models.Model):
    """A booked visit of a session. It keeps its identity when it moves.

    The truth of a future visit is `on`, `at_time`, `fold` and the site's zone; `during` (UTC, without buffers) is
    derived from them and is what the constraints look at.
    """

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    session = models.ForeignKey(Session, models.PROTECT, related_name="appointments")
    patient = models.ForeignKey(Patient, models.PROTECT, related_name="appointments")
    site = models.ForeignKey(Site, models.PROTECT, related_name="appointments")
    lead = models.ForeignKey(Resource, models.PROTECT, related_name="led_appointments", verbose_name=_("practitioner"))
    state = models.CharField(
        _("state"), max_length=10, choices=AppointmentState.choices, default=AppointmentState.BOOKED
    )
    on = models.DateField(_("date"))
    at_time = models.TimeField(_("time"))
    fold = models.PositiveSmallIntegerField(default=0)
    zone = models.CharField(_("time zone"), max_length=64)
    minutes = models.PositiveSmallIntegerField(_("length"), help_text=_("minutes"))
    during = DateTimeRangeField(_("span"))
    revision = models.PositiveIntegerField(default=1, editable=False)
    calendar_uid = models.CharField(max_length=120, unique=True, editable=False)
    calendar_sequence = models.PositiveIntegerField(default=0, editable=False)
    booked_at = models.DateTimeField(_("booked"))
    booked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    arrived_at = models.DateTimeField(_("arrived"), null=True, blank=True)
    confirmed_at = models.DateTimeField(_("confirmed by the patient"), null=True, blank=True)
    cancelled_at = models.DateTimeField(_("cancelled"), null=True, blank=True)
    cancel_reason = models.CharField(_("why cancelled"), max_length=24, choices=CancelReason.choices, blank=True)
    cancel_asked_by = models.CharField(_("asked by"), max_length=10, choices=AskedBy.choices, blank=True)
    note = models.CharField(_("note"), max_length=300, blank=True)

    objects = AppointmentQuerySet.as_manager()

    class Meta:
        verbose_name = _("appointment")
        verbose_name_plural = _("appointments")
        ordering = ["on", "at_time", "id"]
        indexes = [
            models.Index(fields=["site", "on", "at_time"], name="appointment_by_site_and_day"),
            models.Index(fields=["lead", "on"], name="appointment_by_lead_and_day"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["session"],
                condition=Q(state__in=["booked", "arrived"]),
                name="session_has_one_live_appointment",
            ),
            ExclusionConstraint(
                name="patient_is_in_one_place_at_a_time",
                expressions=[("patient", RangeOperators.EQUAL), ("during", RangeOperators.OVERLAPS)],
                condition=Q(state__in=["booked", "arrived"]),
                deferrable=Deferrable.IMMEDIATE,
            ),
            *_begins_and_ends("appointment"),
            models.CheckConstraint(condition=Q(fold__lte=1), name="appointment_fold_is_first_or_second_pass"),
            models.CheckConstraint(
                condition=Q(state="cancelled", cancelled_at__isnull=False)
                & ~Q(cancel_reason="")
                & ~Q(cancel_asked_by="")
                | ~Q(state="cancelled") & Q(cancelled_at=None, cancel_reason="", cancel_asked_by=""),
                name="appointment_says_why_exactly_if_cancelled",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.on:%Y-%m-%d} {self.at_time:%H:%M}"

    @property
    def is_live(self) -> bool:
        return self.state in LIVE


class Reservation(models.Model):
    """A time kept for a session for some minutes: an offer, or a patient choosing. Never an appointment."""

    class Purpose(models.TextChoices):
        OFFER = "offer", _("offer from the waiting list")
        CHOOSING = "choosing", _("patient is choosing")

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    session = models.ForeignKey(Session, models.CASCADE, related_name="reservations")
    purpose = models.CharField(_("for"), max_length=10, choices=Purpose.choices)
    on = models.DateField(_("date"))
    at_time = models.TimeField(_("time"))
    fold = models.PositiveSmallIntegerField(default=0)
    minutes = models.PositiveSmallIntegerField(_("length"), help_text=_("minutes"))
    created_at = models.DateTimeField(_("made"))
    expires_at = models.DateTimeField(_("expires"))
    released_at = models.DateTimeField(_("released"), null=True, blank=True)

    class Meta:
        verbose_name = _("reservation")
        verbose_name_plural = _("reservations")
        indexes = [
            models.Index(fields=["expires_at"], condition=Q(released_at=None), name="standing_reservation_by_expiry")
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["session"], condition=Q(released_at=None), name="session_has_one_standing_reservation"
            ),
            models.CheckConstraint(
                condition=Q(expires_at__gt=F("created_at")), name="reservation_expires_after_it_was_made"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.on:%Y-%m-%d} {self.at_time:%H:%M}"


class OccupancyQuerySet(models.QuerySet["Occupancy"]):
    """Questions about occupancies."""

    def standing(self) -> Self:
        return self.filter(released_at=None)


class Occupancy(models.Model):
    """One place of one resource, taken for one span (buffers included) by one phase, until released."""

    appointment = models.ForeignKey(Appointment, models.CASCADE, null=True, related_name="occupancies")
    reservation = models.ForeignKey(Reservation, models.CASCADE, null=True, related_name="occupancies")
    phase = models.PositiveSmallIntegerField(_("phase"))
    role = models.SlugField(_("role"))
    resource = models.ForeignKey(Resource, models.PROTECT, related_name="occupancies")
    place = models.PositiveSmallIntegerField(_("place"), default=1)
    during = DateTimeRangeField(_("span"))
    released_at = models.DateTimeField(_("released"), null=True, blank=True)

    objects = OccupancyQuerySet.as_manager()

    class Meta:
        verbose_name = _("occupancy")
        verbose_name_plural = _("occupancies")
        constraints = [
            # The wall against double booking. Deferrable, checked at once by default: an applied proposal defers it.
            ExclusionConstraint(
                name="resource_place_is_taken_once_at_a_time",
                expressions=[
                    ("resource", RangeOperators.EQUAL),
                    ("place", RangeOperators.EQUAL),
                    ("during", RangeOperators.OVERLAPS),
                ],
                condition=Q(released_at=None),
                deferrable=Deferrable.IMMEDIATE,
            ),
            *_begins_and_ends("occupancy"),
            models.CheckConstraint(condition=Q(place__gte=1), name="occupancy_place_is_numbered_from_one"),
            models.CheckConstraint(
                condition=Q(appointment=None, reservation__isnull=False)
                | Q(appointment__isnull=False, reservation=None),
                name="occupancy_belongs_to_an_appointment_or_a_reservation",
            ),
        ]
        indexes = [
            models.Index(fields=["appointment"], condition=Q(released_at=None), name="standing_occupancy_by_visit"),
        ]

    def __str__(self) -> str:
        return f"{self.resource} · {self.role}"


class BusyPeriod(models.Model):
    """The minutes of four weeks that standing occupancies take of one place: a cache, so that a year is read at once.

    Periods are counted in UTC from Monday, 5 January 1970, so no zone and no change of its rules is in here; how the
    minutes are packed says `scheduling.roster.periods`. No row means that nothing is taken. Never trusted by a refusal.
    """

    resource = models.ForeignKey(Resource, models.CASCADE, related_name="busy_periods", db_index=False)
    place = models.PositiveSmallIntegerField(_("place"))
    period = models.IntegerField(_("period"))
    minutes = models.BinaryField(_("minutes"))

    class Meta:
        verbose_name = _("busy period")
        verbose_name_plural = _("busy periods")
        constraints = [
            models.UniqueConstraint(fields=["resource", "period", "place"], name="place_has_a_period_once"),
        ]

    def __str__(self) -> str:
        return f"{self.resource} · {self.period}"


class WaitingQuerySet(models.QuerySet["WaitingListEntry"]):
    """Questions about the waiting list."""

    def standing(self) -> Self:
        """Those that wait: whose session is still to come, in a course that goes on."""
        return self.filter(closed_at=None, session__state="open", session__course__state="open")

    def set_aside(self) -> Self:
        """Those that wait and are offered nothing any more: too many looks have died of them."""
        return self.standing().filter(tries__gte=WaitingListEntry.SET_ASIDE_AT_TRY)


@tracked()
class WaitingListEntry(models.Model):
    """A session whose patient would take an earlier time."""

    SET_ASIDE_AT_TRY = 3

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    session = models.ForeignKey(Session, models.CASCADE, related_name="waiting")
    since = models.DateTimeField(_("since"))
    from_on = models.DateField(_("from"), null=True, blank=True)
    until_on = models.DateField(_("until"), null=True, blank=True)
    notice_hours = models.PositiveSmallIntegerField(_("notice needed"), default=24, help_text=_("hours"))
    added_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    tries = models.PositiveSmallIntegerField(_("looks that died of it"), default=0)
    closed_at = models.DateTimeField(_("closed"), null=True, blank=True)
    close_reason = models.CharField(_("why closed"), max_length=100, blank=True)

    objects = WaitingQuerySet.as_manager()

    class Meta:
        verbose_name = _("waiting-list entry")
        verbose_name_plural = _("waiting list")
        ordering = ["since"]
        constraints = [
            models.UniqueConstraint(fields=["session"], condition=Q(closed_at=None), name="session_waits_once"),
            models.CheckConstraint(
                condition=Q(closed_at=None, close_reason="") | (Q(closed_at__isnull=False) & ~Q(close_reason="")),
                name="waiting_list_entry_says_why_exactly_if_closed",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.since:%Y-%m-%d}"

    @property
    def is_set_aside(self) -> bool:
        """Whether it waits and is offered nothing any more, as `set_aside` asks of many."""
        return self.closed_at is None and self.tries >= self.SET_ASIDE_AT_TRY


class OfferEnd(models.TextChoices):
    ACCEPTED = "accepted", _("accepted")
    DECLINED = "declined", _("declined")
    EXPIRED = "expired", _("not answered in time")
    WITHDRAWN = "withdrawn", _("withdrawn")  # the session was moved, held or given up meanwhile


class OfferQuerySet(models.QuerySet["Offer"]):
    """Questions about offers."""

    def standing(self, now: datetime) -> Self:
        """Those that can still be accepted."""
        return self.filter(ended_at=None, reservation__released_at=None, reservation__expires_at__gt=now)

    def visible_to(self, user: User) -> Self:
        """Offers at the sites where the user works; everything else does not exist for them."""
        if user.is_superuser:
            return self
        return self.filter(entry__session__course__site__in=user.roles.values("site"))


class Offer(models.Model):
    """That a time which fell free was offered to somebody on the waiting list, and what came of it."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    entry = models.ForeignKey(WaitingListEntry, models.CASCADE, related_name="offers")
    freed = models.ForeignKey("scheduling.FreedTime", models.CASCADE, related_name="offers")
    patient = models.ForeignKey(Patient, models.PROTECT, related_name="+")
    reservation = models.OneToOneField(Reservation, models.CASCADE, related_name="offer")
    made_at = models.DateTimeField(_("made"))
    ended_at = models.DateTimeField(_("ended"), null=True)
    ended_as = models.CharField(_("came of it"), max_length=10, choices=OfferEnd.choices, blank=True)
    ended_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")

    objects = OfferQuerySet.as_manager()

    class Meta:
        verbose_name = _("offer")
        verbose_name_plural = _("offers")
        ordering = ["made_at", "id"]
        constraints = [
            models.UniqueConstraint(fields=["freed", "patient"], name="freed_time_is_offered_once_to_a_patient"),
            models.UniqueConstraint(
                fields=["entry"], condition=Q(ended_at=None), name="waiting_session_has_one_open_offer"
            ),
            models.CheckConstraint(
                condition=Q(ended_at=None, ended_as="") | (Q(ended_at__isnull=False) & ~Q(ended_as="")),
                name="offer_says_how_exactly_if_it_ended",
            ),
        ]

    def __str__(self) -> str:
        return str(self.reservation)

    @property
    def session(self) -> Session:
        return self.entry.session


class LinkToken(models.Model):
    """A link in a mail: one purpose, expiring, void once the appointment changes, stored hashed."""

    class Purpose(models.TextChoices):
        VIEW = "view", _("see the visit")
        CONFIRM = "confirm", _("confirm")
        MOVE = "move", _("ask for another time")
        UNSUBSCRIBE = "unsubscribe", _("no more reminders")

    patient = models.ForeignKey(Patient, models.CASCADE, related_name="links")
    course = models.ForeignKey(Course, models.CASCADE, null=True, blank=True, related_name="links")
    appointment = models.ForeignKey(Appointment, models.CASCADE, null=True, blank=True, related_name="links")
    purpose = models.CharField(_("purpose"), max_length=12, choices=Purpose.choices)
    revision = models.PositiveIntegerField(_("revision of the appointment"), null=True, blank=True)
    token_sha256 = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(_("made"))
    expires_at = models.DateTimeField(_("expires"))
    used_at = models.DateTimeField(_("used"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)

    class Meta:
        verbose_name = _("link")
        verbose_name_plural = _("links")
        constraints = [
            models.CheckConstraint(condition=Q(expires_at__gt=F("created_at")), name="link_expires_after_it_was_made"),
            models.CheckConstraint(
                condition=Q(appointment=None, revision=None) | Q(appointment__isnull=False, revision__isnull=False),
                name="link_to_an_appointment_names_its_revision",
            ),
        ]

    def __str__(self) -> str:
        return str(self.get_purpose_display())


class ContactAttempt(models.Model):
    """That someone tried to reach a patient about a course, and what came of it."""

    class Channel(models.TextChoices):
        PHONE = "phone", _("phone")
        EMAIL = "email", _("e-mail")
        LETTER = "letter", _("letter")
        IN_PERSON = "in_person", _("in person")

    class Result(models.TextChoices):
        REACHED = "reached", _("reached")
        NO_ANSWER = "no_answer", _("no answer")
        MESSAGE_LEFT = "message_left", _("left a message")
        WRONG_NUMBER = "wrong_number", _("wrong number")

    patient = models.ForeignKey(Patient, models.CASCADE, related_name="contact_attempts")
    course = models.ForeignKey(Course, models.CASCADE, null=True, blank=True, related_name="contact_attempts")
    at = models.DateTimeField(_("at"))
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    channel = models.CharField(_("by"), max_length=10, choices=Channel.choices)
    result = models.CharField(_("result"), max_length=14, choices=Result.choices)
    note = models.CharField(_("note"), max_length=300, blank=True)

    class Meta:
        verbose_name = _("contact attempt")
        verbose_name_plural = _("contact attempts")
        ordering = ["-at"]

    def __str__(self) -> str:
        return str(self.get_result_display())
