"""Who and what is there: the days of a site, its people, rooms and devices, and when they are on duty."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from threading import Lock
from typing import Any
from uuid import UUID

from django.utils.translation import gettext_lazy

from scheduling.planner import facts
from scheduling.planner.timetable import TimeTable

from .asking import ask
from .days import Lost, day_or_none, days_between
from .duty import HoursRow, Opening, Worker, on_duty

# What lies between two dates, of a site and of each resource.
CLOSURES = "site_id = %(site)s AND cancelled_at IS NULL AND first_on <= %(last_on)s AND last_on >= %(first_on)s"
HOURS = "site_id = %(site)s AND valid_from <= %(last_on)s AND (valid_to IS NULL OR valid_to >= %(first_on)s)"
OPENINGS = 'site_id = %(site)s AND "on" BETWEEN %(first_on)s AND %(last_on)s'
ABSENCES = "cancelled_at IS NULL AND first_on <= %(last_on)s AND last_on >= %(first_on)s"
ABLE = f"""
    SELECT r.id
    FROM scheduling_resource r
    WHERE (r.active_from IS NULL OR r.active_from <= %(last_on)s)
      AND (r.active_to IS NULL OR r.active_to >= %(first_on)s)
      AND r.id IN (
            SELECT h.resource_id
            FROM scheduling_resourcecapability h JOIN scheduling_capability c ON c.id = h.capability_id
            WHERE c.code = ANY (%(capabilities)s::text[]))
      AND (EXISTS (SELECT FROM scheduling_hours WHERE resource_id = r.id AND {HOURS})
           OR EXISTS (SELECT FROM scheduling_extraopening WHERE resource_id = r.id AND {OPENINGS}))
"""  # noqa: S608  (put together from statements of our own)
# Other tokens when any row is another of the tables that say who is there.
STATE = "SELECT string_agg(token::text, ' ' ORDER BY id) FROM scheduling_rosterstate"
# Closures of the site, and of the resources that are `able` what they can do, their hours and absences, in one answer.
THERE = f"""
    SELECT json_build_array(
    (SELECT json_agg(json_build_array(first_on, last_on, from_time, until_time, name) ORDER BY first_on, id)
     FROM scheduling_closure WHERE {CLOSURES}),
    (SELECT json_agg(json_build_object(
        'pk', r.id, 'uid', r.uid, 'kind', r.kind, 'name', r.name, 'places', r.places, 'languages', r.languages,
        'active_from', r.active_from, 'active_to', r.active_to,
        'able', (
            SELECT json_agg(json_build_array(c.code, h.from_on, h.until_on) ORDER BY c.code COLLATE "C", h.id)
            FROM scheduling_resourcecapability h JOIN scheduling_capability c ON c.id = h.capability_id
            WHERE h.resource_id = r.id),
        'hours', (
            SELECT json_agg(json_build_array(weekday, from_time, until_time, valid_from, valid_to, every_weeks))
            FROM scheduling_hours WHERE resource_id = r.id AND {HOURS}),
        'openings', (
            SELECT json_agg(json_build_array("on", from_time, until_time))
            FROM scheduling_extraopening WHERE resource_id = r.id AND {OPENINGS}),
        'absences', (
            SELECT json_agg(json_build_array(first_on, last_on, from_time, until_time))
            FROM scheduling_absence WHERE resource_id = r.id AND {ABSENCES})
        ) ORDER BY r.uid)
     FROM scheduling_resource r WHERE id IN (SELECT id FROM able)))
"""  # noqa: S608
WHO_IS_THERE = f"SELECT * FROM (WITH able AS MATERIALIZED ({ABLE}) SELECT ({STATE}), ({THERE})) found"  # noqa: S608
GIVEN_UP = gettext_lazy("it is given up")  # ends the sentence that a site is closed
MOST_KNOWN = 16  # a year of fifty people and rooms takes a few million bytes


@dataclass(frozen=True, slots=True)
class Asked:
    """A site between two dates, both inclusive, and the capabilities that are needed there."""

    site: int  # primary key
    zone: str
    capabilities: frozenset[str]
    first_on: date
    last_on: date
    is_given_up: bool = False  # then it is closed on all of these dates

    def parameters(self) -> dict[str, Any]:
        return {
            "site": self.site,
            "capabilities": sorted(self.capabilities),
            "first_on": self.first_on,
            "last_on": self.last_on,
        }


@dataclass(frozen=True, slots=True)
class There:
    """Who and what is there; the resources by id. Nobody changes it: it is kept for when it is asked for again."""

    state: str  # of the tables it was read from; empty when nothing was ever written there
    days: Mapping[date, facts.Day]
    workers: Sequence[Worker]
    resources: tuple[facts.ResourceFacts, ...]
    on_duty: TimeTable


def last_known(asked: Asked) -> There | None:
    """Return what was there when it was last read, if that is kept: it is still so where STATE is the same."""
    with _lock:
        found = _known.get(asked)
        if found is not None:
            _known.move_to_end(asked)
    return found


def who_is_there(asked: Asked, state: str) -> There:
    """Return what is there: what is known of it, when that was found in this state, else by one statement."""
    there = last_known(asked)
    if there is None or there.state != state:
        ((read_in, found),) = ask(WHO_IS_THERE, asked.parameters())
        there = remember(asked, read_in, found)
    return there


def remember(asked: Asked, state: str | None, found: Any) -> There:
    """Return what is there from what THERE found in a state, and keep it."""
    closed, able = found
    closures, workers = [_lost(*row) for row in closed or ()], [_worker(row) for row in able or ()]
    if asked.is_given_up:
        closures.append(Lost(asked.first_on, asked.last_on, None, None, str(GIVEN_UP)))
    days = days_between(asked.zone, asked.first_on, asked.last_on, closures)
    there = There(
        state=state or "",
        days=days,
        workers=workers,
        resources=tuple(worker.resource for worker in workers),
        on_duty=on_duty(workers, days, closures, asked.zone),
    )
    with _lock:
        _known[asked] = there
        _known.move_to_end(asked)
        while len(_known) > MOST_KNOWN:
            _known.popitem(last=False)
    return there


def forget() -> None:
    """Forget what is known: whoever asks next is told anew."""
    with _lock:
        _known.clear()


_known: OrderedDict[Asked, There] = OrderedDict()  # those asked for last are last
_lock = Lock()  # requests are served by several threads


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
