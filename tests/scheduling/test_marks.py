"""What falls free and must be looked at: leases by the database's clock, looks that die, and what is given up."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from scheduling import marks, sessions, waitlist, worklists
from scheduling.booking import occupancies
from scheduling.models import FreedTime, Session, WaitingListEntry
from tests import build

from .waiting import cancel, first_of, standing, the_offer, three, waits

__all__ = ["three"]

pytestmark = pytest.mark.django_db


def test_a_freed_time_whose_worker_died_is_taken_up_again_by_the_clock_of_the_database(clinic, three):
    cancel(clinic, first_of(three[0]))

    freed = marks.claim_freed(clinic.now)
    assert freed is not None
    with connection.cursor() as cursor:
        cursor.execute("SELECT lease_until - statement_timestamp() < interval '1 hour' FROM scheduling_freedtime")
        assert cursor.fetchall() == [(True,)]  # and not in 2027, as by the clinic's clock
    assert marks.claim_freed(clinic.wait(days=1).now) is None  # a clock that runs ahead takes nothing from the living
    lease_is_over()
    assert waitlist.offer_freed_times(clinic.wait(days=-1).now) == 1


def test_who_was_not_heard_of_for_too_long_writes_nothing_over_who_has_gone_on(clinic, three):
    cancel(clinic, first_of(three[0]))
    slow = marks.claim_freed(clinic.now)
    lease_is_over()
    other = marks.claim_freed(clinic.now)
    assert (slow, slow is None) == (other, False)

    assert not marks.note_whom_it_asks(slow, None)
    marks.end_look(slow, look_at=None, now=clinic.now)
    marks.put_off(slow, until=clinic.now + timedelta(days=1))
    marks.give_up(slow, now=clinic.now)
    marks.let_go_of(slow)

    row = FreedTime.objects.get()
    assert (row.look_at, row.closed_at, row.tries, row.lease_until) == (other.look_at, None, 2, other.lease_until)


def test_who_is_put_on_the_list_during_a_look_is_looked_for_after_it(clinic, three):
    cancel(clinic, first_of(three[0]))
    freed = marks.claim_freed(clinic.now)
    marks.look_again_at(clinic.site, now=clinic.wait(seconds=1).now)

    marks.end_look(freed, look_at=None, now=clinic.now)

    row = FreedTime.objects.get()
    assert (row.look_at, row.closed_at, row.tries, row.lease_until) == (clinic.now, None, 0, None)


def lease_is_over() -> None:
    FreedTime.objects.update(lease_until=Now())


def ticks(clinic: build.Clinic, most: int = 12) -> int:
    """Let beat ring until a tick comes to its end; say how many have died."""
    for died in range(most):
        try:
            waitlist.offer_freed_times(clinic.wait(seconds=15).now)
        except KeyError:
            continue
        return died
    return most


def test_a_course_that_cannot_be_read_is_set_aside_and_keeps_nobody_from_the_time(clinic, three, caplog):
    """Cleo would gain most, but her next session has a step that its version does not have: no act writes that."""
    bad = WaitingListEntry.objects.get(session__course=three[2])
    step = build.sessions_of(three[2])[1].step_key
    Session.objects.filter(course=three[2], position=2).update(step_key="nowhere")
    cancel(clinic, first_of(three[0]))

    assert ticks(clinic) == 1 + WaitingListEntry.SET_ASIDE_AT_TRY  # with all others, and then by itself

    assert [who for who, *_rest in standing(clinic)] == ["Ben Second"]
    (row,) = worklists.not_offered([clinic.site], clinic.now)
    assert (row, row.tries) == (bad, 3)
    assert [r.getMessage() for r in caplog.records if r.levelname == "ERROR"] == [
        f"waiting-list entry {bad.uid} is offered nothing any more: 3 looks have died of it"
    ]
    freed = FreedTime.objects.get()
    assert (freed.tries, freed.lease_until, freed.at_entry, freed.closed_at) == (0, None, None, None)

    # It stops no other time either. Mended, taken off and put on again, she is asked as anybody else.
    cancel(clinic, build.visits_of(three[0])[0])
    assert ticks(clinic) == 0
    Session.objects.filter(course=three[2], position=2).update(step_key=step)
    waitlist.take_off(bad, by=clinic.receptionist, now=clinic.now)
    waits(clinic, three[2])
    waitlist.decline(the_offer(clinic), by=clinic.receptionist, now=clinic.now)
    assert worklists.not_offered([clinic.site], clinic.now) == []
    assert ticks(clinic) == 0
    assert [who for who, *_rest in standing(clinic)] == ["Cleo Third"]


def test_who_ends_a_worker_while_the_time_is_booked_for_them_is_known(clinic, three):
    """Three workers die between writing down whom they make an offer to and having made it."""
    cancel(clinic, first_of(three[0]))
    for _worker in range(WaitingListEntry.SET_ASIDE_AT_TRY):
        freed = marks.claim_freed(clinic.now)
        waitlist._may_be_tried(freed, now=clinic.now)
        waitlist._looked_for_each(freed, waitlist._candidates(freed, clinic.now), now=clinic.now)
        marks.note_whom_it_asks(freed, WaitingListEntry.objects.get(session__course=three[2]))
        lease_is_over()

    assert waitlist.offer_freed_times(clinic.now) == 1
    assert [who for who, *_rest in standing(clinic)] == ["Ben Second"]


def test_one_worker_that_died_is_forgotten_once_the_offer_is_made(clinic, three):
    cleo = WaitingListEntry.objects.get(session__course=three[2])
    cancel(clinic, first_of(three[0]))
    marks.note_whom_it_asks(marks.claim_freed(clinic.now), cleo)
    lease_is_over()

    assert waitlist.offer_freed_times(clinic.now) == 1

    cleo.refresh_from_db()
    assert ([who for who, *_rest in standing(clinic)], cleo.tries) == (["Cleo Third"], 0)


def test_who_has_their_offer_is_not_to_blame_for_a_worker_that_dies_after_it(clinic, three):
    cleo = WaitingListEntry.objects.get(session__course=three[2])
    cancel(clinic, first_of(three[0]))
    freed = marks.claim_freed(clinic.now)
    ((who, slot), *_others) = waitlist.find(freed, now=clinic.now)
    marks.note_whom_it_asks(freed, who)
    waitlist._offer(freed, who, slot, now=clinic.now)
    lease_is_over()

    assert waitlist.offer_freed_times(clinic.now) == 0

    cleo.refresh_from_db()
    assert (who, cleo.tries, [who for who, *_rest in standing(clinic)]) == (cleo, 0, ["Cleo Third"])
    freed.refresh_from_db()
    assert (freed.tries, freed.at_entry, freed.lease_until, freed.closed_at) == (0, None, None, None)


def test_a_look_that_ends_forgives_everybody_for_whom_it_was_though_they_are_offered_nothing(clinic, three):
    """Cleo would have to know too early."""
    cleo = WaitingListEntry.objects.filter(session__course=three[2])
    cleo.update(tries=2, notice_hours=waitlist.MOST_NOTICE_HOURS)
    cancel(clinic, first_of(three[0]))

    assert waitlist.offer_freed_times(clinic.now) == 1

    assert ([who for who, *_rest in standing(clinic)], cleo.get().tries) == (["Ben Second"], 0)


def test_a_careful_look_reads_once_who_waits(clinic, three):
    """Once for one after the other, and once for all together; nobody could come so soon."""
    WaitingListEntry.objects.update(notice_hours=waitlist.MOST_NOTICE_HOURS)
    cancel(clinic, first_of(three[0]))
    FreedTime.objects.update(tries=1)
    freed = marks.claim_freed(clinic.now)

    with CaptureQueriesContext(connection) as said:
        waitlist._offer_all(freed, clinic.now)

    asked = [one["sql"] for one in said if one["sql"].startswith('SELECT "scheduling_waitinglistentry"')]
    assert (len(asked), FreedTime.objects.get().closed_at) == (2, clinic.now)


@pytest.mark.parametrize(
    ("how", "order"),
    [
        ("accept", ["busy map", "freed time", "who waits"]),
        ("take_off", ["busy map", "freed time", "who waits"]),
        ("skip", ["busy map", "freed time"]),
        ("blame", ["freed time", "who waits"]),
    ],
)
def test_what_fell_free_is_locked_after_the_busy_map_and_before_who_waits_for_it(clinic, three, how, order):
    """Or two of these would wait for each other."""
    cancel(clinic, first_of(three[0]))
    waitlist.offer_freed_times(clinic.now)
    offer, by = the_offer(clinic), clinic.receptionist
    FreedTime.objects.update(tries=1, look_at=clinic.now, at_entry=WaitingListEntry.objects.exclude(offers=offer).get())
    freed = marks.claim_freed(clinic.now)
    writes = {
        "busy map": occupancies.LOCK,
        "freed time": 'UPDATE "scheduling_freedtime"',
        "who waits": 'UPDATE "scheduling_waitinglistentry"',
    }
    locked: list[str] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        locked.extend(name for name, write in writes.items() if sql.startswith(write) and name not in locked)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        {
            "accept": lambda: waitlist.accept(offer, by=by, now=clinic.now),
            "take_off": lambda: waitlist.take_off(offer.entry, by=by, now=clinic.now),
            "skip": lambda: sessions.skip_session(
                offer.entry.session, reason="enough", by=clinic.clinician, now=clinic.now
            ),
            "blame": lambda: waitlist._may_be_tried(freed, now=clinic.now),
        }[how]()

    assert locked == order


def test_a_time_that_ends_its_worker_three_times_is_given_up_and_the_desk_is_told(clinic, three, caplog):
    cancel(clinic, first_of(three[0]))
    for tries in (1, 2, 3):
        freed = marks.claim_freed(clinic.now)
        assert freed is not None
        assert freed.tries == tries
        lease_is_over()

    assert waitlist.offer_freed_times(clinic.now) == 0

    freed = FreedTime.objects.get()
    assert (freed.closed_at, freed.tries, standing(clinic)) == (clinic.now, 4, [])
    assert worklists.not_offered([clinic.site], clinic.now) == [freed]
    assert [r.getMessage() for r in caplog.records if r.levelname == "ERROR"] == [
        f"freed time {freed.uid} could not be offered in 3 tries: offer it by hand"
    ]
    assert worklists.not_offered([clinic.site], clinic.wait(days=8).now) == []


def test_a_time_that_is_offered_to_somebody_is_not_given_up_before_they_answer(clinic, three):
    cancel(clinic, first_of(three[0]))
    waitlist.offer_freed_times(clinic.now)
    marks.look_again_at(clinic.site, now=clinic.now)
    for _worker in range(FreedTime.GIVEN_UP_AT_TRY - 1):
        assert marks.claim_freed(clinic.now) is not None
        lease_is_over()

    assert waitlist.offer_freed_times(clinic.now) == 0

    freed, offer = FreedTime.objects.get(), the_offer(clinic)
    assert (freed.closed_at, freed.tries, freed.lease_until) == (None, 0, None)
    assert freed.look_at == offer.reservation.expires_at
    assert worklists.not_offered([clinic.site], clinic.now) == []
    waitlist.decline(offer, by=clinic.receptionist, now=clinic.now)
    assert waitlist.offer_freed_times(clinic.now) == 1
    assert [who for who, *_rest in standing(clinic)] == ["Ben Second"]


def test_a_look_put_off_for_the_night_is_no_try(clinic, three):
    clinic.wait(hours=13)
    cancel(clinic, first_of(three[0]))

    waitlist.offer_freed_times(clinic.now)

    freed = FreedTime.objects.get()
    assert (freed.tries, freed.lease_until, f"{freed.look_at:%d %H:%M}") == (0, None, "05 08:00")
