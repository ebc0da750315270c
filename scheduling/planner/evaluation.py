"""What of a course's history counts: each performed session judged by the dates on which it could have taken place.

Grace judges what was done and never books (CDSi, "Evaluate preferable interval"): `rules` knows nothing of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from uuid import UUID

from .amounts import after
from .facts import CourseFacts, Late, SessionFacts, SessionState, Spacing
from .windows import counted, late_band_of, references


class Verdict(StrEnum):
    TOO_SOON = "too_soon"  # before the floor: does not count, and the next is counted from it all the same
    GRACE = "grace"  # from the floor to before the minimum: counts
    IN_TIME = "in_time"
    LATE = "late"  # inside a late band, or from overdue or lapse on: counts
    NOT_JUDGED = "not_judged"  # nothing to count from: counts


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The verdict on one performed session, why, and the dates that decided it."""

    session: UUID
    verdict: Verdict
    code: str  # stable: performed_before_floor, performed_in_grace, ...
    performed_on: date
    counts: bool
    spacing: Spacing | None = None  # the one that decided
    reference_on: date | None = None  # what that one is counted from
    floor_on: date | None = None
    minimum_on: date | None = None
    overdue_on: date | None = None
    lapse_on: date | None = None
    band: Late | None = None


TOO_SOON, RESTARTED = "too_soon", "restarted"  # why a session does not count, as it is stored
Anchors = Sequence[tuple[Spacing, date]]


def evaluate(course: CourseFacts) -> tuple[Evaluation, ...]:
    """Judge every performed session, in the order in which they took place.

    Only what had happened by then is a reference: sessions on that date or before it (by position where they share
    one), and events likewise. One that did not count is still the previous one (CALCDTINT-1) and the last of its kind
    (CALCDTINT-8), but not the session that satisfied its step (CALCDTINT-2). A session that was set aside by a restart
    keeps its verdict and does not count.
    """
    happened = sorted(
        (s for s in course.sessions if s.state is SessionState.PERFORMED and s.performed_on is not None),
        key=lambda s: (s.performed_on, s.position),
    )
    before: list[SessionFacts] = []
    judged: list[Evaluation] = []
    for session in happened:
        as_it_came = replace(session, position=len(before))
        found = _judge(as_it_came, replace(course, sessions=(*before, as_it_came)))
        before.append(replace(as_it_came, counts=found.counts))
        judged.append(found)
    return tuple(judged)


def _judge(session: SessionFacts, course: CourseFacts) -> Evaluation:
    """Judge a session by all its spacings: before the latest absolute minimum it is too soon, and so on.

    The minimum date itself is in time, the overdue date itself is late. A blank floor forbids nothing, as a blank
    overdue is never late (CDSi makes no assumptions).
    """
    on = session.performed_on
    assert on is not None
    anchors = _anchors(session, course, on)
    if not anchors:
        return Evaluation(session.id, Verdict.NOT_JUDGED, "nothing_to_count_from", on, not session.restarted)
    window, band = counted([*anchors]), late_band_of(session, on, course)
    deciding = _latest(anchors, "minimum") or anchors[0]
    if window.floor_on is not None and on < window.floor_on:
        verdict, code, deciding = Verdict.TOO_SOON, "performed_before_floor", _latest(anchors, "floor") or deciding
    elif window.earliest_on is not None and on < window.earliest_on:
        verdict, code = Verdict.GRACE, "performed_in_grace"
    elif window.lapse_on is not None and on >= window.lapse_on:
        verdict, code, deciding = Verdict.LATE, "performed_after_lapse", _first_lapse(anchors) or deciding
    elif band is not None:
        verdict, code, deciding = Verdict.LATE, "performed_in_late_band", _of_band(anchors, band) or deciding
    elif window.overdue_on is not None and on >= window.overdue_on:
        verdict, code, deciding = Verdict.LATE, "performed_overdue", _latest(anchors, "overdue") or deciding
    else:
        verdict, code = Verdict.IN_TIME, "performed_in_time"
    spacing, reference_on = deciding
    return Evaluation(
        session=session.id,
        verdict=verdict,
        code=code,
        performed_on=on,
        counts=verdict is not Verdict.TOO_SOON and not session.restarted,
        spacing=spacing,
        reference_on=reference_on,
        floor_on=window.floor_on,
        minimum_on=window.earliest_on,
        overdue_on=window.overdue_on,
        lapse_on=window.lapse_on,
        band=band if verdict is Verdict.LATE else None,
    )


def _anchors(session: SessionFacts, course: CourseFacts, on: date) -> Anchors:
    """Return the spacings that had something to count from by then, each with its date."""
    dated: Iterable[tuple[Spacing, date | None]] = (
        (spacing, reference.performed_on if isinstance(reference, SessionFacts) else reference)
        for spacing, reference in references(session, course)
    )
    return [(spacing, at) for spacing, at in dated if at is not None and at <= on and spacing.is_in_effect(at)]


def _latest(anchors: Anchors, amount: str) -> tuple[Spacing, date] | None:
    """Return the spacing whose date is the last of all, with what it is counted from."""
    dated = [(end, place) for place, (s, at) in enumerate(anchors) if (end := after(getattr(s, amount), at))]
    return anchors[max(dated, key=lambda one: (one[0], -one[1]))[1]] if dated else None


def _first_lapse(anchors: Anchors) -> tuple[Spacing, date] | None:
    dated = [(end, place) for place, (s, at) in enumerate(anchors) if (end := after(s.lapse, at))]
    return anchors[min(dated)[1]] if dated else None


def _of_band(anchors: Anchors, late: Late) -> tuple[Spacing, date] | None:
    return next(
        (
            (spacing, at)
            for spacing, at in anchors
            for band in spacing.late_bands
            if (band.action, band.begins.after(at)) == (late.action, late.first_on)
        ),
        None,
    )
