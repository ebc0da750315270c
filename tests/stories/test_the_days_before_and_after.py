"""The days around a visit: bad answers stop its reminder, old ones must be asked again, early and late ones count."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from clinic import localtime
from scheduling import tasks
from scheduling.models import Appointment, Course, Hold, Message, Occupancy
from scheduling.planner import facts
from tests import build

from .conftest import Desk, act_page, course_page


@pytest.fixture
def mailbox(settings: Any, tmp_path: Path) -> Path:
    """Where mail is written while there is no mail server."""
    settings.MAIL_HOST, settings.MAIL_DIR = "", tmp_path / "mail"
    return tmp_path / "mail"


def subjects(mailbox: Path) -> list[str]:
    found = [message_from_bytes(file.read_bytes(), policy=policy.default) for file in mailbox.glob("*.eml")]
    assert all(isinstance(mail, EmailMessage) for mail in found)
    return sorted(str(mail["Subject"]) for mail in found)


def booked_for_later(clinic: build.Clinic, patient: Any = None, *, days: int = 17) -> Course:
    """A course whose first visit is so many days ahead, or a little later."""
    away = frozenset(clinic.today + timedelta(days=number) for number in range(days))
    return clinic.booked_course(patient, wishes=facts.Wishes(avoid_dates=away, strict=True))


def at_nine(clinic: build.Clinic, visit: Appointment, *, days_before: int) -> None:
    clinic.now = localtime.instant(visit.on - timedelta(days=days_before), time(9), clinic.zone)


def test_a_bad_answer_over_rest_stops_the_reminder_until_a_prescriber_lifts_the_hold(clinic, desk, api, mailbox):
    patient = build.patient("Zoë Müller")
    course = booked_for_later(clinic, patient)
    visit = build.visits_of(course)[0]
    tasks.deliver_due()
    assert len(subjects(mailbox)) == 1

    # Four days before, a clinician hears that the patient may be pregnant.
    at_nine(clinic, visit, days_before=4)
    doctor = api(clinic.clinician)
    said = doctor.post(f"patients/{patient.uid}/answers/", {"question": "pregnancy", "value": "yes"})
    assert said.status_code == 201
    shown = doctor.get(f"courses/{course.uid}/").json()
    assert [(hold["code"], hold["lifted_by_role"]) for hold in shown["holds"]] == [("risk_pregnancy", "prescriber")]
    assert "Zoë Müller" in desk.open("/admin/").words
    assert "On hold" in desk.open(course_page(course)).words

    # The reminder of the next day is not sent. What is sent asks for a call, and does not say why.
    at_nine(clinic, visit, days_before=3)
    tasks.deliver_due()
    reminder = Message.objects.get(session=visit.session, kind="reminder", days=3)
    assert reminder.state == "dropped"
    assert set(reminder.state_reason.removeprefix("gate_closed:").split(",")) == {"risk_absolute", "course_on_hold"}
    assert subjects(mailbox)[-1] == "Please call us"
    assert len(subjects(mailbox)) == 2

    # It was a false alarm. A prescriber lifts the hold, and the reminder of the day before goes out.
    doctor.post(f"patients/{patient.uid}/answers/", {"question": "pregnancy", "value": "no"})
    hold = Hold.objects.get(course=course)
    refused = desk.send(act_page(course, "lift", hold), {"reason": "The test was negative"})
    assert "Prescriber" in refused.words
    lifted = Desk(clinic.prescriber).open(act_page(course, "lift", hold))
    assert "The hold is lifted." in lifted.press("Lift the hold", reason="The test was negative").words
    at_nine(clinic, visit, days_before=1)
    tasks.deliver_due()
    assert Message.objects.get(session=visit.session, kind="reminder", days=1).state == "sent"
    assert len(subjects(mailbox)) == 3


def test_answers_that_have_grown_old_keep_the_patient_waiting_until_they_are_asked_again(clinic, desk, api):
    course = booked_for_later(clinic, build.patient("Zoë Müller"))
    visit = build.visits_of(course)[0]
    clinic.now = visit.during.lower - timedelta(minutes=5)

    over_rest = api(clinic.clinician).post(f"appointments/{visit.uid}/arrive/")
    at_the_desk = desk.open(act_page(course, "arrive", visit)).press("The patient is here")
    assert (over_rest.status_code, over_rest.json()["code"]) == (409, "gate_not_open")
    old = {violation["subject"]: violation for violation in over_rest.json()["violations"]}
    assert {violation["code"] for violation in old.values()} == {"answer_expired"}
    assert "unwell" in old
    assert "Ask these questions first." in at_the_desk.words
    assert "Are you ill or feverish today" in at_the_desk.words

    questions = {rule.question.code: "no" for rule in course.version.risk_rules.select_related("question")}
    arrived = desk.open(act_page(course, "arrive", visit)).press("The patient is here", **answered(questions))
    assert "The patient is checked in." in arrived.words
    day = desk.open(f"/admin/scheduling/appointment/day/?site={clinic.site.uid}&on={visit.on}")
    assert "arrived" in day.words


def answered(questions: dict[str, str]) -> dict[str, str]:
    return {f"question_{code}": value for code, value in questions.items()}


def test_a_session_performed_early_is_counted_from_and_gives_its_time_to_somebody_else(clinic, desk, api):
    course, waiting = booked_for_later(clinic), clinic.cleared_course(build.patient("Ana Kovač"))
    first, second, _third = build.visits_of(course)
    freed = build.slot(first, session=str(build.sessions_of(waiting)[0].uid))
    doctor = api(clinic.clinician)
    clinic.wait(days=1)

    # The patient is there seventeen days before the visit, and is treated.
    what = {"performed_on": f"{clinic.today}", "outcome": "ok"}
    performed = doctor.post(f"sessions/{first.session.uid}/perform/", what)

    assert performed.status_code == 200
    assert performed.json()["session"]["former_appointments"][0]["state"] == "performed"
    assert performed.json()["proposal"] is None
    shown = doctor.get(f"sessions/{second.session.uid}/").json()
    assert shown["window"]["earliest_on"] == f"{clinic.today + timedelta(weeks=4)}"
    assert shown["window"]["is_provisional"] is False
    assert shown["appointment"]["on"] == f"{second.on}"
    assert f"{clinic.today:%a} {clinic.today.day} {clinic.today:%b %Y}" in desk.open(course_page(course)).words

    # Its reminders are not sent, the advice for after the session is, and the time is free for others.
    kinds = dict(Message.objects.filter(session=first.session).values_list("kind", "state"))
    assert (kinds["reminder"], kinds["preparation"], kinds["aftercare"]) == ("dropped", "dropped", "pending")
    assert Occupancy.objects.standing().filter(appointment=first).count() == 0
    assert doctor.post(f"sessions/{freed['session']}/book/", {"slot": freed}).status_code == 201


def test_a_session_performed_late_becomes_a_proposal_that_the_front_desk_applies(clinic, desk, mailbox):
    course = clinic.booked_course(build.patient("Zoë Müller"))
    first, second, third = build.visits_of(course)
    clinic.now = datetime.combine(first.on + timedelta(days=4), time(16), clinic.now.tzinfo)

    doctor = Desk(clinic.clinician)
    recorded = doctor.open(act_page(course, "perform", first.session)).press(
        "Save the session", performed_on=f"{clinic.today}", at_time="", minutes="", result="ok"
    )
    assert "The session is recorded." in recorded.words

    page = desk.open(course_page(course))
    assert any("Apply" in button for button in page.buttons)
    applied = page.press("Apply")
    assert "2 visits are moved." in applied.words
    second.refresh_from_db()
    third.refresh_from_db()
    assert second.on >= clinic.today + timedelta(weeks=4)
    assert third.on >= second.on + timedelta(weeks=4)
    assert (second.revision, second.calendar_sequence, third.revision, third.calendar_sequence) == (2, 1, 2, 1)

    clinic.wait(minutes=4)
    tasks.deliver_due()
    told = [subject for subject in subjects(mailbox) if subject.startswith("New time")]
    assert len(told) == 1


def test_nobody_is_reminded_of_a_visit_that_is_too_near_to_begin_until_it_has_moved(clinic, desk, mailbox):
    course = clinic.booked_course(build.patient("Zoë Müller"))
    first, second, _third = build.visits_of(course)
    tasks.deliver_due()
    at_nine(clinic, second, days_before=5)
    clinic.perform(first.session)

    # Its reminders are not sent: the desk would have to send the patient home. The worklist says so, and why.
    for days_before in (3, 1):
        at_nine(clinic, second, days_before=days_before)
        tasks.deliver_due()
    assert fates(second) == [
        (7, "dropped", "gate_closed:before_floor,before_minimum"),
        (3, "dropped", "gate_closed:before_floor,before_minimum"),
        (1, "dropped", "gate_closed:before_floor,before_minimum"),
    ]
    home, day = desk.open("/admin/").words, f"{second.on:%a} {second.on.day} {second.on:%b}"
    assert "Reminder not sent" in home
    assert f"Reminder · {day}" in home
    assert "This is sooner than the session may ever take place. This is earlier than the protocol allows." in home

    # It is moved, as proposed: there is nothing left to do, and the patient is reminded of the new day.
    assert "2 visits are moved." in desk.open(course_page(course)).press("Apply").words
    second.refresh_from_db()
    assert "Reminder not sent" not in desk.open("/admin/").words
    at_nine(clinic, second, days_before=1)
    tasks.deliver_due()
    assert fates(second)[-1] == (1, "sent", "")


def fates(visit: Appointment) -> list[tuple[int, str, str]]:
    """What became of the mail before a visit, as it stands now or stood then: days before, state, reason."""
    about = Message.objects.filter(session=visit.session, kind__in=["preparation", "reminder"]).order_by("due_at", "pk")
    return [(message.days, message.state, message.state_reason) for message in about]
