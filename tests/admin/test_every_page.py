"""Every page of the front desk opens, for everybody who may see it, and nobody else."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client

from clinic.admin import RIGHTS, ReadOnlyAdmin, page_of
from clinic.models import AccessEvent, Role, Site, User
from patients.models import Area, Complication, Patient, Question
from scheduling import absences, closures, holds, intake, outbox, visits
from scheduling.models import (
    Absence,
    Appointment,
    Closure,
    Course,
    Message,
    MessageText,
    Override,
    Proposal,
    ProtocolVersion,
    Resource,
)
from tests import build

from .conftest import OpenClinic, course_page, do

MODELS = (
    AccessEvent,
    Absence,
    Appointment,
    Area,
    Closure,
    Complication,
    Course,
    Message,
    MessageText,
    Override,
    Patient,
    Proposal,
    ProtocolVersion,
    Question,
    Resource,
    Site,
    User,
)


@pytest.fixture
def lived_in(clinic: OpenClinic) -> Course:
    """A clinic with a row of every kind: a course with something in every state."""
    clinic.ago(days=40)
    course = clinic.booked_course()
    first, second, _third = build.sessions_of(course)
    clinic.now = first.appointments.get().during.upper
    clinic.perform(first, outcome=visits.OutcomeInput("review", product="Polidocanol", batch="B1"))
    outcome = first.__class__.objects.get(pk=first.pk).outcome
    visits.clear_review(outcome, note="Fine.", by=clinic.clinician, now=clinic.now)
    clinic.now = datetime.now(UTC)
    holds.place(course, code="patient_wish", reason="Away", by=clinic.receptionist, now=clinic.now)
    lead = Resource.objects.practitioners()[0]
    absences.record(absences.AbsenceDetails(lead, clinic.today, clinic.today), by=clinic.manager, now=clinic.now)
    closures.record(
        closures.ClosureDetails(clinic.site, "Party", clinic.today, clinic.today), by=clinic.manager, now=clinic.now
    )
    intake.override(
        course,
        session=second,
        rule="before_minimum",
        reason="A wedding.",
        expires_on=clinic.today,
        by=clinic.prescriber,
        now=clinic.now,
    )
    Proposal.objects.create(site=clinic.site, course=course, reason="performed", made_at=clinic.now)
    outbox.deliver_due(clinic.now)
    assert second.appointments.exists()
    return course


def everyone(clinic: OpenClinic) -> dict[str, User]:
    everybody = {role.value: build.user(role, at=clinic.site) for role in Role}
    return everybody | {"superuser": build.user(is_superuser=True)}


def test_every_model_of_the_admin_is_tried_here():
    assert {
        model._meta.label
        for model in admin.site._registry
        if model._meta.app_label in ("clinic", "patients", "scheduling")
    } == {model._meta.label for model in MODELS}
    assert {model._meta.label_lower for model in MODELS} == set(RIGHTS)


def test_each_list_form_and_row_opens_for_those_who_may_see_it(clinic, lived_in, signed_in):
    signed_in(Role.RECEPTION).get(course_page(lived_in))  # so that there is an access event to look at
    for name, person in everyone(clinic).items():
        browser = signed_in(user=person)
        for model in MODELS:
            right = RIGHTS[model._meta.label_lower]
            may = {kind: name == "superuser" or name in getattr(right, kind) for kind in ("see", "add")}
            may["add"] &= not isinstance(admin.site._registry[model], ReadOnlyAdmin)
            row = model._default_manager.order_by("-pk")[0]
            pages = {"list": f"/admin/{model._meta.app_label}/{model._meta.model_name}/"}
            if name in ("superuser", "operator", "manager"):  # between them every page is opened, and refused
                pages |= {"row": page_of(row), "history": page_of(row).replace("/change/", "/history/")}
                pages |= {"add": f"{pages['list']}add/"}
            opened = {page: browser.get(address).status_code for page, address in pages.items()}
            expected = {page: 200 if may["add" if page == "add" else "see"] else 403 for page in pages}
            assert (name, model._meta.label, opened) == (name, model._meta.label, expected)


def test_nothing_is_deleted_from_the_front_desk(lived_in, signed_in):
    browser = signed_in(user=build.user(is_superuser=True))
    browser.get(course_page(lived_in))
    for model in MODELS:
        row = model._default_manager.order_by("pk")[0]
        answer = browser.post(page_of(row).replace("/change/", "/delete/"), {"post": "yes"})
        assert (model._meta.label, answer.status_code, model._default_manager.filter(pk=row.pk).exists()) == (
            model._meta.label,
            403,
            True,
        )


def own_pages(course: Course) -> list[str]:
    session = build.sessions_of(course)[1]
    visit = session.appointments.get()
    hold, consent = course.holds.filter(lifted_at=None)[0], course.consents.get()
    return [
        "/admin/",
        "/admin/scheduling/appointment/day/",
        "/admin/scheduling/appointment/day/?on=2027-02-30&site=nonsense",
        f"/admin/scheduling/appointment/day/?on={visit.on}",
        "/admin/scheduling/course/add/",
        "/admin/scheduling/course/add/?q=maria",
        f"/admin/scheduling/course/add/?patient={course.patient.uid}",
        course_page(course),
        f"/admin/scheduling/course/{course.uid}/plan/",
        f"/admin/scheduling/course/{course.uid}/times/{session.uid}/",
        f"/admin/patients/patient/{course.patient.uid}/change/?edit=1",
        "/admin/patients/patient/?q=maria",
        "/admin/scheduling/message/mailbox/",
        "/admin/password_change/",
        *(do(course, act) for act in ("wishes", "areas", "assess", "answers", "consent", "hold", "end", "event")),
        *(do(course, act, visit) for act in ("confirm", "arrive", "miss", "cancel")),
        do(course, "add"),
        f"/admin/scheduling/course/{course.uid}/version/",
        do(course, "strike-answer", course.patient.answers.all()[0]),
        do(course, "strike-assessment", course.patient.assessments.all()[0]),
        do(course, "free", hold),
        do(course, "perform", session),
        do(course, "skip", session),
        do(course, "late", session),
        do(course, "correct", build.sessions_of(course)[0]),
        do(course, "outcome", build.sessions_of(course)[0]),
        do(course, "clear", build.sessions_of(course)[0]),
        do(course, "override", session) + "?rule=risk_relative&subject=contraceptive_pill",
        do(course, "lift", hold),
        do(course, "revoke", course.overrides.all()[0]),
        do(course, "sign", consent),
        do(course, "withdraw", consent),
    ]


def test_each_page_of_our_own_opens_with_one_heading_named_fields_and_no_inline_script(clinic, lived_in, signed_in):
    everything = build.user(Role.RECEPTION, Role.CLINICIAN, Role.PRESCRIBER, Role.MANAGER, at=clinic.site)
    browser = signed_in(user=everything)
    for address in own_pages(lived_in):
        answer = browser.get(address)
        page = answer.content.decode()
        headings = len(re.findall(r"<h1[ >]", page))
        inline = re.findall(r"<script(?![^>]*\bsrc=)[^>]*>|\son[a-z]+=\"", page)
        found = (answer.status_code, headings, inline, unnamed_fields(page))
        assert (address, *found) == (address, 200, 1, [], [])


def unnamed_fields(page: str) -> list[str]:
    """Return the fields of a page that have no label; unfold's own search box is not ours."""
    unnamed = []
    for field in re.findall(r"<(?:input|select|textarea)\b[^>]*>", page):
        if re.search(r'type="(?:hidden|submit)"|aria-label=|x-ref=|class="hidden"', field):
            continue
        name = re.search(r'\bid="([^"]+)"', field)
        is_wrapped = 'name="session"' in field  # in its label
        if not is_wrapped and not (name and f'for="{name[1]}"' in page):
            unnamed.append(field)
    return unnamed


def test_the_door_shows_a_sign_in_page_and_takes_an_e_mail_address(clinic):
    browser = Client()
    assert browser.get("/admin/", follow=True).redirect_chain == [("/admin/login/?next=/admin/", 302)]
    page = browser.get("/admin/login/")
    assert (page.status_code, 'type="email"' in page.content.decode()) == (200, True)
    wrong = browser.post("/admin/login/", {"username": clinic.receptionist.email, "password": "no"})
    assert (wrong.status_code, 'role="alert"' in wrong.content.decode()) == (200, True)
    right = {"username": clinic.receptionist.email.upper(), "password": build.PASSWORD, "next": "/admin/"}
    assert browser.post("/admin/login/", right).status_code == 302


def test_another_sites_rows_do_not_exist(lived_in, signed_in):
    stranger = build.user(Role.RECEPTION, Role.MANAGER, at=build.site())
    browser = signed_in(user=stranger)
    visit = Appointment.objects.get(session=build.sessions_of(lived_in)[1])
    message = Message.objects.filter(course=lived_in)[0]
    proposal = Proposal.objects.get(course=lived_in)
    for address in (
        course_page(lived_in),
        f"/admin/scheduling/course/{lived_in.uid}/plan/",
        f"/admin/scheduling/course/{lived_in.uid}/times/{visit.session.uid}/",
        f"/admin/scheduling/course/{lived_in.uid}/version/",
        do(lived_in, "hold"),
        do(lived_in, "cancel", visit),
        page_of(visit),
        page_of(message),
        page_of(proposal),
    ):
        assert (address, browser.get(address).status_code) == (address, 404)
        assert (address, browser.post(address).status_code in (403, 404)) == (address, True)


def test_numbers_are_no_addresses(lived_in, signed_in):
    browser = signed_in(user=build.user(is_superuser=True))
    for model in (Course, Patient, Appointment, Message, Resource):
        row: Any = model._default_manager.order_by("pk")[0]
        address = page_of(row).replace(str(row.uid), str(row.pk))
        assert (address, browser.get(address).status_code) == (address, 404)
