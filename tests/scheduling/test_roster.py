"""Rows become facts: hours, absences, closures and busy time as the planner is handed them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from threading import Barrier
from uuid import UUID

import psycopg
import pytest
from django.db import close_old_connections, connection, transaction
from django.test.utils import CaptureQueriesContext

from clinic.models import Role
from patients import records
from patients.models import Patient
from scheduling import booking, protocols, roster, visits, wording
from scheduling.models import (
    Absence,
    Appointment,
    Closure,
    Consent,
    Course,
    ExtraOpening,
    Hours,
    ProtocolVersion,
    Resource,
)
from scheduling.planner import facts, ticks
from scheduling.planner.amounts import Amount
from scheduling.planner.gates import gate_answers
from scheduling.roster import there
from tests import build

pytestmark = pytest.mark.django_db
MONDAY, TUESDAY = date(2027, 1, 4), date(2027, 1, 5)
NINE_TO_FIVE_WITH_LUNCH = ticks.span(540, 750) | ticks.span(795, 1020)


def duty(clinic: build.Clinic, on: date, *, first_on: date | None = None, zone_site: object = None) -> int:
    """Ticks on duty of the clinic's first injector on a date."""
    injector = clinic.staff["injector"][0]
    times = roster.load_site(clinic.site, {"sclerotherapy"}, first_on or on, on, now=clinic.now)
    return times.on_duty.get((injector.uid, on), 0)


def test_weekly_hours_have_lunch_as_a_hole_and_no_weekend(clinic):
    assert [duty(clinic, MONDAY + timedelta(days=number)) for number in range(7)] == [NINE_TO_FIVE_WITH_LUNCH] * 5 + [
        0,
        0,
    ]


def test_alternating_weeks_count_from_the_week_in_which_they_began(clinic):
    injector = clinic.staff["injector"][0]
    injector.hours.all().delete()
    Hours.objects.create(
        resource=injector,
        site=clinic.site,
        weekday=1,
        from_time=time(10),
        until_time=time(11),
        valid_from=date(2027, 1, 7),
        every_weeks=2,
    )

    on_duty = [duty(clinic, TUESDAY + timedelta(weeks=number)) for number in range(5)]

    assert on_duty == [0, 0, ticks.span(600, 660), 0, ticks.span(600, 660)]


def test_absences_and_closures_take_their_part_and_an_extra_opening_adds(clinic):
    injector = clinic.staff["injector"][0]
    Absence.objects.create(
        resource=injector,
        first_on=MONDAY,
        last_on=TUESDAY,
        from_time=time(9),
        until_time=time(12, 30),
        recorded_at=clinic.now,
    )
    Absence.objects.create(
        resource=injector, first_on=date(2027, 1, 6), last_on=date(2027, 1, 6), recorded_at=clinic.now
    )
    Absence.objects.create(
        resource=injector,
        first_on=date(2027, 1, 7),
        last_on=date(2027, 1, 7),
        recorded_at=clinic.now,
        cancelled_at=clinic.now,
    )
    Closure.objects.create(
        site=clinic.site,
        first_on=date(2027, 1, 8),
        last_on=date(2027, 1, 8),
        from_time=time(13, 15),
        until_time=time(17),
        name="Stocktaking",
        recorded_at=clinic.now,
    )
    ExtraOpening.objects.create(
        resource=injector, site=clinic.site, on=date(2027, 1, 9), from_time=time(10), until_time=time(12)
    )

    on_duty = [duty(clinic, MONDAY + timedelta(days=number), first_on=MONDAY) for number in range(7)]

    afternoon, morning = ticks.span(795, 1020), ticks.span(540, 750)
    assert on_duty == [afternoon, afternoon, 0, NINE_TO_FIVE_WITH_LUNCH, morning, ticks.span(600, 720), 0]


def test_a_closed_day_names_its_reason_and_nobody_is_on_duty(clinic):
    Closure.objects.create(
        site=clinic.site, first_on=TUESDAY, last_on=TUESDAY, name="Epiphany (observed)", recorded_at=clinic.now
    )

    times = roster.load_site(clinic.site, {"sclerotherapy"}, MONDAY, TUESDAY, now=clinic.now)

    assert [day.closed for day in times.days.values()] == ["", "Epiphany (observed)"]
    assert {on for _resource, on in times.on_duty} == {MONDAY}


@pytest.mark.parametrize(
    ("on", "length", "expected"),
    [
        (date(2027, 3, 28), 1380, ticks.span(480, 690) | ticks.span(735, 960)),  # clocks go forward: 9:00 is tick 480
        (date(2027, 10, 31), 1500, ticks.span(600, 810) | ticks.span(855, 1080)),  # and back: 9:00 is tick 600
    ],
)
def test_on_the_nights_of_the_clock_change_hours_keep_to_the_wall(clinic, on, length, expected):
    injector = clinic.staff["injector"][0]
    for from_time, until_time in (build.MORNING, build.AFTERNOON):
        Hours.objects.create(
            resource=injector,
            site=clinic.site,
            weekday=6,
            from_time=from_time,
            until_time=until_time,
            valid_from=date(2020, 1, 1),
        )

    times = roster.load_site(clinic.site, {"sclerotherapy"}, on, on, now=clinic.now)

    assert times.days[on].length_minutes == length
    assert times.on_duty[injector.uid, on] == expected
    assert times.days[on].wall_minute(ticks.lowest(expected)) == 540


def test_who_has_left_or_lost_the_capability_is_not_there(clinic):
    first, second = clinic.staff["injector"]
    first.__class__.objects.filter(pk=first.pk).update(active_to=MONDAY)
    second.has_capabilities.update(until_on=MONDAY)

    times = roster.load_site(clinic.site, {"sclerotherapy"}, MONDAY, TUESDAY, now=clinic.now)

    by_id = {resource.id: resource for resource in times.resources}
    assert sorted(on for resource, on in times.on_duty if resource == first.uid) == [MONDAY]
    assert [by_id[second.uid].is_able("sclerotherapy", on) for on in (MONDAY, TUESDAY)] == [True, False]


def test_standing_occupancies_are_busy_and_the_course_itself_is_left_out(clinic):
    course, other = clinic.booked_course(), clinic.cleared_course(build.patient("Ngozi Okafor", email=""))
    visit = build.visits_of(course)[0]
    taken = {use.resource.uid: use for use in visit.occupancies.select_related("resource")}

    seen_by_another = roster.load(other, visit.on, visit.on, now=clinic.now)
    seen_by_itself = roster.load(course, visit.on, visit.on, now=clinic.now)

    slot = roster.slot_of(visit)
    assert seen_by_itself.busy == {}
    assert seen_by_another.busy == {
        (use.resource, visit.on): (ticks.span(use.from_tick, use.until_tick),) for use in slot.uses
    }
    assert set(taken) == {use.resource for use in slot.uses}


def test_a_visit_of_another_course_makes_the_patient_busy(clinic):
    course = clinic.booked_course()
    visit = build.visits_of(course)[0]
    elsewhere = Course(pk=0, version=course.version, site=clinic.site, patient=course.patient)

    times = roster.load_site(
        clinic.site, set(), visit.on, visit.on, now=clinic.now, patient=course.patient_id, without={elsewhere}
    )

    slot = roster.slot_of(visit)
    assert times.patient_busy == {visit.on: ticks.span(slot.tick, slot.tick + slot.minutes)}


def test_a_booked_visit_reads_back_as_the_slot_that_was_booked(clinic):
    course = clinic.cleared_course()
    plan = clinic.propose(course)
    slots = [planned.slot for planned in plan.sessions]

    clinic.book(course)

    assert [roster.slot_of(visit) for visit in build.visits_of(course)] == slots


def test_the_planner_is_told_which_visits_the_patient_has_confirmed(clinic):
    course = clinic.booked_course()
    first, *_others = build.visits_of(course)
    Appointment.objects.filter(pk=first.pk).update(confirmed_at=clinic.now)

    told = [session.booked for session in roster.course_facts(course).sessions if session.booked]

    assert [slot.is_confirmed for slot in told] == [True, False, False]
    assert [roster.slot_of(visit).is_confirmed for visit in build.visits_of(course)] == [True, False, False]


def test_the_facts_of_a_course_are_what_was_recorded(clinic):
    course = clinic.cleared_course()

    found = roster.course_facts(course)

    assert found.patient.answers["pregnancy"] == facts.AnswerFacts("no", MONDAY)
    assert found.assessment == facts.AssessmentFacts(MONDAY, True, facts.Reflux.NONE_FOUND)
    assert found.consent == facts.ConsentFacts(MONDAY, MONDAY)
    assert [(s.step.key, s.state.value, s.performed_on) for s in found.sessions] == [
        ("assessment", "performed", MONDAY),
        ("treatment", "open", None),
        ("treatment", "open", None),
        ("treatment", "open", None),
        ("final_review", "open", None),
    ]


def test_the_newest_answer_counts_and_an_error_does_not(clinic):
    course = clinic.cleared_course()
    clinic.wait(days=1)
    clinic.answer_all(course, pregnancy="yes")
    newest = course.patient.answers.filter(question__code="pregnancy").first()
    bad = roster.course_facts(course).patient.answers["pregnancy"].value

    newest.__class__.objects.filter(pk=newest.pk).update(error_at=clinic.now, error_reason="wrong patient")

    assert (bad, roster.course_facts(course).patient.answers["pregnancy"].value) == ("yes", "no")


def test_statements_do_not_grow_with_rows(clinic):
    first = clinic.booked_course()
    courses = [first] + [clinic.booked_course(build.patient(email="")) for _ in range(3)]
    roster.protocol_facts(first.version)

    def statements(of: list[Course]) -> tuple[int, int]:
        rows = list(Course.objects.for_facts().filter(pk__in=[course.pk for course in of]))
        with CaptureQueriesContext(connection) as reading:
            roster.courses_facts(rows)
        with CaptureQueriesContext(connection) as loading:
            roster.load(rows[0], MONDAY, MONDAY + timedelta(days=30 * len(of)), now=clinic.now)
        return len(reading), len(loading)

    assert statements(courses[:1]) == (1, 1)
    build.resource("sclerotherapy", at=clinic.site)
    build.resource("treatment_room", at=clinic.site, kind="room")

    assert statements(courses) == (1, 1)
    build.resource("sclerotherapy", at=clinic.site)
    assert statements(courses) == (1, 2)
    assert statements(courses) == (1, 1)


def test_free_times_take_two_statements_whatever_the_days_and_staff(clinic):
    course = Course.objects.for_facts().get(pk=clinic.booked_course().pk)
    session = build.sessions_of(course)[0]
    session.course = course
    roster.protocol_facts(course.version)

    def asked(days: int) -> tuple[int, int]:
        last_on = MONDAY + timedelta(days=days - 1)
        with CaptureQueriesContext(connection) as reading:
            found = visits.free_times(session, first_on=MONDAY, last_on=last_on, now=clinic.now, limit=10_000)
        return len(reading), len({(one.slot.on, one.slot.lead) for one in found})

    (one_day, of_one_day) = asked(1)
    for _ in range(3):
        build.resource("sclerotherapy", at=clinic.site)
    (a_month, of_a_month) = asked(28)

    assert (one_day, a_month) == (2, 2)
    assert (of_one_day, of_a_month) == (2, 20 * 5)


def test_free_times_begin_no_earlier_than_now(clinic):
    course = clinic.cleared_course()
    clinic.now = datetime(2027, 1, 4, 14, 2, tzinfo=UTC)
    session = build.sessions_of(course)[0]

    times = visits.free_times(session, first_on=MONDAY, last_on=MONDAY, now=clinic.now, limit=1)

    assert [(planned.slot.on, planned.slot.tick) for planned in times] == [(MONDAY, 14 * 60 + 5)]


def test_nothing_is_locked_twice_and_the_course_comes_back_fresh(clinic):
    course = clinic.course()
    Course.objects.filter(pk=course.pk).update(billing_reference="B-1")

    assert roster.lock(course, now=clinic.now).billing_reference == "B-1"
    assert Appointment.objects.count() == 0
    assert clinic.receptionist.has_role(Role.RECEPTION)


# --- what gates look at beyond the course -----------------------------------------------------------------------------

ELSEWHERE = """\
protocol: skin_check
name: Skin check
consent: {at: booking, scope: session, texts: {en: I agree}}
steps:
  - key: check
    name: Check
    kind: treatment
    sessions: 2
    lead_role: clinician
    phases: [{name: Check, minutes: 10, needs: {clinician: sclerotherapy}}]
    gates:
      - consent
      - apart: {protocol: microsclerotherapy, at_least: 2 weeks}
"""


@pytest.fixture
def skin_check(clinic):
    """A protocol that keeps away from microsclerotherapy, and asks for a consent for each session."""
    return protocols.load(ELSEWHERE, by=None, now=clinic.now, approve_by=clinic.prescriber)


def start(clinic: build.Clinic, version: ProtocolVersion, patient: Patient) -> Course:
    return booking.start_course(patient, version, clinic.site, by=clinic.receptionist, now=clinic.now)


def test_treatments_of_the_patients_other_courses_are_facts(clinic, skin_check):
    other = clinic.booked_course()
    clinic.booked_course(build.patient(email=""))  # somebody else's are not
    first, *later = build.visits_of(other)
    clinic.now = first.during.lower
    clinic.perform(first.session)
    course = start(clinic, skin_check, other.patient)

    found = roster.course_facts(Course.objects.for_facts().get(pk=course.pk))

    legs = frozenset(clinic.version.areas.values_list("code", flat=True))
    more = {
        "areas": frozenset({"left_ankle"}),  # the first one that the protocol treats
        "apart": (
            facts.Gate("apart", {"protocol": "laser_hair_removal", "at_least": Amount.parse("2 weeks"), "areas": legs}),
        ),
    }
    assert found.elsewhere == (
        facts.TreatmentFacts("microsclerotherapy", first.on, performed=True, **more),
        *(facts.TreatmentFacts("microsclerotherapy", visit.on, performed=False, **more) for visit in later),
    )
    assert roster.course_facts(other).elsewhere == ()  # its own treatments are sessions of it


def test_treatments_elsewhere_take_one_statement_however_many_there_are(clinic, skin_check):
    patient = build.patient()
    course = start(clinic, skin_check, patient)

    def statements() -> int:
        found = Course.objects.for_facts().get(pk=course.pk)
        with CaptureQueriesContext(connection) as captured:
            roster.course_facts(found)
        return len(captured)

    alone = statements()
    clinic.booked_course(patient)

    assert statements() == alone


def test_a_treatment_that_keeps_away_from_ours_refuses_our_booking_though_our_protocol_says_nothing(clinic, skin_check):
    other = start(clinic, skin_check, build.patient())
    for one in build.sessions_of(other):
        clinic.consent(other, session=one)
    *_before, check = clinic.book(other)
    course = clinic.cleared_course(other.patient)
    as_it_stands = roster.course_facts(Course.objects.for_facts().get(pk=course.pk))
    session = next(one for one in as_it_stands.sessions if one.step.kind is facts.StepKind.TREATMENT)
    assert "skin_check" not in str(session.step.gates)

    def is_near(on: date) -> bool:
        found = gate_answers(session, on, as_it_stands, MONDAY)
        return "too_near_other_treatment" in {answer.code for answer in found}

    assert is_near(check.on + timedelta(days=13))
    assert not is_near(check.on + timedelta(days=14))
    assert clinic.propose(course).sessions[0].slot.on == check.on + timedelta(days=14)


def test_a_booking_too_near_another_treatment_is_refused_and_says_from_when_it_can_be(clinic, skin_check):
    other = clinic.booked_course()
    visit = build.visits_of(other)[0]
    course = roster.course_facts(start(clinic, skin_check, other.patient))

    found = [answer for answer in gate_answers(course.sessions[0], visit.on, course, MONDAY) if answer.override]

    [problem] = wording.gate_problems(found, course.sessions[0].id, roster.subjects())
    assert (problem.code, problem.details["opens_on"]) == (
        "too_near_other_treatment",
        (visit.on + timedelta(weeks=2)).isoformat(),
    )
    assert problem.message.startswith(
        "This is too near to another treatment of the patient: Microsclerotherapy of the legs. Possible from"
    )


def test_a_consent_for_a_session_is_a_fact_of_that_session(clinic, skin_check):
    course = start(clinic, skin_check, build.patient())
    _first, second = build.sessions_of(course)
    clinic.consent(course, session=second)

    found = roster.course_facts(course)

    assert found.consent is None
    assert [session.consent for session in found.sessions] == [None, facts.ConsentFacts(MONDAY, MONDAY)]
    assert found.protocol.consent == facts.ConsentRule("booking", scope=facts.ConsentScope.SESSION)


def test_a_child_has_a_birth_date_and_guardians(clinic):
    ida = records.GuardianDetails(name="Ida Berg", from_on=date(2020, 1, 1))
    child = clinic.course(build.patient(born_on=date(2012, 5, 17), guardians=[ida]))
    clinic.consent(child)
    Consent.objects.update(given_by_guardian=child.patient.guardians.get())
    grown_up = clinic.course(build.patient(guardians=[ida]))

    found, other = roster.course_facts(child), roster.course_facts(grown_up)

    assert (found.patient.born_on, found.patient.guardians, found.place) == (
        date(2012, 5, 17),
        (facts.GuardianFacts(date(2020, 1, 1)),),
        "GB",
    )
    assert found.consent == facts.ConsentFacts(MONDAY, MONDAY, by_guardian=True)
    assert other.patient.guardians == ()  # nobody asks for them


def test_what_a_clinician_decided_for_a_late_session_and_where_the_site_is(clinic):
    course = clinic.course()
    course.sessions.filter(position=2).update(late_action="restart")
    clinic.site.__class__.objects.filter(pk=clinic.site.pk).update(country="AU", subdivision="NSW")

    found = roster.course_facts(Course.objects.for_facts().get(pk=course.pk))

    assert [session.late_action for session in found.sessions] == ["", "restart", "", "", ""]
    assert found.place == "AU-NSW"


# --- who is there, asked again ----------------------------------------------------------------------------------------

CHANGES = {
    "hours": lambda clinic, one: one.hours.filter(weekday=1).update(until_time=time(16)),
    "hours_gone": lambda clinic, one: one.hours.filter(weekday=1).delete(),
    "absence": lambda clinic, one: Absence.objects.create(
        resource=one, first_on=TUESDAY, last_on=TUESDAY, recorded_at=clinic.now
    ),
    "closure": lambda clinic, one: Closure.objects.create(
        site=clinic.site, first_on=TUESDAY, last_on=TUESDAY, name="Flood", recorded_at=clinic.now
    ),
    "opening": lambda clinic, one: ExtraOpening.objects.create(
        resource=one, site=clinic.site, on=TUESDAY, from_time=time(20), until_time=time(21)
    ),
    "capability": lambda clinic, one: one.has_capabilities.update(until_on=date(2027, 6, 1)),
    "name": lambda clinic, one: Resource.objects.filter(pk=one.pk).update(name="Dr Renamed"),
    "languages": lambda clinic, one: Resource.objects.filter(pk=one.pk).update(languages=["sv"]),
    "places": lambda clinic, one: Resource.objects.filter(pk=one.pk).update(places=3),
    "left": lambda clinic, one: Resource.objects.filter(pk=one.pk).update(active_to=MONDAY),
    "joined": lambda clinic, one: build.resource("sclerotherapy", at=clinic.site),
}


Found = tuple[dict[date, facts.Day], tuple[facts.ResourceFacts, ...], dict[tuple[UUID, date], int]]


def found(clinic: build.Clinic) -> Found:
    times = roster.load_site(clinic.site, {"sclerotherapy"}, MONDAY, MONDAY + timedelta(days=40), now=clinic.now)
    return dict(times.days), times.resources, dict(times.on_duty)


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_known_of_who_is_there_is_never_stale(clinic, change):
    """What was found is kept, and is not asked for again until something of it changes: then it is, at once."""

    def statements() -> int:
        with CaptureQueriesContext(connection) as asked:
            found(clinic)
        return len(asked)

    before = found(clinic)
    assert statements() == 1
    CHANGES[change](clinic, clinic.staff["injector"][0])

    assert statements() == 2
    assert statements() == 1
    after = found(clinic)
    assert after != before
    there.forget()
    assert found(clinic) == after


def test_what_was_undone_is_never_taken_for_what_came_after(clinic):
    one = clinic.staff["injector"][0]
    with suppress(Undone), transaction.atomic():
        one.hours.filter(weekday=1).delete()
        undone = found(clinic)
        raise Undone

    one.hours.filter(weekday=2).delete()

    after = found(clinic)
    assert after != undone
    there.forget()
    assert found(clinic) == after


@pytest.mark.django_db(transaction=True)
def test_who_changes_something_while_others_do_waits_for_nobody_and_is_seen(clinic):
    """Both transactions are open at once, each after its change: a row that both write would hold up the second."""
    staff, both_changed = clinic.staff["injector"][:2], Barrier(2)
    before = found(clinic)

    def change(one: Resource) -> None:
        try:
            with transaction.atomic():
                one.hours.filter(weekday=1).delete()
                both_changed.wait(30)
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=2) as pool:
        list(pool.map(change, staff))

    after = found(clinic)
    (_, _, duty), (_, _, duty_before) = after, before
    assert {key for key in duty_before if key not in duty} == {
        (one.uid, TUESDAY + timedelta(weeks=week)) for one in staff for week in range(6)
    }
    there.forget()
    assert found(clinic) == after


class Undone(Exception):
    pass


# --- how it is asked --------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_has_died_since_the_last_request_is_made_anew(clinic):
    before = found(clinic)
    with psycopg.connect(connection.connection.info.dsn, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [connection.connection.info.backend_pid])

    close_old_connections()  # what Django does when a request begins

    assert found(clinic) == before
