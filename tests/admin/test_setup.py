"""What managers keep: people and their hours, absences, closures, protocols, accounts, message texts."""

from __future__ import annotations

from datetime import date, time, timedelta
from typing import Any

from django.test import Client

from clinic.models import Role, Site, SiteRole, User
from scheduling import protocols, visits
from scheduling.models import (
    Absence,
    Capability,
    Closure,
    Hours,
    MessageText,
    ProtocolVersion,
    Resource,
    ResourceCapability,
)
from tests import build

from .conftest import OpenClinic, first_visit, rows, words


def no_rows(*names: str) -> dict[str, str]:
    return {f"{name}-{count}_FORMS": "0" for name in names for count in ("TOTAL", "INITIAL")}


# --- people, rooms and devices ----------------------------------------------------------------------------------------


def resource_form(**changes: Any) -> dict[str, Any]:
    return {
        "kind": "practitioner",
        "name": "Dr Ada Lovelace",
        "user": "",
        "places": "1",
        "languages_spoken": "en, de",
        "active_from": "",
        "active_to": "",
        **no_rows("has_capabilities", "hours", "extra_openings"),
        **changes,
    }


def test_a_practitioner_is_added_with_what_she_can_do_and_her_hours(clinic, manager):
    able = Capability.objects.get(code="sclerotherapy")

    answer = manager.post(
        "/admin/scheduling/resource/add/",
        resource_form()
        | rows("has_capabilities", {"capability": able.pk, "from_on": "", "until_on": "2030-12-31"})
        | rows(
            "hours",
            *(
                {
                    "weekday": "0",
                    "from_time": first,
                    "until_time": last,
                    "site": clinic.site.pk,
                    "valid_from": "2026-01-01",
                    "valid_to": "",
                    "every_weeks": "1",
                }
                for first, last in (("09:00", "12:30"), ("13:15", "17:00"))
            ),
        )
        | rows(
            "extra_openings",
            {"on": "2030-05-04", "from_time": "09:00", "until_time": "12:00", "site": clinic.site.pk, "reason": "fair"},
        ),
    )

    ada = Resource.objects.get(name="Dr Ada Lovelace")
    assert (answer.status_code, ada.languages) == (302, ["en", "de"])
    assert [(one.capability.code, one.until_on) for one in ResourceCapability.objects.filter(resource=ada)] == [
        ("sclerotherapy", date(2030, 12, 31))
    ]
    assert list(Hours.objects.filter(resource=ada).order_by("from_time").values_list("from_time", "until_time")) == [
        (time(9), time(12, 30)),
        (time(13, 15), time(17)),
    ]
    assert [opening.on for opening in ada.extra_openings.all()] == [date(2030, 5, 4)]


def test_hours_that_overlap_are_refused_and_nothing_of_the_form_is_saved(clinic, manager):
    twice = {"weekday": "0", "site": clinic.site.pk, "valid_from": "2026-01-01", "valid_to": "", "every_weeks": "1"}

    answer = manager.post(
        "/admin/scheduling/resource/add/",
        resource_form()
        | rows(
            "hours",
            twice | {"from_time": "09:00", "until_time": "12:00"},
            twice | {"from_time": "11:00", "until_time": "13:00"},
        ),
    )

    assert (answer.status_code, "this meets the hours from 09:00 to 12:00" in words(answer)) == (200, True)
    assert not Resource.objects.filter(name="Dr Ada Lovelace").exists()


# --- absences and closures --------------------------------------------------------------------------------------------


def test_an_absence_is_recorded_shows_the_visits_it_touches_and_is_taken_back(clinic: OpenClinic, manager):
    course = clinic.booked_course()
    visit = first_visit(course)

    answer = manager.post(
        "/admin/scheduling/absence/add/",
        {
            "resource": visit.lead.pk,
            "kind": "illness",
            "first_on": f"{visit.on}",
            "last_on": f"{visit.on}",
            "from_time": "",
            "until_time": "",
            "reason": "flu",
        },
        follow=True,
    )

    absence = Absence.objects.get()
    said = words(answer)
    assert (absence.resource, absence.kind, absence.recorded_by) == (visit.lead, "illness", clinic.manager)
    assert "It touches 1 visit" in said
    assert course.patient.name in said
    manager.post(f"/admin/scheduling/absence/{absence.uid}/take-back/")
    absence.refresh_from_db()
    assert absence.cancelled_at is not None


def test_half_a_time_of_an_absence_is_refused_beside_its_field(clinic, manager):
    lead = Resource.objects.practitioners()[0]

    answer = manager.post(
        "/admin/scheduling/absence/add/",
        {"resource": lead.pk, "kind": "leave", "first_on": "2030-01-02", "last_on": "2030-01-01", "from_time": "10:00"},
    )

    assert (answer.status_code, Absence.objects.count()) == (200, 0)
    form = answer.context["adminform"].form
    assert {name: len(errors) for name, errors in form.errors.items()} == {"last_on": 1, "until_time": 1}


def test_holidays_are_stored_once(clinic, manager):
    sent = {"site": f"{clinic.site.uid}", "year": "2031"}

    manager.post("/admin/scheduling/closure/holidays/", sent)
    stored = Closure.objects.count()
    again = manager.post("/admin/scheduling/closure/holidays/", sent, follow=True)

    assert (stored > 5, Closure.objects.count()) == (True, stored)
    assert "0 holidays are new." in words(again)


def test_a_closure_is_recorded_and_taken_back_by_managers_only(clinic, manager, reception):
    sent = {
        "site": clinic.site.pk,
        "name": "Party",
        "first_on": "2031-06-01",
        "last_on": "2031-06-02",
        "from_time": "",
        "until_time": "",
    }

    assert reception.post("/admin/scheduling/closure/add/", sent).status_code == 403
    assert manager.post("/admin/scheduling/closure/add/", sent).status_code == 302

    closure = Closure.objects.get()
    address = f"/admin/scheduling/closure/{closure.uid}/take-back/"
    assert (reception.post(address).status_code, manager.get(address).status_code) == (403, 404)
    manager.post(address)
    closure.refresh_from_db()
    assert closure.cancelled_at is not None


# --- protocols --------------------------------------------------------------------------------------------------------


def test_a_draft_is_approved_in_the_name_of_a_prescriber(clinic, signed_in, manager):
    draft = protocols.load(protocols.shipped("laser_hair_removal"), by=clinic.manager, now=clinic.now)
    address = f"/admin/scheduling/protocolversion/{draft.uid}"

    prescriber = signed_in(user=clinic.prescriber)
    page = words(prescriber.get(f"{address}/change/"))
    assert (draft.protocol.name in page, "Approve in my name" in page) == (True, True)
    assert "Approve in my name" not in words(manager.get(f"{address}/change/"))
    assert manager.post(f"{address}/approve/", {"note": ""}).status_code == 403
    prescriber.post(f"{address}/approve/", {"note": "Read with Dr Okafor."})

    draft = ProtocolVersion.objects.get(pk=draft.pk)
    assert (draft.state, [(one.by, one.note) for one in draft.approvals.all()]) == (
        "approved",
        [(clinic.prescriber, "Read with Dr Okafor.")],
    )


def test_a_version_is_retired_with_a_reason(clinic, signed_in, manager):
    address = f"/admin/scheduling/protocolversion/{clinic.version.uid}"
    prescriber = signed_in(user=clinic.prescriber)

    assert "Retire in my name" not in words(manager.get(f"{address}/change/"))
    assert manager.post(f"{address}/retire/", {"reason": "Old"}).status_code == 403
    refused = words(prescriber.post(f"{address}/retire/", {"reason": " "}, follow=True))
    page = words(prescriber.post(f"{address}/retire/", {"reason": "Recalled."}, follow=True))

    assert "Say why this version is not to be used any more." in refused
    assert ("Recalled." in page, "Retire in my name" in page) == (True, False)
    assert ProtocolVersion.objects.get(pk=clinic.version.pk).state == "retired"


# --- accounts ---------------------------------------------------------------------------------------------------------


def user_form(clinic: OpenClinic, *roles: Role, **changes: Any) -> dict[str, Any]:
    given = ({"site": clinic.site.pk, "role": role.value} for role in roles)
    return (
        {"name": "Sam Rivers", "email": "sam@harbour.example", "password": build.PASSWORD}
        | rows("roles", *given)
        | changes
    )


def test_a_colleague_gets_an_account_with_roles_and_signs_in(clinic, manager):
    answer = manager.post("/admin/clinic/user/add/", user_form(clinic, Role.RECEPTION))

    sam = User.objects.get(email="sam@harbour.example")
    assert (answer.status_code, sam.is_staff, sam.is_superuser) == (302, True, False)
    assert list(sam.roles.values_list("site", "role")) == [(clinic.site.pk, "reception")]
    door = Client().post("/admin/login/", {"username": sam.email, "password": build.PASSWORD, "next": "/admin/"})
    assert (door.status_code, door.headers["Location"]) == (302, "/admin/")


def test_a_weak_password_and_an_address_in_use_are_refused_on_the_form(clinic, manager):
    taken = manager.post(
        "/admin/clinic/user/add/", user_form(clinic, Role.RECEPTION, email=clinic.receptionist.email.upper())
    )
    weak = manager.post("/admin/clinic/user/add/", user_form(clinic, Role.RECEPTION, password="12345678"))

    assert (taken.status_code, weak.status_code) == (200, 200)
    assert not User.objects.filter(name="Sam Rivers").exists()
    assert list(weak.context["adminform"].form.errors) == ["password"]


def test_roles_are_changed_and_an_account_is_closed(clinic, manager):
    sam = build.user(Role.RECEPTION, at=clinic.site, name="Sam Rivers")
    role = SiteRole.objects.get(user=sam)
    sent = {"name": sam.name, "email": sam.email, "password": ""} | rows(
        "roles", {"id": role.pk, "user": sam.pk, "site": clinic.site.pk, "role": "clinician"}, initial=1
    )

    answer = manager.post(f"/admin/clinic/user/{sam.uid}/change/", sent)

    sam.refresh_from_db()
    assert (answer.status_code, sam.is_active) == (302, False)
    assert list(sam.roles.values_list("role", flat=True)) == ["clinician"]


def test_a_manager_of_another_site_does_not_change_ours(clinic, signed_in):
    other = signed_in(user=build.user(Role.MANAGER, at=build.site()))

    answer = other.post("/admin/clinic/user/add/", user_form(clinic, Role.MANAGER))

    assert (answer.status_code, User.objects.filter(name="Sam Rivers").exists()) == (200, False)


def site_form(site: Site) -> tuple[str, dict[str, Any]]:
    """The page of a site, and all that its form sends when nothing is changed."""
    fields = {name: getattr(site, name) for name in (
        "name", "zone", "country", "subdivision", "address", "phone", "sender_name", "sender_email", "language",
        "grid_minutes", "booking_horizon_days", "shortest_visit_minutes",
    )}  # fmt: skip
    times = {"mail_time": "09:00", "quiet_from_time": "20:00", "quiet_until_time": "08:00", "is_active": "on"}
    return f"/admin/clinic/site/{site.uid}/change/", fields | times


def test_a_site_is_changed_field_by_field(clinic, manager):
    address, fields = site_form(clinic.site)

    good = manager.post(address, {**fields, "grid_minutes": "15"})
    bad = manager.post(address, {**fields, "zone": "Europe/Nowhere"})

    clinic.site.refresh_from_db()
    assert (good.status_code, bad.status_code, clinic.site.grid_minutes, clinic.site.zone) == (
        302,
        200,
        15,
        clinic.zone,
    )
    assert Site.objects.count() == 1


def test_a_site_is_given_up_when_nothing_is_left_there_and_is_not_offered_for_a_course_then(clinic, manager):
    course = clinic.booked_course()
    address, fields = site_form(clinic.site)
    del fields["is_active"]
    patient_of_nobody = build.patient("Ana Kovač")
    start = f"/admin/scheduling/course/add/?patient={patient_of_nobody.uid}"
    before = words(manager.get(start))

    refused = manager.post(address, fields)
    visits.end_course(course, reason="the site closes", by=clinic.receptionist, now=clinic.now)
    done = manager.post(address, fields)

    assert (refused.status_code, done.status_code) == (200, 302)
    assert "Visits that stand here: 3; open courses: 1; outcomes missing: 0; calls to make: 0. " in words(refused)
    clinic.site.refresh_from_db()
    assert clinic.site.is_active is False
    assert [clinic.site.name in said for said in (before, words(manager.get(start)))] == [True, False]


# --- message texts ----------------------------------------------------------------------------------------------------


def test_a_message_text_is_changed_and_an_unknown_placeholder_is_refused(clinic, manager):
    text = MessageText.objects.filter(kind="reminder", language="en")[0]
    address = f"/admin/scheduling/messagetext/{text.pk}/change/"

    page = words(manager.get(address))
    assert "As the patient sees it" in page
    good = manager.post(address, {"subject": "Your visit", "body": text.body})
    bad = manager.post(address, {"subject": "Your visit", "body": "${password}"})

    text.refresh_from_db()
    assert (good.status_code, bad.status_code, text.subject) == (302, 200, "Your visit")
    assert "cannot be used here" in words(bad)


def test_times_on_the_absence_page_touch_only_what_they_overlap(clinic, manager):
    course = clinic.booked_course()
    visit = first_visit(course)
    after = visit.during.upper + timedelta(hours=1)
    assert after
    Absence.objects.create(
        resource=visit.lead,
        first_on=visit.on,
        last_on=visit.on,
        from_time=time(0, 0),
        until_time=time(0, 1),
        recorded_at=clinic.now,
    )

    page = manager.get(f"/admin/scheduling/absence/{Absence.objects.get().uid}/change/")

    assert "Visits it touches 0" in words(page)
