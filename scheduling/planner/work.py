"""How much searches look at: counted and not timed, so that what is broken off is the same on every machine."""

from __future__ import annotations

from dataclasses import dataclass

MOST_DATES = 6_000_000  # that one search looks at, ten or twenty seconds; all that a protocol may ask for a year ahead
MOST_TRIED = 300_000  # that further searches for the course look at together, a second or two


@dataclass(slots=True)
class Work:
    """What the searches for one course have cost."""

    dates: int = 0  # looked at one by one, after one state or another
    until: int = MOST_DATES

    def allow(self, dates: int) -> None:
        """Let the searches from here on look at so many dates in all; the one that needs more is broken off."""
        self.until = self.dates + dates

    @property
    def is_over(self) -> bool:
        return self.dates >= self.until


class TooMuchWork(Exception):
    """The search is broken off: nothing is proven."""
