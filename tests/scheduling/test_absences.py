"""Recording that somebody will not be there, and taking it back."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, time
from typing import Any

import pytest
from django.db import connection, transaction

from clinic.errors import Refusal, RuleBroken
from clinic.models import Role, User
from scheduling import absences, replanning, staffing
from scheduling.absences import AbsenceDetails
from scheduling.models import Absence, Appointment, Move, Proposal, Resource
from tests import build

NOW = datetime(2027, 1, 4, 8, 0, tzinfo=UTC)
FIRST, LAST = date(2027, 1, 11), date(2027, 1, 15)


def make_resource() -> Resource:
    return staffing.save_resource(staffing.ResourceDetails("practitioner", "Rita"), by=None, now=NOW)


@pytest.fixture
def resource(db: None) -> Resource:
    return make_resource()


@pytest.fixture
def by(db: None) -> User:
    return build.user(Role.RECEPTION, at=build.site(), name="Desk")


def problems_of(refusal: Refusal) -> list[tuple[str, str]]:
    return sorted((problem.code, problem.where) for problem in refusal.problems)


def test_an_absence_is_recorded_whole_days_or_part_of_each(resource, by):
    week = absences.record(AbsenceDetails(resource, FIRST, LAST, "illness", reason=" flu "), by=by, now=NOW)
    mornings = absences.record(
        AbsenceDetails(resource, FIRST, LAST, from_time=time(8), until_time=time(12)), by=None, now=NOW
    )

    names = (
        "kind",
        "first_on",
        "last_on",
        "from_time",
        "until_time",
        "reason",
        "recorded_at",
        "recorded_by",
        "cancelled_at",
    )
    assert list(Absence.objects.order_by("id").values_list("pk", *names)) == [
        (week.pk, "illness", FIRST, LAST, None, None, "flu", NOW, by.pk, None),
        (mornings.pk, "leave", FIRST, LAST, time(8), time(12), "", NOW, None, None),
    ]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"first_on": LAST, "last_on": FIRST}, [("ends_before_it_begins", "last_on")]),
        ({"from_time": time(8)}, [("time_half_given", "until_time")]),
        ({"until_time": time(8)}, [("time_half_given", "from_time")]),
        ({"from_time": time(8), "until_time": time(8)}, [("ends_before_it_starts", "until_time")]),
        ({"from_time": time(8, 0, 1), "until_time": time(9)}, [("not_a_wall_clock_time", "from_time")]),
        ({"last_on": date(9999, 12, 31)}, [("date_too_far", "last_on")]),
        ({"kind": "holiday", "reason": "a\nb"}, [("not_one_line", "reason"), ("unknown_choice", "kind")]),
        ({"first_on": None, "last_on": None}, [("missing", "first_on"), ("missing", "last_on")]),
        (
            {"first_on": LAST, "last_on": FIRST, "from_time": time(8)},
            [("ends_before_it_begins", "last_on"), ("time_half_given", "until_time")],
        ),
    ],
)
def test_what_can_never_be_an_absence_is_refused(resource, changes, expected):
    with pytest.raises(RuleBroken) as refusal:
        absences.record(replace(AbsenceDetails(resource, FIRST, LAST), **changes), by=None, now=NOW)

    assert problems_of(refusal.value) == expected
    assert Absence.objects.count() == 0


def test_nothing_that_is_not_there_is_absent(resource):
    gone = Resource.objects.get(pk=resource.pk)
    resource.delete()

    with pytest.raises(RuleBroken) as refusal:
        absences.record(AbsenceDetails(gone, LAST, FIRST), by=None, now=NOW)

    assert problems_of(refusal.value) == [("ends_before_it_begins", "last_on"), ("resource_unknown", "resource")]


def test_the_same_absence_is_recorded_once_and_again_after_it_was_taken_back(resource, by):
    details = AbsenceDetails(resource, FIRST, LAST)
    absence = absences.record(details, by=by, now=NOW)

    with pytest.raises(absences.AbsenceRecorded) as refusal:
        absences.record(replace(details, kind="illness"), by=by, now=NOW)
    taken_back = absences.take_back(absence, by=by, now=NOW)

    assert (refusal.value.status, problems_of(refusal.value)) == (409, [("absence_already_recorded", "")])
    assert taken_back.cancelled_at == NOW
    with pytest.raises(absences.AbsenceTakenBack):
        absences.take_back(absence, by=by, now=NOW)
    assert absences.record(details, by=by, now=NOW).pk != absence.pk


@pytest.mark.django_db(transaction=True)
def test_an_absence_sent_twice_at_once_is_recorded_once():
    resource, start = make_resource(), threading.Barrier(3)

    def send(_: int) -> str:
        try:
            start.wait(10)
            absences.record(AbsenceDetails(resource, FIRST, LAST), by=None, now=NOW)
        except Refusal as refusal:
            return refusal.code
        else:
            return "recorded"
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=3) as pool:
        outcomes = sorted(pool.map(send, range(3)))

    assert outcomes == ["absence_already_recorded", "absence_already_recorded", "recorded"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("act", ["record", "take_back"])
def test_a_booking_that_holds_the_resource_is_waited_for(act):
    """What a booking takes (NO KEY UPDATE) and what we take (UPDATE) exclude each other."""
    resource = make_resource()
    absence = absences.record(AbsenceDetails(resource, FIRST, FIRST), by=None, now=NOW)

    def send() -> Any:
        try:
            if act == "record":
                return absences.record(AbsenceDetails(resource, FIRST, LAST), by=None, now=NOW)
            return absences.take_back(absence, by=None, now=NOW)
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=1) as pool:
        with transaction.atomic():
            Resource.objects.select_for_update(no_key=True).get(pk=resource.pk)
            sent = pool.submit(send)
            while not _somebody_waits():
                assert not sent.done()
        assert sent.result(10).pk


def _somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("select pg_sleep(0.01), count(*) from pg_locks where not granted and pid <> pg_backend_pid()")
        row = cursor.fetchone()
    return bool(row and row[1])


def test_visits_of_who_is_away_get_a_proposal_and_stay_until_it_is_applied(clinic):
    visit = build.visits_of(clinic.booked_course())[1]
    ill = AbsenceDetails(visit.lead, visit.on, visit.on, kind=Absence.Kind.ILLNESS)

    absence = absences.record(ill, by=clinic.receptionist, now=clinic.now)
    replanning.work_out_next(clinic.now)

    (move,) = Move.objects.filter(proposal__reason="absence")
    assert list(absences.visits_during(absence)) == [visit]
    before, after = move.from_slot or {}, move.to_slot or {}
    assert (move.session, before["on"], after["on"]) == (visit.session, "2027-02-01", "2027-02-01")
    assert (before["lead"], [problem["code"] for problem in move.why]) == (str(visit.lead.uid), ["off_duty"])
    assert after["lead"] != str(visit.lead.uid)
    assert Appointment.objects.get(pk=visit.pk).revision == 1


def test_taking_an_absence_back_withdraws_the_proposals(clinic):
    visit = build.visits_of(clinic.booked_course())[1]
    absence = absences.record(AbsenceDetails(visit.lead, visit.on, visit.on), by=clinic.receptionist, now=clinic.now)
    proposal = replanning.work_out_next(clinic.now)
    assert list(Proposal.objects.open()) == [proposal]

    absences.take_back(absence, by=clinic.receptionist, now=clinic.now)
    replanning.work_out_next(clinic.now)

    proposal.refresh_from_db()
    assert (proposal.state, Proposal.objects.open().count()) == ("stale", 0)
