"""Overrides over the API: made, reported, revoked, and who may."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import pytest

from scheduling.models import Course, Override
from tests import build

from .conftest import ApiClinic, refusal


def test_an_event_and_an_override_stand_in_the_course(clinic: ApiClinic):
    course = clinic.course()

    event = clinic.doctor.post(
        f"courses/{course.uid}/events/", {"key": "varicose_treatment", "happened_on": "2026-06-01"}
    )
    override = clinic.senior.post(
        f"courses/{course.uid}/overrides/",
        {
            "rule": "before_minimum",
            "session": str(build.sessions_of(course)[1].uid),
            "reason": "Leaves the country",
            "expires_on": "2027-02-01",
        },
    )

    row = Override.objects.get()
    assert event.json()["events"] == [{"key": "varicose_treatment", "happened_on": "2026-06-01", "note": ""}]
    assert (override.status_code, override.json()["overrides"]) == (
        201,
        [
            {
                "uid": str(row.uid),
                "session": str(build.sessions_of(course)[1].uid),
                "rule": "before_minimum",
                "subject": "",
                "reason": "Leaves the country",
                "expires_on": "2027-02-01",
                "given_at": "2027-01-04T08:00:00Z",
                "given_by": {"uid": str(clinic.prescriber.uid), "name": clinic.prescriber.name},
                "revoked_at": None,
                "revoked_by": None,
                "revoke_reason": "",
            }
        ],
    )


def test_what_nobody_may_override_is_refused_and_a_clinician_overrides_nothing(clinic: ApiClinic):
    course = clinic.course()
    sent = {"rule": "risk_absolute", "subject": "pregnancy", "reason": "please", "expires_on": "2027-02-01"}

    assert refusal(clinic.senior.post(f"courses/{course.uid}/overrides/", sent)) == (
        400,
        "rule_broken",
        [("rule_not_overridable", "rule")],
    )
    assert refusal(clinic.doctor.post(f"courses/{course.uid}/overrides/", sent))[:2] == (403, "not_allowed")


def override_of(clinic: ApiClinic, course: Course) -> dict[str, Any]:
    second = build.sessions_of(course)[1]
    sent = {
        "rule": "before_minimum", "session": str(second.uid), "reason": "A wedding.", "expires_on": "2027-02-01",
    }  # fmt: skip
    clinic.wait(minutes=1)
    given: dict[str, Any] = clinic.senior.post(f"courses/{course.uid}/overrides/", sent).json()["overrides"][0]
    return given


@pytest.mark.parametrize(
    ("left_out", "violation"),
    [("reason", ("required", "reason")), ("expires_on", ("required", "expires_on")), ("rule", ("required", "rule"))],
)
def test_an_override_without_rule_reason_or_expiry_is_refused(clinic: ApiClinic, left_out: str, violation: Any):
    course = clinic.course()
    sent = {"rule": "before_minimum", "reason": "A wedding.", "expires_on": "2027-02-01"}
    del sent[left_out]

    assert refusal(clinic.senior.post(f"courses/{course.uid}/overrides/", sent)) == (400, "invalid_input", [violation])
    assert Override.objects.count() == 0


def test_the_report_of_overrides_is_filtered_and_read_page_by_page(clinic: ApiClinic):
    course = clinic.course()
    older, newer = override_of(clinic, course), override_of(clinic, course)
    boss = clinic.boss

    page = boss.get("overrides/", site=str(clinic.site.uid), limit=1).json()

    assert page["results"] == [
        newer
        | {
            "state": "valid",
            "course": str(course.uid),
            "patient": str(course.patient.uid),
            "site": {"uid": str(clinic.site.uid), "name": clinic.site.name},
        }
    ]
    following = boss.get(page["next"].removeprefix("/api/v1/").partition("?")[0], **query_of(page["next"])).json()
    assert [one["uid"] for one in following["results"]] == [older["uid"]]
    assert [one["uid"] for one in boss.get("overrides/", state="expired").json()["results"]] == []
    assert boss.get("overrides/", rule="risk_relative").json()["results"] == []
    assert len(boss.get("overrides/", given_by=str(clinic.prescriber.uid)).json()["results"]) == 2
    assert clinic.stranger.get("overrides/").json()["results"] == []
    assert refusal(clinic.operator.get("overrides/"))[:2] == (403, "not_allowed")
    assert refusal(boss.get("overrides/", state="old"))[2] == [("invalid_choice", "state")]


def query_of(address: str) -> dict[str, str]:
    return dict(parse_qsl(address.partition("?")[2]))


def test_an_override_is_revoked_by_a_prescriber(clinic: ApiClinic):
    path = f"overrides/{override_of(clinic, clinic.course())['uid']}/revoke/"

    assert refusal(clinic.doctor.post(path, {"reason": "x"}))[:2] == (403, "not_allowed")
    assert clinic.stranger.post(path, {"reason": "x"}).status_code == 404
    revoked = clinic.senior.post(path, {"reason": "no need"}).json()

    assert (revoked["state"], revoked["revoke_reason"], revoked["revoked_by"]["name"]) == (
        "revoked",
        "no need",
        clinic.prescriber.name,
    )
    assert refusal(clinic.senior.post(path, {"reason": "again"}))[:2] == (409, "override_revoked")
