"""Check-in at the front desk: what is asked, who is let in, and where one comes back to."""

from __future__ import annotations

import re
from datetime import timedelta
from html import escape, unescape
from typing import Any
from urllib.parse import urlencode

import pytest

from clinic.models import Role
from scheduling.models import Appointment, Hold
from tests import build

from .conftest import OpenClinic, course_page, do, first_visit, words


def test_a_patient_is_checked_in_on_the_day_and_not_before(clinic, reception):
    course = clinic.booked_course()
    today, later = Appointment.objects.filter(session__course=course).order_by("on")[:2]

    assert today.on == clinic.today
    assert reception.post(do(course, "arrive", today), {}).status_code == 302
    refused = reception.post(do(course, "arrive", later), {})

    assert list(Appointment.objects.order_by("on").values_list("state", flat=True)[:2]) == ["arrived", "booked"]
    assert (refused.status_code, "This visit is not today" in words(refused)) == (200, True)


def test_check_in_goes_back_to_the_day_list_it_came_from(clinic, reception):
    course = clinic.booked_course()
    back = f"/admin/scheduling/appointment/day/?site={clinic.site.uid}"

    assert reception.post(do(course, "arrive", first_visit(course)), {"back": back}).url == back


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/",
        "//evil.example/admin/scheduling/appointment/day/",
        "https://testserver/admin/scheduling/appointment/day/",
        "\\\\evil.example/admin/scheduling/appointment/day/",
        "/\\evil.example/admin/scheduling/appointment/day/",
        "javascript:alert(1)",
        "/admin/logout/",
        "/admin/nowhere/",
        "day/",
    ],
)
def test_nobody_is_sent_to_another_place_than_pages_of_ours(clinic, reception, elsewhere):
    course = clinic.booked_course()

    answer = reception.post(do(course, "answers"), {"given_on": f"{clinic.today}", "back": elsewhere})

    assert answer.url == course_page(course)


def test_who_opens_a_condition_from_check_in_comes_back_there_and_then_to_the_day_list(clinic, reception, clinician):
    """Every link is followed as it stands on the page, the one before it inside."""
    visit = booked_for_today(clinic)
    course = visit.session.course
    day = f"/admin/scheduling/appointment/day/?site={clinic.site.uid}&on={clinic.today}"
    check_in = f"{do(course, 'arrive', visit)}?{urlencode({'back': day})}"
    reception.post(do(course, "withdraw", course.consents.get()), {"on": f"{clinic.today}", "cancel_visits": "no"})
    refused = clinician.post(do(course, "arrive", visit), {"back": day})  # the button on the day list
    links = re.findall(r'href="([^"]+)"', refused.content.decode())
    assert f'name="back" value="{escape(day)}"' in refused.content.decode()
    consent, lift = (unescape(next(one for one in links if f"/do/{act}/" in one)) for act in ("consent", "lift"))
    text = course.version.protocol.consent_texts.filter(language="en")[0]
    informed = {"text": text.pk, "informed_on": f"{clinic.today}", "signed_on": f"{clinic.today}"}

    form = clinician.get(consent)
    for address, sent in ((consent, informed), (lift, {"reason": "The patient wants it after all"})):
        assert clinician.post(address, sent).url == check_in

    assert f'href="{escape(check_in)}"' in form.content.decode()  # “Back”, for those who have changed their mind
    due = set(re.findall(r'name="(question_\w+)"', reception.get(check_in).content.decode()))
    assert reception.post(check_in, dict.fromkeys(due, "no")).url == day


def booked_for_today(clinic: OpenClinic) -> Any:
    """A visit that begins later today, booked a month ago: most questions are due again."""
    today = clinic.today
    clinic.ago(days=30)
    soon = frozenset(today - timedelta(days=number) for number in range(1, 31))
    course = clinic.booked_course(wishes=build.facts.Wishes(avoid_dates=soon, strict=True))
    visit = build.visits_of(course)[0]
    assert visit.on == today
    return visit


def test_reception_asks_what_is_due_and_checks_in(clinic, reception):
    visit = booked_for_today(clinic)
    course = visit.session.course
    page = reception.get(do(course, "arrive", visit))
    said = words(page)
    assert "or have you been in the last few days? Last answer: no" in said
    assert "This puts the course on hold at once" in said

    unanswered = reception.post(do(course, "arrive", visit))
    asked = set(re.findall(r'name="(question_\w+)"', page.content.decode()))
    answered = reception.post(do(course, "arrive", visit), dict.fromkeys(asked, "no") | {"visits": "keep"})

    assert (unanswered.status_code, "Ask these questions first." in words(unanswered)) == (200, True)
    assert answered.status_code == 302
    visit.refresh_from_db()
    assert visit.state == "arrived"


def test_a_bad_answer_at_check_in_is_kept_and_the_page_says_why_the_visit_does_not_begin(clinic, reception):
    visit = booked_for_today(clinic)
    course = visit.session.course

    page = reception.post(do(course, "arrive", visit), {"question_pregnancy": "yes", "visits": "keep"})

    said = words(page)
    assert page.status_code == 200
    assert "This visit must not begin yet. The patient is not checked in. The answers are kept." in said
    assert "The course is on hold." in said
    assert "lifted by: Prescriber" in said
    assert "rules this treatment out. Nobody may override this." in said
    assert "The patient is here" not in said
    visit.refresh_from_db()
    assert (visit.state, [hold.code for hold in course.holds.all()]) == ("booked", ["risk_pregnancy"])


def test_check_in_says_who_opens_a_gate_and_goes_on_when_it_is_open(clinic, reception, clinician):
    visit = booked_for_today(clinic)
    course, address = visit.session.course, do(visit.session.course, "arrive", visit)
    due = set(re.findall(r'name="(question_\w+)"', reception.get(address).content.decode()))
    reception.post(do(course, "withdraw", course.consents.get()), {"on": f"{clinic.today}", "cancel_visits": "no"})

    refused = reception.post(address, dict.fromkeys(due, "no"))
    again = reception.post(address)
    text = course.version.protocol.consent_texts.filter(language="en")[0]
    informed = {"text": text.pk, "informed_on": f"{clinic.today}", "signed_on": f"{clinic.today}"}
    clinician.post(do(course, "consent"), informed)
    clinician.post(do(course, "lift", Hold.objects.get()), {"reason": "The patient wants it after all"})
    done = reception.post(address)

    who = "The patient has withdrawn the consent. If the patient decides again, a clinician records a new consent"
    assert "This visit must not begin yet. The patient is not checked in. The answers are kept." in words(refused)
    assert "This visit must not begin yet. The patient is not checked in. What is missing" not in words(refused)
    for page in (refused, again):
        assert (page.status_code, who in words(page), "Try again" in words(page)) == (200, True, True)
        assert "The patient is here" not in words(page)
        assert f"{course.uid}/do/consent/" not in page.content.decode()
    assert done.status_code == 302
    visit.refresh_from_db()
    assert visit.state == "arrived"


def test_check_in_keeps_answers_and_asks_for_the_rest(clinic, reception):
    visit = booked_for_today(clinic)
    address = do(visit.session.course, "arrive", visit)
    due = sorted(set(re.findall(r'name="(question_\w+)"', reception.get(address).content.decode())))

    page = reception.post(address, {due[0]: "no"})

    said = words(page)
    assert "The patient is not checked in yet: these questions are still to be asked. The answers are kept." in said
    assert "The patient is here" in said
    assert set(re.findall(r'name="(question_\w+)"', page.content.decode())) == set(due[1:])


def third_visit_after_two_late_ones(clinic: OpenClinic, *, days_ago: int) -> Any:
    """The visit eight weeks after the course began, three days after the second session took place."""
    clinic.ago(days=days_ago)
    course = clinic.booked_course()
    clinic.perform(build.sessions_of(course)[0])
    clinic.wait(days=53)
    clinic.perform(build.sessions_of(course)[1])
    clinic.wait(days=days_ago - 53)
    clinic.answer_all(course)
    (visit,) = build.visits_of(course)
    assert visit.on == clinic.today + timedelta(days=56 - days_ago)
    return visit


TOO_SOON = "This is sooner than the session may ever take place. Possible from"


def test_a_visit_too_soon_after_the_last_session_is_said_before_anybody_presses_a_button(clinic, reception, signed_in):
    visit = third_visit_after_two_late_ones(clinic, days_ago=56)
    address = do(visit.session.course, "arrive", visit)
    day = f"/admin/scheduling/appointment/day/?site={clinic.site.uid}&on={visit.on}"

    page, list_of_day = words(reception.get(address)), words(reception.get(day))
    refused = words(reception.post(address))
    as_prescriber = signed_in(Role.PRESCRIBER).get(address).content.decode()

    assert [TOO_SOON in said for said in (page, list_of_day, refused)] == [True] * 3
    assert "Nobody may override this: choose that date, or a later one." in page
    assert "A prescriber may override it, on the session." in page
    assert "This visit must not begin yet. The patient is not checked in. What is missing" in refused
    assert f"do/override/{visit.session.uid}/?rule=before_minimum" in as_prescriber
    assert "rule=before_floor" not in as_prescriber
    visit.refresh_from_db()
    assert visit.state == "booked"


def test_a_visit_of_tomorrow_too_soon_after_the_last_session_is_on_the_worklist(clinic, reception):
    visit = third_visit_after_two_late_ones(clinic, days_ago=55)

    said = words(reception.get("/admin/"))

    assert (TOO_SOON in said, visit.patient.name in said) == (True, True)
