"""Days and time at a site between two dates, in which the planner searches."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from uuid import UUID

from clinic.models import Site
from scheduling.models import Course
from scheduling.planner import facts

from .busy import there_and_busy, there_and_busy_of_slots
from .days import dates
from .protocols import protocol_facts
from .there import Asked


def load(
    course: Course,
    first_on: date,
    last_on: date,
    *,
    now: datetime,
    moving: Collection[Course] = (),
    horizon_on: date | None = None,
    check: Sequence[facts.Slot] | None = None,
) -> facts.Roster:
    """Return the site's days and the time of every resource that the course's protocol could use, both dates inclusive.

    Takes one statement whatever the span and however many resources, two when it is others now who are there. The
    course's own live appointments are left out, as are those of the courses that are `moving` together with it. What is
    taken comes from the busy map: for a search, not for a refusal. With a horizon the resources are those that are
    there until then: for a search that can leave out the dates at its end.

    With slots to `check` it is for a refusal: what is taken is read from the occupancies themselves, and is known only
    for what the slots use, on their dates.
    """
    return load_site(
        course.site,
        _needed([course]),
        first_on,
        last_on,
        now=now,
        patient=course.patient_id,
        without={course, *moving},
        check=check,
        horizon_on=horizon_on,
    )


def load_together(
    courses: Collection[Course],
    site: Site,
    first_on: date,
    last_on: date,
    *,
    now: datetime,
    check: Sequence[facts.Slot] | None = None,
) -> facts.Roster:
    """Return what `load` does for several courses of a site at once, without the live appointments of any of them.

    No patient is busy in it: that differs from course to course (`patients_busy`).
    """
    return load_site(site, _needed(courses), first_on, last_on, now=now, without=courses, check=check)


def load_site(
    site: Site,
    capabilities: Collection[str],
    first_on: date,
    last_on: date,
    *,
    now: datetime,
    patient: int | None = None,
    without: Collection[Course] = (),
    check: Sequence[facts.Slot] | None = None,
    horizon_on: date | None = None,
) -> facts.Roster:
    """Return days and time at a site for the resources with one of the capabilities; see `load`.

    A site that is given up is closed on all of them. Who serves the site but is away on all of these dates is there,
    without time: a refusal can call them by name. The
    live appointments of the courses `without` are left out: the planner knows them from those courses' facts.
    """
    last_day = horizon_on or last_on
    asked = Asked(site.pk, site.zone, frozenset(capabilities), first_on, last_day, is_given_up=not site.is_active)
    busy: Mapping[tuple[UUID, date], tuple[int, ...]]
    if check is None:
        there, busy, patient_busy = there_and_busy(asked, last_on, patient, without, now)
    else:
        there, busy, patient_busy = there_and_busy_of_slots(asked, check, patient, without, now)
    return facts.Roster(
        site=site.uid,
        days=there.days if horizon_on is None else {on: there.days[on] for on in dates(first_on, last_on)},
        resources=there.resources,
        on_duty=there.on_duty,
        busy=busy,
        patient_busy=patient_busy,
        grid_minutes=site.grid_minutes,
        not_before=now.astimezone(UTC),
        shortest_useful_minutes=site.shortest_visit_minutes,
        horizon_on=horizon_on,
    )


def _needed(courses: Iterable[Course]) -> set[str]:
    """Return every capability that the courses' protocols ask for."""
    protocols = {course.version_id: protocol_facts(course.version) for course in courses}
    phases = [phase for protocol in protocols.values() for step in protocol.steps for phase in step.phases]
    return {need.capability for phase in phases for need in phase.needs}
