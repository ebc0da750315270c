"""`python -m bench.planner DIR --out FILE`: plan every course of DIR/clinic-*.json through the database.

Each file is {"clinic": clinic/1, "courses": [course/1, ...]}; for each course a line of JSON is written. Each plan is
checked by what the JSON says alone; how many objectives are the kernel's is said at the end.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django

from . import instances, plan_checks, servers
from .instances import Clinic, Course
from .kernel import Kernel


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("directory", type=Path)
    asked.add_argument("--out", type=Path, required=True)
    given = asked.parse_args()
    planned = impossible = equal = 0
    with servers.database(), given.out.open("w") as out:
        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        for file, clinic, courses in instances.read(given.directory):
            kernel = Kernel(clinic)
            for course, line in zip(courses, answers(clinic, courses, file), strict=True):
                out.write(json.dumps({"file": file, **line}) + "\n")
                expected = kernel.plan(course)
                planned += 1
                impossible += not line["feasible"]
                equal += line["objective"] == (expected.objective if expected else None)
            out.flush()
    print(f"{planned} courses, {impossible} impossible; at the kernel's objective, or impossible as by it: {equal}")


def answers(clinic: Clinic, courses: list[Course], name: str) -> Iterator[dict[str, Any]]:
    """Load a clinic and yield what the service answers for each course; AssertionError when that is no such plan."""
    from django.db import connection

    from .as_rows import Rows

    rows = Rows(clinic, name)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # what PostgreSQL does by itself, a minute later
    numbers = {person.uid: number for number, person in enumerate(rows.people)}
    rooms = {room.uid: number for number, room in enumerate(rows.rooms)}
    for index, course in enumerate(courses):
        line = _answer(rows, course, f"{name}-{index}", numbers, rooms)
        wrong = line["feasible"] and plan_checks.wrong_with(clinic, course, line["objective"], line["sessions"])
        assert not wrong, wrong
        yield {"course": index, **line}


def _answer(rows: Any, course: Course, name: str, people: dict[Any, int], rooms: dict[Any, int]) -> dict[str, Any]:
    from scheduling import booking, roster
    from scheduling.planner import search
    from scheduling.planner.explain import Unplannable

    from .as_facts import day_of, visits_of, weights_of
    from .measure import Run, statements

    stored, now, weights = rows.course(course, name), rows.now_of(course), weights_of(course)
    on, last_on = (day_of(rows.clinic, day) for day in (course["earliest"], rows.clinic["days"] - 1))

    stored.site.booking_horizon_days = (last_on - on).days

    def read(_: None) -> Any:
        as_it_stands = roster.course_facts(stored)
        return as_it_stands, booking.times_of_plans(stored, as_it_stands, now=now)

    roster.protocol_facts(stored.version)  # once per process
    begun = time.perf_counter()
    facts_of_course, times = read(None)
    known = time.perf_counter()
    try:
        plan = search.cheapest_plan(facts_of_course, times, weights, today=on)
    except Unplannable:
        plan = None
    ended = time.perf_counter()
    return {
        "feasible": plan is not None,
        "objective": plan.cost.total if plan else None,
        "sessions": visits_of(plan, rows.clinic, times, people, rooms) if plan else [],
        "ms_plan_with_sql": round(1000 * (ended - begun), 3),
        "ms_plan_in_memory": round(1000 * (ended - known), 3),
        "statements": statements(Run(read)),
    }


if __name__ == "__main__":
    main()
