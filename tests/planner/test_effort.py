"""How much must be remembered to plan a protocol: told from its spacings, and never less than the search does."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings

from scheduling.planner.chains import Chain
from scheduling.planner.cost import Weights
from scheduling.planner.effort import DAYS, MOST_STATES, Effort, effort
from scheduling.planner.facts import Reference, StepKind
from tests.planner.build import course, day, open_session, roster, spacing, step
from tests.planner.instances import SMALL_DAYS, instances


def previous(**amounts):
    return spacing(**({"minimum": "4 weeks", "target": "5 weeks"} | amounts))


def since(key, **amounts):
    return spacing(Reference.STEP, key, **({"minimum": "8 weeks"} | amounts))


def test_the_last_date_alone_is_remembered_where_each_session_counts_from_the_one_before():
    steps = [step("first"), *[step("next", previous())] * 5]

    assert effort(steps) == Effort(DAYS, 1, "", 0)


def test_a_date_that_a_later_spacing_counts_from_is_remembered_until_then():
    steps = [step("first"), step("second", previous()), step("third", previous(), since("first"))]

    # The second is 28 days after the first at the soonest, so there are so many dates less for it.
    assert effort(steps) == Effort(DAYS * (DAYS - 28), 2, "third", 1)


def test_a_lapse_keeps_dates_near_each_other():
    near = previous(lapse="6 weeks")
    steps = [step("first"), step("second", near), step("third", near, since("first"))]

    assert effort(steps) == Effort(DAYS * 14, 2, "third", 1)


def test_two_dates_besides_the_last_are_too_many_unless_they_are_near():
    def four(between):
        return effort(
            [
                step("first"),
                step("second", between),
                step("third", between),
                step("last", between, since("first"), since("second")),
            ]
        )

    assert four(previous()) == Effort(DAYS * (DAYS - 28) * (DAYS - 56), 3, "last", 1)
    assert not four(previous()).is_bounded
    assert four(previous(lapse="6 weeks")) == Effort(DAYS * 14 * 14, 3, "last", 1)
    assert four(previous(lapse="6 weeks")).is_bounded
    assert MOST_STATES == 500_000


def test_sessions_that_are_not_planned_with_the_course_have_their_dates():
    talk = step("talk", kind=StepKind.ASSESSMENT, planned_with_course=False)
    steps = [talk, step("first", since("talk")), step("second", previous(), since("talk"))]

    assert effort(steps) == Effort(DAYS, 1, "", 0)


def test_what_is_counted_from_a_session_that_a_person_books_is_counted_from_those_before_it():
    """Until each review is booked its date is projected, from the treatment before it."""
    review = [step(key, since(of), planned_with_course=False) for key, of in (("look", "first"), ("check", "second"))]
    last = step("last", previous(), since("look"), since("check"))
    steps = [step("first"), review[0], step("second", previous()), review[1], last, last]
    sessions = [open_session(number, one) for number, one in enumerate(steps)]
    chain = Chain(course(*sessions), roster(), Weights(), today=day(0))

    assert max(len(layer.kept) for layer in chain.layers) == 3
    assert effort(steps) == Effort(DAYS**3, 3, "last", 1)


@pytest.mark.parametrize("number", [0, 1])
def test_a_course_of_no_or_one_session_remembers_next_to_nothing(number):
    assert effort([step("only")] * number).states == DAYS * number


def test_hundreds_of_sessions_are_judged_at_once():
    steps = [step("first"), *[step("next", previous())] * 499]

    assert effort(steps).states == DAYS


@settings(max_examples=60, deadline=None)
@given(instances())
def test_the_search_never_remembers_more_than_was_said(instance):
    c, r, weights = instance
    chain = Chain(c, r, weights, today=day(0))
    said = effort([session.step for session in c.sessions], SMALL_DAYS)

    chain.outcome()

    assert max(Counter(number for number, _ in chain._rest).values(), default=0) <= said.states


def test_the_search_remembers_exactly_what_was_said():
    steps = [step("a"), step("b", previous()), step("c", previous(), since("a")), step("d", previous(), since("b"))]
    sessions = [open_session(number, one) for number, one in enumerate(steps)]
    chain = Chain(course(*sessions), roster(), Weights(), today=day(0))

    assert [len(layer.kept) for layer in chain.layers] == [1, 2, 2, 1]
    assert effort(steps).dates == 2
    assert effort([replace(one, planned_with_course=False) for one in steps]).dates == 0
