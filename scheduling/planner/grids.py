"""What the dates of one session cost after each date of the session before it, as arrays.

The commonest chain, in which a session's window depends on the date of the one before it and on nothing earlier, needs
no search of states: the least that the rest can cost comes from one table for each session, last to first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from . import cost
from .starts import ENDLESS
from .windows import NEVER, windows_after

if TYPE_CHECKING:
    from .chains import Chain, Layer

MOST_DAYS = 1100  # three years: ten million bytes for each session

Ordinals = NDArray[np.int64]


@dataclass(slots=True)
class Grid:
    """One session: rows are dates of the session before it (one row for the first session), columns its own dates."""

    before: int  # the date of the first row
    first: int  # the date of the first column
    timed: Ordinals  # [row, column]: what the date costs by timing; ENDLESS where it is not lawful
    rest: Ordinals  # [column]: what the date costs besides, whoever leads, with the least that all later sessions cost
    to_go: Ordinals  # [row]: the least of both

    def onwards(self, before: int, slack: int) -> tuple[list[tuple[int, int]], bool]:
        """Return the dates after a date that lead to the end for no more than `slack`, with their timing, and whether
        there are dearer ones.
        """
        row = self.timed[before - self.before]
        whole = row + self.rest
        at = np.flatnonzero(whole <= slack)
        return list(zip((at + self.first).tolist(), row[at].tolist(), strict=True)), bool(
            np.count_nonzero(whole < ENDLESS) > len(at)
        )


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
        rows = grid.first + np.arange(grid.timed.shape[1])
    later = np.zeros(len(grids[-1].rest) if grids else 0, np.int64)
    for number in reversed(range(len(grids))):
        grid = grids[number]
        least = chain.least_between(number, grid.first, grid.first + len(grid.rest) - 1)
        grid.rest = np.minimum(least + later, ENDLESS)
        grid.to_go = later = np.minimum((grid.timed + grid.rest).min(axis=1), ENDLESS)
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
    only = layer.fixed or layer.stay
    first, last = int(firsts.min()), int(lasts.max())
    if layer.fixed is not None:
        first = last = layer.fixed.on.toordinal()
    if first > last:
        return None
    on = np.arange(first, last + 1)
    lawful = (firsts[:, None] <= on) & (on <= lasts[:, None])
    if layer.closed:
        lawful &= [ordinal not in layer.closed for ordinal in range(first, last + 1)]
    if only is not None:
        column = only.on.toordinal() - first
        others = np.arange(len(on)) != column
        is_kept = lawful[:, column] if 0 <= column < len(on) else np.zeros(len(rows), bool)
        lawful[np.ix_(is_kept, others)] = False
    timed = cost.timed(anchor, tolerance, early, late, on)
    elapsed = chain.weights.elapsed_per_day
    if elapsed:
        timed = timed + elapsed * (on - rows[:, None])
    none = np.zeros(0, np.int64)
    return Grid(int(rows[0]), first, np.where(lawful, timed, ENDLESS), np.zeros(len(on), np.int64), none)


def _timings(chain: Chain, number: int, layer: Layer, rows: Ordinals) -> tuple[Ordinals, ...]:
    """Return for each row: earliest, the anchor of the timing, lapse, tolerance, and the prices of early and late."""
    weights, today = chain.weights, chain.today.toordinal()
    spacings = tuple(spacing for spacing, _ in layer.anchors or ())
    if number and spacings and all(anchor == number - 1 for _, anchor in layer.anchors or ()):
        found = windows_after(spacings, int(rows[0]), int(rows[-1]))
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
