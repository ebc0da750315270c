"""Days and time at a site between two dates, in which the planner searches."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime

from django.db.models import Exists, OuterRef, Prefetch, Q

from clinic.models import Site
from patients.models import Patient
from scheduling.models import Closure, Course, ExtraOpening, Resource, ResourceCapability
from scheduling.planner import facts

from .busy import busy_of_patient, busy_of_resources
from .days import days_between
from .duty import hours_between, on_duty
from .protocols import protocol_facts


def load(
    course: Course, first_on: date, last_on: date, *, now: datetime, moving: Collection[Course] = ()
) -> facts.Roster:
    """Return the site's days and the time of every resource that the course's protocol could use, both dates inclusive.

    Takes the same number of statements whatever the span and however many resources. The course's own live appointments
    are left out, as are those of the courses that are `moving` together with it.
    """
    needed = {
        need.capability
        for step in protocol_facts(course.version).steps
        for phase in step.phases
        for need in phase.needs
    }
    return load_site(course.site, needed, first_on, last_on, now=now, patient=course.patient, without={course, *moving})


def load_site(
    site: Site,
    capabilities: set[str],
    first_on: date,
    last_on: date,
    *,
    now: datetime,
    patient: Patient | None = None,
    without: Collection[Course] = (),
) -> facts.Roster:
    """Return days and time at a site for the resources with one of the capabilities; see `load`.

    Who serves the site but is away on all of these dates is there, without time: a refusal can call them by name. The
    live appointments of the courses `without` are left out: the planner knows them from those courses' facts.
    """
    closures = _closures(site, first_on, last_on)
    days = days_between(site, first_on, last_on, closures)
    resources = list(
        Resource.objects.filter(has_capabilities__capability__code__in=capabilities)
        .filter(
            Exists(hours_between(site, first_on, last_on).filter(resource=OuterRef("pk")))
            | Exists(ExtraOpening.objects.filter(site=site, resource=OuterRef("pk"), on__range=(first_on, last_on)))
        )
        .filter(Q(active_from=None) | Q(active_from__lte=last_on), Q(active_to=None) | Q(active_to__gte=first_on))
        .prefetch_related(
            Prefetch("has_capabilities", ResourceCapability.objects.select_related("capability"), to_attr="able")
        )
        .distinct()
        .order_by("uid")
    )
    return facts.Roster(
        site=site.uid,
        days=days,
        resources=tuple(_resource(resource) for resource in resources),
        on_duty=on_duty(site, resources, days, closures),
        busy=busy_of_resources(resources, days, without, now),
        patient_busy=busy_of_patient(patient, days, without) if patient else {},
        grid_minutes=site.grid_minutes,
        not_before=now.astimezone(UTC),
        shortest_useful_minutes=site.shortest_visit_minutes,
    )


def _resource(resource: Resource) -> facts.ResourceFacts:
    able: Sequence[ResourceCapability] = resource.able  # type: ignore[attr-defined]  # to_attr of load_site
    return facts.ResourceFacts(
        id=resource.uid,
        kind=resource.kind,
        name=resource.name,
        capabilities=tuple(
            facts.CapabilityFacts(one.capability.code, one.from_on, one.until_on)
            for one in sorted(able, key=lambda one: (one.capability.code, one.pk))
        ),
        places=resource.places,
        languages=frozenset(resource.languages),
    )


def _closures(site: Site, first_on: date, last_on: date) -> list[Closure]:
    return list(Closure.objects.filter(site=site, cancelled_at=None, first_on__lte=last_on, last_on__gte=first_on))
