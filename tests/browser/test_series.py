"""On the screen: what counts and what comes late, and a course moved to another version by keyboard alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from clinic.models import User
from scheduling import protocols
from scheduling.models import Course
from tests import build

from .conftest import Harbour, says

pytestmark = pytest.mark.browser

APART = """        minimum: 4 weeks # below it only a prescriber, with a reason
        target: 1 month
"""
OVERDUE = "        overdue: 12 weeks # from this day on somebody calls\n"
BANDS = OVERDUE + "        late_bands: [{from: 12 weeks, action: shorten, note: two areas at most}]\n"


def version_of(clinic: Harbour, *changes: tuple[str, str]) -> None:
    text = protocols.shipped(clinic.key)
    for old, new in changes:
        assert text.count(old) == 1
        text = text.replace(old, new)
    loaded = protocols.load(text, by=None, now=clinic.now, approve_by=build.user(is_superuser=True))
    clinic.version = loaded


def test_a_clinician_sees_what_counts_and_decides_on_what_comes_late(
    clinic: Harbour, page: Page, sign_in: Callable[[User], None], photograph: Callable[[str], None]
):
    version_of(clinic, (OVERDUE, BANDS))
    clinic.go_back(days=100)
    course = clinic.cleared_course(build.patient("Zoë Müller"))
    first, second, _third = build.sessions_of(course)
    clinic.perform(first)
    clinic.wait(days=6)
    clinic.perform(second)
    clinic.wait(days=94)
    sign_in(clinic.clinician)

    page.goto(f"/admin/scheduling/course/{course.uid}/change/")

    late = page.locator("#session-4")
    assert [words.startswith("Comes late") for words in says(late.locator(".notice"))] == [True]
    photograph("course-late")
    decide = late.get_by_role("link", name="Decide")
    decide.focus()
    page.keyboard.press("Enter")
    page.get_by_label("shorten").check()
    page.get_by_label("Why").fill("was away")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_be_visible()
    assert "The decision is recorded." in says(page.get_by_role("status"))
    assert "Decided: shorten" in says(page.locator("#session-4 .notice"))[0]


def test_a_manager_moves_a_course_to_another_version_by_keyboard(
    clinic: Harbour, page: Page, sign_in: Callable[[User], None], photograph: Callable[[str], None]
):
    clinic.shut_today()
    course = clinic.booked_course(build.patient("Zoë Müller"))
    version_of(
        clinic,
        (APART, "        minimum: 6 weeks\n        target: 6 weeks\n"),
        ("    sessions: 3\n", "    sessions: 4\n"),
    )
    sign_in(clinic.manager)
    page.goto(f"/admin/scheduling/course/{course.uid}/change/")

    page.get_by_role("link", name="Move to another version").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="What version 2 would change")).to_be_visible()
    photograph("version-preview")
    page.get_by_label("Why the course is moved").focus()
    page.keyboard.type("new guideline")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    expect(page.get_by_role("status").first).to_be_visible()
    assert "The course follows the new version. Look at the proposed moves." in says(page.get_by_role("status"))
    assert Course.objects.get(pk=course.pk).version.number == 2
