"""Free times by django-appointment, a peer, and by us: the same staff, hours and visits, in two databases of a cluster.

The peer runs in a process and an environment of its own (`make bench PEER=1` makes it), and takes its own time.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import django
import psycopg
from django.db import connection
from django.test import Client

from clinic.models import Role
from scheduling.roster.asking import ask
from tests import build

from . import databases, instances
from .as_rows import Rows
from .availability import Question, in_days
from .instances import Clinic
from .measure import Figure, Goal, Run, in_turn, statements
from .servers import PROJECT

PYTHON = PROJECT / ".venv-peer" / "bin" / "python"
STAFF, DAYS, BOOKED = 10, 60, 0.8
MINUTES, OPENS, CLOSES = 30, 9 * 60, 17 * 60
ANYBODY, ONE = 0, 1  # treatments: what everybody gives, and what only the first practitioner does
ROUNDS, LONG_ROUNDS = 25, 3  # sixty days of ten people take the peer seconds
DAY_GOAL, DAYS_GOAL, VIEW_GOAL = (Goal(1 / times, name="(G6)") for times in (20, 200, 4))

Times = list[tuple[date, int, int]]  # with the number of the practitioner


def figures() -> Iterator[Figure]:
    if not PYTHON.exists():
        print("To measure against django-appointment as well, install it: make bench PEER=1", file=sys.stderr)
        return
    clinic = _clinic()
    with databases.using(databases.make("ours", like=databases.EMPTY)), _peer(clinic) as peer:
        ours = Ours(clinic)
        for days, treatment, goal, rounds in (
            (1, ONE, DAY_GOAL, ROUNDS),
            (1, ANYBODY, None, ROUNDS),
            (DAYS, ONE, None, LONG_ROUNDS),
            (DAYS, ANYBODY, DAYS_GOAL, LONG_ROUNDS),
        ):
            asked = Asked(peer, "service", days, treatment)
            yield _figure("free times", asked, partial(ours.by_service, days, treatment), goal, rounds)
        nothing = "two round trips to the database for nothing (bare: django-appointment, 1 day, 1 staff)"
        yield _floor(nothing, Asked(peer, "service", 1, ONE), ours.by_no_service)
        asked = Asked(peer, "view", 1, ONE)
        yield _figure("free times over HTTP", asked, partial(ours.by_api, 1, ONE), VIEW_GOAL, ROUNDS)
        nothing = "who am I, over HTTP, signed in (bare: django-appointment's view, open to all, 1 day, 1 staff)"
        yield _floor(nothing, asked, ours.who_am_i)


def _figure(what: str, asked: Asked, do: Callable[[], Times], goal: Goal | None, rounds: int) -> Figure:
    ours: Run[None] = Run(lambda _: do())
    times, its_statements = asked.answer()
    assert do() == times != [], f"{what}: the peer has others, or none"
    theirs, taken = in_turn(asked, ours, rounds=rounds)
    return Figure(
        f"{what}, {in_days(asked.days)}, {len(asked.staff)} staff (bare: django-appointment)",
        1000 * taken,
        1000 * theirs,
        goal=goal,
        statements=f"{statements(ours)}, its {its_statements}",
    )


def _floor(what: str, asked: Asked, do: Callable[[], object]) -> Figure:
    """Measure what ours cannot be below, whatever it finds."""
    theirs, taken = in_turn(asked, Run(lambda _: do()), rounds=ROUNDS)
    return Figure(what, 1000 * taken, 1000 * theirs)


def _clinic() -> Clinic:
    """Return a clinic that both can have: one stretch of work a day, visits as long as the grid, a room for each."""
    rng = random.Random("peer")
    start = datetime.now(UTC).date() + timedelta(days=7)  # the peer knows no other clock, and no past
    start -= timedelta(days=start.weekday())
    week = {weekday: [[OPENS, CLOSES]] for weekday in range(5)}
    return {
        "tz": "Europe/London",
        "grid": MINUTES,
        "start": start.isoformat(),
        "days": DAYS,
        "treatments": [
            {"id": ANYBODY, "name": "T0", "minutes": MINUTES, "room_kind": "A"},
            {"id": ONE, "name": "T1", "minutes": MINUTES, "room_kind": "B"},
        ],
        "practitioners": [
            {"id": number, "hours": week, "skills": [ANYBODY, ONE] if number == 0 else [ANYBODY], "leave": []}
            for number in range(STAFF)
        ],
        "rooms": [{"id": number, "kind": "B" if number == STAFF else "A", "closed": []} for number in range(STAFF + 1)],
        "holidays": [],
        "bookings": [
            [number, number, day, begins, begins + MINUTES, ANYBODY]
            for day in range(DAYS)
            if day % 7 < 5
            for number in range(STAFF)
            for begins in range(OPENS, CLOSES, MINUTES)
            if rng.random() < BOOKED
        ],
    }


class Ours:
    """The clinic in our tables; a free room has to be found as well, which the peer does not know of."""

    def __init__(self, clinic: Clinic) -> None:
        rows, now = Rows(clinic, "peer"), datetime.now(UTC)
        self._number = {person.uid: number for number, person in enumerate(rows.people)}
        course = instances.make_course(clinic | {"seed": 0, "occupancy": BOOKED}, 2, 0)
        self._asked = {number: Question(rows, course | {"treatment": number}, 0, now) for number in (ANYBODY, ONE)}
        self._client = Client(headers={"host": "127.0.0.1"})
        self._client.force_login(build.user(Role.RECEPTION, at=rows.site))
        databases.tidy()

    def by_service(self, days: int, treatment: int) -> Times:
        found = self._asked[treatment].times(days)
        return sorted((on, tick, self._number[lead]) for on, tick, lead in found)

    def by_no_service(self) -> None:
        for _ in range(2):
            ask("SELECT 1", {})

    def who_am_i(self) -> None:
        assert self._client.get("/api/v1/me/").status_code == 200

    def by_api(self, days: int, treatment: int) -> Times:
        question = self._asked[treatment]
        given = {"from": question.first_on.isoformat(), "until": question.last_on(days).isoformat()}
        shown = self._client.get(f"/api/v1/sessions/{question.session.uid}/free-times/", given).json()
        return [
            (at.date(), at.hour * 60 + at.minute, self._number[UUID(slot["lead"])])
            for slot in (one["slot"] for one in shown["results"])
            for at in (datetime.fromisoformat(f"{slot['on']} {slot['at']}"),)
        ]


@dataclass(frozen=True)
class Asked:
    """What the peer is asked."""

    peer: subprocess.Popen[str]
    how: str
    days: int
    treatment: int

    @property
    def staff(self) -> list[int]:
        return [0] if self.treatment == ONE else list(range(STAFF))

    def seconds(self) -> float:
        return float(self._ask(count=False)["seconds"])

    def answer(self) -> tuple[Times, int]:
        """Return the times, and how many statements they took."""
        found = self._ask(count=True)
        times = sorted((date.fromisoformat(on), minute, number) for on, minute, number in found["times"])
        return times, found["statements"]

    def _ask(self, *, count: bool) -> dict[str, Any]:
        asked = {"how": self.how, "days": self.days, "staff": self.staff, "treatment": self.treatment, "count": count}
        return _ask(self.peer, asked)


@contextlib.contextmanager
def _peer(clinic: Clinic) -> Iterator[subprocess.Popen[str]]:
    server = connection.settings_dict
    databases.make("peer")
    environment = {"PEER_HOST": server["HOST"], "PEER_USER": server["USER"], "PEER_DATABASE": "peer"}
    with subprocess.Popen(
        [PYTHON, "-m", "bench.peer"],
        cwd=PROJECT,
        env=os.environ | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        try:
            its = _ask(process, {"clinic": clinic})
            assert its == {"django": django.get_version(), "psycopg": psycopg.__version__}, f"other versions: {its}"
            yield process
        finally:
            process.stdin.close()  # it ends when nobody asks any more


def _ask(peer: subprocess.Popen[str], asked: dict[str, Any]) -> dict[str, Any]:
    assert peer.stdin is not None
    assert peer.stdout is not None
    print(json.dumps(asked), file=peer.stdin, flush=True)
    answer: dict[str, Any] = json.loads(peer.stdout.readline() or '{"error": "the peer ended"}')
    return answer
