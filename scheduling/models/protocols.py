"""How treatments are given, as versioned data. Written by `scheduling.protocols` alone."""

from __future__ import annotations

import uuid
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from clinic.history import tracked
from patients.models import Area, Question
from scheduling.planner import facts

from .resources import Capability


class Protocol(models.Model):
    """A treatment, by a key that never changes."""

    key = models.SlugField(_("key"), unique=True)
    name = models.CharField(_("name"), max_length=120)

    class Meta:
        verbose_name = _("protocol")
        verbose_name_plural = _("protocols")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class VersionState(models.TextChoices):
    DRAFT = "draft", _("draft")
    APPROVED = "approved", _("approved")
    RETIRED = "retired", _("retired")


class ProtocolVersionQuerySet(models.QuerySet["ProtocolVersion"]):
    """Questions about protocol versions."""

    def usable_on(self, on: object) -> Self:
        """Versions by which a course may be started on that date."""
        return self.filter(
            Q(effective_from=None) | Q(effective_from__lte=on),
            Q(effective_to=None) | Q(effective_to__gte=on),
            state=VersionState.APPROVED,
        )

    def whole(self) -> Self:
        """With everything a plan reads, in a constant number of queries."""
        return self.select_related("protocol").prefetch_related(
            "steps__phases__needs__capability",
            "steps__spacings__areas",
            "steps__spacings__late_bands",
            "steps__gates",
            "risk_rules__question",
            "areas",
            "cooling_off",
            "follow_ups__step",
            "message_policies",
        )


@tracked()
class ProtocolVersion(models.Model):
    """One version of a protocol. In use, it is never edited; a course keeps its version until someone moves it."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    protocol = models.ForeignKey(Protocol, models.PROTECT, related_name="versions")
    number = models.PositiveSmallIntegerField(_("version"))
    state = models.CharField(_("state"), max_length=10, choices=VersionState.choices, default=VersionState.DRAFT)
    effective_from = models.DateField(_("effective from"), null=True, blank=True)
    effective_to = models.DateField(_("effective to"), null=True, blank=True, help_text=_("last day"))
    product = models.CharField(_("product"), max_length=120, blank=True)
    jurisdiction = models.CharField(_("jurisdiction"), max_length=10, blank=True)
    notes = models.TextField(_("notes and sources"), blank=True)
    areas = models.ManyToManyField(Area, blank=True, related_name="+", verbose_name=_("allowed areas"))
    consent_at = models.CharField(
        _("consent must stand at"),
        max_length=10,
        choices=[("", _("not asked")), ("booking", _("booking")), ("visit", _("the visit"))],
        default="booking",
        blank=True,
    )
    consent_scope = models.CharField(
        _("consent is for"),
        max_length=10,
        choices=[
            (facts.ConsentScope.COURSE.value, _("the course")),
            (facts.ConsentScope.SESSION.value, _("each session")),
        ],
        default=facts.ConsentScope.COURSE.value,
    )
    consent_valid_for = models.CharField(_("consent is valid for"), max_length=60, blank=True)
    assessment_valid_for = models.CharField(_("assessment is valid for"), max_length=60, blank=True)
    assessment_cooling_off = models.CharField(_("cooling-off after assessment"), max_length=60, blank=True)
    minimum_age = models.PositiveSmallIntegerField(_("minimum age"), null=True, blank=True, help_text=_("years"))
    adult_age = models.PositiveSmallIntegerField(
        _("of age from"), default=facts.ADULT_AGE, help_text=_("years; for who is younger, a guardian consents")
    )
    created_at = models.DateTimeField(_("created"))
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    retired_at = models.DateTimeField(_("retired"), null=True, blank=True)
    retired_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    retire_reason = models.CharField(_("why it was retired"), max_length=300, blank=True)

    objects = ProtocolVersionQuerySet.as_manager()

    class Meta:
        verbose_name = _("protocol version")
        verbose_name_plural = _("protocol versions")
        ordering = ["protocol__name", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["protocol", "number"], name="protocol_version_number_is_used_once"),
            models.CheckConstraint(
                condition=Q(effective_to=None) | Q(effective_from=None) | Q(effective_to__gte=F("effective_from")),
                name="protocol_version_is_effective_to_a_day_after_it_began",
            ),
            models.CheckConstraint(
                condition=(Q(state="retired", retired_at__isnull=False) & ~Q(retire_reason=""))
                | (~Q(state="retired") & Q(retired_at=None)),
                name="protocol_version_that_is_retired_says_when_and_why",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.protocol.name} · v{self.number}"


class ProtocolApproval(models.Model):
    """Who approved a version, when, and what they noted."""

    version = models.ForeignKey(ProtocolVersion, models.CASCADE, related_name="approvals")
    at = models.DateTimeField(_("approved"))
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    note = models.TextField(_("note"), blank=True)

    class Meta:
        verbose_name = _("approval")
        verbose_name_plural = _("approvals")
        constraints = [
            models.UniqueConstraint(fields=["version", "by"], name="protocol_version_is_approved_once_by_a_person")
        ]

    def __str__(self) -> str:
        return f"{self.version} · {self.by}"


class CoolingOff(models.Model):
    """A time to think between information and treatment, where and for whom it is; the longest that applies counts."""

    version = models.ForeignKey(ProtocolVersion, models.CASCADE, related_name="cooling_off")
    amount = models.CharField(_("time to think"), max_length=60)
    jurisdiction = models.CharField(_("jurisdiction"), max_length=10, blank=True, help_text=_("blank: everywhere"))
    under_age = models.PositiveSmallIntegerField(
        _("under the age of"), null=True, blank=True, help_text=_("years; blank: at every age")
    )

    class Meta:
        verbose_name = _("cooling-off")
        verbose_name_plural = _("cooling-offs")
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["version", "jurisdiction", "under_age"],
                nulls_distinct=False,
                name="cooling_off_is_said_once_for_a_place_and_age",
            )
        ]

    def __str__(self) -> str:
        return self.amount


class Step(models.Model):
    """One line of a protocol. A repeated step has several sessions in a course."""

    class Kind(models.TextChoices):
        ASSESSMENT = facts.StepKind.ASSESSMENT.value, _("assessment")
        TREATMENT = facts.StepKind.TREATMENT.value, _("treatment")
        FOLLOW_UP = facts.StepKind.FOLLOW_UP.value, _("follow-up")

    version = models.ForeignKey(ProtocolVersion, models.CASCADE, related_name="steps")
    position = models.PositiveSmallIntegerField(_("position"))
    key = models.SlugField(_("key"))
    name = models.CharField(_("name"), max_length=120)
    kind = models.CharField(_("kind"), max_length=12, choices=Kind.choices)
    sessions = models.PositiveSmallIntegerField(_("sessions"), default=1, help_text=_("planned at first"))
    max_sessions = models.PositiveSmallIntegerField(_("at most"), null=True, blank=True)
    lead_role = models.SlugField(_("role of the practitioner"))
    planned_with_course = models.BooleanField(
        _("planned with the course"), default=True, help_text=_("otherwise booked by itself when it is due")
    )

    class Meta:
        verbose_name = _("step")
        verbose_name_plural = _("steps")
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["version", "key"], name="step_key_is_used_once_in_a_version"),
            models.UniqueConstraint(
                fields=["version", "position"],
                name="step_position_is_used_once_in_a_version",
                deferrable=models.Deferrable.DEFERRED,
            ),
            models.CheckConstraint(condition=Q(sessions__gte=1), name="step_has_a_session"),
            models.CheckConstraint(
                condition=Q(max_sessions=None) | Q(max_sessions__gte=F("sessions")),
                name="step_allows_the_sessions_it_plans",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Phase(models.Model):
    """A stretch of a session with resources of its own."""

    step = models.ForeignKey(Step, models.CASCADE, related_name="phases")
    position = models.PositiveSmallIntegerField(_("position"))
    name = models.CharField(_("name"), max_length=80)
    minutes = models.PositiveSmallIntegerField(_("minutes"))
    before_minutes = models.PositiveSmallIntegerField(_("buffer before"), default=0, help_text=_("minutes"))
    after_minutes = models.PositiveSmallIntegerField(_("buffer after"), default=0, help_text=_("minutes"))

    class Meta:
        verbose_name = _("phase")
        verbose_name_plural = _("phases")
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["step", "position"], name="phase_position_is_used_once_in_a_step"),
            models.CheckConstraint(condition=Q(minutes__gte=1), name="phase_takes_time"),
        ]

    def __str__(self) -> str:
        return self.name


class PhaseNeed(models.Model):
    """One place of one resource that a phase takes. The same role in two phases is the same resource."""

    phase = models.ForeignKey(Phase, models.CASCADE, related_name="needs")
    role = models.SlugField(_("role"))
    capability = models.ForeignKey(Capability, models.PROTECT, related_name="+")

    class Meta:
        verbose_name = _("need")
        verbose_name_plural = _("needs")
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["phase", "role"], name="phase_asks_for_a_role_once")]

    def __str__(self) -> str:
        return self.role


class Spacing(models.Model):
    """How long after its reference a step may, should and must happen, in amounts such as “6 months - 4 days”."""

    class Reference(models.TextChoices):
        PREVIOUS = facts.Reference.PREVIOUS.value, _("the session before")
        STEP = facts.Reference.STEP.value, _("a named step")
        EVENT = facts.Reference.EVENT.value, _("a named event")
        LAST_OF_KIND = facts.Reference.LAST_OF_KIND.value, _("the last session of a kind")

    step = models.ForeignKey(Step, models.CASCADE, related_name="spacings")
    reference = models.CharField(_("counted from"), max_length=12, choices=Reference.choices)
    reference_key = models.SlugField(_("which"), blank=True)
    floor = models.CharField(_("floor"), max_length=60, blank=True)
    minimum = models.CharField(_("minimum"), max_length=60, blank=True)
    target = models.CharField(_("target"), max_length=60, blank=True)
    tolerance_days = models.PositiveSmallIntegerField(_("tolerance"), default=0, help_text=_("days"))
    overdue = models.CharField(_("overdue"), max_length=60, blank=True)
    lapse = models.CharField(_("lapse"), max_length=60, blank=True)
    areas = models.ManyToManyField(Area, blank=True, related_name="+", verbose_name=_("only for areas"))
    effective_from = models.DateField(_("effective from"), null=True, blank=True)
    effective_to = models.DateField(_("effective to"), null=True, blank=True)

    class Meta:
        verbose_name = _("spacing")
        verbose_name_plural = _("spacings")
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(reference="previous", reference_key="") | (~Q(reference="previous") & ~Q(reference_key="")),
                name="spacing_names_its_reference",
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_reference_display()} {self.reference_key}"


class LateBand(models.Model):
    """What to do when a step comes this late: half-open [from, until) after the reference."""

    class Action(models.TextChoices):
        BOOK_ANYWAY = facts.LateAction.BOOK_ANYWAY.value, _("book anyway")
        SHORTEN = facts.LateAction.SHORTEN.value, _("shorten")
        REPEAT_STEP = facts.LateAction.REPEAT_STEP.value, _("repeat the step")
        RESTART = facts.LateAction.RESTART.value, _("restart")
        REVIEW = facts.LateAction.REVIEW.value, _("medical review")

    spacing = models.ForeignKey(Spacing, models.CASCADE, related_name="late_bands")
    from_amount = models.CharField(_("from"), max_length=60)
    until_amount = models.CharField(_("until"), max_length=60, blank=True)
    action = models.CharField(_("action"), max_length=12, choices=Action.choices)
    note = models.CharField(_("note"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("late band")
        verbose_name_plural = _("late bands")
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.from_amount} – {self.until_amount}"


class StepGate(models.Model):
    """A gate that a step lists, by the name of its function in the planner."""

    step = models.ForeignKey(Step, models.CASCADE, related_name="gates")
    name = models.SlugField(_("gate"))
    parameters = models.JSONField(_("parameters"), default=dict, blank=True)

    class Meta:
        verbose_name = _("gate")
        verbose_name_plural = _("gates")
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["step", "name", "parameters"], name="step_lists_a_gate_once")]

    def __str__(self) -> str:
        return self.name


class RiskRule(models.Model):
    """A risk question as this version asks it: severity belongs to product and jurisdiction, so to the version."""

    class Severity(models.TextChoices):
        ABSOLUTE = facts.Severity.ABSOLUTE.value, _("absolute: nobody overrides")
        RELATIVE = facts.Severity.RELATIVE.value, _("relative: a prescriber overrides")
        ASK = facts.Severity.ASK.value, _("a clinician must look at it")

    class OverrideScope(models.TextChoices):
        SESSION = facts.OverrideScope.SESSION.value, _("one session at a time")
        COURSE = facts.OverrideScope.COURSE.value, _("a session, or the whole course")

    version = models.ForeignKey(ProtocolVersion, models.CASCADE, related_name="risk_rules")
    question = models.ForeignKey(Question, models.PROTECT, related_name="+")
    severity = models.CharField(_("severity"), max_length=10, choices=Severity.choices)
    valid_days = models.PositiveSmallIntegerField(_("an answer is valid for"), help_text=_("days"))
    refused_answers = models.JSONField(_("answers that close the gate"), default=list)
    override_for = models.CharField(
        _("overridden for"), max_length=7, choices=OverrideScope.choices, default=OverrideScope.SESSION
    )
    source = models.CharField(_("source"), max_length=300, blank=True)

    class Meta:
        verbose_name = _("risk rule")
        verbose_name_plural = _("risk rules")
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["version", "question"], name="risk_question_is_asked_once_in_a_version"),
            models.CheckConstraint(condition=Q(valid_days__gte=1), name="risk_answer_is_valid_for_a_day"),
        ]

    def __str__(self) -> str:
        return self.question.code


class FollowUp(models.Model):
    """Something to do some time after a session of a step was performed."""

    class Kind(models.TextChoices):
        MESSAGE = "message", _("message")
        CALL = "call", _("call")

    version = models.ForeignKey(ProtocolVersion, models.CASCADE, related_name="follow_ups")
    key = models.SlugField(_("key"))
    step = models.ForeignKey(Step, models.CASCADE, related_name="follow_ups")
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    name = models.CharField(_("name"), max_length=120)
    after = models.CharField(_("after the session"), max_length=60)
    tolerance_days = models.PositiveSmallIntegerField(_("give or take"), default=0, help_text=_("days"))
    last_session_only = models.BooleanField(_("after the last session only"), default=False)

    class Meta:
        verbose_name = _("follow-up")
        verbose_name_plural = _("follow-ups")
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["version", "key"], name="follow_up_key_is_used_once_in_a_version")
        ]

    def __str__(self) -> str:
        return self.name


class MessagePolicy(models.Model):
    """Which message a course sends, and when, for a version. Offsets are before the visit or after the session."""

    version = models.ForeignKey(ProtocolVersion, models.CASCADE, related_name="message_policies")
    kind = models.SlugField(_("kind"))
    days = models.SmallIntegerField(_("days"), default=0, help_text=_("before the visit; after it when negative"))
    booked_ahead_days = models.PositiveSmallIntegerField(
        _("only if booked more than … days ahead"), null=True, blank=True
    )
    is_on = models.BooleanField(_("sent"), default=True)

    class Meta:
        verbose_name = _("message rule")
        verbose_name_plural = _("message rules")
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["version", "kind", "days"], name="message_kind_is_sent_once_on_a_day")
        ]

    def __str__(self) -> str:
        return self.kind
