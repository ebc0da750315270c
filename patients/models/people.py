"""Patients, the ways to know and to reach them. Written by `patients.records` alone."""

from __future__ import annotations

import unicodedata
import uuid
from typing import Self

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from phonenumber_field.modelfields import PhoneNumberField

from clinic.history import tracked
from clinic.models import Site
from clinic.validators import validate_one_address, validate_one_line

# Letters that Unicode does not take apart, as people without them on their keyboard type them.
PLAIN_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th", "ŋ": "n", "ħ": "h", "ŧ": "t"}
)


def searchable(text: str) -> str:
    """Return the text lower-cased and without accents: how names are sorted and searched."""
    decomposed = unicodedata.normalize("NFKD", text.lower().translate(PLAIN_LETTERS))
    return "".join(c for c in decomposed if not unicodedata.combining(c)).casefold()


class MailState(models.TextChoices):
    NONE = "none", _("no address")
    OK = "ok", _("in use")
    BOUNCED = "bounced", _("bounced")
    SUPPRESSED = "suppressed", _("suppressed")


class PatientQuerySet(models.QuerySet["Patient"]):
    """Questions about patients."""

    def current(self) -> Self:
        """Neither merged away nor pseudonymised."""
        return self.filter(merged_into=None, pseudonymised_at=None)

    def matching(self, words: str) -> Self:
        """Patients whose name holds every word (accents and case aside), or who have that identifier or address."""
        found = self
        for word in searchable(words).split():
            found = found.filter(
                Q(search_name__contains=word) | Q(identifiers__value__iexact=word) | Q(email__iexact=word)
            )
        return found.distinct()


# Identity stays out of the event rows, so that pseudonymising never has to rewrite history: that it changed is enough.
@tracked(exclude=["given_name", "family_name", "search_name", "born_on", "email", "access_needs"])
class Patient(models.Model):
    """A person we treat. Two may share an e-mail address: families do."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    given_name = models.CharField(_("given name"), max_length=120, blank=True, validators=[validate_one_line])
    family_name = models.CharField(_("family name"), max_length=120, validators=[validate_one_line])
    search_name = models.CharField(max_length=260, editable=False)
    identity_revision = models.PositiveIntegerField(default=1, editable=False)
    born_on = models.DateField(_("born"), null=True, blank=True)
    site = models.ForeignKey(
        Site, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("usual site")
    )
    language = models.CharField(_("language"), max_length=10, default="en", help_text=_("of messages to the patient"))
    email = models.CharField(_("e-mail"), max_length=254, blank=True, validators=[validate_one_address])
    mail_state = models.CharField(
        _("address state"), max_length=12, choices=MailState.choices, default=MailState.NONE, editable=False
    )
    mail_consent_at = models.DateTimeField(_("agreed to e-mail"), null=True, blank=True)
    mail_opted_out_at = models.DateTimeField(_("opted out of e-mail"), null=True, blank=True)
    interpreter_language = models.CharField(_("interpreter needed for"), max_length=10, blank=True)
    access_needs = models.TextField(_("access needs"), blank=True)
    deceased_on = models.DateField(_("died"), null=True, blank=True)
    merged_into = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="merged_from", verbose_name=_("merged into")
    )
    pseudonymised_at = models.DateTimeField(null=True, blank=True, editable=False)
    registered_at = models.DateTimeField(_("registered"))

    objects = PatientQuerySet.as_manager()

    class Meta:
        verbose_name = _("patient")
        verbose_name_plural = _("patients")
        ordering = ["search_name", "id"]
        indexes = [
            GinIndex(OpClass(F("search_name"), name="gin_trgm_ops"), name="patient_by_part_of_name"),
            models.Index(fields=["email"], name="patient_by_email"),
        ]
        constraints = [
            models.CheckConstraint(condition=~Q(merged_into=F("id")), name="patient_is_not_merged_into_itself"),
            models.CheckConstraint(
                condition=Q(email="", mail_state="none") | (~Q(email="") & ~Q(mail_state="none")),
                name="patient_with_an_address_has_an_address_state",
            ),
            models.CheckConstraint(condition=~Q(email__contains=","), name="patient_email_is_one_address"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        return f"{self.given_name} {self.family_name}".strip()

    @property
    def is_active(self) -> bool:
        return self.deceased_on is None and self.merged_into_id is None


class Identifier(models.Model):
    """A number by which a system knows the patient (FHIR Identifier: system and value)."""

    patient = models.ForeignKey(Patient, models.CASCADE, related_name="identifiers")
    system = models.CharField(_("system"), max_length=120, help_text=_("such as urn:nhs or the clinic's own"))
    value = models.CharField(_("number"), max_length=80, validators=[validate_one_line])

    class Meta:
        verbose_name = _("identifier")
        verbose_name_plural = _("identifiers")
        constraints = [models.UniqueConstraint(fields=["system", "value"], name="identifier_belongs_to_one_patient")]

    def __str__(self) -> str:
        return self.system


class Phone(models.Model):
    patient = models.ForeignKey(Patient, models.CASCADE, related_name="phones")
    number = PhoneNumberField(_("number"))
    label = models.CharField(_("label"), max_length=40, blank=True, validators=[validate_one_line])
    is_preferred = models.BooleanField(_("preferred"), default=False)

    class Meta:
        verbose_name = _("phone")
        verbose_name_plural = _("phones")
        constraints = [
            models.UniqueConstraint(
                fields=["patient"], condition=Q(is_preferred=True), name="patient_has_one_preferred_phone"
            )
        ]

    def __str__(self) -> str:
        return str(_("phone"))


class Guardian(models.Model):
    """Who decides for a minor, or for someone who cannot."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    patient = models.ForeignKey(Patient, models.CASCADE, related_name="guardians")
    name = models.CharField(_("name"), max_length=200, validators=[validate_one_line])
    relationship = models.CharField(_("relationship"), max_length=60, blank=True)
    email = models.CharField(_("e-mail"), max_length=254, blank=True, validators=[validate_one_address])
    phone = PhoneNumberField(_("phone"), blank=True)
    from_on = models.DateField(_("from"), null=True, blank=True)
    until_on = models.DateField(_("until"), null=True, blank=True)

    class Meta:
        verbose_name = _("guardian")
        verbose_name_plural = _("guardians")

    def __str__(self) -> str:
        return str(_("guardian"))
