"""Days, sessions and visits over the API."""

from __future__ import annotations

import json
from datetime import time, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.renderers import JSONRenderer

from clinic.models import AccessEvent, Role
from patients.models import Complication
from scheduling import roster, visits
from scheduling.api import outputs, shown
from scheduling.models import Appointment, Course, Outcome, Resource, Session
from scheduling.planner.windows import windows_of
from tests import build

from .conftest import ApiClinic, Door, refusal, visit_shown


def day_visit_shown(visit: Appointment, gates: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    course = visit.session.course
    return {
        **visit_shown(visit),
        "patient": {"uid": str(course.patient.uid), "name": course.patient.name, "born_on": "1980-05-17"},
        "protocol": course.version.protocol.name,
        "step": {
            "key": "treatment",
            "name": "Injection session",
            "kind": "treatment",
            "position": visit.session.position,
        },
        "areas": ["left_ankle"],
        "gates": gates,
        **changes,
    }


def site_shown(clinic: ApiClinic) -> dict[str, Any]:
    return {
        "uid": str(clinic.site.uid),
        "name": clinic.site.name,
        "zone": "Europe/London",
        "country": "GB",
        "today": "2027-01-04",
    }


def my_diary(clinic: ApiClinic, resource: Resource) -> Door:
    resource.user = build.user(Role.CLINICIAN, at=clinic.site)
    resource.save(update_fields=["user"])
    return Door(resource.user)


def test_my_day_shows_my_visits_with_what_keeps_each_from_beginning(clinic: ApiClinic):
    course = clinic.booked_course()
    first = build.visits_of(course)[0]
    door = my_diary(clinic, first.lead)
    clinic.answer_all(course, pregnancy="yes")

    answer = door.get("my-day/")

    question = course.version.risk_rules.get(question__code="pregnancy").question
    hold: dict[str, Any] = {
        "code": "course_on_hold",
        "state": "closed",
        "subject": "risk_pregnancy",
        "message": "The course is on hold.",
        "opens_on": None,
        "changes_on": [],
        "override": None,
    }
    risk = {
        **hold,
        "code": "risk_absolute",
        "subject": "pregnancy",
        "message": f"The answer to “{question.text}” rules this treatment out.",
        "override": None,
    }
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "practitioner": {"uid": str(first.lead.uid), "name": first.lead.name},
            "days": [{**site_shown(clinic), "on": "2027-01-04"}],
            "visits": [day_visit_shown(first, [risk, hold])],
        },
    )
    assert AccessEvent.objects.values_list("action", "subject", "patient_uids").get() == (
        "list",
        "scheduling.appointment",
        [str(course.patient.uid)],
    )


def test_my_day_includes_visits_in_which_i_take_part_without_leading_and_none_of_others(clinic: ApiClinic):
    course = clinic.booked_course()
    first = build.visits_of(course)[0]
    walkers = {use.resource for use in first.occupancies.filter(role="supervisor")}
    (taking_part,) = walkers
    (free,) = set(clinic.staff["supervisor"]) - walkers

    assert [one["uid"] for one in my_diary(clinic, taking_part).get("my-day/").json()["visits"]] == [str(first.uid)]
    assert my_diary(clinic, free).get("my-day/").json()["visits"] == []


def test_my_day_of_another_date_and_a_day_without_cancelled_visits(clinic: ApiClinic):
    course = clinic.booked_course()
    first, second, _third = build.visits_of(course)
    door = my_diary(clinic, second.lead)
    clinic.reception.post(f"appointments/{first.uid}/cancel/", {"reason": "patient_ill", "asked_by": "patient"})

    later = door.get("my-day/", on=second.on.isoformat()).json()

    assert [(one["uid"], one["on"]) for one in later["visits"]] == [(str(second.uid), "2027-02-01")]
    assert later["days"] == [{**site_shown(clinic), "on": "2027-02-01"}]
    assert clinic.reception.get(f"sites/{clinic.site.uid}/day/").json()["visits"] == []


def test_today_is_the_date_at_each_site(clinic: ApiClinic):
    """Late in the evening in London it is tomorrow in Auckland."""
    auckland = build.site("Karangahape Road", zone="Pacific/Auckland")
    door = my_diary(clinic, clinic.staff["injector"][0])
    assert door.user is not None
    door.user.roles.create(site=auckland, role=Role.CLINICIAN)
    clinic.now = clinic.now.replace(hour=20)

    days = door.get("my-day/").json()["days"]

    assert [(one["name"], one["on"]) for one in days] == sorted(
        [(clinic.site.name, "2027-01-04"), ("Karangahape Road", "2027-01-05")]
    )


def test_somebody_without_a_diary_is_told_so(clinic: ApiClinic):
    assert refusal(clinic.reception.get("my-day/")) == (409, "not_a_practitioner", [("not_a_practitioner", "")])


def test_a_sites_day_shows_everybodys_visits_and_mine_are_the_only_sites(clinic: ApiClinic):
    course = clinic.booked_course()
    first = build.visits_of(course)[0]
    build.site()
    door = clinic.reception

    answer = door.get(f"sites/{clinic.site.uid}/day/", on="2027-01-04")

    assert answer.json() == {
        "site": site_shown(clinic),
        "on": "2027-01-04",
        "visits": [day_visit_shown(first, [])],
    }
    assert door.get("sites/").json() == {"results": [site_shown(clinic)], "next": None}


def test_a_day_takes_the_same_number_of_queries_for_one_visit_and_for_many(clinic: ApiClinic):
    for _ in range(6):
        clinic.booked_course()
    busiest = "2027-01-04"
    many = Appointment.objects.filter(on=busiest).count()
    door = clinic.reception
    path = f"sites/{clinic.site.uid}/day/"

    with CaptureQueriesContext(
        connection,
    ) as for_many:
        shown = door.get(path, on=busiest).json()["visits"]
    keep = Appointment.objects.filter(on=busiest).order_by("pk")[0]
    for visit in Appointment.objects.live().filter(on=busiest).exclude(pk=keep.pk):
        door.post(f"appointments/{visit.uid}/cancel/", {"reason": "patient_ill", "asked_by": "patient"})
    with CaptureQueriesContext(connection) as for_one:
        assert len(door.get(path, on=busiest).json()["visits"]) == 1

    assert len(shown) == many > 3
    assert len(for_many) == len(for_one)


# --- sessions -------------------------------------------------------------------------------------------------------


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
    assert (booked.status_code, booked.json()) == (201, visit_shown(visit))
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


# --- visits ---------------------------------------------------------------------------------------------------------


def test_a_visit_moves_and_keeps_its_identity(clinic: ApiClinic):
    course = clinic.booked_course()
    visit = build.visits_of(course)[2]
    door = clinic.reception

    answer = door.post(f"appointments/{visit.uid}/move/", {"slot": build.slot(visit, at="10:30"), "reason": "school"})

    visit.refresh_from_db()
    assert (answer.status_code, answer.json()) == (
        200,
        {"appointment": visit_shown(visit, revision=2), "proposal": None},
    )
    assert (visit.at_time, visit.calendar_sequence) == (time(10, 30), 1)
    assert door.get(f"appointments/{visit.uid}/").json() == visit_shown(visit, revision=2)


def test_a_visit_that_its_patient_confirms_says_so_and_is_confirmed_once(clinic: ApiClinic):
    course = clinic.booked_course()
    first, second, _third = build.visits_of(course)
    door = clinic.reception
    clinic.wait(minutes=5)

    answers = [door.post(f"appointments/{second.uid}/confirm/") for _ in range(2)]

    confirmed = visit_shown(second, confirmed_at="2027-01-04T08:05:00Z")
    assert [(answer.status_code, answer.json()) for answer in answers] == [
        (200, {"appointment": confirmed, "proposal": None})
    ] * 2
    assert door.get(f"appointments/{second.uid}/").json() == confirmed
    clinic.now = first.during.lower
    assert refusal(door.post(f"appointments/{first.uid}/confirm/")) == (
        409, "illegal_transition", [("visit_begun", str(first.uid))],
    )  # fmt: skip


def test_a_visit_moves_to_no_time_that_breaks_a_rule(clinic: ApiClinic):
    course = clinic.booked_course()
    visit = build.visits_of(course)[1]

    answer = clinic.reception.post(
        f"appointments/{visit.uid}/move/", {"slot": build.slot(visit, on="2027-01-25", at="12:30")}
    )

    assert refusal(answer)[:2] == (409, "not_bookable")
    assert {code for code, _where in refusal(answer)[2]} >= {"before_minimum", "off_duty"}


def test_a_cancelled_visit_keeps_its_reason_and_cannot_be_cancelled_again(clinic: ApiClinic):
    course = clinic.booked_course()
    visit = build.visits_of(course)[2]
    door = clinic.reception
    sent = {"reason": "patient_busy", "asked_by": "patient", "note": "Exam week"}

    answer = door.post(f"appointments/{visit.uid}/cancel/", sent)

    changes = {
        "state": "cancelled",
        "cancelled_at": "2027-01-04T08:00:00Z",
        "cancel_reason": "patient_busy",
        "cancel_asked_by": "patient",
        "note": "Exam week",
        "revision": 2,
    }
    assert answer.json() == {"appointment": visit_shown(visit, **changes), "proposal": None}
    assert refusal(door.post(f"appointments/{visit.uid}/cancel/", sent))[:2] == (409, "illegal_transition")
    assert refusal(door.post(f"appointments/{visit.uid}/cancel/", {**sent, "reason": "bored"})) == (
        400,
        "invalid_input",
        [("invalid_choice", "reason")],
    )


def test_a_patient_arrives_when_every_gate_is_open_and_not_before(clinic: ApiClinic):
    course = clinic.booked_course()
    visit = build.visits_of(course)[0]
    door = clinic.reception
    clinic.answer_all(course, local_infection="yes")

    refused = door.post(f"appointments/{visit.uid}/arrive/")
    assert refusal(refused)[:2] == (409, "gate_not_open")
    assert {code for code, _where in refusal(refused)[2]} >= {"course_on_hold"}

    other = build.visits_of(clinic.booked_course())[0]
    answer = door.post(f"appointments/{other.uid}/arrive/")
    other.refresh_from_db()
    assert answer.json() == {
        "appointment": visit_shown(other, state="arrived", arrived_at="2027-01-04T08:00:00Z", revision=2),
        "proposal": None,
    }
    tomorrow = build.visits_of(course)[1]
    assert refusal(door.post(f"appointments/{tomorrow.uid}/arrive/"))[:2] == (409, "illegal_transition")


def test_nobody_arrives_unasked_since_the_last_treatment(clinic: ApiClinic):
    """The answers still hold, but were given before it: the short way in asks no less than the form."""
    clinic.version.risk_rules.update(valid_days=300)
    course = clinic.booked_course()
    first, second, _third = build.visits_of(course)
    clinic.now = first.during.upper
    clinic.perform(first.session)
    clinic.now = second.during.lower

    refused = clinic.reception.post(f"appointments/{second.uid}/arrive/")

    assert refusal(refused)[:2] == (409, "gate_not_open")
    assert {code for code, _where in refusal(refused)[2]} == {"answer_before_last_session"}


def test_what_an_act_shows_is_in_the_trail_with_it_and_a_refused_act_leaves_no_trace(clinic: ApiClinic):
    visit = build.visits_of(clinic.booked_course())[2]
    door = clinic.reception
    sent = {"reason": "patient_busy", "asked_by": "patient"}

    for _ in range(2):
        door.post_once(f"appointments/{visit.uid}/cancel/", sent, key="c-1")
    door.post(f"appointments/{visit.uid}/cancel/", sent)

    once = (clinic.receptionist.pk, "view", "scheduling.appointment", visit.uid, [str(visit.patient.uid)])
    trail = AccessEvent.objects.values_list("user", "action", "subject", "subject_uid", "patient_uids")
    assert list(trail) == [once, once]


def test_a_missed_visit_leaves_its_session_open(clinic: ApiClinic):
    course = clinic.booked_course()
    visit = build.visits_of(course)[0]
    door = clinic.reception
    assert refusal(door.post(f"appointments/{visit.uid}/miss/"))[:2] == (409, "illegal_transition")
    clinic.now = visit.during.upper

    answer = door.post(f"appointments/{visit.uid}/miss/").json()

    assert answer["appointment"] == visit_shown(visit, state="missed", revision=2)
    session = door.get(f"sessions/{visit.session.uid}/").json()
    assert (session["state"], session["appointment"]) == ("open", None)
    assert [one["state"] for one in session["former_appointments"]] == ["missed"]


# --- proposals ------------------------------------------------------------------------------------------------------


def proposed(clinic: ApiClinic) -> tuple[Course, dict[str, Any]]:
    """A course whose first session was performed so late that the second visit must move."""
    course = clinic.booked_course()
    clinic.wait(days=8)
    answer = clinic.doctor.post(
        f"sessions/{build.sessions_of(course)[0].uid}/perform/", {"performed_on": "2027-01-12", "outcome": "ok"}
    )
    return course, answer.json()["proposal"]


def test_a_proposal_is_listed_looked_at_and_applied(clinic: ApiClinic):
    course, proposal = proposed(clinic)
    door = clinic.reception

    assert door.get("proposals/").json() == {"results": [proposal], "next": None}
    assert door.get(f"proposals/{proposal['uid']}/").json() == proposal
    assert clinic.stranger.get("proposals/").json() == {"results": [], "next": None}
    assert refusal(clinic.stranger.post(f"proposals/{proposal['uid']}/apply/"))[:2] == (404, "not_found")
    clinic.answer_all(course)

    answer = door.post(f"proposals/{proposal['uid']}/apply/")

    assert answer.status_code == 200, answer.json()
    body = answer.json()
    assert (body["proposal"]["state"], body["proposal"]["decided_at"]) == ("applied", "2027-01-12T08:00:00Z")
    assert [(one["session"], one["on"], one["at"]) for one in body["appointments"]] == [
        (move["session"], move["to"]["on"], move["to"]["at"]) for move in proposal["moves"]
    ]
    assert door.get("proposals/").json()["results"] == []
    again = door.post(f"proposals/{proposal['uid']}/apply/")
    assert refusal(again)[:2] == (409, "proposal_overtaken")


def test_a_proposal_is_applied_for_chosen_sessions_only_or_discarded(clinic: ApiClinic):
    course, proposal = proposed(clinic)
    door = clinic.reception
    nothing = door.post(f"proposals/{proposal['uid']}/apply/", {"sessions": []})

    assert refusal(nothing)[:2] == (409, "proposal_overtaken")
    discarded = door.post(f"proposals/{proposal['uid']}/discard/")
    assert discarded.json() == {**proposal, "state": "discarded", "decided_at": "2027-01-12T08:00:00Z"}
    assert refusal(door.post(f"proposals/{proposal['uid']}/discard/"))[:2] == (409, "proposal_overtaken")
    assert Session.objects.booked().filter(course=course).count() == 2


def test_the_worklist_names_what_needs_a_person_by_type_and_uid(clinic: ApiClinic):
    course = clinic.booked_course()
    visit = build.visits_of(course)[0]
    clinic.now = visit.during.upper
    build.Clinic()  # another clinic's work is not ours
    clinic.answer_all(course, pregnancy="yes")
    door = clinic.reception

    found = door.get("worklist/").json()["results"]

    patient = {"uid": str(course.patient.uid), "name": course.patient.name, "born_on": "1980-05-17"}
    here = {"course": str(course.uid), "patient": patient}
    assert {kind["kind"]: (kind["count"], kind["rows"]) for kind in found} == {
        "unclosed": (1, [{"type": "appointment", "uid": str(visit.uid), "on": "2027-01-04", **here}]),
        "held": (1, [{"type": "course", "uid": str(course.uid), "on": "2027-01-04", **here}]),
    }
    assert clinic.stranger.get("worklist/").json() == {"results": []}
    assert refusal(clinic.operator.get("worklist/"))[:2] == (403, "not_allowed")
    assert AccessEvent.objects.filter(user=clinic.receptionist).values_list("patient_uids").get() == (
        [str(course.patient.uid)],
    )


def test_lists_take_the_same_number_of_queries_for_one_row_and_for_many(clinic: ApiClinic):
    course, _proposal = proposed(clinic)
    clinic.answer_all(course)
    door = clinic.reception
    paths = [
        "proposals/",
        f"patients/{course.patient.uid}/answers/",
        f"patients/{course.patient.uid}/courses/",
        "areas/",
        "questions/",
        "sites/",
        "protocols/",
    ]

    def counted(limit: int) -> dict[str, int]:
        counts = {}
        for path in paths:
            with CaptureQueriesContext(connection) as seen:
                assert door.get(path, limit=limit).status_code == 200
            counts[path] = len(seen)
        return counts

    proposed_again(clinic)
    assert counted(1) == counted(100)


def proposed_again(clinic: ApiClinic) -> None:
    """Two more proposals, for the count of queries."""
    for _ in range(2):
        course = clinic.booked_course()
        session, visit = build.sessions_of(course)[0], build.visits_of(course)[0]
        later = clinic.now
        clinic.now = visit.during.upper
        clinic.wait(days=8)
        clinic.perform(session)
        clinic.now = later


# --- at the desk ------------------------------------------------------------------------------------------------------


def booked_in_a_month(clinic: ApiClinic) -> Course:
    soon = frozenset(clinic.today + timedelta(days=number) for number in range(30))
    return clinic.booked_course(wishes=build.facts.Wishes(avoid_dates=soon, strict=True))


def test_check_in_asks_what_is_due_and_admits_when_it_is_answered_well(clinic: ApiClinic):
    course = booked_in_a_month(clinic)
    visit = build.visits_of(course)[0]
    address = f"sessions/{visit.session.uid}/check-in/"
    clinic.wait(days=(visit.on - clinic.today).days)

    form = clinic.reception.get(address).json()

    assert (form["session"], form["appointment"], form["on"], form["gates"]) == (
        str(visit.session.uid),
        str(visit.uid),
        visit.on.isoformat(),
        [],
    )
    asked = {one["question"]: one for one in form["questions"]}
    assert asked["unwell"] == {
        "question": "unwell",
        "text": "Are you ill or feverish today, or have you been in the last few days?",
        "choices": ["no", "yes"],
        "why": "answer_expired",
        "last": {"value": "no", "given_on": "2027-01-04"},
        "holds_if": ["yes"],
        "decided_by": "prescriber",
    }
    answers = [{"question": code, "value": "no"} for code in asked]
    done = clinic.reception.post(address, {"answers": answers})
    assert (done.status_code, done.json()["admitted"], done.json()["problems"]) == (200, True, [])
    assert done.json()["appointment"]["state"] == "arrived"
    assert refusal(clinic.reception.post(address, {"answers": answers}))[:2] == (409, "illegal_transition")


def test_a_bad_answer_at_check_in_is_kept_and_says_what_happens_next(clinic: ApiClinic):
    course = booked_in_a_month(clinic)
    visit = build.visits_of(course)[0]
    clinic.wait(days=(visit.on - clinic.today).days)
    address = f"sessions/{visit.session.uid}/check-in/"

    done = clinic.reception.post(
        address, {"answers": [{"question": "pregnancy", "value": "yes"}], "visits": "free"}
    ).json()

    assert (done["admitted"], done["appointment"]["state"]) == (False, "cancelled")
    assert [(hold["code"], hold["lifted_by_role"]) for hold in done["holds"]] == [("risk_pregnancy", "prescriber")]
    assert {"course_on_hold", "risk_absolute"} <= {one["code"] for one in done["problems"]}
    assert refusal(clinic.reception.post(address, {"answers": []}))[:2] == (409, "nothing_booked")


def test_an_answer_is_given_once_in_a_check_in(clinic: ApiClinic):
    course = clinic.booked_course()
    visit = build.visits_of(course)[0]
    twice = [{"question": "unwell", "value": one} for one in ("no", "yes")]

    answer = clinic.reception.post(f"sessions/{visit.session.uid}/check-in/", {"answers": twice})

    assert refusal(answer)[2] == [("given_twice", "answers")]
