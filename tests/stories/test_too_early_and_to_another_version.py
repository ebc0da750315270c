"""Told over REST: a treatment that came too early, and a running course that follows a new version of its protocol."""

from __future__ import annotations

from scheduling import protocols
from tests import build


def of_step(course, step):
    return [session for session in course["sessions"] if session["step"]["key"] == step]


def test_a_treatment_too_early_does_not_count_is_replaced_and_the_next_is_counted_from_it(clinic, api):
    course = clinic.booked_course()
    doctor = api(clinic.clinician)
    first, second, third = of_step(doctor.get(f"courses/{course.uid}/").json(), "treatment")
    clinic.wait(hours=6)
    performed = {"performed_on": "2027-01-04", "outcome": "ok"}
    assert doctor.post(f"sessions/{first['uid']}/perform/", performed).status_code == 200
    clinic.wait(days=5)

    # The patient came four weeks before her visit, and was treated: the truth is recorded.
    answer = doctor.post(f"sessions/{second['uid']}/perform/", {"performed_on": "2027-01-09", "outcome": "ok"}).json()

    session = answer["session"]
    assert (session["counts"], session["counts_reason"]) == (False, "too_soon")
    assert session["evaluation"] == {
        "verdict": "too_soon",
        "code": "performed_before_floor",
        "message": "It does not count: it would have from Mon 11 January 2027 on.",
        "spacing": {
            "reference": "last_of_kind",
            "reference_key": "treatment",
            "floor": "7 days",
            "minimum": "4 weeks",
            "overdue": "12 weeks",
            "lapse": None,
        },
        "reference_on": "2027-01-04",
        "floor_on": "2027-01-11",
        "minimum_on": "2027-02-01",
        "overdue_on": "2027-03-29",
        "lapse_on": None,
        "band": None,
    }
    treatments = of_step(doctor.get(f"courses/{course.uid}/").json(), "treatment")
    assert [(one["position"], one["state"], one["counts"]) for one in treatments] == [
        (2, "performed", True),
        (3, "performed", False),
        (4, "open", True),
        (5, "open", True),
    ]
    replacement, last = treatments[2:]
    # Published as CDSi does: overdue is the day before ours.
    assert replacement["window"]["loinc"] == {
        "30981-5": "2027-02-06",
        "30980-7": "2027-02-09",
        "59778-1": "2027-04-02",
        "59777-3": None,
    }
    assert last["uid"] == third["uid"]
    assert [move["session"] for move in answer["proposal"]["moves"]] == [last["uid"]]

    # It turns out that the day was typed wrong: everything is judged anew, and the replacement given up.
    clinic.wait(days=40)
    corrected = {"performed_on": "2027-02-03", "reason": "typed wrong"}
    answer = doctor.post(f"sessions/{second['uid']}/correct/", corrected).json()

    assert (answer["session"]["counts"], answer["session"]["evaluation"]["verdict"]) == (True, "in_time")
    treatments = of_step(doctor.get(f"courses/{course.uid}/").json(), "treatment")
    assert [one["state"] for one in treatments] == ["performed", "performed", "dropped", "open"]
    assert treatments[3]["window"]["earliest_on"] == "2027-03-03"


def test_a_course_is_moved_between_versions_with_the_preview(clinic, api):
    course = clinic.booked_course()
    clinic.wait(hours=6)
    clinic.perform(build.visits_of(course)[0].session)
    text = protocols.shipped(clinic.key)
    for old, new in {"minimum: 4 weeks": "minimum: 5 weeks", "target: 1 month": "target: 5 weeks"}.items():
        text = text.replace(old, new)
    text = text.replace("  - kind: reminder\n    days_before: 1\n", "  - kind: reminder\n    days_before: 2\n")
    protocols.load(text, by=None, now=clinic.now, approve_by=build.user(is_superuser=True))
    doctor, prescriber = api(clinic.clinician), api(clinic.prescriber)
    listed = doctor.get("protocols/").json()["results"]
    newest = next(one["uid"] for one in listed if (one["key"], one["number"]) == (clinic.key, 2))

    refused = doctor.post(f"courses/{course.uid}/preview-version/", {"protocol": newest})
    assert (refused.status_code, refused.json()["violations"][0]["code"]) == (403, "role_missing")
    preview = prescriber.post(f"courses/{course.uid}/preview-version/", {"protocol": newest}).json()

    changed = [one for one in preview["sessions"] if one["is_different"]]
    assert [(one["position"], one["fate"], one["visit_on"]) for one in changed] == [
        (3, "kept", "2027-02-01"),
        (4, "kept", "2027-03-01"),
    ]
    assert [(one["old_window"]["earliest_on"], one["new_window"]["earliest_on"]) for one in changed] == [
        ("2027-02-01", "2027-02-08"),
        ("2027-03-01", "2027-03-08"),
    ]
    assert [broken["code"] for one in changed for broken in one["broken"]] == ["before_minimum", "before_minimum"]
    assert [(one["kind"], one["days"], one["position"]) for one in preview["withdrawn"]] == [
        ("reminder", 1, 3),
        ("reminder", 1, 4),
    ]
    assert [(one["kind"], one["days"], one["position"]) for one in preview["promised"]] == [
        ("reminder", 2, 3),
        ("reminder", 2, 4),
    ]

    # Somebody moves a visit meanwhile: what was looked at is not what would happen.
    visit = build.visits_of(course)[1]
    cancelled = {"reason": "patient_busy", "asked_by": "patient"}
    assert api(clinic.receptionist).post(f"appointments/{visit.uid}/cancel/", cancelled).status_code == 200
    move = {"protocol": newest, "stamp": preview["stamp"], "reason": "new guideline"}
    stale = prescriber.post(f"courses/{course.uid}/move-version/", move)
    assert (stale.status_code, stale.json()["code"]) == (409, "preview_stale")

    preview = prescriber.post(f"courses/{course.uid}/preview-version/", {"protocol": newest}).json()
    moved = prescriber.post(f"courses/{course.uid}/move-version/", move | {"stamp": preview["stamp"]}).json()

    assert (moved["protocol"]["number"], moved["state"]) == (2, "open")
    windows = {one["position"]: one["window"]["earliest_on"] for one in moved["sessions"] if one["state"] == "open"}
    assert windows == {
        one["position"]: one["new_window"]["earliest_on"] for one in preview["sessions"] if one["state"] == "open"
    }
    assert [move["from"] and move["from"]["on"] for move in moved["proposal"]["moves"]] == ["2027-02-01"]
