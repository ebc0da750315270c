"""What a client asks of a plan: given, explained, or refused with every field that is wrong."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from clinic.models import AccessEvent
from scheduling import absences, booking, visits
from scheduling.models import Course
from tests import build

from .conftest import ApiClinic, refusal

NOBODY = "00000000-0000-4000-8000-000000000000"


def plan(clinic: ApiClinic, course: Course, ask: Any = None) -> Any:
    return clinic.reception.post(f"courses/{course.uid}/plan/", ask)


def test_every_plan_gives_what_is_asked_and_says_how_it_differs(clinic: ApiClinic):
    course = clinic.cleared_course()
    second = build.sessions_of(course)[1]
    other = clinic.staff["injector"][1]
    ask = {
        "starts_from": "2027-01-18",
        "every": {"weekdays": [1, 2], "until_time": "12:00", "forbidden": [
            {"first_on": "2027-01-19", "last_on": "2027-01-26"}]},
        "sessions": [{"session": str(second.uid), "on": "2027-03-02", "at": "10:00", "only_with": [str(other.uid)]}],
    }  # fmt: skip

    body = plan(clinic, course, ask).json()

    [best] = body["alternatives"]
    assert [(one["slot"]["on"], one["slot"]["at"]) for one in best["sessions"]] == [
        ("2027-01-27", "09:00"),
        ("2027-03-02", "10:00"),
        ("2027-03-30", "09:00"),
    ]
    assert best["sessions"][1]["lead"]["uid"] == str(other.uid)
    assert best["differs"] is None
    not_on = best["sessions"][0]["not_on"]
    assert {(one["code"], one["message"]) for one in not_on} == {("not_asked", "Not what was asked for.")}
    assert [one["on"] for one in not_on][:2] == ["2027-01-04", "2027-01-05"]


def test_a_date_that_would_cost_more_elsewhere_says_what(clinic: ApiClinic):
    """The lead is away around the best date of the second session: all begin two days later, which is cheaper."""
    lead = min(clinic.staff["injector"], key=lambda one: one.uid)  # of equal plans the lower id leads
    course = clinic.cleared_course(lead=lead)
    away = absences.AbsenceDetails(lead, date(2027, 2, 1), date(2027, 2, 8))
    absences.record(away, by=clinic.manager, now=clinic.now)

    best, *others = plan(clinic, course).json()["alternatives"]

    first, second, _third = best["sessions"]
    assert (first["slot"]["on"], second["slot"]["on"], second["not_on"]) == ("2027-01-06", "2027-02-09", [])
    assert first["not_on"][0] == {
        "on": "2027-01-04",
        "code": "dearer",
        "message": "Free, but the whole plan would cost 4 points more"
        " (days away from the best date +8, waiting for the first session -4).",
        "costs_more": {
            "spacing": 8, "lateness": -4, "continuity": 0, "wishes": 0, "holes": 0, "moves": 0, "total": 4,
        },
        "session": None,
    }  # fmt: skip
    differs = {one["kind"]: one["differs"] for one in others}
    assert differs["other_practitioner"] == {
        "starts_days": -2,
        "ends_days": -8,
        "changes": 1,
        "wishes_missed": 0,
        "cost": 11,
        "moved": 3,
        "other_leads": 3,
        "messages": [
            "starts 2 days sooner",
            "ends 8 days sooner",
            "1 change of practitioner more",
            "another practitioner in 3 sessions",
        ],
    }


@pytest.mark.parametrize(("key", "role"), [("tca_peel", "doctor"), ("orthodontic_adjustment", "orthodontist")])
def test_only_with_somebody_is_about_the_sessions_that_they_can_lead(clinic: ApiClinic, key, role):
    """As an ask, and as a wish that is a must."""
    other = ApiClinic(key=key)
    course = other.cleared_course()
    who = str(other.staff[role][0].uid)

    asked = plan(other, course, {"every": {"only_with": [who]}}).json()["alternatives"][0]
    other.reception.post(f"courses/{course.uid}/wishes/", {"practitioner": who, "strict": True})
    wished = plan(other, course).json()["alternatives"][0]

    theirs = {str(session.uid): session.step.lead_role == role for session in course.sessions.all()}
    for found in (asked, wished):
        led = [(one["lead"]["uid"] == who, theirs[one["slot"]["session"]]) for one in found["sessions"]]
        assert set(led) == {(True, True), (False, False)}
        assert found["cost"]["wishes"] == 0


def test_only_with_people_who_can_lead_none_of_the_sessions_is_refused(clinic: ApiClinic):
    course = clinic.cleared_course()
    clinician = str(clinic.staff["clinician"][0].uid)

    answer = plan(clinic, course, {"every": {"only_with": [clinician]}})

    assert refusal(answer) == (400, "ask_contradicts", [("nobody_left", "every.only_with")])
    [said] = answer.json()["violations"]
    assert said["message"] == "Nobody is left who may lead the session. Choose other practitioners."


WRONG: list[tuple[Any, tuple[str, str]]] = [
    ({"starts_from": "2027-03-01", "starts_by": "2027-02-01"}, ("dates_reversed", "starts_by")),
    ({"starts_from": "2027-03-01", "ends_before": "2027-03-01"}, ("ends_before_start", "ends_before")),
    ({"starts_by": "2027-01-03"}, ("in_the_past", "starts_by")),
    ({"starts_from": "2037-01-01"}, ("beyond_horizon", "starts_from")),
    ({"every": {"from_time": "10:00", "until_time": "10:00"}}, ("hours_empty", "every.until_time")),
    ({"every": {"from_time": "10:00", "until_time": "10:05"}}, ("hours_too_short", "every.until_time")),
    (
        {"every": {"forbidden": [{"first_on": "2027-03-02", "last_on": "2027-03-01"}]}},
        ("dates_reversed", "every.forbidden.0"),
    ),
    (
        {"every": {"forbidden": [{"first_on": "2027-01-01", "last_on": "2036-12-31"}]}},
        ("no_date_left", "every.first_on"),
    ),
    ({"every": {"only_with": [NOBODY]}}, ("practitioner_unknown", "every.only_with")),
    ({"every": {"not_with": [NOBODY]}}, ("practitioner_unknown", "every.not_with")),
    ({"sessions": [{"session": NOBODY}]}, ("session_unknown", "sessions.0.session")),
    ({"sessions": [{"session": "{2}"}, {"session": "{2}"}]}, ("session_twice", "sessions.1.session")),
    ({"sessions": [{"session": "{2}", "on": "2027-01-01"}]}, ("in_the_past", "sessions.0.on")),
    ({"sessions": [{"session": "{2}", "on": "2037-01-01"}]}, ("beyond_horizon", "sessions.0.on")),
    ({"sessions": [{"session": "{2}", "at": "10:01"}]}, ("off_grid", "sessions.0.at")),
    (
        {"every": {"weekdays": [0]}, "sessions": [{"session": "{2}", "weekdays": [1]}]},
        ("no_weekday_left", "sessions.0.weekdays"),
    ),
    (
        {"every": {"weekdays": [0]}, "sessions": [{"session": "{2}", "on": "2027-03-02"}]},
        ("pin_on_other_weekday", "sessions.0.on"),
    ),
    (
        {"every": {"until_time": "12:00"}, "sessions": [{"session": "{2}", "at": "11:30"}]},
        ("pin_outside_hours", "sessions.0.at"),
    ),
    ({"starts_from": "2027-03-03", "sessions": [{"session": "{2}", "on": "2027-03-02"}]},
     ("pin_outside_dates", "sessions.0.on")),
    (
        {
            "every": {"forbidden": [{"first_on": "2027-03-01", "last_on": "2027-03-09"}]},
            "sessions": [{"session": "{2}", "on": "2027-03-02"}],
        },
        ("pin_forbidden", "sessions.0.on"),
    ),
    (
        {"sessions": [{"session": "{1}", "on": "2027-02-01"}, {"session": "{2}", "on": "2027-02-02"}]},
        ("before_floor", "sessions.1.on"),
    ),
    (
        {"sessions": [{"session": "{1}", "on": "2027-02-01"}, {"session": "{2}", "on": "2027-02-25"}]},
        ("before_minimum", "sessions.1.on"),
    ),
    (
        {"sessions": [{"session": "{1}", "on": "2027-02-01"}, {"session": "{2}", "on": "2027-01-25"}]},
        ("out_of_order", "sessions.1.on"),
    ),
]  # fmt: skip


def test_every_contradiction_is_refused_with_its_field_and_a_sentence(clinic: ApiClinic):
    course = clinic.cleared_course()
    uids = {f"{{{number}}}": str(one.uid) for number, one in enumerate(build.sessions_of(course), start=1)}

    for ask, expected in WRONG:
        sessions = [{**one, "session": uids.get(one["session"], one["session"])} for one in ask.get("sessions", [])]
        answer = plan(clinic, course, {**ask, "sessions": sessions})

        status, code, violations = refusal(answer)
        assert (status, code, violations[:1]) == (400, "ask_contradicts", [expected]), ask
        assert all(one["message"].endswith(".") for one in answer.json()["violations"])


@pytest.mark.parametrize(
    ("ask", "where"),
    [
        ({"weekdays": [1]}, "weekdays"),
        ({"every": {"weekdays": [7]}}, "every.weekdays.0"),
        ({"every": {"on": "2027-03-01"}}, "every.on"),
        ({"every": {"from_time": "9"}}, "every.from_time"),
        ({"sessions": [{"on": "2027-03-01"}]}, "sessions.0.session"),
        ({"starts_from": "March"}, "starts_from"),
        ({"every": {"forbidden": [{"first_on": "2027-03-01"}]}}, "every.forbidden.0.last_on"),
    ],
)
def test_an_ask_of_another_shape_is_refused_by_field(clinic: ApiClinic, ask, where):
    answer = plan(clinic, clinic.course(), ask)

    assert refusal(answer)[:2] == (400, "invalid_input")
    assert [one["where"] for one in answer.json()["violations"]] == [where]


def test_when_there_is_no_plan_what_would_make_one_is_data(clinic: ApiClinic):
    course = clinic.cleared_course()
    sunday = {"every": {"weekdays": [6]}, "starts_by": "2027-01-10"}

    answer = plan(clinic, course, sunday)

    assert refusal(answer)[:2] == (409, "no_plan")
    [last] = [one for one in answer.json()["violations"] if one["relaxations"]]
    assert last["code"] == "not_asked"
    [way] = last["relaxations"]
    assert [(one["code"], one["session"], one["override"]) for one in way["gives_up"]] == [
        ("asked_weekdays", None, None)
    ]
    assert [(one["on"], one["at"]) for one in way["sessions"]] == [
        ("2027-01-04", "09:00"), ("2027-02-01", "09:00"), ("2027-03-01", "09:00"),
    ]  # fmt: skip
    assert way["message"].startswith(
        "There is a plan if other weekdays are used than asked for: session 2 on Mon 4 Jan"
    )
    assert {one["code"] for one in last["removed"]} >= {"off_duty"}


def test_a_pinned_session_at_a_taken_time_names_the_rule(clinic: ApiClinic):
    rival = clinic.booked_course()
    taken = build.visits_of(rival)[0]
    course = clinic.cleared_course(build.patient("Ana Kovač"))
    first = build.sessions_of(course)[0]
    ask = {
        "sessions": [
            {
                "session": str(first.uid),
                "on": taken.on.isoformat(),
                "at": f"{taken.at_time:%H:%M}",
                "only_with": [str(taken.lead.uid)],
            }
        ]
    }

    answer = plan(clinic, course, ask)

    assert refusal(answer)[:2] == (409, "no_plan")
    [stuck] = [one for one in answer.json()["violations"] if one["where"] == str(first.uid)]
    assert (stuck["code"], stuck["first_on"], stuck["last_on"]) == (
        "lead_busy", taken.on.isoformat(), taken.on.isoformat(),
    )  # fmt: skip
    codes = [[thing["code"] for thing in way["gives_up"]] for way in stuck["relaxations"]]
    assert sorted(codes) == [["asked_date"], ["asked_practitioner"], ["asked_time"]]


def test_a_session_that_has_its_time_cannot_be_asked_for(clinic: ApiClinic):
    course = clinic.cleared_course()
    sessions = build.sessions_of(course)
    best = booking.propose_course(course, now=clinic.now)[0].plan.sessions[0].slot
    visits.book(sessions[0], best, by=clinic.receptionist, now=clinic.now)
    assessment = course.sessions.order_by("position").first()
    assert assessment is not None
    ask = {
        "sessions": [{"session": str(sessions[0].uid)}, {"session": str(assessment.uid)}],
        "ends_before": best.on.isoformat(),
    }

    assert refusal(plan(clinic, course, ask))[2] == [
        ("in_the_past", "ends_before"),
        ("booked_later", "ends_before"),
        ("already_booked", "sessions.0.session"),
        ("session_not_open", "sessions.1.session"),
    ]


def test_a_refusal_that_tells_of_the_course_is_a_read_of_the_patient(clinic: ApiClinic):
    """There is no plan before nine, and the way out names the visits: dates, times and people."""
    course = clinic.cleared_course()

    answer = plan(clinic, course, {"every": {"until_time": "05:00"}})

    assert (answer.status_code, answer.json()["code"]) == (409, "no_plan")
    assert AccessEvent.objects.values_list("user", "action", "subject", "subject_uid", "patient_uids").get() == (
        clinic.receptionist.pk,
        "view",
        "scheduling.course",
        course.uid,
        [str(course.patient.uid)],
    )
