"""A course at the front desk: started, planned, booked in one go, shown, ended."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any

import pytest

from clinic.models import AccessEvent
from scheduling import booking, holds, visits
from scheduling.models import Appointment, Course, Proposal
from tests import build

from .conftest import course_page, do, hidden, plan_page, words


def test_a_course_is_started_for_a_patient_who_was_found_by_name(clinic, reception):
    patient = build.patient("Zoë Müller")
    area = clinic.areas()[0]

    found = reception.get("/admin/scheduling/course/add/", {"q": "muller"})
    assert f"?patient={patient.uid}" in found.content.decode()
    answer = reception.post(
        f"/admin/scheduling/course/add/?patient={patient.uid}",
        {
            "version": clinic.version.pk,
            "site": clinic.site.pk,
            "lead": "",
            "areas": [area.pk],
            "wish_weekdays": ["0", "2"],
            "wish_from_time": "09:30",
            "wish_until_time": "",
            "wish_avoid_dates": "2031-03-01, 02.03.2031",
        },
    )

    course = Course.objects.get()
    assert (answer.status_code, answer.url) == (302, course_page(course))
    assert (course.patient, course.site, list(course.areas.all())) == (patient, clinic.site, [area])
    assert (course.wish_weekdays, f"{course.wish_from_time:%H:%M}", course.wish_until_time) == ([0, 2], "09:30", None)
    assert [f"{on}" for on in course.wish_avoid_dates] == ["2031-03-01", "2031-03-02"]


def test_a_course_that_cannot_be_started_says_why_and_is_not(clinic, reception):
    patient = build.patient()

    answer = reception.post(
        f"/admin/scheduling/course/add/?patient={patient.uid}",
        {"version": clinic.version.pk, "site": clinic.site.pk, "wish_avoid_dates": ""},
    )

    assert (answer.status_code, Course.objects.count()) == (200, 0)
    assert "Say which areas are to be treated." in words(answer)


def test_a_plan_is_chosen_and_the_whole_course_booked(clinic, reception):
    course = clinic.cleared_course()

    page = reception.get(plan_page(course))
    plan, key = hidden(page, "plan")[0], hidden(page, "key")[0]
    answer = reception.post(plan_page(course), {"plan": plan, "key": key})

    slots = {slot["session"]: (slot["on"], slot["at"]) for slot in json.loads(plan)}
    booked = Appointment.objects.filter(session__course=course)
    assert (answer.status_code, answer.url) == (302, course_page(course))
    assert {str(visit.session.uid): (f"{visit.on}", f"{visit.at_time:%H:%M}") for visit in booked} == slots
    assert len(slots) == 3


def test_a_plan_says_its_points_part_by_part_and_whom_it_takes(clinic, reception):
    course = clinic.cleared_course()

    said = words(reception.get(plan_page(course)))

    plan = booking.propose_course(course, now=clinic.now)[0].plan
    assert f"{plan.cost.total} points" in said
    assert "What the points are for" in said
    assert "sclerotherapy" in said.lower() or "Practitioner" in said


def test_a_double_click_books_once(clinic, reception):
    course = clinic.cleared_course()
    page = reception.get(plan_page(course))
    sent = {"plan": hidden(page, "plan")[0], "key": hidden(page, "key")[0]}

    answers = [reception.post(plan_page(course), sent) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [302, 302]
    assert Appointment.objects.filter(session__course=course).count() == 3


def test_when_somebody_was_faster_nothing_is_booked_and_fresh_plans_are_shown(clinic, reception):
    course, rival = clinic.cleared_course(), clinic.cleared_course(build.patient("Ana Kovač"))
    page = reception.get(plan_page(course))
    sent = {"plan": hidden(page, "plan")[0], "key": hidden(page, "key")[0]}
    slot = json.loads(sent["plan"])[0]
    taken = [dict(one, session=str(build.sessions_of(rival)[0].uid)) for one in [slot]]
    visits.book(
        build.sessions_of(rival)[0], booking.slots_from(taken, rival)[0], by=clinic.receptionist, now=clinic.now
    )

    answer = reception.post(plan_page(course), sent)

    assert (answer.status_code, Appointment.objects.filter(session__course=course).count()) == (409, 0)
    assert "Nothing was booked." in words(answer)
    assert "already taken" in words(answer)
    again = {"plan": hidden(answer, "plan")[0], "key": hidden(answer, "key")[0]}
    assert reception.post(plan_page(course), again).status_code == 302


@pytest.mark.parametrize("plan", ["", "null", "[]", "{}", '[{"session": "x"}]', "[1]", "not json"])
def test_a_plan_that_cannot_be_read_is_refused_in_words(clinic, reception, plan):
    course = clinic.cleared_course()

    answer = reception.post(plan_page(course), {"plan": plan, "key": "k"})

    assert (answer.status_code, Appointment.objects.count()) == (409, 0)


def test_closed_gates_stand_on_the_plan_page_as_a_checklist_and_nothing_can_be_booked(clinic, reception):
    course = clinic.course()

    page = reception.get(plan_page(course))

    said = words(page)
    assert "Before this can be booked" in said
    assert "health questions are to be asked" in said
    assert (
        "The patient has not signed the consent. A clinician informs the patient and records the consent on the course "
        "page. Anyone at the front desk may add the signature there."
    ) in said
    assert "A clinician records an assessment on the course page." in said
    assert hidden(page, "plan") == []


def test_the_plan_page_leads_to_what_opens_a_gate_those_who_may_do_it(clinic, reception, clinician):
    course = clinic.course()
    text = course.version.protocol.consent_texts.filter(language="en")[0]
    ways = ("answers", "assess", "consent", "sign")

    def shown_ways(browser: Any) -> list[str]:
        page = browser.get(plan_page(course)).content.decode()
        return [way for way in ways if f"{course.uid}/do/{way}/" in page]

    before = [shown_ways(reception), shown_ways(clinician)]
    clinician.post(do(course, "consent"), {"text": text.pk, "informed_on": f"{clinic.today}", "signed_on": ""})

    assert before == [["answers"], ["answers", "assess", "consent"]]
    assert [shown_ways(reception), shown_ways(clinician)] == [["answers", "sign"], ["answers", "assess", "sign"]]


def test_why_there_is_no_plan_is_said_session_by_session(clinic, reception):
    course = clinic.cleared_course()
    wishes = build.facts.Wishes(from_minute=0, until_minute=10, strict=True)
    booking.set_wishes(course, wishes, by=clinic.receptionist, now=clinic.now)

    page = reception.get(plan_page(course))

    assert page.status_code == 200
    assert "There is no plan, and this is why" in words(page)


def test_the_course_page_shows_windows_visits_people_gates_messages_and_history(clinic, reception):
    clinic.ago(days=30)
    course = clinic.booked_course()
    first, second, _third = build.sessions_of(course)
    visit = second.appointments.get()
    clinic.now = first.appointments.get().during.upper
    clinic.perform(first)

    page = words(reception.get(course_page(course)))

    for text in (
        course.patient.name,
        "born 17 May 1980",
        clinic.site.name,
        clinic.zone,
        "Earliest",
        "Best",
        f"{visit.at_time:%H:%M}",
        visit.lead.name,
        "Outcome: all right",
        "health questions fall due again before the visit",
        "Confirmation",
        "open → performed",
    ):
        assert text in page
    event = AccessEvent.objects.latest("pk")
    assert (event.action, event.subject, event.subject_uid, event.patient_uids) == (
        "view",
        "scheduling.course",
        course.uid,
        [str(course.patient.uid)],
    )


def test_who_changes_the_wishes_from_the_plan_comes_back_to_the_plan(clinic, reception):
    course = clinic.cleared_course()
    plan = f"/admin/scheduling/course/{course.uid}/plan/"
    links = re.findall(r'href="([^"]+)"', reception.get(plan).content.decode())

    changed = reception.post(unescape(next(one for one in links if "/do/wishes/" in one)), {"language": "en"})

    assert changed.url == plan


def test_wishes_are_changed(clinic, reception):
    course = clinic.course()

    reception.post(do(course, "wishes"), {"wish_weekdays": ["4"], "wish_until_time": "12:00", "wish_is_strict": "on"})

    course.refresh_from_db()
    assert (course.wish_weekdays, f"{course.wish_until_time:%H:%M}", course.wish_is_strict) == ([4], "12:00", True)


def test_a_course_ends_with_a_reason(clinic, reception):
    course = clinic.booked_course()

    reception.post(do(course, "end"), {"reason": "Moved to another town", "asked_by": "patient"})

    course.refresh_from_db()
    assert (course.state, course.end_reason) == ("ended", "Moved to another town")
    assert not Appointment.objects.live().exists()


def proposal_for(clinic: Any) -> Proposal:
    """A course of which the second visit should move, because the first took place late."""
    clinic.ago(days=26)
    course = clinic.booked_course()
    first = build.sessions_of(course)[0]
    clinic.ago(days=-20)
    result = clinic.perform(first, performed_on=clinic.today)
    assert result.proposal is not None
    return result.proposal


def test_a_proposal_shows_old_and_new_and_is_applied(clinic, reception):
    proposal = proposal_for(clinic)
    course = proposal.course
    move = proposal.moves.order_by("session__position")[0]

    page = reception.get(course_page(course))
    assert "Proposed moves" in words(page)
    answer = reception.post(
        f"/admin/scheduling/proposal/{proposal.uid}/change/",
        {"decision": "apply", "session": [str(one.session.uid) for one in proposal.moves.all()]},
    )

    assert answer.url == course_page(course)
    proposal.refresh_from_db()
    visit = Appointment.objects.live().get(session=move.session)
    assert (proposal.state, f"{visit.on}", f"{visit.at_time:%H:%M}") == (
        "applied", move.to_slot["on"], move.to_slot["at"]
    )  # fmt: skip


def test_a_proposal_is_discarded_and_cannot_be_applied_after(clinic, reception):
    proposal = proposal_for(clinic)
    address = f"/admin/scheduling/proposal/{proposal.uid}/change/"

    reception.post(address, {"decision": "discard"})
    refused = reception.post(address, {"decision": "apply"})

    proposal.refresh_from_db()
    assert (proposal.state, refused.status_code, "discarded already" in words(refused)) == ("discarded", 200, True)


def test_held_courses_are_found_in_the_list(clinic, reception):
    held, _free = clinic.course(), clinic.course(build.patient("Ana Kovač"))
    holds.place(held, code="other", reason="x", by=clinic.receptionist, now=clinic.now)

    listed = reception.get("/admin/scheduling/course/?held=yes")

    assert [course.uid for course in listed.context["cl"].result_list] == [held.uid]
