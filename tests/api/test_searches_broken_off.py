"""What the API says when a search takes too long: that, and not that there is no plan."""

from __future__ import annotations

import pytest

from scheduling import replanning
from tests import build
from tests.planner.works import counted
from tests.scheduling import far_back, weekly

from .conftest import ApiClinic, refusal

pytestmark = pytest.mark.django_db


@pytest.fixture
def clinic() -> ApiClinic:
    weekly.load(far_back.TEXT)
    return ApiClinic(key="far_back")


def test_a_plan_that_takes_too_long_to_find_is_refused_as_that(clinic: ApiClinic, monkeypatch):
    course = clinic.course(build.patient())
    counted(monkeypatch, 10)

    answer = clinic.reception.post(f"courses/{course.uid}/plan/")

    assert refusal(answer) == (409, "no_plan", [("search_broken_off", str(build.sessions_of(course)[-1].uid))])
    assert answer.json()["detail"].startswith("There may be a plan")


def test_a_proposal_for_several_says_so_of_the_visit_without_a_time(clinic: ApiClinic, monkeypatch):
    """The first answer is held back, and so are the dates of the joint search: each is then searched by itself."""
    courses = far_back.two_courses(clinic)
    far_back.shut_today(clinic)
    far_back.leave_all_to_their_own_searches(monkeypatch)
    counted(monkeypatch, 10)
    proposal = replanning.work_out_next(clinic.now, seconds=20)
    assert proposal is not None

    shown = clinic.reception.get(f"proposals/{proposal.uid}/").json()

    shut = ["site_closed", "off_duty", "off_duty"]
    lost = {move["session"]: ([one["code"] for one in move["why"]], move["to"] is None) for move in shown["moves"]}
    assert lost == {
        str(build.sessions_of(courses[0])[0].uid): ([*shut, "search_broken_off"], True),
        str(build.sessions_of(courses[1])[0].uid): (shut, False),
    }
