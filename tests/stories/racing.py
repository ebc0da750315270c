"""What is done at the same moment, and whether anything is taken twice after it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from threading import Barrier
from typing import Any

from django.db import connection

from clinic.errors import Conflict
from scheduling import booking, visits
from scheduling.models import CancelReason, Course
from scheduling.models.appointments import AskedBy
from tests import build

ROUNDS = 3
OVERLAPS = """
    SELECT (SELECT count(*) FROM scheduling_occupancy a JOIN scheduling_occupancy b
            ON a.id < b.id AND a.resource_id = b.resource_id AND a.place = b.place AND a.during && b.during
            WHERE a.released_at IS NULL AND b.released_at IS NULL)
         + (SELECT count(*) FROM scheduling_appointment a JOIN scheduling_appointment b
            ON a.id < b.id AND a.patient_id = b.patient_id AND a.during && b.during
            WHERE a.state IN ('booked', 'arrived') AND b.state IN ('booked', 'arrived'))
"""
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"


def asked(question: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(question)
        return int(cursor.fetchone()[0])


def somebody_waits() -> bool:
    """Whether another connection waits for a lock; takes a hundredth of a second."""
    return bool(asked("SELECT count(*) FROM pg_sleep(0.01), pg_locks WHERE NOT granted AND pid <> pg_backend_pid()"))


def at_once(*acts: Callable[[], object]) -> list[str]:
    """Do things in a thread each, all beginning at the same moment, and return what became of each."""
    start = Barrier(len(acts))

    def run(act: Callable[[], object]) -> str:
        try:
            start.wait(30)
            act()
        except Conflict as refusal:
            return refusal.code
        else:
            return "done"
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


@dataclass
class Rival:
    """Somebody who plans, books, moves and cancels one course, over and over, as quickly as the database allows."""

    clinic: build.Clinic
    course: Course
    random: Random
    codes: list[str] = field(default_factory=list)

    def __call__(self) -> None:
        for _ in range(ROUNDS):
            for step in (self.book, self.move, self.cancel_all):
                try:
                    step()
                except Conflict as refusal:
                    self.codes.append(refusal.code)
                else:
                    self.codes.append("done")

    @property
    def by_now(self) -> dict[str, Any]:
        return {"by": self.clinic.receptionist, "now": self.clinic.now}

    def book(self) -> None:
        plan = self.random.choice(booking.propose_course(self.course, now=self.clinic.now)).plan
        booking.book_course(self.course, [planned.slot for planned in plan.sessions], **self.by_now)

    def move(self) -> None:
        for visit in build.visits_of(self.course)[:1]:
            days = {"first_on": visit.on, "last_on": visit.on + timedelta(days=3)}
            times = visits.free_times(visit.session, **days, now=self.clinic.now, limit=20)
            visits.move(visit, self.random.choice(times).slot, **self.by_now)

    def cancel_all(self) -> None:
        for visit in build.visits_of(self.course):
            visits.cancel(visit, reason=CancelReason.PATIENT_BUSY, asked_by=AskedBy.PATIENT, **self.by_now)
