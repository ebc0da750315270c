"""Who and what is there: the days of a site, its people, rooms and devices, and when they are on duty."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from functools import lru_cache
from typing import Any
from uuid import UUID

from clinic.models import Site
from scheduling.planner import facts
from scheduling.planner.timetable import TimeTable

from .asking import ask
from .days import Lost, day_or_none, days_between
from .duty import HoursRow, Opening, Worker, on_duty

# All that says who is there and when, in one answer: closures of the site, and its resources, each with what it can do.
THERE = """
SELECT json_build_array(
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
)::text
"""


@dataclass(frozen=True, slots=True)
class There:
    """A site between two dates, for those resources that have one of some capabilities. Nobody changes it."""

    days: Mapping[date, facts.Day]
    workers: Sequence[Worker]
    resources: tuple[facts.ResourceFacts, ...]
    on_duty: TimeTable


def who_is_there(site: Site, capabilities: Collection[str], first_on: date, last_on: date) -> There:
    """Return what is there from one date to another, both inclusive; the resources by id.

    It is asked for each time, by one statement. Most answers are like the one before: facts are made of each once.
    """
    asked: dict[str, Any] = {
        "site": site.pk,
        "capabilities": list(capabilities),
        "first_on": first_on,
        "last_on": last_on,
    }
    ((found,),) = ask(THERE, asked)
    return _there(found, site.zone, first_on, last_on)


@lru_cache(maxsize=8)  # a year of fifty people and rooms takes a few million bytes
def _there(found: str, zone: str, first_on: date, last_on: date) -> There:
    closed, able = json.loads(found)
    closures, workers = [_lost(*row) for row in closed or ()], [_worker(row) for row in able or ()]
    days = days_between(zone, first_on, last_on, closures)
    return There(days, workers, tuple(worker.resource for worker in workers), on_duty(workers, days, closures, zone))


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
