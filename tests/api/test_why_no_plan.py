"""Why there is no plan: the dates that stand against each other, which of them was asked for, and what would do."""

from __future__ import annotations

from typing import Any

import pytest

from clinic import accounts
from scheduling import booking, visits
from tests import build

from .conftest import ApiClinic, refusal
from .test_plans import plan


def why(answer: Any) -> list[tuple[str, str, str, str, dict[str, int]]]:
    """Code, dates, reason and what each rule took, of each session without a time."""
    assert refusal(answer)[:2] == (409, "no_plan")
    return [
        (one["code"], one["first_on"], one["last_on"], one["reason"], {r["code"]: r["dates"] for r in one["removed"]})
        for one in answer.json()["violations"]
    ]


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        (
            {"ends_before": "2027-02-20"},
            (
                "not_asked",
                "2027-03-01",
                "2027-02-19",
                (
                    "Session 4 can be on Mon 1 March 2027 at the earliest;"
                    " asked for is Fri 19 February 2027 at the latest."
                ),
                {"outside_window": 56, "not_asked": 95},
            ),
        ),
        (
            {"sessions": [{"session": "{2}", "on": "2027-01-12"}]},
            (
                "not_asked",
                "2027-02-01",
                "2027-01-12",
                (
                    "Session 3 can be on Mon 1 February 2027 at the earliest;"
                    " asked for is Tue 12 January 2027 at the latest."
                ),
                {"outside_window": 28, "not_asked": 123},
            ),
        ),
        (
            {"sessions": [{"session": "{3}", "on": "2027-01-04"}]},
            (
                "out_of_order",
                "2027-01-04",
                "2027-01-03",
                (
                    "Session 4 is asked for on Mon 4 January 2027 at the latest,"
                    " and leaves no date before it for session 3."
                ),
                {"out_of_order": 151},
            ),
        ),
        (
            {"sessions": [{"session": "{2}", "on": "2027-05-20"}]},
            (
                "beyond_horizon",
                "2027-06-17",
                "2027-06-03",
                "Session 4 can be on Thu 17 June 2027 at the earliest; the site takes bookings until Thu 3 June 2027.",
                {"outside_window": 151},
            ),
        ),
    ],
)
def test_where_no_date_is_left_the_two_that_bound_it_are_said(clinic: ApiClinic, ask, expected):
    course = clinic.cleared_course()
    uids = {f"{{{number}}}": str(one.uid) for number, one in enumerate(build.sessions_of(course), start=1)}
    sessions = [{**one, "session": uids[one["session"]]} for one in ask.get("sessions", [])]

    answer = plan(clinic, course, {**ask, "sessions": sessions})

    assert why(answer) == [expected]
    assert answer.json()["violations"][0]["message"].startswith(f"{expected[3]} There is a plan if ")


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (0, "Session 3 and those after it need more dates than there are until Mon 4 January 2027, the last that the"),
        (1, "Session 2 and those after it need more dates than there are until Tue 5 January 2027, the last that the"),
        (10, "Session 3 can be on Mon 1 February 2027 at the earliest; the site takes bookings until Thu 14 January"),
    ],
)
def test_a_horizon_too_short_is_what_is_said(clinic: ApiClinic, days, expected):
    accounts.save_site(clinic.site, by=clinic.manager, now=clinic.now, booking_horizon_days=days)

    answer = plan(clinic, clinic.cleared_course())

    [(code, _first, _last, reason, _removed)] = why(answer)
    assert code == "beyond_horizon"
    assert reason.startswith(expected)
    [way] = answer.json()["violations"][0]["relaxations"]
    assert [(one["code"], one["days"]) for one in way["gives_up"]] == [("horizon", 56 - days)]


def test_a_booked_visit_that_leaves_no_date_before_it_is_named(clinic: ApiClinic):
    """The first two are planned before the third, which is booked for the first date on which it may be alone."""
    course = clinic.cleared_course()
    third = build.sessions_of(course)[2]
    slot = booking.propose_course(course, now=clinic.now)[0].plan.sessions[2].slot
    visits.book(third, slot, by=clinic.receptionist, now=clinic.now)
    clinic.wait(days=45)
    clinic.answer_all(course)

    [found] = why(plan(clinic, course))

    assert found[:4] == (
        "out_of_order",
        "2027-03-18",
        "2027-02-28",
        "Session 4 is booked on Mon 1 March 2027, and session 3 can be on Thu 18 March 2027 at the earliest.",
    )


def test_an_end_before_tomorrow_is_refused_with_a_date_that_is_taken(clinic: ApiClinic):
    course = clinic.cleared_course()

    answer = plan(clinic, course, {"ends_before": "2027-01-04"})

    assert refusal(answer) == (400, "ask_contradicts", [("in_the_past", "ends_before")])
    [said] = answer.json()["violations"]
    assert (said["on"], said["message"]) == ("2027-01-05", "This is over. Choose a date from Tue 5 January 2027 on.")
    assert plan(clinic, course, {"ends_before": said["on"]}).json()["code"] == "no_plan"


def test_a_pin_at_a_time_that_the_clock_skips_is_refused(clinic: ApiClinic):
    course = clinic.cleared_course()
    third = build.sessions_of(course)[2]

    answer = plan(clinic, course, {"sessions": [{"session": str(third.uid), "on": "2027-03-28", "at": "01:30"}]})

    assert refusal(answer) == (400, "ask_contradicts", [("time_does_not_exist", "sessions.0.at")])
    [said] = answer.json()["violations"]
    assert said["message"] == "The clocks go forward past this time on Sun 28 March 2027. Choose another time."


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        ({"weekdays": [6]}, "The patient cannot come at the times that are free."),
        ({"practitioner": "{clinician}"}, "The practitioner wished for has none of the times that are free."),
        ({"language": "pl"}, "Nobody who speaks the language wished for has any of the times that are free."),
        ({"language": "pl", "until_time": "12:00"}, "No time that is free meets all of the patient’s wishes."),
    ],
)
def test_which_wish_is_missed_is_said(clinic: ApiClinic, wishes, said):
    course = clinic.cleared_course()
    clinician = str(clinic.staff["clinician"][0].uid)
    wishes = {name: clinician if value == "{clinician}" else value for name, value in wishes.items()}
    clinic.reception.post(f"courses/{course.uid}/wishes/", {**wishes, "strict": True})

    answer = plan(clinic, course)

    assert [(code, reason) for code, _first, _last, reason, _removed in why(answer)] == [
        ("wish_missed", f"Session {number}, Mon 4 January 2027 to Thu 3 June 2027: {said}") for number in (2, 3, 4)
    ]
    messages = [one["message"] for each in answer.json()["violations"] for one in each["removed"]]
    assert messages.count(said) == 3


def test_no_more_days_are_given_up_than_it_takes(clinic: ApiClinic):
    """Eight weeks and a day are asked to be seven weeks: a week sooner, a week later or a week below the minimum."""
    answer = plan(clinic, clinic.cleared_course(), {"starts_from": "2027-03-01", "ends_before": "2027-04-20"})

    [stuck] = answer.json()["violations"]
    assert stuck["is_smallest"]
    assert sorted((one["code"], one["days"]) for way in stuck["relaxations"] for one in way["gives_up"]) == [
        ("asked_ends_before", 7),
        ("asked_starts_from", 7),
        ("before_minimum", 7),
        ("before_minimum", 7),
    ]
    assert stuck["message"].endswith(
        "There is a plan if the course starts sooner, by days: 7: session 2 on Mon 22 February 2027, 09:00;"
        " session 3 on Mon 22 March 2027, 09:00; session 4 on Mon 19 April 2027, 09:00."
    )
