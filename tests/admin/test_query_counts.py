"""Pages ask the database as often for thirty rows as for one."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from patients.models import Identifier
from scheduling import absences, holds
from scheduling.models import Message, Resource
from tests import build

from .conftest import OpenClinic, course_page


def asked(browser: Client, address: str) -> int:
    browser.get(address)  # what is read once per process is read now
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert browser.get(address).status_code == 200
    return len(queries)


def patients(clinic: OpenClinic, count: int) -> None:
    for number in range(count):
        patient = build.patient(f"Maria Sørensen {number}")
        Identifier.objects.create(patient=patient, system="urn:clinic", value=f"{patient.pk}")


def courses(clinic: OpenClinic, count: int) -> None:
    for _number in range(count):
        course = clinic.course(build.patient())
        holds.place(course, code="other", reason="x", by=clinic.receptionist, now=clinic.now)


def resources(clinic: OpenClinic, count: int) -> None:
    for _number in range(count):
        build.resource("sclerotherapy", at=clinic.site)


def accounts(clinic: OpenClinic, count: int) -> None:
    for _number in range(count):
        build.user("reception", at=clinic.site)


def away(clinic: OpenClinic, count: int) -> None:
    for _number in range(count):
        lead = build.resource(at=clinic.site)
        absences.record(absences.AbsenceDetails(lead, clinic.today, clinic.today), by=None, now=clinic.now)


@pytest.mark.parametrize(
    ("address", "make"),
    [
        ("/admin/patients/patient/", patients),
        ("/admin/patients/patient/?q=maria", patients),
        ("/admin/scheduling/course/", courses),
        ("/admin/scheduling/course/?held=yes", courses),
        ("/admin/scheduling/resource/", resources),
        ("/admin/clinic/user/", accounts),
        ("/admin/scheduling/absence/", away),
        ("/admin/", courses),
    ],
)
def test_a_list_asks_as_often_for_thirty_rows_as_for_one(clinic, signed_in, address: str, make: Any):
    browser = signed_in(user=build.user(is_superuser=True))
    make(clinic, 1)
    one = asked(browser, address)
    make(clinic, 29)

    assert asked(browser, address) == one


def test_visits_days_messages_and_the_worklist_ask_as_often_for_many_as_for_few(clinic, signed_in):
    browser = signed_in(user=build.user(is_superuser=True))
    addresses = (
        "/admin/scheduling/appointment/",
        "/admin/scheduling/appointment/day/",
        "/admin/scheduling/message/",
        "/admin/",
    )
    clinic.booked_course()
    few = {address: asked(browser, address) for address in addresses}
    for number in range(5):
        clinic.booked_course(build.patient(f"Ana Kovač {number}"))

    assert Message.objects.count() > 30
    assert {address: asked(browser, address) for address in addresses} == few


def test_the_course_page_asks_as_often_for_a_long_history_as_for_a_short_one(clinic, signed_in):
    browser = signed_in(user=clinic.clinician)
    clinic.ago(days=30)
    short, long = clinic.booked_course(), clinic.booked_course(build.patient("Ana Kovač"))
    visit = build.sessions_of(long)[0].appointments.get()
    clinic.now = visit.during.upper
    clinic.perform(visit.session)
    visit = build.sessions_of(short)[0].appointments.get()
    clinic.now = visit.during.upper
    clinic.perform(visit.session)
    few = asked(browser, course_page(short))
    for code in ("one", "two", "three"):
        holds.place(long, code=code, reason="x", by=clinic.receptionist, now=clinic.now)
    for _number in range(3):
        clinic.consent(long)

    assert asked(browser, course_page(long)) == few


def test_the_plan_page_asks_a_number_of_times_that_does_not_grow_with_the_staff(clinic, signed_in):
    browser = signed_in(user=clinic.receptionist)
    course = clinic.cleared_course()
    address = f"/admin/scheduling/course/{course.uid}/plan/"
    few = asked(browser, address)
    for _number in range(6):
        build.resource("sclerotherapy", at=clinic.site)

    assert Resource.objects.count() > 10
    assert asked(browser, address) == few
