"""The waiting list at the same moment from several sides: real threads, real transactions, the real database."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError, connection, transaction

from clinic.acts import MOST_TIMEOUTS, TOO_SLOW_FOR
from scheduling import booking, holds, outbox, roster, visits, waitlist
from scheduling.models import Appointment, CancelReason, Course, FreedTime, Message, Occupancy, Offer, WaitingListEntry
from scheduling.models.appointments import AskedBy
from scheduling.planner import facts
from tests import build
from tests.slowness import OF_EVERY_COURSE, too_slow_to_read

from .racing import DEADLOCKS, OVERLAPS, asked, at_once, somebody_waits

ROUNDS = 3
BUSY = {"reason": CancelReason.PATIENT_BUSY, "asked_by": AskedBy.PATIENT}


@pytest.fixture
def clinic(transactional_db: None) -> build.Clinic:
    return build.Clinic()


def course_from(clinic: build.Clinic, days: int) -> Course:
    away = frozenset(clinic.today + timedelta(days=number) for number in range(days))
    course = clinic.booked_course(build.patient(email=""), wishes=facts.Wishes(avoid_dates=away, strict=True))
    return booking.set_wishes(course, facts.Wishes(), by=clinic.receptionist, now=clinic.now)


def freed(clinic: build.Clinic, *, waiting: int = 1) -> tuple[Appointment, list[Course]]:
    """A visit that was cancelled, and courses that wait for an earlier time."""
    visit = build.visits_of(course_from(clinic, 10))[0]
    courses = [course_from(clinic, 20 + 5 * number) for number in range(waiting)]
    for course in courses:
        waitlist.put_on(build.sessions_of(course)[0], by=clinic.receptionist, now=clinic.now)
    visits.cancel(visit, **BUSY, by=clinic.receptionist, now=clinic.now)
    return visit, courses


def offered(clinic: build.Clinic) -> Offer:
    waitlist.offer_freed_times(clinic.now)
    return Offer.objects.standing(clinic.now).get()


def slot_of(visit: Appointment, course: Course, clinic: build.Clinic) -> facts.Slot:
    """The time of a cancelled visit for the first session of its course, as it is free now."""
    session = build.sessions_of(course)[0]
    found = visits.free_times(session, first_on=visit.on, last_on=visit.on, now=clinic.now, limit=500)
    at = f"{visit.at_time:%H:%M}"
    return next(one.slot for one in found if booking.slot_as_data(one.slot, clinic.site)["at"] == at)


def all_is_well() -> bool:
    standing = Occupancy.objects.standing()
    return asked(OVERLAPS) == 0 and not standing.filter(reservation__released_at__isnull=False).exists()


def test_of_two_acceptances_exactly_one_wins(clinic):
    outcomes: Counter[str] = Counter()
    for _round in range(ROUNDS):
        visit, (course,) = freed(clinic)
        offer = offered(clinic)

        accept = partial(waitlist.accept, offer, by=clinic.receptionist, now=clinic.now)
        outcomes.update(at_once(*[accept] * 4))
        (first, *_rest) = build.visits_of(course)
        assert (first.on, first.at_time, first.revision) == (visit.on, visit.at_time, 2)
        visits.end_course(course, reason="moved away", by=clinic.receptionist, now=clinic.now)
        waitlist.offer_freed_times(clinic.now)

    assert outcomes == {"done": ROUNDS, "offer_over": 3 * ROUNDS}
    assert all_is_well()


def test_an_acceptance_and_the_end_of_the_offer_never_both_win(clinic):
    """The patient says yes in the second in which the time is over, and the tick gives it to the next."""
    won: Counter[str] = Counter()
    for _round in range(ROUNDS):
        _visit, (ben, cleo) = freed(clinic, waiting=2)
        offer = offered(clinic)
        last = offer.reservation.expires_at - timedelta(seconds=1)

        results = at_once(
            partial(waitlist.accept, offer, by=clinic.receptionist, now=last),
            partial(waitlist.offer_freed_times, offer.reservation.expires_at),
            partial(booking.release_expired_reservations, now=offer.reservation.expires_at),
        )

        offer.refresh_from_db()
        has_moved = build.visits_of(cleo)[0].revision == 2
        assert (results[0], offer.ended_as, has_moved) in [("done", "accepted", True), ("offer_over", "expired", False)]
        won[offer.ended_as] += 1
        clinic.now = offer.reservation.expires_at
        for course in (ben, cleo):
            visits.end_course(course, reason="moved away", by=clinic.receptionist, now=clinic.now)
        waitlist.offer_freed_times(clinic.now)
        assert not Offer.objects.standing(clinic.now).exists()

    assert sum(won.values()) == ROUNDS
    assert all_is_well()


def test_of_an_offer_and_a_booking_of_the_same_time_exactly_one_wins(clinic):
    outcomes: Counter[tuple[str, int]] = Counter()
    for _round in range(ROUNDS):
        visit, (course,) = freed(clinic)
        mine = visit.session.course
        slot = slot_of(visit, mine, clinic)

        results = at_once(
            lambda: waitlist.offer_freed_times(clinic.now),
            partial(visits.book, visit.session, slot, by=clinic.receptionist, now=clinic.now),
        )

        kept = [
            kept
            for kept in Offer.objects.standing(clinic.now).select_related("reservation")
            if kept.reservation.at_time == visit.at_time
        ]
        outcomes[results[1], len(kept)] += 1
        assert all_is_well()
        for one in (mine, course):
            visits.end_course(one, reason="moved away", by=clinic.receptionist, now=clinic.now)
        waitlist.offer_freed_times(clinic.now)

    assert set(outcomes) <= {("done", 0), ("not_bookable", 1)}


def test_a_reserved_place_is_nobody_elses_even_past_the_application(clinic):
    """Straight into the table: the constraint is the last wall."""
    _visit, _courses = freed(clinic)
    offer = offered(clinic)
    taken = offer.reservation.occupancies.order_by("pk").first()
    assert taken is not None
    other = Appointment.objects.live().first()

    def take() -> None:
        Occupancy.objects.create(
            appointment=other, phase=0, role="injector", resource=taken.resource, place=taken.place, during=taken.during
        )

    with pytest.raises(IntegrityError, match="resource_place_is_taken_once_at_a_time"):
        take()


def test_time_that_falls_free_twice_at_once_is_offered_once_to_each(clinic):
    """Two workers at two marks for the same place, and nobody is asked twice or at the same time as another."""
    visit, courses = freed(clinic, waiting=2)
    mark = FreedTime.objects.get()
    FreedTime.objects.create(
        site=mark.site, appointment=visit, freed_at=mark.freed_at, first_on=mark.first_on, last_on=mark.last_on,
        look_at=clinic.now,
    )  # fmt: skip

    for _round in range(4):
        at_once(*[lambda: waitlist.offer_freed_times(clinic.now)] * 3)
        standing = list(Offer.objects.standing(clinic.now).select_related("reservation"))
        assert len({offer.patient_id for offer in standing}) == len(standing)
        assert all_is_well()
        for offer in standing:
            waitlist.decline(offer, by=clinic.receptionist, now=clinic.now)

    asked_for = Counter(
        (offer.patient_id, offer.reservation.on, offer.reservation.at_time)
        for offer in Offer.objects.select_related("reservation")
    )
    assert set(asked_for.values()) == {1}
    assert {patient for patient, *_when in asked_for} == {course.patient_id for course in courses}


def test_an_offer_and_what_ends_it_at_the_same_moment_leave_nothing_kept(clinic):
    """A hold, the end of the course, being taken off the list: whoever comes first, no place stays taken for nobody."""
    for end in ("hold", "end", "take_off", "move"):
        _visit, (course,) = freed(clinic)
        entry = WaitingListEntry.objects.get(session__course=course)
        first = build.visits_of(course)[0]
        later = visits.free_times(first.session, first_on=first.on, last_on=first.on, now=clinic.now, limit=500)[
            -1
        ].slot
        acts = {
            "hold": partial(holds.place, course, code="other", reason="ask", by=clinic.receptionist, now=clinic.now),
            "end": partial(visits.end_course, course, reason="away", by=clinic.receptionist, now=clinic.now),
            "take_off": partial(waitlist.take_off, entry, by=clinic.receptionist, now=clinic.now),
            "move": partial(visits.move, first, later, by=clinic.receptionist, now=clinic.now),
        }

        results = at_once(lambda: waitlist.offer_freed_times(clinic.now), acts[end])

        assert (end, results) == (end, ["done", "done"])
        clinic.wait(minutes=1)
        waitlist.offer_freed_times(clinic.now)
        if end != "move":
            assert not Offer.objects.standing(clinic.now).exists()
            assert not Occupancy.objects.standing().filter(reservation__isnull=False).exists()
        assert all_is_well()
        for one in Course.objects.open():
            visits.end_course(one, reason="moved away", by=clinic.receptionist, now=clinic.now)
        waitlist.offer_freed_times(clinic.wait(minutes=1).now)


def test_a_mail_that_is_leaving_when_the_offer_ends_never_leaves_after_it(clinic, settings, tmp_path):
    settings.MAIL_HOST, settings.MAIL_DIR = "", tmp_path
    outbox.load_texts(now=clinic.now)
    for _round in range(ROUNDS):
        _visit, (course,) = freed(clinic)
        course.patient.__class__.objects.filter(pk=course.patient_id).update(email="cleo@example.org", mail_state="ok")
        offer = offered(clinic)

        at_once(
            lambda: outbox.deliver_due(clinic.now),
            partial(waitlist.decline, offer, by=clinic.receptionist, now=clinic.now),
        )
        clinic.wait(minutes=1)
        outbox.deliver_due(clinic.now)

        mail = Message.objects.get(dedupe_key=f"offer:{offer.reservation.uid}")
        assert (mail.state, mail.state_reason) in [("sent", ""), ("dropped", "reservation_expired")]


def test_who_is_in_the_way_of_a_look_costs_it_no_try_and_nobody_their_turn(clinic):
    """Somebody is at Cleo's course while a time is offered to her; Ben is offered another one all the same."""
    ana, dora = (build.visits_of(course_from(clinic, days))[0] for days in (10, 14))
    ben, cleo = course_from(clinic, 25), course_from(clinic, 30)
    for course, days in ((ben, {}), (cleo, {"until_on": ana.on})):
        waitlist.put_on(build.sessions_of(course)[0], by=clinic.receptionist, now=clinic.now, **days)
    for visit in (ana, dora):
        visits.cancel(visit, **BUSY, by=clinic.receptionist, now=clinic.now)
    other = connection.copy()
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor, connection.cursor() as ours:
            cursor.execute("SELECT id FROM scheduling_course WHERE id = %s FOR NO KEY UPDATE", [cleo.pk])
            ours.execute("SET lock_timeout = '50ms'")
            waitlist.offer_freed_times(clinic.now)
    finally:
        other.close()
        connection.close()

    put_off = FreedTime.objects.get(appointment=ana)
    standing = Offer.objects.standing(clinic.now)
    assert [(offer.entry.session.course, offer.freed.appointment) for offer in standing] == [(ben, dora)]
    assert (put_off.tries, put_off.at_entry, put_off.lease_until, put_off.closed_at) == (0, None, None, None)
    assert put_off.look_at == clinic.now + waitlist.REFUSED_FOR
    assert waitlist.offer_freed_times(clinic.wait(minutes=1).now) == 1
    assert Offer.objects.standing(clinic.now).get(freed=put_off).entry.session.course == cleo
    assert set(WaitingListEntry.objects.values_list("tries", flat=True)) == {0}


def test_an_offer_that_only_looked_lost_while_others_were_at_its_course_stands(clinic):
    """The tick reads that a consent is missing; before it can withdraw the offer, the consent is there again."""
    freed(clinic)
    offer = offered(clinic)
    course = offer.entry.session.course
    signed_on = course.consents.get().signed_on
    course.consents.update(signed_on=None)

    def settle() -> int:
        try:
            return waitlist.settle(clinic.now)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            roster.lock(course, now=clinic.now)
            settled = pool.submit(settle)
            while not (somebody_waits() or settled.done()):
                pass
            course.consents.update(signed_on=signed_on)
        assert settled.result(10) == 0

    assert Offer.objects.standing(clinic.now).get() == offer
    course.consents.update(signed_on=None)
    assert waitlist.settle(clinic.now) == 1
    assert not Offer.objects.standing(clinic.now).exists()


def test_a_look_that_a_slow_database_breaks_off_is_tried_again_and_has_died_only_after_some(clinic):
    looks = ("tries", "timeouts", "at_entry", "lease_until", "look_at")
    freed(clinic)

    def looked() -> dict[str, Any]:
        return FreedTime.objects.values(*looks).get()

    with too_slow_to_read(OF_EVERY_COURSE):
        for number in range(MOST_TIMEOUTS):
            assert waitlist.offer_freed_times(clinic.now) == 0
            due_at = clinic.now + TOO_SLOW_FOR
            assert looked() == {
                "tries": 0, "timeouts": number + 1, "at_entry": None, "lease_until": None, "look_at": due_at,
            }  # fmt: skip
            clinic.now = due_at
        with pytest.raises(OperationalError):
            waitlist.offer_freed_times(clinic.now)
        assert looked()["tries"] == 1

    assert waitlist.offer_freed_times(clinic.now) == 1
    assert (looked()["tries"], looked()["timeouts"]) == (0, 0)
    assert set(WaitingListEntry.objects.values_list("tries", flat=True)) == {0}


def test_nobody_was_left_waiting_for_a_lock_for_ever(clinic):
    """Many at once on a few times: acceptances, answers, bookings and ticks. No deadlock reaches anybody."""
    before = asked(DEADLOCKS)
    _visit, _courses = freed(clinic, waiting=3)
    for _round in range(ROUNDS):
        offer = offered(clinic)
        at_once(
            partial(waitlist.decline, offer, by=clinic.receptionist, now=clinic.now),
            partial(waitlist.accept, offer, by=clinic.receptionist, now=clinic.now),
            lambda: waitlist.offer_freed_times(clinic.now),
            lambda: booking.release_expired_reservations(now=clinic.now),
            lambda: waitlist.offer_freed_times(clinic.now),
        )
        clinic.wait(minutes=1)
        if not Offer.objects.standing(clinic.now).exists() and waitlist.offer_freed_times(clinic.now) == 0:
            break

    assert asked(DEADLOCKS) == before
    assert all_is_well()
