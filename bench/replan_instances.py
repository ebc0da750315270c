"""Seeded replans ("replan/1"): practitioners of a clinic are away for two weeks, and so many course visits are lost.

A replan is `clinic` (clinic/1, see `instances`; its bookings include every visit named below), `today` (new times are
strictly after it), `away` {practitioners, first, last}, `courses` [{practitioner, treatment, prev: day of the last
visit held, displaced: booking, following: [booking, ...]}], `cancelled` [booking, ...] (other bookings of those who are
away, simply gone), `gap_min`, `gap_max` and `weights` {gap, change, move, unplaced}. A repair costs

    gap * |d(k+1) - a month after d(k)| over the visits of each course from prev on + change for each visit that is not
    with the course's practitioner + move for each following visit that is moved + unplaced for each lost visit without
    a time (then the following ones stay, and the course's gaps are not counted)

Gaps lie in [gap_min, gap_max]; practitioners are qualified, at work and not away; nobody and no room is taken twice.
"""

from __future__ import annotations

import random
from collections import defaultdict
from typing import Any

from .instances import Clinic, make_clinic

Replan = dict[str, Any]

WEIGHTS = {"gap": 4, "change": 15, "move": 40, "unplaced": 2000}
PRACTITIONERS = {50: 12, 150: 20, 300: 40}  # by lost visits
TODAY, FIRST, LAST, DAYS = 60, 63, 76, 224
FEWEST = 30  # visits in the two weeks of somebody who is away


def make_replan(lost: int, seed: int, booked: float = 0.75) -> Replan:
    """Return a replan with so many lost visits, each of a course of its own."""
    clinic = make_clinic(2000 + seed, PRACTITIONERS[lost], booked, DAYS)
    rng = random.Random(f"replan {lost} {seed} {booked}")
    by_day: dict[tuple[int, int], list[int]] = defaultdict(list)
    for number, (practitioner, _, day, *_) in enumerate(clinic["bookings"]):
        by_day[practitioner, day].append(number)
    away: list[int] = []
    hit: list[int] = []
    for practitioner in rng.sample(range(PRACTITIONERS[lost]), PRACTITIONERS[lost]):
        theirs = [number for day in range(FIRST, LAST + 1) for number in by_day[practitioner, day]]
        if len(hit) < lost and len(theirs) >= FEWEST:
            away.append(practitioner)
            hit += theirs
    rng.shuffle(hit)
    used = set(hit)
    return {
        "format": "replan/1",
        "clinic": clinic,
        "today": TODAY,
        "away": {"practitioners": sorted(away), "first": FIRST, "last": LAST},
        "courses": [_course(clinic, number, by_day, used, rng) for number in sorted(hit[:lost])],
        "cancelled": sorted(hit[lost:]),
        "gap_min": 21,
        "gap_max": 42,
        "weights": WEIGHTS,
    }


def _course(
    clinic: Clinic, displaced: int, by_day: dict[tuple[int, int], list[int]], used: set[int], rng: random.Random
) -> dict[str, Any]:
    """Make a course of a lost visit: what was before it, and later visits of the same practitioner and treatment."""
    bookings = clinic["bookings"]
    practitioner, _, day, _, _, treatment = bookings[displaced]
    following: list[int] = []
    at = day
    for _ in range(rng.choice((0, 1, 1, 2, 2, 3))):
        found = [
            number
            for later in range(at + 25, at + 37)
            for number in by_day.get((practitioner, later), ())
            if number not in used and bookings[number][5] == treatment
        ]
        if not found:
            break
        following.append(rng.choice(found))
        used.add(following[-1])
        at = bookings[following[-1]][2]
    return {
        "practitioner": practitioner,
        "treatment": treatment,
        "prev": day - rng.randrange(24, 39),
        "displaced": displaced,
        "following": following,
    }
