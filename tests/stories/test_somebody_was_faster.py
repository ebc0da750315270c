"""A receptionist plans and books a course on the screen; a colleague's program takes the same time first."""

from __future__ import annotations

from scheduling.models import Appointment
from tests import build

from .conftest import course_page, everything_stored, plan_page


def test_when_a_colleague_was_faster_nothing_is_written_and_fresh_plans_are_shown(clinic, desk, api):
    mine, theirs = clinic.cleared_course(build.patient("Zoë Müller")), clinic.cleared_course(build.patient("Ana Kovač"))
    page = desk.open(plan_page(mine))
    colleague = api(clinic.clinician)
    best = colleague.post(f"courses/{theirs.uid}/plan/").json()["alternatives"][0]
    slots = {"slots": [session["slot"] for session in best["sessions"]]}
    assert colleague.post(f"courses/{theirs.uid}/book/", slots).status_code == 201
    injector = build.visits_of(theirs)[0].lead.name
    stored = everything_stored()

    refused = page.press("Book this plan")

    assert refused.status == 409
    assert "Nothing was booked. Here are fresh plans." in refused.words
    for number in (1, 2, 3):
        assert f"Injection session {number} of 3: {injector} is already taken then." in refused.words
    assert everything_stored() == stored

    booked = refused.press("Book this plan")

    assert (booked.status, booked.address) == (200, course_page(mine))
    assert "3 visits are booked." in booked.words
    assert [visit.state for visit in Appointment.objects.filter(session__course=mine)] == ["booked"] * 3


def test_a_receptionist_starts_plans_and_books_a_course_and_finds_it_in_the_day_list(clinic, desk):
    patient = build.patient("Zoë Müller")
    start = desk.open(f"/admin/scheduling/course/add/?patient={patient.uid}")
    area = clinic.areas()[0]

    page = start.press("Start the course", version=clinic.version.pk, site=clinic.site.pk, areas=[area.pk])
    assert "The course is open." in page.words
    course = patient.courses.get()
    closed = desk.open(plan_page(course))
    assert "Before this can be booked" in closed.words
    assert not any("Book this plan" in button for button in closed.buttons)

    clinic.assess(course)
    clinic.consent(course)
    clinic.answer_all(course)
    booked = desk.open(plan_page(course)).press("Book this plan")

    assert "3 visits are booked." in booked.words
    first = build.visits_of(course)[0]
    day = desk.open(f"/admin/scheduling/appointment/day/?site={clinic.site.uid}&on={first.on}")
    assert f"{first.at_time:%H:%M}" in day.words
    assert "Zoë Müller" in day.words
