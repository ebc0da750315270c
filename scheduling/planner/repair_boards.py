"""What the best start of a date costs with each lead, while courses take their places one after the other."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date
from typing import Any
from uuid import UUID

from . import cost, ticks
from .chains import Chain
from .diary import Diary, Kind
from .facts import SessionFacts, Slot
from .repair_alike import REFUSED, Alike, Classes
from .starts import Starts

Best = tuple[int, int, int]  # a price, the first start that has it, the lead's number


class Board:
    """What the cheapest start of each lead costs on each date, and the first that costs so little, as the diary stands.

    It is of one kind of visit, for courses with the same wishes for the time of day (strictly: for the date too). What
    the lead, the date or a move costs is not in it, nor is a patient's own time. The row of a date is written when it
    is asked for, and again where the diary has changed.
    """

    def __init__(self, kind: Kind, chain: Chain, diary: Diary, alike: Alike) -> None:
        self.kind = kind
        self._chain, self._diary, self._alike = chain, diary, alike
        self._starts = Starts(replace(diary.roster, patient_busy={}), chain.course.wishes, chain.weights)
        self._rows: dict[date, list[Best]] = {}
        self._by_lead: dict[date, dict[int, Best]] = {}  # the same, for who has a start
        self._open: dict[date, int] = {}  # of each row: the starts that the site leaves
        self._common: dict[date, int] = {}  # of each row: those that all but the lead leave
        self._changed: dict[date, set[int]] = {}  # of each row: who has other minutes since it was written
        self._seen = len(diary.changes)

    def row(self, on: date) -> Sequence[Best]:
        """Return the best of each lead who has a start on a date."""
        if self._seen < len(self._diary.changes):
            for changed_on, number in self._diary.changes[self._seen :]:
                self._changed.setdefault(changed_on, set()).add(number)
            self._seen = len(self._diary.changes)
        changed = self._changed.pop(on, None)
        if changed is not None or on not in self._rows:
            self._write(on, changed or ())
        return self._rows[on]

    def _write(self, on: date, changed: Collection[int]) -> None:
        """Write a row, or what is other in it since these have other minutes."""
        if on not in self._rows:
            self._open[on] = self._starts.open_starts(self.kind.step, on)
            self._common[on], self._by_lead[on] = 0, {}
        known, before = self._by_lead[on], self._common[on]
        by_lead, common = self._diary.by_lead(self.kind, on)
        common &= self._open[on]
        self._common[on], gone, come = common, before & ~common, common & ~before
        again = [number for number in changed if number in by_lead]
        if come:
            again += [number for number, free in by_lead.items() if free & come]
        if gone:
            again += [number for _, tick, number in self._rows.get(on, ()) if gone >> tick & 1]
        for number in again:
            best = _first_of(by_lead[number] & common, self._alike.classes(self._chain, self.kind, on, number))
            if best is not None:
                known[number] = (*best, number)
            else:
                known.pop(number, None)
        self._rows[on] = list(known.values())

    def has_time(self, booked: Slot) -> bool:
        """Whether the lead of a booked visit has any start on its date."""
        home = self._diary.number_of(booked.lead)
        return any(number == home for *_, number in self.row(booked.on))

    def row_of(self, on: date, chain: Chain, patient: UUID, booked: Slot | None) -> Sequence[Best]:
        """Return the row of a date for one course: its patient is in one place at a time, and leaves a booked visit.

        There every start but its own is a move; as any start of the date will be charged with it, its own has it back.
        """
        kind, alike = self.kind, self._alike
        by_lead, common = self._diary.by_lead(kind, on)
        common &= self._starts.open_starts(kind.step, on)
        common = self._diary.without_patient(common, patient, on, kind.minutes, chain.roster.patient_busy.get(on, 0))
        home = -1 if booked is None or booked.on != on else self._diary.number_of(booked.lead)
        found: list[Best] = []
        for number, free in by_lead.items():
            price_back, classes = 0, alike.classes(chain, kind, on, number)
            if booked is not None and number == home:
                classes = alike.classes_at_home(chain, kind, number, booked)
                price_back = cost.moving_to(booked, on, chain.today, chain.weights)
                if chain.starts.is_refused(kind.step, lead := self._diary.roster.resources[number]):
                    # As a wish it counts; strictly it is for times that are not booked: only its own is left.
                    classes = [(price, own) for price, those in classes if (own := those & 1 << booked.tick)]
                    price_back += REFUSED - chain.starts.lead_missed(kind.step, lead)
            best = _first_of(free & common, classes)
            if best is not None:
                found.append((best[0] - price_back, best[1], number))
        return found


def _first_of(starts: int, classes: Classes) -> tuple[int, int] | None:
    """Return the least price of these starts, and the first of them that has it; None if there is no start."""
    if starts:
        for price, those in classes:
            if found := starts & those:
                return price, ticks.lowest(found)
    return None


class Boards:
    """The boards that the courses of a repair share."""

    def __init__(self, diary: Diary, alike: Alike) -> None:
        self.diary, self.alike = diary, alike
        self._boards: dict[Any, Board] = {}

    def of(self, chain: Chain, session: SessionFacts) -> Board:
        kind, wishes = self.diary.kind_of(session.step), chain.course.wishes
        strict = (wishes.weekdays, wishes.avoid_dates) if wishes.strict else None
        key = (kind.number, wishes.from_minute, wishes.until_minute, strict)
        found = self._boards.get(key)
        if found is None:
            found = self._boards[key] = Board(kind, chain, self.diary, self.alike)
        return found
