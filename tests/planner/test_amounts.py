from __future__ import annotations

from datetime import date, timedelta
from functools import cache

import numpy as np
import pytest

from scheduling.planner.amounts import Amount

# Every day of a century and a year, and amounts as (text, years, months, days): what the tests below ask all of.
FIRST, UNTIL = date(2000, 1, 1), date(2101, 1, 1)
DAYS = [FIRST + timedelta(days=number) for number in range((UNTIL - FIRST).days)]
AMOUNTS = [
    ("0 days", 0, 0, 0),
    ("28 days", 0, 0, 28),
    ("30 days", 0, 0, 30),
    ("31 days", 0, 0, 31),
    ("12 weeks", 0, 0, 84),
    ("1 month", 0, 1, 0),
    ("1 month - 1 day", 0, 1, -1),
    ("3 months", 0, 3, 0),
    ("6 months", 0, 6, 0),
    ("6 months - 4 days", 0, 6, -4),
    ("12 months", 0, 12, 0),
    ("18 months - 4 days", 0, 18, -4),
    ("19 months + 4 weeks", 0, 19, 28),
    ("1 year", 1, 0, 0),
    ("1 year - 5 days", 1, 0, -5),
    ("1 year 1 month", 1, 1, 0),
    ("1 year 6 months + 2 weeks - 4 days", 1, 6, 10),
    ("4 years", 4, 0, 0),
    ("10 years 11 months", 10, 11, 0),
]


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


def by_the_rule(years: int, months: int, days: int) -> np.ndarray:
    """Return every one of DAYS with the amount added, by CDSi's own words, for all days at once.

    CALCDT-1, -2: change the year and the month, hold the day of the month. CALCDT-5: where that is no real date, the
    1st of the month after. CALCDT-3, -4, -6: only then weeks and days. Nothing here is the planner's.
    """
    on = np.array(DAYS, dtype="datetime64[D]")
    month_of = on.astype("datetime64[M]")
    day_of_month = on - month_of.astype("datetime64[D]")  # 0 on the 1st
    there = month_of + 12 * years + months
    first, first_of_next = there.astype("datetime64[D]"), (there + 1).astype("datetime64[D]")
    is_real = first + day_of_month < first_of_next
    return np.where(is_real, first + day_of_month, first_of_next) + days


@cache
def ours(text: str) -> np.ndarray:
    amount = Amount.parse(text)
    ordinals = np.fromiter((amount.after(on).toordinal() for on in DAYS), dtype=np.int64, count=len(DAYS))
    return np.datetime64("0001-01-01") + (ordinals - 1)


@pytest.mark.parametrize(("text", "years", "months", "days"), AMOUNTS)
def test_on_every_day_of_a_century_the_rule_stated_independently_gives_the_same_date(text, years, months, days):
    expected = by_the_rule(years, months, days)

    wrong = np.flatnonzero(ours(text) != expected)
    assert [(DAYS[at], ours(text)[at], expected[at]) for at in wrong[:5]] == []


def test_the_independent_rule_can_fail():
    """It tells rolling forward from clamping back: 31 January + 1 month is 1 March, and never 28 February."""
    at = DAYS.index(date(2001, 1, 31))

    assert by_the_rule(0, 1, 0)[at] == np.datetime64("2001-03-01")


@pytest.mark.parametrize("text", [amount[0] for amount in AMOUNTS])
def test_a_later_reference_is_never_answered_earlier(text):
    assert (np.diff(ours(text)) >= np.timedelta64(0)).all()


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


def test_what_is_always_at_most_is_so_on_each_day_and_what_is_not_has_a_day_that_shows_it():
    texts = [text for text, years, months, _ in AMOUNTS if 12 * years + months in (0, 1, 3, 12)]

    said = {(one, other): Amount.parse(one).always_at_most(Amount.parse(other)) for one in texts for other in texts}

    assert said == {(one, other): bool((ours(one) <= ours(other)).all()) for one in texts for other in texts}
