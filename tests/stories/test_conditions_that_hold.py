"""A course booked whole while its later conditions are unknown, an answer that turns bad, a consent taken back."""

from __future__ import annotations

from datetime import time, timedelta
from typing import Any

from clinic import localtime
from clinic.models import Site
from scheduling import outbox
from scheduling.models import Appointment, Course, Message
from tests import build
from tests.smtp_sink import sink, smtp

from .conftest import act_page, course_page

__all__ = ["sink", "smtp"]


def answers_of(form: dict[str, Any], **other: str) -> list[dict[str, str]]:
    asked = {one["question"]: other.get(one["question"], "no") for one in form["questions"]}
    return [{"question": code, "value": value} for code, value in asked.items()]


def states(course: Course) -> list[str]:
    return [visit.state for visit in Appointment.objects.filter(session__course=course).order_by("on")]


def test_a_course_is_booked_whole_on_day_0_and_each_visit_is_admitted_when_its_conditions_are_known(clinic, api, desk):
    course = clinic.cleared_course(build.patient("Zoë Müller"))
    reception, doctor = api(clinic.receptionist), api(clinic.clinician)

    # Three visits are booked on the first day, although of the later ones much is not known yet.
    plan = reception.post(f"courses/{course.uid}/plan/").json()["alternatives"][0]["sessions"]
    pending = [{gate["code"] for gate in one["gates"] if gate["state"] == "pending"} for one in plan]
    assert pending == [set(), *[{"outcome_awaited", "answer_due_again"}] * 2]
    assert not any(gate["state"] == "closed" for one in plan for gate in one["gates"])
    booked = reception.post(f"courses/{course.uid}/book/", {"slots": [one["slot"] for one in plan]})
    assert (booked.status_code, states(course)) == (201, ["booked"] * 3)

    visits = list(Appointment.objects.filter(session__course=course).order_by("on"))
    for number, visit in enumerate(visits):
        clinic.now = visit.during.lower - timedelta(minutes=5)
        check_in = f"sessions/{visit.session.uid}/check-in/"
        if number:
            # The session before it took place; nobody has written down how it went, and the answers are old.
            refused = reception.post(f"appointments/{visit.uid}/arrive/")
            assert (refused.status_code, refused.json()["code"]) == (409, "gate_not_open")
            codes = {violation["code"] for violation in refused.json()["violations"]}
            assert codes == {"outcome_missing", "answer_expired"}
            form = reception.get(check_in).json()
            assert {one["why"] for one in form["questions"]} == {"answer_expired"}
            asked = reception.post(check_in, {"answers": answers_of(form)}).json()
            assert (asked["admitted"], {one["code"] for one in asked["problems"]}) == (False, {"outcome_missing"})
            before = visits[number - 1].session
            assert doctor.post(f"sessions/{before.uid}/outcome/", {"outcome": "ok"}).status_code == 200

        form = reception.get(check_in).json()
        assert reception.post(check_in, {"answers": answers_of(form)}).json()["admitted"] is True
        clinic.now = visit.during.upper
        done = doctor.post(f"sessions/{visit.session.uid}/perform/", {"performed_on": visit.on.isoformat()})
        assert (done.status_code, done.json()["session"]["state"]) == (200, "performed")
        assert done.json()["proposal"] is None  # each took place when it was planned

    assert states(course) == ["performed"] * 3


def test_a_visit_whose_session_before_has_not_taken_place_is_refused_at_check_in(clinic, api):
    course = clinic.booked_course()
    second = build.visits_of(course)[1]
    clinic.now = second.during.lower - timedelta(minutes=5)
    clinic.answer_all(course)

    refused = api(clinic.receptionist).post(f"appointments/{second.uid}/arrive/")

    assert {violation["code"] for violation in refused.json()["violations"]} == {"outcome_awaited"}
    assert refused.status_code == 409


def test_a_bad_answer_at_10_00_stops_the_reminder_of_10_01(clinic, api, sink, smtp):
    Site.objects.filter(pk=clinic.site.pk).update(mail_time=time(10, 1))
    clinic.site.refresh_from_db()
    away = frozenset(clinic.today + timedelta(days=number) for number in range(10))
    wishes = build.facts.Wishes(avoid_dates=away, strict=True)
    held, other = (clinic.booked_course(build.patient(name), wishes=wishes) for name in ("Zoë Müller", "Ana Kovač"))
    outbox.deliver_due(clinic.now, transport=smtp)
    assert len(sink.taken) == 2
    reminders = {
        course: Message.objects.get(course=course, session=build.visits_of(course)[0].session, kind="reminder", days=3)
        for course in (held, other)
    }
    on = build.visits_of(held)[0].on - timedelta(days=3)
    assert {one.due_at for one in reminders.values()} == {localtime.instant(on, time(10, 1), clinic.zone)}

    clinic.now = localtime.instant(on, time(10), clinic.zone)
    said = api(clinic.clinician).post(
        f"patients/{held.patient.uid}/answers/", {"question": "blood_clot_recent", "value": "yes"}
    )
    assert said.status_code == 201
    clinic.wait(minutes=1)
    outbox.deliver_due(clinic.now, transport=smtp)

    for reminder in reminders.values():
        reminder.refresh_from_db()
    assert reminders[held].state == "dropped"
    assert set(reminders[held].state_reason.removeprefix("gate_closed:").split(",")) == {
        "risk_absolute",
        "course_on_hold",
    }
    assert reminders[other].state == "sent"
    subjects = [str(mail.message["Subject"]) for mail in sink.taken[2:]]
    assert len(subjects) == 1
    assert subjects[0].startswith("Appointment on ")


def test_a_consent_is_taken_back_and_the_visits_go_once_that_is_confirmed(clinic, api, desk):
    course = clinic.booked_course(build.patient("Zoë Müller"))
    consent = course.consents.get()
    first = build.visits_of(course)[0]

    # The page names every visit that would go, and does nothing before somebody has chosen.
    page = desk.open(act_page(course, "withdraw", consent))
    for visit in build.visits_of(course):
        assert f"{visit.at_time:%H:%M} · {visit.lead.name}" in page.words
    unsaid = page.press("Record the withdrawal")
    assert ("Please look at the marked fields." in unsaid.words, states(course)) == (True, ["booked"] * 3)
    refused = api(clinic.receptionist).post(
        f"consents/{consent.uid}/withdraw/", {"withdrawn_on": clinic.today.isoformat()}
    )
    assert (refused.status_code, refused.json()["violations"][0]["where"]) == (400, "cancel_visits")

    done = page.press("Record the withdrawal", cancel_visits="yes")

    assert "The consent is withdrawn, and the course on hold." in done.words
    assert states(course) == ["cancelled"] * 3
    assert "On hold" in desk.open(course_page(course)).words
    assert Appointment.objects.get(pk=first.pk).cancel_reason == "patient_changed_mind"
    waiting = set(Message.objects.filter(course=course, state="pending").values_list("kind", flat=True))
    assert ("cancelled" in waiting, waiting & {"reminder", "preparation"}) == (True, set())
