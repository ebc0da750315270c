"""Visits that cannot take place where they are: listed until they are moved, cancelled or covered again."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from scheduling import absences, closures, holds, reexamination, replanning, staffing, visits, worklists
from scheduling.models import Absence, Course, Proposal
from tests import build

pytestmark = pytest.mark.django_db

FEBRUARY = date(2027, 2, 1)  # of the second visit


def examine(clinic: build.Clinic) -> None:
    """Let the jobs do all there is: look, and work out what is proposed."""
    while reexamination.go_on(clinic.now):
        pass
    while replanning.work_out_next(clinic.now, seconds=2):
        pass


def a_night(clinic: build.Clinic) -> None:
    clinic.now = datetime.combine(clinic.today + timedelta(days=1), time(3), UTC)
    reexamination.begin_nights(clinic.now)
    examine(clinic)


def discard(clinic: build.Clinic) -> None:
    replanning.discard(Proposal.objects.get(state="open"), by=clinic.receptionist, now=clinic.now)


def nobody_there(clinic: build.Clinic, on: date = FEBRUARY) -> list[Absence]:
    """All who inject are away on the day of a visit."""
    return [
        absences.record(absences.AbsenceDetails(lead, on, on), by=clinic.manager, now=clinic.now)
        for lead in clinic.staff["injector"]
    ]


def listed(clinic: build.Clinic) -> list[tuple[date, list[str], str]]:
    """The visits of which nothing is proposed as the worklist has them: date, why, who has discarded the proposal."""
    rows = [
        row for one in worklists.worklist([clinic.site], now=clinic.now) if one.kind == "uncovered" for row in one.rows
    ]
    assert [row.visit.on for row in rows] == sorted(row.visit.on for row in rows)
    return [(row.visit.on, [one.message for one in row.why], row.discarded_by) for row in rows]


@pytest.fixture
def course(clinic: build.Clinic) -> Course:
    """A course with a visit on 1 February that nobody can do; what was proposed for it is discarded."""
    course = clinic.booked_course()
    nobody_there(clinic)
    examine(clinic)
    (row,) = worklists.uncovered([clinic.site], clinic.now)
    assert row.appointment == build.visits_of(course)[1]
    discard(clinic)
    return course


def test_a_visit_stays_listed_when_its_proposal_is_discarded_until_it_begins(clinic, course):
    name = build.visits_of(course)[1].lead.name
    expected = (FEBRUARY, [f"{name} is not working then."], clinic.receptionist.name)
    assert listed(clinic) == [expected]

    clinic.wait(days=26)
    for _night in range(2):
        Proposal.objects.filter(state="discarded").update(decided_at=clinic.now)
        assert listed(clinic) == [expected]
        a_night(clinic)
    assert (listed(clinic), Proposal.objects.filter(state="open").exists()) == ([expected], False)

    clinic.wait(hours=9)
    assert listed(clinic) == []


@pytest.mark.parametrize("how", ["moved", "cancelled"])
def test_a_visit_that_is_moved_or_cancelled_is_not_listed_any_more(clinic, course, how):
    second = build.visits_of(course)[1]
    assert [on for on, _why, _by in listed(clinic)] == [second.on]

    if how == "moved":
        later = second.on + timedelta(days=1)
        (free,) = visits.free_times(second.session, first_on=later, last_on=later, now=clinic.now, limit=1)
        visits.move(second, free.slot, by=clinic.receptionist, now=clinic.now)
    else:
        visits.cancel(second, reason="patient_ill", asked_by="patient", by=clinic.receptionist, now=clinic.now)

    assert listed(clinic) == []


def test_a_visit_that_is_covered_again_is_not_listed_any_more(clinic, course):
    for absence in Absence.objects.all():
        absences.take_back(absence, by=clinic.manager, now=clinic.now)

    assert listed(clinic) == []  # before any job has looked


def test_what_is_on_hold_and_cannot_take_place_is_listed_too(clinic, course):
    holds.place(course, code="other", reason="ask first", by=clinic.receptionist, now=clinic.now)

    assert [on for on, _why, _by in listed(clinic)] == [FEBRUARY]


def hold(clinic: build.Clinic, course: Course) -> None:
    holds.place(course, code="other", reason="ask first", by=clinic.receptionist, now=clinic.now)


def test_a_visit_of_a_course_on_hold_stays_listed_for_as_long_as_the_hold(clinic):
    course = clinic.booked_course()
    third = build.visits_of(course)[2]
    nobody_there(clinic, third.on)
    examine(clinic)
    discard(clinic)
    hold(clinic, course)

    clinic.wait(days=31)
    a_night(clinic)

    assert listed(clinic) == [(third.on, [f"{third.lead.name} is not working then."], clinic.receptionist.name)]


def test_a_visit_that_loses_its_people_while_its_course_is_on_hold_is_listed(clinic):
    course = clinic.booked_course()
    hold(clinic, course)
    second = build.visits_of(course)[1]

    for lead in clinic.staff["injector"]:
        hours = [
            staffing.WeeklyHours(clinic.site, row.weekday, row.from_time, row.until_time, row.valid_from, second.on)
            for row in lead.hours.all()
        ]
        staffing.set_hours(lead, hours, by=clinic.manager, now=clinic.now)
    a_night(clinic)

    third = build.visits_of(course)[2]
    assert listed(clinic) == [(third.on, [f"{third.lead.name} is not working then."], "")]
    assert not Proposal.objects.exists()


def test_many_courses_on_hold_are_looked_at_in_as_many_statements_as_one(clinic):
    def asked() -> tuple[int, int]:
        with CaptureQueriesContext(connection) as queries:
            found = worklists.not_proposed([clinic.site], clinic.now)
        return len(found), len(queries)

    courses = [clinic.booked_course(build.patient(f"Ines Peña {number}")) for number in range(3)]
    nobody_there(clinic)
    Proposal.objects.all().delete()
    hold(clinic, courses[0])
    _one, statements = asked()
    for course in courses[1:]:
        hold(clinic, course)

    assert asked() == (3, statements)


def test_a_visit_whose_new_time_could_not_be_worked_out_is_listed(clinic):
    clinic.booked_course()
    nobody_there(clinic)
    Proposal.objects.filter(state="making").update(state="failed")

    (row,) = listed(clinic)

    assert (row[0], row[2]) == (FEBRUARY, "")


def test_who_has_decided_about_one_reason_is_asked_again_for_another(clinic, course):
    """The leads come back; then the room is away by its hours, which no proposal has said."""
    second = build.visits_of(course)[1]
    room = second.occupancies.get(resource__kind="room").resource
    hours = [
        staffing.WeeklyHours(clinic.site, row.weekday, row.from_time, row.until_time, row.valid_from, date(2027, 1, 31))
        for row in room.hours.all()
    ]
    for absence in Absence.objects.all():
        absences.take_back(absence, by=clinic.manager, now=clinic.now)
    examine(clinic)
    second.moves.update(why=[{"code": "before_minimum", "message": "too early"}])

    staffing.set_hours(room, hours, by=clinic.manager, now=clinic.now)
    examine(clinic)

    rows = worklists.uncovered([clinic.site], clinic.now)
    assert second in [row.appointment for row in rows]


def test_many_are_looked_at_in_as_many_statements_as_one(clinic, course):
    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            worklists.worklist([clinic.site], now=clinic.now)
        return len(queries)

    one = asked()
    for number in range(3):
        clinic.booked_course(build.patient(f"Ines Peña {number}"))
    last = build.visits_of(course)[2].on
    closed = closures.ClosureDetails(clinic.site, "Flooded", last, last + timedelta(days=1))
    closures.record(closed, by=clinic.manager, now=clinic.now)
    examine(clinic)
    discard(clinic)

    assert (asked(), len(listed(clinic)) > 3) == (one, True)
