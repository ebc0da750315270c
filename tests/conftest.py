"""What every test gets: nothing of the machine it runs on. Builders of clinics are in tests/build.py."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests import build, shelf

BROWSER = os.environ.get("BROWSER", "/usr/bin/chromium")
# Playwright's synchronous interface runs an event loop, in which Django otherwise refuses to ask the database.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")


def pytest_configure() -> None:
    shelf.is_open = True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the browser tests where there is no browser, and say so; under CI=true they fail instead."""
    if Path(BROWSER).exists() or os.environ.get("CI") == "true":
        return
    missing = pytest.mark.skip(reason=f"no browser at {BROWSER}: apt-get install chromium, or BROWSER=/path make test")
    for item in items:
        if "page" in getattr(item, "fixturenames", ()) or item.get_closest_marker("browser"):
            item.add_marker(missing)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Use the system's Chromium, and keep it from asking anything of anybody but our pages."""
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    quiet += ["--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"]
    return {**browser_type_launch_args, "executable_path": BROWSER, "args": quiet}


@pytest.fixture
def clinic(db: None) -> build.Clinic:
    """A site where the shipped microsclerotherapy can be booked; its clock stands at a Monday morning in 2027."""
    return build.Clinic()
