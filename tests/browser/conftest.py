"""A clinic open every day, a browser that must have nothing to complain about, and what a person can read on a page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import ConsoleMessage, Locator, Page, Request, Response

from clinic.models import Role, User
from scheduling import closures
from tests import build

# The pages read the real clock. Somewhere it is day: a test that begins there does not cross midnight.
ZONES = ("Europe/London", "America/Los_Angeles", "Australia/Sydney", "Asia/Kolkata")
OPEN = [(time(8), time(12, 30)), (time(13, 15), time(18))]
STAFF = [
    ("Dr Inês Oliveira", "practitioner", ("sclerotherapy", "vein_assessment")),
    ("Dr Paweł Kowalski", "practitioner", ("sclerotherapy", "vein_assessment")),
    ("Grace Adeyemi", "practitioner", ("walking_supervision",)),
    ("Sam Whitaker", "practitioner", ("walking_supervision",)),
    ("Treatment room 1", "room", ("treatment_room",)),
    ("Treatment room 2", "room", ("treatment_room",)),
    ("Consulting room", "room", ("consulting_room",)),
]


class Harbour(build.Clinic):
    """A clinic with people's names, open every day of the week from 8 to 18, and where it is now day."""

    def __init__(self) -> None:
        now = datetime.now(UTC).replace(second=0, microsecond=0)
        zone = next(zone for zone in ZONES if 7 <= now.astimezone(ZoneInfo(zone)).hour < 19)
        super().__init__(now=now, zone=zone)
        self.receptionist = build.user(
            Role.RECEPTION, at=self.site, name="Rosa Lindqvist", email="rosa@harbour.example"
        )

    def __post_init__(self) -> None:
        self.site = build.site("Harbour Street", zone=self.zone)
        self.version = build.shipped_protocol(self.key)
        wanted = [(kind, name, capabilities) for name, kind, capabilities in STAFF]
        made = build.resources(*wanted, at=self.site, hours=OPEN, weekdays=range(7))
        self.staff = {one.name: [one] for one in made}

    @property
    def today(self) -> date:
        return self.now.astimezone(ZoneInfo(self.zone)).date()

    def shut_today(self) -> None:
        """From tomorrow on every time is free: no plan depends on the minute in which it is made."""
        shut = closures.ClosureDetails(self.site, "Stocktaking", self.today, self.today)
        closures.record(shut, by=self.manager, now=self.now)

    def go_back(self, **length: float) -> None:
        """Set this clinic's clock back, for what happened before."""
        self.now -= timedelta(**length)


@pytest.fixture(scope="session")
def base_url(live_server) -> str:
    """Where `page.goto("/")` leads."""
    return live_server.url


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, Any], base_url: str) -> dict[str, Any]:
    """A desk in Britain, with the screen of an ordinary laptop; and our own server, whatever was asked before."""
    here = {"base_url": base_url, "locale": "en-GB", "viewport": {"width": 1440, "height": 950}}
    return {**browser_context_args, **here}


@pytest.fixture
def clinic(transactional_db: None) -> Harbour:
    """The server answers from a thread of its own, so what it shows is committed."""
    build.message_texts()
    return Harbour()


@pytest.fixture(autouse=True)
def complaints(page: Page, base_url: str) -> Iterator[list[str]]:
    """What a browser's console would hold, errors and breaches of the security policy among it: nothing."""
    found: list[str] = []

    def console(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            found.append(f"{message.type}: {message.text}")

    def answered(response: Response) -> None:
        if response.status >= 400:
            found.append(f"{response.status}: {response.url}")

    def asked(request: Request) -> None:
        if not request.url.startswith((base_url, "data:")):
            found.append(f"asks somebody else: {request.url}")

    page.on("console", console)
    page.on("pageerror", lambda error: found.append(f"error: {error}"))
    page.on("response", answered)
    page.on("request", asked)
    page.add_init_script(
        "addEventListener('securitypolicyviolation', e => console.error('policy', e.violatedDirective, e.blockedURI))"
    )
    yield found
    assert found == []


@pytest.fixture
def sign_in(page: Page) -> Callable[[User], None]:
    """Sign in at the real page, with address and password."""

    def do(user: User) -> None:
        page.goto("/")
        page.get_by_label("E-mail").fill(user.email)
        page.get_by_label("Password").fill(build.PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("/admin/")

    return do


@pytest.fixture
def photograph(page: Page, pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Keep a picture of what is on the screen, to be looked at by people; nothing is compared."""

    def take(name: str) -> None:
        page.evaluate("document.fonts.ready")
        page.screenshot(path=Path(pytestconfig.getoption("--output")) / "pages" / f"{name}.png")

    return take


def says(found: Locator) -> list[str]:
    """Return what each of these says, with single spaces; icons are letters to a computer only."""
    return found.evaluate_all(
        """all => all.map(one => {
          const icons = [...one.querySelectorAll('.material-symbols-outlined')];
          for (const icon of icons) icon.style.display = 'none';
          const words = one.innerText.replace(/[\\u2066-\\u2069]/g, '').replace(/\\s+/g, ' ').trim();
          for (const icon of icons) icon.style.display = '';
          return words;
        })"""
    )
