"""The waiting list over the API: who waits, what is kept for whom, and the answers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from scheduling import booking, visits, waitlist
from scheduling.models import CancelReason, Course, FreedTime, Offer, WaitingListEntry
from scheduling.models.appointments import AskedBy
from scheduling.planner import facts
from tests import build

from .conftest import ApiClinic, refusal


def course_from(clinic: ApiClinic, days: int, name: str) -> Course:
    away = frozenset(clinic.today + timedelta(days=number) for number in range(days))
    course = clinic.booked_course(build.patient(name), wishes=facts.Wishes(avoid_dates=away, strict=True))
    return booking.set_wishes(course, facts.Wishes(), by=clinic.receptionist, now=clinic.now)


@pytest.fixture
def ben(clinic: ApiClinic) -> Course:
    return course_from(clinic, 20, "Ben Okafor")


def wait(course: Course) -> str:
    return f"sessions/{build.sessions_of(course)[0].uid}/wait/"


def offered(clinic: ApiClinic, ben: Course) -> Offer:
    """A time of Ana's that is kept for Ben, who waits."""
    ana = build.visits_of(course_from(clinic, 10, "Ana Kovač"))[0]
    assert clinic.reception.post(wait(ben)).status_code == 201
    visits.cancel(
        ana, reason=CancelReason.PATIENT_BUSY, asked_by=AskedBy.PATIENT, by=clinic.receptionist, now=clinic.now
    )
    waitlist.offer_freed_times(clinic.now)
    return Offer.objects.get()


def test_a_session_is_put_on_the_list_seen_there_and_taken_off(clinic: ApiClinic, ben: Course):
    session = build.sessions_of(ben)[0]
    shown: dict[str, Any] = {
        "session": str(session.uid),
        "course": str(ben.uid),
        "since": "2027-01-04T08:00:00Z",
        "from_on": "2027-01-06",
        "until_on": None,
        "notice_hours": 48,
        "is_set_aside": False,
        "closed_at": None,
        "close_reason": "",
        "offer": None,
    }

    put = clinic.reception.post(wait(ben), {"from_on": "2027-01-06", "notice_hours": 48})
    again = clinic.reception.post(wait(ben), {})
    listed = clinic.reception.get(f"sites/{clinic.site.uid}/waiting-list/").json()
    of_session = clinic.reception.get(f"sessions/{session.uid}/").json()["waiting"]

    assert (put.status_code, {name: put.json()[name] for name in shown}) == (201, shown)
    assert refusal(again) == (409, "waits_already", [("waits_already", str(session.uid))])
    assert listed == {"results": [put.json()], "next": None}
    assert of_session == put.json()

    off = clinic.reception.post(f"sessions/{session.uid}/stop-waiting/")
    assert (off.status_code, off.json()["close_reason"]) == (200, "taken_off")
    assert clinic.reception.get(f"sites/{clinic.site.uid}/waiting-list/").json()["results"] == []
    twice = clinic.reception.post(f"sessions/{session.uid}/stop-waiting/")
    assert refusal(twice)[:2] == (409, "does_not_wait")


def test_an_offer_is_seen_on_the_worklist_and_accepted_once(clinic: ApiClinic, ben: Course):
    offer = offered(clinic, ben)

    work = {kind["kind"]: kind["rows"] for kind in clinic.reception.get("worklist/").json()["results"]}
    seen = clinic.reception.get(f"offers/{offer.uid}/").json()
    accepted = clinic.reception.post(f"offers/{offer.uid}/accept/")
    again = clinic.reception.post(f"offers/{offer.uid}/accept/")

    assert [(row["type"], row["uid"], row["on"]) for row in work["offers"]] == [
        ("offer", str(offer.uid), f"{offer.reservation.on}")
    ]
    assert (seen["on"], seen["kept_until"], seen["ended_as"]) == (
        f"{offer.reservation.on}", "2027-01-04T10:00:00Z", "",
    )  # fmt: skip
    assert (accepted.status_code, accepted.json()["appointment"]["on"]) == (200, f"{offer.reservation.on}")
    assert refusal(again) == (409, "offer_over", [("offer_accepted", str(offer.uid))])


def test_what_could_not_be_offered_is_on_the_worklist(clinic: ApiClinic, ben: Course):
    clinic.reception.post(wait(ben), {})
    WaitingListEntry.objects.update(tries=WaitingListEntry.SET_ASIDE_AT_TRY)
    freed = FreedTime.objects.create(
        site=clinic.site, freed_at=clinic.now, first_on=clinic.today, last_on=clinic.today, look_at=clinic.now,
        tries=FreedTime.GIVEN_UP_AT_TRY, closed_at=clinic.now,
    )  # fmt: skip

    work = {kind["kind"]: kind["rows"] for kind in clinic.reception.get("worklist/").json()["results"]}

    assert [(row["type"], row["uid"], row["on"]) for row in work["not_offered"]] == [
        ("session", str(build.sessions_of(ben)[0].uid), None),
        ("freed_time", str(freed.uid), f"{clinic.today}"),
    ]
    assert [row["patient"] and row["patient"]["uid"] for row in work["not_offered"]] == [str(ben.patient.uid), None]
    (waiting,) = clinic.reception.get(f"sites/{clinic.site.uid}/waiting-list/").json()["results"]
    assert waiting["is_set_aside"] is True


def test_an_offer_is_declined_and_the_patient_still_waits(clinic: ApiClinic, ben: Course):
    offer = offered(clinic, ben)

    declined = clinic.reception.post(f"offers/{offer.uid}/decline/")

    assert (declined.status_code, declined.json()["ended_as"]) == (200, "declined")
    (waiting,) = clinic.reception.get(f"sites/{clinic.site.uid}/waiting-list/").json()["results"]
    assert (waiting["patient"]["uid"], waiting["offer"]) == (str(ben.patient.uid), None)


def test_the_waiting_list_of_another_site_does_not_exist(clinic: ApiClinic, ben: Course):
    offer = offered(clinic, ben)

    for answer in (
        clinic.stranger.get(f"sites/{clinic.site.uid}/waiting-list/"),
        clinic.stranger.post(wait(ben)),
        clinic.stranger.get(f"offers/{offer.uid}/"),
        clinic.stranger.post(f"offers/{offer.uid}/accept/"),
        clinic.stranger.post(f"offers/{offer.uid}/decline/"),
    ):
        assert refusal(answer)[:2] == (404, "not_found")


@pytest.mark.parametrize(
    ("body", "violations"),
    [
        ({"until_on": "2027-01-03"}, [("until_is_past", "until_on")]),
        ({"notice_hours": 400}, [("notice_out_of_range", "notice_hours")]),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_field(clinic: ApiClinic, ben: Course, body, violations):
    assert refusal(clinic.reception.post(wait(ben), body))[2] == violations


def test_the_list_takes_as_many_queries_for_one_as_for_three(clinic: ApiClinic, ben: Course):
    clinic.reception.post(wait(ben))
    door = clinic.reception

    counts = []
    for number in range(2):
        with CaptureQueriesContext(connection) as asked:
            assert len(door.get(f"sites/{clinic.site.uid}/waiting-list/").json()["results"]) == 1 + 2 * number
        counts.append(len(asked))
        for more in range(2):
            clinic.reception.post(wait(course_from(clinic, 15, f"Cleo More{number}{more}")))

    assert counts[0] == counts[1]
