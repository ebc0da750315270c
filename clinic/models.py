"""The place: people who sign in, the sites they work at, and what was asked of us before."""

from __future__ import annotations

import uuid
from datetime import time
from typing import Any, ClassVar

import pgtrigger
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .history import tracked
from .validators import validate_one_line, validate_zone

APPEND_ONLY = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]


class Role(models.TextChoices):
    RECEPTION = "reception", _("Reception")
    CLINICIAN = "clinician", _("Clinician")
    PRESCRIBER = "prescriber", _("Prescriber")
    MANAGER = "manager", _("Manager")
    OPERATOR = "operator", _("Operator")


class UserManager(BaseUserManager["User"]):
    """Users sign in by e-mail; there is no user name."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.full_clean(exclude=["password"])
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email__iexact=username)


@tracked(exclude=["password", "last_login"])
class User(AbstractBaseUser, PermissionsMixin):
    """A person who works here."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    email = models.EmailField(_("e-mail"), unique=True)
    name = models.CharField(_("name"), max_length=200, validators=[validate_one_line])
    is_active = models.BooleanField(_("active"), default=True)
    is_staff = models.BooleanField(_("may sign in to the front desk"), default=False)
    joined_at = models.DateTimeField(_("joined"), default=timezone.now)

    objects = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")
        constraints = [models.UniqueConstraint(Lower("email"), name="user_email_is_unique_whatever_its_case")]

    def __str__(self) -> str:
        return self.name or self.email

    def has_role(self, *roles: Role) -> bool:
        """Whether the user has one of the roles at any site. A superuser has every role."""
        return self.is_superuser or self.roles.filter(role__in=roles).exists()


LONGEST_HORIZON_DAYS = 1100  # what the planner keeps tables for; beyond it a plan may take seconds


@tracked()
class Site(models.Model):
    """A place where patients are treated. Its dates and times are those of its zone."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(_("name"), max_length=120, unique=True, validators=[validate_one_line])
    zone = models.CharField(
        _("time zone"), max_length=64, validators=[validate_zone], help_text=_("IANA name, such as Europe/London")
    )
    country = models.CharField(_("country"), max_length=2, help_text=_("ISO 3166-1, such as GB"))
    subdivision = models.CharField(
        _("subdivision"), max_length=10, blank=True, help_text=_("ISO 3166-2 part after the hyphen, such as SCT")
    )
    address = models.TextField(_("address"), blank=True)
    phone = models.CharField(_("phone"), max_length=40, blank=True, validators=[validate_one_line])
    sender_name = models.CharField(
        _("sender name"),
        max_length=120,
        validators=[validate_one_line],
        help_text=_("Shown in patients' inboxes: keep it neutral, without the treatment"),
    )
    sender_email = models.EmailField(_("sender address"))
    language = models.CharField(_("language"), max_length=10, default="en")
    grid_minutes = models.PositiveSmallIntegerField(
        _("grid"), default=5, validators=[MinValueValidator(1), MaxValueValidator(60)], help_text=_("minutes")
    )
    booking_horizon_days = models.PositiveSmallIntegerField(
        _("booking horizon"),
        default=365,
        validators=[MaxValueValidator(LONGEST_HORIZON_DAYS)],
        help_text=_("days; three years (1100) at most"),
    )
    shortest_visit_minutes = models.PositiveSmallIntegerField(
        _("shortest useful hole"), default=20, help_text=_("minutes; a shorter hole in a diary counts as awkward")
    )
    mail_time = models.TimeField(_("reminders go at"), default=time(9))
    quiet_from_time = models.TimeField(_("no mail from"), default=time(20))
    quiet_until_time = models.TimeField(_("no mail until"), default=time(8))
    is_active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("site")
        verbose_name_plural = _("sites")
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(grid_minutes__gte=1) & Q(grid_minutes__lte=60), name="site_grid_is_within_an_hour"
            ),
            models.CheckConstraint(
                condition=Q(booking_horizon_days__lte=LONGEST_HORIZON_DAYS),
                name="site_takes_bookings_for_three_years_at_most",
            ),
        ]

    def __str__(self) -> str:
        return self.name


@tracked()
class SiteRole(models.Model):
    """What a user may do at a site."""

    user = models.ForeignKey(User, models.CASCADE, related_name="roles")
    site = models.ForeignKey(Site, models.CASCADE, related_name="roles")
    role = models.CharField(_("role"), max_length=20, choices=Role.choices)

    class Meta:
        verbose_name = _("role at a site")
        verbose_name_plural = _("roles at sites")
        constraints = [models.UniqueConstraint(fields=["user", "site", "role"], name="user_has_a_role_at_a_site_once")]

    def __str__(self) -> str:
        return f"{self.user} · {self.get_role_display()} · {self.site}"


class AccessEvent(models.Model):
    """Who read what. Append-only: the database refuses changes and deletions. Written by `clinic.audit` alone."""

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    user = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    action = models.CharField(max_length=40)  # view, list, search, export, print
    subject = models.CharField(max_length=80)  # model label, such as patients.patient
    subject_uid = models.UUIDField(null=True)
    patient_uids = models.JSONField(default=list)  # everyone shown by the request
    came_from = models.GenericIPAddressField(null=True)
    door = models.CharField(max_length=20)  # admin, api, page, command

    class Meta:
        verbose_name = _("access event")
        verbose_name_plural = _("access events")
        indexes = [models.Index(fields=["subject", "subject_uid", "at"], name="access_event_by_subject")]
        triggers = APPEND_ONLY

    def __str__(self) -> str:
        return f"{self.action} {self.subject}"


class IdempotencyKey(models.Model):
    """A request that was carried out, and what we answered, written in the transaction of its effect.

    draft-ietf-httpapi-idempotency-key-header-07: another body under the same key is refused (422). The row exists
    exactly if the effect does.
    """

    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    key = models.CharField(max_length=200)
    method = models.CharField(max_length=8)
    path = models.CharField(max_length=300)
    body_sha256 = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField()
    answer = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        verbose_name = _("idempotency key")
        verbose_name_plural = _("idempotency keys")
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="idempotency_key_is_used_once_per_user")]

    def __str__(self) -> str:
        return self.key
