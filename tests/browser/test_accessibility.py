"""Everybody can use the pages: axe-core (vendor/axe-core) finds nothing serious on them, in light and in dark.

Each page is photographed as well, into test-results/pages (or wherever `--output` says), to be looked at.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import ViewportSize, expect

from scheduling import holds, visits
from scheduling.models import Course
from tests import build

from .axe import serious
from .conftest import Harbour

pytestmark = pytest.mark.browser

PHONE = ViewportSize(width=390, height=844)


@pytest.fixture
def courses(clinic: Harbour) -> dict[str, Course]:
    """A clinic on an ordinary morning: courses in many states, and visits today."""
    now, evening = clinic.now, datetime.combine(clinic.today, time(20), ZoneInfo(clinic.zone))
    clinic.now = evening - timedelta(days=41)
    performed = clinic.booked_course(build.patient("Łukasz Wójcik"))
    waiting, held = (clinic.cleared_course(build.patient(name)) for name in ("Nguyễn Thị Hà", "Ahmet Yılmaz"))
    clinic.now = evening - timedelta(days=40)
    for course, outcome in [(performed, "ok"), (waiting, None), (held, "review")]:
        clinic.perform(build.sessions_of(course)[0], outcome=outcome and visits.OutcomeInput(outcome))
    clinic.now = evening - timedelta(days=1)
    booked = clinic.booked_course(build.patient("Zoë Müller"))
    clinic.booked_course(build.patient("José Ramírez", access_needs="Needs the lift"))
    clinic.now = now
    holds.place(held, code="other", reason="Waits for the lab", by=clinic.receptionist, now=now)
    return {
        "performed": performed,
        "booked": booked,
        "cleared": clinic.cleared_course(build.patient("Fatima al-Zahra")),
        "new": clinic.course(build.patient("Olu Adébáyọ̀")),
    }


def pages(courses: dict[str, Course]) -> dict[str, str]:
    course = "/admin/scheduling/course"
    return {
        "worklist": "/admin/",
        "patient": f"/admin/patients/patient/{courses['performed'].patient.uid}/change/",
        "course": f"{course}/{courses['performed'].uid}/change/",
        "course-new": f"{course}/{courses['new'].uid}/change/",
        "plan": f"{course}/{courses['cleared'].uid}/plan/",
        "day-list": "/admin/scheduling/appointment/day/",
    }


def test_nothing_serious_stands_in_anybodys_way_in_light_or_in_dark(clinic, courses, page, sign_in, photograph):
    found: dict[str, list[str]] = {}

    def look(name: str, address: str, colours: Literal["light", "dark"]) -> None:
        page.emulate_media(color_scheme=colours)
        page.goto(address)
        expect(page.get_by_role("main")).to_be_visible()
        assert page.evaluate("document.documentElement.classList.contains('dark')") == (colours == "dark")
        photograph(f"{name}-{colours}")
        found[f"{name} in {colours}"] = serious(page)

    look("sign-in", "/", "light")
    look("sign-in", "/", "dark")
    sign_in(clinic.receptionist)
    for name, address in pages(courses).items():
        look(name, address, "light")
        look(name, address, "dark")

    assert len(found) == 14
    assert [line for lines in found.values() for line in lines] == []


def test_a_phone_shows_the_whole_width_of_every_page(clinic, courses, page, sign_in, photograph):
    page.set_viewport_size(PHONE)
    sign_in(clinic.receptionist)

    wider = {}
    for name, address in pages(courses).items():
        page.goto(address)
        expect(page.get_by_role("main")).to_be_visible()
        photograph(f"{name}-phone")
        wider[name] = page.evaluate("document.documentElement.scrollWidth") - PHONE["width"]

    assert wider == dict.fromkeys(pages(courses), 0)
