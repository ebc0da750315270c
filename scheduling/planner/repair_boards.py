"""What the best start of a date costs with each lead, while courses take their places one after the other."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import date
from typing import Any
from uuid import UUID

import numpy as np

from . import cost, ticks
from .chains import Chain
from .diary import Diary, Kind
from .facts import SessionFacts, Slot
from .repair_alike import REFUSED, Alike, Classes
from .repair_rows import Ints
from .starts import Starts


class Board:
    """What the cheapest start of each lead costs on each date, and the first that costs so little, as the diary stands.

    It is of one kind of visit, for courses with the same wishes for the time of day (strictly: for the date too). What
    the lead, the date or a move costs is not in it, nor is a patient's own time. Rows are written when they are asked
    for, and again where the diary has changed.
    """

    def __init__(self, kind: Kind, chain: Chain, diary: Diary, alike: Alike) -> None:
        self.kind, self.leads = kind, kind.members[kind.lead_role]
        self.column_of = {number: column for column, number in enumerate(self.leads)}
        self._chain, self._diary, self._alike = chain, diary, alike
        self._starts = Starts(replace(diary.roster, patient_busy={}), chain.course.wishes, chain.weights)
        size = (chain.last_day + 1 - chain.first_day, len(self.leads))
        self._prices, self._ticks = np.empty(size, np.int64), np.empty(size, np.int64)
        self._open: dict[int, int] = {}  # of each row: the starts that the site leaves
        self._common: dict[int, int] = {}  # of each row that is written: those that all but the lead leave
        self._first: dict[int, list[int]] = {}  # as in ticks; -1: there is no start
        self._changed: dict[int, set[int]] = {}  # of each row: who has other minutes since it was written
        self._seen = len(diary.changes)

    def rows(self, dates: Ints) -> tuple[Ints, Ints]:
        """Return the rows of these dates, to keep: prices (REFUSED where there is no start) and starts."""
        first = self._chain.first_day
        for on, number in self._diary.changes[self._seen :]:
            self._changed.setdefault(on.toordinal() - first, set()).add(number)
        self._seen = len(self._diary.changes)
        wanted = dates - first
        for row in wanted.tolist():
            changed = self._changed.pop(row, None)
            if changed is not None or row not in self._first:
                self._write(row, changed or ())
        return self._prices[wanted], self._ticks[wanted]

    def _write(self, row: int, changed: Collection[int] = ()) -> None:
        """Write a row, or what is other in it since these have other minutes."""
        on, chain = date.fromordinal(self._chain.first_day + row), self._chain
        if row not in self._first:
            self._open[row] = self._starts.open_starts(self.kind.step, on)
            self._first[row], self._prices[row] = [-1] * len(self.leads), REFUSED
        by_lead, common = self._diary.by_lead(self.kind, on)
        common &= self._open[row]
        before = self._common.get(row, 0)
        self._common[row], gone, come = common, before & ~common, common & ~before
        first, prices, starts = self._first[row], self._prices[row], self._ticks[row]
        if come:
            again = [number for number, free in by_lead.items() if free & come or number in changed]
        else:
            again = [number for number in changed if number in by_lead]
        if gone:
            gone_at = {at for at in set(first) if at >= 0 and gone >> at & 1}
            again += [number for number in by_lead if first[self.column_of[number]] in gone_at]
        for number in again:
            column = self.column_of[number]
            price, at = _first_of(by_lead[number] & common, self._alike.classes(chain, self.kind, on, number))
            first[column] = starts[column] = at
            prices[column] = price

    def has_time(self, booked: Slot) -> bool:
        """Whether the lead of a booked visit has any start on its date, of the rows that were asked for last."""
        column = self.column_of.get(self._diary.number_of(booked.lead))
        first = self._first.get(booked.on.toordinal() - self._chain.first_day)
        return column is not None and first is not None and first[column] >= 0

    def row_of(self, on: date, chain: Chain, patient: UUID, booked: Slot | None) -> tuple[list[int], list[int]]:
        """Return the row of a date for one course: its patient is in one place at a time, and leaves a booked visit.

        There every start but its own is a move; as any start of the date will be charged with it, its own has it back.
        """
        kind, alike = self.kind, self._alike
        by_lead, common = self._diary.by_lead(kind, on)
        common &= self._starts.open_starts(kind.step, on)
        common = self._diary.without_patient(common, patient, on, kind.minutes, chain.roster.patient_busy.get(on, 0))
        prices, starts = [REFUSED] * len(self.leads), [-1] * len(self.leads)
        home = -1 if booked is None or booked.on != on else self._diary.number_of(booked.lead)
        for number, free in by_lead.items():
            column, price_back = self.column_of[number], 0
            classes = alike.classes(chain, kind, on, number)
            if booked is not None and number == home:
                classes = alike.classes_at_home(chain, kind, number, booked)
                price_back = cost.moving_to(booked, on, chain.today, chain.weights)
            price, starts[column] = _first_of(free & common, classes)
            prices[column] = price - price_back
        return prices, starts


def _first_of(starts: int, classes: Classes) -> tuple[int, int]:
    """Return the least price of these starts, and the first of them that has it; (REFUSED, -1) if there is none."""
    if starts:
        for price, those in classes:
            if found := starts & those:
                return price, ticks.lowest(found)
    return REFUSED, -1


class Boards:
    """The boards that the courses of a repair share, and what each course's wishes say to the leads of one."""

    def __init__(self, diary: Diary, alike: Alike) -> None:
        self.diary, self.alike = diary, alike
        self._boards: dict[Any, Board] = {}
        self._missed: dict[tuple[int, int], Ints] = {}

    def of(self, chain: Chain, session: SessionFacts) -> Board:
        kind, wishes = self.diary.kind_of(session.step), chain.course.wishes
        strict = (wishes.weekdays, wishes.avoid_dates) if wishes.strict else None
        key = (kind.number, wishes.from_minute, wishes.until_minute, strict)
        found = self._boards.get(key)
        if found is None:
            found = self._boards[key] = Board(kind, chain, self.diary, self.alike)
        return found

    def missed(self, chain: Chain, board: Board) -> Ints:
        """Return what a course's wishes say to each lead of a board; REFUSED where they refuse it."""
        of_all = self.alike.leads_missed(chain)
        key = (id(of_all), board.kind.number)
        if key not in self._missed:
            self._missed[key] = np.array([of_all[number] for number in board.leads], np.int64)
        return self._missed[key]
