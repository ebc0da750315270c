"""CDC's own test rows: what they say of a dose that was given, and of the next one, the planner's windows say too."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from scheduling.planner.facts import CourseFacts, SessionFacts, Window
from scheduling.planner.windows import window_of
from tests.planner.build import course, open_session, performed
from tests.planner.cdc import ROWS, SERIES, Row

DAY = timedelta(days=1)


def windows_of_doses(row: Row) -> tuple[list[Window], Window | None]:
    """The window of each dose at the time it was given, and of the dose that comes next.

    A dose that is not valid is given again: the next session is of the same step, and counts from it all the same.
    """
    series = SERIES[row.vaccine]
    before: list[SessionFacts] = []
    windows = []
    satisfied = 0

    def next_window() -> Window:
        session = open_session(len(before), series[satisfied])
        return window_of(session, in_course(*before, session))

    def in_course(*sessions: SessionFacts) -> CourseFacts:
        return course(*sessions, events={"birth": row.born_on})

    for dose in row.doses:
        windows.append(next_window())
        before.append(performed(len(before), series[satisfied], dose.on, counts=dose.is_valid))
        satisfied += dose.is_valid
    return windows, None if satisfied == len(series) else next_window()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_a_dose_is_valid_exactly_from_its_absolute_minimum_on(row):
    windows, _ = windows_of_doses(row)

    floors = [window.floor_on or date.min for window in windows]
    assert [dose.on >= floor for dose, floor in zip(row.doses, floors, strict=True)] == [d.is_valid for d in row.doses]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_the_next_dose_has_the_published_dates(row):
    """Published past-due dates are the last day in time: the day before ours (FORECASTDT-3)."""
    _, following = windows_of_doses(row)

    found = following and (
        following.earliest_on,
        following.target_on,
        following.overdue_on and following.overdue_on - DAY,
    )
    assert found == (None if row.is_complete else (row.earliest, row.recommended, row.past_due))


def test_the_rows_stand_on_both_sides_of_the_boundaries():
    """What these rows are for: the last day that is too soon, and the first one that is in time."""
    by_id = {row.id: row for row in ROWS}
    at_boundary = {
        "2013-0192": -1, "2013-0193": 0, "2013-0196": -1, "2013-0197": 0,  # hepatitis A: 6 months - 4 days
        "2013-0199": -1, "2013-0200": 0, "2013-0256": -1, "2013-0257": 0,  # hepatitis B: 4 weeks - 4 days
        "2013-0203": 0, "2013-0219": 0, "2013-0259": 0,  # 8 weeks - 4 days from the second
        "2013-0206": 0, "2013-0223": 0,  # 16 weeks - 4 days from the first
        "2013-0189": -1, "2013-0190": 0,  # hepatitis A: 12 months - 4 days old
        "2013-0231": 0,  # hepatitis B: 24 weeks - 4 days old
    }  # fmt: skip

    found = {}
    for row_id in at_boundary:
        windows, _ = windows_of_doses(by_id[row_id])
        floor_on = windows[-1].floor_on
        assert floor_on is not None
        found[row_id] = (by_id[row_id].doses[-1].on - floor_on).days
    assert found == at_boundary
    assert len(by_id) == len(ROWS) == 48
