"""What patients told us, and the vocabularies it is told in. Written by `patients.records` alone."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from clinic.history import tracked

from .people import Patient


class Area(models.Model):
    """A place on the body, by side and region."""

    class Side(models.TextChoices):
        LEFT = "left", _("left")
        RIGHT = "right", _("right")
        NONE = "", _("no side")

    code = models.SlugField(_("code"), unique=True)
    name = models.CharField(_("name"), max_length=80)
    side = models.CharField(_("side"), max_length=5, choices=Side.choices, blank=True)
    region = models.SlugField(_("region"), help_text=_("such as leg or face: what protocols speak of"))

    class Meta:
        verbose_name = _("area")
        verbose_name_plural = _("areas")
        ordering = ["region", "side", "code"]

    def __str__(self) -> str:
        return self.name


class Complication(models.Model):
    """A coded complication. Expected ones hold nothing."""

    code = models.SlugField(_("code"), unique=True)
    name = models.CharField(_("name"), max_length=120)
    is_expected = models.BooleanField(_("expected, holds nothing"), default=False)

    class Meta:
        verbose_name = _("complication")
        verbose_name_plural = _("complications")
        ordering = ["code"]

    def __str__(self) -> str:
        return self.name


class Question(models.Model):
    """Something we ask patients; severity and validity are the protocol's."""

    code = models.SlugField(_("code"), unique=True)
    text = models.CharField(_("question"), max_length=300)
    texts = models.JSONField(_("in other languages"), default=dict, blank=True, help_text=_("language → question"))
    choices = models.JSONField(_("answers"), default=list, help_text=_("codes, such as [“no”, “yes”]"))

    class Meta:
        verbose_name = _("question")
        verbose_name_plural = _("questions")
        ordering = ["code"]

    def __str__(self) -> str:
        return self.text

    def text_in(self, language: str) -> str:
        return str(self.texts.get(language, self.text))


@tracked(exclude=["note", "error_reason"])
class Answer(models.Model):
    """What the patient answered, and when. The newest one that was not an error counts."""

    class Source(models.TextChoices):
        STAFF = "staff", _("asked by staff")
        PATIENT = "patient", _("patient's own page")
        IMPORT = "import", _("imported")

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    patient = models.ForeignKey(Patient, models.CASCADE, related_name="answers")
    question = models.ForeignKey(Question, models.PROTECT, related_name="answers")
    value = models.CharField(_("answer"), max_length=40)
    note = models.TextField(_("note"), blank=True)
    given_on = models.DateField(_("given"))
    source = models.CharField(_("source"), max_length=10, choices=Source.choices, default=Source.STAFF)
    recorded_at = models.DateTimeField(_("recorded"))
    recorded_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    reviewed_at = models.DateTimeField(_("looked at by a clinician"), null=True, blank=True)
    reviewed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    error_at = models.DateTimeField(_("recorded in error"), null=True, blank=True)
    error_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    error_reason = models.CharField(_("reason"), max_length=300, blank=True)

    class Meta:
        verbose_name = _("answer")
        verbose_name_plural = _("answers")
        ordering = ["-given_on", "-recorded_at", "-id"]
        indexes = [models.Index(fields=["patient", "question", "-given_on"], name="answer_by_patient_and_question")]
        constraints = [
            models.CheckConstraint(condition=Q(error_at=None) | ~Q(error_reason=""), name="answer_in_error_says_why"),
            models.CheckConstraint(
                condition=Q(reviewed_at=None, reviewed_by=None)
                | Q(reviewed_at__isnull=False, reviewed_by__isnull=False),
                name="answer_review_has_a_reviewer",
            ),
        ]

    def __str__(self) -> str:
        return str(_("answer"))
