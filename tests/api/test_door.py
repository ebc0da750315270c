"""Who comes in: tokens, lockout, roles, and that no view forgets to ask."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.db.models import F
from django.test import Client
from django.urls import URLPattern
from knox.models import AuthToken

from clinic.models import Role
from scheduling import holds
from scheduling.api import rights
from scheduling.api.endpoint import Endpoint
from tests import build

from .conftest import ApiClinic, Door, refusal, routes

OPEN_DOORS = {"sign-in"}


def methods_of(pattern: URLPattern) -> list[str]:
    actions: dict[str, str] | None = getattr(pattern.callback, "actions", None)
    return [method for method in actions if method != "head"] if actions else ["get", "post"]


@pytest.mark.parametrize("route", [pytest.param(one, id=one[1].name) for one in routes()])
def test_no_view_answers_anybody_who_is_not_signed_in(db: None, route: tuple[str, URLPattern]):
    path, pattern = route
    client = Client(raise_request_exception=False)

    for method in methods_of(pattern):
        answer = client.generic(method.upper(), f"/api/v1/{path}", "{}", "application/json")
        if pattern.name in OPEN_DOORS:
            assert answer.status_code in {400, 405}
        else:
            assert refusal(answer) == (401, "not_signed_in", [("not_signed_in", "")])
            assert answer["WWW-Authenticate"] == "Token"


def test_every_action_has_a_right_that_exists():
    for _path, pattern in routes():
        view: Any = getattr(pattern.callback, "cls", None)
        if isinstance(view, type) and issubclass(view, Endpoint):
            for action in pattern.callback.actions.values():
                assert view.rights[action] in rights.RIGHTS, (pattern.name, action)


def test_an_action_without_a_right_lets_nobody_in(clinic: ApiClinic, monkeypatch: pytest.MonkeyPatch):
    from scheduling.api.people import AccountEndpoint

    monkeypatch.setattr(AccountEndpoint, "rights", {})
    door = Door(build.user(is_superuser=True))

    assert refusal(door.get("me/"))[:2] == (403, "not_allowed")


# --- signing in -----------------------------------------------------------------------------------------------------


def test_signing_in_gives_a_token_that_opens_the_api_until_it_ends(clinic: ApiClinic, nobody: Door):
    user = build.user(Role.CLINICIAN, Role.RECEPTION, at=clinic.site, name="Ann Lee", email="ann.lee@harbour.example")

    answer = nobody.post("sign-in/", {"email": "Ann.Lee@Harbour.Example", "password": build.PASSWORD})

    token = answer.json()["token"]
    me = {
        "uid": str(user.uid),
        "name": "Ann Lee",
        "email": "ann.lee@harbour.example",
        "roles": [
            {"site": {"uid": str(clinic.site.uid), "name": clinic.site.name}, "roles": ["clinician", "reception"]}
        ],
        "resource": None,
    }
    assert (answer.status_code, answer.json()) == (
        200,
        {"token": token, "expires_at": "2027-01-04T20:00:00Z", "user": me},
    )
    assert answer["Cache-Control"] == "no-store"

    nobody.token = token
    assert nobody.get("me/").json() == me
    clinic.wait(hours=12, seconds=1)
    assert refusal(nobody.get("me/")) == (401, "not_signed_in", [("token_not_valid", "")])


def test_my_account_names_me_in_the_diary(clinic: ApiClinic):
    injector = clinic.staff["injector"][0]
    injector.user = clinic.clinician
    injector.save(update_fields=["user"])

    assert clinic.doctor.get("me/").json()["resource"] == {"uid": str(injector.uid), "name": injector.name}


def test_signing_out_ends_this_token_and_no_other(clinic: ApiClinic):
    here, there = clinic.doctor, clinic.doctor

    answer = here.post("sign-out/")

    assert (answer.status_code, answer.content) == (204, b"")
    assert refusal(here.get("me/"))[:2] == (401, "not_signed_in")
    assert there.get("me/").status_code == 200


def test_wrong_credentials_have_one_answer_whatever_is_wrong(clinic: ApiClinic, nobody: Door):
    left = build.user(Role.RECEPTION, at=clinic.site, is_active=False)
    roleless = build.user()

    answers = [
        nobody.post("sign-in/", {"email": email, "password": password})
        for email, password in [
            (clinic.clinician.email, "wrong"),
            ("nobody@harbour.example", build.PASSWORD),
            (left.email, build.PASSWORD),
            (roleless.email, build.PASSWORD),
        ]
    ]

    assert {refusal(answer)[:2] for answer in answers} == {(401, "wrong_credentials")}
    assert len({answer.content for answer in answers}) == 1


def test_five_failures_lock_the_address_however_it_is_spelt(clinic: ApiClinic, nobody: Door):
    email = clinic.clinician.email
    for number in range(5):
        spelt = email.upper() if number % 2 else email
        nobody.post("sign-in/", {"email": spelt, "password": "wrong"})

    answer = nobody.post("sign-in/", {"email": email.title(), "password": build.PASSWORD})

    assert refusal(answer) == (429, "too_many_attempts", [("too_many_attempts", "")])
    assert answer["Retry-After"] == "900"
    assert not AuthToken.objects.filter(user=clinic.clinician).exists()
    AccessAttempt.objects.update(attempt_time=F("attempt_time") - timedelta(minutes=15))
    assert nobody.post("sign-in/", {"email": email, "password": build.PASSWORD}).status_code == 200


def test_the_eleventh_token_ends_the_oldest(clinic: ApiClinic, nobody: Door):
    doors = [clinic.wait(seconds=1).doctor for _ in range(10)]

    answer = nobody.post("sign-in/", {"email": clinic.clinician.email, "password": build.PASSWORD})

    assert answer.status_code == 200
    assert [door.get("me/").status_code for door in (doors[0], doors[1], doors[9])] == [401, 200, 200]


@pytest.mark.parametrize("token", ["x", "0" * 64, "ÿþ", "'; DROP TABLE", "a b", ""])
def test_a_token_that_is_none_is_refused(clinic: ApiClinic, nobody: Door, token: str):
    answer = nobody.client.get("/api/v1/me/", headers={"Authorization": f"Token {token}"})

    assert refusal(answer)[:2] == (401, "not_signed_in")


def test_a_colleague_who_left_is_refused_at_once(clinic: ApiClinic):
    door = clinic.doctor
    clinic.clinician.is_active = False
    clinic.clinician.save(update_fields=["is_active"])

    assert refusal(door.get("me/"))[:2] == (401, "not_signed_in")


def test_a_session_of_the_front_desk_reads_and_needs_a_csrf_token_to_write(clinic: ApiClinic):
    client = Client(enforce_csrf_checks=True)
    client.force_login(clinic.receptionist, backend="django.contrib.auth.backends.ModelBackend")

    assert client.get("/api/v1/me/").status_code == 200
    refused = client.post("/api/v1/patients/search/", {"words": "maria"}, "application/json")
    assert refusal(refused)[:2] == (403, "not_allowed")


# --- roles ----------------------------------------------------------------------------------------------------------

MAY = {
    "reception": "record_answer start_course plan book apply_proposal sign_consent hold end_course register_patient",
    "clinician": "assess record_consent record_event perform change_sessions clear_review review_answer strike",
    "prescriber": "override",
}


def test_the_table_of_rights_is_what_it_says():
    everyone = {right for right, roles in rights.RIGHTS.items() if set(roles) == set(Role)}
    by_role = {role: {right for right, may in rights.RIGHTS.items() if role in may} - everyone for role in Role}

    front_desk = {*MAY["reception"].split(), "see_patients", "see_own_day", "see_overrides"}
    clinical = front_desk | set(MAY["clinician"].split())
    assert everyone == {"sign_out", "see_own_account", "see_protocols"}
    assert by_role == {
        Role.RECEPTION: front_desk,
        Role.MANAGER: front_desk | {"move_version"},
        Role.CLINICIAN: clinical,
        Role.PRESCRIBER: clinical | {"override", "move_version"},
        Role.OPERATOR: set(),
    }


def test_an_operator_sees_the_words_and_no_patient(clinic: ApiClinic):
    course = clinic.course()
    operator = clinic.operator

    assert operator.get("protocols/").status_code == 200
    for path in (
        f"courses/{course.uid}/",
        f"patients/{course.patient.uid}/",
        f"sites/{clinic.site.uid}/day/",
        "my-day/",
        "proposals/",
        f"sessions/{course.sessions.all()[0].uid}/",
    ):
        assert refusal(operator.get(path)) == (403, "not_allowed", [("role_missing", "")]), path


def test_a_role_counts_at_its_own_site_only(clinic: ApiClinic):
    """A clinician elsewhere who works at the desk here does not record outcomes here."""
    course = clinic.course()
    session = build.sessions_of(course)[0]
    both = build.user(Role.CLINICIAN, at=build.site())
    both.roles.create(site=clinic.site, role=Role.RECEPTION)
    door = Door(both)

    assert door.get(f"courses/{course.uid}/").status_code == 200
    answer = door.post(f"sessions/{session.uid}/perform/", {"performed_on": "2027-01-04"})
    assert refusal(answer) == (403, "not_allowed", [("role_missing", "")])


def test_what_belongs_to_another_site_does_not_exist(clinic: ApiClinic):
    course = clinic.booked_course()
    session, visit = build.sessions_of(course)[0], build.visits_of(course)[0]
    consent = course.consents.get()
    hold = holds.place(course, code="clinician", reason="Wait", by=clinic.receptionist, now=clinic.now)
    stranger = clinic.stranger
    body: dict[str, dict[str, Any]] = {
        f"courses/{course.uid}/plan/": {},
        f"courses/{course.uid}/book/": {"slots": [build.slot(visit)]},
        f"courses/{course.uid}/wishes/": {},
        f"courses/{course.uid}/planned-areas/": {"sessions": [{"session": str(session.uid), "areas": ["left_ankle"]}]},
        f"courses/{course.uid}/assessments/": {"assessed_on": "2027-01-04", "is_suitable": True},
        f"courses/{course.uid}/consents/": {"number": 1, "informed_on": "2027-01-04"},
        f"courses/{course.uid}/events/": {"key": "varicose_treatment", "happened_on": "2026-01-04"},
        f"courses/{course.uid}/holds/": {"code": "clinician", "reason": "Wait"},
        f"courses/{course.uid}/overrides/": {"rule": "before_minimum", "reason": "ok", "expires_on": "2027-03-01"},
        f"courses/{course.uid}/end/": {"reason": "moved away"},
        f"consents/{consent.uid}/sign/": {"signed_on": "2027-01-04"},
        f"consents/{consent.uid}/withdraw/": {"withdrawn_on": "2027-01-04", "cancel_visits": False},
        f"sessions/{session.uid}/book/": {"slot": build.slot(visit)},
        f"sessions/{session.uid}/perform/": {"performed_on": "2027-01-04"},
        f"sessions/{session.uid}/outcome/": {"outcome": "ok"},
        f"sessions/{session.uid}/clear-review/": {"note": "fine"},
        f"sessions/{session.uid}/check-in/": {"answers": []},
        f"holds/{hold.uid}/free-visits/": {},
        f"holds/{hold.uid}/lift/": {"reason": "fine"},
        f"assessments/{course.patient.assessments.get().uid}/strike/": {"reason": "wrong"},
        f"appointments/{visit.uid}/confirm/": {},
        f"appointments/{visit.uid}/move/": {"slot": build.slot(visit)},
        f"appointments/{visit.uid}/cancel/": {"reason": "patient_ill", "asked_by": "patient"},
        f"appointments/{visit.uid}/arrive/": {},
        f"appointments/{visit.uid}/miss/": {},
    }

    answers = {path: refusal(stranger.post_once(path, sent)) for path, sent in body.items()}
    for path in (
        f"courses/{course.uid}/",
        f"sessions/{session.uid}/",
        f"sessions/{session.uid}/free-times/",
        f"sessions/{session.uid}/check-in/",
        f"appointments/{visit.uid}/",
        f"sites/{clinic.site.uid}/day/",
    ):
        answers[path] = refusal(stranger.get(path))

    assert answers == dict.fromkeys(answers, (404, "not_found", [("not_found", "")]))
    unknown = stranger.get(f"courses/{uuid.uuid4()}/")
    assert unknown.content == stranger.get(f"courses/{course.uid}/").content
