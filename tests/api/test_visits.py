"""Visits over the API: moved, confirmed, cancelled, missed, let in."""

from __future__ import annotations

from datetime import time, timedelta

from clinic.models import AccessEvent
from scheduling.models import Course
from tests import build

from .conftest import ApiClinic, refusal, visit_shown


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
