"""A receptionist books a whole course, on the screen: with the mouse, and with the keyboard alone."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from patients.models import Patient
from scheduling import booking
from scheduling.models import Course, Resource
from scheduling.planner import facts
from tests import build

from .conftest import Harbour, says

pytestmark = pytest.mark.browser

MINUTES = timedelta(minutes=65)  # 45 of injections, 20 of walking


@pytest.fixture
def patient(clinic: Harbour) -> Patient:
    build.patient("Zofia Mulder")
    return build.patient("Zoë Müller")


@pytest.fixture
def course(clinic: Harbour, patient: Patient) -> Course:
    """A course that is assessed and consented to, of which nothing is booked yet."""
    clinic.shut_today()
    return clinic.cleared_course(patient)


def visits_in_words(plan: facts.Plan, course: Course) -> list[dict[str, Any]]:
    """The visits of a plan, with everything in the words of the pages."""
    names = {str(uid): name for uid, name in Resource.objects.values_list("uid", "name")}
    found = []
    for planned in plan.sessions:
        slot = booking.slot_as_data(planned.slot, course.site)
        begins = datetime.fromisoformat(f"{slot['on']} {slot['at']}")
        taken = dict.fromkeys(names[use["resource"]] for use in slot["uses"])
        lead = names[slot["lead"]]
        found.append(
            {
                "on": begins.date(),
                "at": f"{begins:%H:%M}",
                "until": f"{begins + MINUTES:%H:%M}",
                "lead": lead,
                "others": [name for name in taken if name != lead],
            }
        )
    return found


def day(on: date, words: str) -> str:
    """A date as a page writes it, the day without a zero."""
    return f"{on:{words}}".replace("~", str(on.day))


def notices(page: Page) -> list[str]:
    """What the next page says of what was done."""
    expect(page.get_by_role("status").first).to_be_visible()
    return says(page.get_by_role("status"))


def read_visits(page: Page) -> list[str]:
    """What the course page says of each session that is booked: its name, its state and when."""
    cards = page.locator(".timeline > li").filter(has=page.locator(".visit"))
    parts = zip(
        says(cards.locator("h3")),
        says(cards.locator(".session-head .badge")),
        says(cards.locator(".visit .when")),
        strict=True,
    )
    return [" | ".join(part) for part in parts]


def test_a_receptionist_signs_in_plans_a_course_books_it_and_finds_it_in_the_day_list(
    clinic, course, page, sign_in, photograph
):
    cheapest = clinic.propose(course)
    first, second, third = visits = visits_in_words(cheapest, course)

    sign_in(clinic.receptionist)
    expect(page.get_by_role("heading", name="What needs you")).to_be_visible()
    (work,) = says(page.locator(".work li"))
    assert work.startswith(
        "Zoë Müller · 17 May 1980 Injection session Microsclerotherapy of the legs waits for its first date Book"
    )

    page.get_by_role("searchbox", name="Find a patient").fill("muller")
    page.get_by_role("searchbox", name="Find a patient").press("Enter")
    page.wait_for_url("**/patient/?q=muller")
    assert says(page.locator("#result_list tbody tr")) == ["Zoë Müller 17 May 1980 – in use –"]

    page.get_by_role("link", name="Zoë Müller").click()
    page.get_by_role("link", name="Open Microsclerotherapy of the legs").click()
    expect(page.get_by_role("heading", name="Microsclerotherapy of the legs")).to_be_visible()
    assert says(page.locator(".timeline > li .session-head")) == [
        "Medical assessment of the veins assessment performed",
        "Injection session 1 of 3 treatment due · not booked",
        "Injection session 2 of 3 treatment not booked",
        "Injection session 3 of 3 treatment not booked",
        "Final review follow-up not booked",
    ]

    page.get_by_role("link", name="Plan & book 3 sessions").click()
    best = page.locator("section.plan.is-best")
    assert first["on"] == clinic.today + timedelta(days=1)
    assert min(second["on"] - first["on"], third["on"] - second["on"]) >= timedelta(weeks=4)
    assert says(best.locator(".points")) == [f"{cheapest.cost.total} points"]
    assert says(best.locator("ol .leaf")) == [day(visit["on"], "%b ~ %Y").upper() for visit in visits]
    assert says(best.locator("ol .plan-what")) == [f"{n + 1}. Injection session {n} of 3" for n in (1, 2, 3)]
    assert says(best.locator("ol .plan-time")) == [
        f"{day(visit['on'], '~ %B %Y')}, {visit['on']:%A}, {visit['at']} – {visit['until']}" for visit in visits
    ]
    assert says(best.locator("ol .plan-people")) == [" ".join([visit["lead"], *visit["others"]]) for visit in visits]
    assert says(best.locator(".costs li")) == [f"Waiting for the first session {cheapest.cost.lateness}"]

    best.get_by_role("button", name="Book this plan").click()
    assert notices(page) == ["3 visits are booked."]
    assert read_visits(page) == [
        f"Injection session {number} of 3 | booked | {day(visit['on'], '%a ~ %b %Y')}, {visit['at']}"
        for number, visit in enumerate(visits, 1)
    ]
    expect(page.get_by_role("link", name="Plan & book")).to_have_count(0)

    page.get_by_role("link", name="Day list").click()
    expect(page.get_by_text("No visits on this day")).to_be_visible()
    page.get_by_label("Date").fill(f"{first['on']}")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.get_by_role("heading", name=day(first["on"], "%A ~ %B %Y"))).to_be_visible()
    room, walking = first["others"]
    (visit_in_list,) = says(page.locator(".visits > li"))
    assert visit_in_list == (
        f"{first['at']} until {first['until']} Zoë Müller born 17 May 1980 "
        f"Injection session · Microsclerotherapy of the legs {first['lead']} "
        f"Injections, 45 min: {room} Supervised walking, 20 min: {walking} booked Has confirmed : Zoë Müller"
    )
    assert [(visit.on, f"{visit.at_time:%H:%M}") for visit in build.visits_of(course)] == [
        (visit["on"], visit["at"]) for visit in (first, second, third)
    ]


class Keyboard:
    """A person who has no mouse: goes on with Tab, and always sees where they are."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def go_to(self, role: Any, name: str) -> None:
        wanted = self.page.get_by_role(role, name=name)
        for _ in range(80):
            self.page.keyboard.press("Tab")
            assert self.lost() is None
            if wanted.evaluate("one => one === document.activeElement"):
                return
        pytest.fail(f"the keyboard does not reach the {role} {name!r}")

    def enter(self, leads_to: str) -> None:
        """Press Enter on a link or a button, and wait for its page."""
        self.page.keyboard.press("Enter")
        self.page.wait_for_url(leads_to)

    def lost(self) -> str | None:
        """Return what has the focus where nobody can see that it does: no ring, or out of sight, or covered."""
        return self.page.evaluate(
            """() => {
              const one = document.activeElement, style = getComputedStyle(one), box = one.getBoundingClientRect();
              if (one === document.body) return null;  // past the last, at the browser's own controls
              const ringed = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
              const x = box.left + box.width / 2, y = box.top + box.height / 2;
              const top = document.elementFromPoint(x, y);
              const uncovered = top && (one.contains(top) || top.contains(one) || box.height > innerHeight);
              return ringed && uncovered ? null : one.outerHTML.slice(0, 300);
            }"""
        )


def test_a_course_is_planned_and_booked_with_the_keyboard_alone(clinic, course, page):
    visits = visits_in_words(clinic.propose(course), course)
    keyboard = Keyboard(page)

    page.goto("/")
    expect(page.get_by_label("E-mail")).to_be_focused()
    page.keyboard.type(clinic.receptionist.email)
    keyboard.go_to("textbox", "Password")
    page.keyboard.type(build.PASSWORD)
    keyboard.enter("/admin/")

    keyboard.go_to("searchbox", "Find a patient")
    page.keyboard.type("muller")
    keyboard.enter("**/patient/?q=muller")
    keyboard.go_to("link", "Zoë Müller")
    keyboard.enter("**/patient/*/change/**")
    keyboard.go_to("link", "Open Microsclerotherapy of the legs")
    keyboard.enter(f"**/course/{course.uid}/change/")

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the page")).to_be_focused()
    expect(page.get_by_role("link", name="Skip to the page")).to_be_in_viewport(ratio=1)
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Plan & book 3 sessions")).to_be_focused()
    keyboard.enter("**/plan/")

    keyboard.go_to("button", "Book this plan : Closest to target")
    keyboard.enter(f"**/course/{course.uid}/change/")
    assert notices(page) == ["3 visits are booked."]
    assert read_visits(page) == [
        f"Injection session {number} of 3 | booked | {day(visit['on'], '%a ~ %b %Y')}, {visit['at']}"
        for number, visit in enumerate(visits, 1)
    ]
