"""What is promised, when it is due, and that promising twice is harmless."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from scheduling import outbox
from scheduling.models import Course, Message, MessageKind, MessagePolicy, MessageState
from scheduling.outbox.moments import Quiet, next_mail_moment
from scheduling.outbox.policy import policy_of

from .mail_clinic import NOW, MailClinic, cancelled, due_for_recall, follow_up, hold, moved, outbox_rows, performed

pytestmark = pytest.mark.django_db


@pytest.fixture
def clinic():
    return MailClinic()


def keys() -> list[str]:
    return sorted(Message.objects.values_list("dedupe_key", flat=True))


# --- a visit that is booked -------------------------------------------------------------------------------------------


def test_a_series_gets_one_confirmation_and_each_visit_its_preparation_and_two_reminders(clinic):
    visits = clinic.booked("2027-01-11", "2027-02-15")
    outbox.confirm(visits, now=NOW)

    assert outbox_rows() == [
        ("confirmation", "pending", "2027-01-04 10:00"),
        ("reminder", "pending", "2027-01-08 09:00"),
        ("reminder", "pending", "2027-01-10 09:00"),
        ("preparation", "pending", "2027-02-08 09:00"),  # the first is booked only 7 days ahead
        ("reminder", "pending", "2027-02-12 09:00"),
        ("reminder", "pending", "2027-02-14 09:00"),
    ]
    confirmation = Message.objects.get(kind=MessageKind.CONFIRMATION)
    assert [told.appointment for told in confirmation.visits.all()] == visits


def test_each_promise_has_a_key_of_its_own_and_expires_with_its_visit(clinic):
    (visit,) = clinic.booked("2027-02-15")
    outbox.confirm([visit], now=NOW)

    assert keys() == [
        f"confirmation:{visit.uid}:1",
        f"preparation:{visit.uid}:1:7",
        f"reminder:{visit.uid}:1:1",
        f"reminder:{visit.uid}:1:3",
    ]
    assert set(Message.objects.values_list("expires_at", flat=True)) == {visit.during.lower}


def test_promising_twice_is_harmless(clinic):
    visits = clinic.booked("2027-02-15", "2027-03-22")
    outbox.confirm(visits, now=NOW)
    once = outbox_rows()
    outbox.confirm(visits, now=NOW + timedelta(minutes=1))
    outbox.reconcile(visits[0].session.course, now=NOW + timedelta(days=30))

    assert outbox_rows() == once


def test_a_reminder_whose_moment_has_passed_is_skipped_and_not_sent_at_once(clinic):
    visits = clinic.booked("2027-01-06")
    outbox.confirm(visits, now=NOW)

    assert outbox_rows() == [
        ("confirmation", "pending", "2027-01-04 10:00"),
        ("reminder", "pending", "2027-01-05 09:00"),
    ]


@pytest.mark.parametrize(
    ("zone", "on", "due"),
    [
        ("Europe/London", "2027-03-30", "2027-03-27T09:00+00:00"),  # the clocks go forward in between
        ("Europe/London", "2027-11-02", "2027-10-30T08:00+00:00"),
        ("Australia/Lord_Howe", "2027-10-05", "2027-10-01T22:30+00:00"),
        ("Asia/Kolkata", "2027-02-15", "2027-02-12T03:30+00:00"),
        ("Africa/Casablanca", "2027-02-20", "2027-02-17T09:00+00:00"),
    ],
)
def test_a_reminder_is_due_by_the_clock_on_the_sites_wall(zone, on, due):
    clinic = MailClinic(zone=zone, rules=(("reminder", 3, None),))
    outbox.confirm(clinic.booked(on), now=NOW)

    assert Message.objects.get(kind="reminder").due_at == datetime.fromisoformat(due)


def test_mail_that_would_go_in_quiet_hours_waits_for_their_end(clinic):
    clinic.site.mail_time = time(7)
    clinic.site.save(update_fields=["mail_time"])
    outbox.confirm(clinic.booked("2027-01-11"), now=NOW)

    assert outbox_rows(kind="reminder") == [
        ("reminder", "pending", "2027-01-08 08:00"),
        ("reminder", "pending", "2027-01-10 08:00"),
    ]


def test_a_message_on_the_day_goes_at_the_last_allowed_minute_before_a_visit_that_begins_in_quiet_hours():
    clinic = MailClinic(rules=(("reminder", 0, None),), site_fields={"mail_time": time(7)})
    course = clinic.course(sessions=1)
    outbox.confirm([clinic.visit(course.sessions.get(), "2027-01-11", "07:30")], now=NOW)

    assert outbox_rows(kind="reminder") == [("reminder", "pending", "2027-01-10 19:59")]


def test_quiet_hours_may_lie_within_a_day_or_over_midnight_or_not_be_there():
    noon = datetime(2027, 1, 4, 12, 30, tzinfo=UTC)
    night = datetime(2027, 1, 4, 23, 0, tzinfo=UTC)

    def moments(quiet: Quiet) -> list[str]:
        return [f"{quiet.next_allowed(at):%d %H:%M}" for at in (noon, night)]

    assert moments(Quiet(time(12), time(13), "UTC")) == ["04 13:00", "04 23:00"]
    assert moments(Quiet(time(20), time(8), "UTC")) == ["04 12:30", "05 08:00"]
    assert moments(Quiet(time(8), time(8), "UTC")) == ["04 12:30", "04 23:00"]
    assert Quiet(time(20), time(8), "UTC").last_allowed(datetime(2027, 1, 5, 6, 0, tzinfo=UTC)) == datetime(
        2027, 1, 4, 19, 59, tzinfo=UTC
    )


def test_mail_without_a_date_of_its_own_goes_at_the_sites_next_mail_time(clinic):
    london = [next_mail_moment(clinic.site, NOW + timedelta(hours=hours)) for hours in (-2, 0)]

    assert london == [datetime(2027, 1, 4, 9, 0, tzinfo=UTC), datetime(2027, 1, 5, 9, 0, tzinfo=UTC)]


def test_a_version_decides_which_messages_go_and_may_switch_off_even_the_confirmation():
    clinic = MailClinic(rules=(("reminder", 2, None),))
    MessagePolicy.objects.create(version=clinic.version, kind="confirmation", is_on=False)
    outbox.confirm(clinic.booked("2027-02-15"), now=NOW)

    assert outbox_rows() == [("reminder", "pending", "2027-02-13 09:00")]


def test_what_an_approved_version_sends_is_read_once_and_a_draft_each_time(clinic):
    def reads() -> int:
        with CaptureQueriesContext(connection) as queries:
            policy_of(clinic.version)
        return len(queries)

    approved = [reads(), reads()]
    clinic.version.state = "draft"

    assert (approved, [reads(), reads()]) == ([1, 0], [1, 1])


def test_a_version_that_says_nothing_gets_the_usual_messages():
    clinic = MailClinic(rules=())
    outbox.confirm(clinic.booked("2027-02-15"), now=NOW)

    assert [kind for kind, *_rest in outbox_rows()] == ["confirmation", "preparation", "reminder", "reminder"]


def test_promising_takes_the_same_number_of_statements_for_one_visit_and_for_many(clinic):
    def statements(*days: str) -> int:
        visits = clinic.booked(*days)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            outbox.confirm(visits, now=NOW)
        return len(queries)

    outbox.confirm(clinic.booked("2027-01-15"), now=NOW)  # what the version sends is remembered from now on
    assert statements("2027-02-15") == statements("2027-03-15", "2027-04-15", "2027-05-17", "2027-06-15")


# --- a visit that moves or goes ---------------------------------------------------------------------------------------


def test_a_move_drops_the_old_reminders_promises_new_ones_and_one_message_after_a_grace(clinic):
    (visit,) = clinic.booked("2027-02-15")
    outbox.confirm([visit], now=NOW)
    outbox.announce_moves(visit.session.course, [moved(visit, "2027-02-22", "11:00")], now=NOW)

    assert outbox_rows(state="pending") == [
        ("confirmation", "pending", "2027-01-04 10:00"),
        ("changed", "pending", "2027-01-04 10:03"),
        ("preparation", "pending", "2027-02-15 09:00"),
        ("reminder", "pending", "2027-02-19 09:00"),
        ("reminder", "pending", "2027-02-21 09:00"),
    ]
    assert [state for _kind, state, _due in outbox_rows(state="dropped")] == ["dropped: visit_moved"] * 3


def test_a_second_move_takes_the_place_of_the_first_and_tells_where_the_visit_was_at_first(clinic):
    one, other = clinic.booked("2027-02-15", "2027-03-22")
    course = one.session.course
    outbox.announce_moves(course, [moved(one, "2027-02-22", "11:00"), moved(other, "2027-03-29", "11:00")], now=NOW)
    outbox.announce_moves(course, [moved(one, "2027-02-24", "12:00")], now=NOW + timedelta(minutes=2))

    assert outbox_rows(kind="changed") == [
        ("changed", "dropped: superseded", "2027-01-04 10:03"),
        ("changed", "pending", "2027-01-04 10:05"),
    ]
    told = Message.objects.get(kind="changed", state="pending").visits.all()
    assert [(visit.appointment, visit.revision, visit.before["on"]) for visit in told] == [
        (one, 3, "2027-02-15"),
        (other, 2, "2027-03-22"),
    ]


def test_a_visit_that_came_back_to_where_it_was_is_not_spoken_of(clinic):
    (visit,) = clinic.booked("2027-02-15")
    course = visit.session.course
    outbox.announce_moves(course, [moved(visit, "2027-02-22", "11:00")], now=NOW)
    outbox.announce_moves(course, [moved(visit, "2027-02-15", "10:30")], now=NOW + timedelta(minutes=1))

    assert outbox_rows(kind="changed") == [("changed", "dropped: superseded", "2027-01-04 10:03")]


def test_visits_cancelled_together_share_one_message_and_their_reminders_are_dropped(clinic):
    visits = clinic.booked("2027-02-15", "2027-03-22")
    outbox.confirm(visits, now=NOW)
    for visit in visits:
        outbox.announce_cancellation(cancelled(visit), now=NOW)

    assert outbox_rows(kind="cancelled") == [
        ("cancelled", "dropped: superseded", "2027-01-04 10:03"),
        ("cancelled", "pending", "2027-01-04 10:03"),
    ]
    assert [told.appointment for told in Message.objects.get(kind="cancelled", state="pending").visits.all()] == visits
    assert {state for _kind, state, _due in outbox_rows(kind="reminder")} == {"dropped: visit_not_live"}


def test_nothing_is_said_about_a_visit_that_was_over_when_it_was_cancelled(clinic):
    (visit,) = clinic.booked("2027-02-15")
    outbox.announce_cancellation(cancelled(visit), now=NOW + timedelta(days=60))

    assert outbox_rows(kind="cancelled") == []


def test_what_was_dropped_and_is_wanted_again_waits_again(clinic):
    (visit,) = clinic.booked("2027-02-15")
    course = visit.session.course
    outbox.confirm([visit], now=NOW)
    outbox.drop_for_course(course, "course_over", now=NOW)
    assert {state for _kind, state, _due in outbox_rows(kind="reminder")} == {"dropped: course_over"}
    outbox.reconcile(course, now=NOW)

    assert {state for _kind, state, _due in outbox_rows(kind="reminder")} == {"pending"}


def test_ending_a_course_leaves_advice_and_news_of_cancellation_alone(clinic):
    one, other = clinic.booked("2027-01-04", "2027-02-15")
    course = one.session.course
    outbox.promise_aftercare(performed(one.session, "2027-01-04"), now=NOW)
    outbox.announce_cancellation(cancelled(other), now=NOW)
    outbox.drop_for_course(course, "course_over", now=NOW)

    assert [row[:2] for row in outbox_rows(state="pending")] == [("aftercare", "pending"), ("cancelled", "pending")]


def test_a_hold_asks_to_call_about_a_near_visit_and_leaves_the_reminders_to_be_asked_later(clinic):
    near, far = clinic.booked("2027-01-08", "2027-02-15")
    course = near.session.course
    outbox.confirm([near, far], now=NOW)
    hold(course)
    outbox.reconcile(course, now=NOW)
    outbox.reconcile(course, now=NOW + timedelta(minutes=1))

    (call,) = Message.objects.filter(kind="call_us")
    assert [told.appointment for told in call.visits.all()] == [near]
    assert outbox_rows(kind="call_us") == [("call_us", "pending", "2027-01-04 10:03")]
    assert {state for _kind, state, _due in outbox_rows(kind="reminder")} == {"pending"}


def test_the_sweep_asks_to_call_when_a_kept_visit_of_a_held_course_has_come_near(clinic):
    (visit,) = clinic.booked("2027-02-15")
    hold(visit.session.course)

    assert [outbox.ask_for_calls(NOW + timedelta(days=days)) for days in (0, 36, 36)] == [0, 1, 0]
    assert outbox_rows(kind="call_us") == [("call_us", "pending", "2027-02-09 10:03")]


# --- a session that was performed -------------------------------------------------------------------------------------


def test_advice_follows_at_once_the_check_in_two_weeks_and_the_farewell_after_the_last(clinic):
    follow_up(clinic)
    follow_up(clinic, "3 months", key="last_look", last_session_only=True)
    one, other = clinic.booked("2027-01-04", "2027-02-15")
    outbox.promise_aftercare(performed(one.session, "2027-01-04"), now=NOW)
    assert outbox_rows() == [
        ("aftercare", "pending", "2027-01-04 10:00"),
        ("check", "pending", "2027-01-18 09:00"),
    ]
    evening = datetime(2027, 2, 15, 21, 0, tzinfo=UTC)
    outbox.promise_aftercare(performed(other.session, "2027-02-15"), now=evening)

    assert outbox_rows(session=other.session) == [
        ("aftercare", "pending", "2027-02-15 21:00"),  # safety advice does not wait for the morning
        ("finished", "pending", "2027-02-16 09:00"),
        ("check", "pending", "2027-03-01 09:00"),
        ("check", "pending", "2027-05-15 09:00"),
    ]


def test_the_last_session_is_the_last_of_its_step_whatever_else_the_course_has_left(clinic):
    follow_up(clinic, "3 months", key="last_look", last_session_only=True)
    (visit,) = clinic.booked("2027-01-04")
    review = clinic.version.steps.create(
        position=2, key="review", name="Review", kind="follow_up", sessions=1, lead_role="injector"
    )
    visit.session.course.sessions.create(position=9, step=review, step_key="review")

    outbox.promise_aftercare(performed(visit.session, "2027-01-04"), now=NOW)

    assert outbox_rows() == [
        ("aftercare", "pending", "2027-01-04 10:00"),
        ("check", "pending", "2027-04-04 09:00"),  # and no farewell
    ]


def test_history_that_is_recorded_late_sends_no_advice_for_days_gone_by(clinic):
    (visit,) = clinic.booked("2027-01-04")
    outbox.promise_aftercare(performed(visit.session, "2027-01-04"), now=NOW + timedelta(days=40))

    assert outbox_rows() == []


# --- nothing is booked ------------------------------------------------------------------------------------------------


def swept(day: date) -> int:
    return outbox.promise_recalls(datetime.combine(day, time(8), tzinfo=UTC))


def test_a_recall_is_promised_when_the_window_opens_and_an_overdue_notice_when_it_is_overdue(clinic):
    due_for_recall(clinic)

    days = [
        date(2027, 1, 31),
        date(2027, 2, 1),
        date(2027, 2, 2),
        date(2027, 3, 28),
        date(2027, 3, 29),
        date(2027, 3, 30),
    ]
    assert [swept(day) for day in days] == [0, 1, 0, 0, 1, 0]
    assert outbox_rows() == [
        ("recall", "pending", "2027-02-01 09:00"),
        ("overdue", "pending", "2027-03-29 09:00"),
    ]


def test_nobody_is_recalled_who_is_booked_or_held_or_done_or_long_past_the_moment(clinic):
    booked, held, over, _late = (due_for_recall(clinic) for _ in range(4))
    clinic.visit(booked.sessions.get(position=2), "2027-02-15")
    hold(held)
    Course.objects.filter(pk=over.pk).update(state="ended", ended_at=NOW, end_reason="moved away")

    assert swept(date(2027, 2, 9)) == 0


def test_a_cache_that_is_wrong_recalls_nobody(clinic):
    course = due_for_recall(clinic)
    course.sessions.filter(position=1).update(performed_on="2027-01-20")

    assert swept(date(2027, 2, 1)) == 0


def test_who_was_booked_and_lost_the_visit_is_recalled_again(clinic):
    course = due_for_recall(clinic)
    assert swept(date(2027, 2, 1)) == 1
    cancelled(clinic.visit(course.sessions.get(position=2), "2027-02-15"))

    assert swept(date(2027, 2, 2)) == 1


def test_a_sweep_takes_the_same_number_of_statements_however_many_were_recalled_before(clinic):
    def statements() -> int:
        with CaptureQueriesContext(connection) as queries:
            swept(date(2027, 2, 1))
        return len(queries)

    due_for_recall(clinic)
    swept(date(2027, 2, 1))
    one = statements()
    for _ in range(3):
        due_for_recall(clinic)
    swept(date(2027, 2, 1))

    assert statements() == one


def test_what_is_due_and_unsent_is_counted(clinic):
    outbox.confirm(clinic.booked("2027-02-15"), now=NOW)

    assert [outbox.overdue_count(NOW + timedelta(minutes=minutes)) for minutes in (4, 6)] == [0, 1]


def test_promises_vanish_with_the_transaction_that_made_them(clinic):
    visits = clinic.booked("2027-02-15")
    with transaction.atomic():
        outbox.confirm(visits, now=NOW)
        transaction.set_rollback(True)

    assert outbox_rows() == []


def test_parked_messages_wait_apart_and_come_back(clinic):
    outbox.confirm(clinic.booked("2027-01-06"), now=NOW)

    assert (outbox.park(now=NOW), Message.objects.filter(state=MessageState.PARKED).count()) == (2, 2)
    assert outbox.deliver_due(NOW + timedelta(days=1)).claimed == 0
    assert outbox.unpark(now=NOW) == 2
