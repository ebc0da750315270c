"""What every test gets: nothing of the machine it runs on. Builders of clinics are in tests/build.py."""

from __future__ import annotations

import gc
import itertools
import os
from pathlib import Path
from typing import Any

import pytest

from tests import build, shelf

BROWSER = os.environ.get("BROWSER", "/usr/bin/chromium")
SERVICES = {"service", "demo", "first_run"}  # the fixtures that start one
LONG = ("test_gate_matrix.py", "test_replanning_together.py", "test_waitlist.py")  # up to a minute of computing each
# Playwright's synchronous interface runs an event loop, in which Django otherwise refuses to ask the database.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")


def pytest_configure() -> None:
    shelf.is_open = True


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out the browser tests where there is no browser; and of several processes let one begin with waiting."""
    if not Path(BROWSER).exists() and os.environ.get("CI") != "true":
        _skip_browser_tests(items)
    if processes := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0")):
        place = {path: number for number, path in enumerate(_in_good_order(items, processes))}
        items.sort(key=lambda item: place[item.path])


def _in_good_order(items: list[pytest.Item], processes: int) -> list[Path]:
    """Return the files, each of those that wait for a running service followed by enough that keep the others busy.

    Files are handed out one after the other, so that those that wait come to one process, while the others compute;
    and no process is left with a long one when the others have come to their end.
    """
    waiting = list(dict.fromkeys(item.path for item in items if SERVICES.intersection(_fixtures_of(item))))
    others = dict.fromkeys(item.path for item in items if item.path not in waiting)
    computing = iter(sorted(others, key=lambda path: path.name not in LONG))
    order = [path for one in waiting for path in (one, *itertools.islice(computing, processes - 1))]
    return [*order, *computing]


def _fixtures_of(item: pytest.Item) -> list[str]:
    return getattr(item, "fixturenames", [])


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over what is loaded by now and stays: it took a twentieth of all the time."""
    gc.freeze()


def _skip_browser_tests(items: list[pytest.Item]) -> None:
    """Say so; under CI=true they fail instead."""
    missing = pytest.mark.skip(reason=f"no browser at {BROWSER}: apt-get install chromium, or BROWSER=/path make test")
    for item in items:
        if "page" in _fixtures_of(item) or item.get_closest_marker("browser"):
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
