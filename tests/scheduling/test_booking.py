"""A course is started, planned and booked whole; what stands against it is said, and nothing is half written."""

from __future__ import annotations

import dataclasses
from datetime import date, time, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange

from clinic import localtime
from clinic.acts import act
from clinic.errors import Conflict, NotAllowed, RuleBroken
from patients.models import Area
from scheduling import booking, roster, visits
from scheduling.booking import occupancies
from scheduling.models import Appointment, Course, Message, Occupancy, Reservation, Session, StateChange
from scheduling.planner import facts
from tests import build
from tests.refusals import codes

pytestmark = pytest.mark.django_db
MONDAY = date(2027, 1, 4)


def slots(plan: facts.Plan) -> list[facts.Slot]:
    return [planned.slot for planned in plan.sessions]


def written() -> dict[str, int]:
    return {model.__name__: model.objects.count() for model in (Appointment, Occupancy, Message, StateChange)}


# --- start ------------------------------------------------------------------------------------------------------------


def test_starting_a_course_opens_a_session_for_every_step(clinic):
    course = clinic.course()

    assert [(s.position, s.step_key, s.state) for s in course.sessions.all()] == [
        (1, "assessment", "open"),
        (2, "treatment", "open"),
        (3, "treatment", "open"),
        (4, "treatment", "open"),
        (5, "final_review", "open"),
    ]
    assert [area.code for area in course.sessions.get(position=2).planned_areas.all()] == [clinic.areas()[0].code]
    assert [(c.from_state, c.to_state, c.by) for c in course.changes.all()] == [("", "open", clinic.receptionist)]


def test_a_face_a_second_course_and_a_dead_patient_are_all_named_at_once(clinic):
    course = clinic.course()
    face = Area.objects.filter(region="face").first()
    course.patient.__class__.objects.filter(pk=course.patient_id).update(deceased_on=MONDAY)
    before = Course.objects.count()

    with pytest.raises(booking.NotStartable) as refused:
        clinic.course(course.patient, areas=[face], lead=clinic.staff["room"][0])

    assert codes(refused) == [
        "patient_inactive",
        "area_not_allowed",
        "lead_not_a_practitioner",
        "course_already_open",
    ]
    assert Course.objects.count() == before


def test_a_protocol_with_areas_asks_for_them(clinic):
    with pytest.raises(booking.NotStartable) as refused:
        clinic.course(areas=[])

    assert codes(refused) == ["areas_missing"]


def test_a_draft_cannot_be_used(clinic):
    clinic.version.__class__.objects.filter(pk=clinic.version.pk).update(state="draft")

    with pytest.raises(booking.NotStartable) as refused:
        clinic.course()

    assert codes(refused) == ["protocol_not_usable"]


def test_an_assessment_made_before_the_course_counts_as_its_first_session(clinic):
    earlier = clinic.course()
    clinic.assess(earlier)
    visits.end_course(earlier, reason="moved away", by=clinic.receptionist, now=clinic.now)
    clinic.wait(days=3)

    course = clinic.course(earlier.patient)

    opening = course.sessions.get(step_key="assessment")
    assert (opening.state, opening.performed_on) == ("performed", MONDAY)


@pytest.mark.parametrize(("days", "is_suitable"), [(400, True), (3, False)])
def test_an_assessment_that_is_too_old_or_found_against_it_is_to_be_made_again(clinic, days, is_suitable):
    earlier = clinic.course()
    clinic.assess(earlier, is_suitable=is_suitable)
    visits.end_course(earlier, reason="moved away", by=clinic.receptionist, now=clinic.now)
    clinic.wait(days=days)

    course = clinic.course(earlier.patient)

    assert course.sessions.get(step_key="assessment").state == "open"


def test_who_works_here_no_longer_may_nothing(clinic):
    left = build.user(is_superuser=True, is_active=False)

    with pytest.raises(NotAllowed):
        booking.start_course(
            build.patient(), clinic.version, clinic.site, areas=clinic.areas(), by=left, now=clinic.now
        )


def test_a_wish_for_a_day_that_no_week_has_is_refused(clinic):
    with pytest.raises(RuleBroken) as refused:
        clinic.course(wishes=facts.Wishes(weekdays=frozenset({7})))

    assert codes(refused) == ["weekday_unknown"]


def test_somebody_without_a_role_at_the_site_may_not(clinic):
    stranger = build.user(at=build.site())

    with pytest.raises(NotAllowed) as refused:
        booking.start_course(
            build.patient(), clinic.version, clinic.site, areas=clinic.areas(), by=stranger, now=clinic.now
        )

    assert codes(refused) == ["role_missing"]


# --- propose ----------------------------------------------------------------------------------------------------------


def test_a_plan_holds_every_session_about_a_month_apart(clinic):
    course = clinic.cleared_course()

    plan = clinic.propose(course)

    assert [planned.slot.on for planned in plan.sessions] == [MONDAY, date(2027, 2, 1), date(2027, 3, 1)]
    assert plan.proven
    assert plan.cost == facts.CostParts()


def test_gates_that_open_later_are_reported_as_pending(clinic):
    course = clinic.cleared_course()

    plan = clinic.propose(course)

    states = [{answer.state.value for answer in planned.gates} for planned in plan.sessions]
    assert states == [set(), {"pending"}, {"pending"}]


def test_a_plan_without_an_assessment_is_shown_and_says_so(clinic):
    plan = clinic.propose(clinic.course())

    closed = [[answer.code for answer in planned.gates if answer.state == "closed"] for planned in plan.sessions]
    assert all({"assessment_missing", "consent_missing", "answer_missing"} <= set(found) for found in closed)


def test_no_plan_says_why_per_session_and_what_would_help(clinic):
    wishes = facts.Wishes(weekdays=frozenset({6}), strict=True)
    course = clinic.cleared_course(wishes=wishes)

    with pytest.raises(booking.NoPlan) as refused:
        clinic.propose(course)

    problems = refused.value.problems
    assert [problem.where for problem in problems] == [str(session.uid) for session in build.sessions_of(course)]
    assert {problem.code for problem in problems} == {"wish_missed"}
    *others, last = problems
    assert [problem.details["relaxations"] for problem in others] == [[]] * len(others)
    [way] = last.details["relaxations"]
    assert [thing["code"] for thing in way["gives_up"]] == ["without_weekdays"]
    assert [(one["session"], one["on"]) for one in way["sessions"]] == [
        (str(session.uid), f"2027-0{month}-0{on}")
        for session, (month, on) in zip(build.sessions_of(course), [(1, 4), (2, 1), (3, 1)], strict=True)
    ]
    assert last.details["is_smallest"]
    assert last.message == (
        "Session 4, Mon 4 January 2027 to Thu 3 June 2027: The patient cannot come at the times that are free. "
        "There is a plan if the patient comes on other weekdays: session 2 on Mon 4 January 2027, 09:00; "
        "session 3 on Mon 1 February 2027, 09:00; session 4 on Mon 1 March 2027, 09:00."
    )


def test_what_is_asked_of_a_plan_is_given_and_kept_nowhere(clinic):
    course = clinic.cleared_course()
    _first, second, _third = build.sessions_of(course)
    ask = facts.Ask(
        every=facts.Terms(weekdays=frozenset({2}), until_minute=12 * 60),
        sessions=(facts.SessionTerms(second.uid, facts.Terms(on=date(2027, 2, 17), at_minute=10 * 60)),),
        starts_from=date(2027, 1, 18),
    )

    [best, *_others] = booking.propose_course(course, now=clinic.now, ask=ask, explained=True)

    assert [(s.slot.on, s.slot.tick) for s in best.plan.sessions][:2] == [
        (date(2027, 1, 20), 9 * 60),
        (date(2027, 2, 17), 10 * 60),
    ]
    assert {one.session for one in best.nearer} == {s.slot.session for s in best.plan.sessions}
    assert {one.code for one in best.nearer[0].dates} == {"not_asked"}
    assert booking.propose_course(course, now=clinic.now)[0].plan.sessions[0].slot.on == date(2027, 1, 4)


def test_an_ask_that_contradicts_itself_is_refused_with_everything_in_it(clinic):
    course = clinic.cleared_course()
    first = build.sessions_of(course)[0]
    ask = facts.Ask(
        every=facts.Terms(weekdays=frozenset({0}), from_minute=600, until_minute=600),
        sessions=(facts.SessionTerms(first.uid, facts.Terms(only_with=frozenset({first.uid}))),),
        starts_from=date(2027, 3, 1),
        ends_before=date(2027, 2, 1),
    )

    with pytest.raises(booking.AskContradicts) as refused:
        booking.propose_course(course, now=clinic.now, ask=ask)

    assert (refused.value.code, refused.value.status) == ("ask_contradicts", 400)
    assert [(problem.code, problem.where, problem.message) for problem in refused.value.problems] == [
        (
            "ends_before_start",
            "ends_before",
            "The course would end before it starts. Choose a date after Mon 1 March 2027.",
        ),
        ("hours_empty", "every.until_time", "“Not before” must be earlier than “done by”."),
        ("practitioner_unknown", "sessions.0.only_with", "There is no such practitioner at this site."),
    ]


def test_a_longer_horizon_may_be_what_would_help(clinic):
    clinic.site.booking_horizon_days = 40
    clinic.site.save(update_fields=["booking_horizon_days"])
    course = clinic.cleared_course()

    with pytest.raises(booking.NoPlan) as refused:
        booking.propose_course(course, now=clinic.now)

    [stuck] = [problem for problem in refused.value.problems if problem.details["relaxations"]]
    assert "horizon" in {thing["code"] for way in stuck.details["relaxations"] for thing in way["gives_up"]}


@pytest.mark.parametrize("days", [0, 1])
def test_a_horizon_of_no_days_is_answered(clinic, days):
    clinic.site.booking_horizon_days = days
    clinic.site.save(update_fields=["booking_horizon_days"])

    with pytest.raises(booking.NoPlan):
        booking.propose_course(clinic.cleared_course(), now=clinic.now)


def test_a_course_whose_sessions_are_all_booked_has_nothing_to_plan(clinic):
    course = clinic.booked_course()

    with pytest.raises(booking.NoPlan) as refused:
        clinic.propose(course)

    assert [(problem.code, problem.message) for problem in refused.value.problems] == [
        (
            "nothing_to_plan",
            "Every session of this course is over, has a visit, or is booked by itself when it falls due.",
        )
    ]


# --- book -------------------------------------------------------------------------------------------------------------


def test_a_series_is_booked_whole_with_its_places_changes_and_one_confirmation(clinic):
    course = clinic.cleared_course()
    plan = clinic.propose(course)

    appointments = booking.book_course(course, slots(plan), by=clinic.receptionist, now=clinic.now)

    assert [(a.on, a.at_time, a.minutes, a.state, a.revision, a.calendar_sequence) for a in appointments] == [
        (MONDAY, time(9), 65, "booked", 1, 0),
        (date(2027, 2, 1), time(9), 65, "booked", 1, 0),
        (date(2027, 3, 1), time(9), 65, "booked", 1, 0),
    ]
    uses = appointments[0].occupancies.order_by("phase", "role")
    assert [(use.role, use.place, use.during.lower.hour, use.during.upper.minute) for use in uses] == [
        ("injector", 1, 9, 45),
        ("room", 1, 9, 45),
        ("supervisor", 1, 9, 5),
    ]
    assert list(Message.objects.filter(kind="confirmation").values_list("state", flat=True)) == ["pending"]
    assert StateChange.objects.filter(appointment__in=appointments, to_state="booked").count() == 3


def test_windows_are_kept_on_the_sessions_for_lists(clinic):
    course = clinic.booked_course()

    kept = course.sessions.order_by("position").values_list(
        "earliest_on", "target_on", "overdue_on", "window_is_provisional"
    )

    assert list(kept) == [
        (None, None, None, False),
        (None, None, None, False),
        (date(2027, 2, 1), date(2027, 2, 4), date(2027, 3, 29), True),
        (date(2027, 3, 1), date(2027, 3, 1), date(2027, 4, 26), True),
        (date(2027, 4, 26), date(2027, 5, 10), date(2027, 6, 7), True),
    ]


def test_everything_that_is_wrong_is_named_and_nothing_is_written(clinic):
    course = clinic.course()
    plan = clinic.propose(course)
    before = written()

    with pytest.raises(booking.NotBookable) as refused:
        booking.book_course(course, slots(plan), by=clinic.receptionist, now=clinic.now)

    asked = set(codes(refused))
    assert {"assessment_missing", "reflux_not_checked", "consent_missing", "answer_missing"} <= asked
    assert written() == before


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"assessed_on": date(2025, 12, 1)}, {"assessment_expired"}),
        ({"is_suitable": False}, {"assessment_unsuitable", "course_on_hold"}),
        ({"reflux": "untreated"}, {"reflux_untreated"}),
    ],
)
def test_an_assessment_that_does_not_hold_refuses_booking(clinic, fields, expected):
    course = clinic.course()
    plan = clinic.propose(course)
    clinic.consent(course)
    clinic.answer_all(course)
    clinic.assess(course, **fields)

    with pytest.raises(booking.NotBookable) as refused:
        booking.book_course(course, slots(plan), by=clinic.receptionist, now=clinic.now)

    assert set(codes(refused)) == expected


def test_an_unsigned_consent_refuses_booking(clinic):
    course = clinic.course()
    clinic.assess(course)
    clinic.answer_all(course)
    clinic.consent(course, signed_on=None)
    plan = clinic.propose(course)

    with pytest.raises(booking.NotBookable) as refused:
        booking.book_course(course, slots(plan), by=clinic.receptionist, now=clinic.now)

    assert set(codes(refused)) == {"consent_missing"}


def test_part_of_a_series_is_refused(clinic):
    course = clinic.cleared_course()
    plan = clinic.propose(course)

    with pytest.raises(booking.NotBookable) as refused:
        booking.book_course(course, slots(plan)[:2], by=clinic.receptionist, now=clinic.now)

    assert [(problem.code, problem.where) for problem in refused.value.problems] == [
        ("session_missing", str(plan.sessions[2].slot.session))
    ]


def test_a_plan_that_is_booked_already_is_refused_in_words(clinic):
    course = clinic.cleared_course()
    plan = slots(clinic.propose(course))
    clinic.book(course)
    before = written()

    with pytest.raises(booking.NotBookable) as refused:
        booking.book_course(course, plan, by=clinic.receptionist, now=clinic.now)

    assert codes(refused) == ["already_booked"] * 3
    assert written() == before


def test_the_second_of_two_equal_plans_is_told_what_is_taken(clinic):
    clinic.__class__(now=clinic.now)  # another site changes nothing
    first, second = clinic.cleared_course(), clinic.cleared_course(build.patient(email=""))
    plan = clinic.propose(first)
    moved = [
        dataclasses.replace(s, session=other.uid)
        for s, other in zip(slots(plan), build.sessions_of(second), strict=True)
    ]
    clinic.book(first)
    before = written()

    with pytest.raises(booking.NotBookable) as refused:
        booking.book_course(second, moved, by=clinic.receptionist, now=clinic.now)

    assert set(codes(refused)) == {"resource_busy"}
    assert written() == before


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"on": "2027-01-01"}, "in_the_past"),
        ({"at": "07:00"}, "in_the_past"),
        ({"at": "12:00"}, "off_duty"),
        ({"on": "2027-01-09"}, "off_duty"),
        ({"on": "2027-01-05"}, "site_closed"),
        ({"at": "10:03"}, "off_grid"),
        ({"on": "2029-01-05"}, "beyond_horizon"),
    ],
)
def test_a_time_that_cannot_be_is_refused_by_its_name(clinic, change, code):
    closure = {"first_on": date(2027, 1, 5), "last_on": date(2027, 1, 5), "name": "Holiday", "recorded_at": clinic.now}
    clinic.site.closures.create(**closure)
    course = clinic.cleared_course()
    data = [booking.slot_as_data(slot, clinic.site) for slot in slots(clinic.propose(course))]
    data[0] |= change
    before = written()

    with pytest.raises(booking.NotBookable) as refused:
        booking.book_course(course, booking.slots_from(data, course), by=clinic.receptionist, now=clinic.now)

    first = [problem.code for problem in refused.value.problems if problem.where == data[0]["session"]]
    assert code in first
    assert written() == before


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {},
        ["x"],
        [{}],
        [{"session": "not-a-uuid"}],
        [{"session": "6b0b7b58-3a3b-4f7e-9a1d-0d6a3b1f2c3d", "on": "soon", "at": "10:00", "lead": "x", "uses": []}],
    ],
)
def test_a_plan_that_is_not_one_is_refused_with_its_path(clinic, data):
    course = clinic.cleared_course()

    with pytest.raises(booking.PlanUnreadable) as refused:
        booking.slots_from(data, course)

    assert refused.value.problems[0].where.startswith("slots")


@pytest.mark.parametrize(
    "change",
    [
        {"on": "9999-12-31"},
        {"on": "0001-01-01"},
        {"at": "09:00:30"},
        {"at": "09:00+05:00"},
        {"uses": [{"phase": 1e999, "role": "injector", "resource": "x", "place": 1}]},
    ],
)
def test_a_slot_outside_the_calendar_or_between_minutes_is_unreadable(clinic, change):
    course = clinic.cleared_course()
    data = [booking.slot_as_data(slot, clinic.site) for slot in slots(clinic.propose(course))]
    data[1] |= change

    with pytest.raises(booking.PlanUnreadable) as refused:
        booking.slots_from(data, course)

    assert refused.value.problems[0].where == "slots[1]"


def test_a_plan_reads_back_as_it_was_shown(clinic):
    course = clinic.cleared_course()
    plan = slots(clinic.propose(course))

    assert booking.slots_from([booking.slot_as_data(slot, clinic.site) for slot in plan], course) == plan


def test_a_course_that_is_over_is_not_booked(clinic):
    course = clinic.cleared_course()
    plan = clinic.propose(course)
    visits.end_course(course, reason="moved away", by=clinic.receptionist, now=clinic.now)

    with pytest.raises(booking.NotPossibleNow) as refused:
        booking.book_course(course, slots(plan), by=clinic.receptionist, now=clinic.now)

    assert codes(refused) == ["course_ended"]


# --- the last wall ----------------------------------------------------------------------------------------------------


def test_the_database_refuses_what_the_acts_would_never_write(clinic):
    course = clinic.booked_course()
    visit = build.visits_of(course)[0]
    use = visit.occupancies.all()[0]

    def refused(sql: str) -> str:
        with pytest.raises(IntegrityError) as error, transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql)
        diagnosis: Any = getattr(error.value.__cause__, "diag", None)
        return str(diagnosis.constraint_name or diagnosis.column_name)

    copy = (
        "INSERT INTO scheduling_occupancy (appointment_id, phase, role, resource_id, place, during) "
        f"SELECT appointment_id, 9, 'copy', resource_id, place, {{}} FROM scheduling_occupancy WHERE id = {use.pk}"
    )
    assert refused(copy.format("during")) == "resource_place_is_taken_once_at_a_time"
    assert refused(copy.format("'empty'::tstzrange")) == "occupancy_ends_after_it_starts"
    assert refused(copy.format("tstzrange(now(), NULL)")) == "occupancy_ends_after_it_starts"
    assert refused(copy.format("tstzrange(now(), now() + '1 h', '[]')")) == "occupancy_ends_after_it_starts"
    assert refused(copy.format("tstzrange(now(), 'infinity')")) == "occupancy_ends_some_day"
    assert refused(copy.format("NULL")) == "during"
    assert (
        refused(f"UPDATE scheduling_appointment SET during = 'empty'::tstzrange WHERE id = {visit.pk}")
        == "appointment_ends_after_it_starts"
    )
    other = build.visits_of(course)[1]
    assert (
        refused(
            f"UPDATE scheduling_appointment SET during = first.during FROM scheduling_appointment first "
            f"WHERE first.id = {visit.pk} AND scheduling_appointment.id = {other.pk}"
        )
        == "patient_is_in_one_place_at_a_time"
    )


def test_a_clash_that_the_rules_did_not_see_is_a_conflict_by_the_constraints_name(clinic):
    course = clinic.cleared_course()
    other = clinic.booked_course(build.patient(email=""))
    theirs = roster.slot_of(build.visits_of(other)[0])
    session = build.sessions_of(course)[0]

    with pytest.raises(Conflict) as refused:
        act(booking.place)(
            course, [dataclasses.replace(theirs, session=session.uid)], by=clinic.receptionist, now=clinic.now
        )

    assert codes(refused) == ["resource_place_is_taken_once_at_a_time"]
    assert Session.objects.get(pk=session.pk).appointments.count() == 0


def test_an_expired_reservation_is_out_of_the_way_and_is_released(clinic):
    course = clinic.cleared_course()
    other = build.sessions_of(clinic.cleared_course(build.patient(email="")))[0]
    slot = slots(clinic.propose(course))[0]
    kept = Reservation.objects.create(
        session=other,
        purpose="choosing",
        on=slot.on,
        at_time=time(9),
        minutes=65,
        created_at=clinic.now - timedelta(minutes=20),
        expires_at=clinic.now - timedelta(minutes=10),
    )
    injector = clinic.staff["injector"][0].__class__.objects.get(uid=slot.lead)
    start = localtime.day_shape(slot.on, clinic.site.zone).starts_at + timedelta(minutes=slot.tick)
    during = DateTimeTZRange(start, start + timedelta(minutes=45))
    taken = Occupancy(reservation=kept, phase=0, role="injector", resource=injector, during=during)
    occupancies.occupy([taken], now=clinic.now)

    clinic.book(course)

    kept.refresh_from_db()
    assert kept.released_at == clinic.now
    assert build.visits_of(course)[0].on == MONDAY


def test_a_standing_reservation_is_taken_time(clinic):
    course = clinic.cleared_course()
    other = build.sessions_of(clinic.cleared_course(build.patient(email="")))[0]
    kept = Reservation.objects.create(
        session=other,
        purpose="choosing",
        on=MONDAY,
        at_time=time(9),
        minutes=65,
        created_at=clinic.now,
        expires_at=clinic.now + timedelta(minutes=10),
    )
    start = localtime.day_shape(MONDAY, clinic.site.zone).starts_at
    for injector in clinic.staff["injector"]:
        during = DateTimeTZRange(start + timedelta(hours=9), start + timedelta(hours=17))
        taken = Occupancy(reservation=kept, phase=0, role="injector", resource=injector, during=during)
        occupancies.occupy([taken], now=clinic.now)

    assert slots(clinic.propose(course))[0].on == date(2027, 1, 5)


def test_an_assessment_made_before_is_taken_over_as_the_consultation_and_leaves_the_patch_test(db):
    clinic = build.Clinic(key="laser_hair_removal")
    course = clinic.course()
    clinic.assess(course)
    visits.end_course(course, reason="moved away", by=clinic.receptionist, now=clinic.now)

    again = clinic.course(course.patient)

    assert list(again.sessions.filter(step__kind="assessment").values_list("step_key", "state", "performed_on")) == [
        ("consultation", "performed", clinic.today),
        ("patch_test", "open", None),
    ]
