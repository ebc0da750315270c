"""Calendar amounts: CDSi date arithmetic ("6 months - 4 days"), the only place that adds months to a date.

Also days of the year, such as the first of May, and ages in whole years.
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from typing import Self

MONTHS_AT_MOST = 1200
DAYS_AT_MOST = 36_600
FORMS = '"7 days", "4 weeks", "1 month", "1 year 6 months", "6 months - 4 days", "19 months + 4 weeks"'

DAYS_OF_YEAR = '"05-01" (1 May), "09-30" (30 September)'

_TERM = re.compile(r"([+-]?) ?(\d{1,6}) (year|month|week|day)s?", re.ASCII)
_ORDER = ("year", "month", "week", "day")


@dataclass(frozen=True, slots=True)
class Amount:
    """A length of time on the calendar. Equal when it always means the same; `text` keeps the units as written."""

    months: int
    days: int
    text: str = field(compare=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an amount; units stand once each, largest first, and only weeks and days may be taken off.

        Refuse anything else, and an amount that could end before its reference, with a ValueError that names the text
        and the accepted forms.
        """
        plain = " ".join(text.lower().split())
        sums = dict.fromkeys(_ORDER, 0)
        place, last = 0, -1
        while place < len(plain):
            term = _TERM.match(plain, place)
            if term is None or (place == 0 and term[1]):
                raise _nonsense(text)
            sign, number, unit = term.groups()
            if _ORDER.index(unit) <= last or (sign == "-" and unit in ("year", "month")):
                raise _nonsense(text)
            last = _ORDER.index(unit)
            sums[unit] = -int(number) if sign == "-" else int(number)
            place = term.end() + 1
            if term.end() < len(plain) and plain[term.end()] != " ":
                raise _nonsense(text)
        months, days = 12 * sums["year"] + sums["month"], 7 * sums["week"] + sums["day"]
        if last < 0 or months > MONTHS_AT_MOST or abs(days) > DAYS_AT_MOST or _widest(0, months) > days:
            raise _nonsense(text)
        return cls(months, days, plain)

    def __str__(self) -> str:
        return self.text

    def after(self, reference: date) -> date:
        """Return the date this long after the reference.

        CDSi CALCDT-1 to -6: years and months together; a day that does not exist rolls forward, once, to the 1st of
        the next month; then weeks and days. Raise OverflowError beyond the year 9999.
        """
        return _months_after(reference, self.months) + timedelta(days=self.days)

    def always_at_most(self, other: Amount) -> bool:
        """Whether `self.after(d) <= other.after(d)` for every reference date d.

        Exact: see `_widest`. "4 weeks" is at most "1 month"; "30 days" is not ("1 month" after 31 January is 29 days).
        """
        return _widest(self.months, other.months) <= other.days - self.days


@dataclass(frozen=True, order=True, slots=True)
class DayOfYear:
    """A day that comes every year, 29 February included; days are compared within a year."""

    month: int
    day: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read month and day, as in "05-01". Refuse anything else with a ValueError."""
        found = re.fullmatch(r"(\d\d)-(\d\d)", text, re.ASCII)
        month, day = (int(found[1]), int(found[2])) if found else (0, 0)
        if not 1 <= month <= 12 or not 1 <= day <= monthrange(2000, month)[1]:
            raise ValueError(f"not a day of the year: {text!r}; write for example {DAYS_OF_YEAR}")
        return cls(month, day)

    @classmethod
    def of(cls, on: date) -> Self:
        return cls(on.month, on.day)

    def __str__(self) -> str:
        return f"{self.month:02}-{self.day:02}"

    def first_on_or_after(self, on: date) -> date:
        """Return the first date from this one on that is the day; 1 March where there is no 29 February."""
        year = on.year + (DayOfYear.of(on) > self)
        return date(year, self.month, 1) + timedelta(days=self.day - 1)


def birthday(born_on: date, age: int) -> date:
    """Return the day on which somebody reaches an age; who is born on 29 February does so on 1 March."""
    return _months_after(born_on, 12 * age)


def after(amount: Amount | None, reference: date) -> date | None:
    """Return the date this long after the reference; blank stays blank."""
    return None if amount is None else amount.after(reference)


def _nonsense(text: str) -> ValueError:
    return ValueError(f"not an amount of time: {text!r}; write for example {FORMS}")


@lru_cache(maxsize=65_536)
def _months_after(reference: date, months: int) -> date:
    """Add whole months, rolling a day that does not exist forward to the 1st of the next month (CALCDT-5)."""
    if not months:
        return reference
    year, month = divmod(reference.year * 12 + reference.month - 1 + months, 12)
    if year > 9999:
        raise OverflowError("the calendar ends with the year 9999")
    missing = reference.day > monthrange(year, month + 1)[1]
    return date(year + (month == 11), (month + 1) % 12 + 1, 1) if missing else date(year, month + 1, reference.day)


@lru_cache(maxsize=1024)
def _widest(months: int, other: int) -> int:
    """Return the greatest number of days from `d + other months` to `d + months` over every date d.

    With F(m) the first day of month m and n its length, d + months = F + min(day - 1, n): the two ends differ by
    F(m) - F(o) + min(day - 1, n(m)) - min(day - 1, n(o)). Lengths are 28 to 31, so days 1 to 29 all give F(m) - F(o),
    and only days 30 and 31 differ. The calendar repeats after 400 years = 4800 months, which are all looked at.
    """
    if months == other:
        return 0
    return max(
        (_months_after(start, months) - _months_after(start, other)).days
        for index in range(4800)
        for day in (1, 30, 31)
        if day <= monthrange(2000 + index // 12, index % 12 + 1)[1]
        for start in (date(2000 + index // 12, index % 12 + 1, day),)
    )
