from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduling.planner.amounts import Amount
from tests.planner.checker import added

DAYS = st.dates(date(2000, 1, 1), date(2100, 12, 31))
AMOUNTS = st.sampled_from(
    ["0 days", "7 days", "4 weeks", "1 month", "2 months", "3 months", "6 months - 4 days", "12 weeks", "1 year",
     "1 year 6 months", "19 months + 4 weeks", "28 days", "29 days", "30 days", "31 days", "1 month + 1 day"]
)  # fmt: skip


@pytest.mark.parametrize(
    ("on", "amount", "expected"),
    [
        ("2025-05-31", "6 months", "2025-12-01"),  # CDC 2013-0230
        ("2025-10-31", "6 months", "2026-05-01"),  # CDC 2013-0635
        ("2025-08-29", "6 months", "2026-03-01"),  # CDC 2013-0757
        ("2021-09-29", "5 months", "2022-03-01"),  # CDC 2023-UC-0058
        ("2025-05-15", "6 months - 4 days", "2025-11-11"),  # CDC 2013-0193: on this date in time
        ("2000-03-31", "6 months", "2000-10-01"),  # CALCDT-5's own examples
        ("2000-08-31", "6 months", "2001-03-01"),
        ("2001-01-31", "1 month", "2001-03-01"),
        ("2000-01-31", "6 months - 4 days", "2000-07-27"),  # CALCDT-6
        ("2000-01-31", "1 month - 4 days", "2000-02-26"),
        ("2024-02-29", "1 year", "2025-03-01"),
        ("2024-02-29", "1 year 1 month", "2025-03-29"),  # years and months together: rolled once
        ("2027-12-31", "2 months", "2028-03-01"),
        ("2027-11-30", "3 months", "2028-03-01"),
        ("2027-01-15", "4 weeks", "2027-02-12"),
        ("2027-01-15", "0 days", "2027-01-15"),
    ],
)
def test_amounts_roll_forward(on, amount, expected):
    assert Amount.parse(amount).after(date.fromisoformat(on)) == date.fromisoformat(expected)


def test_a_day_before_the_minimum_is_too_soon():
    """CDC 2013-0192 and -0193: 15 May 2025 + 6 months - 4 days is in time, - 5 days is not."""
    earliest = Amount.parse("6 months - 4 days").after(date(2025, 5, 15))

    assert Amount.parse("6 months - 5 days").after(date(2025, 5, 15)) == earliest - timedelta(days=1)


@pytest.mark.parametrize(
    "text", ["6 months - 4 days", "4 weeks", "1 month", "7 days", "1 year 6 months", "19 months + 4 weeks"]
)
def test_an_amount_reads_as_it_was_written(text):
    assert str(Amount.parse(text)) == text


def test_spelling_is_tidied():
    assert str(Amount.parse(" 6  Months -4 DAYS ")) == "6 months -4 days"


def test_equal_lengths_are_equal_however_written():
    assert Amount.parse("4 weeks") == Amount.parse("28 days")
    assert Amount.parse("1 year 6 months") == Amount.parse("18 months")
    assert Amount.parse("4 weeks") != Amount.parse("1 month")


@pytest.mark.parametrize(
    "text",
    ["", " ", "soon", "4", "4weeks", "weeks 4", "4 fortnights", "1.5 months", "-4 days", "- 4 days", "+ 4 days",
     "1 month,", "1 day 1 month", "1 month 2 months", "1 month - 40 days", "1 year - 1 month", "4 weeks -", "5 weekss",
     "1 month\n- x", "1201 months", "40000 days", "\u0663 days"],
)  # fmt: skip
def test_nonsense_is_refused_with_the_text_and_the_forms(text):
    with pytest.raises(ValueError, match="not an amount of time") as refusal:
        Amount.parse(text)

    assert repr(text) in str(refusal.value)
    assert "6 months - 4 days" in str(refusal.value)


def test_the_calendar_ends():
    with pytest.raises(OverflowError):
        Amount.parse("1 year").after(date(9999, 6, 1))


@given(DAYS, AMOUNTS)
def test_arithmetic_agrees_with_the_rule_stated_independently(on, text):
    assert Amount.parse(text).after(on) == added(on, Amount.parse(text))


@given(DAYS, DAYS, AMOUNTS)
def test_a_later_reference_is_never_answered_earlier(one, other, text):
    amount = Amount.parse(text)
    first, second = sorted((one, other))

    assert amount.after(first) <= amount.after(second)


@pytest.mark.parametrize(
    ("shorter", "longer", "expected"),
    [
        ("4 weeks", "1 month", True),
        ("29 days", "1 month", False),  # after 1 February
        ("31 days", "1 month", False),
        ("1 month", "31 days", True),
        ("1 month", "30 days", False),
        ("7 days", "4 weeks", True),
        ("1 month", "12 weeks", True),
        ("3 months", "12 weeks", False),
        ("6 months - 4 days", "6 months", True),
        ("6 months", "6 months - 4 days", False),
        ("1 year", "12 months", True),
        ("365 days", "1 year", True),
        ("366 days", "1 year", False),
    ],
)
def test_order_holds_for_every_reference_date(shorter, longer, expected):
    assert Amount.parse(shorter).always_at_most(Amount.parse(longer)) is expected


@given(AMOUNTS, AMOUNTS, DAYS)
def test_what_is_always_at_most_is_so_on_each_day(one, other, on):
    one, other = Amount.parse(one), Amount.parse(other)
    if one.always_at_most(other):
        assert one.after(on) <= other.after(on)


@pytest.mark.parametrize(("one", "other"), [("29 days", "1 month"), ("1 month", "30 days"), ("3 months", "12 weeks")])
def test_what_is_not_always_at_most_has_a_day_that_shows_it(one, other):
    one, other = Amount.parse(one), Amount.parse(other)

    assert any(one.after(day) > other.after(day) for day in (date(2000, 1, 1) + timedelta(n) for n in range(1500)))
