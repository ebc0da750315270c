"""A clinic that is open now, and the people who work at its front desk. Pages read the real clock, so acts do too."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client

from clinic.models import Role, User
from scheduling.models import Appointment, Course
from tests import build

# Somewhere it is day: a test that begins there does not cross midnight.
ZONES = ("Europe/London", "America/Los_Angeles", "Australia/Sydney", "Asia/Kolkata")


class OpenClinic(build.Clinic):
    """Two of everybody, on duty from 6 to 22 every day."""

    def __init__(self, **fields: Any) -> None:
        now = datetime.now(UTC).replace(second=0, microsecond=0)
        zone = next(zone for zone in ZONES if 7 <= now.astimezone(ZoneInfo(zone)).hour < 19)
        super().__init__(now=now, zone=zone, **fields)

    def __post_init__(self) -> None:
        self.site = build.site(zone=self.zone, booking_horizon_days=150)  # enough for three sessions, and quicker
        self.version = build.shipped_protocol(self.key)
        two_of_each = [(kind, "", [code]) for code, kind in build.STAFF.items() for _number in (1, 2)]
        build.resources(*two_of_each, at=self.site, hours=[(time(6), time(22))], weekdays=range(7))

    @property
    def today(self) -> date:
        return self.now.astimezone(ZoneInfo(self.zone)).date()

    def ago(self, **length: float) -> OpenClinic:
        """Set this clinic's clock back, for what happened before."""
        self.now -= timedelta(**length)
        return self


@pytest.fixture
def clinic(db: None) -> OpenClinic:
    build.message_texts()
    return OpenClinic()


@pytest.fixture
def signed_in(clinic: OpenClinic) -> Callable[..., Client]:
    """Return a browser in which somebody with these roles at the clinic is signed in."""

    def sign_in(*roles: Role, user: User | None = None) -> Client:
        browser = Client()
        person = user or build.user(*(roles or (Role.RECEPTION,)), at=clinic.site)
        browser.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
        return browser

    return sign_in


@pytest.fixture
def reception(signed_in: Callable[..., Client], clinic: OpenClinic) -> Client:
    return signed_in(user=clinic.receptionist)


@pytest.fixture
def clinician(signed_in: Callable[..., Client], clinic: OpenClinic) -> Client:
    return signed_in(user=clinic.clinician)


@pytest.fixture
def manager(signed_in: Callable[..., Client], clinic: OpenClinic) -> Client:
    return signed_in(user=clinic.manager)


@pytest.fixture
def mail_dir(settings: Any, tmp_path: Path) -> Path:
    """An empty directory for mail, instead of the one of all tests."""
    settings.MAIL_DIR = tmp_path / "mail"
    return tmp_path / "mail"


def course_page(course: Course) -> str:
    return f"/admin/scheduling/course/{course.uid}/change/"


def do(course: Course, act: str, of: Any = None) -> str:
    address = f"/admin/scheduling/course/{course.uid}/do/{act}/"
    return address if of is None else f"{address}{of.uid}/"


def first_visit(course: Course) -> Appointment:
    return Appointment.objects.filter(session__course=course).order_by("on")[0]


class _Texts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def words(response: Any) -> str:
    """Return what a page says, with single spaces."""
    parser = _Texts()
    parser.feed(response.content.decode())
    return " ".join(" ".join(parser.texts).split())


def hidden(page: Any, name: str) -> list[str]:
    """The values of the hidden fields of that name, in their order on the page."""
    return [unescape(value) for value in re.findall(rf'name="{name}" value="([^"]*)"', page.content.decode())]


def plan_page(course: Course) -> str:
    return f"/admin/scheduling/course/{course.uid}/plan/"


def rows(name: str, *given: dict[str, Any], initial: int = 0) -> dict[str, Any]:
    sent = {f"{name}-TOTAL_FORMS": str(len(given)), f"{name}-INITIAL_FORMS": str(initial)}
    return sent | {f"{name}-{at}-{key}": value for at, row in enumerate(given) for key, value in row.items()}
