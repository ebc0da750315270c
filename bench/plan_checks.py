"""What is wrong with a plan, from the JSON alone: nothing of the planner or the kernel is used here."""

from __future__ import annotations

import calendar
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import pairwise

from .instances import Clinic, Course, is_within

Visit = dict[str, int]  # day, practitioner, room, start


def wrong_with(clinic: Clinic, course: Course, objective: int, visits: Sequence[Visit]) -> list[str]:
    """Say what is wrong with a plan: its objective, and every rule it breaks."""
    wrong = [problem for visit in visits for problem in _problems(clinic, course, visit)]
    days = [visit["day"] for visit in visits]
    if len(days) != course["n"]:
        wrong.append(f"{len(days)} sessions, not {course['n']}")
    if not 0 <= days[0] - course["earliest"] <= course["first_within"]:
        wrong.append(f"it begins on day {days[0]}")
    wrong += [
        f"day {b} after day {a}" for a, b in pairwise(days) if not course["gap_min"] <= b - a <= course["gap_max"]
    ]
    counted = _cost(clinic, course, visits)
    if counted != objective:
        wrong.append(f"it costs {counted}, not {objective}")
    return wrong


def _cost(clinic: Clinic, course: Course, visits: Sequence[Visit]) -> int:
    start, weights, window = date.fromisoformat(clinic["start"]), course["weights"], course["window"]
    minutes = clinic["treatments"][course["treatment"]]["minutes"]
    dates = [start + timedelta(days=visit["day"]) for visit in visits]
    cost = weights["late"] * (visits[0]["day"] - course["earliest"])
    cost += weights["gap"] * sum(abs((b - _month_after(a)).days) for a, b in pairwise(dates))
    cost += weights["change"] * sum(a["practitioner"] != b["practitioner"] for a, b in pairwise(visits))
    cost += weights["weekday"] * sum(on.weekday() not in course["weekdays"] for on in dates)
    missed = sum(not (window[0] <= visit["start"] and visit["start"] + minutes <= window[1]) for visit in visits)
    return int(cost + weights["window"] * missed)


def _problems(clinic: Clinic, course: Course, visit: Visit) -> Iterator[str]:
    """Say whether its practitioner or room is not there, not fit for it, or taken."""
    treatment, day, begins = clinic["treatments"][course["treatment"]], visit["day"], visit["start"]
    ends, of = begins + treatment["minutes"], f"the session of day {day}: "
    person = next(one for one in clinic["practitioners"] if one["id"] == visit["practitioner"])
    room = next(one for one in clinic["rooms"] if one["id"] == visit["room"])
    if not 0 <= day < clinic["days"] or begins % clinic["grid"]:
        yield of + "no such time"
    weekday = (date.fromisoformat(clinic["start"]) + timedelta(days=day)).weekday()
    hours = {int(name): spans for name, spans in person["hours"].items()}
    is_at_work = any(first <= begins and ends <= last for first, last in hours.get(weekday, ()))
    if day in clinic["holidays"] or is_within(person["leave"], day) or not is_at_work:
        yield of + "the practitioner is not there"
    if treatment["id"] not in person["skills"]:
        yield of + "the practitioner cannot give it"
    if room["kind"] != treatment["room_kind"] or is_within(room["closed"], day):
        yield of + "it cannot be in that room"
    for who, where, on, first, last, _treatment in clinic["bookings"]:
        if on == day and first < ends and begins < last and (who == person["id"] or where == room["id"]):
            yield of + f"taken from {first} to {last}"


def _month_after(on: date) -> date:
    """Return the same day of the next month; one that this month does not have is the 1st of the month after it."""
    year, month = divmod(on.year * 12 + on.month, 12)
    if on.day <= calendar.monthrange(year, month + 1)[1]:
        return date(year, month + 1, on.day)
    return _month_after(date(year, month + 1, 1))
