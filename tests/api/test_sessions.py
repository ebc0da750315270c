"""Sessions over the API: booked by themselves, performed, with their outcome."""

from __future__ import annotations

import json
from datetime import time, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.renderers import JSONRenderer

from patients.models import Complication
from scheduling import roster, visits
from scheduling.api import outputs, shown
from scheduling.models import Appointment, Outcome
from scheduling.planner.windows import windows_of
from tests import build

from .conftest import ApiClinic, refusal, visit_shown


def test_free_times_can_be_posted_back_to_book_the_session(clinic: ApiClinic):
    course = clinic.cleared_course()
    session = build.sessions_of(course)[0]
    door = clinic.reception
    query = {"from": "2027-01-05", "until": "2027-01-06", "limit": "3"}

    found = door.client.get(
        f"/api/v1/sessions/{session.uid}/free-times/", query, headers={"Authorization": f"Token {door.token}"}
    ).json()

    assert [(one["slot"]["on"], one["slot"]["at"], one["starts_at"], one["zone"]) for one in found["results"]] == [
        ("2027-01-05", "09:00", "2027-01-05T09:00:00Z", "Europe/London"),
        ("2027-01-05", "09:00", "2027-01-05T09:00:00Z", "Europe/London"),
        ("2027-01-05", "09:05", "2027-01-05T09:05:00Z", "Europe/London"),
    ]
    assert {one["lead"]["name"] for one in found["results"][:2]} == {one.name for one in clinic.staff["injector"]}
    assert found["session"] == str(session.uid)
    booked = door.post_once(f"sessions/{session.uid}/book/", {"slot": found["results"][2]["slot"]})
    visit = Appointment.objects.get(session=session)
    assert (booked.status_code, booked.json()) == (201, visit_shown(visit) | {"proposal": None})
    assert (visit.on.isoformat(), visit.at_time) == ("2027-01-05", time(9, 5))
    again = door.post_once(f"sessions/{session.uid}/book/", {"slot": found["results"][0]["slot"]})
    assert refusal(again) == (409, "not_bookable", [("already_booked", str(session.uid))])


def test_free_times_have_their_documented_shape_and_take_as_many_statements_for_many_as_for_one(clinic: ApiClinic):
    session = build.sessions_of(clinic.cleared_course())[0]
    door, path = clinic.reception, f"sessions/{session.uid}/free-times/"
    door.get(path)

    with CaptureQueriesContext(connection) as for_many:
        found = door.get(path, limit=100).json()
    with CaptureQueriesContext(connection) as for_one:
        assert door.get(path, limit=1).json()["results"] == found["results"][:1]

    first_on = roster.today(clinic.site, clinic.now)
    last_on = first_on + timedelta(days=clinic.site.booking_horizon_days)
    free = visits.find_free(session, first_on=first_on, last_on=last_on, now=clinic.now, limit=100)
    as_rows = {
        "session": session.uid,
        "window": windows_of(free.course)[session.uid],
        "results": shown.times(free.times, clinic.site),
    }
    assert found == json.loads(JSONRenderer().render(outputs.FreeTimesOutput(as_rows).data))
    assert len(found["results"]) == 100
    # The token by two, roles; the session; its course's facts; what is taken; who read it.
    assert len(for_many) == len(for_one) == 7


def test_a_time_of_another_session_is_refused_and_so_is_booking_without_a_key(clinic: ApiClinic):
    course = clinic.cleared_course()
    first, second, _third = build.sessions_of(course)
    door = clinic.reception
    slot = door.get(f"sessions/{first.uid}/free-times/", limit=1).json()["results"][0]["slot"]

    assert refusal(door.post_once(f"sessions/{second.uid}/book/", {"slot": slot})) == (
        400,
        "invalid_input",
        [("another_session", "slot.session")],
    )
    assert refusal(door.post(f"sessions/{first.uid}/book/", {"slot": slot}))[:2] == (400, "idempotency_key_missing")


@pytest.mark.parametrize(
    ("query", "violation"),
    [
        ({"from": "2027-02-01", "until": "2027-01-01"}, ("ends_before_it_begins", "until")),
        ({"from": "soon"}, ("invalid", "from")),
        ({"limit": "500"}, ("max_value", "limit")),
    ],
)
def test_free_times_of_no_span_are_refused(clinic: ApiClinic, query: dict[str, str], violation: tuple[str, str]):
    session = build.sessions_of(clinic.course())[0]
    door = clinic.reception

    answer = door.client.get(
        f"/api/v1/sessions/{session.uid}/free-times/", query, headers={"Authorization": f"Token {door.token}"}
    )

    assert refusal(answer) == (400, "invalid_input", [violation])


def test_performing_a_session_late_counts_the_next_window_from_that_day_and_proposes_the_moves(clinic: ApiClinic):
    course = clinic.booked_course()
    first, second, _third = build.sessions_of(course)
    was = build.visits_of(course)
    complication = Complication.objects.filter(is_expected=True).order_by("code")[0]
    clinic.wait(days=8)

    answer = clinic.doctor.post(
        f"sessions/{first.uid}/perform/",
        {
            "performed_on": "2027-01-12",
            "at": "08:00",
            "outcome": "ok",
            "complications": [complication.code],
            "product": "Polidocanol 0.5 %",
            "batch": "A17",
            "amount": "3.5",
            "amount_unit": "mL",
            "areas": ["right_ankle"],
            "minutes": 50,
            "notes": "Well tolerated",
        },
    )

    assert answer.status_code == 200
    body = answer.json()
    session, proposal = body["session"], body["proposal"]
    assert session["outcome"] == {
        "outcome": "ok",
        "complications": [complication.code],
        "product": "Polidocanol 0.5 %",
        "batch": "A17",
        "amount": "3.500",
        "amount_unit": "mL",
        "notes": "Well tolerated",
        "recorded_at": "2027-01-12T08:00:00Z",
        "cleared_at": None,
        "cleared_note": "",
    }
    assert {name: session[name] for name in ("state", "performed_on", "performed_at", "performed_minutes")} == {
        "state": "performed",
        "performed_on": "2027-01-12",
        "performed_at": "2027-01-12T08:00:00Z",
        "performed_minutes": 50,
    }
    assert (session["treated_areas"], session["gates"], session["appointment"]) == (["right_ankle"], [], None)
    assert [one["state"] for one in session["former_appointments"]] == ["performed"]

    assert {name: proposal[name] for name in ("course", "state", "reason", "made_at", "decided_at")} == {
        "course": str(course.uid),
        "state": "open",
        "reason": "performed",
        "made_at": "2027-01-12T08:00:00Z",
        "decided_at": None,
    }
    move = proposal["moves"][0]
    assert (move["session"], move["appointment"]) == (str(second.uid), str(was[1].uid))
    assert move["from"] == {"on": "2027-02-01", "at": "09:00", "lead": str(was[1].lead.uid)}
    assert move["to"]["on"] >= "2027-02-09"
    assert "before_minimum" in {why["code"] for why in move["why"]}
    window = clinic.doctor.get(f"sessions/{second.uid}/").json()["window"]
    assert (window["earliest_on"], window["is_provisional"]) == ("2027-02-09", False)
    assert clinic.doctor.get(f"courses/{course.uid}/").json()["proposal"] == proposal


@pytest.mark.parametrize(
    ("sent", "status", "violations"),
    [
        ({"performed_on": "2027-01-05"}, 400, None),
        ({"performed_on": "2027-01-04", "areas": ["left_wing"]}, 400, None),
        ({"performed_on": "2027-01-04", "outcome": "ok", "amount": 2}, 400, None),
        ({"performed_on": "2027-01-04", "outcome": "great"}, 400, [("invalid_choice", "outcome")]),
        ({"performed_on": "2027-01-04", "outcome": "ok", "complications": ["hiccups"]}, 400, None),
        ({"outcome": "ok"}, 400, [("required", "performed_on")]),
    ],
)
def test_what_cannot_have_taken_place_is_refused_and_nothing_is_written(
    clinic: ApiClinic, sent: dict[str, Any], status: int, violations: list[tuple[str, str]] | None
):
    session = build.sessions_of(clinic.booked_course())[0]

    found = refusal(clinic.doctor.post(f"sessions/{session.uid}/perform/", sent))

    assert found[0] == status
    assert violations is None or found[2] == violations
    session.refresh_from_db()
    assert (session.state, Outcome.objects.exists()) == ("open", False)


def test_an_outcome_may_follow_later_and_a_review_waits_for_a_clinician(clinic: ApiClinic):
    course = clinic.booked_course()
    first = build.sessions_of(course)[0]
    clinic.now = build.visits_of(course)[0].during.upper
    doctor = clinic.doctor
    doctor.post(f"sessions/{first.uid}/perform/", {"performed_on": "2027-01-04"})

    recorded = doctor.post(f"sessions/{first.uid}/outcome/", {"outcome": "review", "notes": "Matting"})

    assert recorded.json()["session"]["outcome"]["outcome"] == "review"
    assert doctor.get(f"courses/{course.uid}/").json()["is_held"] is True
    twice = doctor.post(f"sessions/{first.uid}/outcome/", {"outcome": "ok"})
    assert refusal(twice)[0] in {400, 409}
    assert refusal(clinic.reception.post(f"sessions/{first.uid}/clear-review/", {"note": "x"}))[:2] == (
        403,
        "not_allowed",
    )
    cleared = doctor.post(f"sessions/{first.uid}/clear-review/", {"note": "Faded"})
    assert cleared.json()["session"]["outcome"]["cleared_note"] == "Faded"
    assert doctor.get(f"courses/{course.uid}/").json()["is_held"] is False
    assert refusal(doctor.post(f"sessions/{first.uid}/clear-review/", {"note": "Faded"}))[:2] == (
        409,
        "illegal_transition",
    )


def test_a_review_without_an_outcome_cannot_be_cleared(clinic: ApiClinic):
    session = build.sessions_of(clinic.course())[0]

    answer = clinic.doctor.post(f"sessions/{session.uid}/clear-review/", {"note": "x"})

    assert refusal(answer) == (409, "outcome_missing", [("outcome_missing", str(session.uid))])
