"""Days and time at a site between two dates, in which the planner searches."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID

from clinic.models import Site
from patients.models import Patient
from scheduling.models import Course
from scheduling.planner import facts

from .asking import ask
from .busy import busy_in_map, busy_of_slots
from .days import Lost, day_or_none, days_between
from .duty import HoursRow, Opening, Worker, on_duty
from .protocols import protocol_facts


def load(
    course: Course, first_on: date, last_on: date, *, now: datetime, moving: Collection[Course] = ()
) -> facts.Roster:
    """Return the site's days and the time of every resource that the course's protocol could use, both dates inclusive.

    Takes two statements whatever the span and however many resources. The course's own live appointments are left out,
    as are those of the courses that are `moving` together with it. What is taken comes from the busy map: for a
    search, not for a refusal.
    """
    return load_site(
        course.site,
        _needed([course]),
        first_on,
        last_on,
        now=now,
        patient=course.patient,
        without={course, *moving},
    )


def load_to_check(
    course: Course,
    slots: Sequence[facts.Slot],
    first_on: date,
    last_on: date,
    *,
    now: datetime,
    moving: Collection[Course] = (),
) -> facts.Roster:
    """Return the same as `load`, with the time that is taken from the occupancies themselves: for a refusal.

    Only of what the slots use, on their dates, is known what is taken.
    """
    return load_site(
        course.site,
        _needed([course]),
        first_on,
        last_on,
        now=now,
        patient=course.patient,
        without={course, *moving},
        check=slots,
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

    With slots to `check`, what `load_to_check` does. No patient is busy in it: that differs from course to course
    (`patients_busy`).
    """
    return load_site(site, _needed(courses), first_on, last_on, now=now, without=courses, check=check)


def load_site(
    site: Site,
    capabilities: Collection[str],
    first_on: date,
    last_on: date,
    *,
    now: datetime,
    patient: Patient | None = None,
    without: Collection[Course] = (),
    check: Sequence[facts.Slot] | None = None,
) -> facts.Roster:
    """Return days and time at a site for the resources with one of the capabilities; see `load`, `load_to_check`.

    Who serves the site but is away on all of these dates is there, without time: a refusal can call them by name. The
    live appointments of the courses `without` are left out: the planner knows them from those courses' facts.
    """
    closures, workers = _there(site, capabilities, first_on, last_on)
    days = days_between(site.zone, first_on, last_on, closures)
    busy: Mapping[tuple[UUID, date], tuple[int, ...]]
    if check is None:
        busy, patient_busy = busy_in_map(workers, days, patient, without, now)
    else:
        busy, patient_busy = busy_of_slots(check, workers, days, patient, without, now)
    return facts.Roster(
        site=site.uid,
        days=days,
        resources=tuple(worker.resource for worker in workers),
        on_duty=on_duty(workers, days, closures, site.zone),
        busy=busy,
        patient_busy=patient_busy,
        grid_minutes=site.grid_minutes,
        not_before=now.astimezone(UTC),
        shortest_useful_minutes=site.shortest_visit_minutes,
    )


def _needed(courses: Iterable[Course]) -> set[str]:
    """Return every capability that the courses' protocols ask for."""
    protocols = {course.version_id: protocol_facts(course.version) for course in courses}
    phases = [phase for protocol in protocols.values() for step in protocol.steps for phase in step.phases]
    return {need.capability for phase in phases for need in phase.needs}


# All that says who is there and when, in one answer: closures of the site, and its resources, each with what it can do.
THERE = """
SELECT
    (SELECT json_agg(json_build_array(first_on, last_on, from_time, until_time, name) ORDER BY first_on, id)
     FROM scheduling_closure
     WHERE site_id = %(site)s AND cancelled_at IS NULL AND first_on <= %(last_on)s AND last_on >= %(first_on)s),
    (SELECT json_agg(json_build_object(
        'pk', r.id, 'uid', r.uid, 'kind', r.kind, 'name', r.name, 'places', r.places, 'languages', r.languages,
        'active_from', r.active_from, 'active_to', r.active_to,
        'able', (
            SELECT json_agg(json_build_array(c.code, h.from_on, h.until_on) ORDER BY c.code COLLATE "C", h.id)
            FROM scheduling_resourcecapability h JOIN scheduling_capability c ON c.id = h.capability_id
            WHERE h.resource_id = r.id),
        'hours', (
            SELECT json_agg(json_build_array(weekday, from_time, until_time, valid_from, valid_to, every_weeks))
            FROM scheduling_hours
            WHERE resource_id = r.id AND site_id = %(site)s
              AND valid_from <= %(last_on)s AND (valid_to IS NULL OR valid_to >= %(first_on)s)),
        'openings', (
            SELECT json_agg(json_build_array("on", from_time, until_time))
            FROM scheduling_extraopening
            WHERE resource_id = r.id AND site_id = %(site)s AND "on" BETWEEN %(first_on)s AND %(last_on)s),
        'absences', (
            SELECT json_agg(json_build_array(first_on, last_on, from_time, until_time))
            FROM scheduling_absence
            WHERE resource_id = r.id AND cancelled_at IS NULL
              AND first_on <= %(last_on)s AND last_on >= %(first_on)s)
        ) ORDER BY r.uid)
     FROM scheduling_resource r
     WHERE (r.active_from IS NULL OR r.active_from <= %(last_on)s)
       AND (r.active_to IS NULL OR r.active_to >= %(first_on)s)
       AND r.id IN (
            SELECT h.resource_id
            FROM scheduling_resourcecapability h JOIN scheduling_capability c ON c.id = h.capability_id
            WHERE c.code = ANY (%(capabilities)s::text[]))
       AND (EXISTS (
                SELECT FROM scheduling_hours
                WHERE resource_id = r.id AND site_id = %(site)s
                  AND valid_from <= %(last_on)s AND (valid_to IS NULL OR valid_to >= %(first_on)s))
            OR EXISTS (
                SELECT FROM scheduling_extraopening
                WHERE resource_id = r.id AND site_id = %(site)s AND "on" BETWEEN %(first_on)s AND %(last_on)s)))
"""


def _there(site: Site, capabilities: Collection[str], first_on: date, last_on: date) -> tuple[list[Lost], list[Worker]]:
    """Return what shuts the site, and the resources that could be used there, by id."""
    asked: dict[str, Any] = {
        "site": site.pk,
        "capabilities": list(capabilities),
        "first_on": first_on,
        "last_on": last_on,
    }
    ((closures, resources),) = ask(THERE, asked)
    return [_lost(*row) for row in closures or ()], [_worker(row) for row in resources or ()]


def _worker(row: dict[str, Any]) -> Worker:
    return Worker(
        pk=row["pk"],
        resource=facts.ResourceFacts(
            id=UUID(row["uid"]),
            kind=row["kind"],
            name=row["name"],
            capabilities=tuple(
                facts.CapabilityFacts(code, day_or_none(from_on), day_or_none(until_on))
                for code, from_on, until_on in row["able"]
            ),
            places=row["places"],
            languages=frozenset(row["languages"]),
        ),
        active_from=day_or_none(row["active_from"]),
        active_to=day_or_none(row["active_to"]),
        hours=[
            HoursRow(
                weekday,
                time.fromisoformat(from_time),
                time.fromisoformat(until_time),
                date.fromisoformat(valid_from),
                day_or_none(valid_to),
                every_weeks,
            )
            for weekday, from_time, until_time, valid_from, valid_to, every_weeks in row["hours"] or ()
        ],
        openings=[
            Opening(date.fromisoformat(on), time.fromisoformat(from_time), time.fromisoformat(until_time))
            for on, from_time, until_time in row["openings"] or ()
        ],
        absences=[_lost(*lost) for lost in row["absences"] or ()],
    )


def _lost(first_on: str, last_on: str, from_time: str | None, until_time: str | None, name: str = "") -> Lost:
    return Lost(date.fromisoformat(first_on), date.fromisoformat(last_on), _time(from_time), _time(until_time), name)


def _time(text: str | None) -> time | None:
    return None if text is None else time.fromisoformat(text)
