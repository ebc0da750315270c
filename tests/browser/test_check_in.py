"""Check-in by keyboard: what is missing is opened from there, and one is back where one was."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from playwright.sync_api import Page, expect

from clinic.models import Role, User
from scheduling import intake
from tests import build

from .conftest import Harbour


def test_a_consent_is_recorded_from_check_in_and_check_in_goes_on(
    page: Page, clinic: Harbour, sign_in: Callable[[User], None], photograph: Callable[[str], None]
) -> None:
    today = clinic.today
    clinic.go_back(days=30)
    earlier = frozenset(today - timedelta(days=number) for number in range(1, 31))
    course = clinic.booked_course(wishes=build.facts.Wishes(avoid_dates=earlier, strict=True))
    visit = build.visits_of(course)[0]
    clinic.go_back(days=-30)
    assert visit.on == today
    intake.withdraw_consent(
        course.consents.get(), on=clinic.today, cancel_visits=False, by=clinic.clinician, now=clinic.now
    )
    sign_in(build.user(Role.PRESCRIBER, at=clinic.site))
    page.goto(f"/admin/scheduling/appointment/day/?site={clinic.site.uid}&on={today}")
    page.get_by_role("button", name="Check in").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("This visit must not begin yet.")).to_be_visible()
    photograph("check-in-without-consent")

    page.get_by_role("link", name="Record the consent").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Patient informed on").fill(f"{today}")
    page.get_by_label("Signed on").fill(f"{today}")
    photograph("consent-from-check-in")
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", name="Check in")).to_be_visible()
    expect(page.get_by_text("The consent is recorded.")).to_be_visible()
    photograph("check-in-with-consent")
    page.get_by_role("link", name="Lift the hold").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Why the course may go on").fill("The patient wants it after all")
    page.get_by_role("button", name="Lift the hold").focus()
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", name="Check in")).to_be_visible()
    expect(page.get_by_role("button", name="The patient is here")).to_be_visible()
    photograph("check-in-after-all")
    page.get_by_role("link", name="Back", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"/admin/scheduling/appointment/day/?site={clinic.site.uid}&on={today}")
