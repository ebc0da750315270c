"""What clinicians and patients tell us: recorded, asked again everywhere, and holding what must be held."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from clinic.errors import NotAllowed, RuleBroken
from clinic.models import Role
from patients import records
from patients.models import Answer, Patient, Question
from scheduling import booking, holds, intake, outbox, protocols, roster, visits, worklists
from scheduling.models import (
    Assessment,
    Consent,
    ConsentText,
    Course,
    Hold,
    Message,
    Override,
    Proposal,
    ProtocolVersion,
    Spacing,
)
from tests import build
from tests.refusals import codes
from tests.scheduling import weekly

pytestmark = pytest.mark.django_db
MONDAY = date(2027, 1, 4)


# --- assessment -------------------------------------------------------------------------------------------------------


def test_an_assessment_performs_the_courses_first_session(clinic):
    course = clinic.course()

    clinic.assess(course)

    session = course.sessions.get(step_key="assessment")
    assert (session.state, session.performed_on, session.assessment.is_suitable) == ("performed", MONDAY, True)


def test_assessing_again_is_kept_and_performs_no_other_session(db):
    """A patch test is of the same kind, but waits for the assessment: it is a visit, and performed as one."""
    clinic = build.Clinic(key="laser_hair_removal")
    course = clinic.course()
    clinic.assess(course)
    clinic.wait(days=1)

    clinic.assess(course)

    consultation, patch_test = course.sessions.filter(step__kind="assessment").order_by("position")
    assessments = Assessment.objects.order_by("assessed_on").values_list("assessed_on", "session")
    assert list(assessments) == [(MONDAY, consultation.pk), (MONDAY + timedelta(days=1), None)]
    assert (consultation.performed_on, patch_test.state) == (MONDAY, "open")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"assessed_on": MONDAY + timedelta(days=1)}, "assessed_in_future"),
        ({"reflux": "maybe"}, "reflux_unknown"),
        ({"reflux": "treated"}, "reflux_date_missing"),
        ({"expires_on": MONDAY}, "expires_before_it_began"),
    ],
)
def test_an_assessment_that_cannot_be_is_refused_and_nothing_is_written(clinic, fields, code):
    course = clinic.course()

    with pytest.raises(RuleBroken) as refused:
        clinic.assess(course, **fields)

    assert codes(refused) == [code]
    assert Assessment.objects.count() == 0
    assert course.sessions.get(step_key="assessment").state == "open"


def lapses_of(course: Course) -> list[date | None]:
    """The lapse kept with each session left, after a look at whether what is kept is right."""
    assert booking.stale_windows([course], {course.pk: roster.course_facts(course)}) == set()
    return [session.lapse_on for session in build.sessions_of(course) if session.state == "open"]


def test_a_lapsed_course_goes_on_after_a_new_assessment_until_that_is_struck(clinic):
    Spacing.objects.filter(step__version=clinic.version, step__kind="treatment").update(overdue="", lapse="6 weeks")
    course = clinic.cleared_course()
    clinic.perform(build.sessions_of(course)[0])
    lapsed_on = MONDAY + timedelta(weeks=6)
    clinic.wait(weeks=7)
    clinic.answer_all(course)
    second, third = build.sessions_of(course)[1:]
    assert [second.lapse_on, list(worklists.overdue([clinic.site], clinic.now))] == [lapsed_on, [second]]
    with pytest.raises(booking.NoPlan):
        clinic.propose(course)

    clinic.assess(course)

    assert lapses_of(course)[0] is None
    assert list(worklists.overdue([clinic.site], clinic.now)) == []
    slots = [planned.slot for planned in clinic.propose(course).sessions]
    assert slots[0].on == clinic.today

    again = Assessment.objects.get(assessed_on=clinic.today)
    intake.strike_assessment(again, site=clinic.site, reason="another patient", by=clinic.clinician, now=clinic.now)

    assert lapses_of(course)[0] == lapsed_on
    with pytest.raises(booking.NoPlan):
        clinic.propose(course)
    with pytest.raises(booking.NotBookable) as refused:
        booking.book_course(course, slots, by=clinic.receptionist, now=clinic.now)
    assert codes(refused) == ["after_lapse"]

    clinic.assess(course)

    booking.book_course(course, slots, by=clinic.receptionist, now=clinic.now)
    assert [visit.session for visit in build.visits_of(course)] == [second, third]
    result = clinic.perform(second)
    assert (result.session.counts, lapses_of(course)) == (True, [clinic.today + timedelta(weeks=6)])


def test_a_record_that_was_merged_away_is_not_assessed(clinic):
    course = clinic.course()
    Patient.objects.filter(pk=course.patient_id).update(merged_into=build.patient())

    with pytest.raises(records.PatientReadOnly):
        clinic.assess(course)

    assert Assessment.objects.count() == 0


def test_reception_does_not_assess(clinic):
    course = clinic.course()
    what = intake.AssessmentInput(assessed_on=MONDAY, is_suitable=True)

    with pytest.raises(NotAllowed):
        intake.assess(
            course.patient,
            course.version.protocol,
            what,
            site=clinic.site,
            by=clinic.receptionist,
            now=clinic.now,
        )


# --- consent ----------------------------------------------------------------------------------------------------------


def test_a_consent_is_informed_then_signed(clinic):
    course = clinic.course()
    clinic.consent(course, signed_on=None)
    consent = Consent.objects.get(course=course)
    clinic.wait(days=2)

    signed = intake.sign_consent(consent, signed_on=clinic.today, by=clinic.receptionist, now=clinic.now)

    assert (signed.informed_on, signed.signed_on, signed.sought_by) == (MONDAY, date(2027, 1, 6), clinic.clinician)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"signed_on": MONDAY - timedelta(days=1)}, "signed_before_informed"),
        ({"informed_on": MONDAY + timedelta(days=1), "signed_on": None}, "consent_in_future"),
    ],
)
def test_a_consent_whose_dates_cannot_be_is_refused(clinic, fields, code):
    course = clinic.course()

    with pytest.raises(RuleBroken) as refused:
        clinic.consent(course, **fields)

    assert codes(refused) == [code]
    assert Consent.objects.count() == 0


def test_the_text_of_another_protocol_is_refused(clinic):
    course = clinic.course()
    other = ConsentText.objects.exclude(protocol=course.version.protocol).first() or ConsentText.objects.create(
        protocol=build.shipped_protocol("hepatitis_b").protocol, number=9, body="x"
    )

    with pytest.raises(RuleBroken) as refused:
        intake.record_consent(
            course, intake.ConsentInput(text=other, informed_on=MONDAY), by=clinic.clinician, now=clinic.now
        )

    assert codes(refused) == ["text_not_in_force"]
    assert protocols.consent_texts_of(course.version) != [other]


def test_withdrawing_holds_the_course_and_keeps_its_visits(clinic):
    course = clinic.booked_course()
    consent = Consent.objects.get(course=course)

    intake.withdraw_consent(consent, on=MONDAY, cancel_visits=False, by=clinic.receptionist, now=clinic.now)

    assert list(Hold.objects.filter(course=course, lifted_at=None).values_list("code", flat=True)) == [
        "consent_withdrawn"
    ]
    assert len(build.visits_of(course)) == 3
    with pytest.raises(intake.ConsentNotOpen):
        intake.withdraw_consent(consent, on=MONDAY, cancel_visits=False, by=clinic.receptionist, now=clinic.now)


def test_withdrawing_cancels_the_visits_it_covers_when_a_person_says_so(clinic):
    course = clinic.booked_course()
    consent = Consent.objects.get(course=course)

    intake.withdraw_consent(consent, on=MONDAY, cancel_visits=True, by=clinic.receptionist, now=clinic.now)

    assert build.visits_of(course) == []
    assert [session.state for session in build.sessions_of(course)] == ["open"] * 3
    assert Message.objects.filter(course=course, state="pending", kind="cancelled").exists()


def test_withdrawing_the_consent_to_one_session_cancels_its_visit_alone(clinic):
    course = clinic.booked_course()
    session = build.sessions_of(course)[1]
    clinic.consent(course, session=session)
    consent = Consent.objects.get(session=session)

    intake.withdraw_consent(consent, on=MONDAY, cancel_visits=True, by=clinic.receptionist, now=clinic.now)

    assert [visit.session.position - session.position for visit in build.visits_of(course)] == [-1, 1]


def test_a_visit_does_not_begin_without_the_consent_that_it_was_booked_with(clinic):
    course = clinic.booked_course()
    visit = build.visits_of(course)[0]
    clinic.now = visit.during.lower
    consent = Consent.objects.get()
    intake.withdraw_consent(consent, on=clinic.today, cancel_visits=False, by=clinic.receptionist, now=clinic.now)

    with pytest.raises(visits.NotAdmitted) as refused:
        visits.arrive(visit, by=clinic.receptionist, now=clinic.now)

    assert codes(refused) == ["consent_withdrawn", "course_on_hold"]


@pytest.mark.parametrize(
    ("from_on", "until_on", "code"),
    [
        (MONDAY + timedelta(days=1), None, "guardian_not_then"),
        (None, MONDAY - timedelta(days=1), "guardian_not_then"),
        (MONDAY, MONDAY, None),
    ],
)
def test_a_guardian_gives_consent_on_days_on_which_they_decide(clinic, from_on, until_on, code):
    guardian = records.GuardianDetails("Ada", from_on=from_on, until_on=until_on)
    patient = build.patient(guardians=(guardian,))
    course = clinic.course(patient)

    if code is None:
        clinic.consent(course, given_by_guardian=patient.guardians.get())
        assert Consent.objects.get().given_by_guardian == patient.guardians.get()
    else:
        with pytest.raises(RuleBroken) as refused:
            clinic.consent(course, given_by_guardian=patient.guardians.get())
        assert (codes(refused), Consent.objects.count()) == ([code], 0)


def test_a_guardian_who_was_informed_signs_while_they_decide(clinic):
    patient = build.patient(guardians=(records.GuardianDetails("Ada", until_on=MONDAY),))
    course = clinic.course(patient)
    clinic.consent(course, signed_on=None, given_by_guardian=patient.guardians.get())
    consent = Consent.objects.get()
    clinic.wait(days=1)

    with pytest.raises(RuleBroken) as refused:
        intake.sign_consent(consent, signed_on=clinic.today, by=clinic.receptionist, now=clinic.now)
    signed = intake.sign_consent(consent, signed_on=MONDAY, by=clinic.receptionist, now=clinic.now)

    assert (codes(refused), signed.signed_on) == (["guardian_not_then"], MONDAY)


def test_another_patients_guardian_gives_no_consent(clinic):
    course, other = clinic.course(), build.patient(guardians=(records.GuardianDetails("Ada"),))
    clinic.consent(course, signed_on=None)

    with pytest.raises(RuleBroken) as refused:
        intake.sign_consent(
            Consent.objects.get(),
            signed_on=MONDAY,
            given_by_guardian=other.guardians.get(),
            by=clinic.receptionist,
            now=clinic.now,
        )

    assert (codes(refused), Consent.objects.get().signed_on) == (["guardian_unknown"], None)


def test_a_minor_is_booked_when_a_guardian_on_record_has_signed(clinic):
    child = build.patient(born_on=date(2012, 5, 17), guardians=(records.GuardianDetails("Ada"),))
    ProtocolVersion.objects.filter(pk=clinic.version.pk).update(minimum_age=None)
    course = clinic.cleared_course(child)
    with pytest.raises(booking.NotBookable) as refused:
        clinic.book(course)
    assert set(codes(refused)) == {"guardian_consent_missing"}

    clinic.wait(days=1)
    clinic.consent(course, given_by_guardian=child.guardians.get())

    assert len(clinic.book(course)) == 3


# --- answers ----------------------------------------------------------------------------------------------------------


def test_a_bad_answer_holds_every_course_it_concerns_at_once(clinic):
    course = clinic.booked_course()
    clinic.wait(hours=1)

    intake.answer(course.patient, "contraceptive_pill", "yes", given_on=MONDAY, by=clinic.receptionist, now=clinic.now)

    hold = Hold.objects.get(course=course)
    assert (hold.code, hold.lifted_by_role, hold.placed_at) == ("risk_contraceptive_pill", "prescriber", clinic.now)
    assert len(build.visits_of(course)) == 3


def test_a_bad_answer_holds_courses_at_sites_where_nobody_who_records_it_works(clinic):
    """It is never lost for a right that is missing elsewhere; the visits there are left to who works there."""
    course, elsewhere = clinic.booked_course(), build.Clinic(key="laser_hair_removal")
    other = elsewhere.cleared_course(course.patient)
    assert not other.site.roles.filter(user=clinic.receptionist).exists()

    intake.answer(
        course.patient, "pregnancy", "yes", given_on=MONDAY, visits="free", by=clinic.receptionist, now=clinic.now
    )
    intake.answer(
        course.patient, "pregnancy", "yes", given_on=MONDAY, visits="free", by=elsewhere.receptionist, now=clinic.now
    )

    held = Hold.objects.filter(code="risk_pregnancy").values_list("course", "placed_by")
    assert set(held) == {(course.pk, clinic.receptionist.pk), (other.pk, clinic.receptionist.pk)}
    assert build.visits_of(course) == []


def test_who_works_elsewhere_frees_no_visits_with_an_answer(clinic):
    course, elsewhere = clinic.booked_course(), build.Clinic()

    for _again in range(2):
        intake.answer(
            course.patient,
            "pregnancy",
            "yes",
            given_on=MONDAY,
            visits="free",
            by=elsewhere.receptionist,
            now=clinic.now,
        )

    assert (course.holds.get().code, len(build.visits_of(course))) == ("risk_pregnancy", 3)


def test_a_good_answer_holds_nothing_and_lifts_nothing(clinic):
    course = clinic.booked_course()
    intake.answer(course.patient, "pregnancy", "yes", given_on=MONDAY, by=clinic.receptionist, now=clinic.now)

    intake.answer(course.patient, "pregnancy", "no", given_on=MONDAY, by=clinic.receptionist, now=clinic.now)

    assert list(Hold.objects.filter(course=course, lifted_at=None).values_list("code", flat=True)) == ["risk_pregnancy"]


def test_who_has_no_part_in_care_records_no_answer(clinic):
    operator = build.user(Role.OPERATOR, at=clinic.site)

    with pytest.raises(NotAllowed):
        intake.answer(clinic.course().patient, "pregnancy", "no", given_on=MONDAY, by=operator, now=clinic.now)

    assert Answer.objects.count() == 0


def test_a_question_may_have_the_longest_code(clinic):
    course = clinic.booked_course()
    code = "q" * 50
    Question.objects.filter(code="pregnancy").update(code=code)

    intake.answer(course.patient, code, "yes", given_on=MONDAY, by=clinic.receptionist, now=clinic.now)

    assert Hold.objects.get(course=course).code == f"risk_{code}"


def test_an_unknown_answer_among_many_writes_none(clinic):
    course = clinic.course()

    with pytest.raises(RuleBroken) as refused:
        clinic.answer_all(course, pregnancy="perhaps")

    assert codes(refused) == ["answer_unknown"]
    assert Answer.objects.count() == 0


def test_an_answer_that_a_clinician_looked_at_brings_back_the_reminders_it_had_stopped(clinic):
    course = clinic.booked_course()
    clinic.wait(hours=1)
    given = intake.answer(
        course.patient, "blood_thinners", "yes", given_on=MONDAY, by=clinic.receptionist, now=clinic.now
    )
    reminders = Message.objects.filter(course=course, kind="reminder")
    outbox.drop_for_course(course, "gate_closed:risk_ask", now=clinic.now)

    reviewed = intake.review_answer(given, by=clinic.clinician, now=clinic.now)

    assert (reviewed.reviewed_at, reviewed.reviewed_by) == (clinic.now, clinic.clinician)
    assert set(reminders.values_list("state", "state_reason")) == {("pending", "")}


def test_an_answer_that_a_clinician_looked_at_lets_the_course_be_examined(clinic):
    """The visits could not be moved while the gate was closed; whoever looked at the answer sees where they may go."""
    course = clinic.booked_course()
    first = build.visits_of(course)[0]
    clinic.wait(days=4, hours=4)
    clinic.perform(first.session)
    (before,) = Proposal.objects.open()
    question = Question.objects.get(code="blood_thinners")
    (given,) = records.record_answers(
        course.patient, {question.code: "no"}, given_on=clinic.today, by=clinic.receptionist, now=clinic.now
    )

    intake.review_answer(given, by=clinic.clinician, now=clinic.now)

    (after,) = Proposal.objects.open()
    assert (after.pk == before.pk, after.reason, after.course) == (False, "answer_reviewed", course)


# --- overrides --------------------------------------------------------------------------------------------------------


def test_a_prescriber_overrides_a_relative_risk_and_the_course_can_be_booked(clinic):
    course = clinic.cleared_course()
    clinic.answer_all(course, contraceptive_pill="yes")
    with pytest.raises(booking.NotBookable) as before:
        clinic.book(course)
    hold = Hold.objects.get(course=course)

    clinic.override(course)
    holds.lift(hold, reason="looked at it", by=clinic.prescriber, now=clinic.now)

    assert set(codes(before)) == {"risk_relative", "course_on_hold"}
    assert len(clinic.book(course)) == 3


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"rule": "risk_absolute"}, "rule_not_overridable"),
        ({"rule": "assessment_missing"}, "rule_not_overridable"),
        ({"reason": "  "}, "reason_missing"),
        ({"expires_on": MONDAY - timedelta(days=1)}, "expires_in_past"),
        ({"subject": ""}, "subject_unknown"),
        ({"subject": "pregnancy"}, "subject_unknown"),  # absolute
        ({"rule": "before_minimum"}, "subject_unknown"),
        ({"subject": "blood_clot_history"}, "session_missing"),  # weighed before each session, says the protocol
        ({"rule": "before_minimum", "subject": ""}, "session_missing"),
    ],
)
def test_an_override_without_right_reason_or_future_is_refused(clinic, changes, code):
    with pytest.raises(RuleBroken) as refused:
        clinic.override(clinic.course(), **changes)

    assert codes(refused) == [code]
    assert Override.objects.count() == 0


def test_only_a_prescriber_overrides(clinic):
    with pytest.raises(NotAllowed):
        clinic.override(clinic.course(), by=clinic.clinician)


# --- holds ------------------------------------------------------------------------------------------------------------


def test_a_hold_stops_booking_and_reminders_and_is_lifted_by_whom_it_names(clinic):
    course = clinic.cleared_course()
    hold = holds.place(course, code="clinician", reason="waits for a letter", by=clinic.receptionist, now=clinic.now)

    with pytest.raises(booking.NotBookable) as refused:
        clinic.book(course)
    with pytest.raises(NotAllowed):
        holds.lift(hold, reason="came", by=clinic.receptionist, now=clinic.now)
    holds.lift(hold, reason="came", by=clinic.clinician, now=clinic.now)

    assert set(codes(refused)) == {"course_on_hold"}
    assert len(clinic.book(course)) == 3
    assert not Message.objects.filter(course=course, kind="call_us", state="pending").exists()


def test_a_hold_stands_once_and_is_lifted_once(clinic):
    course = clinic.course()
    placing = {"code": "clinician", "reason": "letter", "by": clinic.clinician, "now": clinic.now}
    hold = holds.place(course, **placing)

    with pytest.raises(holds.HoldStands):
        holds.place(course, **placing)
    holds.lift(hold, reason="came", by=clinic.clinician, now=clinic.now)
    with pytest.raises(holds.HoldLifted):
        holds.lift(hold, reason="came", by=clinic.clinician, now=clinic.now)


def test_a_treatment_found_unsuitable_holds_what_is_booked(clinic):
    course = clinic.booked_course()

    clinic.assess(course, is_suitable=False)

    hold = Hold.objects.get(course=course)
    assert (hold.code, hold.lifted_by_role, len(build.visits_of(course))) == ("unsuitable", "prescriber", 3)


def test_an_event_moves_the_windows_that_count_from_it_and_is_never_to_come(clinic):
    course = clinic.course()

    event = intake.record_event(course, "varicose_treatment", MONDAY, by=clinic.clinician, now=clinic.now)
    with pytest.raises(RuleBroken) as refused:
        intake.record_event(
            course, "varicose_treatment", MONDAY + timedelta(days=1), by=clinic.clinician, now=clinic.now
        )

    assert (event.key, event.happened_on, codes(refused)) == ("varicose_treatment", MONDAY, ["event_in_future"])


def test_an_event_that_no_spacing_counts_from_is_refused_where_others_are_counted_from():
    """Written otherwise, it would leave the session open that it should hold back."""
    text = weekly.TEXT.replace(
        "      - from: previous\n        minimum: 2", "      - from: event surgery\n        minimum: 2"
    )
    clinic = weekly.clinic(text)
    course = clinic.course(areas=())

    with pytest.raises(RuleBroken) as refused:
        intake.record_event(course, "surgry", MONDAY, by=clinic.clinician, now=clinic.now)
    intake.record_event(course, "surgery", MONDAY, by=clinic.clinician, now=clinic.now)

    assert codes(refused) == ["event_unknown"]
    assert course.sessions.filter(step_key="upkeep").first().earliest_on == MONDAY + timedelta(weeks=2)
