"""What clinicians decide: assessments, consents, outcomes, holds, overrides. Written by `intake`, `visits`, `holds`."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from clinic.history import tracked
from clinic.models import Role
from patients.models import Complication, Patient
from scheduling.planner import facts

from .courses import Course, Session
from .protocols import FollowUp, Protocol

if TYPE_CHECKING:
    from clinic.models import User


@tracked(exclude=["notes"])
class Assessment(models.Model):
    """A clinician's medical assessment for a protocol; the newest one that was not an error counts."""

    class Reflux(models.TextChoices):
        NONE_FOUND = facts.Reflux.NONE_FOUND.value, _("none found")
        TREATED = facts.Reflux.TREATED.value, _("found and treated")
        UNTREATED = facts.Reflux.UNTREATED.value, _("found, not treated")
        NOT_CHECKED = facts.Reflux.NOT_CHECKED.value, _("not checked")

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    patient = models.ForeignKey(Patient, models.CASCADE, related_name="assessments")
    protocol = models.ForeignKey(Protocol, models.PROTECT, related_name="+")
    session = models.OneToOneField(Session, models.SET_NULL, null=True, blank=True, related_name="assessment")
    assessed_on = models.DateField(_("assessed"))
    is_suitable = models.BooleanField(_("suitable for the treatment"))
    reflux = models.CharField(_("reflux"), max_length=12, choices=Reflux.choices, default=Reflux.NOT_CHECKED)
    reflux_treated_on = models.DateField(_("reflux treated"), null=True, blank=True)
    reflux_clear_on = models.DateField(
        _("sessions may follow from"), null=True, blank=True, help_text=_("the prescriber's decision for this patient")
    )
    expires_on = models.DateField(_("expires"), null=True, blank=True, help_text=_("first day it no longer counts"))
    risks_explained = models.BooleanField(_("risks explained"), default=False)
    expectations_discussed = models.BooleanField(_("expectations discussed"), default=False)
    notes = models.TextField(_("notes"), blank=True)
    recorded_at = models.DateTimeField(_("recorded"))
    assessed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    error_at = models.DateTimeField(_("recorded in error"), null=True, blank=True)
    error_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    error_reason = models.CharField(_("reason"), max_length=300, blank=True)

    class Meta:
        verbose_name = _("assessment")
        verbose_name_plural = _("assessments")
        ordering = ["-assessed_on", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(reflux="treated") | Q(reflux_treated_on__isnull=False), name="treated_reflux_has_a_date"
            ),
            models.CheckConstraint(
                condition=Q(error_at=None) | ~Q(error_reason=""), name="assessment_in_error_says_why"
            ),
            models.CheckConstraint(
                condition=Q(expires_on=None) | Q(expires_on__gt=F("assessed_on")),
                name="assessment_expires_after_it_was_made",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.assessed_on:%Y-%m-%d}"


class ConsentText(models.Model):
    """The wording a patient agreed to, by protocol, language and version. Never edited once signed."""

    protocol = models.ForeignKey(Protocol, models.CASCADE, related_name="consent_texts")
    language = models.CharField(_("language"), max_length=10, default="en")
    number = models.PositiveSmallIntegerField(_("version"))
    body = models.TextField(_("text"))
    valid_from = models.DateField(_("valid from"), null=True, blank=True)

    class Meta:
        verbose_name = _("consent text")
        verbose_name_plural = _("consent texts")
        ordering = ["protocol", "language", "-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["protocol", "language", "number"], name="consent_text_version_is_used_once_in_a_language"
            )
        ]

    def __str__(self) -> str:
        return f"{self.protocol} · {self.language} · v{self.number}"


@tracked()
class Consent(models.Model):
    """A patient's consent to a course, or one session of it."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    course = models.ForeignKey(Course, models.CASCADE, related_name="consents")
    session = models.ForeignKey(
        Session, models.CASCADE, null=True, blank=True, related_name="consents", help_text=_("blank: the whole course")
    )
    text = models.ForeignKey(ConsentText, models.PROTECT, related_name="+")
    informed_on = models.DateField(_("informed"))
    signed_on = models.DateField(_("signed"), null=True, blank=True)
    sought_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    given_by_guardian = models.ForeignKey(
        "patients.Guardian", models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("given by")
    )
    expires_on = models.DateField(_("expires"), null=True, blank=True, help_text=_("first day it no longer counts"))
    withdrawn_on = models.DateField(_("withdrawn"), null=True, blank=True)
    recorded_at = models.DateTimeField(_("recorded"))

    class Meta:
        verbose_name = _("consent")
        verbose_name_plural = _("consents")
        ordering = ["-informed_on", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(signed_on=None) | Q(signed_on__gte=F("informed_on")),
                name="consent_is_signed_after_information",
            ),
            models.CheckConstraint(
                condition=Q(withdrawn_on=None) | Q(withdrawn_on__gte=F("informed_on")),
                name="consent_is_withdrawn_after_it_began",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.text} · {self.informed_on:%Y-%m-%d}"


@tracked(exclude=["notes"])
class Outcome(models.Model):
    """What the clinician recorded after a session."""

    class Result(models.TextChoices):
        OK = facts.OutcomeResult.OK.value, _("all right")
        REVIEW = facts.OutcomeResult.REVIEW.value, _("review before the next session")
        STOP = facts.OutcomeResult.STOP.value, _("stop the course")

    session = models.OneToOneField(Session, models.CASCADE, related_name="outcome")
    result = models.CharField(_("result"), max_length=6, choices=Result.choices)
    complications = models.ManyToManyField(
        Complication, through="OutcomeComplication", blank=True, related_name="+", verbose_name=_("complications")
    )
    product = models.CharField(_("product"), max_length=120, blank=True)
    batch = models.CharField(_("batch"), max_length=60, blank=True)
    amount = models.DecimalField(_("amount"), max_digits=8, decimal_places=3, null=True, blank=True)
    amount_unit = models.CharField(_("unit"), max_length=12, blank=True, help_text=_("UCUM, such as mL"))
    notes = models.TextField(_("notes"), blank=True)
    recorded_at = models.DateTimeField(_("recorded"))
    recorded_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    cleared_at = models.DateTimeField(_("review cleared"), null=True, blank=True)
    cleared_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    cleared_note = models.CharField(_("clinician's note"), max_length=300, blank=True)

    class Meta:
        verbose_name = _("outcome")
        verbose_name_plural = _("outcomes")
        constraints = [
            models.CheckConstraint(
                condition=Q(amount=None) | (Q(amount__gte=0) & ~Q(amount_unit="")), name="outcome_amount_has_a_unit"
            ),
            models.CheckConstraint(
                condition=Q(cleared_at=None) | Q(result="review", cleared_by__isnull=False),
                name="only_a_review_is_cleared_and_by_someone",
            ),
        ]

    def __str__(self) -> str:
        return str(self.get_result_display())


class OutcomeComplication(models.Model):
    """A complication seen at, or after, a session."""

    outcome = models.ForeignKey(Outcome, models.CASCADE, related_name="seen")
    complication = models.ForeignKey(Complication, models.PROTECT, related_name="+")
    note = models.CharField(_("note"), max_length=300, blank=True)

    class Meta:
        verbose_name = _("complication seen")
        verbose_name_plural = _("complications seen")
        constraints = [
            models.UniqueConstraint(fields=["outcome", "complication"], name="complication_is_noted_once_in_an_outcome")
        ]

    def __str__(self) -> str:
        return str(self.complication)


class HoldQuerySet(models.QuerySet["Hold"]):
    """Questions about holds."""

    def standing(self) -> Self:
        return self.filter(lifted_at=None)


@tracked()
class Hold(models.Model):
    """A reason why a course must not go on for now. Several may stand."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    course = models.ForeignKey(Course, models.CASCADE, related_name="holds")
    code = models.SlugField(_("code"), max_length=60, help_text=_("such as risk_pregnancy, outcome_review, clinician"))
    reason = models.CharField(_("reason"), max_length=300)
    lifted_by_role = models.CharField(_("lifted by"), max_length=20, choices=Role.choices, default=Role.CLINICIAN)
    placed_at = models.DateTimeField(_("placed"))
    placed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    lifted_at = models.DateTimeField(_("lifted"), null=True, blank=True)
    lifted_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    lift_reason = models.CharField(_("why it was lifted"), max_length=300, blank=True)

    objects = HoldQuerySet.as_manager()

    class Meta:
        verbose_name = _("hold")
        verbose_name_plural = _("holds")
        ordering = ["-placed_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["course", "code"], condition=Q(lifted_at=None), name="hold_stands_once_for_a_code"
            ),
            models.CheckConstraint(condition=Q(lifted_at=None) | ~Q(lift_reason=""), name="hold_lifted_says_why"),
        ]

    def __str__(self) -> str:
        return self.code


class OverrideQuerySet(models.QuerySet["Override"]):
    """Questions about overrides."""

    def visible_to(self, user: User) -> Self:
        """Overrides at the sites where the user works; everything else does not exist for them."""
        if user.is_superuser:
            return self
        return self.filter(course__site__in=user.roles.values("site"))


@tracked()
class Override(models.Model):
    """A permitted person silenced one rule for one session (or the course), with a reason, until a day."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    course = models.ForeignKey(Course, models.CASCADE, related_name="overrides")
    session = models.ForeignKey(
        Session, models.CASCADE, null=True, blank=True, related_name="overrides", help_text=_("blank: the whole course")
    )
    rule = models.SlugField(_("rule"))
    subject = models.CharField(_("about"), max_length=80, blank=True)
    reason = models.CharField(_("reason"), max_length=500)
    expires_on = models.DateField(_("until"), help_text=_("last day"))
    given_at = models.DateTimeField(_("given"))
    given_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)
    revoked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    revoke_reason = models.CharField(_("why it was revoked"), max_length=300, blank=True)

    objects = OverrideQuerySet.as_manager()

    class Meta:
        verbose_name = _("override")
        verbose_name_plural = _("overrides")
        ordering = ["-given_at"]
        constraints = [
            models.CheckConstraint(condition=~Q(reason=""), name="override_says_why"),
            models.CheckConstraint(
                condition=Q(revoked_at=None) | ~Q(revoke_reason=""), name="override_revoked_says_why"
            ),
        ]

    def __str__(self) -> str:
        return self.rule


class FollowUpTaskQuerySet(models.QuerySet["FollowUpTask"]):
    """Questions about follow-up tasks."""

    def open(self) -> Self:
        return self.filter(done_at=None, cancelled_at=None)


@tracked()
class FollowUpTask(models.Model):
    """Something due after a performed session that a person does: a call, a check."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    session = models.ForeignKey(Session, models.CASCADE, related_name="follow_up_tasks")
    follow_up = models.ForeignKey(FollowUp, models.PROTECT, related_name="+")
    due_on = models.DateField(_("due"))
    until_on = models.DateField(_("at the latest"))
    done_at = models.DateTimeField(_("done"), null=True, blank=True)
    done_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    note = models.CharField(_("note"), max_length=300, blank=True)
    cancelled_at = models.DateTimeField(_("not needed"), null=True, blank=True)

    objects = FollowUpTaskQuerySet.as_manager()

    class Meta:
        verbose_name = _("follow-up task")
        verbose_name_plural = _("follow-up tasks")
        ordering = ["due_on"]
        constraints = [
            models.UniqueConstraint(fields=["session", "follow_up"], name="follow_up_is_due_once_after_a_session"),
            models.CheckConstraint(condition=Q(until_on__gte=F("due_on")), name="follow_up_task_ends_after_it_is_due"),
        ]

    def __str__(self) -> str:
        return str(self.follow_up)
