"""Courses, their sessions, and every change of state. Written by `scheduling.booking` alone (holds by `holds`)."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from clinic.history import tracked
from clinic.models import APPEND_ONLY, Site
from patients.models import Area, Patient
from scheduling.planner import facts

from .protocols import LateBand, ProtocolVersion, Step
from .resources import Resource

if TYPE_CHECKING:
    from clinic.models import User


ASSESSMENT_GATE = "assessment"


class CourseState(models.TextChoices):
    OPEN = "open", _("open")
    COMPLETED = "completed", _("completed")
    ENDED = "ended", _("ended")


class CourseQuerySet(models.QuerySet["Course"]):
    """Questions about courses."""

    def open(self) -> Self:
        return self.filter(state=CourseState.OPEN)

    def held(self) -> Self:
        from .clinical import Hold  # the tables refer to each other

        return self.filter(Exists(Hold.objects.standing().filter(course=OuterRef("pk"))))

    def for_facts(self) -> Self:
        """With what the roster wants at hand."""
        return self.select_related("patient", "site", "version__protocol", "lead", "wish_practitioner")

    def visible_to(self, user: User) -> Self:
        """Courses at the sites where the user works; everything else does not exist for them."""
        if user.is_superuser:
            return self
        return self.filter(site__in=user.roles.values("site"))


@tracked()
class Course(models.Model):
    """One patient's run of a protocol version at one site."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    patient = models.ForeignKey(Patient, models.PROTECT, related_name="courses")
    version = models.ForeignKey(ProtocolVersion, models.PROTECT, related_name="courses", verbose_name=_("protocol"))
    site = models.ForeignKey(Site, models.PROTECT, related_name="courses")
    lead = models.ForeignKey(
        Resource, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("lead practitioner")
    )
    areas = models.ManyToManyField(Area, blank=True, related_name="+", verbose_name=_("areas"))
    state = models.CharField(_("state"), max_length=10, choices=CourseState.choices, default=CourseState.OPEN)
    started_at = models.DateTimeField(_("started"))
    started_on = models.DateField(_("started on"))
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)
    end_reason = models.CharField(_("reason"), max_length=300, blank=True)
    revision = models.PositiveIntegerField(default=1, editable=False)
    billing_reference = models.CharField(_("billing reference"), max_length=80, blank=True)

    # What the patient would like; missing one costs, only `wish_is_strict` forbids.
    wish_weekdays = ArrayField(models.PositiveSmallIntegerField(), default=list, blank=True)
    wish_from_time = models.TimeField(_("not before"), null=True, blank=True)
    wish_until_time = models.TimeField(_("done by"), null=True, blank=True)
    wish_practitioner = models.ForeignKey(
        Resource, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("wished practitioner")
    )
    wish_avoid_dates = ArrayField(models.DateField(), default=list, blank=True)
    wish_language = models.CharField(_("wished language"), max_length=10, blank=True)
    wish_is_strict = models.BooleanField(_("wishes are musts"), default=False)

    objects = CourseQuerySet.as_manager()

    class Meta:
        verbose_name = _("course")
        verbose_name_plural = _("courses")
        ordering = ["-started_at", "-id"]
        indexes = [models.Index(fields=["patient", "state"], name="course_by_patient_and_state")]
        constraints = [
            models.UniqueConstraint(
                fields=["patient", "version"],
                condition=Q(state="open"),
                name="patient_has_one_open_course_of_a_version",
            ),
            models.CheckConstraint(
                condition=Q(state="open", ended_at=None) | (~Q(state="open") & Q(ended_at__isnull=False)),
                name="course_that_is_over_says_when",
            ),
            models.CheckConstraint(condition=~Q(state="ended") | ~Q(end_reason=""), name="course_that_ended_says_why"),
        ]

    def __str__(self) -> str:
        return f"{self.version.protocol.name}"

    @property
    def assessment_session(self) -> Session | None:
        """The one session that a clinician's assessment of the patient performs: it opens the course.

        Steps of that kind which wait for an assessment themselves, such as a patch test, are visits to perform.
        """
        assessing = self.sessions.filter(step__kind=facts.StepKind.ASSESSMENT)
        return assessing.exclude(step__gates__name=ASSESSMENT_GATE).order_by("position").first()


@tracked()
class NamedEvent(models.Model):
    """Something that happened to the patient from which a spacing counts, e.g. varicose veins treated."""

    course = models.ForeignKey(Course, models.CASCADE, related_name="events")
    key = models.SlugField(_("event"))
    happened_on = models.DateField(_("happened"))
    note = models.CharField(_("note"), max_length=200, blank=True)
    recorded_at = models.DateTimeField(_("recorded"))
    recorded_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")

    class Meta:
        verbose_name = _("named event")
        verbose_name_plural = _("named events")
        ordering = ["-happened_on"]
        constraints = [models.UniqueConstraint(fields=["course", "key"], name="course_knows_an_event_once")]

    def __str__(self) -> str:
        return self.key


class SessionState(models.TextChoices):
    OPEN = facts.SessionState.OPEN.value, _("open")
    PERFORMED = facts.SessionState.PERFORMED.value, _("performed")
    SKIPPED = facts.SessionState.SKIPPED.value, _("skipped")
    DROPPED = facts.SessionState.DROPPED.value, _("dropped")


class SessionQuerySet(models.QuerySet["Session"]):
    """Questions about sessions."""

    def open(self) -> Self:
        return self.filter(state=SessionState.OPEN, course__state=CourseState.OPEN)

    def booked(self) -> Self:
        return self.filter(appointments__state__in=("booked", "arrived"))

    def without_outcome(self) -> Self:
        """Treatments that took place and have no outcome, but for those of courses that were ended."""
        treated = self.filter(state=SessionState.PERFORMED, step__kind=Step.Kind.TREATMENT, outcome=None)
        return treated.exclude(course__state=CourseState.ENDED)

    def waiting(self, courses: models.QuerySet[Course]) -> Self:
        """The next open session of each of these courses that is open and not on hold, where it has no visit.

        Reads at once, in four statements of one table each. Asked in one, a database that has no statistics yet may
        compare every session with every hold and every visit.
        """
        from .appointments import Appointment  # the tables refer to each other
        from .clinical import Hold

        going_on = set(courses.filter(state=CourseState.OPEN).order_by().values_list("pk", flat=True))
        going_on -= set(Hold.objects.standing().values_list("course_id", flat=True))
        left = self.filter(course__in=going_on, state=SessionState.OPEN).order_by("course_id", "position")
        following = set(left.distinct("course_id").values_list("pk", flat=True))
        following -= set(Appointment.objects.live().filter(session__in=following).values_list("session_id", flat=True))
        return self.filter(pk__in=following)

    def visible_to(self, user: User) -> Self:
        """Sessions at the sites where the user works; everything else does not exist for them."""
        if user.is_superuser:
            return self
        return self.filter(course__site__in=user.roles.values("site"))


@tracked(exclude=["floor_on", "earliest_on", "target_on", "overdue_on", "lapse_on", "window_is_provisional"])
class Session(models.Model):
    """One planned step of a course. Losing an appointment never loses the session."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    course = models.ForeignKey(Course, models.CASCADE, related_name="sessions")
    position = models.PositiveSmallIntegerField(_("position"))
    step_key = models.SlugField(_("step"))
    step = models.ForeignKey(Step, models.PROTECT, related_name="+")
    state = models.CharField(_("state"), max_length=10, choices=SessionState.choices, default=SessionState.OPEN)
    state_reason = models.CharField(_("reason"), max_length=300, blank=True)
    counts = models.BooleanField(_("counts"), default=True)
    counts_reason = models.CharField(_("why it does not count"), max_length=200, blank=True)
    late_action = models.CharField(
        _("coming late"),
        max_length=12,
        choices=LateBand.Action.choices,
        blank=True,
        help_text=_("what a clinician decided for a session that comes late"),
    )
    planned_areas = models.ManyToManyField(Area, blank=True, related_name="+", verbose_name=_("planned areas"))
    treated_areas = models.ManyToManyField(Area, blank=True, related_name="+", verbose_name=_("treated areas"))
    performed_at = models.DateTimeField(_("performed at"), null=True, blank=True)
    performed_on = models.DateField(_("performed"), null=True, blank=True, help_text=_("local date of the site"))
    performed_minutes = models.PositiveSmallIntegerField(_("took"), null=True, blank=True, help_text=_("minutes"))
    performed_by = models.ManyToManyField(Resource, through="SessionUse", related_name="+")

    # The window, as last computed: a cache for lists and searches, never trusted by a refusal.
    floor_on = models.DateField(_("floor"), null=True, blank=True, editable=False)
    earliest_on = models.DateField(_("earliest"), null=True, blank=True, editable=False)
    target_on = models.DateField(_("target"), null=True, blank=True, editable=False)
    overdue_on = models.DateField(_("overdue"), null=True, blank=True, editable=False)
    lapse_on = models.DateField(_("lapse"), null=True, blank=True, editable=False)
    window_is_provisional = models.BooleanField(_("provisional"), default=False, editable=False)

    objects = SessionQuerySet.as_manager()

    class Meta:
        verbose_name = _("session")
        verbose_name_plural = _("sessions")
        ordering = ["course", "position"]
        indexes = [
            models.Index(fields=["overdue_on"], condition=Q(state="open"), name="open_session_by_overdue_day"),
            models.Index(fields=["earliest_on"], condition=Q(state="open"), name="open_session_by_earliest_day"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["course", "position"],
                name="session_position_is_used_once_in_a_course",
                deferrable=models.Deferrable.DEFERRED,
            ),
            models.CheckConstraint(
                condition=Q(state="performed", performed_on__isnull=False)
                | (~Q(state="performed") & Q(performed_on=None)),
                name="session_has_a_performed_date_exactly_if_performed",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["skipped", "dropped"]) | ~Q(state_reason=""), name="session_given_up_says_why"
            ),
            models.CheckConstraint(
                condition=Q(counts=True) | ~Q(counts_reason=""), name="session_not_counted_says_why"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.position}. {self.step_key}"


class SessionUse(models.Model):
    """Who and what took part in a performed session."""

    session = models.ForeignKey(Session, models.CASCADE, related_name="uses")
    resource = models.ForeignKey(Resource, models.PROTECT, related_name="+")
    role = models.SlugField(_("role"))

    class Meta:
        verbose_name = _("resource of a session")
        verbose_name_plural = _("resources of sessions")
        constraints = [models.UniqueConstraint(fields=["session", "role"], name="session_has_one_resource_in_a_role")]

    def __str__(self) -> str:
        return f"{self.role}: {self.resource}"


class StateChange(models.Model):
    """Each change of a course, session or appointment: who, when, why, from, to. Append-only."""

    course = models.ForeignKey(Course, models.CASCADE, related_name="changes")
    session = models.ForeignKey(Session, models.CASCADE, null=True, related_name="changes")
    appointment = models.ForeignKey("scheduling.Appointment", models.CASCADE, null=True, related_name="changes")
    at = models.DateTimeField(_("at"))
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    from_state = models.CharField(_("from"), max_length=20, blank=True)
    to_state = models.CharField(_("to"), max_length=20)
    reason = models.CharField(_("why"), max_length=300, blank=True)
    details = models.JSONField(_("details"), default=dict, blank=True)

    class Meta:
        verbose_name = _("change")
        verbose_name_plural = _("changes")
        ordering = ["at", "id"]
        indexes = [models.Index(fields=["course", "at"], name="state_change_by_course")]
        triggers = APPEND_ONLY
        constraints = [
            models.CheckConstraint(
                condition=Q(appointment=None) | Q(session__isnull=False),
                name="change_of_an_appointment_names_its_session",
            ),
            models.CheckConstraint(
                condition=~Q(from_state=F("to_state")) | ~Q(details={}), name="change_changes_something"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.from_state} → {self.to_state}"
