"""The waiting list, and visits that are no longer covered, at the desk in a browser: pages for people to look at."""

from __future__ import annotations

from datetime import timedelta

from playwright.sync_api import expect

from scheduling import booking, reexamination, replanning, staffing, visits, waitlist
from scheduling.models import CancelReason
from scheduling.models.appointments import AskedBy
from scheduling.planner import facts
from tests import build

from .conftest import Harbour


def booked_in(clinic: Harbour, days: int, name: str):
    away = frozenset(clinic.today + timedelta(days=number) for number in range(days))
    course = clinic.booked_course(build.patient(name), wishes=facts.Wishes(avoid_dates=away, strict=True))
    return booking.set_wishes(course, facts.Wishes(), by=clinic.receptionist, now=clinic.now)


def test_a_time_that_fell_free_is_kept_and_given_from_the_worklist(page, clinic, sign_in, photograph):
    ana, ben = booked_in(clinic, 5, "Ana Kovač"), booked_in(clinic, 20, "Ben Okafor")
    freed = build.visits_of(ana)[0]
    sign_in(clinic.receptionist)

    page.goto(f"/admin/scheduling/course/{ben.uid}/change/")
    page.locator("#session-2").get_by_role("link", name="Waiting list").click()
    photograph("put-on-the-waiting-list")
    page.get_by_label("Hours of notice that the patient needs").fill("12")
    page.get_by_role("button", name="Put on the list").click()
    expect(page.get_by_text("waiting list", exact=True)).to_be_visible()
    photograph("course-with-a-session-that-waits")

    visits.cancel(
        freed, reason=CancelReason.PATIENT_BUSY, asked_by=AskedBy.PATIENT, by=clinic.receptionist, now=clinic.now
    )
    assert waitlist.offer_freed_times(clinic.now) == 1

    page.goto("/admin/")
    listing = page.get_by_role("region", name="Times kept for the waiting list")
    expect(listing).to_contain_text("Ben Okafor")
    expect(listing).to_contain_text(f"{freed.at_time:%H:%M} is kept for them until")
    photograph("worklist-with-an-offer")
    listing.get_by_role("link", name="Answer").click()
    expect(page.get_by_text("is kept for the patient")).to_be_visible()
    photograph("course-with-an-offer")
    page.get_by_role("link", name="Takes it").click()
    photograph("take-an-offer")
    page.get_by_role("button", name="Book the time").click()

    expect(page.get_by_text("The time is the patient’s.")).to_be_visible()
    photograph("offer-taken")
    assert build.visits_of(ben)[0].on == freed.on


def test_visits_of_somebody_who_left_are_on_the_worklist_with_where_they_could_go(page, clinic, sign_in, photograph):
    booked_in(clinic, 5, "Ana Kovač")
    lead = build.visits_of(booked_in(clinic, 5, "Ben Okafor"))[0].lead
    staffing.set_hours(lead, [], by=clinic.manager, now=clinic.now)
    while reexamination.go_on(clinic.now):
        pass
    while replanning.work_out_next(clinic.now, seconds=2):
        pass
    sign_in(clinic.receptionist)

    listing = page.get_by_role("region", name="Visits no longer covered")
    expect(listing).to_contain_text(f"{lead.name} is not working then.")
    expect(listing).to_contain_text("Proposed:")
    photograph("worklist-with-visits-not-covered")
    listing.get_by_role("link", name="Look").first.click()
    heading = page.get_by_role("heading", name="Proposed moves")
    expect(heading).to_be_visible()
    is_covered = (
        "one => { const at = one.getBoundingClientRect(); return document.elementFromPoint(at.x, at.y) !== one }"
    )
    assert not heading.evaluate(is_covered)  # by the header, which stays where it is
    photograph("proposal-for-visits-not-covered")
