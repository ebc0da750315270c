"""People, rooms and devices, and when they are there."""

from __future__ import annotations

import uuid
from typing import Self

import pgtrigger
from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from clinic.history import tracked
from clinic.models import Site
from clinic.validators import validate_one_line


class RosterState(models.Model):
    """Tokens that are others as soon as anything is that says who is there and when (`ROSTER_CHANGES`).

    Whoever has seen the same tokens, read with one statement, has seen the same rows. There is one row, and one more
    for each transaction that has ever changed something while others did: so nobody waits for anybody.
    """

    token = models.UUIDField()

    class Meta:
        verbose_name = _("state of who is there")
        verbose_name_plural = verbose_name

    def __str__(self) -> str:
        return str(self.token)


# A token is never used again, so what is rolled back is never taken for what comes after it.
ROSTER_CHANGES = pgtrigger.Trigger(
    name="roster_changes",
    level=pgtrigger.Statement,
    when=pgtrigger.After,
    operation=pgtrigger.Insert | pgtrigger.Update | pgtrigger.Delete | pgtrigger.Truncate,
    func="""
        UPDATE scheduling_rosterstate SET token = gen_random_uuid()
        WHERE id = (SELECT id FROM scheduling_rosterstate ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED);
        IF NOT FOUND THEN
            INSERT INTO scheduling_rosterstate (token) VALUES (gen_random_uuid());
        END IF;
        RETURN NULL;
    """,
)


class Weekday(models.IntegerChoices):
    MONDAY = 0, _("Monday")
    TUESDAY = 1, _("Tuesday")
    WEDNESDAY = 2, _("Wednesday")
    THURSDAY = 3, _("Thursday")
    FRIDAY = 4, _("Friday")
    SATURDAY = 5, _("Saturday")
    SUNDAY = 6, _("Sunday")


class ResourceKind(models.TextChoices):
    PRACTITIONER = "practitioner", _("practitioner")
    ROOM = "room", _("room")
    DEVICE = "device", _("device")


class Capability(models.Model):
    """What a resource can do, or be: protocols ask for these, never for a person or room."""

    code = models.SlugField(_("code"), unique=True)
    name = models.CharField(_("name"), max_length=120)

    class Meta:
        verbose_name = _("capability")
        verbose_name_plural = _("capabilities")
        triggers = [ROSTER_CHANGES]
        ordering = ["code"]

    def __str__(self) -> str:
        return self.name


class ResourceQuerySet(models.QuerySet["Resource"]):
    """Questions about resources."""

    def practitioners(self) -> Self:
        return self.filter(kind=ResourceKind.PRACTITIONER)

    def serving(self, site: Site) -> Self:
        """Resources that have ever had hours or an extra opening at the site."""
        return self.filter(Q(hours__site=site) | Q(extra_openings__site=site)).distinct()


@tracked()
class Resource(models.Model):
    """Anything that can be in one place at a time. Several places (a supervisor of four) are numbered from 1."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(_("kind"), max_length=12, choices=ResourceKind.choices)
    name = models.CharField(_("name"), max_length=120, validators=[validate_one_line])
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="resource",
        verbose_name=_("signs in as"),
    )
    places = models.PositiveSmallIntegerField(
        _("places"), default=1, validators=[MinValueValidator(1), MaxValueValidator(50)]
    )
    languages = models.JSONField(_("languages"), default=list, blank=True)
    active_from = models.DateField(_("active from"), null=True, blank=True)
    active_to = models.DateField(_("active to"), null=True, blank=True, help_text=_("last day"))
    capabilities = models.ManyToManyField(Capability, through="ResourceCapability", related_name="resources")

    objects = ResourceQuerySet.as_manager()

    class Meta:
        verbose_name = _("resource")
        verbose_name_plural = _("resources")
        triggers = [ROSTER_CHANGES]
        ordering = ["kind", "name"]
        constraints = [
            models.CheckConstraint(condition=Q(places__gte=1), name="resource_has_a_place"),
            models.CheckConstraint(
                condition=Q(active_from=None) | Q(active_to=None) | Q(active_to__gte=F("active_from")),
                name="resource_is_active_to_a_day_after_it_began",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ResourceCapability(models.Model):
    """That a resource can do something, from and until a day (a licence expires)."""

    resource = models.ForeignKey(Resource, models.CASCADE, related_name="has_capabilities")
    capability = models.ForeignKey(Capability, models.PROTECT, related_name="+")
    from_on = models.DateField(_("from"), null=True, blank=True)
    until_on = models.DateField(_("until"), null=True, blank=True, help_text=_("last day"))

    class Meta:
        verbose_name = _("capability of a resource")
        verbose_name_plural = _("capabilities of resources")
        triggers = [ROSTER_CHANGES]
        constraints = [
            models.UniqueConstraint(
                fields=["resource", "capability", "from_on"],
                nulls_distinct=False,
                name="resource_has_a_capability_from_a_day_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.resource} · {self.capability}"


@tracked()
class Hours(models.Model):
    """Weekly working hours at a site; lunch is the hole between two rows of a day."""

    resource = models.ForeignKey(Resource, models.CASCADE, related_name="hours")
    site = models.ForeignKey(Site, models.PROTECT, related_name="+")
    weekday = models.PositiveSmallIntegerField(_("weekday"), choices=Weekday.choices)
    from_time = models.TimeField(_("from"))
    until_time = models.TimeField(_("until"))
    valid_from = models.DateField(_("valid from"))
    valid_to = models.DateField(_("valid to"), null=True, blank=True, help_text=_("last day"))
    every_weeks = models.PositiveSmallIntegerField(
        _("every … weeks"), default=1, help_text=_("2: alternating weeks, counted from the week of “valid from”")
    )

    class Meta:
        verbose_name = _("working hours")
        verbose_name_plural = _("working hours")
        triggers = [ROSTER_CHANGES]
        ordering = ["resource", "weekday", "from_time"]
        constraints = [
            models.CheckConstraint(condition=Q(until_time__gt=F("from_time")), name="hours_end_after_they_start"),
            models.CheckConstraint(condition=Q(weekday__lte=6), name="hours_are_on_a_day_of_the_week"),
            models.CheckConstraint(
                condition=Q(every_weeks__gte=1) & Q(every_weeks__lte=52), name="hours_repeat_within_a_year"
            ),
            models.CheckConstraint(
                condition=Q(valid_to=None) | Q(valid_to__gte=F("valid_from")),
                name="hours_are_valid_to_a_day_after_they_began",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.resource} · {self.get_weekday_display()} {self.from_time:%H:%M}–{self.until_time:%H:%M}"


@tracked()
class ExtraOpening(models.Model):
    """Time at work outside the weekly hours, on one date."""

    resource = models.ForeignKey(Resource, models.CASCADE, related_name="extra_openings")
    site = models.ForeignKey(Site, models.PROTECT, related_name="+")
    on = models.DateField(_("date"))
    from_time = models.TimeField(_("from"))
    until_time = models.TimeField(_("until"))
    reason = models.CharField(_("reason"), max_length=200, blank=True, validators=[validate_one_line])

    class Meta:
        verbose_name = _("extra opening")
        verbose_name_plural = _("extra openings")
        triggers = [ROSTER_CHANGES]
        ordering = ["on", "from_time"]
        constraints = [
            models.CheckConstraint(
                condition=Q(until_time__gt=F("from_time")), name="extra_opening_ends_after_it_starts"
            )
        ]

    def __str__(self) -> str:
        return f"{self.resource} · {self.on:%Y-%m-%d}"


@tracked(exclude=["reason"])
class Absence(models.Model):
    """Days, or part of days, on which a resource is not there: leave, illness, repair. Both days inclusive."""

    class Kind(models.TextChoices):
        LEAVE = "leave", _("leave")
        ILLNESS = "illness", _("illness")
        TRAINING = "training", _("training")
        REPAIR = "repair", _("out of order")
        OTHER = "other", _("other")

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    resource = models.ForeignKey(Resource, models.CASCADE, related_name="absences")
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices, default=Kind.LEAVE)
    first_on = models.DateField(_("first day"))
    last_on = models.DateField(_("last day"))
    from_time = models.TimeField(_("from"), null=True, blank=True, help_text=_("blank: the whole day"))
    until_time = models.TimeField(_("until"), null=True, blank=True)
    reason = models.CharField(_("note"), max_length=200, blank=True, validators=[validate_one_line])
    recorded_at = models.DateTimeField(_("recorded"))
    recorded_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    cancelled_at = models.DateTimeField(_("taken back"), null=True, blank=True, editable=False)
    cancelled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, editable=False, related_name="+"
    )

    class Meta:
        verbose_name = _("absence")
        verbose_name_plural = _("absences")
        triggers = [ROSTER_CHANGES]
        ordering = ["-first_on"]
        indexes = [models.Index(fields=["resource", "first_on", "last_on"], name="absence_by_resource_and_day")]
        constraints = [
            models.CheckConstraint(
                condition=Q(last_on__gte=F("first_on")), name="absence_ends_on_or_after_its_first_day"
            ),
            models.CheckConstraint(
                condition=Q(from_time=None, until_time=None) | Q(until_time__gt=F("from_time")),
                name="absence_of_part_of_a_day_has_both_times",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.resource} · {self.first_on:%Y-%m-%d} – {self.last_on:%Y-%m-%d}"


@tracked()
class Closure(models.Model):
    """Days, or part of days, on which a whole site is shut. Holidays are computed once and stored."""

    class Source(models.TextChoices):
        HOLIDAY = "holiday", _("public holiday")
        CLINIC = "clinic", _("the clinic's own")

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    site = models.ForeignKey(Site, models.CASCADE, related_name="closures")
    first_on = models.DateField(_("first day"))
    last_on = models.DateField(_("last day"))
    from_time = models.TimeField(_("from"), null=True, blank=True, help_text=_("blank: the whole day"))
    until_time = models.TimeField(_("until"), null=True, blank=True)
    name = models.CharField(_("name"), max_length=120, validators=[validate_one_line])
    source = models.CharField(_("source"), max_length=10, choices=Source.choices, default=Source.CLINIC)
    recorded_at = models.DateTimeField(_("recorded"))
    recorded_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    cancelled_at = models.DateTimeField(_("taken back"), null=True, blank=True, editable=False)
    cancelled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, editable=False, related_name="+"
    )

    class Meta:
        verbose_name = _("closure")
        verbose_name_plural = _("closures")
        triggers = [ROSTER_CHANGES]
        ordering = ["first_on"]
        indexes = [models.Index(fields=["site", "first_on", "last_on"], name="closure_by_site_and_day")]
        constraints = [
            models.CheckConstraint(
                condition=Q(last_on__gte=F("first_on")), name="closure_ends_on_or_after_its_first_day"
            ),
            models.CheckConstraint(
                condition=Q(from_time=None, until_time=None) | Q(until_time__gt=F("from_time")),
                name="closure_of_part_of_a_day_has_both_times",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.site} · {self.name} {self.first_on:%Y-%m-%d}"
