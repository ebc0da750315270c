"""What the dates of one session cost after each date of the session before it, as arrays.

The commonest chain, in which a session's window depends on the date of the one before it and on nothing earlier, needs
no search of states: the least that the rest can cost comes from one table for each session, last to first. Where a
table is small enough it knows who leads, changes of lead count in it, and what it says can be had (unless one resource
could fill two roles); a larger one leaves them out, and says less than that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from . import cost
from .starts import ENDLESS
from .windows import NEVER, windows_after

if TYPE_CHECKING:
    from .chains import Chain
    from .layers import Layer

MOST_DAYS = 1100  # three years: ten million bytes for each session
MOST_CELLS = 400_000  # dates before, dates after and leads of a session, in a table that knows who leads

Ordinals = NDArray[np.int64]


@dataclass(slots=True)
class Grid:
    """One session: rows are dates of the session before it (one row for the first session), columns its own dates.

    Of each row there is a band of columns, as wide as the widest window.
    """

    before: int  # the date of the first row
    first: int  # the date of the first column
    days: int  # columns
    since: NDArray[np.intp]  # [row]: its first column
    timed: Ordinals  # [row, place in the band]: what the date costs by timing; ENDLESS where it is not lawful
    ranks: dict[int, int]  # where each lead stands in `after`; empty: a table without leads
    after: Ordinals  # [column, lead]: the least that all later sessions cost
    rest: Ordinals  # [column, and a band of none]: the same with what the date costs besides, by the best lead
    by_lead: Ordinals  # [row, lead]: the least of timing and rest when this lead goes on
    to_go: Ordinals  # [row]: when any does

    def onwards(self, before: int, slack: int) -> tuple[list[tuple[int, int]], bool]:
        """Return the dates after a date that lead to the end for no more than `slack`, with their timing, and whether
        there are dearer ones.
        """
        row = before - self.before
        timed, since = self.timed[row], int(self.since[row])
        whole = timed + self.rest[since : since + len(timed)]
        at = np.flatnonzero(whole <= slack)
        found = list(zip((at + (since + self.first)).tolist(), timed[at].tolist(), strict=True))
        return found, bool(np.count_nonzero(whole < ENDLESS) > len(at))

    def least_after(self, on: int, rank: int) -> int:
        """Return the least that all later sessions cost when this one has a date and a lead."""
        return int(self.after[on - self.first, self.ranks[rank] if self.ranks else 0])


def grids_of(chain: Chain) -> list[Grid] | None:
    """Return the tables of a chain, or None when some window depends on more than the session before.

    Nor are there any beyond MOST_DAYS: a table has a row and a column for each.
    """
    is_plain = all(_is_plain(chain, number) for number in range(len(chain.layers)))
    if not is_plain or chain.last_day - chain.first_day > MOST_DAYS:
        return None
    grids: list[Grid] = []
    rows = np.array([chain.today.toordinal()])
    for number, layer in enumerate(chain.layers):
        grid = _grid(chain, number, layer, rows)
        if grid is None:
            return None
        grids.append(grid)
        rows = grid.first + np.arange(grid.days)
    leads = chain.nodes.possible_leads()
    if max((grid.timed.size for grid in grids), default=0) * len(leads) > MOST_CELLS:
        leads = []
    for number in reversed(range(len(grids))):
        _look_back(chain, number, grids, leads)
    return grids


def _is_plain(chain: Chain, number: int) -> bool:
    layer = chain.layers[number]
    return (
        layer.anchors is not None
        and not layer.may_be_early
        and not chain.is_counted
        and set(layer.counted_from) <= {number - 1}
        and layer.kept == (number,)
    )


def _grid(chain: Chain, number: int, layer: Layer, rows: Ordinals) -> Grid | None:
    """Return a table without what comes later; None when it would have no column."""
    earliest, anchor, lapse, tolerance, early, late = _timings(chain, number, layer, rows)
    after = rows + (rows != layer.shared) if number else np.zeros_like(rows)
    firsts = np.maximum(np.maximum(earliest, layer.first), after)
    lasts = np.minimum(lapse - 1, layer.last)
    if layer.fixed is not None:
        at = layer.fixed.on.toordinal()
        firsts, lasts = np.where(firsts <= at, at, at + 1), np.where(lasts >= at, at, at - 1)
    widths = lasts - firsts + 1
    width = int(widths.max())
    if width < 1:
        return None
    first, last = int(firsts[widths > 0].min()), int(lasts[widths > 0].max())
    on = firsts[:, None] + np.arange(width)
    lawful = on <= lasts[:, None]
    if layer.closed:
        is_closed = np.array([ordinal in layer.closed for ordinal in range(first, last + 1)])
        lawful &= ~is_closed[np.clip(on - first, 0, last - first)]
    if layer.stay is not None:
        is_there = on == layer.stay.on.toordinal()
        is_kept = (lawful & is_there).any(axis=1)
        lawful &= is_there | ~is_kept[:, None]
    timed = cost.timed(anchor, tolerance, early, late, on)
    elapsed = chain.weights.elapsed_per_day
    if elapsed:
        timed = timed + elapsed * (on - rows[:, None])
    none = np.zeros(0, np.int64)
    since = np.clip(firsts - first, 0, last - first + 1)
    return Grid(
        before=int(rows[0]),
        first=first,
        days=last - first + 1,
        since=since,
        timed=np.where(lawful, timed, ENDLESS),
        ranks={},
        after=none,
        rest=none,
        by_lead=none,
        to_go=none,
    )


def _look_back(chain: Chain, number: int, grids: Sequence[Grid], leads: Sequence[int]) -> None:
    """Fill in what comes later than a session, when that is filled in of those after it."""
    grid, following = grids[number], grids[number + 1] if number + 1 < len(grids) else None
    last, width = grid.first + grid.days - 1, grid.timed.shape[1]
    if leads:
        prices = chain.nodes.prices_between(number, grid.first, last, leads)
    else:
        prices = chain.nodes.least_between(number, grid.first, last)[:, None]
    grid.ranks = {rank: at for at, rank in enumerate(leads)}
    grid.after = np.zeros_like(prices) if following is None else _changing(chain, number + 1, following)
    whole = np.full((grid.days + width, prices.shape[1]), ENDLESS)
    np.minimum(prices + grid.after, ENDLESS, out=whole[: grid.days])
    if number == 0 and leads:
        whole += _first_changes(chain, leads)
    grid.rest = whole.min(axis=1)
    bands = grid.since[:, None] + np.arange(width)
    grid.by_lead = np.minimum((grid.timed[:, :, None] + whole[bands]).min(axis=1), ENDLESS)
    grid.to_go = grid.by_lead.min(axis=1)


def _first_changes(chain: Chain, ranks: Sequence[int]) -> Ordinals:
    """Return what each lead costs the first session as a change."""
    layer, led_by = chain.layers[0], chain.nodes.led_by
    if led_by is None or not layer.counts_change:
        return np.zeros(len(ranks), np.int64)
    change = ENDLESS if chain.keep_lead else layer.change
    return np.array([0 if rank == led_by else change for rank in ranks], np.int64)


def _changing(chain: Chain, number: int, grid: Grid) -> Ordinals:
    """Return [row, lead]: the least that a session and all later ones cost after a date and a lead."""
    layer = chain.layers[number]
    if chain.keep_lead and layer.counts_change:
        return grid.by_lead
    return np.minimum(grid.by_lead, grid.to_go[:, None] + layer.change)


def _timings(chain: Chain, number: int, layer: Layer, rows: Ordinals) -> tuple[Ordinals, ...]:
    """Return for each row: earliest, the anchor of the timing, lapse, tolerance, and the prices of early and late."""
    weights, today = chain.weights, chain.today.toordinal()
    spacings = tuple(spacing for spacing, _ in layer.anchors or ())
    if number and spacings and all(anchor == number - 1 for _, anchor in layer.anchors or ()):
        found = windows_after(spacings, int(rows[0]), int(rows[-1]), chain.course.assessed_on)
        has_target = found.target > 0
        return (
            found.earliest,
            np.where(has_target, found.target, np.maximum(found.earliest, today)),
            found.lapse,
            np.where(has_target, found.tolerance, 0),
            np.where(has_target, weights.spacing_early_per_day, 0),
            np.where(has_target, weights.spacing_late_per_day, weights.lateness_per_day),
        )
    windows = [chain.window_after(number, int(row)) for row in rows] if layer.counted_from else []
    windows = windows or [chain.window_after(number, 0)] * len(rows)
    slopes = [cost.timing(window, chain.today, weights) for window in windows]
    values = [
        (
            window.earliest_on.toordinal() if window.earliest_on else 0,
            slope.anchor,
            window.lapse_on.toordinal() if window.lapse_on else NEVER,
            slope.tolerance,
            slope.early,
            slope.late,
        )
        for window, slope in zip(windows, slopes, strict=True)
    ]
    return tuple(np.array(values, np.int64).T)
