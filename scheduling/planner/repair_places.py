"""Places for the times that were chosen: visits that stay keep theirs, the others get the lowest that leave a way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from .diary import Diary, Kind
from .facts import ResourceFacts, Slot, Use

TRIES = 2000  # per date


@dataclass(frozen=True, slots=True)
class Visit:
    """A visit that is to be given places."""

    course: int
    session: UUID
    patient: UUID
    kind: Kind
    on: date
    lead: ResourceFacts
    others: tuple[ResourceFacts, ...] | None  # by role, the lead's aside; None: whoever can
    tick: int
    time: int  # its number in the networks

    def slot(self, uses: tuple[Use, ...]) -> Slot:
        return Slot(self.session, self.on, self.tick, self.kind.minutes, self.lead.id, uses)


def placed(visits: Sequence[Visit], diary: Diary) -> tuple[list[tuple[Visit, Slot]], list[list[Visit]]]:
    """Put visits into the diary, date by date; return them with their slots, and those that found no places.

    Each of those comes first in a list with the visits that it could not be beside.
    """
    by_date: dict[date, list[Visit]] = {}
    for visit in sorted(visits, key=lambda one: (one.on, one.tick, one.kind.minutes, one.course)):
        by_date.setdefault(visit.on, []).append(visit)
    found: list[tuple[Visit, Slot]] = []
    without: list[list[Visit]] = []
    for of_day in by_date.values():
        left = list(of_day)
        while left:
            tries = iter(range(TRIES))
            deepest = [0]
            slots = _all(left, 0, diary, tries, deepest)
            if slots is not None:
                found += zip(left, slots, strict=True)
                break
            without.append(_together(left.pop(deepest[0]), left))
    return found, without


def _together(visit: Visit, others: Sequence[Visit]) -> list[Visit]:
    """Return a visit with those that overlap it, or one another that does."""
    found = [visit]
    for one in found:
        until = one.tick + one.kind.minutes
        found += [
            other
            for other in others
            if other not in found and other.tick < until and one.tick < other.tick + other.kind.minutes
        ]
    return found


def _all(
    visits: Sequence[Visit], number: int, diary: Diary, tries: Iterator[int], deepest: list[int]
) -> list[Slot] | None:
    """Return slots for the visits from this one on; note how far it came."""
    if number == len(visits):
        return []
    deepest[0] = max(deepest[0], number)
    visit = visits[number]
    for uses in diary.ways(visit.kind, visit.on, visit.lead, visit.tick, visit.others):
        if next(tries, None) is None:
            return None
        slot = visit.slot(uses)
        diary.take(visit.patient, [slot])
        rest = _all(visits, number + 1, diary, tries, deepest)
        if rest is not None:
            return [slot, *rest]
        diary.free(visit.patient, [slot])
    return None
