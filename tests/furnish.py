"""What a clinic needs before anybody can be treated there, written by a process beside the running service.

`python -m tests.furnish FUNCTION ARGUMENTS` (JSON) prints what it made as one line of JSON; `Service.furnish` calls it.
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import django

django.setup()

from django.db import transaction  # noqa: E402

from clinic.models import Site  # noqa: E402
from scheduling import absences, booking, reexamination, staffing  # noqa: E402
from scheduling.models import Appointment, Course, Message, Resource  # noqa: E402
from scheduling.planner import facts  # noqa: E402
from tests import build  # noqa: E402

# Somewhere it is day: a story that begins there does not cross midnight, nor run into the hours without mail.
ZONES = ("Europe/Berlin", "America/Los_Angeles", "Australia/Sydney")
ALL_DAY = [(time(8), time(20))]


class OpenEveryDay(build.Clinic):
    """A clinic with two of everybody, open every day from 8 to 20: no story depends on the weekday it is told on."""

    def __init__(self, name: str, *, days_ago: int = 0) -> None:
        # The builders' numbers begin anew in each process, and names and addresses are used once.
        build.NUMBERS = itertools.count(1000 * (Site.objects.count() + 1))
        now = datetime.now(UTC)
        self.name = name
        zone = next(zone for zone in ZONES if 9 <= now.astimezone(ZoneInfo(zone)).hour < 19)
        super().__init__(now=now - timedelta(days=days_ago), zone=zone)

    def __post_init__(self) -> None:
        self.site = build.site(self.name, zone=self.zone)
        self.version = build.shipped_protocol(self.key)
        two_of_each = [
            (kind, f"{code.replace('_', ' ')} {number} of {self.name}", [code])
            for code, kind in build.STAFF.items()
            for number in (1, 2)
        ]
        build.resources(*two_of_each, at=self.site, hours=ALL_DAY, weekdays=range(7))

    @property
    def today(self) -> date:
        return self.now.astimezone(ZoneInfo(self.zone)).date()


def a_clinic(name: str) -> dict[str, Any]:
    """Open a site and let a receptionist and a clinician sign in there."""
    clinic = OpenEveryDay(name)
    return {
        "site": str(clinic.site.uid),
        "zone": clinic.zone,
        "today": clinic.today.isoformat(),
        "protocol": str(clinic.version.uid),
        "receptionist": clinic.receptionist.email,
        "clinician": clinic.clinician.email,
        "password": build.PASSWORD,
    }


def nobody_on_the_days_of(course: str) -> dict[str, Any]:
    """Take away, of everybody who leads a course's visits, the hours on the weekdays of those visits."""
    visits = list(Appointment.objects.live().filter(session__course__uid=course).select_related("lead", "site"))
    for lead in {visit.lead for visit in visits}:
        away = {visit.on.weekday() for visit in visits if visit.lead == lead}
        kept = [
            staffing.WeeklyHours(row.site, row.weekday, row.from_time, row.until_time, row.valid_from)
            for row in lead.hours.exclude(weekday__in=away).select_related("site")
        ]
        staffing.set_hours(lead, kept, by=None, now=datetime.now(UTC))
    return {"visits": [visit.on.isoformat() for visit in visits]}


def mails_due(name: str, patients: int, domain: str) -> dict[str, Any]:
    """Let three mails to each of so many patients be due now: confirmation, preparation and the first reminder.

    They booked twenty days ago for the day after tomorrow. All of it is committed in one moment, so that nothing is
    sent before everything is due.
    """
    with transaction.atomic():
        clinic = OpenEveryDay(name, days_ago=20)
        slots: list[dict[str, Any]] = []
        for number in range(patients):
            patient = build.patient(f"Awaited Person{number}", email=f"person{number}@{domain}")
            course = clinic.cleared_course(patient)
            slots = _later(slots, course) if slots else _planned(course, clinic, in_days=22)
            booking.book_course(course, booking.slots_from(slots, course), by=clinic.receptionist, now=clinic.now)
        due = Message.objects.filter(
            patient__email__endswith=f"@{domain}", due_at__lte=datetime.now(UTC), state="pending"
        ).count()
    return {"due": due}


def booked_with_one(name: str, patients: int) -> dict[str, Any]:
    """Book a course for each patient, all led by the same person; tell who that is, and when the second visits are."""
    clinic = OpenEveryDay(name)
    lead = Resource.objects.get(name=f"sclerotherapy 1 of {name}")
    with transaction.atomic():
        courses = [clinic.booked_course(build.patient(), lead=lead) for _ in range(patients)]
    reexamination.begin_nights(datetime.now(UTC))
    while reexamination.go_on(datetime.now(UTC)):
        pass  # else the new site's night would find what happens next as well, and ask for new times once more
    return {
        "site": str(clinic.site.uid),
        "lead": str(lead.uid),
        "on": build.visits_of(courses[0])[1].on.isoformat(),
        "courses": [course.pk for course in courses],
    }


def is_ill(lead: str, on: str) -> dict[str, Any]:
    """Note that somebody is ill on a day."""
    details = absences.AbsenceDetails(
        Resource.objects.get(uid=lead), date.fromisoformat(on), date.fromisoformat(on), kind="illness"
    )
    absences.record(details, by=None, now=datetime.now(UTC))
    return {}


def _planned(course: Course, clinic: OpenEveryDay, *, in_days: int) -> list[dict[str, Any]]:
    """Return the slots of a course whose first session is early in the morning, so many days ahead."""
    too_early = frozenset(clinic.today + timedelta(days=number) for number in range(in_days))
    wishes = facts.Wishes(avoid_dates=too_early, until_minute=9 * 60 + 5, strict=True)
    course = booking.set_wishes(course, wishes, by=clinic.receptionist, now=clinic.now)
    plan = booking.propose_course(course, now=clinic.now)[0].plan
    return [booking.slot_as_data(planned.slot, course.site) for planned in plan.sessions]


def _later(slots: list[dict[str, Any]], course: Course) -> list[dict[str, Any]]:
    """Return the same days for another patient, three quarters of an hour later."""
    sessions = build.sessions_of(course)
    return [
        slot | {"session": str(session.uid), "at": _after_45_minutes(slot["at"])}
        for slot, session in zip(slots, sessions, strict=True)
    ]


def _after_45_minutes(at: str) -> str:
    return f"{datetime.combine(date.min, time.fromisoformat(at)) + timedelta(minutes=45):%H:%M}"


FURNISHINGS: dict[str, Callable[..., dict[str, Any]]] = {
    "a_clinic": a_clinic,
    "mails_due": mails_due,
    "nobody_on_the_days_of": nobody_on_the_days_of,
    "booked_with_one": booked_with_one,
    "is_ill": is_ill,
}


if __name__ == "__main__":
    print(json.dumps(FURNISHINGS[sys.argv[1]](**json.loads(sys.argv[2]))))  # noqa: T201
