"""A patient's course from sign-in to the changed appointment, told to the running service over HTTP and mail."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from email.message import EmailMessage
from typing import Any

from icalendar import Calendar

from tests.processes import eventually

from .telling import says_nothing_clinical, service, told, words_of

__all__ = ["service", "told"]


def calendars(mail: EmailMessage) -> list[Any]:
    """Return the events of a mail's attached calendar files, after checking what surrounds them."""
    events = []
    for part in mail.iter_attachments():
        calendar = Calendar.from_ical(part.get_content() if part.get_content_type() == "text/calendar" else _raw(part))
        assert calendar["METHOD"] == "REQUEST"
        assert calendar["VERSION"] == "2.0"
        (event,) = calendar.walk("VEVENT")
        (zone,) = calendar.walk("VTIMEZONE")
        assert zone["TZID"] == event["DTSTART"].params["TZID"]
        assert event["SUMMARY"] == "Appointment"
        events.append(event)
    return events


def _raw(part: EmailMessage) -> bytes:
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content


def starts(events: Iterable[Any]) -> list[str]:
    """The local times in the files, as they are written there."""
    return [f"{event['DTSTART'].dt:%Y-%m-%d %H:%M}" for event in events]


def test_a_course_from_the_first_visit_to_the_moved_one(service, told):
    post, address = service.post, told.address

    # A receptionist finds out that nothing can be booked before a clinician has assessed, and asks a clinician.
    told.begin()
    closed = {gate["code"] for gate in told.session(1)["gates"]}
    assert {"assessment_missing", "reflux_not_checked", "consent_missing", "answer_missing"} <= closed
    told.clear()
    assert told.session(1)["gates"] == []

    # She plans the course (the patient is away for three weeks) and books it in one go; the click is sent twice.
    slots = told.plan_after(20)
    key = str(uuid.uuid4())
    booked, again = told.book(slots, key), told.book(slots, key)
    assert (booked.status, again.status) == (201, 201)
    assert again.body == booked.body
    assert again.headers["Idempotency-Replayed"] == "true"
    visits = booked.body["appointments"]
    assert [visit["on"] for visit in visits] == [slot["on"] for slot in slots]
    first_on, second_on, _third_on = (date.fromisoformat(visit["on"]) for visit in visits)
    assert first_on == told.today + timedelta(days=20)
    assert second_on - first_on == timedelta(days=28)
    count = "SELECT count(*) FROM scheduling_appointment JOIN patients_patient p ON p.id = patient_id WHERE p.uid = %s"
    assert service.rows(count, told.patient) == [(3,)]

    # One confirmation comes, with a valid calendar file for each visit, at the time that the clinic's clocks show.
    mail = post.next_mail_to(address, after=0)
    events = calendars(mail)
    assert says_nothing_clinical(mail)
    assert starts(events) == [f"{visit['on']} {visit['at']}" for visit in visits]
    assert [event["SEQUENCE"] for event in events] == [0, 0, 0]
    assert {event["DTSTART"].params["TZID"] for event in events} == {told.clinic.zone}
    assert [event["DTSTART"].dt for event in events] == [datetime.fromisoformat(visit["starts_at"]) for visit in visits]
    uids = [str(event["UID"]) for event in events]
    assert len(set(uids)) == 3

    # A week before, three days before and one day before the first visit there is a mail each. The first asks again
    # what was answered too long ago.
    told.let_days_pass(13)
    preparation = post.next_mail_to(address, after=1)
    assert "Are you ill or feverish today" in words_of(preparation)
    told.let_days_pass(4)
    three_days_before = post.next_mail_to(address, after=2)
    told.let_days_pass(2)
    one_day_before = post.next_mail_to(address, after=3)
    for mail in (preparation, three_days_before, one_day_before):
        (event,) = calendars(mail)
        assert (str(event["UID"]), event["SEQUENCE"]) == (uids[0], 0)
        assert says_nothing_clinical(mail)
    assert len({mail["Message-ID"] for mail in (preparation, three_days_before, one_day_before)}) == 3

    # The patient comes four days late. The next window is counted from that day: the second visit is too early now, and
    # where it can go it pushes out the third.
    told.let_days_pass(1 + 4)
    came_on = date.fromisoformat(told.now_there)
    second, third = (told.session(number)["appointment"] for number in (2, 3))
    performed = told.perform_today(1)
    assert performed.status == 200, performed
    assert performed.body["session"]["performed_on"] == came_on.isoformat()
    window = told.session(2)["window"]
    assert window["earliest_on"] == (came_on + timedelta(weeks=4)).isoformat()
    assert window["is_provisional"] is False
    assert second["on"] < window["earliest_on"]
    assert [told.session(number)["appointment"] for number in (2, 3)] == [second, third]
    proposal = performed.body["proposal"]
    assert proposal["state"] == "open"
    moves = proposal["moves"]
    assert [(move["session"], move["from"]["on"]) for move in moves] == [
        (visit["session"], visit["on"]) for visit in (second, third)
    ]
    assert [why["code"] for why in moves[0]["why"]] == ["before_minimum"]
    new = [date.fromisoformat(move["to"]["on"]) for move in moves]
    assert came_on + timedelta(weeks=4) <= new[0] <= new[1] - timedelta(weeks=4)
    advice = post.next_mail_to(address, after=4)
    assert not calendars(advice)

    # The receptionist applies the proposal. One mail tells both changes, with the next calendar file of each visit.
    applied = told.reception.post(f"proposals/{proposal['uid']}/apply/")
    assert applied.status == 200, applied
    assert applied.body["proposal"]["state"] == "applied"
    moved = applied.body["appointments"]
    assert [visit["uid"] for visit in moved] == [second["uid"], third["uid"]]
    assert [date.fromisoformat(visit["on"]) for visit in moved] == new
    service.let_the_grace_pass()
    service.ring()
    changed = post.next_mail_to(address, after=5)
    events = calendars(changed)
    assert [(str(event["UID"]), event["SEQUENCE"]) for event in events] == [(uids[1], 1), (uids[2], 1)]
    assert starts(events) == [f"{visit['on']} {visit['at']}" for visit in moved]
    assert says_nothing_clinical(changed)

    # All that was due was sent, and each of it once.
    sent = "SELECT kind, days FROM scheduling_message m JOIN patients_patient p ON p.id = m.patient_id WHERE p.uid = %s"
    eventually(lambda: len(service.rows(f"{sent} AND m.state = 'sent'", told.patient)) == 6, 10, "all are recorded")
    assert sorted(service.rows(f"{sent} AND m.state = 'sent'", told.patient)) == [
        ("aftercare", 0),
        ("changed", 0),
        ("confirmation", 0),
        ("preparation", 7),
        ("reminder", 1),
        ("reminder", 3),
    ]
    assert len(post.mails_to(address)) == 6


def test_a_visit_still_inside_its_window_stays_where_it_is(service, told):
    told.begin()
    told.clear()
    first_on = told.today + timedelta(days=1)
    too_soon = [first_on + timedelta(days=days) for days in range(1, 36)]
    visits = told.book(told.plan_after(1, without=too_soon), str(uuid.uuid4())).body["appointments"]
    assert [date.fromisoformat(visit["on"]) - first_on for visit in visits[:2]] == [timedelta(0), timedelta(days=36)]

    told.let_days_pass(1 + 4)
    performed = told.perform_today(1)

    came_on = date.fromisoformat(told.now_there)
    assert (performed.status, performed.body["proposal"]) == (200, None)
    second = told.session(2)
    assert second["window"]["earliest_on"] == (came_on + timedelta(weeks=4)).isoformat()
    assert (second["appointment"]["uid"], second["appointment"]["revision"]) == (visits[1]["uid"], 1)
    news = "SELECT count(*) FROM scheduling_message m JOIN patients_patient p ON p.id = m.patient_id WHERE p.uid = %s"
    assert service.rows(f"{news} AND m.kind = 'changed'", told.patient) == [(0,)]
