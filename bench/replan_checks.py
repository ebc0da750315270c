"""What is wrong with a repair, from the JSON alone: nothing of the planner is used here."""

from __future__ import annotations

import calendar
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from .replan_instances import Replan

Answer = dict[str, Any]


def wrong_with(replan: Replan, answer: Answer) -> list[str]:
    """Say what is wrong with an answer: its objective, what it counts, and every rule it breaks."""
    clinic, bookings = replan["clinic"], replan["clinic"]["bookings"]
    now = {one["booking"]: one for one in answer["assignments"]}
    wrong = ["a booking is given twice"] if len(now) < len(answer["assignments"]) else []
    objective = unplaced = moved = 0
    for course in replan["courses"]:
        visits = [course["displaced"], *course["following"]]
        if course["displaced"] not in now:
            unplaced += 1
            objective += replan["weights"]["unplaced"]
            wrong += [
                "a follower of what was not placed is moved"
                for v in visits[1:]
                if v in now and _moved(bookings[v], now[v])
            ]
            continue
        before = course["prev"]
        for number, visit in enumerate(visits):
            at = now.get(visit) or _as_booked(bookings[visit])
            gap = at["day"] - before
            if not replan["gap_min"] <= gap <= replan["gap_max"]:
                wrong.append(f"booking {visit}: {gap} days after the visit before")
            objective += replan["weights"]["gap"] * abs(at["day"] - _month_after(clinic, before))
            objective += replan["weights"]["change"] * (at["practitioner"] != course["practitioner"])
            is_moved = number > 0 and visit in now and _moved(bookings[visit], at)
            moved += is_moved
            objective += replan["weights"]["move"] * is_moved
            if number > 0 and not is_moved and at["room"] != bookings[visit][1]:
                wrong.append(f"booking {visit}: it stays, and its room does not")
            before = at["day"]
    counted = {"objective": objective, "unplaced": unplaced, "moved": moved}
    wrong += [f"{name} is {count}, not {answer[name]}" for name, count in counted.items() if answer[name] != count]
    if answer["bound"] > answer["objective"]:
        wrong.append("the bound is above the objective")
    return wrong + list(_clashes(replan, now))


def _clashes(replan: Replan, now: dict[int, dict[str, int]]) -> Iterator[str]:
    """Say who is not at work, not qualified, in the wrong room, or in two places at once."""
    clinic, bookings = replan["clinic"], replan["clinic"]["bookings"]
    gone = {course["displaced"] for course in replan["courses"]}.union(replan["cancelled"])
    people = {one["id"]: one for one in clinic["practitioners"]}
    rooms = {one["id"]: one for one in clinic["rooms"]}
    taken: Counter[tuple[str, int, int, int]] = Counter()
    for number, booking in enumerate(bookings):
        if number in gone and number not in now:
            continue
        treatment = clinic["treatments"][booking[5]]
        at = now.get(number) or _as_booked(booking)
        begins, ends = at["start"], at["start"] + treatment["minutes"]
        for minute in range(begins, ends, clinic["grid"]):
            taken["who", at["practitioner"], at["day"], minute] += 1
            taken["where", at["room"], at["day"], minute] += 1
        if number not in now or not (number in gone or _moved(booking, at)):
            continue
        person, room = people[at["practitioner"]], rooms[at["room"]]
        is_away = person["id"] in replan["away"]["practitioners"] and (
            replan["away"]["first"] <= at["day"] <= replan["away"]["last"]
        )
        hours = {int(day): spans for day, spans in person["hours"].items()}
        weekday = (date.fromisoformat(clinic["start"]) + timedelta(days=at["day"])).weekday()
        shut = at["day"] in clinic["holidays"] or any(first <= at["day"] <= last for first, last in person["leave"])
        is_there = any(first <= begins and ends <= last for first, last in hours.get(weekday, ()))
        if is_away or shut or not is_there:
            yield f"booking {number}: its practitioner is not there"
        if treatment["id"] not in person["skills"]:
            yield f"booking {number}: its practitioner cannot do it"
        if room["kind"] != treatment["room_kind"] or any(a <= at["day"] <= b for a, b in room["closed"]):
            yield f"booking {number}: it cannot be in that room"
        if not replan["today"] < at["day"] < clinic["days"] or begins % clinic["grid"]:
            yield f"booking {number}: no such time"
    for (kind, one, day, minute), count in taken.items():
        if count > 1:
            yield f"{kind} {one} twice on day {day} at {minute}"


def _as_booked(booking: list[int]) -> dict[str, int]:
    return {"practitioner": booking[0], "room": booking[1], "day": booking[2], "start": booking[3]}


def _moved(booking: list[int], at: dict[str, int]) -> bool:
    return (booking[0], booking[2], booking[3]) != (at["practitioner"], at["day"], at["start"])


def _month_after(clinic: dict[str, Any], day: int) -> int:
    start = date.fromisoformat(clinic["start"])
    on = start + timedelta(days=day)
    year, month = (on.year + 1, 1) if on.month == 12 else (on.year, on.month + 1)
    if on.day <= calendar.monthrange(year, month)[1]:
        return (date(year, month, on.day) - start).days
    year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    return (date(year, month, 1) - start).days
