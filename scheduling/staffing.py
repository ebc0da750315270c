"""Who and what there is, what it can do, and when it is there: the only writer of resources, capabilities and hours.

Hours, days or skills may shrink below what is booked: the visits are then looked at again, by a job (`marks`). Only
numbered places that are taken are never taken away.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import combinations
from typing import Any

from django.utils.translation import gettext as _

from clinic import rights
from clinic.acts import act
from clinic.audit import written_by
from clinic.errors import Conflict, Problem, RuleBroken
from clinic.localtime import TimeDoesNotExist, typed_instant
from clinic.models import Site, User
from clinic.wellformed import field_problems, language_problems, tidy, times_problems, too_far_problems, unless_taken

from . import marks
from .models import Capability, ExtraOpening, Hours, Occupancy, Resource, ResourceCapability
from .roster import is_on

ONE_WEEK = timedelta(days=7)
RESOURCE_FIELDS = ("kind", "name", "user", "places", "languages", "active_from", "active_to")


@dataclass(frozen=True, slots=True)
class Grant:
    """That a resource can do something, both days inclusive."""

    code: str
    from_on: date | None = None
    until_on: date | None = None


@dataclass(frozen=True, slots=True)
class ResourceDetails:
    kind: str
    name: str
    user: User | None = None  # signs in as
    places: int = 1
    languages: Sequence[str] = ()
    active_from: date | None = None
    active_to: date | None = None  # last day
    capabilities: Sequence[Grant] = ()


@dataclass(frozen=True, slots=True)
class WeeklyHours:
    """One stretch of a weekday (0: Monday) on the site's clocks, from a day, until a last day or for good."""

    site: Site
    weekday: int
    from_time: time
    until_time: time
    valid_from: date
    valid_to: date | None = None
    every_weeks: int = 1  # counted from the week of `valid_from`


class PlacesInUse(Conflict):
    """A place that would go is taken by a visit to come."""

    code = "places_in_use"


class KindIsFixed(Conflict):
    """What was booked as one kind of thing does not become another."""

    code = "kind_is_fixed"


class UserHasResource(Conflict):
    """A user is one resource only."""

    code = "user_has_a_resource"


class HoursOverlap(RuleBroken):
    """Somebody would be in two places, or twice in one."""

    code = "hours_overlap"


def lock(resource: Resource) -> Resource:
    """Lock and return the resource; its time may shrink, so nobody may book it meanwhile (UPDATE, as absences do)."""
    return Resource.objects.select_for_update(of=("self",)).get(pk=resource.pk)


# --- resources and what they can do ---------------------------------------------------------------------------------


@act
def ensure_capabilities(names: Mapping[str, str]) -> dict[str, Capability]:
    """Add the capabilities that are missing and name all of them so; return them by code."""
    rows = [Capability(code=code, name=tidy(name)) for code, name in sorted(names.items())]
    problems = [one for row in rows for one in field_problems(row, where=f"capabilities.{row.code}")]
    if problems:
        raise RuleBroken(*problems)
    Capability.objects.bulk_create(rows, update_conflicts=True, unique_fields=["code"], update_fields=["name"])
    return {row.code: row for row in Capability.objects.filter(code__in=names)}


@act
def save_resource(
    details: ResourceDetails,
    *,
    by: User | None,
    now: datetime,
    resource: Resource | None = None,
) -> Resource:
    """Add a resource (None), or make one as the details say, capabilities included.

    Raises RuleBroken with all that is malformed (capability_unknown, capability_overlaps, ends_before_it_begins, …),
    PlacesInUse, KindIsFixed or UserHasResource.
    """
    rights.require_somewhere(by, *rights.MANAGING)
    row = lock(resource) if resource else Resource()
    before = (row.kind, row.places)
    days = (row.active_from, row.active_to)
    for name in RESOURCE_FIELDS:
        setattr(row, name, tidy(getattr(details, name)))
    row.languages = list(details.languages)
    known = {
        one.code: one for one in Capability.objects.filter(code__in=[grant.code for grant in details.capabilities])
    }
    problems = [*_resource_problems(row), *_grant_problems(details.capabilities, known)]
    if problems:
        raise RuleBroken(*problems)
    if resource:
        _refuse_what_visits_need(row, *before, now=now)
    taken = UserHasResource(
        Problem("user_has_a_resource", _("This user is another resource already: choose that one."), "user")
    )
    if row.user_id and Resource.objects.filter(user=row.user_id).exclude(pk=row.pk).exists():
        raise taken
    with written_by(by):
        only = None if resource is None else RESOURCE_FIELDS
        unless_taken(
            lambda: row.save(force_insert=only is None, update_fields=only), {"scheduling_resource_user_id_key": taken}
        )
        is_less_able = _write_grants(row, [(known[grant.code], grant) for grant in details.capabilities])
    if is_less_able:
        marks.examine_visits_of(row, reason="skills", now=now)
    elif resource and _is_cut(days, (row.active_from, row.active_to)):
        marks.examine_visits_of(row, reason="no_longer_there", now=now)
    return row


def _is_cut(before: tuple[date | None, date | None], after: tuple[date | None, date | None]) -> bool:
    """Whether the days from and until which somebody is there leave out some that they did not leave out before."""
    return (after[0] or date.min) > (before[0] or date.min) or (after[1] or date.max) < (before[1] or date.max)


def _resource_problems(row: Resource) -> list[Problem]:
    problems = field_problems(row)
    if row.active_from and row.active_to and row.active_to < row.active_from:
        problems.append(_reversed("active_to"))
    for at, code in enumerate(row.languages):
        problems += language_problems(code, f"languages.{at}")
    return problems


def _reversed(where: str) -> Problem:
    return Problem("ends_before_it_begins", _("The last day lies before the first: exchange them."), where)


def _grant_problems(grants: Sequence[Grant], known: Mapping[str, Capability]) -> list[Problem]:
    problems = []
    for at, grant in enumerate(grants):
        where = f"capabilities.{at}"
        if grant.code not in known:
            sentence = _("There is no capability “%(code)s”: choose one, or add it first.")
            problems.append(Problem("capability_unknown", sentence % {"code": grant.code}, where))
        if grant.from_on and grant.until_on and grant.until_on < grant.from_on:
            problems.append(_reversed(f"{where}.until_on"))
        if any(_grants_overlap(grant, other) for other in grants[:at]):
            sentence = _("“%(code)s” is given twice for the same days: take one away.")
            problems.append(Problem("capability_overlaps", sentence % {"code": grant.code}, where))
    return problems


def _grants_overlap(one: Grant, other: Grant) -> bool:
    return (
        one.code == other.code
        and (one.from_on or date.min) <= (other.until_on or date.max)
        and (other.from_on or date.min) <= (one.until_on or date.max)
    )


def _refuse_what_visits_need(row: Resource, kind: str, places: int, *, now: datetime) -> None:
    taken = Occupancy.objects.filter(resource=row)
    if row.kind != kind and taken.exists():
        raise KindIsFixed(
            Problem("kind_is_fixed", _("Visits were booked with it as it is: add a new resource instead."), "kind")
        )
    if row.places < places:
        ahead = taken.filter(released_at=None, place__gt=row.places, during__endswith__gt=now)
        count = ahead.count()
        if count:
            sentence = _("Visits to come need these places (%(count)d): move or cancel them first.")
            raise PlacesInUse(Problem("places_in_use", sentence % {"count": count}, "places"))


def _write_grants(row: Resource, wanted: Sequence[tuple[Capability, Grant]]) -> bool:
    """Delete what is no longer wanted, insert what is new, leave equal rows alone; say whether anything was deleted."""
    keys = {(capability.pk, grant.from_on, grant.until_on) for capability, grant in wanted}
    held = {(one.capability_id, one.from_on, one.until_on): one.pk for one in row.has_capabilities.all()}
    gone = [pk for key, pk in held.items() if key not in keys]
    row.has_capabilities.filter(pk__in=gone).delete()
    ResourceCapability.objects.bulk_create(
        ResourceCapability(resource=row, capability_id=capability, from_on=from_on, until_on=until_on)
        for capability, from_on, until_on in sorted(keys - held.keys(), key=str)
    )
    return bool(gone)


# --- hours ----------------------------------------------------------------------------------------------------------


@act
def set_hours(resource: Resource, rows: Iterable[WeeklyHours], *, by: User | None, now: datetime) -> list[Hours]:
    """Make a resource's weekly hours, at all sites, exactly these; visits outside them get a proposal soon after.

    Raises RuleBroken for malformed rows, HoursOverlap where two of them meet on an actual date. Wall-clock times of two
    sites are compared as if one zone held at both.
    """
    rights.require_somewhere(by, *rights.MANAGING)
    locked = lock(resource)
    wanted = [
        Hours(
            resource=locked,
            site=one.site,
            weekday=one.weekday,
            from_time=one.from_time,
            until_time=one.until_time,
            valid_from=one.valid_from,
            valid_to=one.valid_to,
            every_weeks=one.every_weeks,
        )
        for one in rows
    ]
    problems = [one for at, row in enumerate(wanted) for one in _hours_problems(row, f"hours.{at}")]
    if problems:
        raise RuleBroken(*problems)
    overlapping = _overlap_problems(wanted)
    if overlapping:
        raise HoursOverlap(*overlapping)
    with written_by(by):
        keys = {_hours_key(row) for row in wanted}
        held = {_hours_key(row): row for row in locked.hours.all()}
        gone = [row.pk for key, row in held.items() if key not in keys]
        locked.hours.filter(pk__in=gone).delete()
        Hours.objects.bulk_create(row for row in wanted if _hours_key(row) not in held)
    if gone:
        marks.examine_visits_of(locked, reason="hours", now=now)
    return list(locked.hours.order_by("weekday", "from_time", "valid_from", "pk"))


def _hours_key(row: Hours) -> tuple[Any, ...]:
    return (row.site_id, row.weekday, row.from_time, row.until_time, row.valid_from, row.valid_to, row.every_weeks)


def _hours_problems(row: Hours, where: str) -> list[Problem]:
    problems = field_problems(row, exclude={"resource"}, where=where)
    if problems:
        return problems
    problems += times_problems(row.from_time, row.until_time, where=where)
    problems += too_far_problems(where, valid_from=row.valid_from, valid_to=row.valid_to)
    if row.valid_to and row.valid_to < row.valid_from:
        problems.append(_reversed(f"{where}.valid_to"))
    if not 1 <= row.every_weeks <= 52:
        problems.append(Problem("weeks_out_of_range", _("Choose every 1 to 52 weeks."), f"{where}.every_weeks"))
    return problems


def _overlap_problems(rows: Sequence[Hours]) -> list[Problem]:
    problems = []
    for (_first_at, first), (at, second) in combinations(enumerate(rows), 2):
        on = _first_meeting(first, second)
        if on:
            sentence = _("On %(date)s this meets the hours from %(from)s to %(until)s: change one of them.")
            words = {
                "date": on.isoformat(),
                "from": first.from_time.strftime("%H:%M"),
                "until": first.until_time.strftime("%H:%M"),
            }
            problems.append(Problem("hours_overlap", sentence % words, f"hours.{at}", {"on": on.isoformat()}))
    return problems


def _first_meeting(one: Hours, other: Hours) -> date | None:
    """Return the first date on which both rows hold at the same time of day."""
    if one.weekday != other.weekday or one.from_time >= other.until_time or other.from_time >= one.until_time:
        return None
    on = max(one.valid_from, other.valid_from)
    on += timedelta(days=(one.weekday - on.weekday()) % 7)
    last_on = min(one.valid_to or date.max, other.valid_to or date.max)
    # The pattern of both together repeats after the least common multiple of their weeks.
    for _week in range(math.lcm(one.every_weeks, other.every_weeks)):
        if on > last_on:
            return None
        if is_on(one, on) and is_on(other, on):
            return on
        on += ONE_WEEK
    return None


@act
def add_extra_opening(
    resource: Resource,
    *,
    site: Site,
    on: date,
    from_time: time,
    until_time: time,
    reason: str = "",
    by: User | None,
    now: datetime,
) -> ExtraOpening:
    """Let a resource be there on one date outside its weekly hours; the time is offered to the waiting list.

    Raises RuleBroken for malformed fields and times the clock skips, HoursOverlap where another opening of that date,
    or weekly hours at another site, meet it.
    """
    rights.require_somewhere(by, *rights.MANAGING)
    locked = lock(resource)
    row = ExtraOpening(
        resource=locked, site=site, on=on, from_time=from_time, until_time=until_time, reason=tidy(reason)
    )
    problems = (
        field_problems(row, exclude={"resource"})
        or [*times_problems(row.from_time, row.until_time), *too_far_problems(on=row.on)]
        or _skipped(row)
    )
    if problems:
        raise RuleBroken(*problems)
    _refuse_meeting(row)
    with written_by(by):
        row.save(force_insert=True)
    marks.duty_grew(locked, [site], on, on, from_time=from_time, until_time=until_time, now=now)
    return row


def _skipped(row: ExtraOpening) -> list[Problem]:
    problems = []
    for name in ("from_time", "until_time"):
        try:
            typed_instant(row.on, getattr(row, name), row.site.zone)
        except TimeDoesNotExist as refusal:
            problems += [Problem(one.code, one.message, name) for one in refusal.problems]
    return problems


def _refuse_meeting(row: ExtraOpening) -> None:
    others = [(one.from_time, one.until_time) for one in row.resource.extra_openings.filter(on=row.on)]
    others += [
        (one.from_time, one.until_time) for one in row.resource.hours.exclude(site=row.site) if is_on(one, row.on)
    ]
    if any(row.from_time < until_time and from_time < row.until_time for from_time, until_time in others):
        sentence = _("It is somewhere else, or there already, during this time: choose another time.")
        raise HoursOverlap(Problem("hours_overlap", sentence, "from_time"))


@act
def remove_extra_opening(opening: ExtraOpening, *, by: User | None, now: datetime) -> None:
    """Take an extra opening back; again is no change. Visits in it get a proposal soon after."""
    rights.require_somewhere(by, *rights.MANAGING)
    locked = lock(opening.resource)
    with written_by(by):
        deleted, _rows = locked.extra_openings.filter(pk=opening.pk).delete()
    if deleted:
        marks.examine_visits_of(locked, reason="hours", now=now)
