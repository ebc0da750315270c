"""Three patients, of whom two would come sooner, and what is done with a waiting list."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from clinic import localtime
from scheduling import booking, visits, waitlist
from scheduling.models import Appointment, CancelReason, Course, Offer, WaitingListEntry
from scheduling.models.appointments import AskedBy
from scheduling.planner import facts
from tests import build

BUSY = {"reason": CancelReason.PATIENT_BUSY, "asked_by": AskedBy.PATIENT}


def course_from(clinic: build.Clinic, days: int, name: str = "") -> Course:
    """A booked course whose first visit is so many days ahead, or a little later; by now any time would suit."""
    away = frozenset(clinic.today + timedelta(days=number) for number in range(days))
    course = clinic.booked_course(build.patient(name), wishes=facts.Wishes(avoid_dates=away, strict=True))
    return booking.set_wishes(course, facts.Wishes(), by=clinic.receptionist, now=clinic.now)


def first_of(course: Course) -> Appointment:
    return build.visits_of(course)[0]


def waits(clinic: build.Clinic, course: Course, **fields: Any) -> WaitingListEntry:
    return waitlist.put_on(build.sessions_of(course)[0], by=clinic.receptionist, now=clinic.now, **fields)


def cancel(clinic: build.Clinic, visit: Appointment) -> None:
    visits.cancel(visit, **BUSY, by=clinic.receptionist, now=clinic.now)


def standing(clinic: build.Clinic) -> list[tuple[str, str, str]]:
    """The offers that stand: to whom, for when, and until when on the clocks of the site."""
    return [
        (
            offer.patient.name,
            f"{offer.reservation.on} {offer.reservation.at_time:%H:%M}",
            f"{localtime.wall(offer.reservation.expires_at, clinic.zone):%Y-%m-%d %H:%M}",
        )
        for offer in Offer.objects.standing(clinic.now).select_related("patient", "reservation").order_by("pk")
    ]


def the_offer(clinic: build.Clinic) -> Offer:
    return Offer.objects.standing(clinic.now).get()


@pytest.fixture
def three(clinic: build.Clinic) -> tuple[Course, Course, Course]:
    """Courses of three patients, whose first visits are about 10, 20 and 25 days ahead; the last two would come sooner.

    Those two wait for the same: the second of them gains more.
    """
    courses = (
        course_from(clinic, 10, "Ana First"),
        course_from(clinic, 20, "Ben Second"),
        course_from(clinic, 25, "Cleo Third"),
    )
    waits(clinic, courses[1])
    waits(clinic, courses[2])
    return courses
