"""The worklist over the API, and what every list has in common."""

from __future__ import annotations

from django.db import connection
from django.test.utils import CaptureQueriesContext

from clinic.models import AccessEvent
from tests import build

from .conftest import ApiClinic, proposed, refusal


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
