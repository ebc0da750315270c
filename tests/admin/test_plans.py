"""What a receptionist asks of the plans: given, kept on the page, or refused beside the field."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest

from scheduling import booking, holds, visits
from scheduling.models import Appointment, Course, Resource
from scheduling.wording import day
from tests import build

from .conftest import OpenClinic, course_page, hidden, plan_page, words


def field(what: str, session: Any) -> str:
    return f"{what}_{session.uid.hex}"


def first_plan(page: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(hidden(page, "plan")[0])
    return found


def errors(page: Any) -> list[tuple[str, str]]:
    """The links of the summary with what they say."""
    text = page.content.decode()
    return re.findall(r'<a href="#id_([^"]+)">[^<]*</a>: ([^<]*)</li>', text)


def test_what_is_asked_is_in_the_plans_and_is_booked_as_shown(clinic: OpenClinic, reception: Any):
    course = clinic.cleared_course()
    first, second, _third = build.sessions_of(course)
    other = (
        Resource.objects.practitioners().filter(has_capabilities__capability__code="sclerotherapy").order_by("pk")[1]
    )
    asked = {
        "weekdays": [str(n) for n in range(5)],
        "until_time": "12:00",
        "forbidden": f"{clinic.today}, {clinic.today} to {clinic.today + timedelta(days=3)}",
        field("at", second): "10:00",
        field("lead", second): str(other.uid),
    }

    page = reception.post(plan_page(course), asked)

    slots = {one["session"]: one for one in first_plan(page)}
    assert page.status_code == 200
    assert slots[str(second.uid)]["at"] == "10:00"
    assert slots[str(second.uid)]["lead"] == str(other.uid)
    assert slots[str(first.uid)]["on"] > str(clinic.today + timedelta(days=3))
    assert all(one["at"] < "12:00" for one in slots.values())
    assert f"done by 12:00; not on {day(clinic.today)}; not on" in words(page)
    assert f"session 3: 10:00, {other.name}." in words(page)
    assert hidden(page, "until_time")[0] == "12:00"  # what is booked is what was shown: it stays in the form
    sent = {"plan": hidden(page, "plan")[0], "key": hidden(page, "key")[0], **asked}

    answer = reception.post(plan_page(course), sent)

    booked = Appointment.objects.filter(session__course=course)
    assert (answer.status_code, answer.url) == (302, course_page(course))
    assert {str(one.session.uid): (f"{one.on}", f"{one.at_time:%H:%M}") for one in booked} == {
        uid: (slot["on"], slot["at"]) for uid, slot in slots.items()
    }


def test_after_somebody_was_faster_the_fresh_plans_still_keep_to_what_was_asked(clinic: OpenClinic, reception: Any):
    course, rival = clinic.cleared_course(), clinic.cleared_course(build.patient("Ana Kovač"))
    asked = {"starts_from": f"{clinic.today + timedelta(days=20)}", "until_time": "11:00"}
    page = reception.post(plan_page(course), asked)
    session = build.sessions_of(rival)[0]
    taken = dict(first_plan(page)[0], session=str(session.uid))
    visits.book(session, booking.slots_from([taken], rival)[0], by=clinic.receptionist, now=clinic.now)

    answer = reception.post(
        plan_page(course), {"plan": hidden(page, "plan")[0], "key": hidden(page, "key")[0], **asked}
    )

    assert (answer.status_code, Appointment.objects.filter(session__course=course).count()) == (409, 0)
    assert all(one["on"] >= asked["starts_from"] and one["at"] < "11:00" for one in first_plan(answer))
    assert {"starts_from", "until_time"} <= set(re.findall(r'type="hidden" name="(\w+)"', answer.content.decode()))


def later(clinic: OpenClinic, days: int) -> str:
    return str(clinic.today + timedelta(days=days))


WRONG: list[tuple[dict[str, Any], tuple[str, str]]] = [
    ({"starts_from": "20", "starts_by": "10"}, ("starts_by", "This must not be before")),
    ({"starts_from": "20", "ends_before": "10"}, ("ends_before", "The course would end before it starts.")),
    ({"starts_by": "-1"}, ("starts_by", "This is over.")),
    ({"starts_from": "4000"}, ("starts_from", "The site takes bookings until")),
    ({"from_time": "10:00", "until_time": "10:00"}, ("until_time", "“Not before” must be earlier than “done by”.")),
    ({"from_time": "10:00", "until_time": "10:05"}, ("until_time", "The session takes longer than the hours")),
    ({"forbidden": "soon"}, ("forbidden", "Not a date: soon")),
    ({"forbidden": "2031-03-02 to 2031-03-01"}, ("forbidden", "This must not be before")),
    ({"forbidden": ", ".join(["2031-03-02"] * 51)}, ("forbidden", "These are too many.")),
    ({"starts_from": "when?"}, ("starts_from", "Enter a valid date.")),
    ({"weekdays": ["9"]}, ("weekdays", "Select a valid choice.")),
    ({"only_with": ["0"]}, ("only_with", "Select a valid choice.")),
    ({"on": "-1"}, ("on", "This is over.")),
    ({"on": "4000"}, ("on", "The site takes bookings until")),
    ({"on": "10", "starts_from": "12"}, ("on", "is outside the dates asked for.")),
    ({"on": "10", "forbidden": "10"}, ("on", "is one of the dates to leave out.")),
    ({"at": "10:01"}, ("at", "Visits start every")),
    ({"at": "14:00", "until_time": "12:00"}, ("at", "This time is outside the hours asked for.")),
    ({"at": "later"}, ("at", "Enter a valid time.")),
    ({"lead": "nobody"}, ("lead", "Select a valid choice.")),
]


def test_every_refusal_stands_beside_its_field_and_in_the_summary(clinic: OpenClinic, reception: Any):
    course = clinic.cleared_course()
    first = build.sessions_of(course)[0]
    dates = {"starts_from", "starts_by", "ends_before", "on"}

    for asked, (name, said) in WRONG:
        sent = {
            field(key, first) if key in ("on", "at", "lead") else key: later(clinic, int(value))
            if (key in dates and value.lstrip("-").isdigit()) or value == "10"
            else value
            for key, value in asked.items()
        }  # fmt: skip
        page = reception.post(plan_page(course), sent)

        where = field(name, first) if name in ("on", "at", "lead") else name
        found = errors(page)
        assert (page.status_code, [one[0] for one in found]) == (200, [where]), asked
        assert said in found[0][1].replace("&quot;", '"').replace("&#x27;", "'"), asked
        assert f'id="id_{where}_error"' in page.content.decode() or name in ("weekdays", "only_with")
        assert hidden(page, "plan") == []


def test_what_says_of_no_field_stands_above_the_form(clinic: OpenClinic, reception: Any):
    course = clinic.cleared_course()

    page = reception.post(plan_page(course), {"forbidden": f"{clinic.today} to {later(clinic, 4000)}"})

    assert page.status_code == 200
    assert "No date is left by what is asked. Ask for less." in words(page)


def test_two_pins_that_no_window_allows_are_told_at_the_later_one(clinic: OpenClinic, reception: Any):
    course = clinic.cleared_course()
    first, second, _third = build.sessions_of(course)

    page = reception.post(
        plan_page(course), {field("on", first): later(clinic, 10), field("on", second): later(clinic, 20)}
    )

    assert [one[0] for one in errors(page)] == [field("on", second)]
    assert "Session 3, date" in words(page)


def test_a_pin_that_leaves_no_date_before_it_is_told_in_words(clinic: OpenClinic, reception: Any):
    course = clinic.cleared_course()
    _first, second, third = build.sessions_of(course)

    page = words(reception.post(plan_page(course), {field("on", third): later(clinic, 0)}))

    said = f"Session {third.position} is asked for on {day(clinic.today)} at the latest, and leaves no date before it"
    assert f"{said} for session {second.position}." in page
    assert "The sessions would not follow each other in their order." in page
    assert "There is a plan if session 4 is on another date" in page


def test_nothing_can_be_asked_for_a_session_that_is_booked(clinic: OpenClinic, reception: Any):
    course = clinic.cleared_course()
    first, second, _third = build.sessions_of(course)
    slot = booking.propose_course(course, now=clinic.now)[0].plan.sessions[0].slot
    visits.book(first, slot, by=clinic.receptionist, now=clinic.now)

    page = reception.get(plan_page(course)).content.decode()

    assert (field("on", first) in page, field("on", second) in page) == (False, True)


def test_the_other_plans_say_how_they_differ_and_the_first_why_it_is_not_nearer(clinic: OpenClinic, reception: Any):
    course = clinic.cleared_course()

    page = words(reception.post(plan_page(course), {"starts_from": later(clinic, 5)}))

    assert "Unlike the best plan:" in page
    assert "Other weekdays" in page
    assert "Why not nearer?" in page
    assert "Not what was asked for." in page


@pytest.mark.parametrize("strict", [False, True])
def test_where_there_is_no_plan_the_least_that_would_have_to_change_is_told(
    clinic: OpenClinic, reception: Any, strict: bool
):
    course = clinic.cleared_course()
    asked = {"until_time": "05:00"}
    if strict:
        wishes = build.facts.Wishes(until_minute=5 * 60, strict=True)
        booking.set_wishes(course, wishes, by=clinic.receptionist, now=clinic.now)
        asked = {}

    page = words(reception.post(plan_page(course), asked))

    assert "There is no plan, and this is why" in page
    assert "The least that would have to change" in page
    assert ("the patient comes at other times of day" if strict else "other times of day are used") in page
    assert "What each rule took away" in page


def test_a_course_with_nothing_left_to_plan_asks_nothing(clinic: OpenClinic, reception: Any):
    course: Course = clinic.booked_course()

    page = words(reception.get(plan_page(course)))

    assert "Ask for certain days, times or people" not in page
    assert "There is no plan" not in page


def test_a_course_with_all_visits_it_can_plan_says_so_and_offers_to_plan_it_anew(clinic: OpenClinic, reception: Any):
    course: Course = clinic.booked_course()

    page = reception.get(plan_page(course))

    said = words(page)
    review = course.sessions.get(step_key="final_review")
    assert (review.state, review.appointments.count()) == ("open", 0)
    assert "Nothing is left to plan" in said
    assert "Every session of this course is over, has a visit, or is booked by itself when it falls due." in said
    assert "is booked already" not in said
    for visit in build.visits_of(course):
        assert f"{visit.on:%A} {visit.on.day} {visit.on:%B %Y}, {visit.at_time:%H:%M} · {visit.lead.name}" in said
    assert "Plan the booked visits anew" in said
    replan = f"/admin/scheduling/course/{course.uid}/replan/"
    assert f'action="{replan}"' in page.content.decode()
    assert "Nothing better is possible: all visits may stay." in words(reception.post(replan, follow=True))

    holds.place(course, code="other", reason="ask first", by=clinic.receptionist, now=clinic.now)
    assert "Plan the booked visits anew" not in words(reception.get(plan_page(course)))
