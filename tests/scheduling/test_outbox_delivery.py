"""What happens to a message that is due: whether it may still go, how it leaves, and how each refusal ends."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.db import connection
from icalendar import Calendar

from clinic.models import Site
from scheduling import outbox
from scheduling.models import Course, Message, MessageText, MessageVisit, Outcome, Session
from scheduling.outbox import Delivered, deliver, wanted
from scheduling.outbox.texts import Library
from scheduling.transport import SmtpTransport
from tests import smtp_sink

from .mail_clinic import (
    NOW,
    MailClinic,
    cancelled,
    content_of,
    follow_up,
    hold,
    moved,
    outbox_rows,
    performed,
    words_of,
)

pytestmark = pytest.mark.django_db

REMINDED = NOW.replace(month=2, day=12, hour=9)  # three days before 15 February


@pytest.fixture
def clinic():
    return MailClinic(rules=(("reminder", 3, None), ("recall", 0, None)))


def promised(clinic: MailClinic, **fields):
    """A patient with one visit on 15 February, its confirmation sent already."""
    (visit,) = clinic.booked("2027-02-15", patient=clinic.patient(**fields))
    outbox.confirm([visit], now=NOW)
    Message.objects.filter(kind="confirmation").update(state="sent", sent_at=NOW)
    return visit


def fate(kind: str = "reminder") -> list[str]:
    return [state for _kind, state, _due in outbox_rows(kind=kind)]


# --- it goes ----------------------------------------------------------------------------------------------------------


def test_a_reminder_goes_when_it_is_due_and_once(clinic, smtp, sink):
    visit = promised(clinic)
    early = outbox.deliver_due(REMINDED - timedelta(seconds=1), transport=smtp)
    on_time = outbox.deliver_due(REMINDED, transport=smtp)
    again = outbox.deliver_due(REMINDED, transport=smtp)

    assert (early, on_time, again) == (Delivered(), Delivered(claimed=1, sent=1), Delivered())
    (taken,) = sink.taken
    assert (taken.sender, taken.recipients, taken.message["Subject"]) == (
        "desk@harbour.example", (visit.patient.email,), "Appointment on Mon 15 February, 10:30",
    )  # fmt: skip
    message = Message.objects.get(kind="reminder")
    assert (message.state, message.sent_at, message.last_reply, message.lease_owner) == (
        "sent", REMINDED, "250 OK", None,
    )  # fmt: skip
    assert (message.recipient, message.language, content_of(message)) == (visit.patient.email, "en", taken.content)
    assert message.dotted_at is not None


def test_a_batch_takes_few_statements_and_one_connection(clinic, smtp, sink):
    from django.test.utils import CaptureQueriesContext

    def statements(count: int) -> int:
        for _ in range(count):
            outbox.confirm(clinic.booked("2027-03-15"), now=NOW)
        with CaptureQueriesContext(connection) as queries:
            outbox.deliver_due(NOW, transport=smtp)
        return len(queries)

    one, six = statements(1), statements(6)
    assert (six - one) / 5 == 2  # the mark before the dot, and the answer
    assert (len(sink.taken), sink.connections) == (7, 1)


# --- it must not go ---------------------------------------------------------------------------------------------------


def test_a_visit_that_moved_is_not_reminded_of_even_if_nobody_told_the_outbox(clinic, smtp, sink):
    moved(promised(clinic), "2027-02-22", "11:00")
    outbox.deliver_due(REMINDED, transport=smtp)

    assert (fate(), sink.taken) == (["dropped: visit_moved"], [])


def test_a_cancelled_visit_is_not_reminded_of(clinic, smtp, sink):
    cancelled(promised(clinic))
    outbox.deliver_due(REMINDED, transport=smtp)

    assert (fate(), sink.taken) == (["dropped: visit_not_live"], [])


def test_a_closed_gate_stops_a_reminder_and_the_reason_tells_which(clinic, smtp, sink):
    visit = promised(clinic)
    clinic.answer(visit.patient, "yes", given_on=NOW.date() + timedelta(days=1))
    hold(visit.session.course)
    outbox.deliver_due(REMINDED, transport=smtp)

    assert (fate(), sink.taken) == (["dropped: gate_closed:risk_absolute,course_on_hold"], [])


@pytest.mark.parametrize(
    ("first_on", "became"),
    [
        ("2027-01-18", ["sent"]),  # four weeks before: the minimum date itself is in time
        ("2027-01-19", ["dropped: gate_closed:before_minimum"]),
        (None, ["sent"]),  # its own visit still stands a week before, and may yet be moved
    ],
)
def test_a_reminder_goes_only_if_the_session_before_lies_far_enough_back(clinic, smtp, sink, first_on, became):
    first, second = clinic.booked("2027-02-08", "2027-02-15")
    outbox.confirm([second], now=NOW)
    Message.objects.filter(kind="confirmation").update(state="sent", sent_at=NOW)
    if first_on:
        performed(first.session, first_on)

    outbox.deliver_due(REMINDED, transport=smtp)

    assert [state for _kind, state, _due in outbox_rows(kind="reminder", session=second.session)] == became


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"mail_opted_out_at": NOW}, "opted_out"),
        ({"deceased_on": NOW.date()}, "patient_deceased"),
        ({"email": "", "mail_state": "none"}, "no_address"),
        ({"mail_state": "bounced"}, "address_bounced"),
        ({"mail_state": "suppressed"}, "address_suppressed"),
    ],
)
def test_some_patients_get_no_mail(clinic, smtp, sink, fields, reason):
    promised(clinic, **fields)
    outbox.deliver_due(REMINDED, transport=smtp)

    assert (fate(), sink.taken) == ([f"dropped: {reason}"], [])


def test_a_record_that_was_merged_away_gets_no_mail(clinic, smtp, sink):
    other = clinic.patient()
    promised(clinic, merged_into=other)
    outbox.deliver_due(REMINDED, transport=smtp)

    assert (fate(), sink.taken) == (["dropped: patient_merged"], [])


def test_safety_advice_goes_whatever_was_opted_out_of_or_held(clinic, smtp, sink):
    (visit,) = clinic.booked("2027-01-04", patient=clinic.patient(mail_opted_out_at=NOW))
    session = performed(visit.session, "2027-01-04")
    hold(session.course)
    outbox.promise_aftercare(session, now=NOW)
    outbox.deliver_due(NOW, transport=smtp)

    assert fate("aftercare") == ["sent"]
    assert sink.taken[0].message["Subject"] == "After your visit"
    assert "Call the emergency number at once" in words_of(sink.taken[0].message)


def test_nobody_asks_how_it_is_when_the_course_was_stopped(clinic, smtp):
    follow_up(clinic)
    (visit,) = clinic.booked("2027-01-04")
    session = performed(visit.session, "2027-01-04")
    outbox.promise_aftercare(session, now=NOW)
    Outcome.objects.create(session=session, result="stop", recorded_at=NOW)
    outbox.deliver_due(NOW + timedelta(days=15), transport=smtp)

    assert fate("check") == ["dropped: course_stopped"]


def test_a_recall_is_dropped_when_the_session_was_booked_meanwhile(clinic, smtp):
    course = clinic.course()
    first, second, _third = course.sessions.order_by("position")
    performed(first, "2027-01-04")
    Session.objects.filter(pk=second.pk).update(earliest_on="2027-02-01")
    at = NOW.replace(month=2, day=1, hour=8)
    outbox.promise_recalls(at)
    clinic.visit(second, "2027-02-15")
    outbox.deliver_due(at + timedelta(hours=1), transport=smtp)

    assert fate("recall") == ["dropped: booked"]


def test_a_call_is_not_asked_for_once_the_hold_is_lifted(clinic, smtp):
    (visit,) = clinic.booked("2027-01-08")
    standing = hold(visit.session.course)
    outbox.reconcile(visit.session.course, now=NOW)
    standing.lifted_at, standing.lift_reason = NOW, "all is well"
    standing.save(update_fields=["lifted_at", "lift_reason"])
    outbox.deliver_due(NOW + timedelta(minutes=3), transport=smtp)

    assert fate("call_us") == ["dropped: hold_lifted"]


def test_a_message_found_too_late_is_not_dropped_silently_but_failed(clinic, smtp, sink):
    promised(clinic)
    outbox.deliver_due(REMINDED + timedelta(days=4), transport=smtp)

    assert (fate(), sink.taken) == (["failed: expired"], [])


# --- series and news --------------------------------------------------------------------------------------------------


def test_a_confirmation_speaks_of_the_visits_that_are_still_as_it_says(clinic, smtp, sink):
    one, two, three = clinic.booked("2027-02-15", "2027-03-15", "2027-04-15")
    outbox.confirm([one, two, three], now=NOW)
    moved(one, "2027-02-16", "11:00")
    cancelled(three)
    outbox.deliver_due(NOW, transport=smtp)

    assert sink.taken[0].message["Subject"] == "Appointment on Mon 15 March, 10:30"
    assert [told.appointment for told in MessageVisit.objects.filter(message__kind="confirmation")] == [two]


def test_a_confirmation_with_nothing_left_to_say_is_dropped(clinic, smtp, sink):
    (visit,) = clinic.booked("2027-02-15")
    outbox.confirm([visit], now=NOW)
    cancelled(visit)
    outbox.deliver_due(NOW, transport=smtp)

    assert (fate("confirmation"), sink.taken) == (["dropped: visit_not_live"], [])


def test_a_change_is_told_old_to_new_with_a_calendar_file_that_replaces_the_old(clinic, smtp, sink):
    visit = promised(clinic)
    outbox.announce_moves(visit.session.course, [moved(visit, "2027-02-22", "11:00")], now=NOW)
    outbox.deliver_due(NOW + timedelta(minutes=3), transport=smtp)

    mail = sink.taken[0].message
    assert mail["Subject"] == "New time for your appointment: Mon 22 February, 11:00"
    assert (
        "- Monday 15 February 2027, 10:30 (time zone: Europe/London)"
        " is now: Monday 22 February 2027, 11:00 (time zone: Europe/London)\n"
    ) in words_of(mail)
    (file,) = mail.iter_attachments()
    (event,) = Calendar.from_ical(file.get_content()).walk("VEVENT")
    assert (event["UID"], event["SEQUENCE"]) == (visit.calendar_uid, 1)


def test_a_cancellation_takes_the_visit_out_of_the_calendar(clinic, smtp, sink):
    visit = promised(clinic)
    outbox.announce_cancellation(cancelled(visit), now=NOW)
    outbox.deliver_due(NOW + timedelta(minutes=3), transport=smtp)

    mail = sink.taken[0].message
    assert mail["Subject"] == "Appointment cancelled: Mon 15 February, 10:30"
    (file,) = mail.iter_attachments()
    calendar = Calendar.from_ical(file.get_content())
    (event,) = calendar.walk("VEVENT")
    assert (calendar["METHOD"], event["UID"], event["STATUS"], event["SEQUENCE"]) == (
        "CANCEL", visit.calendar_uid, "CANCELLED", 1,
    )  # fmt: skip


def test_the_preparation_asks_what_falls_due_before_the_visit(smtp, sink):
    clinic = MailClinic(rules=(("preparation", 7, 14),))
    clinic.risk.valid_days = 30
    clinic.risk.save(update_fields=["valid_days"])
    (visit,) = clinic.booked("2027-02-08", patient=clinic.patient(language="de"))
    outbox.confirm([visit], now=NOW)
    Message.objects.exclude(kind="preparation").delete()
    outbox.deliver_due(NOW.replace(month=2, day=1, hour=9), transport=smtp)

    assert "Vor dem Besuch müssen wir Sie noch einmal fragen:\n- Sind Sie schwanger?\n" in words_of(
        sink.taken[0].message
    )


# --- it could not go --------------------------------------------------------------------------------------------------


def test_a_server_that_asks_to_wait_is_tried_again_ever_later_with_the_same_bytes(clinic, smtp, sink):
    promised(clinic)
    sink.at_data.extend(["451 later"] * 5)
    waits = []
    at = REMINDED
    for _ in range(5):
        outbox.deliver_due(at, transport=smtp)
        message = Message.objects.get(kind="reminder")
        assert (message.state, message.dotted_at is None) == ("pending", True)  # refused aloud: no copy is out
        assert message.next_try_at is not None
        waits.append((message.next_try_at - at).total_seconds())
        at = message.next_try_at
    frozen = content_of(Message.objects.get(kind="reminder"))
    outbox.deliver_due(at, transport=smtp)

    assert all(
        0.8 * wanted <= waited <= 1.2 * wanted for waited, wanted in zip(waits, (30, 120, 480, 1800, 1800), strict=True)
    )
    assert [taken.content for taken in sink.taken] == [frozen]


def test_trying_again_ends_with_the_use_of_the_message(clinic, smtp, sink):
    visit = promised(clinic)
    sink.at_rcpt.append("450 later")
    Message.objects.filter(kind="reminder").update(expires_at=REMINDED + timedelta(seconds=20))
    outbox.deliver_due(REMINDED, transport=smtp)

    assert visit.during.lower > REMINDED
    assert fate() == ["failed: not_taken_in_time"]


def test_a_mail_that_is_refused_for_good_fails_visibly_and_stops_no_other(clinic, smtp, sink):
    sink.at_rcpt.append("550 5.1.1 no such user")
    promised(clinic)
    promised(clinic)
    done = outbox.deliver_due(REMINDED, transport=smtp)

    assert (done, sorted(fate())) == (Delivered(claimed=2, sent=1, failed=1), ["failed: refused", "sent"])
    assert Message.objects.get(state="failed").last_reply == "550 5.1.1 no such user"


def test_an_address_that_cannot_be_used_fails_visibly(clinic, smtp, sink):
    promised(clinic, email="not an address")
    outbox.deliver_due(REMINDED, transport=smtp)

    assert (fate(), sink.taken) == (["failed: address_unusable"], [])


def test_a_server_that_is_away_is_asked_once_for_the_whole_batch(clinic):
    promised(clinic)
    promised(clinic)
    nobody = SmtpTransport("127.0.0.1", smtp_sink.closed_port())
    done = outbox.deliver_due(REMINDED, transport=nobody)

    assert (done, fate()) == (Delivered(claimed=2, retried=2), ["pending", "pending"])
    assert outbox.overdue_count(REMINDED + timedelta(minutes=6)) == 2


def test_a_line_that_breaks_after_the_dot_is_repeated_with_the_same_bytes(clinic, smtp, sink):
    promised(clinic)
    sink.after_data.append("take_and_drop")
    outbox.deliver_due(REMINDED, transport=smtp)
    assert Message.objects.get(kind="reminder").dotted_at is not None
    outbox.deliver_due(REMINDED + timedelta(minutes=1), transport=smtp)

    first, second = sink.taken
    assert first == second
    assert fate() == ["sent"]


def test_one_bad_row_stops_nobody_and_is_given_up_after_some_tries(clinic, smtp, sink):
    bad, good = promised(clinic), promised(clinic)
    course = Course.objects.get(pk=bad.session.course_id)
    Session.objects.filter(course=course).update(step_key="no_such_step")
    at = REMINDED
    outbox.deliver_due(at, transport=smtp)
    assert [taken.recipients for taken in sink.taken] == [(good.patient.email,)]
    for _ in range(4):
        at += timedelta(hours=1)
        outbox.deliver_due(at, transport=smtp)

    assert sorted(fate()) == ["failed: cannot_render", "sent"]


def test_quiet_hours_hold_back_a_reminder_that_was_late(clinic, smtp, sink):
    promised(clinic)
    outbox.deliver_due(REMINDED.replace(hour=22), transport=smtp)

    assert outbox_rows(kind="reminder") == [("reminder", "pending", "2027-02-13 08:00")]
    outbox.deliver_due(REMINDED.replace(day=13, hour=8), transport=smtp)
    assert len(sink.taken) == 1


# --- who has it -------------------------------------------------------------------------------------------------------


def lost_to_the_dead(message: Message) -> None:
    """Leave a message as a sender leaves it that was killed some time ago."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE scheduling_message SET lease_until = clock_timestamp() - interval '1 second' WHERE id = %s",
            [message.pk],
        )


def test_what_a_sender_holds_no_other_takes_until_its_lease_is_over(clinic, smtp, sink):
    promised(clinic)
    owner = uuid.uuid4()
    (pk,) = deliver._claim(REMINDED, owner, 10)

    assert outbox.deliver_due(REMINDED, transport=smtp) == Delivered()
    lost_to_the_dead(Message.objects.get(pk=pk))
    assert outbox.deliver_due(REMINDED, transport=smtp) == Delivered(claimed=1, sent=1)
    assert Message.objects.get(pk=pk).attempts == 2


def test_a_visit_called_off_while_its_mail_is_on_the_line_is_not_told_of(clinic, smtp, sink):
    visit = promised(clinic)
    owner, done = uuid.uuid4(), Delivered()
    pks = deliver._claim(REMINDED, owner, 10)
    sender = deliver.Sender(owner, smtp, REMINDED, done)
    (message,) = deliver._load(pks, owner)
    situation = wanted.Situation([message], REMINDED)
    assert sender._is_ready(message, situation, Library())
    sender._freeze([message])
    cancelled(visit)
    sender._send(message)

    assert (sink.taken, done) == ([], Delivered(retried=1))
    outbox.deliver_due(REMINDED + timedelta(seconds=1), transport=smtp)
    assert (fate(), sink.taken) == (["dropped: visit_not_live"], [])


def test_a_sender_whose_lease_ran_out_sends_nothing(clinic, smtp, sink):
    promised(clinic)
    owner = uuid.uuid4()
    pks = deliver._claim(REMINDED, owner, 10)
    sender = deliver.Sender(owner, smtp, REMINDED, Delivered())
    (message,) = deliver._load(pks, owner)
    sender._is_ready(message, wanted.Situation([message], REMINDED), Library())
    sender._freeze([message])
    lost_to_the_dead(message)
    sender._send(message)

    assert sink.taken == []


def test_a_copy_that_may_be_out_is_not_repeated_once_it_is_untrue_but_what_still_holds_is_said_anew(clinic, smtp, sink):
    one, two = clinic.booked("2027-02-15", "2027-03-15")
    outbox.confirm([one, two], now=NOW)
    sink.after_data.append("drop")
    outbox.deliver_due(NOW, transport=smtp)
    moved(one, "2027-02-16", "11:00")
    later = NOW + timedelta(minutes=1)
    outbox.deliver_due(later, transport=smtp)
    outbox.deliver_due(later, transport=smtp)

    assert fate("confirmation") == ["dropped: superseded", "sent"]
    assert [taken.message["Subject"] for taken in sink.taken] == ["Appointment on Mon 15 March, 10:30"]


def test_an_address_that_was_corrected_gets_the_mail_that_the_old_one_did_not_take(clinic, smtp, sink):
    visit = promised(clinic)
    sink.at_rcpt.append("450 mailbox full")
    outbox.deliver_due(REMINDED, transport=smtp)
    type(visit.patient).objects.filter(pk=visit.patient_id).update(email="new@example.org")
    outbox.deliver_due(REMINDED + timedelta(minutes=1), transport=smtp)

    assert [taken.recipients for taken in sink.taken] == [("new@example.org",)]


def test_failed_messages_of_use_can_be_tried_again(clinic, smtp, sink):
    promised(clinic)
    sink.at_rcpt.append("550 no")
    outbox.deliver_due(REMINDED, transport=smtp)
    assert outbox.retry_failed(now=REMINDED) == 1
    outbox.deliver_due(REMINDED, transport=smtp)

    assert fate() == ["sent"]


def test_bodies_are_forgotten_after_a_month_and_the_log_stays(clinic, smtp):
    promised(clinic)
    outbox.deliver_due(REMINDED, transport=smtp)
    assert outbox.purge(now=REMINDED + timedelta(days=29)) == 1  # the confirmation, which is older
    assert outbox.purge(now=REMINDED + timedelta(days=31)) == 1

    message = Message.objects.get(kind="reminder")
    assert (message.state, message.recipient, message.content) == ("sent", "", None)


def test_a_text_that_cannot_be_filled_in_is_tried_and_then_given_up(clinic, smtp, sink):
    promised(clinic)
    MessageText.objects.create(kind="reminder", language="en", subject="${nonsense}", body="x")
    for hour in range(5):
        outbox.deliver_due(REMINDED + timedelta(hours=hour), transport=smtp)

    assert (fate(), sink.taken, Site.objects.count()) == (["failed: cannot_render"], [], 1)
