"""The outbox: one e-mail that is due at a time. Written by `scheduling.outbox` alone."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from clinic.history import tracked
from clinic.models import Site
from patients.models import MailState, Patient

from .appointments import Appointment
from .courses import Course, Session
from .protocols import Protocol

REMEMBERED_FOR = timedelta(days=30)  # on the worklist, since it was due


class MessageKind(models.TextChoices):
    CONFIRMATION = "confirmation", _("confirmation")
    PREPARATION = "preparation", _("preparation")
    REMINDER = "reminder", _("reminder")
    CHANGED = "changed", _("changed")
    CANCELLED = "cancelled", _("cancelled")
    CALL_US = "call_us", _("please call us")
    AFTERCARE = "aftercare", _("aftercare")
    CHECK = "check", _("is everything fine?")
    RECALL = "recall", _("recall")
    OVERDUE = "overdue", _("overdue")
    OFFER = "offer", _("offer")
    FINISHED = "finished", _("course finished")


class MessageState(models.TextChoices):
    PENDING = "pending", _("pending")
    SENDING = "sending", _("being sent")
    SENT = "sent", _("sent")
    DROPPED = "dropped", _("dropped")
    FAILED = "failed", _("failed")
    BOUNCED = "bounced", _("bounced")
    PARKED = "parked", _("parked")


class MessageQuerySet(models.QuerySet["Message"]):
    """Questions about messages."""

    def waiting(self) -> Self:
        return self.filter(state=MessageState.PENDING)

    def unsent(self) -> Self:
        return self.filter(state__in=(MessageState.PENDING, MessageState.SENDING))

    def lately_due(self, now: datetime) -> Self:
        return self.filter(due_at__gt=now - REMEMBERED_FOR)

    def undelivered(self, now: datetime) -> Self:
        """What was due lately and failed, or came back while the patient's address is still the same."""
        came_back = Q(state=MessageState.BOUNCED, patient__mail_state=MailState.BOUNCED)
        return self.lately_due(now).filter(Q(state=MessageState.FAILED) | came_back)


class Message(models.Model):
    """A promise to send one e-mail. Recipient, texts, Message-ID and Date are frozen at the first claim."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(_("kind"), max_length=12, choices=MessageKind.choices)
    dedupe_key = models.CharField(max_length=200, unique=True, editable=False)
    patient = models.ForeignKey(Patient, models.PROTECT, related_name="messages")
    site = models.ForeignKey(Site, models.PROTECT, related_name="+")
    course = models.ForeignKey(Course, models.CASCADE, null=True, related_name="messages")
    session = models.ForeignKey(Session, models.CASCADE, null=True, related_name="messages")
    days = models.SmallIntegerField(_("days before the visit"), default=0)
    promised_at = models.DateTimeField(_("promised"))
    due_at = models.DateTimeField(_("due"))
    expires_at = models.DateTimeField(_("not after"))
    state = models.CharField(_("state"), max_length=10, choices=MessageState.choices, default=MessageState.PENDING)
    state_reason = models.CharField(_("why"), max_length=80, blank=True)

    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    next_try_at = models.DateTimeField(_("next try"), null=True, blank=True)
    lease_owner = models.UUIDField(null=True, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    dotted_at = models.DateTimeField(
        null=True, editable=False, help_text=_("the final dot was about to be sent: from here on, a repeat is possible")
    )
    last_reply = models.CharField(_("last reply"), max_length=300, blank=True)
    sent_at = models.DateTimeField(_("sent"), null=True, blank=True)

    # Frozen at the first claim, from live state; purged some time after.
    recipient = models.CharField(_("to"), max_length=254, blank=True)
    language = models.CharField(max_length=10, blank=True)
    message_id = models.CharField(max_length=200, null=True, unique=True, editable=False)  # noqa: DJ001  (unique if set)
    dated_at = models.DateTimeField(null=True, editable=False)
    content = models.BinaryField(null=True, editable=False)  # RFC 5322 bytes as they leave
    purged_at = models.DateTimeField(null=True, editable=False)

    objects = MessageQuerySet.as_manager()

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        ordering = ["-due_at", "-id"]
        indexes = [
            models.Index(
                models.functions.Coalesce("next_try_at", "due_at"),
                "id",
                condition=Q(state__in=["pending", "sending"]),
                name="unsent_message_by_due_time",
            ),
            models.Index(fields=["course", "kind"], name="message_by_course_and_kind"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(expires_at__gt=F("due_at")), name="message_expires_after_it_is_due"),
            models.CheckConstraint(
                condition=Q(state="sent", sent_at__isnull=False) | ~Q(state="sent"), name="message_sent_says_when"
            ),
            models.CheckConstraint(
                condition=Q(state="sending", lease_owner__isnull=False, lease_until__isnull=False)
                | ~Q(state="sending"),
                name="message_being_sent_has_a_lease",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["dropped", "failed"]) | ~Q(state_reason=""), name="message_given_up_says_why"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} · {self.due_at:%Y-%m-%d %H:%M}"


class MessageVisit(models.Model):
    """A visit that a message speaks of, at the revision it speaks of; `before` is where it was, for a change."""

    message = models.ForeignKey(Message, models.CASCADE, related_name="visits")
    appointment = models.ForeignKey(Appointment, models.CASCADE, related_name="message_visits")
    revision = models.PositiveIntegerField()
    before = models.JSONField(default=dict, blank=True)

    class Meta:
        verbose_name = _("visit of a message")
        verbose_name_plural = _("visits of messages")
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["message", "appointment"], name="message_speaks_of_a_visit_once")
        ]

    def __str__(self) -> str:
        return str(self.revision)


@tracked()
class MessageText(models.Model):
    """The words of a kind of message in a language, for one protocol or all. Placeholders only, no template code."""

    kind = models.CharField(_("kind"), max_length=12, choices=MessageKind.choices)
    language = models.CharField(_("language"), max_length=10, default="en")
    protocol = models.ForeignKey(
        Protocol,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="message_texts",
        help_text=_("blank: all protocols"),
    )
    subject = models.CharField(_("subject"), max_length=150)
    body = models.TextField(_("text"))
    placeholders = ArrayField(models.CharField(max_length=40), default=list, blank=True, editable=False)
    changed_at = models.DateTimeField(_("changed"), auto_now=True)

    class Meta:
        verbose_name = _("message text")
        verbose_name_plural = _("message texts")
        ordering = ["kind", "language"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "language", "protocol"],
                nulls_distinct=False,
                name="message_text_is_written_once_in_a_language",
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} · {self.language}"
