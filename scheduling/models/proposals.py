"""Moves that a person can look at, then apply or discard. Written by `scheduling.replanning` alone."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from clinic.models import Site

from .appointments import LIVE, Appointment
from .courses import Course, Session

if TYPE_CHECKING:
    from clinic.models import User


class ProposalState(models.TextChoices):
    MAKING = "making", _("being worked out")
    OPEN = "open", _("open")
    APPLIED = "applied", _("applied")
    PARTLY = "partly", _("partly applied")
    DISCARDED = "discarded", _("discarded")
    STALE = "stale", _("overtaken")
    NEEDLESS = "needless", _("nothing to move")
    FAILED = "failed", _("not worked out")


UNDECIDED = (ProposalState.MAKING, ProposalState.OPEN, ProposalState.FAILED)


def stands() -> Q:
    """Moves that are not carried out, and whose visit stands where it stood when they were made (or is still none)."""
    booked = Appointment.objects.live().filter(session=OuterRef("session"))
    as_it_was = Q(appointment__state__in=LIVE, appointment_revision=F("appointment__revision"))
    return Q(as_it_was | Q(~Exists(booked), appointment=None), applied_at=None)


class ProposalQuerySet(models.QuerySet["Proposal"]):
    """Questions about proposals."""

    def open(self) -> Self:
        """Neither decided nor overtaken: of a course, no session has been booked since in another way; of a site,
        there is a visit left that stands where it stood."""
        booked_since = Move.objects.filter(
            proposal=OuterRef("pk"), appointment=None, applied_at=None, session__appointments__state__in=LIVE
        )
        left = Move.objects.filter(stands(), proposal=OuterRef("pk"))
        return self.filter(
            Q(course__isnull=False) & ~Exists(booked_since) | Q(course=None) & Exists(left), state=ProposalState.OPEN
        )

    def undecided(self) -> Self:
        """Those that are open, are still being worked out, or could not be."""
        return self.filter(
            Q(pk__in=Proposal.objects.open()) | Q(state__in=(ProposalState.MAKING, ProposalState.FAILED)),
            state__in=UNDECIDED,  # for the index
        )

    def together(self) -> Self:
        """Proposals for the courses of a whole site."""
        return self.filter(course=None)

    def concerning(self, courses: Iterable[Course]) -> Self:
        """Proposals for several courses, that still have, or will have, something to say about some of these."""
        left = Move.objects.filter(stands(), proposal=OuterRef("pk"), session__course__in=courses)
        waits = Q(state__in=(ProposalState.MAKING, ProposalState.FAILED), touched__in=courses)
        rows = self.together().filter(waits | Q(Exists(left), state=ProposalState.OPEN), state__in=UNDECIDED)
        return rows.distinct()

    def visible_to(self, user: User) -> Self:
        """Proposals at the sites where the user works; everything else does not exist for them."""
        if user.is_superuser:
            return self
        return self.filter(site__in=user.roles.values("site"))


class Proposal(models.Model):
    """A set of moves for one course (or, with course blank, for the courses of a site that something has touched)."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    site = models.ForeignKey(Site, models.PROTECT, related_name="proposals")
    course = models.ForeignKey(Course, models.CASCADE, null=True, blank=True, related_name="proposals")
    touched = models.ManyToManyField(Course, related_name="touched_by", blank=True)  # what is worked out together
    reason = models.SlugField(_("because"), help_text=_("performed, missed, moved, cancelled, absence, closure, …"))
    state = models.CharField(_("state"), max_length=10, choices=ProposalState.choices, default=ProposalState.OPEN)
    cost = models.PositiveIntegerField(_("cost"), default=0)
    bound = models.PositiveIntegerField(_("no plan costs less than"), null=True, blank=True)
    progress = models.PositiveSmallIntegerField(_("progress"), default=100, help_text=_("per cent"))
    stage = models.SlugField(_("stage"), blank=True)  # of working it out
    tries = models.PositiveSmallIntegerField(_("tries"), default=0)  # to work it out, begun so far
    timeouts = models.PositiveSmallIntegerField(_("tries that took too long"), default=0)
    worker = models.UUIDField(null=True, editable=False)  # until `lease_until`; none: put off until then
    lease_until = models.DateTimeField(null=True, editable=False)  # by the database's clock
    stop_asked_at = models.DateTimeField(null=True, blank=True)
    overtaken_by = models.ForeignKey("self", models.SET_NULL, null=True, blank=True, related_name="overtakes")
    made_at = models.DateTimeField(_("made"))
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(_("decided"), null=True, blank=True)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")

    objects = ProposalQuerySet.as_manager()

    class Meta:
        verbose_name = _("proposal")
        verbose_name_plural = _("proposals")
        ordering = ["-made_at"]
        indexes = [
            models.Index(
                fields=["site"], condition=Q(state__in=["making", "open", "failed"]), name="undecided_proposal_by_site"
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["course"], condition=Q(state="open"), name="course_has_one_open_proposal"),
            models.CheckConstraint(condition=Q(progress__lte=100), name="proposal_progress_is_a_percentage"),
            models.CheckConstraint(
                condition=Q(state__in=["making", "open", "failed"], decided_at=None)
                | (~Q(state__in=["making", "open", "failed"]) & Q(decided_at__isnull=False)),
                name="proposal_decided_says_when",
            ),
        ]

    def __str__(self) -> str:
        return self.reason

    @property
    def gap_percent(self) -> float | None:
        """By how much the best possible answer may be better, at the most; None when nobody knows."""
        if self.bound is None:
            return None
        return 100 * (self.cost - self.bound) / self.cost if self.cost else 0.0


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
