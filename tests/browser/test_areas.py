"""On the screen: the legs take turns, said by keyboard alone, with and without scripts, at a desk and on a phone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from clinic.models import User
from tests import build
from tests.scheduling import legs
from tests.scheduling.legs import LEFT, RIGHT, planned

from .conftest import Harbour, says
from .test_accessibility import serious

pytestmark = pytest.mark.browser


def test_a_receptionist_lets_the_legs_take_turns_by_keyboard(
    clinic: Harbour, page: Page, sign_in: Callable[[User], None], photograph: Callable[[str], None]
):
    legs.give_at(clinic)
    course = legs.course(clinic)
    sign_in(clinic.receptionist)
    page.goto(f"/admin/scheduling/course/{course.uid}/change/")

    page.get_by_role("link", name="Areas of the sessions").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Areas of the sessions")).to_be_visible()
    rows = page.locator("form.form").get_by_role("group")
    assert says(rows) == [f"{number}. Treatment Left thigh Right thigh" for number in (2, 3, 4, 5)]
    assert serious(page) == []
    photograph("areas")
    rows.first.get_by_role("checkbox").first.focus()
    for leg in (RIGHT, LEFT, RIGHT, LEFT):  # what is unticked, row by row
        if leg == LEFT:
            page.keyboard.press("Space")
        page.keyboard.press("Tab")
        if leg == RIGHT:
            page.keyboard.press("Space")
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    expect(page.get_by_role("status").first).to_be_visible()
    assert "The areas are noted, and the windows are counted anew." in says(page.get_by_role("status"))
    assert planned(course) == [[LEFT], [RIGHT], [LEFT], [RIGHT]]
    cards = page.locator(".session").filter(has_text="Areas to treat")
    assert [("Left" in words, "Right" in words) for words in says(cards)] == [(True, False), (False, True)] * 2
    page.set_viewport_size(ViewportSize(width=400, height=860))
    photograph("areas-phone")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_it_works_without_scripts_from_signing_in_on(clinic: Harbour, browser: Browser, base_url: str):
    legs.give_at(clinic)
    course = legs.course(clinic)
    context = browser.new_context(base_url=base_url, java_script_enabled=False)
    plain = context.new_page()
    plain.goto("/")
    plain.get_by_label("E-mail").fill(clinic.receptionist.email)
    plain.get_by_label("Password").fill(build.PASSWORD)
    plain.get_by_role("button", name="Sign in").click()
    plain.goto(f"/admin/scheduling/course/{course.uid}/change/")

    plain.get_by_role("link", name="Areas of the sessions").click()
    plain.get_by_role("group", name="3. Treatment").get_by_label("Left thigh").uncheck()
    plain.get_by_role("button", name="Save the areas").click()

    expect(plain.locator("#session-3")).to_contain_text("Areas to treat: Right thigh")
    assert planned(course) == [[LEFT, RIGHT], [RIGHT], [LEFT, RIGHT], [LEFT, RIGHT]]
    context.close()
