"""The admin's own forms, beside our style sheet: it must not take hold of them by names that both use."""

from __future__ import annotations

from datetime import time, timedelta

from clinic.admin import page_of
from scheduling import absences


def test_what_stands_in_two_columns_is_in_line(clinic, page, sign_in, photograph):
    who = clinic.staff["Dr Inês Oliveira"][0]
    details = absences.AbsenceDetails(
        who, clinic.today, clinic.today + timedelta(days=3), from_time=time(9), until_time=time(12), kind="leave"
    )
    absence = absences.record(details, by=clinic.manager, now=clinic.now)
    sign_in(clinic.manager)

    page.goto(page_of(absence))

    def centre(words: str) -> tuple[float, float]:
        """Where a label begins, and the middle of its height; the value has no name, so it is found by its words."""
        box = page.locator(".field-line").get_by_text(words, exact=True).bounding_box()
        assert box is not None
        return box["x"], box["y"] + box["height"] / 2

    (first_x, first_y), (last_x, last_y) = centre("First day"), centre("Last day")
    (from_x, from_y), (until_x, until_y) = centre("From"), centre("Until")
    photograph("absence")
    assert (first_x, last_x, first_y, from_y) == (from_x, until_x, last_y, until_y)
    assert (from_y, until_y) == (centre("09:00")[1], centre("12:00")[1])
