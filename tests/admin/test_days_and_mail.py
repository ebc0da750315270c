"""The day list, the worklist as a page, and messages."""

from __future__ import annotations

from datetime import time, timedelta

import pytest

from clinic.models import AccessEvent
from scheduling import holds, outbox, visits, waitlist, worklists
from scheduling.models import Appointment, FreedTime, Message, WaitingListEntry
from tests import build

from .conftest import OpenClinic, course_page, do, first_visit, words


def test_the_day_list_shows_who_comes_when_to_whom_where_and_what_is_missing(clinic, reception):
    course = clinic.booked_course()
    visit = first_visit(course)
    holds.place(course, code="other", reason="Waits for the lab", by=clinic.receptionist, now=clinic.now)

    page = reception.get("/admin/scheduling/appointment/day/")

    said = words(page)
    rooms = {taken.resource.name for taken in visit.occupancies.all()}
    expected = (course.patient.name, "born 17 May 1980", f"{visit.at_time:%H:%M}", visit.lead.name, *rooms)
    assert visit.on == clinic.today
    assert all(text in said for text in (*expected, "Check in", "On hold: Waits for the lab", "today"))
    assert AccessEvent.objects.latest("pk").patient_uids == [str(course.patient.uid)]


def test_a_patch_test_is_recorded_as_a_visit_and_only_the_opening_assessment_is_assessed(clinic, clinician):
    clinic.version = build.shipped_protocol("laser_hair_removal")
    for code, kind in (("laser_operator", "practitioner"), ("hair_removal_laser", "device"), ("laser_room", "room")):
        build.resource(code, at=clinic.site, kind=kind, hours=[(time(6), time(22))], weekdays=range(7))
    course = clinic.course()
    opening = course.assessment_session
    patch_test = course.sessions.get(step_key="patch_test")

    before = clinician.get(course_page(course)).content.decode()
    clinic.assess(course)
    clinic.consent(course)
    clinic.answer_all(course)
    (free, *_) = visits.free_times(
        patch_test, first_on=clinic.today, last_on=clinic.today + timedelta(days=7), now=clinic.now
    )
    visit = visits.book(patch_test, free.slot, by=clinic.receptionist, now=clinic.now)
    day = clinician.get("/admin/scheduling/appointment/day/", {"on": visit.on.isoformat()}).content.decode()

    assert do(course, "assess") in before
    assert do(course, "perform", opening) not in before
    assert do(course, "perform", patch_test) in before
    assert do(course, "perform", patch_test) in day
    assert do(course, "assess") not in day


def test_today_is_the_sites_today(db, signed_in, clinic):
    far = build.site(zone="Pacific/Kiritimati")  # UTC+14: another date than in London for most of the day
    near = build.site(zone="Pacific/Pago_Pago")  # UTC-11
    both = signed_in(user=build.user("reception", at=[far, near]))

    shown = [both.get("/admin/scheduling/appointment/day/", {"site": site.uid}).context["on"] for site in (far, near)]

    assert shown[0] - shown[1] == timedelta(days=1) or shown[0] - shown[1] == timedelta(days=2)


def test_cancelled_visits_are_set_apart(clinic, reception):
    course = clinic.booked_course()
    visit = first_visit(course)
    reception.post(
        f"/admin/scheduling/course/{course.uid}/do/cancel/{visit.uid}/",
        {"reason": "patient_ill", "asked_by": "patient"},
    )

    page = words(reception.get("/admin/scheduling/appointment/day/"))

    assert ("No visits on this day" in page, "1 cancelled visit" in page) == (True, True)


def test_the_worklist_is_the_home_page_and_leads_to_the_course(clinic, reception):
    course = clinic.cleared_course()

    page = reception.get("/admin/")

    assert "Due, not booked" in words(page)
    assert course_page(course) in page.content.decode()
    assert AccessEvent.objects.latest("pk").subject == "scheduling.worklist"


def test_the_worklist_says_what_could_not_be_offered_and_leads_there(clinic, reception):
    course, on = clinic.booked_course(), clinic.today
    session = build.sessions_of(course)[1]
    waitlist.put_on(session, by=clinic.receptionist, now=clinic.now)
    WaitingListEntry.objects.update(tries=WaitingListEntry.SET_ASIDE_AT_TRY)
    FreedTime.objects.create(
        site=clinic.site, freed_at=clinic.now, first_on=on, last_on=on, look_at=clinic.now,
        tries=FreedTime.GIVEN_UP_AT_TRY, closed_at=clinic.now,
    )  # fmt: skip

    page = reception.get("/admin/")

    said = words(page)
    assert "Waiting list: not offered" in said
    assert "looking for a time fails: take it off the list and put it on again, or book an earlier time by hand" in said
    assert "fell free, and offering it fails: call those who wait" in said
    for link in (
        f"{course_page(course)}#session-{session.position}",
        f"/admin/scheduling/appointment/day/?site={clinic.site.uid}&amp;on={on}",
    ):
        assert f'href="{link}"' in page.content.decode()


def test_the_course_page_says_who_waits_and_is_offered_nothing_any_more(clinic, reception):
    course = clinic.booked_course()
    waitlist.put_on(build.sessions_of(course)[1], by=clinic.receptionist, now=clinic.now)
    why = "offered nothing looking for a time fails: take it off the list and put it on again"

    waits = words(reception.get(course_page(course)))
    WaitingListEntry.objects.update(tries=WaitingListEntry.SET_ASIDE_AT_TRY)
    is_set_aside = words(reception.get(course_page(course)))

    assert ("waiting list since" in waits, why in waits) == (True, False)
    assert ("waiting list since" in is_set_aside, why in is_set_aside) == (True, True)


def test_the_home_page_of_somebody_without_patients_is_a_welcome(clinic, signed_in):
    page = signed_in(user=build.user("operator", at=clinic.site)).get("/admin/")

    assert (page.status_code, "Welcome" in words(page)) == (200, True)


def test_nothing_to_do_is_said(clinic, reception):
    assert "Nothing waits for you" in words(reception.get("/admin/"))


# --- messages ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def sent(clinic: OpenClinic, mail_dir) -> Message:
    """A confirmation that was written to a file."""
    clinic.ago(hours=24)
    course = clinic.booked_course()
    for hours in range(0, 30, 3):  # past the hours without mail
        outbox.deliver_due(clinic.now + timedelta(hours=hours))
    message = Message.objects.get(course=course, kind="confirmation")
    assert message.state == "sent"
    return message


def test_mail_on_this_computer_is_listed_and_read_in_a_sandbox(clinic, reception, sent, mail_dir):
    listed = reception.get("/admin/scheduling/message/mailbox/")
    (file,) = mail_dir.glob(f"*{sent.uid}.eml")
    opened = reception.get(f"/admin/scheduling/message/mailbox/{file.name}/")

    assert file.name in listed.content.decode()
    assert sent.patient.name in words(listed)
    page = opened.content.decode()
    assert '<iframe class="mail-frame" sandbox=""' in page
    assert (AccessEvent.objects.latest("pk").patient_uids) == [str(sent.patient.uid)]


@pytest.mark.parametrize("name", ["..%2F..%2Fetc%2Fpasswd", "nothing.eml", ".hidden.eml"])
def test_only_mail_of_the_list_is_opened(clinic, reception, sent, mail_dir, name):
    (mail_dir / ".hidden.eml").write_text("Subject: x\n\nx")

    assert reception.get(f"/admin/scheduling/message/mailbox/{name}/", follow=True).status_code == 404


def test_mail_of_another_site_and_stray_files_are_not_shown(clinic, signed_in, sent, mail_dir):
    (mail_dir / "20260101T000000.000000Z-not-ours.eml").write_text("Subject: stray\n\nx")
    stranger = signed_in(user=build.user("reception", at=build.site()))
    (file,) = mail_dir.glob(f"*{sent.uid}.eml")

    assert "No mail yet" in words(stranger.get("/admin/scheduling/message/mailbox/"))
    assert stranger.get(f"/admin/scheduling/message/mailbox/{file.name}/").status_code == 404


def test_with_a_mail_server_there_is_no_mailbox(clinic, reception, settings):
    settings.MAIL_HOST = "smtp.example.org"

    assert reception.get("/admin/scheduling/message/mailbox/").status_code == 404
    assert "Mail on this computer" not in words(reception.get("/admin/"))


def test_a_sent_message_is_shown_as_its_patient_read_it(clinic, reception, sent):
    page = reception.get(f"/admin/scheduling/message/{sent.uid}/change/")

    assert "As the patient sees it" in words(page)
    assert sent.patient.name in words(page)


def test_a_message_that_waits_has_no_words_yet(clinic, reception):
    clinic.booked_course()
    waiting = Message.objects.filter(state="pending")[0]

    page = words(reception.get(f"/admin/scheduling/message/{waiting.uid}/change/"))

    assert "The words are written when the message leaves" in page


def test_worklist_kinds_all_have_a_title_and_an_icon(db):
    from scheduling.admin.worklist import ICONS

    assert set(ICONS) == set(worklists.TITLES)
    assert Appointment.objects.count() == 0


def test_a_long_list_is_shown_whole_when_asked_for(clinic, reception):
    for number in range(worklists.ROWS_SHOWN + 2):
        clinic.course(build.patient(f"Ana Kovač {number}"))

    short, whole = words(reception.get("/admin/")), words(reception.get("/admin/?all=due"))

    assert ("Show 2 more" in short, "Show 2 more" in whole) == (True, False)
    assert (short.count("Ana Kovač"), whole.count("Ana Kovač")) == (
        worklists.ROWS_SHOWN * 2,  # once to see, once for the name of the button
        (worklists.ROWS_SHOWN + 2) * 2,
    )


def test_what_may_not_be_seen_is_refused_with_a_page_of_our_own(clinic, signed_in):
    operator = signed_in(user=build.user("operator", at=clinic.site))

    refused = operator.get("/admin/patients/patient/")
    missing = operator.get("/nothing/")

    assert (refused.status_code, "ask a manager" in words(refused)) == (403, True)
    assert (missing.status_code, "There is nothing here" in words(missing)) == (404, True)
