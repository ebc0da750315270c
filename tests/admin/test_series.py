"""The course page: one session more, one left out, a date corrected, a late one decided on, another version."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from clinic.models import Role
from scheduling import protocols
from scheduling.models import Course, ProtocolVersion, Session
from tests import build

from .conftest import course_page, do, words

BANDS = """        overdue: 12 weeks # from this day on somebody calls
        late_bands:
          - {from: 12 weeks, until: 20 weeks, action: shorten, note: two areas at most}
          - {from: 20 weeks, action: restart}
"""


APART = """        minimum: 4 weeks # below it only a prescriber, with a reason
        target: 1 month
"""


def weeks_apart(weeks: int) -> tuple[str, str]:
    return APART, f"        minimum: {weeks} weeks\n        target: {weeks} weeks\n"


def another_version(clinic, old: str, new: str) -> ProtocolVersion:
    text = protocols.shipped(clinic.key)
    assert text.count(old) == 1
    return protocols.load(text.replace(old, new), by=None, now=clinic.now, approve_by=build.user(is_superuser=True))


@pytest.fixture
def treated(clinic) -> Course:
    """A course whose first treatment took place a hundred days ago, and the second six days later: too soon."""
    clinic.version = another_version(clinic, "        overdue: 12 weeks # from this day on somebody calls\n", BANDS)
    clinic.ago(days=100)
    course = clinic.cleared_course()
    first, second, _third = build.sessions_of(course)
    clinic.perform(first)
    clinic.wait(days=6)
    clinic.perform(second)
    clinic.wait(days=94)
    return course


def test_the_page_says_what_each_session_is_worth_and_what_comes_late(treated, clinician):
    page = words(clinician.get(course_page(treated)))

    assert "too soon It does not count: it would have from" in page
    assert "Comes late" in page
    assert "the protocol says: shorten (two areas at most)" in page
    assert "Injection session does not count (too soon" not in page
    assert "Injection session does not count" in page


def test_a_session_is_added(treated, clinician):
    page = clinician.get(do(treated, "add"))
    assert "Which session" in words(page)

    answer = clinician.post(do(treated, "add"), {"step": "treatment", "reason": "veins left"}, follow=True)

    assert "The session is added" in words(answer)
    assert treated.sessions.filter(step_key="treatment").count() == 5
    again = clinician.post(do(treated, "add"), {"step": "treatment", "reason": "more"}, follow=True)
    assert "The session is added" in words(again)
    refused = clinician.post(do(treated, "add"), {"step": "treatment", "reason": "more"})
    assert "The protocol allows no more sessions of “Injection session”" in words(refused)


def test_a_session_is_left_out(treated, clinician):
    last = treated.sessions.filter(step_key="treatment").last()
    assert "Why the session is left out" in words(clinician.get(do(treated, "skip", last)))

    page = words(clinician.post(do(treated, "skip", last), {"reason": "enough"}, follow=True))

    assert "The session is left out." in page
    last.refresh_from_db()
    assert (last.state, last.state_reason) == ("skipped", "enough")


def test_a_date_is_corrected(treated, clinician, clinic):
    second = build.sessions_of(treated)[1]
    page = clinician.get(do(treated, "correct", second))
    assert second.performed_on.isoformat() in page.content.decode()

    right = clinic.today - timedelta(days=64)
    typed = {"performed_on": right.isoformat(), "reason": "typed wrong"}
    page = words(clinician.post(do(treated, "correct", second), typed, follow=True))

    assert "The date is corrected" in page
    assert "in time It counts." in page
    assert "(the session before it counts after all)" not in page
    assert "the session before it counts after all" in page
    second.refresh_from_db()
    assert second.counts


def test_a_late_session_is_decided_on(treated, clinician):
    late = Session.objects.get(course=treated, position=4)
    assert "What is done" in words(clinician.get(do(treated, "late", late)))

    page = words(clinician.post(do(treated, "late", late), {"action": "shorten", "reason": "was away"}, follow=True))

    assert "Decided: shorten" in page
    assert "Injection session comes late: shorten" in page


def test_reception_has_no_such_buttons(treated, reception):
    page = words(reception.get(course_page(treated)))

    for button in ("Add a session", "Leave out", "Correct the date", "Decide", "Move to another version"):
        assert button not in page
    for act in ("add",):
        assert reception.get(do(treated, act)).status_code == 403
    assert reception.get(f"/admin/scheduling/course/{treated.uid}/version/").status_code == 403


def test_a_course_moves_to_another_version_as_shown(clinic, signed_in):
    course = clinic.booked_course()
    another_version(clinic, *weeks_apart(6))
    manager = signed_in(Role.MANAGER)
    address = f"/admin/scheduling/course/{course.uid}/version/"
    assert address in manager.get(course_page(course)).content.decode()

    page = manager.get(address)

    said = words(page)
    assert "What version 2 would change" in said
    assert "Visit cannot stay: This is earlier than the protocol allows." in said
    stamp = re.search(r'name="stamp" value="(\w+)"', page.content.decode())[1]
    nothing = manager.post(address, {"stamp": stamp, "reason": ""})
    assert "This field is required." in words(nothing)
    stale = manager.post(address, {"stamp": "0" * 32, "reason": "new guideline"})
    assert "The course has changed since. Look at the differences again." in words(stale)
    assert stamp in stale.content.decode()

    moved = words(manager.post(address, {"stamp": stamp, "reason": "new guideline"}, follow=True))

    assert "The course follows the new version. Look at the proposed moves." in moved
    assert "Moved from version 1 to version 2 (new guideline)" in moved
    course.refresh_from_db()
    assert course.version.number == 2
    assert "There is no other version" not in words(manager.get(address))  # back to the first is possible


def test_without_another_version_there_is_nothing_to_choose(clinic, signed_in):
    course = clinic.course()
    manager = signed_in(Role.MANAGER)

    assert "Move to another version" not in words(manager.get(course_page(course)))
    page = manager.get(f"/admin/scheduling/course/{course.uid}/version/")
    assert "There is no other version that is approved and in force." in words(page)


def test_a_choice_of_versions_is_a_list(clinic, signed_in):
    course = clinic.course()
    another_version(clinic, *weeks_apart(6))
    third = another_version(clinic, *weeks_apart(7))
    manager = signed_in(Role.MANAGER)
    address = f"/admin/scheduling/course/{course.uid}/version/"

    assert "Show what would change" in words(manager.get(address))
    assert "What version 3 would change" in words(manager.get(f"{address}?version={third.uid}"))
