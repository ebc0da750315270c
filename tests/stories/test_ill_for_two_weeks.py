"""A practitioner of the demo clinic is ill for two weeks: told at the desk, in a browser, with the whole service up.

Reception records it, watches new times being worked out by a worker, applies them for one patient with the keyboard,
then for the others. Each patient is promised one mail.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from clinic import embedded
from tests.processes import PROJECT
from tests.service import Service, post_office

pytestmark = pytest.mark.browser

PASSWORD = "violet-harbour-2931"
TWO_WEEKS = timedelta(days=13)
SOLVED_SECONDS = 240  # a tick comes every five seconds; then a minute for the search at the most, on a slow machine


@pytest.fixture(scope="session")
def base_url() -> str:
    """Nowhere: the service's port is said with each address."""
    return ""


@pytest.fixture
def demo() -> Iterator[Service]:
    """The demo clinic, less than half as large as for people, with its service."""
    base = Path(tempfile.mkdtemp(prefix="cadence-demo-"))
    with contextlib.ExitStack() as owned:
        owned.callback(shutil.rmtree, base, ignore_errors=True)
        service = Service(owned.enter_context(post_office()), base / "var")
        owned.callback(shutil.rmtree, embedded.socket_directory(service.data_dir), ignore_errors=True)
        with embedded.postgres(service.data_dir):
            for command in (["migrate", "--verbosity", "0"], ["demo", "--size", "0.4"]):
                made = subprocess.run(
                    [sys.executable, "manage.py", *command],
                    cwd=PROJECT,
                    env=service.variables | {"DEMO_PASSWORD": PASSWORD},
                    capture_output=True,
                    text=True,
                    check=False,
                    timeout=300,
                )
                assert made.returncode == 0, made.stderr[-3000:]
        owned.callback(service.stop)
        service.start()
        yield service


@pytest.fixture
def complaints(page: Page) -> Iterator[list[str]]:
    """What a browser's console would hold: nothing."""
    found: list[str] = []
    page.on("console", lambda said: found.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: found.append(str(error)))
    page.add_init_script(
        "addEventListener('securitypolicyviolation', e => console.error('policy', e.violatedDirective, e.blockedURI))"
    )
    yield found
    assert found == []


def the_busiest(demo: Service) -> tuple[str, date]:
    """Who leads visits of the most patients in two weeks from tomorrow, and the first of these days."""
    ((name, first_on),) = demo.rows(
        "SELECT r.name, current_date + 1 FROM scheduling_appointment a JOIN scheduling_resource r ON r.id = a.lead_id"
        " WHERE a.state = 'booked' AND a.on BETWEEN current_date + 1 AND current_date + 14"
        " GROUP BY r.name ORDER BY count(DISTINCT a.patient_id) DESC, r.name LIMIT 1"
    )
    return str(name), first_on


def visits_left(demo: Service, name: str, first_on: date) -> int:
    """How many visits are still booked with who is ill."""
    ((count,),) = demo.rows(
        "SELECT count(*) FROM scheduling_appointment a JOIN scheduling_resource r ON r.id = a.lead_id"
        " WHERE a.state = 'booked' AND r.name = %s AND a.on BETWEEN %s AND %s",
        name,
        first_on,
        first_on + TWO_WEEKS,
    )
    return int(count)


def mails_promised(demo: Service) -> list[tuple[str, int]]:
    """Whose visits have another time because of the illness, and how many mails tell each of them of it."""
    rows = demo.rows(
        "SELECT p.given_name || ' ' || p.family_name, count(DISTINCT m.id)"
        " FROM scheduling_statechange c JOIN scheduling_appointment a ON a.id = c.appointment_id"
        " JOIN patients_patient p ON p.id = a.patient_id"
        " LEFT JOIN scheduling_messagevisit v ON v.appointment_id = a.id"
        " LEFT JOIN scheduling_message m ON m.id = v.message_id AND m.kind = 'changed' AND m.state = 'pending'"
        " WHERE c.reason = 'absence' AND c.at > now() - interval '1 hour'"
        " AND (c.details->'from'->>'starts_at') <> (c.details->'to'->>'starts_at') GROUP BY p.id"
    )
    return [(str(name), int(count)) for name, count in rows]


def test_reception_records_it_watches_and_applies_some_and_then_the_rest(demo, page, complaints, pytestconfig):
    photograph = camera(page, Path(pytestconfig.getoption("--output")) / "pages")
    name, first_on = the_busiest(demo)
    before = visits_left(demo, name, first_on)
    assert (before >= 2, mails_promised(demo)) == (True, [])
    page.set_default_timeout(60_000)
    sign_in(page, demo)

    with demo.database() as others:
        others.execute("LOCK TABLE scheduling_hours IN ACCESS EXCLUSIVE MODE")  # the search waits until we have looked
        record(page, demo, name, first_on)
        expect(page.get_by_role("status").first).to_contain_text("new times for them are being worked out")
        photograph("absence")
        page.get_by_role("link", name="See how far it is").click()
        expect(page.get_by_role("heading", name="New times are being worked out")).to_be_visible()
        expect(page.get_by_role("progressbar")).to_be_visible()
        photograph("working-out")
        others.rollback()

    expect(page.get_by_role("heading", name="Proposed moves")).to_be_visible(timeout=SOLVED_SECONDS * 1000)
    photograph("proposal")
    patients = page.locator("fieldset:has(input[name=session]:checked)")
    assert patients.count() >= 2
    who = patients.first.locator("legend bdi").inner_text()
    one_of_them = patients.first.locator("input[name=session]").first.get_attribute("value")
    only(page.locator(f"fieldset:has(input[value='{one_of_them}'])"), among=page)
    photograph("one-ticked")
    page.keyboard.press("Enter")  # in the form: as its first button

    expect(page.get_by_role("status").first).to_contain_text("moved")
    done = page.locator("fieldset.is-done")
    assert [bdi.inner_text() for bdi in done.locator("legend bdi").all()] == [who]
    assert mails_promised(demo) in ([(who, 1)], [])  # who else leads a visit is no news
    photograph("one-applied")

    courses = 1 + page.locator("fieldset:has(input[name=session]:checked)").count()
    page.get_by_role("button", name="Apply what is ticked").click()

    expect(page.get_by_role("status").first).to_contain_text("moved")
    photograph("applied")
    assert page.locator("fieldset.is-done").count() == courses
    assert {count for _patient, count in mails_promised(demo)} == {1}
    assert len(mails_promised(demo)) <= courses
    stays = page.locator("section:has(#stuck) .group-lines > li").count()
    assert visits_left(demo, name, first_on) <= stays + page.locator("fieldset:not(.is-done) li").count()
    assert visits_left(demo, name, first_on) < before


def camera(page: Page, folder: Path) -> Callable[[str], None]:
    def take(name: str) -> None:
        page.evaluate("document.fonts.ready")
        page.screenshot(path=folder / f"ill-{name}.png")

    return take


def sign_in(page: Page, demo: Service) -> None:
    page.goto(f"http://127.0.0.1:{demo.port}/")
    page.get_by_label("E-mail").fill("reception@demo.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/admin/")


def record(page: Page, demo: Service, name: str, first_on: date) -> None:
    page.goto(f"http://127.0.0.1:{demo.port}/admin/scheduling/absence/add/")
    page.locator("select[name=resource]").select_option(label=name)
    page.locator("select[name=kind]").select_option("illness")
    page.locator("input[name=first_on]").fill(first_on.isoformat())
    page.locator("input[name=last_on]").fill((first_on + TWO_WEEKS).isoformat())
    page.get_by_role("button", name="Save", exact=True).click()


def only(group: Locator, *, among: Page) -> None:
    """Leave only this patient's visits ticked, with the keyboard; the last box keeps the focus."""
    ticked = among.locator("input[name=session]:checked")
    while ticked.count():
        ticked.first.focus()
        among.keyboard.press("Space")
    expect(among.locator("[data-count]")).to_have_text("0")
    boxes = group.locator("input[name=session]")
    for number in range(boxes.count()):
        boxes.nth(number).focus()
        among.keyboard.press("Space")
    expect(among.locator("[data-count]")).to_have_text(str(boxes.count()))
