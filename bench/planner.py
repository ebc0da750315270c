"""`python -m bench.planner DIR --out FILE`: plan every course of DIR/clinic-*.json through the database.

Each file is {"clinic": clinic/1, "courses": [course/1, ...]}; for each course a line of JSON is written.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import django

from . import servers


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("directory", type=Path)
    asked.add_argument("--out", type=Path, required=True)
    given = asked.parse_args()
    files = sorted(given.directory.glob("clinic-*.json"))
    with servers.database(), given.out.open("w") as out:
        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        for number, file in enumerate(files):
            for line in answers(json.loads(file.read_text()), f"file-{number}"):
                out.write(json.dumps({"file": file.name, **line}) + "\n")


def answers(instance: dict[str, Any], name: str) -> Iterator[dict[str, Any]]:
    """Load a clinic and yield what the service answers for each of its courses."""
    from .as_rows import Rows

    clinic = instance["clinic"]
    rows = Rows(clinic, name)
    numbers = {person.uid: number for number, person in enumerate(rows.people)}
    rooms = {room.uid: number for number, room in enumerate(rows.rooms)}
    for index, course in enumerate(instance["courses"]):
        yield {"course": index, **_answer(rows, course, f"{name}-{index}", numbers, rooms)}


def _answer(
    rows: Any, course: dict[str, Any], name: str, people: dict[Any, int], rooms: dict[Any, int]
) -> dict[str, Any]:
    from scheduling import roster
    from scheduling.planner import search
    from scheduling.planner.explain import Unplannable

    from .as_facts import ROOM, day_of, weights_of
    from .measure import Run, statements

    stored, now, weights = rows.course(course, name), rows.now_of(course), weights_of(course)
    on, last_on = (day_of(rows.clinic, day) for day in (course["earliest"], rows.clinic["days"] - 1))
    start = date.fromisoformat(rows.clinic["start"])

    def read(_: None) -> Any:
        return roster.course_facts(stored), roster.load(stored, on, last_on, now=now)

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
        "sessions": [
            {
                "day": (slot.on - start) // timedelta(days=1),
                "practitioner": people[slot.lead],
                "room": next(rooms[use.resource] for use in slot.uses if use.role == ROOM),
                "start": times.days[slot.on].wall_minute(slot.tick),
            }
            for slot in ([planned.slot for planned in plan.sessions] if plan else [])
        ],
        "ms_plan_with_sql": round(1000 * (ended - begun), 3),
        "ms_plan_in_memory": round(1000 * (ended - known), 3),
        "statements": statements(Run(read)),
    }


if __name__ == "__main__":
    main()
