"""What a plan costs, part by part; the search and the pages that show a plan both ask these functions.

The cost of a plan is the sum over its sessions of

* spacing: days before or after the window's target, beyond its tolerance;
* lateness: for a session without a target (as a rule the first one), days after the first date on which it could
  lawfully happen: the window's earliest, or today; and `elapsed_per_day` for each day since the session before it;
* continuity: another lead than in the session before it (the course's own lead before the first one), when both steps
  are led in the same role;
* wishes: weekday, time of day, date to avoid, practitioner (see `steps_of_others`), language;
* holes: stretches of free time shorter than the roster's useful minimum left just before or after the lead's time; for
  leads that can be in one place only;
* moves (of a repair): a booked visit put to another time or lead, dearer at short notice, and when the patient has
  confirmed it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from . import ticks
from .facts import CostParts, CourseFacts, Day, ResourceFacts, Roster, SessionFacts, Slot, Window, Wishes
from .shapes import could_lead, free_of
from .timetable import Words, as_int, as_words, shifted, starts, unit_of
from .windows import window_of

MOST = 10**12  # of a weight: what a hundred sessions over ten years cost is still counted exactly in 64 bits


@dataclass(frozen=True, slots=True)
class Weights:
    """What each thing costs; whole numbers from 0 to MOST. The unit is nothing but the ratio between them."""

    spacing_early_per_day: int = 4
    spacing_late_per_day: int = 4
    lateness_per_day: int = 2
    elapsed_per_day: int = 0  # per day from today to the last session: greater to finish sooner
    change: int = 15
    weekday: int = 6
    time_of_day: int = 6
    avoided_date: int = 12
    practitioner: int = 10
    language: int = 5
    hole: int = 3
    move: int = 30
    short_notice_per_day: int = 5  # for each day by which the old or the new visit is nearer than notice_days
    notice_days: int = 7
    confirmed: int = 10  # besides, for a visit that its patient has confirmed: as two days of short notice
    unplaced: int = 2000  # of a repair of many courses: for each session of a course that finds no time

    def __post_init__(self) -> None:
        for weight in fields(self):
            if getattr(self, weight.name) < 0:
                raise ValueError(f"a weight is not negative: {weight.name}")
            if getattr(self, weight.name) > MOST:
                raise ValueError(f"a weight is {MOST} at most: {weight.name}")


@dataclass(frozen=True, slots=True)
class Slope:
    """Cost by date: nothing at the anchor and `tolerance` days around it, then so much per day on either side."""

    anchor: int  # ordinal
    tolerance: int
    early: int
    late: int

    def at(self, ordinal: int) -> int:
        away = ordinal - self.anchor
        if away < 0:
            return self.early * max(0, -away - self.tolerance)
        return self.late * max(0, away - self.tolerance)


def timing(window: Window, today: date, weights: Weights) -> Slope:
    """Return what the date of a session costs: spacing when the window has a target, lateness when it has none."""
    if window.target_on is None:
        return Slope(max(window.earliest_on or today, today).toordinal(), 0, 0, weights.lateness_per_day)
    early, late = weights.spacing_early_per_day, weights.spacing_late_per_day
    return Slope(window.target_on.toordinal(), window.tolerance_days, early, late)


def timed(
    anchor: NDArray[np.int64],
    tolerance: NDArray[np.int64],
    early: NDArray[np.int64],
    late: NDArray[np.int64],
    on: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return `Slope.at` of many slopes (down) for many dates (across)."""
    away = on - anchor[:, None]
    beyond = np.maximum(np.abs(away) - tolerance[:, None], 0)
    prices: NDArray[np.int64] = beyond * np.where(away < 0, early[:, None], late[:, None])
    return prices


def counts_change(before: SessionFacts | None, session: SessionFacts) -> bool:
    """Whether another lead than before would be a change: when both sessions are led in the same role."""
    return before is None or before.step.lead_role == session.step.lead_role


def date_wishes_missed(on: date, wishes: Wishes, weights: Weights) -> int:
    missed = weights.weekday if wishes.weekdays and on.weekday() not in wishes.weekdays else 0
    return missed + (weights.avoided_date if on in wishes.avoid_dates else 0)


def dates_missed(first: int, last: int, wishes: Wishes, weights: Weights) -> NDArray[np.int64]:
    """Return `date_wishes_missed` of each date from one ordinal to another, both inclusive."""
    weekdays = [weights.weekday if wishes.weekdays and n not in wishes.weekdays else 0 for n in range(7)]
    missed = np.array(weekdays, np.int64)[(np.arange(first, last + 1) - 1) % 7]
    for on in wishes.avoid_dates:
        if first <= on.toordinal() <= last:
            missed[on.toordinal() - first] += weights.avoided_date
    return missed


def steps_of_others(course: CourseFacts, resources: Mapping[UUID, ResourceFacts]) -> frozenset[str]:
    """Return the steps (keys) of which the wish for a practitioner says nothing: those that this one cannot lead.

    As long as they can lead a step that is planned with the course: else the wish is about every step, and is missed.
    """
    wished = None if course.wishes.practitioner is None else resources.get(course.wishes.practitioner)
    if wished is None or not any(could_lead(s, wished) for s in course.protocol.steps if s.planned_with_course):
        return frozenset()
    steps = (*course.protocol.steps, *(session.step for session in course.sessions))
    return frozenset(step.key for step in steps if not could_lead(step, wished))


def lead_wishes_missed(lead: ResourceFacts, wishes: Wishes, weights: Weights, *, is_of_others: bool = False) -> int:
    """Return what the wishes say to the lead of a step; `is_of_others` says that it is one of `steps_of_others`."""
    is_missed = wishes.practitioner not in (None, lead.id) and not is_of_others
    missed = weights.practitioner if is_missed else 0
    return missed + (weights.language if wishes.language and wishes.language not in lead.languages else 0)


def wished_starts(day: Day, minutes: int, wishes: Wishes) -> int:
    """Return the ticks at which a visit would lie inside the wished time of day."""
    return ticks.within_wall_hours(day, minutes, wishes.from_minute, wishes.until_minute)


def awkward(free: int, shortest: int) -> tuple[int, int]:
    """Return where a booking must not begin, and where it must not end, to leave no hole shorter than `shortest`.

    Both are sets of ticks: a booking that begins at (ends at) one of them leaves a short hole before (after) it.
    """
    begins, ends = awkward_words(as_words(free), shortest)
    return as_int(begins), as_int(ends)


def awkward_words(free: Words, shortest: int) -> tuple[Words, Words]:
    """Return `awkward` of many days at once; `shortest` is a multiple of the minutes that a bit is."""
    shortest = max(shortest // unit_of(free), 1)
    useful = starts(free, shortest)
    return shifted(free, 1) & ~shifted(useful, shortest), free & ~useful


def moving(booked: Slot | None, slot: Slot, today: date, weights: Weights) -> int:
    """Return what it costs to put a booked visit there; nothing when time and lead stay (another room is no move)."""
    if booked is None or (booked.on, booked.tick, booked.lead) == (slot.on, slot.tick, slot.lead):
        return 0
    return moving_to(booked, slot.on, today, weights)


def moving_to_dates(booked: Slot, dates: NDArray[np.int64], today: date, weights: Weights) -> NDArray[np.int64]:
    """Return `moving_to` of each of these dates (ordinals)."""
    confirmed = weights.confirmed if booked.is_confirmed else 0
    if not weights.short_notice_per_day:
        return np.full(len(dates), weights.move + confirmed)
    notice = np.minimum(dates, booked.on.toordinal()) - today.toordinal()
    short = weights.short_notice_per_day * np.maximum(weights.notice_days - notice, 0)
    return np.asarray(short + (weights.move + confirmed))


def moving_to(booked: Slot, on: date, today: date, weights: Weights) -> int:
    """Return what it costs to move a booked visit to another time on that date."""
    notice = (min(booked.on, on) - today).days
    confirmed = weights.confirmed if booked.is_confirmed else 0
    return weights.move + confirmed + weights.short_notice_per_day * max(0, weights.notice_days - notice)


def price(
    slots: Sequence[Slot],
    course: CourseFacts,
    roster: Roster,
    weights: Weights,
    *,
    today: date,
    moves: bool = False,
    resources: Mapping[UUID, ResourceFacts] | None = None,
    windows: Sequence[Window] | None = None,
) -> list[CostParts]:
    """Return what each slot of a plan costs; the slots are one for each session left, by position.

    `roster` is without the course's own appointments, as always. With `moves`, leaving a booked time costs.
    `resources` are the roster's, by id, and `windows` those of the slots, for who has them at hand.
    """
    dates = {slot.session: slot.on for slot in slots}
    sessions = {session.id: session for session in course.sessions}
    if resources is None:
        resources = {resource.id: resource for resource in roster.resources}
    of_others = steps_of_others(course, resources)
    priced = []
    before: SessionFacts | None = None
    lead, last_on = course.lead, today
    for number, slot in enumerate(slots):
        session = sessions[slot.session]
        window = window_of(session, course, dates) if windows is None else windows[number]
        timed = timing(window, today, weights).at(slot.on.toordinal())
        elapsed = weights.elapsed_per_day * (slot.on - last_on).days
        changed = lead is not None and slot.lead != lead and counts_change(before, session)
        resource = resources.get(slot.lead)
        priced.append(
            CostParts(
                spacing=timed if window.target_on is not None else 0,
                lateness=elapsed + (timed if window.target_on is None else 0),
                continuity=weights.change if changed else 0,
                wishes=_wishes(slot, resource, course.wishes, roster, weights, session.step.key in of_others),
                holes=_holes(slot, session, resource, roster, weights),
                moves=moving(session.booked, slot, today, weights) if moves else 0,
            )
        )
        before, lead, last_on = session, slot.lead, slot.on
    return priced


def total(parts: Sequence[CostParts]) -> CostParts:
    """Add costs up, part by part."""
    return CostParts(*(sum(getattr(one, name) for one in parts) for name in _PARTS))


_PARTS = [part.name for part in fields(CostParts)]


def _wishes(
    slot: Slot, lead: ResourceFacts | None, wishes: Wishes, roster: Roster, weights: Weights, is_of_others: bool
) -> int:
    missed = date_wishes_missed(slot.on, wishes, weights)
    if lead is not None:
        missed += lead_wishes_missed(lead, wishes, weights, is_of_others=is_of_others)
    day = roster.days.get(slot.on)
    if day is not None and not wished_starts(day, slot.minutes, wishes) >> slot.tick & 1:
        missed += weights.time_of_day
    return missed


def _holes(slot: Slot, session: SessionFacts, lead: ResourceFacts | None, roster: Roster, weights: Weights) -> int:
    used = [use for use in slot.uses if use.role == session.step.lead_role]
    if not weights.hole or lead is None or lead.places > 1 or not used:
        return 0
    begins, ends = awkward(free_of(roster, slot.lead, slot.on, 1)[0], roster.shortest_useful_minutes)
    first, last = used[0].from_tick, used[-1].until_tick  # of a visit booked by other rules, perhaps before its day
    return weights.hole * ((first >= 0 and begins >> first & 1) + (last >= 0 and ends >> last & 1))
