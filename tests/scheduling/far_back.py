"""A protocol whose later steps count from the first too: a search remembers its date. Loaded by tests that need one."""

from __future__ import annotations

import pytest

from scheduling import closures
from scheduling.models import Course
from tests import build
from tests.scheduling import weekly

SPACING = "      - {from: previous, minimum: 4 weeks, target: 5 weeks}\n"
SINCE_FIRST = "      - {from: step first, minimum: 8 weeks}\n"
STEPS = {"first": "", "second": SPACING, "third": SPACING + SINCE_FIRST, "last": SPACING + SINCE_FIRST}
TEXT = "protocol: far_back\nname: Counted from far back\nsteps:\n" + "".join(
    f"""  - key: {key}
    name: {key.capitalize()}
    kind: treatment
    lead_role: nurse
    phases:
      - name: Injection
        minutes: 10
        needs: {{nurse: vaccination, room: vaccination_room}}
"""
    + (f"    spacings:\n{spacings}" if spacings else "")
    for key, spacings in STEPS.items()
)


def clinic() -> build.Clinic:
    """A clinic that gives these treatments."""
    weekly.load(TEXT)
    return build.Clinic(key="far_back")


def two_courses(at: build.Clinic) -> list[Course]:
    """Book one of these courses, and one of weekly injections beside it; both begin today."""
    courses = []
    for version in (at.version, weekly.load()):
        at.version = version
        courses.append(at.course(build.patient()))
        at.book(courses[-1])
    assert [build.visits_of(course)[0].on for course in courses] == [at.today, at.today]
    return courses


def shut_today(at: build.Clinic) -> None:
    details = closures.ClosureDetails(at.site, "No water", at.today, at.today)
    closures.record(details, by=at.manager, now=at.now)


def leave_all_to_their_own_searches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a repair of many courses find no time for any of them together."""
    monkeypatch.setattr("scheduling.planner.repair_greedy.TRIES", 0)
    monkeypatch.setattr("scheduling.planner.repair_reach.MOST_OF_ONE", 0)
