"""Sessions added, left out and decided on over the API, and who may."""

from __future__ import annotations

import pytest

from scheduling import protocols
from tests import build
from tests.scheduling import weekly

from .conftest import ApiClinic, refusal


def test_a_session_is_added_and_left_out(clinic: ApiClinic):
    course = clinic.course()

    answer = clinic.doctor.post(f"courses/{course.uid}/sessions/", {"step": "treatment", "reason": "veins left"})

    assert answer.status_code == 201
    added = answer.json()["sessions"][4]
    assert (added["position"], added["step"]["key"], added["state"], added["evaluation"]) == (
        5,
        "treatment",
        "open",
        None,
    )
    answer = clinic.doctor.post(f"sessions/{added['uid']}/skip/", {"reason": "enough"})
    assert (answer.status_code, answer.json()["session"]["state"], answer.json()["session"]["state_reason"]) == (
        200,
        "skipped",
        "enough",
    )


def test_a_late_session_names_its_band_and_is_decided_on(clinic: ApiClinic):
    weekly.load()
    clinic.version = build.shipped_protocol("weekly_injections")
    build.staff_for(clinic.version, clinic.site)
    course = clinic.course(areas=())
    first, second, *_others = build.sessions_of(course)
    clinic.perform(first)
    clinic.wait(days=15)

    shown = clinic.doctor.get(f"sessions/{second.uid}/").json()
    assert shown["late"] == {"action": "repeat_step", "note": "", "first_on": "2027-01-18", "last_on": "2027-01-24"}
    assert [gate["code"] for gate in shown["gates"]] == ["late_repeat_step"]

    wish = {"action": "book_anyway", "reason": "was away"}
    assert refusal(clinic.doctor.post(f"sessions/{second.uid}/late/", wish)) == (
        403,
        "not_allowed",
        [("role_missing", "")],
    )
    answer = clinic.senior.post(f"sessions/{second.uid}/late/", wish)
    assert (answer.json()["session"]["late_action"], answer.json()["session"]["gates"]) == ("book_anyway", [])


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("courses/{course}/sessions/", {"step": "treatment", "reason": "more"}),
        ("sessions/{session}/skip/", {"reason": "enough"}),
        ("sessions/{session}/late/", {"action": "shorten", "reason": "was away"}),
        ("sessions/{session}/correct/", {"performed_on": "2027-01-04", "reason": "typed wrong"}),
        ("courses/{course}/move-version/", {"protocol": "{version}", "stamp": "x", "reason": "new"}),
        ("courses/{course}/preview-version/", {"protocol": "{version}"}),
    ],
)
def test_the_front_desk_does_none_of_it(clinic: ApiClinic, path, body):
    course = clinic.course()
    names = {"course": course.uid, "session": build.sessions_of(course)[0].uid, "version": course.version.uid}
    sent = {key: value.format(**names) for key, value in body.items()}

    answer = clinic.reception.post(path.format(**names), sent)

    assert refusal(answer) == (403, "not_allowed", [("role_missing", "")])


def test_a_course_is_not_moved_to_its_own_version_nor_to_a_draft(clinic: ApiClinic):
    course = clinic.course()
    text = protocols.shipped(clinic.key).replace("minimum: 8 weeks", "minimum: 9 weeks")
    draft = protocols.load(text, by=None, now=clinic.now)

    def refused(version):
        return refusal(clinic.boss.post(f"courses/{course.uid}/preview-version/", {"protocol": str(version.uid)}))

    assert refused(course.version) == (409, "course_not_movable", [("same_version", "version")])
    assert refused(draft) == (409, "course_not_movable", [("protocol_not_usable", "version")])
