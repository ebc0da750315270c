"""Who could use time that fell free, in which order, and that nobody is offered what breaks a rule."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from scheduling.planner.cost import Weights
from scheduling.planner.facts import CourseFacts, Slot, Wishes
from scheduling.planner.rules import violations
from scheduling.planner.shapes import patient_span, with_taken
from scheduling.planner.waiting import Freed, Match, Waiting, matches, with_freed_taken

from . import build
from .build import ANNA, BEN, NINE, NOON, ROOM, TEN, day
from .far_back import far_back
from .works import counted, looked

SINCE = datetime(2027, 2, 1, tzinfo=UTC)
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
HORIZON_ON = day(365)
AFTER_A_WEEK = build.step(
    "treatment", build.spacing(minimum="7 days", target="14 days", overdue="21 days", lapse="60 days")
)
DONE = build.performed(1, AFTER_A_WEEK, day(-14))  # target: today


def course_of(number: int, *sessions: Any, **rest: Any) -> CourseFacts:
    return replace(build.course(DONE, *sessions, **rest), id=UUID(int=1000 + number))


def session(number: int, on: Any = None, tick: int = NINE, **rest: Any) -> Any:
    """The session after DONE, booked on a day or not at all, under an id of its own."""
    made = replace(build.open_session(2, AFTER_A_WEEK, **rest), id=UUID(int=500 + number))
    return made if on is None else build.booked(made, on, tick)


def waits(course: CourseFacts, *, since: datetime = SINCE, **rest: Any) -> Waiting:
    one = course.sessions[1]
    busy: dict[Any, int] = {}
    for other in course.sessions:
        if other.booked is not None:
            busy[other.booked.on] = patient_span(other.booked)
    details = {"patient_busy": busy, "not_before": LONG_AGO} | rest
    return Waiting(one.id, course, since, **details)


def roster_with(*slots: Slot, **rest: Any) -> Any:
    """Two practitioners and one room, where these visits stand."""
    return replace(with_taken(build.roster(**rest), slots), patient_busy={})


def fell_free(on: Any, first: int = NINE, until: int = NINE + 30) -> list[Freed]:
    return [Freed(who, 0, on, build.minutes(first, until)) for who in (ANNA, ROOM)]


def found(*waiting: Waiting, freed: list[Freed], roster: Any) -> list[Match]:
    return matches(waiting, freed, roster, Weights(), today=day(0), horizon_on=HORIZON_ON)


def when(match: Match) -> tuple[int, Any, int]:
    return match.session.int - 500, match.slot.on, match.slot.tick


def test_what_was_free_all_along_is_not_offered():
    """Anna and the room are free from nine to noon; only her time at nine has fallen free."""
    course = course_of(1, session(1, day(9), TEN))

    (match,) = found(waits(course), freed=fell_free(day(2)), roster=roster_with(course.sessions[1].booked))

    assert (when(match), match.slot.lead) == ((1, day(2), NINE), ANNA)
    assert match.days_gained == 9 - 2


def test_a_strict_wish_for_somebody_makes_no_time_of_the_others_look_new():
    """Ben, who is wished for, does the checks only; of Anna's time from ten on a half hour has fallen free."""
    check = build.open_session(3, build.step("check", phases=[build.phase(30, "check")], lead_role="check"))
    course = course_of(1, session(1, day(9)), check, wishes=Wishes(practitioner=BEN, strict=True))
    people = (build.resource(ANNA, "injector"), build.resource(BEN, "check"), *build.roster().resources[2:])
    roster = roster_with(course.sessions[1].booked, resources=people)

    (match,) = found(waits(course), freed=fell_free(day(2), TEN, TEN + 30), roster=roster)

    assert (when(match), match.slot.lead) == ((1, day(2), TEN), ANNA)


def test_time_that_others_have_taken_since_is_not_offered():
    course, stranger = course_of(1, session(1, day(9))), build.slot(session(9), day(2))

    assert not found(waits(course), freed=fell_free(day(2)), roster=roster_with(stranger, course.sessions[1].booked))


def test_the_overdue_come_first_then_who_gains_most_then_who_waits_longest():
    # Targets today; overdue from day 7 on. The first three are booked in time, the last one late.
    booked = [session(1, day(5)), session(2, day(6)), session(3, day(6), TEN), session(4, day(8))]
    courses = [course_of(number, one) for number, one in enumerate(booked, start=1)]
    earlier = SINCE - timedelta(days=1)
    roster = roster_with(*(one.booked for one in booked))

    order = found(
        waits(courses[0]), waits(courses[1]), waits(courses[2], since=earlier), waits(courses[3]),
        freed=fell_free(day(1)), roster=roster,
    )  # fmt: skip

    assert [(match.session.int - 500, match.is_overdue, match.days_gained) for match in order] == [
        (4, True, 7),
        (3, False, 5),
        (2, False, 5),
        (1, False, 4),
    ]


def test_a_session_that_is_not_booked_counts_as_booked_on_the_last_day_of_all():
    unbooked, booked = course_of(1, session(1)), course_of(2, session(2, day(6)))

    order = found(
        waits(booked), waits(unbooked), freed=fell_free(day(1)), roster=roster_with(booked.sessions[1].booked)
    )

    assert [(match.session.int - 500, match.days_gained) for match in order] == [(1, 365 - 1), (2, 5)]


def test_a_time_after_the_visit_is_no_use():
    course = course_of(1, session(1, day(2), NINE))

    assert not found(waits(course), freed=fell_free(day(2), TEN, TEN + 30), roster=roster_with())


def test_the_same_day_earlier_is_offered():
    course = course_of(1, session(1, day(2), TEN))

    (match,) = found(waits(course), freed=fell_free(day(2)), roster=roster_with(course.sessions[1].booked))

    assert when(match) == (1, day(2), NINE)


def test_nobody_is_offered_a_time_outside_the_window_of_the_session():
    """The first session took place today, so the second is possible from day 7 on."""
    course = replace(course_of(1, session(1, day(20))))
    course = replace(course, sessions=(build.performed(1, AFTER_A_WEEK, day(0)), course.sessions[1]))
    roster = roster_with(course.sessions[1].booked)

    assert not found(waits(course), freed=fell_free(day(6)), roster=roster)
    assert [when(match) for match in found(waits(course), freed=fell_free(day(7)), roster=roster)] == [
        (1, day(7), NINE)
    ]


def test_nobody_is_offered_what_would_push_out_a_later_visit_of_their_course():
    """The third session has its lapse counted from the second: moved to day 1, it lapses before its visit."""
    lapsing = build.step("treatment", build.spacing(minimum="7 days", target="14 days", lapse="20 days"))
    second = replace(build.open_session(2, lapsing), id=UUID(int=501))
    third = replace(build.open_session(3, lapsing), id=UUID(int=601))
    sessions = (build.booked(second, day(5)), build.booked(third, day(22)))
    course = build.course(build.performed(1, lapsing, day(-14)), *sessions)
    roster = roster_with(*(one.booked for one in sessions))

    assert not found(waits(course), freed=fell_free(day(1)), roster=roster)
    assert [when(match) for match in found(waits(course), freed=fell_free(day(3)), roster=roster)] == [
        (1, day(3), NINE)
    ]


def test_a_closed_gate_keeps_a_session_from_being_offered_anything():
    held = session(1, day(9))
    gated = replace(held, step=replace(held.step, gates=build.gated("consent")))
    course = course_of(1, gated, consent=None)

    assert not found(waits(course), freed=fell_free(day(2)), roster=roster_with())


def test_notice_dates_and_times_offered_before_are_kept_to():
    course = course_of(1, session(1, day(9)))
    roster = roster_with(course.sessions[1].booked)
    nine = datetime(2027, 3, 3, 9, tzinfo=UTC)

    def asked(**rest: Any) -> list[Any]:
        return [when(match) for match in found(waits(course, **rest), freed=fell_free(day(2)), roster=roster)]

    assert asked(not_before=nine) == [(1, day(2), NINE)]
    assert asked(not_before=nine + timedelta(minutes=1)) == []
    assert asked(from_on=day(3)) == []
    assert asked(until_on=day(1)) == []
    assert asked(from_on=day(2), until_on=day(2)) == [(1, day(2), NINE)]
    assert asked(offered=((nine, nine + timedelta(minutes=30)),)) == []
    assert asked(offered=((nine - timedelta(minutes=30), nine),)) == [(1, day(2), NINE)]


def test_strict_wishes_and_the_patients_other_visits_are_kept_to():
    course = course_of(1, session(1, day(9)), wishes=Wishes(weekdays=frozenset({0}), strict=True))
    roster = roster_with(course.sessions[1].booked)
    elsewhere = {day(2): build.minutes(NINE, NINE + 10)}

    assert not found(waits(course), freed=fell_free(day(2)), roster=roster)  # a Wednesday
    assert found(waits(course), freed=fell_free(day(7)), roster=roster)
    assert not found(
        waits(course_of(1, session(1, day(9))), patient_busy=elsewhere), freed=fell_free(day(2)), roster=roster
    )


def test_of_a_whole_day_each_gets_the_date_that_gains_most_and_then_the_cheapest_time():
    """Anna was away for three days and is back. Ben was there all the time, and is not offered."""
    course = course_of(1, session(1, day(9)), lead=ANNA)
    everything = [Freed(ANNA, None, day(number), build.minutes(0, 1440)) for number in (1, 2, 3)]

    (match,) = found(waits(course), freed=everything, roster=roster_with(course.sessions[1].booked))

    assert (when(match), match.slot.lead) == ((1, day(1), NINE), ANNA)


def test_every_match_breaks_no_rule_and_was_impossible_before():
    """Many of them, at the same time: each by itself."""
    courses = [
        course_of(number, session(number, day(4 + number % 5), NINE + 30 * (number % 4))) for number in range(12)
    ]
    freed = [Freed(who, 0, day(3), build.minutes(NINE, NINE + 60)) for who in (BEN, ROOM)]
    roster = build.roster()

    order = found(*(waits(course) for course in courses), freed=freed, roster=roster)

    assert len(order) == 12
    by_session = {course.sessions[1].id: course for course in courses}
    for match in order:
        course = by_session[match.session]
        assert violations([match.slot], course, roster, day(0)) == []
        assert violations([match.slot], course, with_freed_taken(roster, freed), day(0)) != []


def test_a_session_is_looked_at_once_on_each_date_whatever_its_course_must_remember(monkeypatch):
    works = counted(monkeypatch)
    sessions = [build.booked(one, day(7 + 35 * at)) for at, one in enumerate(far_back().sessions)]
    course = build.course(*sessions[:3], build.open_session(3, sessions[3].step))
    waiting = replace(waits(course), session=sessions[2].id)
    everything = [
        Freed(who, 0, day(number), build.minutes(NINE, NOON)) for who in (ANNA, ROOM) for number in range(400)
    ]

    (match,) = found(waiting, freed=everything, roster=roster_with(*(one.booked for one in sessions), days=400))

    assert match.session == sessions[2].id
    assert 0 < looked(works) <= 400
