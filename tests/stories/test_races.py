"""Two people want the same time at the same moment: real threads, real transactions, the real database."""

from __future__ import annotations

import uuid
from collections import Counter
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from knox.models import AuthToken

from clinic.models import IdempotencyKey
from scheduling import booking, replanning, roster, visits
from scheduling.models import (
    Appointment,
    CancelReason,
    Course,
    Message,
    Occupancy,
    Proposal,
    Session,
    StateChange,
)
from scheduling.models.appointments import AskedBy
from scheduling.planner import facts
from tests import build

from .racing import DEADLOCKS, OVERLAPS, ROUNDS, Rival, asked, at_once

THREADS = 8


def best_slots(course: Course, clinic: build.Clinic) -> list[facts.Slot]:
    return [planned.slot for planned in booking.propose_course(course, now=clinic.now)[0].plan.sessions]


def written_for(course: Course) -> tuple[int, int, int, int]:
    """How many appointments, occupancies, messages and changes of state there are for a course."""
    visits_of = Appointment.objects.filter(session__course=course)
    taken = Occupancy.objects.filter(appointment__session__course=course)
    changes = StateChange.objects.filter(course=course, appointment__isnull=False)
    return visits_of.count(), taken.count(), Message.objects.filter(course=course).count(), changes.count()


@pytest.fixture
def clinic(transactional_db: None) -> build.Clinic:
    return build.Clinic()


# --- the acts ---------------------------------------------------------------------------------------------------------


def test_of_two_equal_bookings_exactly_one_wins_and_the_other_leaves_nothing(clinic):
    outcomes: Counter[str] = Counter()

    for _round in range(ROUNDS):
        courses = [clinic.cleared_course() for _ in range(2)]
        wanted = [best_slots(course, clinic) for course in courses]
        assert [[(slot.on, slot.tick, slot.uses) for slot in slots] for slots in wanted[:1]] == [
            [(slot.on, slot.tick, slot.uses) for slot in slots] for slots in wanted[1:]
        ]

        def book(number: int, courses: list[Course] = courses, wanted: list[list[facts.Slot]] = wanted) -> None:
            booking.book_course(courses[number], wanted[number], by=clinic.receptionist, now=clinic.now)

        results = at_once(lambda: book(0), lambda: book(1))
        outcomes.update(results)
        loser = courses[results.index("not_bookable")]
        assert written_for(loser) == (0, 0, 0, 0)
        assert written_for(next(course for course in courses if course != loser))[:2] == (3, 9)

    assert outcomes == {"done": ROUNDS, "not_bookable": ROUNDS}
    assert asked(OVERLAPS) == 0


def test_a_patient_who_is_booked_at_two_sites_at_once_gets_one_of_the_times(clinic):
    elsewhere, patient = build.Clinic(key="hepatitis_b"), build.patient()
    course, other = clinic.cleared_course(patient), elsewhere.cleared_course(patient, areas=[])
    wanted, also_wanted = best_slots(course, clinic), best_slots(other, elsewhere)
    assert (wanted[0].on, wanted[0].tick) == (also_wanted[0].on, also_wanted[0].tick)

    results = at_once(
        lambda: booking.book_course(course, wanted, by=clinic.receptionist, now=clinic.now),
        lambda: booking.book_course(other, also_wanted, by=elsewhere.receptionist, now=clinic.now),
    )

    assert sorted(results) == ["done", "not_bookable"]
    assert written_for([course, other][results.index("not_bookable")]) == (0, 0, 0, 0)
    assert asked(OVERLAPS) == 0


def test_many_who_want_overlapping_times_never_deadlock_and_never_overlap(clinic):
    rivals = [Rival(clinic, clinic.cleared_course(), Random(number)) for number in range(THREADS)]
    deadlocks = asked(DEADLOCKS)

    assert at_once(*rivals) == ["done"] * THREADS

    codes = Counter(code for rival in rivals for code in rival.codes)
    assert codes.keys() <= {"done", "not_bookable"}
    assert codes["done"] >= THREADS
    assert asked(OVERLAPS) == 0
    assert asked(DEADLOCKS) == deadlocks


def test_a_visit_that_is_cancelled_and_moved_at_once_ends_as_one_of_the_two(clinic):
    course = clinic.booked_course()
    visit = build.visits_of(course)[0]
    later = visits.free_times(visit.session, first_on=visit.on, last_on=visit.on, now=clinic.now, limit=5)[-1].slot
    how = {"reason": CancelReason.PATIENT_ILL, "asked_by": AskedBy.PATIENT}

    results = at_once(
        lambda: visits.cancel(visit, **how, by=clinic.receptionist, now=clinic.now),
        lambda: visits.move(visit, later, by=clinic.receptionist, now=clinic.now),
    )

    visit.refresh_from_db()
    assert visit.state == "cancelled"
    assert results in (["done", "done"], ["done", "illegal_transition"])
    assert Occupancy.objects.standing().filter(appointment=visit).count() == 0


def test_a_proposal_that_two_people_apply_at_once_is_applied_once(clinic):
    course = clinic.booked_course()
    clinic.now = build.visits_of(course)[0].during.lower + timedelta(days=4, hours=2)
    proposal = clinic.perform(build.sessions_of(course)[0]).proposal
    assert proposal is not None

    results = at_once(*(lambda: replanning.apply(proposal, by=clinic.receptionist, now=clinic.now) for _ in range(2)))

    assert sorted(results) == ["done", "proposal_overtaken"]
    assert [visit.revision for visit in build.visits_of(course)] == [2] * len(proposal.moves.all())
    assert Message.objects.filter(course=course, kind="changed").count() == 1


def test_a_session_that_is_recorded_twice_at_once_took_place_once(clinic):
    course = clinic.booked_course()
    clinic.now = build.visits_of(course)[0].during.lower + timedelta(hours=2)
    session = build.sessions_of(course)[0]

    results = at_once(*(lambda: clinic.perform(session) for _ in range(2)))

    assert sorted(results) == ["done", "illegal_transition"]
    assert StateChange.objects.filter(session=session, to_state="performed", appointment=None).count() == 1
    assert Message.objects.filter(session=session, kind="aftercare").count() == 1


# --- past the acts ----------------------------------------------------------------------------------------------------


@pytest.fixture
def booked(db: None) -> Course:
    return build.Clinic().booked_course()


def refused(statement: str, *values: Any) -> str:
    """Run raw SQL that must not succeed, and return what refused it."""
    with pytest.raises(IntegrityError) as caught, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, values)
    diagnosis = caught.value.__cause__.diag
    return str(diagnosis.constraint_name or f"{diagnosis.column_name} is null")


def test_raw_sql_cannot_take_a_place_twice(booked):
    taken = Occupancy.objects.filter(appointment__session__course=booked).first()

    assert taken is not None
    assert (
        refused(
            "INSERT INTO scheduling_occupancy (appointment_id, phase, role, resource_id, place, during)"
            " SELECT appointment_id, phase, role, resource_id, place,"
            " tstzrange(upper(during) - interval '1 second', upper(during) + interval '1 hour')"
            " FROM scheduling_occupancy WHERE id = %s",
            taken.pk,
        )
        == "resource_place_is_taken_once_at_a_time"
    )


def test_raw_sql_cannot_put_a_patient_in_two_places(booked):
    first, second, _third = build.visits_of(booked)

    assert (
        refused("UPDATE scheduling_appointment SET during = %s WHERE id = %s", first.during, second.pk)
        == "patient_is_in_one_place_at_a_time"
    )


def test_raw_sql_cannot_give_a_session_two_visits(booked):
    first, second, _third = build.visits_of(booked)

    assert (
        refused("UPDATE scheduling_appointment SET session_id = %s WHERE id = %s", first.session_id, second.pk)
        == "session_has_one_live_appointment"
    )


SPANS_THE_EXCLUSION_WOULD_LET_PASS = {
    "'empty'::tstzrange": "ends_after_it_starts",
    "tstzrange(lower(during), NULL)": "ends_after_it_starts",
    "tstzrange(NULL, upper(during))": "ends_after_it_starts",
    "tstzrange(lower(during), 'infinity')": "ends_some_day",
    "tstzrange('-infinity', upper(during))": "ends_some_day",
    "tstzrange(lower(during), upper(during), '[]')": "ends_after_it_starts",
    "tstzrange(lower(during), upper(during), '(]')": "ends_after_it_starts",
}


@pytest.mark.parametrize("table", ["appointment", "occupancy"])
def test_raw_sql_cannot_write_a_span_that_is_none(booked, table):
    one_row = f"WHERE id = (SELECT min(id) FROM scheduling_{table})"
    found = {
        span: refused(f"UPDATE scheduling_{table} SET during = {span} {one_row}")
        for span in SPANS_THE_EXCLUSION_WOULD_LET_PASS
    }

    assert found == {span: f"{table}_{fact}" for span, fact in SPANS_THE_EXCLUSION_WOULD_LET_PASS.items()}


def test_raw_sql_cannot_leave_out_what_the_exclusion_compares(booked):
    assert refused("UPDATE scheduling_appointment SET during = NULL") == "during is null"
    assert refused("UPDATE scheduling_appointment SET patient_id = NULL") == "patient_id is null"
    assert refused("UPDATE scheduling_occupancy SET during = NULL") == "during is null"
    assert refused("UPDATE scheduling_occupancy SET resource_id = NULL") == "resource_id is null"
    assert refused("UPDATE scheduling_occupancy SET place = NULL") == "place is null"


# --- two visits change places -----------------------------------------------------------------------------------------


def later(slots: list[dict[str, Any]], course: Course) -> list[dict[str, Any]]:
    """The same days and people for another patient, when the injector is free again: at a quarter to ten."""
    sessions = build.sessions_of(course)
    return [slot | {"session": str(session.uid), "at": "09:45"} for slot, session in zip(slots, sessions, strict=True)]


def test_two_visits_of_two_courses_change_places_in_one_transaction(clinic):
    one, other = clinic.cleared_course(), clinic.cleared_course()
    slots = [booking.slot_as_data(slot, clinic.site) for slot in best_slots(one, clinic)]
    assert slots[0]["at"] == "09:00"
    for course, data in ((one, slots), (other, later(slots, other))):
        booking.book_course(course, booking.slots_from(data, course), by=clinic.receptionist, now=clinic.now)
    early, late = build.visits_of(one)[0], build.visits_of(other)[0]
    proposal = Proposal.objects.create(site=clinic.site, reason="swap", made_at=clinic.now)
    for visit, target in ((early, late), (late, early)):
        build.move_to(
            proposal, visit, build.slot(target, session=str(visit.session.uid)), from_slot=booking.when_as_data(visit)
        )

    moved = replanning.apply(proposal, by=clinic.receptionist, now=clinic.now)

    assert [(visit.pk, f"{visit.at_time:%H:%M}", visit.revision, visit.calendar_sequence) for visit in moved] == [
        (early.pk, "09:45", 2, 1),
        (late.pk, "09:00", 2, 1),
    ]
    assert asked(OVERLAPS) == 0
    assert Message.objects.filter(kind="changed", state="pending").count() == 2
    assert roster.slot_of(Appointment.objects.get(pk=early.pk)).uses[0].resource == uuid.UUID(
        slots[0]["uses"][0]["resource"]
    )


# --- one request, sent twice ------------------------------------------------------------------------------------------


@pytest.fixture
def clock(clinic: build.Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.utils.timezone.now", lambda: clinic.now)


def test_a_request_sent_twice_at_the_same_moment_books_once(clinic, clock):
    course = clinic.cleared_course()
    body = {"slots": [booking.slot_as_data(slot, clinic.site) for slot in best_slots(course, clinic)]}
    _kept, token = AuthToken.objects.create(user=clinic.receptionist)
    headers = {"Authorization": f"Token {token}", "Idempotency-Key": "one-click"}
    answers: list[Any] = []

    def send() -> None:
        path = f"/api/v1/courses/{course.uid}/book/"
        answers.append(Client(raise_request_exception=False).post(path, body, "application/json", headers=headers))

    at_once(send, send)

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert sorted(answer.headers.get("Idempotency-Replayed", "") for answer in answers) == ["", "true"]
    assert written_for(course)[:2] == (3, 9)
    assert IdempotencyKey.objects.count() == 1
    assert Session.objects.filter(course=course, appointments__isnull=False).count() == 3
