from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduling.planner.amounts import Amount
from scheduling.planner.facts import (
    AssessmentFacts,
    Late,
    LateAction,
    LateBand,
    Reference,
    SessionState,
    StepKind,
    Window,
)
from scheduling.planner.windows import NEVER, depends_on, late_band_of, window_of, windows_after, windows_of
from tests.planner.build import booked, course, open_session, performed, session_id, spacing, step

FIRST = step("first")
MONTHLY = step(
    "next", spacing(floor="7 days", minimum="4 weeks", target="1 month", overdue="12 weeks", tolerance_days=3)
)
ASSESSMENT = step("assessment", kind=StepKind.ASSESSMENT, planned_with_course=False)
ON = date(2027, 1, 11)


def window_after(first, second_step=MONTHLY, **rest):
    second = open_session(1, second_step, areas=rest.pop("areas", frozenset()))
    return window_of(second, course(first, second, **rest))


def test_a_window_counts_from_the_performed_date():
    assert window_after(performed(0, FIRST, ON)) == Window(
        floor_on=date(2027, 1, 18),
        earliest_on=date(2027, 2, 8),
        target_on=date(2027, 2, 11),
        overdue_on=date(2027, 4, 5),
        tolerance_days=3,
    )


def test_a_session_that_does_not_count_is_the_reference_all_the_same():
    counted, not_counted = performed(0, FIRST, ON), performed(0, FIRST, ON, counts=False)

    assert window_after(not_counted) == window_after(counted)


def test_blanks_stay_blank():
    assert window_after(performed(0, FIRST, ON), step("next", spacing(minimum="6 weeks"))) == Window(
        earliest_on=date(2027, 2, 22)
    )
    assert window_after(performed(0, FIRST, ON), step("next")) == Window()


def test_target_is_raised_to_earliest_and_overdue_to_the_day_after():
    both = step(
        "next",
        spacing(minimum="1 week", target="2 weeks", overdue="4 weeks"),
        spacing(Reference.EVENT, "varicose_treatment", minimum="3 months"),
    )

    window = window_after(performed(0, FIRST, ON), both, events={"varicose_treatment": ON})

    assert (window.earliest_on, window.target_on, window.overdue_on) == (
        date(2027, 4, 11),
        date(2027, 4, 11),
        date(2027, 4, 12),
    )


def test_overdue_on_the_earliest_date_itself_is_raised_too():
    assert window_after(
        performed(0, FIRST, ON), step("next", spacing(minimum="4 weeks", overdue="4 weeks"))
    ).overdue_on == ON + timedelta(days=29)


def test_two_spacings_must_both_hold():
    """Hepatitis B, third dose: 8 weeks from the second and 16 weeks from the first."""
    second = step("second", spacing(minimum="4 weeks"))
    third = step(
        "third",
        spacing(minimum="8 weeks", target="8 weeks", lapse="30 weeks"),
        spacing(Reference.STEP, "first", floor="15 weeks", minimum="16 weeks", target="6 months", lapse="1 year"),
    )
    doses = performed(0, FIRST, ON), performed(1, second, ON + timedelta(weeks=4)), open_session(2, third)

    window = window_of(doses[2], course(*doses))

    assert window == Window(
        floor_on=ON + timedelta(weeks=15),
        earliest_on=ON + timedelta(weeks=16),  # later than 4 + 8
        target_on=date(2027, 7, 11),
        lapse_on=ON + timedelta(weeks=34),  # the first of the two
    )


def test_a_booked_or_assumed_date_makes_the_window_provisional():
    visit = booked(open_session(0, FIRST), ON)
    second = open_session(1, MONTHLY)

    assert window_of(second, course(visit, second)).target_on == date(2027, 2, 11)
    assumed = window_of(second, course(visit, second), {visit.id: date(2027, 1, 31)})
    assert (assumed.target_on, assumed.provisional) == (date(2027, 3, 1), True)


def test_an_unbooked_session_counts_from_its_own_projected_target():
    first, second, third = performed(0, FIRST, ON), open_session(1, MONTHLY), open_session(2, MONTHLY)

    windows = windows_of(course(first, second, third))

    assert list(windows) == [second.id, third.id]
    assert (windows[second.id].target_on, windows[second.id].provisional) == (date(2027, 2, 11), False)
    assert (windows[third.id].target_on, windows[third.id].provisional) == (date(2027, 3, 11), True)
    assert windows[third.id] == window_of(third, course(first, second, third))


def test_a_reference_without_any_date_adds_nothing_but_doubt():
    assert window_after(open_session(0, FIRST)) == Window(provisional=True)


@pytest.mark.parametrize("state", [SessionState.SKIPPED, SessionState.DROPPED])
def test_skipped_and_dropped_sessions_are_no_reference(state):
    gone = replace(booked(open_session(1, MONTHLY), ON + timedelta(days=40)), state=state)
    last = open_session(2, MONTHLY)

    assert window_of(last, course(performed(0, FIRST, ON), gone, last)).target_on == date(2027, 2, 11)


def test_previous_is_the_assessment_when_only_that_comes_before():
    assessed = performed(0, ASSESSMENT, ON)
    treated_after = step("first", spacing(minimum="2 weeks"))
    after_treatments = step("first", spacing(Reference.LAST_OF_KIND, "treatment", minimum="2 weeks"))

    assert window_after(assessed, treated_after).earliest_on == ON + timedelta(weeks=2)
    assert window_after(assessed, after_treatments) == Window()


def test_an_event_that_is_not_known_adds_nothing():
    by_event = step("first", spacing(Reference.EVENT, "patch_test", minimum="2 days"))

    assert window_after(performed(0, ASSESSMENT, ON), by_event) == Window()
    assert window_after(performed(0, ASSESSMENT, ON), by_event, events={"patch_test": ON}) == Window(
        earliest_on=ON + timedelta(days=2)
    )


def test_a_named_step_is_the_session_that_satisfied_it():
    """CALCDTINT-2: the dose that was too soon is not the target dose; the one that repeats it is."""
    too_soon = performed(0, FIRST, ON, counts=False)
    repeated = performed(1, FIRST, ON + timedelta(days=30))
    last = open_session(2, step("last", spacing(Reference.STEP, "first", minimum="4 weeks")))

    assert window_of(last, course(too_soon, repeated, last)).earliest_on == ON + timedelta(days=58)


LEGS = step("laser", spacing(minimum="4 weeks"), spacing(minimum="8 weeks", areas=frozenset({"left_leg", "right_leg"})))


@pytest.mark.parametrize(
    ("treated", "planned", "weeks"),
    [
        ({"left_leg"}, {"left_leg"}, 8),
        ({"left_leg"}, {"face"}, 4),
        ({"left_leg"}, {"right_leg"}, 4),  # the other leg may be treated sooner
        ({"left_leg"}, set(), 8),  # not said: every area
        (set(), {"left_leg"}, 8),
        ({"face"}, {"left_leg", "face"}, 4),
    ],
)
def test_spacing_by_area(treated, planned, weeks):
    first = performed(0, LEGS, ON, areas=frozenset(treated))

    assert window_after(first, LEGS, areas=frozenset(planned)).earliest_on == ON + timedelta(weeks=weeks)


def test_spacing_by_area_counts_from_the_last_session_that_treated_it():
    left = performed(0, LEGS, ON, areas=frozenset({"left_leg"}))
    right = performed(1, LEGS, ON + timedelta(weeks=5), areas=frozenset({"right_leg"}))
    again = open_session(2, LEGS, areas=frozenset({"left_leg"}))

    assert window_of(again, course(left, right, again)).earliest_on == ON + timedelta(weeks=9)


def test_a_tie_of_targets_keeps_the_smaller_tolerance():
    tied = step("next", spacing(target="4 weeks", tolerance_days=7), spacing(target="28 days", tolerance_days=2))

    assert window_after(performed(0, FIRST, ON), tied).tolerance_days == 2


def test_a_window_depends_on_the_dates_it_is_counted_from():
    third = step("third", spacing(minimum="8 weeks"), spacing(Reference.STEP, "first", minimum="16 weeks"))
    sessions = open_session(0, FIRST), open_session(1, MONTHLY), open_session(2, third)
    both = frozenset({session_id(0), session_id(1)})

    assert depends_on(sessions[2], course(*sessions), both) == both
    assert depends_on(sessions[2], course(*sessions), frozenset({session_id(0)})) == {session_id(0)}
    assert depends_on(sessions[0], course(*sessions), both) == frozenset()


def test_nothing_is_known_of_a_course_that_has_nothing():
    assert windows_of(course()) == {}
    assert windows_of(course(open_session(0, FIRST))) == {session_id(0): Window()}


# --- rules that change, and late bands --------------------------------------------------------------------------------

CHANGE = date(2016, 12, 16)
OLD = replace(spacing(minimum="24 weeks"), effective_to=CHANGE - timedelta(days=1))
NEW = replace(spacing(minimum="5 months"), effective_from=CHANGE)


@pytest.mark.parametrize(
    ("on", "earliest_on"),
    [
        (date(2016, 12, 15), date(2017, 6, 1)),  # 24 weeks
        (date(2016, 12, 16), date(2017, 5, 16)),
        (date(2016, 12, 17), date(2017, 5, 17)),
    ],
)
def test_a_spacing_applies_to_references_while_it_is_in_effect(on, earliest_on):
    assert window_after(performed(0, FIRST, on), step("next", OLD, NEW)) == Window(earliest_on=earliest_on)


def test_a_spacing_that_is_not_in_effect_leaves_no_doubt_either():
    not_yet = replace(spacing(Reference.STEP, "first", minimum="1 year"), effective_from=date(2030, 1, 1))
    third = step("third", spacing(minimum="1 week"), not_yet)
    visit = booked(open_session(0, FIRST), ON)
    second, last = performed(1, FIRST, ON), open_session(2, third)

    assert window_of(last, course(visit, second, last)) == Window(earliest_on=ON + timedelta(weeks=1))


def banded(*bands, **rest):
    made = tuple(
        LateBand(Amount.parse(a), Amount.parse(b) if b else None, action, note) for a, b, action, note in bands
    )
    return replace(spacing(**({"minimum": "1 week"} | rest)), late_bands=made)


SCIT = banded(
    ("8 days", "14 days", LateAction.REPEAT_STEP, ""),
    ("14 days", "21 days", LateAction.SHORTEN, "a quarter less"),
    ("28 days", None, LateAction.RESTART, ""),
)


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0, None),
        (7, None),
        (8, (LateAction.REPEAT_STEP, "", 8, 13)),
        (13, (LateAction.REPEAT_STEP, "", 8, 13)),
        (14, (LateAction.SHORTEN, "a quarter less", 14, 20)),
        (20, (LateAction.SHORTEN, "a quarter less", 14, 20)),
        (21, None),  # the bands leave a gap
        (28, (LateAction.RESTART, "", 28, None)),
        (4000, (LateAction.RESTART, "", 28, None)),
    ],
)
def test_the_band_of_a_date_and_its_first_and_last_day(number, expected):
    first, second = performed(0, FIRST, ON), open_session(1, step("next", SCIT))

    found = late_band_of(second, ON + timedelta(days=number), course(first, second))

    if expected is None:
        assert found is None
    else:
        action, note, begins, ends = expected
        last_on = None if ends is None else ON + timedelta(days=ends)
        assert found == Late(action, note, ON + timedelta(days=begins), last_on)


def test_the_strictest_band_of_several_spacings_counts():
    mild = banded(("2 weeks", None, LateAction.BOOK_ANYWAY, "mild"))
    strict = replace(
        banded(("20 days", "40 days", LateAction.REVIEW, "strict")), reference=Reference.EVENT, reference_key="surgery"
    )
    first, second = performed(0, FIRST, ON), open_session(1, step("next", mild, strict))
    c = course(first, second, events={"surgery": ON})

    found = [late_band_of(second, ON + timedelta(days=number), c) for number in (13, 19, 20, 40)]

    assert [late and late.note for late in found] == [None, "mild", "strict", "mild"]


def test_no_band_counts_from_a_session_that_is_only_booked_or_from_a_rule_not_in_effect():
    second = open_session(1, step("next", SCIT))
    outdated = open_session(1, step("next", replace(SCIT, effective_to=ON - timedelta(days=1))))
    on = ON + timedelta(days=10)

    assert late_band_of(second, on, course(booked(open_session(0, FIRST), ON), second)) is None
    assert late_band_of(outdated, on, course(performed(0, FIRST, ON), outdated)) is None


@given(st.dates(ON, ON + timedelta(days=60)), st.lists(st.integers(0, 40), min_size=2, max_size=6, unique=True))
def test_every_date_lies_in_the_one_band_that_begins_last_before_it(on, days):
    edges = sorted(days)
    actions = list(LateAction)
    bands = [
        (f"{begins} days", f"{ends} days", actions[at % len(actions)], str(begins))
        for at, (begins, ends) in enumerate(pairwise(edges))
    ]
    second = open_session(1, step("next", banded(*bands)))

    found = late_band_of(second, on, course(performed(0, FIRST, ON), second))

    past = (on - ON).days
    before = [begins for begins in edges if begins <= past]
    expected = str(before[-1]) if before and past < edges[-1] else None
    assert (found and found.note) == expected


@pytest.mark.parametrize(
    "spacings",
    [
        MONTHLY.spacings,
        (spacing(),),
        (spacing(minimum="1 month", lapse="6 months - 4 days"),),
        (
            spacing(minimum="8 weeks", target="2 months", tolerance_days=5),
            spacing(minimum="1 month", target="2 months", tolerance_days=2, lapse="1 year"),
        ),
        (spacing(minimum="2 weeks", effective_from=date(2027, 6, 15)), spacing(minimum="3 weeks", target="1 week")),
    ],
)
@pytest.mark.parametrize("assessed_on", [date(2026, 11, 1), date(2027, 12, 3), date(2029, 1, 1)])
def test_the_windows_after_many_dates_are_those_after_each_of_them(spacings, assessed_on):
    first, last = date(2026, 11, 20), date(2028, 3, 5)
    dates = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    session_after = open_session(1, replace(MONTHLY, spacings=spacings))

    found = windows_after(spacings, first.toordinal(), last.toordinal(), assessed_on)

    courses = [
        course(performed(0, FIRST, on), session_after, assessment=AssessmentFacts(assessed_on, suitable=True))
        for on in dates
    ]
    one_by_one = [window_of(session_after, one) for one in courses]
    assert [list(column) for column in (found.earliest, found.target, found.lapse, found.tolerance)] == [
        [window.earliest_on.toordinal() if window.earliest_on else 0 for window in one_by_one],
        [window.target_on.toordinal() if window.target_on else 0 for window in one_by_one],
        [window.lapse_on.toordinal() if window.lapse_on else NEVER for window in one_by_one],
        [window.tolerance_days for window in one_by_one],
    ]
