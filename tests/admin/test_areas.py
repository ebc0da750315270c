"""The course page: which areas each session is to treat, said in one form, and shown where they are not the same."""

from __future__ import annotations

import re
from typing import Any

import pytest

from clinic.admin import page_of
from patients.models import Area
from scheduling import sessions
from scheduling.models import Course
from tests import build
from tests.scheduling import legs
from tests.scheduling.legs import LEFT, RIGHT, in_turn, planned, treatments

from .conftest import course_page, do, words

LINK = "Areas of the sessions"


@pytest.fixture
def course(clinic) -> Course:
    legs.give_at(clinic)
    return legs.course(clinic)


def sent(of, areas=(LEFT, RIGHT)) -> dict[str, Any]:
    return {str(uid): codes for uid, codes in in_turn(of, areas).items()}


def rows(page: Any) -> list[tuple[str, list[tuple[str, bool]]]]:
    """The form's rows: each legend, and its ticks with whether they are set."""
    found = []
    for row in re.findall(r"<fieldset class=\"field.*?</fieldset>", page.content.decode(), re.DOTALL):
        legend = re.search(r"<legend>(.*?)</legend>", row)
        ticks = re.findall(r"<input[^>]*value=\"(\w+)\"([^>]*)>", row)
        assert legend is not None
        found.append((legend[1], [(code, "checked" in rest) for code, rest in ticks]))
    return found


def sent_from(page: Any) -> dict[str, list[str]]:
    """What a browser sends of the page's form if nobody touches it: ticks that are set, and what is hidden."""
    found: dict[str, list[str]] = {}
    form = re.findall(r"<form method=\"post\" class=\"card-body form\".*?</form>", page.content.decode(), re.DOTALL)[0]
    for tag in re.findall(r"<input[^>]*>", form):
        name, value = (re.search(rf"\b{key}=\"([^\"]*)\"", tag) for key in ("name", "value"))
        if name and value and ("checked" in tag or "hidden" in tag) and name[1] != "csrfmiddlewaretoken":
            found.setdefault(name[1], []).append(value[1])
    return found


def test_the_legs_take_turns_by_one_form_that_needs_no_script(clinic, course, reception):
    page = reception.get(course_page(course))
    assert LINK in words(page)
    assert "Areas to treat" not in words(page)  # they are the same for all, and stand with the course
    both = [(LEFT, True), (RIGHT, True)]
    form = reception.get(do(course, "areas"))
    assert rows(form) == [(f"{number}. Treatment", both) for number in (2, 3, 4, 5)]

    answer = reception.post(do(course, "areas"), sent(treatments(course)), follow=True)

    assert planned(course) == [[LEFT], [RIGHT], [LEFT], [RIGHT]]
    said = words(answer)
    assert answer.redirect_chain == [(course_page(course), 302)]
    assert "The areas are noted, and the windows are counted anew." in said
    assert re.findall(r"Areas to treat: (\w+) thigh", said) == ["Left", "Right", "Left", "Right"]
    assert re.findall(r"Treatment is to treat (\w+) thigh", said) == ["Right", "Left", "Right", "Left"]  # newest first
    assert [ticks for _legend, ticks in rows(reception.get(do(course, "areas")))] == [
        [(LEFT, leg == LEFT), (RIGHT, leg == RIGHT)] for leg in (LEFT, RIGHT, LEFT, RIGHT)
    ]


def test_a_row_names_the_day_of_its_visit(clinic, course, reception):
    clinic.book(course)
    visit = build.visits_of(course)[0]

    [first, *_others] = rows(reception.get(do(course, "areas")))

    assert first[0] == f"2. Treatment · {visit.on:%a} {visit.on.day} {visit.on:%b} {visit.on.year}"


def test_a_visit_that_is_too_near_now_is_proposed_anew_on_the_page(clinic, course, reception):
    reception.post(do(course, "areas"), sent(treatments(course)))
    clinic.book(course)

    page = words(reception.post(do(course, "areas"), sent(treatments(course), (LEFT, LEFT)), follow=True))

    [proposal] = course.proposals.filter(state="open")
    assert proposal.moves.count() == 3
    assert page.count("This is earlier than the protocol allows.") >= 1
    assert "Sessions are to treat other areas" in words(reception.get(page_of(proposal)))


def test_what_is_wrong_stands_beside_its_session_and_nothing_is_stored(clinic, course, reception):
    first, *others = treatments(course)
    opened = sent_from(reception.get(do(course, "areas")))
    del opened[str(first.uid)]  # a session without a tick sends nothing

    page = reception.post(do(course, "areas"), opened | sent(others))

    assert page.status_code == 200
    marked = re.findall(
        r"<fieldset class=\"field has-errors\">\s*<legend>(.*?)</legend>.*?class=\"errors\">(.*?)<",
        page.content.decode(),
        re.DOTALL,
    )
    assert marked == [("2. Treatment", "Say which areas are to be treated.")]
    assert planned(course) == [[LEFT, RIGHT]] * 4

    # The page that comes back is as good as the first one.
    assert sent_from(page) == opened | sent(others)
    reception.post(do(course, "areas"), sent_from(page) | sent([first]))
    assert planned(course) == [[LEFT], [LEFT], [RIGHT], [LEFT]]


def test_a_page_that_stood_open_leaves_alone_what_a_colleague_has_changed_and_added(clinic, course, reception):
    first, second, third, _fourth = treatments(course)
    opened = sent_from(reception.get(do(course, "areas")))
    turned = {second.uid: [LEFT], third.uid: [RIGHT]}
    sessions.plan_areas(course, turned, by=clinic.receptionist, now=clinic.now)
    sessions.add_session(course, "treatment", reason="A vein is left", by=clinic.clinician, now=clinic.now)

    answer = reception.post(do(course, "areas"), opened | {str(first.uid): [RIGHT]}, follow=True)

    assert "The areas are noted, and the windows are counted anew." in words(answer)
    assert planned(course) == [[RIGHT], [LEFT], [RIGHT], [LEFT, RIGHT], [LEFT, RIGHT]]


def test_a_session_that_took_place_since_the_page_was_opened_is_named(clinic, course, reception):
    opened = sent_from(reception.get(do(course, "areas")))
    clinic.perform(treatments(course)[0])

    page = reception.post(do(course, "areas"), opened | sent(treatments(course)))

    assert "This session is not open any more." in words(page)
    assert planned(course) == [[LEFT, RIGHT]] * 4
    assert [legend for legend, _ticks in rows(reception.get(do(course, "areas")))] == [
        f"{number}. Treatment" for number in (3, 4, 5)
    ]

    # Where nothing was said of it, the others are noted.
    reception.post(do(course, "areas"), opened | sent(treatments(course)[1:]))
    assert planned(course) == [[LEFT, RIGHT], [LEFT], [RIGHT], [LEFT]]


def test_with_one_area_there_is_nothing_to_choose(clinic, reception):
    legs.give_at(clinic)
    course = legs.course(clinic, LEFT)

    assert LINK not in words(reception.get(course_page(course)))


def test_who_sees_no_courses_says_no_areas(clinic, course, signed_in):
    operator = signed_in(user=build.user("operator", at=clinic.site))

    assert operator.post(do(course, "areas"), sent(treatments(course))).status_code == 403
    assert planned(course) == [[LEFT, RIGHT]] * 4


def test_recording_a_session_begins_with_the_areas_it_was_planned_for(clinic, course, clinician):
    clinician.post(do(course, "areas"), sent(treatments(course)))

    page = clinician.get(do(course, "perform", treatments(course)[1]))

    left, right = (Area.objects.get(code=code).pk for code in (LEFT, RIGHT))
    assert dict(rows(page))["Areas treated"] == [(str(left), False), (str(right), True)]


def test_a_plan_names_the_areas(clinic, course, reception):
    reception.post(do(course, "areas"), sent(treatments(course)))

    page = words(reception.get(f"/admin/scheduling/course/{course.uid}/plan/"))

    best = page.partition("What the points are for")[0]
    assert re.findall(r"Areas to treat: (\w+) thigh", best) == ["Left", "Right", "Left", "Right"]
