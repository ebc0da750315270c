"""Whatever is sent, nobody gets a 500."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests import build

from .conftest import ApiClinic

NONSENSE: list[Any] = [
    None, True, -1, 0, 10**30, 1.5, "", "x", "yes", "x" * 5000, "\u202e", "a\nb", "2027-02-30", "1870-01-01",
    "2199-12-31", "24:00", "23:59", str(uuid.uuid4()), [], [[]], [None], {}, {"a": 1}, [{"session": 1}],
]  # fmt: skip


def broken_versions(value: Any) -> Iterator[Any]:
    """Every version of a JSON value with one part of it replaced by nonsense, or missing."""
    yield from NONSENSE
    if isinstance(value, dict):
        for name, inner in value.items():
            yield {key: one for key, one in value.items() if key != name}
            for broken in broken_versions(inner):
                yield {**value, name: broken}
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            for broken in broken_versions(inner):
                yield [*value[:number], broken, *value[number + 1 :]]


def everything(clinic: ApiClinic) -> dict[str, dict[str, Any]]:
    """A right request for each address that takes a body."""
    course = clinic.booked_course()
    session, visit = build.sessions_of(course)[0], build.visits_of(course)[0]
    slot = build.slot(visit)
    patient = {
        "family_name": "Lee",
        "given_name": "Ann",
        "born_on": "1990-02-28",
        "site": str(clinic.site.uid),
        "language": "en",
        "email": "a@example.org",
        "agrees_to_mail": True,
        "interpreter_language": "pl",
        "access_needs": "x",
        "identifiers": [{"system": "urn:x", "value": "1"}],
        "phones": [{"number": "+44 20 7946 0018", "label": "home", "is_preferred": True}],
        "guardians": [{"name": "Ada", "email": "b@example.org", "from_on": "2020-01-01", "until_on": "2030-01-01"}],
    }
    wishes = {
        "weekdays": [1],
        "from_time": "09:00",
        "until_time": "12:00",
        "practitioner": str(visit.lead.uid),
        "avoid_dates": ["2027-02-02"],
        "language": "en",
        "strict": True,
    }
    outcome = {"outcome": "ok", "complications": [], "amount": "1.5", "amount_unit": "mL", "notes": "x"}
    return {
        "patients/": patient,
        "patients/search/": {"words": "lee", "limit": 5},
        f"patients/{course.patient.uid}/answers/": {"question": "pregnancy", "value": "no", "given_on": "2027-01-04"},
        "courses/": {
            "patient": str(course.patient.uid),
            "protocol": str(clinic.version.uid),
            "site": str(clinic.site.uid),
            "lead": str(visit.lead.uid),
            "areas": ["left_ankle"],
            "wishes": wishes,
        },
        f"courses/{course.uid}/wishes/": wishes,
        f"courses/{course.uid}/assessments/": {
            "assessed_on": "2027-01-04",
            "is_suitable": True,
            "reflux": "treated",
            "reflux_treated_on": "2026-01-01",
            "reflux_clear_on": "2026-02-01",
            "expires_on": "2028-01-01",
        },
        f"courses/{course.uid}/consents/": {
            "number": 1,
            "language": "en",
            "informed_on": "2027-01-04",
            "signed_on": "2027-01-04",
            "session": str(session.uid),
            "expires_on": "2028-01-01",
        },
        f"courses/{course.uid}/events/": {"key": "varicose_treatment", "happened_on": "2026-01-04", "note": "x"},
        f"courses/{course.uid}/holds/": {"code": "clinician", "reason": "x", "lifted_by_role": "reception"},
        f"courses/{course.uid}/overrides/": {
            "rule": "before_minimum",
            "subject": "",
            "session": str(session.uid),
            "reason": "x",
            "expires_on": "2027-03-01",
        },
        f"courses/{course.uid}/planned-areas/": {"sessions": [{"session": str(session.uid), "areas": ["left_ankle"]}]},
        f"courses/{course.uid}/book/": {"slots": [slot]},
        f"sessions/{session.uid}/book/": {"slot": slot},
        f"appointments/{visit.uid}/move/": {"slot": slot, "reason": "x"},
        f"appointments/{visit.uid}/cancel/": {"reason": "patient_ill", "asked_by": "patient", "note": "x"},
        f"sessions/{session.uid}/outcome/": outcome,
        f"sessions/{session.uid}/perform/": {
            **outcome,
            "performed_on": "2027-01-04",
            "at": "07:00",
            "areas": ["left_ankle"],
            "minutes": 30,
            "lead": str(visit.lead.uid),
        },
        f"courses/{course.uid}/end/": {"reason": "x"},
    }


@pytest.mark.parametrize("step", [11, pytest.param(1, marks=pytest.mark.faults)])
def test_no_body_with_one_part_of_nonsense_is_a_500(clinic: ApiClinic, step: int):
    door = clinic.door(build.user(is_superuser=True))

    for number, (path, right) in enumerate(everything(clinic).items()):
        for body in itertools.islice(broken_versions(right), number % step, None, step):
            answer = door.post_once(path, body)
            assert answer.status_code < 500, (path, body, answer.content)
