"""A course at the front desk: started, planned, booked in one go, and everything that happens to it after."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from html import escape, unescape
from typing import Any
from urllib.parse import urlencode

import pytest

from clinic.models import AccessEvent, Role
from patients import records
from patients.models import Answer
from scheduling import booking, holds, intake, visits
from scheduling.models import Appointment, Assessment, Consent, Course, Hold, Outcome, Override, Proposal, Session
from tests import build

from .conftest import OpenClinic, course_page, do, first_visit, words


def hidden(page: Any, name: str) -> list[str]:
    """The values of the hidden fields of that name, in their order on the page."""
    return [unescape(value) for value in re.findall(rf'name="{name}" value="([^"]*)"', page.content.decode())]


def plan_page(course: Course) -> str:
    return f"/admin/scheduling/course/{course.uid}/plan/"


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


# --- one time at a time -----------------------------------------------------------------------------------------------


def times_page(session: Session) -> str:
    return f"/admin/scheduling/course/{session.course.uid}/times/{session.uid}/"


def slots_on(page: Any) -> list[dict[str, Any]]:
    return [json.loads(unescape(value)) for value in re.findall(r'name="slot" value="([^"]*)"', page.content.decode())]


def test_one_session_is_booked_at_a_time_that_is_free(clinic, reception):
    session = build.sessions_of(clinic.cleared_course())[0]

    page = reception.get(times_page(session))
    slot = slots_on(page)[0]
    answer = reception.post(times_page(session), {"slot": json.dumps(slot), "key": hidden(page, "key")[0]})

    visit = Appointment.objects.get()
    assert answer.url == f"{course_page(session.course)}#session-{session.position}"
    assert (visit.session, f"{visit.on}", f"{visit.at_time:%H:%M}") == (session, slot["on"], slot["at"])


def test_a_visit_is_moved_to_a_time_that_is_free_and_keeps_its_identity(clinic, reception):
    course = clinic.booked_course()
    session = build.sessions_of(course)[1]
    visit = session.appointments.get()

    page = reception.get(times_page(session))
    slot = next(
        slot for slot in slots_on(page) if (slot["on"], slot["at"]) != (f"{visit.on}", f"{visit.at_time:%H:%M}")
    )
    reception.post(times_page(session), {"slot": json.dumps(slot), "key": hidden(page, "key")[0]})

    moved = Appointment.objects.get(session=session)
    assert (moved.uid, moved.revision, f"{moved.on}", f"{moved.at_time:%H:%M}") == (
        visit.uid,
        2,
        slot["on"],
        slot["at"],
    )


def test_a_time_in_the_past_or_nonsense_is_refused_in_words(clinic, reception):
    course = clinic.booked_course()
    visit = first_visit(course)
    past = build.slot(visit, on=f"{clinic.today - timedelta(days=3)}")

    for sent in (json.dumps(past), "nonsense", ""):
        answer = reception.post(times_page(visit.session), {"slot": sent, "key": "k"})
        assert (answer.status_code, "Nothing was changed." in words(answer)) == (409, True)
    visit.refresh_from_db()
    assert visit.revision == 1


# --- acts -------------------------------------------------------------------------------------------------------------


def test_a_visit_is_cancelled_with_a_coded_reason_and_who_asked(clinic, reception):
    course = clinic.booked_course()
    visit = first_visit(course)

    answer = reception.post(
        do(course, "cancel", visit), {"reason": "patient_ill", "asked_by": "patient", "note": "flu"}
    )

    visit.refresh_from_db()
    assert answer.url == f"{course_page(course)}#session-{visit.session.position}"
    assert (visit.state, visit.cancel_reason, visit.cancel_asked_by, visit.note) == (
        "cancelled", "patient_ill", "patient", "flu"
    )  # fmt: skip


def test_a_visit_cannot_be_cancelled_twice_and_the_page_says_so(clinic, reception):
    course = clinic.booked_course()
    visit = first_visit(course)
    sent = {"reason": "patient_ill", "asked_by": "patient", "note": ""}
    reception.post(do(course, "cancel", visit), sent)

    again = reception.post(do(course, "cancel", visit), sent)

    assert (again.status_code, "cancelled already" in words(again)) == (200, True)


def test_a_visit_that_its_patient_has_confirmed_says_so_and_is_not_asked_about_again(clinic, reception):
    course = clinic.booked_course()
    visit = first_visit(course)
    back = f"/admin/scheduling/appointment/day/?site={clinic.site.uid}"
    button = do(course, "confirm", visit)
    before = [reception.get(page).content.decode() for page in (back, course_page(course))]

    answer = reception.post(button, {"back": back})

    after = [reception.get(page) for page in (back, course_page(course))]
    visit.refresh_from_db()
    assert (answer.url, visit.confirmed_at is not None) == (back, True)
    assert [button in page for page in before] == [True, True]
    assert [button in page.content.decode() for page in after] == [False, False]
    assert ["confirmed" in words(page) for page in after] == [True, True]


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


def test_who_changes_the_wishes_from_the_plan_comes_back_to_the_plan(clinic, reception):
    course = clinic.cleared_course()
    plan = f"/admin/scheduling/course/{course.uid}/plan/"
    links = re.findall(r'href="([^"]+)"', reception.get(plan).content.decode())

    changed = reception.post(unescape(next(one for one in links if "/do/wishes/" in one)), {"language": "en"})

    assert changed.url == plan


def test_a_missed_visit_leaves_its_session_open(clinic, reception):
    clinic.ago(days=2)
    course = clinic.booked_course()
    visit = first_visit(course)

    reception.post(do(course, "miss", visit), {})

    visit.refresh_from_db()
    assert (visit.state, visit.session.state) == ("missed", "open")


def test_a_clinician_records_the_session_with_its_outcome(clinic, clinician):
    clinic.ago(days=2)
    course = clinic.booked_course()
    visit = first_visit(course)

    answer = clinician.post(
        do(course, "perform", visit.session),
        {
            "performed_on": f"{visit.on}",
            "at_time": f"{visit.at_time:%H:%M}",
            "minutes": "50",
            "lead": "",
            "treated_areas": [course.areas.get().pk],
            "result": "review",
            "complications": [],
            "product": "Polidocanol",
            "batch": "B1",
            "amount": "2.5",
            "amount_unit": "mL",
            "notes": "",
        },
    )

    session = Session.objects.get(pk=visit.session.pk)
    assert answer.status_code == 302
    assert (session.state, session.performed_on, session.performed_minutes) == ("performed", visit.on, 50)
    assert (session.outcome.result, str(session.outcome.amount), session.outcome.amount_unit) == (
        "review",
        "2.500",
        "mL",
    )


def test_a_session_in_the_future_was_not_performed(clinic, clinician):
    course = clinic.booked_course()
    session = build.sessions_of(course)[2]

    answer = clinician.post(
        do(course, "perform", session), {"performed_on": f"{clinic.today + timedelta(days=9)}", "result": "ok"}
    )

    assert (answer.status_code, "when it has taken place" in words(answer)) == (200, True)
    assert Session.objects.get(pk=session.pk).state == "open"


def test_a_review_is_cleared_by_a_clinician(clinic, clinician):
    clinic.ago(days=2)
    course = clinic.booked_course()
    visit = first_visit(course)
    clinic.now = visit.during.upper
    clinic.perform(visit.session, outcome=visits.OutcomeInput("review"))

    clinician.post(do(course, "clear", visit.session), {"note": "Healed well."})

    outcome = Outcome.objects.get()
    assert (outcome.cleared_by, outcome.cleared_note) == (clinic.clinician, "Healed well.")
    assert not Hold.objects.standing().exists()


def test_an_outcome_is_recorded_later(clinic, clinician):
    clinic.ago(days=2)
    course = clinic.booked_course()
    visit = first_visit(course)
    clinic.now = visit.during.upper
    clinic.perform(visit.session, outcome=None)

    clinician.post(do(course, "outcome", visit.session), {"result": "ok"})

    assert Outcome.objects.get().result == "ok"


def test_assessment_consent_and_answers_open_the_gates(clinic, signed_in):
    course = clinic.course()
    doctor = signed_in(Role.CLINICIAN, Role.RECEPTION)
    today = f"{clinic.today}"
    text = course.version.protocol.consent_texts.filter(language="en")[0]
    questions = course.version.risk_rules.values_list("question__code", flat=True)

    doctor.post(do(course, "assess"), {"assessed_on": today, "is_suitable": "yes", "reflux": "none_found"})
    doctor.post(do(course, "consent"), {"text": text.pk, "informed_on": today, "signed_on": ""})
    consent = Consent.objects.get()
    doctor.post(do(course, "sign", consent), {"signed_on": today})
    doctor.post(do(course, "answers"), {"given_on": today, **{f"question_{code}": "no" for code in questions}})

    assert Assessment.objects.get().is_suitable
    assert Consent.objects.get().signed_on == clinic.today
    assert Answer.objects.count() == len(questions)
    assert len(hidden(doctor.get(plan_page(course)), "plan")) >= 1


def test_a_withdrawn_consent_holds_the_course(clinic, reception):
    course = clinic.cleared_course()

    reception.post(do(course, "withdraw", course.consents.get()), {"on": f"{clinic.today}", "cancel_visits": "no"})

    assert [hold.code for hold in Hold.objects.standing()] == ["consent_withdrawn"]


def test_answers_are_stored_all_or_none(clinic, reception):
    course = clinic.course()

    answer = reception.post(
        do(course, "answers"), {"given_on": f"{clinic.today + timedelta(days=3)}", "question_pregnancy": "no"}
    )

    assert (answer.status_code, Answer.objects.count()) == (200, 0)


def test_a_course_is_held_and_the_hold_lifted_by_whom_it_names(clinic, reception, clinician):
    course = clinic.cleared_course()
    sent = {"code": "clinician", "reason": "Wait for the lab", "lifted_by_role": "clinician"}
    reception.post(do(course, "hold"), sent)
    hold = Hold.objects.get()

    way = do(course, "lift", hold)
    shown_to = [way in browser.get(course_page(course)).content.decode() for browser in (reception, clinician)]
    refused = reception.post(do(course, "lift", hold), {"reason": "The lab has called"})
    lifted = clinician.post(do(course, "lift", hold), {"reason": "The lab has called"})

    assert shown_to == [False, True]
    assert (refused.status_code, "roles at" in words(refused), lifted.status_code) == (200, True, 302)
    hold.refresh_from_db()
    assert (hold.lifted_by, hold.lift_reason) == (clinic.clinician, "The lab has called")


def test_a_prescriber_overrides_a_relative_risk_and_nobody_else(clinic, signed_in, reception):
    course = clinic.course()
    clinic.answer_all(course, contraceptive_pill="yes")
    session = build.sessions_of(course)[0]
    address = do(course, "override", session) + "?rule=risk_relative&subject=contraceptive_pill"
    sent = {
        "rule": "risk_relative",
        "subject": "contraceptive_pill",
        "reason": "Low dose",
        "expires_on": f"{clinic.today + timedelta(days=90)}",
    }

    assert reception.post(address, sent).status_code == 403
    assert signed_in(user=clinic.prescriber).post(address, sent).status_code == 302

    override = Override.objects.get()
    assert (override.rule, override.subject, override.session, override.given_by) == (
        "risk_relative", "contraceptive_pill", session, clinic.prescriber
    )  # fmt: skip


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


def test_clinical_acts_are_not_offered_to_reception_and_refused(clinic, reception):
    course = clinic.course()

    assert reception.post(do(course, "assess"), {}).status_code == 403
    assert "Record the assessment" not in words(reception.get(course_page(course)))


# --- proposals --------------------------------------------------------------------------------------------------------


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


# --- held by an answer, and check-in ----------------------------------------------------------------------------------


def test_a_bad_answer_at_the_desk_frees_the_visits_if_the_person_says_so(clinic, reception):
    course = clinic.booked_course()
    sent = {"given_on": clinic.today.isoformat(), "question_pregnancy": "yes", "visits": "free"}

    assert reception.post(do(course, "answers"), sent).status_code == 302

    assert set(Appointment.objects.values_list("state", "cancel_reason")) == {("cancelled", "clinical")}


def test_the_visits_of_a_held_course_are_freed_from_its_page(clinic, reception):
    course = clinic.booked_course()
    hold = holds.place(course, code="other", reason="waits", by=clinic.receptionist, now=clinic.now)
    assert "Free the visits" in words(reception.get(course_page(course)))

    assert reception.post(do(course, "free", hold)).status_code == 302

    assert build.visits_of(course) == []


def test_an_answer_is_struck_by_a_clinician_and_the_page_offers_to_lift_its_hold(clinic, reception, clinician):
    course = clinic.booked_course()
    wrong = intake.answer(
        course.patient, "pregnancy", "yes", given_on=clinic.today, by=clinic.receptionist, now=clinic.now
    )
    offered = "What it was placed for is no longer so."
    assert offered not in words(clinician.get(course_page(course)))
    assert "Strike" in words(clinician.get(do(course, "answers")))
    assert "Strike" not in words(reception.get(do(course, "answers")))
    assert reception.post(do(course, "strike-answer", wrong), {"reason": "x"}).status_code == 403

    assert clinician.post(do(course, "strike-answer", wrong), {"reason": "another patient"}).status_code == 302

    assert offered in words(clinician.get(course_page(course)))


def test_an_assessment_is_struck_by_a_clinician(clinic, reception, clinician):
    course = clinic.cleared_course()
    assessment = course.patient.assessments.get()
    assert "Recorded in error" in words(clinician.get(course_page(course)))
    assert reception.post(do(course, "strike-assessment", assessment), {"reason": "x"}).status_code == 403

    sent = clinician.post(do(course, "strike-assessment", assessment), {"reason": "another patient"})

    assert (sent.status_code, course.sessions.get(step_key="assessment").state) == (302, "open")


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


def test_a_withdrawal_names_the_visits_and_asks_what_is_to_become_of_them(clinic, reception):
    course = clinic.booked_course()
    consent = course.consents.get()
    address = do(course, "withdraw", consent)
    first = first_visit(course)

    page = reception.get(address)
    unsaid = reception.post(address, {"on": f"{clinic.today}"})

    assert f"{first.at_time:%H:%M} · {first.lead.name}" in words(page)
    assert (unsaid.status_code, len(build.visits_of(course))) == (200, 3)
    assert reception.post(address, {"on": f"{clinic.today}", "cancel_visits": "yes"}).status_code == 302
    assert build.visits_of(course) == []
    assert [hold.code for hold in Hold.objects.standing()] == ["consent_withdrawn"]


def test_a_guardian_is_chosen_on_the_consent_page_of_a_patient_who_has_one(clinic, clinician):
    patient = build.patient("Zoë Müller", guardians=(records.GuardianDetails("Ada Müller", "mother"),))
    course, without = clinic.course(patient), clinic.course()
    text = clinic.version.protocol.consent_texts.get(language="en")
    sent = {"text": text.pk, "informed_on": f"{clinic.today}", "given_by_guardian": patient.guardians.get().pk}

    assert "Ada Müller (mother)" in words(clinician.get(do(course, "consent")))
    assert "Given by" not in words(clinician.get(do(without, "consent")))
    assert clinician.post(do(course, "consent"), sent).status_code == 302

    assert course.consents.get().given_by_guardian == patient.guardians.get()
    assert "given by Ada Müller" in words(clinician.get(course_page(course)))
