"""History is judged as CDC judges it: too soon, grace, in time, late."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduling.planner.amounts import Amount
from scheduling.planner.evaluation import Evaluation, Verdict, evaluate
from scheduling.planner.facts import AssessmentFacts, Late, LateAction, LateBand, Reference, StepKind
from scheduling.planner.windows import window_of
from tests.planner.build import course, open_session, performed, session_id, spacing, step
from tests.planner.cdc import ROWS, SERIES, Row

FIRST = step("first")
HALF_A_YEAR = spacing(floor="6 months - 4 days", minimum="6 months", target="6 months", overdue="19 months + 4 weeks")
SECOND = step("second", HALF_A_YEAR)
ON = date(2025, 5, 15)
MINIMUM = date(2025, 11, 15)
TOO_SOON, GRACE, IN_TIME, LATE = Verdict.TOO_SOON, Verdict.GRACE, Verdict.IN_TIME, Verdict.LATE


def judged(*sessions, **rest):
    return [(one.verdict, one.counts) for one in evaluate(course(*sessions, **rest))]


# 2013-0192 and -0193: 6 months after 15 May 2025 less 5 and 4 days; then each side of the other boundaries.
@pytest.mark.parametrize(
    ("on", "verdict", "code", "counts"),
    [
        (MINIMUM - timedelta(days=5), TOO_SOON, "performed_before_floor", False),
        (MINIMUM - timedelta(days=4), GRACE, "performed_in_grace", True),
        (MINIMUM - timedelta(days=1), GRACE, "performed_in_grace", True),
        (MINIMUM, IN_TIME, "performed_in_time", True),
        (date(2027, 1, 11), IN_TIME, "performed_in_time", True),
        (date(2027, 1, 12), LATE, "performed_overdue", True),
    ],
)
def test_a_session_is_judged_by_the_dates_its_spacing_gives(on, verdict, code, counts):
    found = evaluate(course(performed(0, FIRST, ON), performed(1, SECOND, on)))

    assert found == (
        Evaluation(session_id(0), Verdict.NOT_JUDGED, "nothing_to_count_from", ON, counts=True),
        Evaluation(
            session=session_id(1),
            verdict=verdict,
            code=code,
            performed_on=on,
            counts=counts,
            spacing=HALF_A_YEAR,
            reference_on=ON,
            floor_on=date(2025, 11, 11),
            minimum_on=MINIMUM,
            overdue_on=date(2027, 1, 12),
        ),
    )


def test_the_next_one_counts_from_a_session_that_was_too_soon():
    """CALCDTINT-1: the previous one, valid or not."""
    too_soon = MINIMUM - timedelta(days=5)
    history = performed(0, FIRST, ON), performed(1, SECOND, too_soon)

    assert judged(*history, performed(2, SECOND, date(2026, 5, 9)))[1:] == [(TOO_SOON, False), (GRACE, True)]
    assert judged(*history, performed(2, SECOND, date(2026, 5, 10)))[1:] == [(TOO_SOON, False), (IN_TIME, True)]


def test_a_step_is_satisfied_by_the_session_that_counts():
    """CALCDTINT-2: one that was too soon is passed over."""
    third = step("third", spacing(Reference.STEP, "second", floor="4 weeks"))
    history = (
        performed(0, FIRST, ON),
        performed(1, SECOND, date(2025, 6, 15)),  # too soon
        performed(2, SECOND, date(2025, 12, 15)),
        performed(3, third, date(2026, 1, 11)),
    )

    last = evaluate(course(*history))[-1]

    assert (last.verdict, last.reference_on, last.floor_on) == (TOO_SOON, date(2025, 12, 15), date(2026, 1, 12))


def test_the_spacing_that_decided_is_the_one_with_the_latest_date():
    from_first = spacing(Reference.STEP, "first", floor="16 weeks", minimum="17 weeks")
    from_previous = spacing(floor="8 weeks", minimum="18 weeks")
    third = step("third", from_previous, from_first)
    history = performed(0, FIRST, ON), performed(1, step("second"), ON + timedelta(weeks=6))

    def decided(weeks):
        found = evaluate(course(*history, performed(2, third, ON + timedelta(weeks=weeks))))[-1]
        return found.verdict, found.spacing, found.reference_on

    assert decided(15) == (TOO_SOON, from_first, ON)
    assert decided(20) == (GRACE, from_previous, ON + timedelta(weeks=6))
    assert decided(24) == (IN_TIME, from_previous, ON + timedelta(weeks=6))


def test_a_late_band_says_what_should_have_been_done():
    weekly = step(
        "weekly",
        spacing(
            minimum="1 day",
            late_bands=(
                LateBand(Amount.parse("8 days"), Amount.parse("14 days"), LateAction.REPEAT_STEP, "the last dose"),
                LateBand(Amount.parse("14 days"), None, LateAction.RESTART),
            ),
        ),
    )

    def found(days):
        last = evaluate(course(performed(0, FIRST, ON), performed(1, weekly, ON + timedelta(days=days))))[-1]
        return last.verdict, last.code, last.band

    assert found(7) == (IN_TIME, "performed_in_time", None)
    assert found(8) == (
        LATE,
        "performed_in_late_band",
        Late(LateAction.REPEAT_STEP, "the last dose", date(2025, 5, 23), date(2025, 5, 28)),
    )
    assert found(14)[2] == Late(LateAction.RESTART, "", date(2025, 5, 29), None)


@pytest.mark.parametrize("assessed_on", [date(2026, 5, 14), date(2026, 5, 15), date(2026, 6, 1)])
def test_from_the_lapse_on_it_is_late_whatever_else_is_blank_and_whenever_it_was_assessed(assessed_on):
    lapsing = step("second", spacing(lapse="1 year"))
    assessment = AssessmentFacts(assessed_on, suitable=True)
    history = performed(0, FIRST, ON), performed(1, lapsing, date(2026, 5, 15))
    found = evaluate(course(*history, assessment=assessment))[-1]

    assert (found.verdict, found.code, found.counts) == (LATE, "performed_after_lapse", True)


def test_blanks_forbid_nothing():
    """No floor: nothing is too soon. No overdue: nothing is late."""
    only_minimum = step("second", spacing(minimum="4 weeks"))

    assert judged(performed(0, FIRST, ON), performed(1, only_minimum, ON))[-1] == (GRACE, True)
    assert judged(performed(0, FIRST, ON), performed(1, only_minimum, date(2099, 1, 1)))[-1] == (IN_TIME, True)


def test_sessions_are_judged_in_the_order_in_which_they_took_place():
    """The third was recorded before the second: it is no successor of what came after it."""
    monthly = step("monthly", spacing(floor="4 weeks"))
    first, second = performed(0, monthly, ON), performed(1, monthly, ON + timedelta(weeks=8))
    third = performed(2, monthly, ON + timedelta(weeks=4))

    assert [(one.session, one.verdict) for one in evaluate(course(first, second, third))] == [
        (first.id, Verdict.NOT_JUDGED),
        (third.id, IN_TIME),
        (second.id, IN_TIME),
    ]


def test_what_had_not_happened_yet_is_no_reference():
    after_veins = step("second", spacing(Reference.EVENT, "varicose_treatment", floor="3 months"))
    events = {"varicose_treatment": ON}

    assert judged(performed(0, after_veins, ON - timedelta(days=1)), events=events) == [(Verdict.NOT_JUDGED, True)]
    assert judged(performed(0, after_veins, ON + timedelta(days=1)), events=events) == [(TOO_SOON, False)]
    assert judged(performed(1, SECOND, ON), open_session(0, FIRST)) == [(Verdict.NOT_JUDGED, True)]


def test_the_other_leg_is_no_reference():
    per_leg = step("treatment", spacing(floor="4 weeks", areas=frozenset({"left_leg", "right_leg"})))
    left, right = frozenset({"left_leg"}), frozenset({"right_leg"})
    history = performed(0, per_leg, ON, areas=left), performed(1, per_leg, ON + timedelta(days=7), areas=right)

    assert judged(*history) == [(Verdict.NOT_JUDGED, True)] * 2
    assert judged(*history, performed(2, per_leg, ON + timedelta(days=20), areas=left))[-1] == (TOO_SOON, False)


def test_a_session_set_aside_by_a_restart_keeps_its_verdict_and_does_not_count():
    first = replace(performed(0, FIRST, ON), counts=False, restarted=True)

    assert judged(first, performed(1, SECOND, MINIMUM)) == [(Verdict.NOT_JUDGED, False), (IN_TIME, True)]


def test_what_was_stored_decides_nothing():
    """A date that is corrected changes what counts."""
    stale = replace(performed(1, SECOND, MINIMUM), counts=False)

    assert judged(performed(0, FIRST, ON), stale)[-1] == (IN_TIME, True)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_cdcs_doses_are_valid_or_too_soon_as_published(row: Row):
    """A dose that is not valid is given again; an age is a spacing from birth, so `young` is too soon as well."""
    series, satisfied, sessions = SERIES[row.vaccine], 0, []
    for place, dose in enumerate(row.doses):
        sessions.append(performed(place, series[satisfied], dose.on))
        satisfied += dose.is_valid

    found = evaluate(course(*sessions, events={"birth": row.born_on}))

    assert [one.counts for one in found] == [dose.is_valid for dose in row.doses]
    too_soon = [one for one in found if one.verdict is TOO_SOON]
    assert all(one.performed_on < one.spacing.floor.after(one.reference_on) for one in too_soon)


MONTHLY = step("monthly", spacing(floor="1 week", minimum="4 weeks", target="1 month", overdue="12 weeks"))
GAPS = st.lists(st.integers(min_value=0, max_value=120), min_size=1, max_size=6)


def history_of(gaps):
    dates, at = [], ON
    for gap in gaps:
        at += timedelta(days=gap)
        dates.append(at)
    return [performed(place, MONTHLY, on) for place, on in enumerate(dates)]


@given(GAPS)
def test_what_is_booked_inside_its_window_counts_when_it_is_performed(gaps):
    sessions = history_of(gaps)
    following = open_session(len(sessions), MONTHLY)
    window = window_of(following, course(*sessions, following))

    earliest = performed(len(sessions), MONTHLY, window.earliest_on)
    too_early = performed(len(sessions), MONTHLY, window.floor_on and window.floor_on - timedelta(days=1))

    assert judged(*sessions, earliest)[-1] == (IN_TIME, True)
    assert judged(*sessions, too_early)[-1] == (TOO_SOON, False)


@given(GAPS)
def test_a_later_session_never_changes_what_was_judged_before_it(gaps):
    sessions = history_of(gaps)

    assert evaluate(course(*sessions))[:-1] == evaluate(course(*sessions[:-1]))


@given(GAPS, st.integers(min_value=1, max_value=60))
def test_coming_later_never_makes_a_session_too_soon(gaps, days):
    sessions = history_of(gaps)
    *before, last = sessions
    later = replace(last, performed_on=(last.performed_on or ON) + timedelta(days=days))

    if judged(*sessions)[-1][1]:
        assert judged(*before, later)[-1][1]


def test_an_assessment_of_the_same_day_is_a_reference():
    assessment = step("assessment", kind=StepKind.ASSESSMENT)
    same_day = step("treatment", spacing(minimum="0 days"))

    assert judged(performed(0, assessment, ON), performed(1, same_day, ON))[-1] == (IN_TIME, True)
