"""Half-open UTC spans and their algebra."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True, order=True, slots=True)
class Interval:
    """The half-open span [start, end) in UTC, so back-to-back spans do not overlap."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo != UTC or self.end.tzinfo != UTC:
            raise ValueError("an interval is measured in UTC")
        if self.start >= self.end:
            raise ValueError("an interval must end after it starts")

    @property
    def length(self) -> timedelta:
        return self.end - self.start

    def overlaps(self, other: Interval) -> bool:
        return self.start < other.end and other.start < self.end

    def covers(self, other: Interval) -> bool:
        return self.start <= other.start and other.end <= self.end

    def shared_with(self, other: Interval) -> Interval | None:
        """Return the part both have, or None."""
        start, end = max(self.start, other.start), min(self.end, other.end)
        return Interval(start, end) if start < end else None


def united(spans: Iterable[Interval]) -> tuple[Interval, ...]:
    """Return the same time as the fewest spans, in order; spans that touch become one."""
    result: list[Interval] = []
    for span in sorted(spans):
        if result and span.start <= result[-1].end:
            result[-1] = Interval(result[-1].start, max(result[-1].end, span.end))
        else:
            result.append(span)
    return tuple(result)


def without(spans: Iterable[Interval], taken: Iterable[Interval]) -> tuple[Interval, ...]:
    """Return the time of `spans` that is not in `taken`, as the fewest spans, in order."""
    left = united(spans)
    for hole in united(taken):
        pieces: list[Interval] = []
        for span in left:
            if not span.overlaps(hole):
                pieces.append(span)
                continue
            if span.start < hole.start:
                pieces.append(Interval(span.start, hole.start))
            if hole.end < span.end:
                pieces.append(Interval(hole.end, span.end))
        left = tuple(pieces)
    return left


def common(spans: Iterable[Interval], others: Iterable[Interval]) -> tuple[Interval, ...]:
    """Return the time that both have, as the fewest spans, in order."""
    others = united(others)
    return tuple(both for span in united(spans) for other in others if (both := span.shared_with(other)))
