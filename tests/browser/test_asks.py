"""A receptionist asks for certain days, times and people, by keyboard, and books what was shown."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.sync_api import expect

from scheduling.models import Appointment
from tests import build

from .axe import serious
from .conftest import says

pytestmark = pytest.mark.browser


def test_plans_are_asked_for_by_keyboard_and_booked_as_shown(clinic, page, sign_in, photograph):
    clinic.shut_today()
    course = clinic.cleared_course(build.patient("Fatima al-Zahra"))
    second = build.sessions_of(course)[1]
    begins = clinic.today + timedelta(days=7)
    sign_in(clinic.receptionist)
    page.goto(f"/admin/scheduling/course/{course.uid}/plan/")

    page.get_by_text("Ask for certain days, times or people").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Start on or after").fill(begins.isoformat())
    page.get_by_label("Done by").fill("12:00")
    page.get_by_role("group", name="Only with").get_by_label("Dr Inês Oliveira").press("Space")
    page.get_by_role("group", name="3. Injection session").get_by_label("Begins at").fill("10:00")
    photograph("ask-filled")
    page.get_by_role("button", name="Make plans").press("Enter")

    expect(page.get_by_text("These plans keep to what is asked:")).to_be_visible()
    best = page.locator(".plan.is-best")
    shown = says(best.locator(".plan-time"))
    assert len(shown) == 3
    assert "10:00" in shown[1]
    assert says(best.locator(".plan-people")) == [text for text in says(best.locator(".plan-people")) if "Inês" in text]
    best.get_by_text("Why not nearer?").first.press("Enter")
    assert "Not what was asked for." in says(best.locator(".why-not[open]"))[0]
    assert serious(page) == []
    photograph("ask-plans")

    best.get_by_role("button", name="Book this plan").press("Enter")

    expect(page.get_by_text("3 visits are booked.")).to_be_visible()
    visits = Appointment.objects.filter(session__course=course).order_by("on")
    assert [f"{one.at_time:%H:%M}" for one in visits][1] == "10:00"
    assert visits[0].on >= begins
    assert {one.lead.name for one in visits} == {"Dr Inês Oliveira"}
    assert visits[1].session == second


def test_what_is_wrong_is_linked_to_its_field(clinic, page, sign_in, photograph):
    course = clinic.cleared_course(build.patient("Fatima al-Zahra"))
    sign_in(clinic.receptionist)
    page.goto(f"/admin/scheduling/course/{course.uid}/plan/")
    page.get_by_text("Ask for certain days, times or people").click()
    page.get_by_label("Start on or after").fill((clinic.today + timedelta(days=9)).isoformat())
    page.get_by_label("Finish before").fill((clinic.today + timedelta(days=5)).isoformat())
    page.get_by_label("Not on these dates").fill("next week")
    page.get_by_role("button", name="Make plans").click()

    summary = page.get_by_role("alert")
    expect(summary.get_by_role("link")).to_have_text(["Not on these dates"])
    page.get_by_label("Not on these dates").fill("")
    page.get_by_role("button", name="Make plans").click()
    expect(summary.get_by_role("link")).to_have_text(["Finish before"])
    summary.get_by_role("link", name="Finish before").click()

    expect(page.get_by_label("Finish before")).to_be_focused()
    assert serious(page) == []
    photograph("ask-wrong")


def test_where_there_is_no_plan_the_page_says_what_would_make_one(clinic, page, sign_in, photograph):
    course = clinic.cleared_course(build.patient("Fatima al-Zahra"))
    sign_in(clinic.receptionist)
    page.goto(f"/admin/scheduling/course/{course.uid}/plan/")
    page.get_by_text("Ask for certain days, times or people").click()
    page.get_by_label("Done by").fill("07:00")
    page.get_by_role("button", name="Make plans").click()

    expect(page.get_by_text("The least that would have to change")).to_be_visible()
    page.get_by_text("What each rule took away").first.click()
    assert serious(page) == []
    photograph("ask-none")
