"""What opens and shuts gates at the front desk: assessment, consent, answers, holds, overrides."""

from __future__ import annotations

from datetime import timedelta

from clinic.models import Role
from patients import records
from patients.models import Answer
from scheduling import holds, intake
from scheduling.models import Appointment, Assessment, Consent, Hold, Override
from tests import build

from .conftest import course_page, do, first_visit, hidden, plan_page, words


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


def test_clinical_acts_are_not_offered_to_reception_and_refused(clinic, reception):
    course = clinic.course()

    assert reception.post(do(course, "assess"), {}).status_code == 403
    assert "Record the assessment" not in words(reception.get(course_page(course)))


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
