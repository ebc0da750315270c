"""Seeded instances: a clinic with a year of bookings, and courses to plan in it. Plain data, from the seed alone.

`python -m bench.instances DIR` writes a hundred courses in clinics of 2 to 50 practitioners: DIR/clinic-*.json, each
{"clinic": clinic/1, "courses": [course/1, ...]}.

A clinic ("clinic/1") is `seed`, `tz`, `grid` (minutes), `start` (ISO date), `days`, `occupancy`,
`treatments` [{id, name, minutes, room_kind}],
`practitioners` [{id, hours {weekday: [[from, to], ...]}, skills [treatment], leave [[first, last], ...]}],
`rooms` [{id, kind, closed [[first, last], ...]}], `holidays` [day, ...] and
`bookings` [[practitioner, room, day, start, end, treatment], ...] by day, start and practitioner. Days are counted from
`start`, both ends of a span inclusive; hours, starts and ends are local minutes after midnight.

A course ("course/1") is `treatment`, `n` sessions, `gap_min` and `gap_max` days between two of them, `target` "P1M",
`earliest` day, `first_within` days of it, `weekdays` and `window` [from, to] that the patient prefers, and `weights`.
Its plan d1 < d2 < ... with practitioners p and starts s costs

    late * (d1 - earliest) + sum of gap * |d(k+1) - a month after d(k)| + change for each new practitioner
    + weekday for each day not preferred + window for each session not inside [from, to]

where a day that the next month does not have rolls forward. Practitioner and one room of the kind are free throughout.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import holidays

Clinic = dict[str, Any]
Course = dict[str, Any]
Case = tuple[str, Clinic, list[Course]]  # with the name of its file

START, DAYS, GRID = date(2027, 1, 4), 392, 5
WEIGHTS = {"gap": 4, "late": 2, "change": 15, "weekday": 6, "window": 6}
SHIFTS = ((8, 16), (9, 17), (9, 18), (10, 18), (12, 20))  # hours
TREATMENTS = 6
PRACTITIONERS, BOOKED, SESSIONS = (2, 5, 10, 20, 50), (0.60, 0.70, 0.80, 0.90, 0.95), (3, 4, 6, 12)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("directory", type=Path)
    write(a_hundred(), asked.parse_args().directory)


def a_hundred(booked: Sequence[float] = BOOKED) -> Iterator[Case]:
    """Yield clinics that are so much booked, with a course of each length; a hundred courses in all."""
    for practitioners in PRACTITIONERS:
        for share in booked:
            clinic = make_clinic(7, practitioners, share)
            courses = [make_course(clinic, sessions, 0) for sessions in SESSIONS]
            yield f"clinic-{practitioners:02d}-{share * 100:.0f}.json", clinic, courses


def write(cases: Iterable[Case], directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name, clinic, courses in cases:
        (directory / name).write_text(json.dumps({"clinic": clinic, "courses": courses}, separators=(",", ":")))


def read(directory: Path) -> Iterator[Case]:
    """Yield what stands in DIR/clinic-*.json, made here or elsewhere."""
    for file in sorted(directory.glob("clinic-*.json")):
        instance = json.loads(file.read_text())
        yield file.name, instance["clinic"], instance["courses"]


def make_clinic(seed: int, practitioners: int, booked: float, days: int = DAYS) -> Clinic:
    """Return a clinic whose practitioners are booked for about this share of their working time."""
    rng = random.Random(f"clinic {seed} {practitioners} {booked}")
    kinds = ("A", "B", "C") if practitioners >= 5 else ("A",)
    treatments = [
        {"id": number, "name": f"T{number}", "minutes": rng.choice((30, 45)), "room_kind": kinds[number % len(kinds)]}
        for number in range(TREATMENTS)
    ]
    rooms_of_a_kind = -(-practitioners // len(kinds)) + 1
    years = {START.year, (START + timedelta(days=days)).year}
    shut = holidays.country_holidays("GB", subdiv="ENG", years=years)
    clinic: Clinic = {
        "format": "clinic/1",
        "seed": seed,
        "tz": "Europe/London",
        "grid": GRID,
        "start": START.isoformat(),
        "days": days,
        "occupancy": booked,
        "treatments": treatments,
        "practitioners": [_practitioner(number, practitioners, days, rng) for number in range(practitioners)],
        "rooms": [
            {"id": number, "kind": kinds[number % len(kinds)], "closed": [[day, day + 1]]}
            for number in range(rooms_of_a_kind * len(kinds))
            for day in (rng.randrange(days - 1),)
        ],
        "holidays": [day for day in range(days) if START + timedelta(days=day) in shut],
    }
    clinic["bookings"] = sorted(_bookings(clinic, rng), key=lambda row: (row[2], row[3], row[0]))
    return clinic


def make_course(clinic: Clinic, sessions: int, seed: int) -> Course:
    """Return a course that somebody in the clinic can give."""
    size = len(clinic["practitioners"])
    rng = random.Random(f"course {clinic['seed']} {size} {clinic['occupancy']} {sessions} {seed}")
    given = sorted({skill for one in clinic["practitioners"] for skill in one["skills"]})
    return {
        "format": "course/1",
        "treatment": rng.choice(given),
        "n": sessions,
        "gap_min": 21,
        "gap_max": 42,
        "target": "P1M",
        "earliest": rng.randrange(1, 15),
        "first_within": 28,
        "weekdays": sorted(rng.sample(range(5), rng.choice((1, 2, 3, 5)))),
        "window": rng.choice(([480, 720], [540, 780], [720, 1020], [900, 1200], [480, 1200])),
        "weights": WEIGHTS,
    }


def duty_of(clinic: Clinic, practitioner: dict[str, Any]) -> Iterator[tuple[int, list[list[int]]]]:
    """Yield the days on which a practitioner works, with the hours."""
    start, shut = date.fromisoformat(clinic["start"]), set(clinic["holidays"])
    hours = {int(weekday): spans for weekday, spans in practitioner["hours"].items()}  # JSON has no keys but strings
    for day in range(clinic["days"]):
        spans = hours.get((start.weekday() + day) % 7)
        if spans and day not in shut and not is_within(practitioner["leave"], day):
            yield day, spans


def is_within(spans: list[list[int]], day: int) -> bool:
    return any(first <= day <= last for first, last in spans)


def _practitioner(number: int, of: int, days: int, rng: random.Random) -> dict[str, Any]:
    hours = {}
    for weekday in sorted(rng.sample(range(6), rng.choice((3, 4, 5, 5)))):
        begins, ends = rng.choice(SHIFTS)
        lunch = begins * 60 + rng.choice((210, 225, 240))
        hours[weekday] = [[begins * 60, lunch], [lunch + rng.choice((30, 45, 60)), ends * 60]]
    skills = sorted(rng.sample(range(TREATMENTS), rng.choice((3, 4, 5)))) if of > 2 else list(range(TREATMENTS))
    leave = sorted([day, min(day + length, days) - 1] for length in (12, 7, 5, 2) for day in (rng.randrange(days),))
    return {"id": number, "hours": hours, "skills": skills, "leave": leave}


def _bookings(clinic: Clinic, rng: random.Random) -> Iterator[list[int]]:
    """Lay visits into each stretch of work one after another, with pauses in a few places: crumbs help nobody."""
    taken: dict[tuple[int, int], int] = {}  # (room, day) -> minutes
    for practitioner in clinic["practitioners"]:
        for day, stretches in duty_of(clinic, practitioner):
            for begins, ends in stretches:
                visits = _visits(clinic, practitioner["skills"], ends - begins, rng)
                spare = (ends - begins - sum(visit["minutes"] for visit in visits)) // GRID
                places = (0, rng.randint(0, spare), rng.randint(0, spare), spare)
                cuts = sorted(rng.choice(places) for _ in visits)
                at = begins
                for visit, before, cut in zip(visits, [0, *cuts], cuts, strict=False):
                    at += (cut - before) * GRID
                    room = _room(clinic, visit["room_kind"], day, at, visit["minutes"], taken)
                    if room is not None:
                        yield [practitioner["id"], room, day, at, at + visit["minutes"], visit["id"]]
                    at += visit["minutes"]


def _visits(clinic: Clinic, skills: list[int], minutes: int, rng: random.Random) -> list[dict[str, Any]]:
    visits: list[dict[str, Any]] = []
    left = clinic["occupancy"] * minutes
    while left > 0:
        visit = clinic["treatments"][rng.choice(skills)]
        if rng.random() < left / visit["minutes"] and sum(v["minutes"] for v in visits) + visit["minutes"] <= minutes:
            visits.append(visit)
        left -= visit["minutes"]
    return visits


def _room(clinic: Clinic, kind: str, day: int, at: int, minutes: int, taken: dict[tuple[int, int], int]) -> int | None:
    """Take a room of the kind for a visit, the first that is free."""
    span = ((1 << minutes) - 1) << at
    for room in clinic["rooms"]:
        key = (room["id"], day)
        if room["kind"] == kind and not taken.get(key, 0) & span and not is_within(room["closed"], day):
            taken[key] = taken.get(key, 0) | span
            return int(room["id"])
    return None


if __name__ == "__main__":
    main()
