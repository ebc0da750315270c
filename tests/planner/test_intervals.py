from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduling.planner.intervals import Interval, common, united, without

START = datetime(2027, 3, 1, tzinfo=UTC)


def span(first: int, until: int) -> Interval:
    return Interval(START + timedelta(minutes=first), START + timedelta(minutes=until))


def minutes_of(spans) -> set[int]:
    return {minute for s in spans for minute in range((s.start - START).seconds // 60, (s.end - START).seconds // 60)}


SPANS = st.lists(
    st.tuples(st.integers(0, 50), st.integers(1, 20)).map(lambda pair: span(pair[0], pair[0] + pair[1])), max_size=8
)


def test_back_to_back_spans_do_not_overlap():
    assert not span(0, 10).overlaps(span(10, 20))
    assert span(0, 11).overlaps(span(10, 20))
    assert span(0, 10).shared_with(span(10, 20)) is None
    assert span(0, 30).covers(span(10, 30))
    assert span(0, 30).length == timedelta(minutes=30)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (START, START),
        (START + timedelta(hours=1), START),
        (START.replace(tzinfo=None), START + timedelta(hours=1)),
        (START.astimezone(timezone(timedelta(hours=1))), START + timedelta(hours=1)),
    ],
)
def test_a_span_that_cannot_be_is_refused(start, end):
    with pytest.raises(ValueError, match="an interval"):
        Interval(start, end)


@given(SPANS, SPANS)
def test_the_algebra_is_that_of_sets_of_minutes(spans, others):
    assert minutes_of(united(spans)) == minutes_of(spans)
    assert minutes_of(without(spans, others)) == minutes_of(spans) - minutes_of(others)
    assert minutes_of(common(spans, others)) == minutes_of(spans) & minutes_of(others)
    for result in (united(spans), without(spans, others), common(spans, others)):
        assert all(one.end < other.start for one, other in pairwise(result))
