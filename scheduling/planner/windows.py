"""When a session may, should and must happen: CDSi's forecast dates, counted from what really took place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from .amounts import after
from .facts import (
    CourseFacts,
    Late,
    LateAction,
    Reference,
    SessionFacts,
    SessionState,
    Spacing,
    StepKind,
    Window,
)

NO_DATES: Mapping[UUID, date] = {}
GONE = (SessionState.SKIPPED, SessionState.DROPPED)


def window_of(session: SessionFacts, course: CourseFacts, dates: Mapping[UUID, date] = NO_DATES) -> Window:
    """Return the window of a session, given assumed dates of sessions that are not performed yet.

    CDSi FORECASTDTCAN-1 and FORECASTDT-2, -3, -5, -6: earliest is the latest of the minimum dates (and floors) of all
    spacings, target and overdue the latest of theirs, lapse the first of theirs; target is raised to earliest, overdue
    to the day after it. What no spacing says stays blank.

    A reference counts from its performed date, else from the assumed date, else from the booked one, else from its own
    projected target (then earliest). Not performed makes the window provisional. A spacing whose reference does not
    exist (no such session, an event not known) or cannot be projected adds nothing: holding the session back for it is
    a gate's duty. Nor does one whose reference lies outside the dates on which it is in effect. An assessment made on
    a lapse date or later lets the course go on: that lapse says no more.
    """
    anchors = [
        (spacing, anchor, performed)
        for spacing, reference in references(session, course)
        for anchor, performed in (_date_of(reference, course, dates),)
        if anchor is None or spacing.is_in_effect(anchor)
    ]
    return counted(
        [(spacing, anchor) for spacing, anchor, _ in anchors],
        all(performed for *_, performed in anchors),
        assessed_on=course.assessed_on,
    )


def settled_window_of(session: SessionFacts, course: CourseFacts) -> Window:
    """Return as much of a session's window as no session still to come can change: counted from what has happened.

    What is counted from the others can only make it narrower, or say nothing once they are given up.
    """
    happened = [
        (spacing, on)
        for spacing, reference in references(session, course)
        for on in [reference.performed_on if isinstance(reference, SessionFacts) else reference]
    ]
    return counted(happened, assessed_on=course.assessed_on)


def windows_of(course: CourseFacts) -> dict[UUID, Window]:
    """Return the windows of all sessions left, each counted from the projected targets of those before it."""
    dates: dict[UUID, date] = {}
    windows: dict[UUID, Window] = {}
    for session in course.sessions:
        if session.state is SessionState.OPEN:
            window = windows[session.id] = window_of(session, course, dates)
            projected = window.target_on or window.earliest_on
            if session.booked is None and projected is not None:
                dates[session.id] = projected
    return windows


def last_date_of(course: CourseFacts, horizon_on: date) -> date:
    """Return the last date on which a plan could put a session of the course, not after `horizon_on`.

    Every session is as late as its lapses allow after one before it that is as late as can be. Where something else
    decides a date (a spacing that is in effect on some dates only, a session that is booked by itself), the horizon is.
    """
    latest: dict[UUID, date] = {}
    planned: list[date] = []
    for session in course.sessions:
        if session.state in GONE:
            continue
        if session.performed_on is not None or session.pinned:
            latest[session.id] = session.performed_on or (session.booked.on if session.booked else horizon_on)
            continue
        dates = [horizon_on]
        for spacing, reference in references(session, course) if session.step.planned_with_course else ():
            anchor = reference if isinstance(reference, date) else latest.get(reference.id)
            if anchor and spacing.effective_from is None and spacing.effective_to is None:
                lapse = _standing_lapse(spacing, anchor, course.assessed_on)
                if lapse is not None:
                    dates.append(lapse - timedelta(days=1))
        latest[session.id] = min(dates)
        if session.step.planned_with_course:
            planned.append(latest[session.id])
    return max(planned, default=horizon_on)


def references(session: SessionFacts, course: CourseFacts) -> list[tuple[Spacing, SessionFacts | date]]:
    """Return the spacings that apply to a session, each with the session or the date that it is counted from.

    Skipped and dropped sessions are no reference, nor are later ones. `previous` is the session before it by position,
    assessments too. A spacing for areas applies to a session that treats one of them (or names none), and its
    `previous` is then the last treatment that shares such an area: the other leg does not count. `step` means the
    session that satisfied the step, so one that was performed and does not count is passed over (CALCDTINT-2);
    `previous` and `last_of_kind` take it (CALCDTINT-1, -8).
    """
    before = [other for other in course.sessions if other.position < session.position and other.state not in GONE]
    found: list[tuple[Spacing, SessionFacts | date]] = []
    for spacing in session.step.spacings:
        if spacing.areas and session.areas and not spacing.areas & session.areas:
            continue
        reference: SessionFacts | date | None = None
        match spacing.reference:
            case Reference.EVENT:
                reference = course.events.get(spacing.reference_key)
            case Reference.STEP:
                reference = next((s for s in before if s.step.key == spacing.reference_key and _satisfies(s)), None)
            case Reference.PREVIOUS | Reference.LAST_OF_KIND:
                reference = next((s for s in reversed(before) if _is_meant(s, spacing, session)), None)
        if reference is not None:
            found.append((spacing, reference))
    return found


def depends_on(session: SessionFacts, course: CourseFacts, free: frozenset[UUID]) -> frozenset[UUID]:
    """Return those of the sessions `free` whose assumed dates decide the session's window."""
    found: frozenset[UUID] = frozenset()
    for _, reference in references(session, course):
        if not isinstance(reference, SessionFacts) or reference.performed_on is not None:
            continue
        if reference.id in free:
            found |= {reference.id}
        elif reference.booked is None:
            found |= depends_on(reference, course, free)
    return found


def counted(
    anchors: list[tuple[Spacing, date | None]], performed: bool = True, *, assessed_on: date | None = None
) -> Window:
    """Return the window that spacings give, each counted from its date; see `window_of` for the rules."""
    floor_on = earliest_on = target_on = overdue_on = lapse_on = None
    tolerance = 0
    for spacing, anchor in anchors:
        if anchor is None or not spacing.is_in_effect(anchor):
            continue
        floor = after(spacing.floor, anchor)
        floor_on = _latest(floor_on, floor)
        earliest_on = _latest(earliest_on, _latest(floor, after(spacing.minimum, anchor)))
        target = after(spacing.target, anchor)
        if target is not None and (target_on is None or target >= target_on):
            is_tie = target == target_on
            tolerance = min(tolerance, spacing.tolerance_days) if is_tie else spacing.tolerance_days
            target_on = target
        overdue_on = _latest(overdue_on, after(spacing.overdue, anchor))
        lapse = _standing_lapse(spacing, anchor, assessed_on)
        if lapse is not None:
            lapse_on = lapse if lapse_on is None else min(lapse, lapse_on)
    if earliest_on is not None:
        target_on = target_on and max(target_on, earliest_on)
        overdue_on = overdue_on and max(overdue_on, earliest_on + timedelta(days=1))
    return Window(floor_on, earliest_on, target_on, overdue_on, lapse_on, tolerance, provisional=not performed)


NEVER = date.max.toordinal() + 1


@dataclass(frozen=True, slots=True)
class WindowsAfter:
    """The windows that spacings give when all count from one date, for each of many dates; ordinals.

    Blanks are 0 in `earliest` and `target`, and NEVER in `lapse`.
    """

    earliest: NDArray[np.int64]
    target: NDArray[np.int64]
    lapse: NDArray[np.int64]
    tolerance: NDArray[np.int64]


def windows_after(
    spacings: tuple[Spacing, ...], first: int, last: int, assessed_on: date | None = None
) -> WindowsAfter:
    """Return the windows of a session whose spacings all count from one date, for each date in [first, last]."""
    years = range(date.fromordinal(first).year, date.fromordinal(last).year + 1)
    since = first - date(years[0], 1, 1).toordinal()
    rows = np.concatenate([_after_dates_of(spacings, year) for year in years])[since : since + last - first + 1]
    if assessed_on is not None:
        for on in range(first, min(last, assessed_on.toordinal()) + 1):  # no lapse comes before what it counts from
            rows[on - first] = _row_after(spacings, on, assessed_on)
    return WindowsAfter(*rows.T)


@lru_cache(maxsize=1024)
def _after_dates_of(spacings: tuple[Spacing, ...], year: int) -> NDArray[np.int64]:
    """Return a row for each date of a year. Protocols are few, and each is asked about the same years again."""
    dates = range(date(year, 1, 1).toordinal(), date(year, 12, 31).toordinal() + 1)
    return np.array([_row_after(spacings, on) for on in dates], np.int64)


def _row_after(spacings: tuple[Spacing, ...], on: int, assessed_on: date | None = None) -> tuple[int, int, int, int]:
    """Return one date's row, in the order of WindowsAfter."""
    window = counted([(spacing, date.fromordinal(on)) for spacing in spacings], assessed_on=assessed_on)
    return (
        window.earliest_on.toordinal() if window.earliest_on else 0,
        window.target_on.toordinal() if window.target_on else 0,
        window.lapse_on.toordinal() if window.lapse_on else NEVER,
        window.tolerance_days,
    )


def late_band_of(session: SessionFacts, on: date, course: CourseFacts) -> Late | None:
    """Return the late band in which a date lies for the session, the strictest where several spacings have one.

    Bands count from what has really happened: a performed session or a named event.
    """
    found: Late | None = None
    for spacing, anchor in late_references(session, course):
        for band in spacing.late_bands:
            first_on, ends_on = band.begins.after(anchor), after(band.ends, anchor)
            if first_on <= on and (ends_on is None or on < ends_on):
                last_on = None if ends_on is None else ends_on - timedelta(days=1)
                late = Late(band.action, band.note, first_on, last_on)
                if found is None or _STRICTNESS[late.action] > _STRICTNESS[found.action]:
                    found = late
    return found


def late_references(session: SessionFacts, course: CourseFacts) -> list[tuple[Spacing, date]]:
    """Return the spacings whose late bands count for a session, each with the date they are counted from."""
    if not any(spacing.late_bands for spacing in session.step.spacings):
        return []
    dated = (
        (spacing, reference.performed_on if isinstance(reference, SessionFacts) else reference)
        for spacing, reference in references(session, course)
        if spacing.late_bands
    )
    return [(spacing, on) for spacing, on in dated if on is not None and spacing.is_in_effect(on)]


def is_as_strict(decided: str, asked: LateAction) -> bool:
    """Whether a clinician's decision ("" for none) goes at least as far as what a late band asks for."""
    return bool(decided) and _STRICTNESS[LateAction(decided)] >= _STRICTNESS[asked]


_STRICTNESS = {action: rank for rank, action in enumerate(LateAction)}


def _satisfies(session: SessionFacts) -> bool:
    return session.state is not SessionState.PERFORMED or session.counts


def _is_meant(before: SessionFacts, spacing: Spacing, session: SessionFacts) -> bool:
    if spacing.reference is Reference.LAST_OF_KIND and before.step.kind != spacing.reference_key:
        return False
    if not spacing.areas:
        return True
    if spacing.reference is Reference.PREVIOUS and before.step.kind is not StepKind.TREATMENT:
        return False
    asked = spacing.areas & session.areas if session.areas else spacing.areas
    return not before.areas or bool(asked & before.areas)


def _date_of(
    reference: SessionFacts | date, course: CourseFacts, dates: Mapping[UUID, date]
) -> tuple[date | None, bool]:
    """Return the date a reference counts from, and whether that has really happened."""
    if isinstance(reference, date):
        return reference, True
    if reference.performed_on is not None:
        return reference.performed_on, True
    if reference.id in dates:
        return dates[reference.id], False
    if reference.booked is not None:
        return reference.booked.on, False
    window = window_of(reference, course, dates)
    return window.target_on or window.earliest_on, False


def _standing_lapse(spacing: Spacing, anchor: date, assessed_on: date | None) -> date | None:
    """Return a spacing's lapse, unless it is blank or the course was assessed on that date or later."""
    lapse = after(spacing.lapse, anchor)
    return None if lapse is None or (assessed_on is not None and assessed_on >= lapse) else lapse


def _latest(one: date | None, other: date | None) -> date | None:
    if one is None or other is None:
        return one or other
    return max(one, other)
