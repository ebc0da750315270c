"""Visits at the front desk: one time at a time, moved, cancelled, missed, performed, with their outcome."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from html import unescape
from typing import Any

from scheduling import replanning, visits
from scheduling.models import Appointment, CancelReason, Hold, Outcome, Session
from scheduling.models.appointments import AskedBy
from tests import build

from .conftest import course_page, do, first_visit, hidden, words


def times_page(session: Session) -> str:
    return f"/admin/scheduling/course/{session.course.uid}/times/{session.uid}/"


def slots_on(page: Any) -> list[dict[str, Any]]:
    return [json.loads(unescape(value)) for value in re.findall(r'name="slot" value="([^"]*)"', page.content.decode())]


def test_one_session_is_booked_at_a_time_that_is_free(clinic, reception):
    session = build.sessions_of(clinic.cleared_course())[0]

    page = reception.get(times_page(session))
    slot = slots_on(page)[0]
    answer = reception.post(times_page(session), {"slot": json.dumps(slot), "key": hidden(page, "key")[0]})

    visit = Appointment.objects.get()
    assert answer.url == f"{course_page(session.course)}#session-{session.position}"
    assert (visit.session, f"{visit.on}", f"{visit.at_time:%H:%M}") == (session, slot["on"], slot["at"])


def test_a_time_too_near_to_the_next_visit_shows_that_this_should_move(clinic, reception):
    """The first session loses its visit, and gets one in the week before the second one's."""
    course = clinic.booked_course()
    session, second, third = build.sessions_of(course)
    asked = {"reason": CancelReason.PATIENT_BUSY, "asked_by": AskedBy.PATIENT}
    visits.cancel(session.appointments.get(), **asked, by=clinic.receptionist, now=clinic.now)
    for proposal in course.proposals.filter(state="open"):
        replanning.discard(proposal, by=clinic.receptionist, now=clinic.now)
    near = second.appointments.get().on - timedelta(days=7)
    page = reception.get(times_page(session), {"from": f"{near}"})

    answer = reception.post(times_page(session), {"slot": json.dumps(slots_on(page)[0]), "key": hidden(page, "key")[0]})
    after = reception.get(answer.url)

    proposal = course.proposals.get(state="open")
    assert [move.session for move in proposal.moves.all()] == [second, third]
    assert f"/admin/scheduling/proposal/{proposal.uid}/" in after.content.decode()
    assert "so these visits should move" in words(after)


def test_a_visit_is_moved_to_a_time_that_is_free_and_keeps_its_identity(clinic, reception):
    course = clinic.booked_course()
    session = build.sessions_of(course)[1]
    visit = session.appointments.get()

    page = reception.get(times_page(session))
    slot = next(
        slot for slot in slots_on(page) if (slot["on"], slot["at"]) != (f"{visit.on}", f"{visit.at_time:%H:%M}")
    )
    reception.post(times_page(session), {"slot": json.dumps(slot), "key": hidden(page, "key")[0]})

    moved = Appointment.objects.get(session=session)
    assert (moved.uid, moved.revision, f"{moved.on}", f"{moved.at_time:%H:%M}") == (
        visit.uid,
        2,
        slot["on"],
        slot["at"],
    )


def test_a_time_in_the_past_or_nonsense_is_refused_in_words(clinic, reception):
    course = clinic.booked_course()
    visit = first_visit(course)
    past = build.slot(visit, on=f"{clinic.today - timedelta(days=3)}")

    for sent in (json.dumps(past), "nonsense", ""):
        answer = reception.post(times_page(visit.session), {"slot": sent, "key": "k"})
        assert (answer.status_code, "Nothing was changed." in words(answer)) == (409, True)
    visit.refresh_from_db()
    assert visit.revision == 1


def test_a_visit_is_cancelled_with_a_coded_reason_and_who_asked(clinic, reception):
    course = clinic.booked_course()
    visit = first_visit(course)

    answer = reception.post(
        do(course, "cancel", visit), {"reason": "patient_ill", "asked_by": "patient", "note": "flu"}
    )

    visit.refresh_from_db()
    assert answer.url == f"{course_page(course)}#session-{visit.session.position}"
    assert (visit.state, visit.cancel_reason, visit.cancel_asked_by, visit.note) == (
        "cancelled", "patient_ill", "patient", "flu"
    )  # fmt: skip


def test_a_visit_cannot_be_cancelled_twice_and_the_page_says_so(clinic, reception):
    course = clinic.booked_course()
    visit = first_visit(course)
    sent = {"reason": "patient_ill", "asked_by": "patient", "note": ""}
    reception.post(do(course, "cancel", visit), sent)

    again = reception.post(do(course, "cancel", visit), sent)

    assert (again.status_code, "cancelled already" in words(again)) == (200, True)


def test_a_visit_that_its_patient_has_confirmed_says_so_and_is_not_asked_about_again(clinic, reception):
    course = clinic.booked_course()
    visit = build.visits_of(course)[1]  # the first may begin this very minute
    back = f"/admin/scheduling/appointment/day/?site={clinic.site.uid}&on={visit.on}"
    button = do(course, "confirm", visit)
    before = [reception.get(page).content.decode() for page in (back, course_page(course))]

    answer = reception.post(button, {"back": back})

    after = [reception.get(page) for page in (back, course_page(course))]
    visit.refresh_from_db()
    assert (answer.url, visit.confirmed_at is not None) == (back, True)
    assert [button in page for page in before] == [True, True]
    assert [button in page.content.decode() for page in after] == [False, False]
    assert ["confirmed" in words(page) for page in after] == [True, True]


def test_a_missed_visit_leaves_its_session_open(clinic, reception):
    clinic.ago(days=2)
    course = clinic.booked_course()
    visit = first_visit(course)

    reception.post(do(course, "miss", visit), {})

    visit.refresh_from_db()
    assert (visit.state, visit.session.state) == ("missed", "open")


def test_a_clinician_records_the_session_with_its_outcome(clinic, clinician):
    clinic.ago(days=2)
    course = clinic.booked_course()
    visit = first_visit(course)

    answer = clinician.post(
        do(course, "perform", visit.session),
        {
            "performed_on": f"{visit.on}",
            "at_time": f"{visit.at_time:%H:%M}",
            "minutes": "50",
            "lead": "",
            "treated_areas": [course.areas.get().pk],
            "result": "review",
            "complications": [],
            "product": "Polidocanol",
            "batch": "B1",
            "amount": "2.5",
            "amount_unit": "mL",
            "notes": "",
        },
    )

    session = Session.objects.get(pk=visit.session.pk)
    assert answer.status_code == 302
    assert (session.state, session.performed_on, session.performed_minutes) == ("performed", visit.on, 50)
    assert (session.outcome.result, str(session.outcome.amount), session.outcome.amount_unit) == (
        "review",
        "2.500",
        "mL",
    )


def test_a_session_in_the_future_was_not_performed(clinic, clinician):
    course = clinic.booked_course()
    session = build.sessions_of(course)[2]

    answer = clinician.post(
        do(course, "perform", session), {"performed_on": f"{clinic.today + timedelta(days=9)}", "result": "ok"}
    )

    assert (answer.status_code, "when it has taken place" in words(answer)) == (200, True)
    assert Session.objects.get(pk=session.pk).state == "open"


def test_a_review_is_cleared_by_a_clinician(clinic, clinician):
    clinic.ago(days=2)
    course = clinic.booked_course()
    visit = first_visit(course)
    clinic.now = visit.during.upper
    clinic.perform(visit.session, outcome=visits.OutcomeInput("review"))

    clinician.post(do(course, "clear", visit.session), {"note": "Healed well."})

    outcome = Outcome.objects.get()
    assert (outcome.cleared_by, outcome.cleared_note) == (clinic.clinician, "Healed well.")
    assert not Hold.objects.standing().exists()


def test_an_outcome_is_recorded_later(clinic, clinician):
    clinic.ago(days=2)
    course = clinic.booked_course()
    visit = first_visit(course)
    clinic.now = visit.during.upper
    clinic.perform(visit.session, outcome=None)

    clinician.post(do(course, "outcome", visit.session), {"result": "ok"})

    assert Outcome.objects.get().result == "ok"
