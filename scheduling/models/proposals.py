"""Moves that a person can look at, then apply or discard. Written by `scheduling.replanning` alone."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from clinic.models import Site

from .appointments import LIVE, Appointment
from .courses import Course, Session

if TYPE_CHECKING:
    from clinic.models import User


class ProposalState(models.TextChoices):
    OPEN = "open", _("open")
    APPLIED = "applied", _("applied")
    PARTLY = "partly", _("partly applied")
    DISCARDED = "discarded", _("discarded")
    STALE = "stale", _("overtaken")


class ProposalQuerySet(models.QuerySet["Proposal"]):
    """Questions about proposals."""

    def open(self) -> Self:
        """Neither decided nor overtaken: a session that was to be given a time has been booked in no other way."""
        booked_since = Move.objects.filter(
            proposal=OuterRef("pk"), appointment=None, applied_at=None, session__appointments__state__in=LIVE
        )
        return self.filter(~Exists(booked_since), state=ProposalState.OPEN)

    def visible_to(self, user: User) -> Self:
        """Proposals at the sites where the user works; everything else does not exist for them."""
        if user.is_superuser:
            return self
        return self.filter(site__in=user.roles.values("site"))


class Proposal(models.Model):
    """A set of moves for one course (or, with course blank, for a whole site)."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    site = models.ForeignKey(Site, models.PROTECT, related_name="proposals")
    course = models.ForeignKey(Course, models.CASCADE, null=True, blank=True, related_name="proposals")
    reason = models.SlugField(_("because"), help_text=_("performed, missed, moved, cancelled, absence, closure, …"))
    state = models.CharField(_("state"), max_length=10, choices=ProposalState.choices, default=ProposalState.OPEN)
    cost = models.PositiveIntegerField(_("cost"), default=0)
    bound = models.PositiveIntegerField(_("no plan costs less than"), null=True, blank=True)
    progress = models.PositiveSmallIntegerField(_("progress"), default=100, help_text=_("per cent"))
    made_at = models.DateTimeField(_("made"))
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(_("decided"), null=True, blank=True)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")

    objects = ProposalQuerySet.as_manager()

    class Meta:
        verbose_name = _("proposal")
        verbose_name_plural = _("proposals")
        ordering = ["-made_at"]
        constraints = [
            models.UniqueConstraint(fields=["course"], condition=Q(state="open"), name="course_has_one_open_proposal"),
            models.CheckConstraint(condition=Q(progress__lte=100), name="proposal_progress_is_a_percentage"),
            models.CheckConstraint(
                condition=Q(state="open", decided_at=None) | (~Q(state="open") & Q(decided_at__isnull=False)),
                name="proposal_decided_says_when",
            ),
        ]

    def __str__(self) -> str:
        return self.reason


class Move(models.Model):
    """One session's part of a proposal: its new slot, or why it has none."""

    proposal = models.ForeignKey(Proposal, models.CASCADE, related_name="moves")
    session = models.ForeignKey(Session, models.CASCADE, related_name="moves")
    appointment = models.ForeignKey(Appointment, models.CASCADE, null=True, related_name="moves")
    appointment_revision = models.PositiveIntegerField(null=True)
    from_slot = models.JSONField(_("from"), null=True)  # {on, at_time, lead}
    to_slot = models.JSONField(_("to"), null=True)  # the whole slot, uses included; null: cannot be placed
    why = models.JSONField(_("why"), default=list)  # codes and sentences: what pushed it, or why there is no time
    cost = models.PositiveIntegerField(_("cost"), default=0)
    applied_at = models.DateTimeField(_("applied"), null=True, blank=True)

    class Meta:
        verbose_name = _("move")
        verbose_name_plural = _("moves")
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["proposal", "session"], name="proposal_moves_a_session_once")]

    def __str__(self) -> str:
        return str(self.session)
