"""The writer of occupancies and of the busy map, which follows them in the same transaction.

The periods of the map that are touched are locked, all in one order, and only then read anew from the occupancies:
whoever writes beside us waits, and nothing of what they wrote is lost. Primitives: the acts call these inside their own
transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet

from scheduling import roster
from scheduling.models import Occupancy, Resource

Period = tuple[int, int, int]  # resource, place, period


def occupy(taken: Sequence[Occupancy], *, now: datetime, instead_of: QuerySet[Occupancy] | None = None) -> None:
    """Take places, and release others in the same go. The act holds the locks of the resources that are taken."""
    released = set() if instead_of is None else _released(instead_of, now=now)
    Occupancy.objects.bulk_create(taken)
    _refresh(released | _periods_of(taken))


def release(standing: QuerySet[Occupancy], *, now: datetime) -> None:
    """Release places."""
    _refresh(_released(standing, now=now))


def lock_periods(taken: Sequence[Occupancy], given_back: QuerySet[Occupancy]) -> None:
    """Lock at once, in the one order, what several calls of `occupy` and `release` in this transaction will touch."""
    wanted = sorted(_periods_of(taken) | _periods_of(given_back.filter(released_at=None)))
    if wanted:
        with connection.cursor() as cursor:
            cursor.execute(LOCK, _asked(wanted))


def _released(standing: QuerySet[Occupancy], *, now: datetime) -> set[Period]:
    """Release places, and return the periods that they lie in."""
    rows = list(standing.filter(released_at=None))
    if rows:
        Occupancy.objects.filter(pk__in=[row.pk for row in rows], released_at=None).update(released_at=now)
    return _periods_of(rows)


def _periods_of(rows: Iterable[Occupancy]) -> set[Period]:
    return {
        (row.resource_id, row.place, period)
        for row in rows
        for period in roster.periods_between(row.during.lower, row.during.upper)
    }


# Nothing changes, but each row is there and locked afterwards, in the order in which they are listed.
LOCK = """
    INSERT INTO scheduling_busyperiod AS kept (resource_id, place, period, minutes)
    SELECT resource, place, period, ''::bytea
    FROM unnest(%(resources)s::bigint[], %(places)s::int[], %(periods)s::int[]) AS touched (resource, place, period)
    ORDER BY resource, place, period
    ON CONFLICT (resource_id, period, place) DO UPDATE SET minutes = kept.minutes
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
    UPDATE scheduling_busyperiod kept SET minutes = fresh.minutes
    FROM unnest(%(resources)s::bigint[], %(places)s::int[], %(periods)s::int[], %(minutes)s::bytea[])
        AS fresh (resource, place, period, minutes)
    WHERE kept.resource_id = fresh.resource AND kept.place = fresh.place AND kept.period = fresh.period
"""


def _refresh(touched: Collection[Period]) -> None:
    """Write these periods anew, from the occupancies that stand once nobody else is writing them."""
    if not touched:
        return
    wanted = sorted(touched)
    begins = [roster.period_starts_at(period) for _, _, period in wanted]
    ends = [roster.period_starts_at(period + 1) for _, _, period in wanted]
    asked = _asked(wanted) | {"begins": begins, "ends": ends}
    with connection.cursor() as cursor:
        cursor.execute(LOCK, asked)
        cursor.execute(STANDING, asked)
        standing = {number: roster.spans_of(spans) for number, spans in cursor.fetchall()}
        minutes = [
            roster.packed(period, standing.get(number, ())) for number, (_, _, period) in enumerate(wanted, start=1)
        ]
        cursor.execute(WRITE, asked | {"minutes": minutes})


def _asked(wanted: Sequence[Period]) -> dict[str, Any]:
    return {
        "resources": [resource for resource, _, _ in wanted],
        "places": [place for _, place, _ in wanted],
        "periods": [period for _, _, period in wanted],
    }


# --- what an operator asks for ----------------------------------------------------------------------------------------

# One statement sees one moment: nobody books between the two halves of the comparison.
BOTH = """
    SELECT false, place, NULL, string_agg(range_send(during), ''::bytea)
    FROM scheduling_occupancy
    WHERE resource_id = %(resource)s AND released_at IS NULL
    GROUP BY place
  UNION ALL
    SELECT true, place, period, minutes
    FROM scheduling_busyperiod
    WHERE resource_id = %(resource)s
"""


@dataclass(frozen=True, slots=True)
class Difference:
    """A period of a place whose row in the busy map is not what its occupancies say."""

    resource: Resource
    place: int
    period: int

    def __str__(self) -> str:
        on = roster.period_starts_at(self.period).date()
        return f"{self.resource.name}, place {self.place}, four weeks from {on.isoformat()}"


def differences() -> list[Difference]:
    """Compare the busy map with the occupancies, resource by resource; there should be nothing to find."""
    return [
        Difference(resource, place, period)
        for resource in Resource.objects.order_by("pk")
        for place, period in _wrong_periods(resource)
    ]


def rebuild(resources: QuerySet[Resource] | None = None) -> int:
    """Write what is wrong in the busy map anew, one resource (of these; None: of all) after the other.

    Return how many periods that were.
    """
    found = 0
    for resource in (Resource.objects.all() if resources is None else resources).order_by("pk"):
        wrong = _wrong_periods(resource)
        with transaction.atomic():
            _refresh([(resource.pk, place, period) for place, period in wrong])
        found += len(wrong)
    return found


def _wrong_periods(resource: Resource) -> list[tuple[int, int]]:
    """Return places and periods of a resource that are not what its occupancies say. No row means: nothing is taken."""
    spans: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    kept: dict[tuple[int, int], bytes] = {}
    with connection.cursor() as cursor:
        cursor.execute(BOTH, {"resource": resource.pk})
        for is_kept, place, period, minutes in cursor.fetchall():
            if is_kept:
                kept[place, period] = bytes(minutes)
                continue
            for first, until in roster.spans_of(minutes):
                for touched in range(roster.period_of(first), roster.period_of(until - 1) + 1):
                    spans[place, touched].append((first, until))
    expected = {(place, period): roster.packed(period, found) for (place, period), found in spans.items()}
    return sorted(key for key in expected.keys() | kept.keys() if expected.get(key, b"") != kept.get(key, b""))
