"""When people, rooms and devices are on duty: hours and extra openings, less absences and closures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date
from uuid import UUID

from django.db.models import Q, QuerySet

from clinic.models import Site
from scheduling.models import Absence, Closure, ExtraOpening, Hours, Resource
from scheduling.planner import facts

from .days import ByDate, part_of_day, span


def on_duty(
    site: Site, resources: list[Resource], days: dict[date, facts.Day], closures: Iterable[Closure]
) -> Mapping[tuple[UUID, date], int]:
    """Return ticks on duty per resource and date: hours and extra openings, less absences and closures."""
    first_on, last_on = min(days), max(days)
    uids = {resource.pk: resource.uid for resource in resources}
    staff = {resource.uid: resource for resource in resources}
    weekly: dict[tuple[UUID, int], list[Hours]] = defaultdict(list)
    for hours in hours_between(site, first_on, last_on).filter(resource__in=uids):
        weekly[uids[hours.resource_id], hours.weekday].append(hours)
    extra: dict[tuple[UUID, date], list[ExtraOpening]] = defaultdict(list)
    for opening in ExtraOpening.objects.filter(site=site, resource__in=uids, on__range=(first_on, last_on)):
        extra[uids[opening.resource_id], opening.on].append(opening)
    lost: dict[UUID, list[Absence | Closure]] = {uid: list(closures) for uid in staff}
    for absence in Absence.objects.filter(
        resource__in=uids, cancelled_at=None, first_on__lte=last_on, last_on__gte=first_on
    ):
        lost[uids[absence.resource_id]].append(absence)

    def ticks_on_duty(uid: UUID, on: date) -> int:
        duty, day = 0, days.get(on)
        if day is None or day.closed or uid not in staff or not _is_employed(staff[uid], on):
            return 0
        for hours in weekly.get((uid, on.weekday()), ()):
            if is_on(hours, on):
                duty |= span(day, hours.from_time, hours.until_time, site.zone)
        for opening in extra.get((uid, on), ()):
            duty |= span(day, opening.from_time, opening.until_time, site.zone)
        for away in lost[uid]:
            if away.first_on <= on <= away.last_on:
                duty &= ~part_of_day(day, away.from_time, away.until_time, site.zone)
        return duty

    return ByDate(resources, days, ticks_on_duty)


def hours_between(site: Site, first_on: date, last_on: date) -> QuerySet[Hours]:
    """Return the weekly hours at a site that hold on some of the dates."""
    return Hours.objects.filter(Q(valid_to=None) | Q(valid_to__gte=first_on), site=site, valid_from__lte=last_on)


def is_on(hours: Hours, on: date) -> bool:
    """Whether weekly hours hold on a date: its weekday, inside their validity, in one of their weeks."""
    if on.weekday() != hours.weekday or on < hours.valid_from or (hours.valid_to is not None and on > hours.valid_to):
        return False
    return (_week(on) - _week(hours.valid_from)) % hours.every_weeks == 0


def _week(on: date) -> int:
    """Return the number of the date's week, Monday first."""
    return (on.toordinal() - 1) // 7


def _is_employed(resource: Resource, on: date) -> bool:
    return (resource.active_from is None or resource.active_from <= on) and (
        resource.active_to is None or on <= resource.active_to
    )
