"""The writer of occupancies and of the busy map, which follows them in the same transaction.

The weeks of the map that are touched are locked, all in one order, and only then read anew from the occupancies:
whoever writes beside us waits, and nothing of what they wrote is lost. Primitives: the acts call these inside their own
transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet

from scheduling import roster
from scheduling.models import Occupancy, Resource

Week = tuple[int, int, int]  # resource, place, week
A_WEEK = timedelta(weeks=1)


def occupy(taken: Sequence[Occupancy], *, now: datetime, instead_of: QuerySet[Occupancy] | None = None) -> None:
    """Take places, and release others in the same go. The act holds the locks of the resources that are taken."""
    released = set() if instead_of is None else _released(instead_of, now=now)
    Occupancy.objects.bulk_create(taken)
    _refresh(released | _weeks_of(taken))


def release(standing: QuerySet[Occupancy], *, now: datetime) -> None:
    """Release places."""
    _refresh(_released(standing, now=now))


def lock_weeks(taken: Sequence[Occupancy], given_back: QuerySet[Occupancy]) -> None:
    """Lock at once, in the one order, what several calls of `occupy` and `release` in this transaction will touch."""
    wanted = sorted(_weeks_of(taken) | _weeks_of(given_back.filter(released_at=None)))
    if wanted:
        with connection.cursor() as cursor:
            cursor.execute(LOCK, _asked(wanted))


def _released(standing: QuerySet[Occupancy], *, now: datetime) -> set[Week]:
    """Release places, and return the weeks that they lie in."""
    rows = list(standing.filter(released_at=None))
    if rows:
        Occupancy.objects.filter(pk__in=[row.pk for row in rows], released_at=None).update(released_at=now)
    return _weeks_of(rows)


def _weeks_of(rows: Iterable[Occupancy]) -> set[Week]:
    return {
        (row.resource_id, row.place, week)
        for row in rows
        for week in roster.weeks_between(row.during.lower, row.during.upper)
    }


# Nothing changes, but each row is there and locked afterwards, in the order in which they are listed.
LOCK = """
    INSERT INTO scheduling_busyweek AS kept (resource_id, place, week, minutes)
    SELECT resource, place, week, ''::bytea
    FROM unnest(%(resources)s::bigint[], %(places)s::int[], %(weeks)s::int[]) AS touched (resource, place, week)
    ORDER BY resource, place, week
    ON CONFLICT (resource_id, week, place) DO UPDATE SET minutes = kept.minutes
"""
# LATERAL, because `resource = ANY(...)` cannot use the first column of the exclusion constraint's GiST index.
STANDING = """
    SELECT wanted.number, string_agg(range_send(o.during), ''::bytea)
    FROM unnest(%(resources)s::bigint[], %(places)s::int[], %(begins)s::timestamptz[], %(ends)s::timestamptz[])
        WITH ORDINALITY AS wanted (resource, place, begins_at, ends_at, number)
    CROSS JOIN LATERAL (
        SELECT during FROM scheduling_occupancy
        WHERE resource_id = wanted.resource AND place = wanted.place AND released_at IS NULL
          AND during && tstzrange(wanted.begins_at, wanted.ends_at)
        OFFSET 0
    ) o
    GROUP BY 1
"""
WRITE = """
    UPDATE scheduling_busyweek kept SET minutes = fresh.minutes
    FROM unnest(%(resources)s::bigint[], %(places)s::int[], %(weeks)s::int[], %(minutes)s::bytea[])
        AS fresh (resource, place, week, minutes)
    WHERE kept.resource_id = fresh.resource AND kept.place = fresh.place AND kept.week = fresh.week
"""


def _refresh(touched: Collection[Week]) -> None:
    """Write these weeks anew, from the occupancies that stand once nobody else is writing them."""
    if not touched:
        return
    wanted = sorted(touched)
    starts = [roster.week_starts_at(week) for _, _, week in wanted]
    asked = _asked(wanted) | {"begins": starts, "ends": [start + A_WEEK for start in starts]}
    with connection.cursor() as cursor:
        cursor.execute(LOCK, asked)
        cursor.execute(STANDING, asked)
        standing = {number: roster.spans_of(spans) for number, spans in cursor.fetchall()}
        minutes = [roster.packed(week, standing.get(number, ())) for number, (_, _, week) in enumerate(wanted, start=1)]
        cursor.execute(WRITE, asked | {"minutes": minutes})


def _asked(wanted: Sequence[Week]) -> dict[str, Any]:
    return {
        "resources": [resource for resource, _, _ in wanted],
        "places": [place for _, place, _ in wanted],
        "weeks": [week for _, _, week in wanted],
    }


# --- what an operator asks for ----------------------------------------------------------------------------------------

# One statement sees one moment: nobody books between the two halves of the comparison.
BOTH = """
    SELECT false, place, NULL, string_agg(range_send(during), ''::bytea)
    FROM scheduling_occupancy
    WHERE resource_id = %(resource)s AND released_at IS NULL
    GROUP BY place
  UNION ALL
    SELECT true, place, week, minutes
    FROM scheduling_busyweek
    WHERE resource_id = %(resource)s
"""


@dataclass(frozen=True, slots=True)
class Difference:
    """A week of a place whose row in the busy map is not what its occupancies say."""

    resource: Resource
    place: int
    week: int

    def __str__(self) -> str:
        on = roster.week_starts_at(self.week).date()
        return f"{self.resource.name}, place {self.place}, week of {on.isoformat()}"


def differences() -> list[Difference]:
    """Compare the busy map with the occupancies, resource by resource; there should be nothing to find."""
    return [
        Difference(resource, place, week)
        for resource in Resource.objects.order_by("pk")
        for place, week in _wrong_weeks(resource)
    ]


def rebuild(resources: QuerySet[Resource] | None = None) -> int:
    """Write what is wrong in the busy map anew, one resource (of these; None: of all) after the other.

    Return how many weeks that were.
    """
    found = 0
    for resource in (Resource.objects.all() if resources is None else resources).order_by("pk"):
        wrong = _wrong_weeks(resource)
        with transaction.atomic():
            _refresh([(resource.pk, place, week) for place, week in wrong])
        found += len(wrong)
    return found


def _wrong_weeks(resource: Resource) -> list[tuple[int, int]]:
    """Return places and weeks of a resource that are not what its occupancies say. No row means: nothing is taken."""
    spans: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    kept: dict[tuple[int, int], bytes] = {}
    with connection.cursor() as cursor:
        cursor.execute(BOTH, {"resource": resource.pk})
        for is_kept, place, week, minutes in cursor.fetchall():
            if is_kept:
                kept[place, week] = bytes(minutes)
                continue
            for first, until in roster.spans_of(minutes):
                for touched in range(roster.week_of(first), roster.week_of(until - 1) + 1):
                    spans[place, touched].append((first, until))
    expected = {(place, week): roster.packed(week, found) for (place, week), found in spans.items()}
    return sorted(key for key in expected.keys() | kept.keys() if expected.get(key, b"") != kept.get(key, b""))
