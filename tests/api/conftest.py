"""A clinic behind the API: a clock that stands still, and people who hold tokens."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from knox.models import AuthToken

from clinic.models import Role, User
from scheduling.api import urls as api_urls
from scheduling.models import Appointment, Course
from tests import build

Answer = Any  # Django's test response


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document, as everybody's clients see it."""
    made: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return made


@cache
def _documented(method: str, path: str) -> dict[str, Any] | None:
    for template, operations in document()["paths"].items():
        if re.fullmatch(re.sub(r"\{uid\}", "[0-9a-f-]{36}", template), path) and method in operations:
            found: dict[str, Any] = operations[method]
            return found
    return None


def as_documented(method: str, path: str, answer: Answer) -> Answer:
    """Check an answer against the OpenAPI document: its status, media type and body. Hence every test here does."""
    operation = _documented(method, f"/api/v1/{path}")
    if operation is None or answer.status_code in {405, 500}:
        return answer
    content = operation["responses"][str(answer.status_code)].get("content")
    if content is None:
        assert answer.content == b""
        return answer
    schema = content[answer["Content-Type"]]["schema"]
    wrong = Draft202012Validator({**schema, "components": document()["components"]}).iter_errors(answer.json())
    assert [(one.json_path, one.message) for one in wrong] == []
    return answer


class Door:
    """The API as one person uses it, with a token of theirs (or none)."""

    def __init__(self, user: User | None) -> None:
        self.user = user
        self.client = Client(raise_request_exception=False)
        self.token = AuthToken.objects.create(user=user)[1] if user else ""

    def _headers(self, more: dict[str, str] | None) -> dict[str, str]:
        return ({"Authorization": f"Token {self.token}"} if self.token else {}) | (more or {})

    def get(self, path: str, headers: dict[str, str] | None = None, **query: Any) -> Answer:
        return as_documented("get", path, self.client.get(f"/api/v1/{path}", query, headers=self._headers(headers)))

    def post(self, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        sent = body if body is not None else {}
        answer = self.client.post(f"/api/v1/{path}", sent, "application/json", headers=self._headers(headers))
        return as_documented("post", path, answer)

    def post_once(self, path: str, body: Any, key: str = "") -> Answer:
        return self.post(path, body, {"Idempotency-Key": key or str(uuid.uuid4())})

    def patch(self, path: str, body: Any) -> Answer:
        answer = self.client.patch(f"/api/v1/{path}", body, "application/json", headers=self._headers(None))
        return as_documented("patch", path, answer)


class ApiClinic(build.Clinic):
    """A bookable clinic with a door for each role."""

    def door(self, user: User) -> Door:
        return Door(user)

    @property
    def reception(self) -> Door:
        return Door(self.receptionist)

    @property
    def doctor(self) -> Door:
        return Door(self.clinician)

    @property
    def senior(self) -> Door:
        return Door(self.prescriber)

    @property
    def boss(self) -> Door:
        return Door(self.manager)

    @property
    def operator(self) -> Door:
        return Door(build.user(Role.OPERATOR, at=self.site))

    @property
    def stranger(self) -> Door:
        """Somebody of another site."""
        return Door(build.user(Role.RECEPTION, Role.PRESCRIBER, at=build.site()))


def course_in_brief(course: Course) -> dict[str, Any]:
    """What every answer that shows a course just started says of it."""
    return {
        "uid": str(course.uid),
        "state": "open",
        "protocol": {
            "uid": str(course.version.uid),
            "key": course.version.protocol.key,
            "name": course.version.protocol.name,
            "number": 1,
        },
        "site": {"uid": str(course.site.uid), "name": course.site.name},
        "lead": None,
        "started_on": "2027-01-04",
        "ended_at": None,
        "end_reason": "",
    }


def gate(code: str, subject: str = "", message: str = "", state: str = "closed") -> dict[str, Any]:
    """What an answer says of one gate that opens by no date."""
    return {
        "code": code,
        "state": state,
        "subject": subject,
        "message": message,
        "opens_on": None,
        "changes_on": [],
        "override": None,
    }


@pytest.fixture
def clinic(db: None, monkeypatch: pytest.MonkeyPatch) -> ApiClinic:
    """A clinic whose clock also is the server's: it moves with `clinic.wait`."""
    made = ApiClinic()

    def now() -> datetime:
        return made.now

    monkeypatch.setattr(timezone, "now", now)
    return made


@pytest.fixture
def nobody(db: None) -> Door:
    return Door(None)


def refusal(answer: Answer) -> tuple[int, str, list[tuple[str, str]]]:
    """Return what a refusal says: status, code, and each violation's code and place. Check its shape on the way."""
    body = answer.json()
    assert answer["Content-Type"] == "application/problem+json", body
    assert set(body) == {"type", "title", "status", "code", "detail", "violations"}
    assert (body["type"], body["status"]) == (f"urn:cadence:problem:{body['code']}", answer.status_code)
    assert body["title"]
    assert body["detail"]
    assert all(violation["message"] for violation in body["violations"])
    assert answer["Cache-Control"] == "no-store"
    return answer.status_code, body["code"], [(one["code"], one["where"]) for one in body["violations"]]


def visit_shown(visit: Appointment, **changes: Any) -> dict[str, Any]:
    """A visit as every answer shows it."""
    return {
        "uid": str(visit.uid),
        "session": str(visit.session.uid),
        "course": str(visit.session.course.uid),
        "state": "booked",
        "on": visit.on.isoformat(),
        "at": f"{visit.at_time:%H:%M}",
        "fold": 0,
        "zone": "Europe/London",
        "starts_at": f"{visit.during.lower:%Y-%m-%dT%H:%M:%SZ}",
        "ends_at": f"{visit.during.upper:%Y-%m-%dT%H:%M:%SZ}",
        "minutes": 65,
        "site": {"uid": str(visit.site.uid), "name": visit.site.name},
        "lead": {"uid": str(visit.lead.uid), "name": visit.lead.name},
        "revision": 1,
        "arrived_at": None,
        "confirmed_at": None,
        "cancelled_at": None,
        "cancel_reason": "",
        "cancel_asked_by": "",
        "note": "",
        **changes,
    }


def proposed(clinic: ApiClinic) -> tuple[Course, dict[str, Any]]:
    """A course whose first session was performed so late that the second visit must move."""
    course = clinic.booked_course()
    clinic.wait(days=8)
    answer = clinic.doctor.post(
        f"sessions/{build.sessions_of(course)[0].uid}/perform/", {"performed_on": "2027-01-12", "outcome": "ok"}
    )
    return course, answer.json()["proposal"]


def routes() -> Iterator[tuple[str, URLPattern]]:
    """Every route below /api/v1/, with any uid filled in."""
    for pattern in api_urls.urlpatterns:
        yield str(pattern.pattern).replace("<uuid:uid>", str(uuid.uuid4())), pattern
