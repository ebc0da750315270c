"""The waiting list: who is on it, and who is offered a time, in which order, until when."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import Q

from clinic.errors import Refusal
from scheduling import absences, booking, dossier, holds, outbox, protocols, sessions, versions, visits, waitlist
from scheduling.booking import occupancies
from scheduling.models import Appointment, Course, FreedTime, Message, Occupancy, Offer, Reservation, WaitingListEntry
from scheduling.planner import facts
from tests import build
from tests.refusals import codes

from .waiting import cancel, course_from, first_of, standing, the_offer, three, waits

__all__ = ["three"]

pytestmark = pytest.mark.django_db


def test_a_session_is_on_the_list_once(clinic):
    course = course_from(clinic, 10)
    entry = waits(clinic, course, from_on=clinic.today, until_on=date(2027, 1, 20), notice_hours=48)

    with pytest.raises(waitlist.WaitsAlready) as refused:
        waits(clinic, course)

    assert codes(refused) == ["waits_already"]
    assert (entry.since, entry.from_on, entry.until_on, entry.notice_hours, entry.added_by, entry.closed_at) == (
        clinic.now, clinic.today, date(2027, 1, 20), 48, clinic.receptionist, None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"until_on": date(2027, 1, 3)}, "until_is_past"),
        ({"from_on": date(2027, 1, 9), "until_on": date(2027, 1, 8)}, "ends_before_it_begins"),
        ({"notice_hours": 15 * 24}, "notice_out_of_range"),
        ({"notice_hours": -1}, "notice_out_of_range"),
    ],
)
def test_what_makes_no_sense_is_not_put_on_the_list(clinic, fields, code):
    with pytest.raises(Refusal) as refused:
        waits(clinic, course_from(clinic, 10), **fields)

    assert codes(refused) == [code]


def test_a_session_that_is_over_is_not_put_on_the_list(clinic):
    course = course_from(clinic, 0)
    first = first_of(course)
    clinic.now = first.during.upper
    clinic.perform(first.session)
    other = course_from(clinic, 10)
    visits.end_course(other, reason="moved away", by=clinic.receptionist, now=clinic.now)

    for session, code in ((first.session, "session_not_open"), (build.sessions_of(other)[0], "course_ended")):
        with pytest.raises(booking.NotPossibleNow) as refused:
            waitlist.put_on(session, by=clinic.receptionist, now=clinic.now)
        assert codes(refused) == [code]


def test_somebody_who_does_not_work_there_puts_nobody_on_it(clinic):
    stranger = build.Clinic(key="hepatitis_b").receptionist

    with pytest.raises(Refusal) as refused:
        waitlist.put_on(build.sessions_of(course_from(clinic, 5))[0], by=stranger, now=clinic.now)

    assert codes(refused) == ["role_missing"]


def test_an_entry_closes_by_itself_when_there_is_nothing_left_to_wait_for(clinic):
    performed, skipped, ended, late, waiting = (course_from(clinic, 0) for _number in range(5))
    entries = [waits(clinic, course) for course in (performed, skipped, ended)]
    entries += [waits(clinic, late, until_on=clinic.today), waits(clinic, waiting)]
    clinic.wait(hours=6)
    clinic.perform(build.sessions_of(performed)[0])
    sessions.skip_session(build.sessions_of(skipped)[0], reason="not needed", by=clinic.clinician, now=clinic.now)
    dossier.record_death(ended.patient, clinic.today, by=clinic.receptionist, now=clinic.now)
    clinic.wait(days=1)

    assert waitlist.tidy(clinic.now) == 4
    assert waitlist.tidy(clinic.now) == 0
    for entry in entries:
        entry.refresh_from_db()
    assert [entry.close_reason for entry in entries] == [
        "session_over", "session_over", "session_over", "too_late", "",
    ]  # fmt: skip


def test_a_cancelled_visit_is_offered_to_who_gains_most_until_they_answer(clinic, three):
    ana = first_of(three[0])
    cancel(clinic, ana)

    assert waitlist.offer_freed_times(clinic.now) == 1
    assert standing(clinic) == [("Cleo Third", f"{ana.on} {ana.at_time:%H:%M}", "2027-01-04 10:00")]
    assert waitlist.offer_freed_times(clinic.now) == 0
    (mail,) = Message.objects.filter(kind="offer")
    assert (mail.patient.name, mail.state) == ("Cleo Third", "pending")


def test_declined_it_goes_to_the_next_and_accepted_the_visit_moves_there(clinic, three):
    ana, ben = first_of(three[0]), first_of(three[1])
    cancel(clinic, ana)
    waitlist.offer_freed_times(clinic.now)

    waitlist.decline(the_offer(clinic), by=clinic.receptionist, now=clinic.wait(minutes=5).now)
    waitlist.offer_freed_times(clinic.now)
    assert [who for who, *_when in standing(clinic)] == ["Ben Second"]
    moved = waitlist.accept(the_offer(clinic), by=clinic.receptionist, now=clinic.wait(minutes=5).now)

    assert (moved.pk, moved.revision, moved.on, moved.at_time) == (ben.pk, 2, ana.on, ana.at_time)
    assert [(offer.patient.name, offer.ended_as) for offer in Offer.objects.order_by("pk")] == [
        ("Cleo Third", "declined"),
        ("Ben Second", "accepted"),
    ]
    assert {entry.session.course.patient.name: entry.close_reason for entry in WaitingListEntry.objects.all()} == {
        "Ben Second": "taken",
        "Cleo Third": "",
    }
    # What Ben had is free now, and Cleo, who still waits, is offered it.
    waitlist.offer_freed_times(clinic.now)
    assert [(who, when) for who, when, _until in standing(clinic)] == [("Cleo Third", f"{ben.on} {ben.at_time:%H:%M}")]


def test_an_offer_that_nobody_answers_goes_to_the_next_and_then_the_time_is_free(clinic, three):
    cancel(clinic, first_of(three[0]))
    waitlist.offer_freed_times(clinic.now)
    asked = []
    for _round in range(2):
        asked += [who for who, *_rest in standing(clinic)]
        waitlist.offer_freed_times(clinic.wait(hours=2).now)

    assert asked == ["Cleo Third", "Ben Second"]
    assert [offer.ended_as for offer in Offer.objects.order_by("pk")] == ["expired", "expired"]
    assert standing(clinic) == []
    assert not Occupancy.objects.standing().filter(reservation__isnull=False).exists()
    assert FreedTime.objects.get().closed_at == clinic.now


def test_nobody_is_offered_the_same_time_twice(clinic, three):
    ana = first_of(three[0])
    cancel(clinic, ana)
    waitlist.offer_freed_times(clinic.now)
    waitlist.decline(the_offer(clinic), by=clinic.receptionist, now=clinic.now)
    slot = _slot_of(three[0], ana, clinic)
    again = visits.book(ana.session, slot, by=clinic.receptionist, now=clinic.now)
    cancel(clinic, again)
    waitlist.offer_freed_times(clinic.now)

    assert [offer.patient.name for offer in Offer.objects.order_by("pk")] == ["Cleo Third", "Ben Second"]


def _slot_of(course: Course, visit: Appointment, clinic: build.Clinic) -> facts.Slot:
    """The time of a visit that was cancelled, as it is free again."""
    session = build.sessions_of(course)[0]
    found = visits.free_times(session, first_on=visit.on, last_on=visit.on, now=clinic.now, limit=500)
    return next(
        one.slot for one in found if booking.slot_as_data(one.slot, clinic.site)["at"] == f"{visit.at_time:%H:%M}"
    )


def test_the_time_offered_is_nobody_elses_to_book(clinic, three):
    ana = first_of(three[0])
    session = ana.session
    cancel(clinic, ana)
    slot = _slot_of(three[0], ana, clinic)
    waitlist.offer_freed_times(clinic.now)

    with pytest.raises(booking.NotBookable) as refused:
        visits.book(session, slot, by=clinic.receptionist, now=clinic.now)

    assert set(codes(refused)) == {"resource_busy"}


def test_notice_is_kept_and_an_offer_ends_before_it(clinic, three):
    """The visit is in 241 hours. Cleo wants to know 240 hours ahead, Ben 242."""
    ana = first_of(three[0])
    assert ana.during.lower - clinic.now == timedelta(hours=241)
    for course, hours in ((three[2], 240), (three[1], 242)):
        WaitingListEntry.objects.filter(session__course=course).update(notice_hours=hours)
    cancel(clinic, ana)

    waitlist.offer_freed_times(clinic.now)
    assert [(who, left) for who, _when, left in standing(clinic)] == [("Cleo Third", "2027-01-04 09:00")]
    waitlist.decline(the_offer(clinic), by=clinic.receptionist, now=clinic.now)
    waitlist.offer_freed_times(clinic.now)
    assert standing(clinic) == []


def test_nobody_is_asked_at_night_and_the_night_does_not_count(clinic, three):
    """The site is quiet from 20 to 8. What falls free at 19 is kept until 9: one hour before, one after the night."""
    clinic.wait(hours=11)
    ana = first_of(three[0])
    cancel(clinic, ana)
    waitlist.offer_freed_times(clinic.now)
    assert [left for _who, _when, left in standing(clinic)] == ["2027-01-05 09:00"]

    clinic.wait(hours=2)
    cancel(clinic, build.visits_of(three[0])[0])
    assert waitlist.offer_freed_times(clinic.now) == 0
    assert [f"{freed.look_at:%d %H:%M}" for freed in FreedTime.objects.filter(closed_at=None).order_by("pk")][1:] == [
        "05 08:00"
    ]


def test_an_offer_dies_when_the_session_goes_on_in_another_way(clinic, three):
    cancel(clinic, first_of(three[0]))
    waitlist.offer_freed_times(clinic.now)
    offer = the_offer(clinic)
    cleo = first_of(three[2])
    other = visits.free_times(cleo.session, first_on=cleo.on, last_on=cleo.on, now=clinic.now, limit=500)[-1].slot

    visits.move(cleo, other, by=clinic.receptionist, now=clinic.now)

    assert standing(clinic) == []
    with pytest.raises(waitlist.OfferOver) as refused:
        waitlist.accept(offer, by=clinic.receptionist, now=clinic.now)
    assert codes(refused) == ["offer_expired"]
    waitlist.offer_freed_times(clinic.wait(minutes=1).now)
    offer.refresh_from_db()
    assert offer.ended_as == "withdrawn"
    assert [who for who, *_rest in standing(clinic)] == ["Ben Second"]


@pytest.mark.parametrize("how", ["move", "accept", "hold", "end", "death"])
def test_what_writes_the_busy_map_several_times_locks_all_its_periods_at_once_and_first(clinic, three, how):
    """Or two of them would wait for each other: the offer and the visit may be on anything, in any period."""
    cancel(clinic, first_of(three[0]))
    waitlist.offer_freed_times(clinic.now)
    offer, course, by = the_offer(clinic), three[2], clinic.receptionist
    cleo = first_of(course)
    other = visits.free_times(cleo.session, first_on=cleo.on, last_on=cleo.on, now=clinic.now, limit=500)[-1].slot
    locked: list[set[tuple[int, int, int]]] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql == occupancies.LOCK:
            locked.append(set(zip(params["resources"], params["places"], params["periods"], strict=True)))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        {
            "move": lambda: visits.move(cleo, other, by=by, now=clinic.now),
            "accept": lambda: waitlist.accept(offer, by=by, now=clinic.now),
            "hold": lambda: holds.place(course, code="other", reason="ask", visits="free", by=by, now=clinic.now),
            "end": lambda: visits.end_course(course, reason="moved away", by=by, now=clinic.now),
            "death": lambda: dossier.record_death(course.patient, clinic.today, by=by, now=clinic.now),
        }[how]()

    assert len(locked) > 2
    assert set().union(*locked[1:]) <= locked[0]
    assert booking.busy_map_differences() == []


@pytest.mark.parametrize("how", ["perform", "skip", "version"])
def test_what_ends_sessions_that_have_a_visit_and_an_offer_locks_and_writes_the_busy_map_once(clinic, how):
    """With a version that plans one session only, two sessions with their visits go at once."""
    course = clinic.booked_course()
    session = build.sessions_of(course)[2]
    visit = build.visits_of(course)[2]
    other = visits.free_times(session, first_on=visit.on, last_on=visit.on, now=clinic.now, limit=500)[-1].slot
    booking.reserve(
        session, other, purpose=Reservation.Purpose.OFFER, expires_at=clinic.now + timedelta(hours=2), now=clinic.now
    )
    fewer = protocols.shipped(clinic.key).replace("    sessions: 3", "    sessions: 1")
    version = protocols.load(fewer, by=None, now=clinic.now, approve_by=build.user(is_superuser=True))
    preview = versions.preview(course, version, now=clinic.now)
    asked: list[str] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        asked.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        {
            "perform": lambda: clinic.perform(session),
            "skip": lambda: sessions.skip_session(session, reason="enough", by=clinic.clinician, now=clinic.now),
            "version": lambda: versions.move(
                course, version, stamp=preview.stamp, reason="guideline", by=clinic.prescriber, now=clinic.now
            ),
        }[how]()

    assert (asked.count(occupancies.LOCK), asked.count(occupancies.WRITE)) == (1, 1)
    assert booking.busy_map_differences() == []
    assert not Occupancy.objects.standing().filter(Q(appointment=visit) | Q(reservation__session=session)).exists()


@pytest.mark.parametrize("how", ["hold", "end", "death", "take_off", "perform"])
def test_an_offer_dies_with_what_it_was_for(clinic, three, how):
    cancel(clinic, first_of(three[0]))
    waitlist.offer_freed_times(clinic.now)
    course, by = three[2], clinic.receptionist
    entry = WaitingListEntry.objects.get(session__course=course)
    {
        "hold": lambda: holds.place(course, code="other", reason="ask first", by=by, now=clinic.now),
        "end": lambda: visits.end_course(course, reason="moved away", by=by, now=clinic.now),
        "death": lambda: dossier.record_death(course.patient, clinic.today, by=by, now=clinic.now),
        "take_off": lambda: waitlist.take_off(entry, by=by, now=clinic.now),
        "perform": lambda: clinic.perform(build.sessions_of(course)[0]),
    }[how]()

    assert standing(clinic) == []
    waitlist.offer_freed_times(clinic.wait(minutes=1).now)
    assert [offer.ended_as for offer in Offer.objects.filter(entry=entry)] == ["withdrawn"]
    assert [who for who, *_rest in standing(clinic)] == ["Ben Second"]


def test_a_course_on_hold_keeps_its_place_and_is_offered_nothing(clinic, three):
    hold = holds.place(three[2], code="other", reason="ask first", by=clinic.receptionist, now=clinic.now)
    cancel(clinic, first_of(three[0]))
    waitlist.offer_freed_times(clinic.now)
    assert [who for who, *_rest in standing(clinic)] == ["Ben Second"]

    holds.lift(hold, reason="asked", by=clinic.prescriber, now=clinic.now)
    waitlist.decline(the_offer(clinic), by=clinic.receptionist, now=clinic.now)
    waitlist.offer_freed_times(clinic.now)
    assert [who for who, *_rest in standing(clinic)] == ["Cleo Third"]


def test_what_has_become_impossible_since_refuses_the_acceptance_and_keeps_the_offer(clinic, three):
    cancel(clinic, first_of(three[0]))
    waitlist.offer_freed_times(clinic.now)
    offer = the_offer(clinic)
    on = offer.reservation.on
    for one in clinic.staff["injector"]:
        absences.record(absences.AbsenceDetails(one, on, on), by=clinic.manager, now=clinic.now)

    with pytest.raises(booking.NotBookable) as refused:
        waitlist.accept(offer, by=clinic.receptionist, now=clinic.now)

    assert "off_duty" in codes(refused)
    assert [who for who, *_rest in standing(clinic)] == ["Cleo Third"]


def test_an_unbooked_session_is_booked_by_its_offer(clinic, three):
    course = clinic.cleared_course(build.patient("Dora Fourth"))
    waits(clinic, course, from_on=first_of(three[0]).on)
    ana = first_of(three[0])
    cancel(clinic, ana)
    waitlist.offer_freed_times(clinic.now)
    assert [who for who, *_rest in standing(clinic)] == ["Dora Fourth"]

    booked = waitlist.accept(the_offer(clinic), by=clinic.receptionist, now=clinic.now)

    assert (booked.session, booked.on, booked.state) == (build.sessions_of(course)[0], ana.on, "booked")
    assert Message.objects.filter(kind="confirmation", course=course).count() == 1


def test_the_mail_of_an_offer_that_is_over_is_dropped(clinic, three):
    cancel(clinic, first_of(three[0]))
    waitlist.offer_freed_times(clinic.now)
    waitlist.decline(the_offer(clinic), by=clinic.receptionist, now=clinic.now)
    clinic.wait(minutes=1)

    outbox.deliver_due(clinic.now)

    mail = Message.objects.get(kind="offer", patient=three[2].patient)
    assert (mail.state, mail.state_reason) == ("dropped", "reservation_expired")


def test_an_offer_names_its_time_and_until_when_and_no_treatment(clinic, three, settings, tmp_path):
    settings.MAIL_HOST, settings.MAIL_DIR = "", tmp_path
    outbox.load_texts(now=clinic.now)
    ana = first_of(three[0])
    cancel(clinic, ana)
    waitlist.offer_freed_times(clinic.now)

    outbox.deliver_due(clinic.now)

    mail = Message.objects.get(kind="offer")
    said = bytes(mail.content or b"").decode()
    assert mail.state == "sent"
    assert f"{ana.at_time:%H:%M}" in said
    assert "until Mon 4 January, 10:00" in said
    assert "sclero" not in said.lower()
    assert "vein" not in said.lower()


def test_one_reservation_of_a_session_stands_at_a_time(clinic, three):
    cancel(clinic, first_of(three[0]))
    waitlist.offer_freed_times(clinic.now)

    assert Reservation.objects.filter(released_at=None).count() == 1
