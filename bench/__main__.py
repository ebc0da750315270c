"""`python -m bench`: measure everything, print the table, and write it to docs/performance.md."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import django

from . import servers

if TYPE_CHECKING:
    from .measure import Figure

BUSY, QUIET, BARE = date(2027, 2, 1), date(2027, 2, 15), date(2027, 2, 8)  # Mondays
REPORT = servers.PROJECT / "docs" / "performance.md"
MARKER = "<!-- written by `make bench` from here on -->"


def main() -> None:
    begun, load = time.perf_counter(), os.getloadavg()[0]
    with servers.database():
        django.setup()
        from .measure import table

        found = []
        for figure in figures():
            found.append(figure)
            print(f"{time.perf_counter() - begun:4.0f} s  {figure.name}", file=sys.stderr)
        shown = f"{machine(load)}\n\n{table(found)}"
    print(shown)
    explained, _marker, _old_table = REPORT.read_text().partition(MARKER)
    REPORT.write_text(f"{explained}{MARKER}\n\n{shown}\n")


def figures() -> Iterator[Figure]:
    """Fill the database and measure, part by part: later parts find in it what the earlier ones have left."""
    from django.core.management import call_command

    from scheduling import visits

    from . import availability, bookings, databases, growth, lists, mails, peers, people, plans, repairs

    call_command("migrate", verbosity=0)
    databases.keep_empty()
    yield from plans.figures()
    yield from availability.figures()
    yield from growth.figures()
    yield from peers.figures()
    yield from repairs.figures()
    desk = people.Desk()
    yield from bookings.figures(desk, BUSY, BARE)
    (alone,) = desk.courses(1)
    visits.book_course(alone, desk.slots(alone, 0, QUIET), by=desk.receptionist, now=desk.now)
    yield from lists.figures(desk, BUSY, QUIET)
    yield from mails.figures(desk)


def machine(load: float) -> str:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        (postgres,) = cursor.fetchone() or ("",)
    cores = len(os.sched_getaffinity(0))
    return (
        f"Measured on {datetime.now(UTC):%d %B %Y}: {cores} cores, Python {platform.python_version()},"
        f" Django {django.get_version()}, PostgreSQL {postgres.split()[0]}, load {load:.1f} when it began."
    )


if __name__ == "__main__":
    main()
