"""Stories told inside this process: a clinic whose clock is also the server's, and the two doors people come in by."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import pytest
from django.apps import apps
from django.db import connection
from django.test import Client
from django.test.client import ClientHandler
from django.utils import timezone
from knox.models import AuthToken

from clinic.models import User
from tests import build


@pytest.fixture
def clinic(db: None, monkeypatch: pytest.MonkeyPatch) -> build.Clinic:
    """A clinic on a Monday morning; where an edge reads the clock it reads this clinic's, moved by `clinic.wait`."""
    build.message_texts()
    made = build.Clinic()

    def now() -> datetime:
        return made.now

    monkeypatch.setattr(timezone, "now", now)
    return made


NEVER = datetime(2000, 1, 1, tzinfo=UTC)
WORKING_DAY = timedelta(hours=8)  # a token and a session last twelve


def everything_stored() -> dict[str, int]:
    """How many rows each of our tables has, those that keep the history of others too: any write changes it.

    Who read what (AccessEvent) is left out, for reading is no write.
    """
    models = [model for app in ("clinic", "patients", "scheduling") for model in apps.get_app_config(app).get_models()]
    counts = (
        f"SELECT '{model.__name__}', count(*) FROM {connection.ops.quote_name(model._meta.db_table)}"
        for model in models
        if model.__name__ != "AccessEvent"
    )
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(counts))
        return dict(cursor.fetchall())


# --- REST -------------------------------------------------------------------------------------------------------------


@cache
def middleware() -> ClientHandler:
    """What every client's requests go through, loaded once."""
    return ClientHandler(enforce_csrf_checks=False)


def a_client() -> Client:
    client = Client(raise_request_exception=False)
    client.handler = middleware()
    return client


@dataclass
class Person(ABC):
    """Somebody who signs in again when the day is over."""

    user: User
    client: Client = field(default_factory=a_client)
    signed_in_at: datetime = NEVER

    def come_in(self) -> None:
        if timezone.now() - self.signed_in_at > WORKING_DAY:
            self.signed_in_at = timezone.now()
            self.sign_in()

    @abstractmethod
    def sign_in(self) -> None:
        """Show the door who this is."""


@dataclass
class Api(Person):
    """REST with one person's token."""

    token: str = ""

    def sign_in(self) -> None:
        self.token = AuthToken.objects.create(user=self.user)[1]

    def get(self, path: str) -> Any:
        self.come_in()
        return self.client.get(f"/api/v1/{path}", headers={"Authorization": f"Token {self.token}"})

    def post(self, path: str, body: Any = None, *, raw: bytes | None = None) -> Any:
        self.come_in()
        headers = {"Authorization": f"Token {self.token}", "Idempotency-Key": str(uuid.uuid4())}
        sent = raw if raw is not None else body or {}
        return self.client.post(f"/api/v1/{path}", sent, "application/json", headers=headers)


# --- pages, as a person without eyes for style uses them --------------------------------------------------------------


@dataclass
class Form:
    """A form of a page: where it goes, what is filled in, and its buttons with the name each sends."""

    action: str
    values: list[tuple[str, str]] = field(default_factory=list)
    buttons: list[list[str]] = field(default_factory=list)  # words, name, value


class Reader(HTMLParser):
    """Reads a page's words and forms."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.forms: list[Form] = []
        self._by_id: dict[str, Form] = {}
        self._form: Form | None = None
        self._button: list[str] | None = None
        self._select = self._textarea = ""
        self._is_silent = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if tag in ("script", "style"):
            self._is_silent = True
        elif tag == "form":
            self._form = self._by_id[said.get("id", "")] = Form(said.get("action", ""))
            self.forms.append(self._form)
        elif tag == "button":
            form = self._by_id.get(said.get("form", ""), self._form) if "form" in said else self._form
            self._button = ["", said.get("name", ""), said.get("value", "")]
            if form is not None and said.get("type", "submit") == "submit":
                form.buttons.append(self._button)
        elif self._form is not None:
            self._fill_in(self._form, tag, said)

    def _fill_in(self, form: Form, tag: str, said: dict[str, str]) -> None:
        name, kind = said.get("name", ""), said.get("type", "text")
        if "__prefix__" in name:  # the pattern of a row that may be added
            return
        if tag == "select":
            self._select = name
        elif tag == "option" and "selected" in said:
            form.values.append((self._select, said.get("value", "")))
        elif tag == "textarea":
            self._textarea = name
            form.values.append((name, ""))
        elif tag == "input" and name and kind not in ("submit", "button", "file"):
            is_box = kind in ("checkbox", "radio")
            if not is_box or "checked" in said:
                form.values.append((name, said.get("value", "on" if is_box else "")))

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._is_silent = False
        elif tag == "form":
            self._form = None
        elif tag == "textarea":
            self._textarea = ""
        elif tag == "button":
            self._button = None

    def handle_data(self, data: str) -> None:
        if self._is_silent:
            return
        self.texts.append(data)
        if self._form is not None and self._textarea:
            self._form.values[-1] = (self._textarea, data.strip())
        if self._button is not None:
            self._button[0] = f"{self._button[0]} {data}".strip()


@dataclass
class Page:
    """What somebody sees after opening an address or pressing a button."""

    desk: Desk
    address: str
    response: Any

    def __post_init__(self) -> None:
        self._reader = Reader()
        if self.response.headers.get("Content-Type", "").startswith("text/html"):
            self._reader.feed(self.response.content.decode())

    @property
    def status(self) -> int:
        return int(self.response.status_code)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self._reader.texts).split())

    @property
    def buttons(self) -> list[str]:
        return [words for form in self._reader.forms for words, _name, _value in form.buttons]

    def press(self, button: str, *, follow: bool = True, **typed: Any) -> Page:
        """Press the first button with these words, after filling in fields; what comes next is the next page."""
        form, name, value = next(
            (form, name, value)
            for form in self._reader.forms
            for words, name, value in form.buttons
            if button in " ".join(words.split())
        )
        sent: dict[str, Any] = {name: value} if name else {}
        for given, kept in form.values:
            if given not in typed:
                sent.setdefault(given, []).append(kept)
        return self.desk.send(urljoin(self.address, form.action), sent | typed, follow=follow)


@dataclass
class Desk(Person):
    """The admin, with one person signed in."""

    def sign_in(self) -> None:
        self.client.force_login(self.user, backend="django.contrib.auth.backends.ModelBackend")

    def open(self, address: str) -> Page:
        self.come_in()
        return self._shown(address, self.client.get(address, follow=True))

    def send(self, address: str, values: dict[str, Any], *, follow: bool = True) -> Page:
        self.come_in()
        return self._shown(address, self.client.post(address, values, follow=follow))

    def _shown(self, address: str, response: Any) -> Page:
        led_on = getattr(response, "redirect_chain", None)
        return Page(self, led_on[-1][0] if led_on else address, response)


@pytest.fixture
def desk(clinic: build.Clinic) -> Desk:
    """The receptionist's desk."""
    return Desk(clinic.receptionist)


@pytest.fixture
def api() -> Callable[[User], Api]:
    return Api


COURSE = "/admin/scheduling/course"


def plan_page(course: Any) -> str:
    return f"{COURSE}/{course.uid}/plan/"


def course_page(course: Any) -> str:
    return f"{COURSE}/{course.uid}/change/"


def act_page(course: Any, act: str, of: Any = None) -> str:
    return f"{COURSE}/{course.uid}/do/{act}/{f'{of.uid}/' if of is not None else ''}"
