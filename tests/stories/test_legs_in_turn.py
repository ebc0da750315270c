"""Told at the desk and over REST: two legs take turns, one is treated out of its turn, and the turns are changed."""

from __future__ import annotations

import re
from typing import Any

from scheduling.models import Course, Message
from tests import build
from tests.scheduling import legs
from tests.scheduling.legs import LEFT, RIGHT, treatments

from .conftest import act_page, course_page


def test_legs_take_turns_and_one_treated_out_of_its_turn_moves_the_rest(clinic, desk, api):
    legs.give_at(clinic)
    reception, nurse = api(clinic.receptionist), api(clinic.clinician)

    def said(course: Course) -> list[tuple[Any, ...]]:
        """Each treatment: its areas (treated, or to treat), when it may be, and when it is booked."""
        found = [one for one in nurse.get(f"courses/{course.uid}/").json()["sessions"] if one["position"] > 1]
        return [
            (
                one["treated_areas"] or one["planned_areas"],
                one["window"]["earliest_on"] if one["state"] == "open" else one["performed_on"],
                one["appointment"] and one["appointment"]["on"],
            )
            for one in found
        ]

    # A receptionist starts a course for both legs, and lets them take turns.
    asked = {"patient": build.patient().uid, "protocol": clinic.version.uid, "site": clinic.site.uid}
    started = reception.post("courses/", {**{key: str(uid) for key, uid in asked.items()}, "areas": [LEFT, RIGHT]})
    assert started.status_code == 201
    course = Course.objects.get(uid=started.json()["uid"])
    first, second, third, fourth = (str(session.uid) for session in treatments(course))
    turns = {first: [LEFT], second: [RIGHT], third: [LEFT], fourth: [RIGHT]}
    page = desk.open(act_page(course, "areas")).press("Save the areas", **turns)
    assert re.findall(r"Areas to treat: (\w+) thigh", page.words) == ["Left", "Right", "Left", "Right"]

    # The plan has the legs two weeks apart, and each leg after a month. It is booked.
    plan = reception.post(f"courses/{course.uid}/plan/").json()["alternatives"][0]
    slots = [planned["slot"] for planned in plan["sessions"]]
    assert [slot["on"] for slot in slots] == ["2027-01-04", "2027-01-18", "2027-02-04", "2027-02-18"]
    assert reception.post(f"courses/{course.uid}/book/", {"slots": slots}).status_code == 201

    # The first goes as planned. In the second the nurse treats the left leg again: a vein there has come back.
    clinic.wait(hours=8)
    done = nurse.post(f"sessions/{first}/perform/", {"performed_on": "2027-01-04", "outcome": "ok"}).json()
    assert done["proposal"] is None
    clinic.wait(days=14)
    what = {"performed_on": "2027-01-18", "outcome": "ok", "areas": [LEFT]}
    done = nurse.post(f"sessions/{second}/perform/", what).json()

    # The left leg has to wait for a month from that day on, and what was booked for it is proposed anew.
    as_treated = [([LEFT], "2027-01-04", None), ([LEFT], "2027-01-18", None)]
    assert said(course) == [
        *as_treated,
        ([LEFT], "2027-02-18", "2027-02-04"),
        ([RIGHT], "2027-02-18", "2027-02-18"),  # until it has moved it counts from where the third is booked
    ]
    moves = {move["session"]: move["to"]["on"] for move in done["proposal"]["moves"]}
    assert moves == {third: "2027-02-18", fourth: "2027-03-04"}

    # Nothing has to move if the right leg comes first now: the receptionist changes the turns.
    body = {"sessions": [{"session": third, "areas": [RIGHT]}, {"session": fourth, "areas": [LEFT]}]}
    changed = reception.post(f"courses/{course.uid}/planned-areas/", body)
    assert (changed.status_code, changed.json()["proposal"]) == (200, None)
    assert said(course) == [
        *as_treated,
        ([RIGHT], "2027-02-01", "2027-02-04"),
        ([LEFT], "2027-02-18", "2027-02-18"),
    ]
    page = desk.open(course_page(course))
    assert re.findall(r"Areas to treat: (\w+) thigh", page.words) == ["Right", "Left"]
    assert "Proposed moves" not in page.words
    assert not Message.objects.filter(course=course, kind="changed").exists()
