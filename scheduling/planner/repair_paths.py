"""The whole-course plans of a course, or of several, as a network of numbers, and the cheapest of them under prices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .repair_rows import Buckets, Floats, Ints, ragged

FAR = 1e15  # costs more than anything; a way that is none


@dataclass(frozen=True, slots=True)
class Paths:
    """Plans, one in each row: the times chosen, by layer (0 behind the last), and what they cost without prices."""

    courses: Ints
    times: Ints
    costs: Ints


@dataclass(slots=True)
class Depth:
    """One layer of a network: arcs by the node (of the layer before) that they come from."""

    cells: Ints  # of each node
    ends: NDArray[np.bool_]  # whether the course ends with this node
    arc_to: Ints
    arc_price: Floats
    arc_change: Floats  # what another lead than before costs
    first_arcs: Ints  # per node that has any
    comes_from: Ints  # the same nodes
    before: int  # number of nodes of the layer before


@dataclass(slots=True)
class Network:
    """The plans of one course, or of several at once: then the roots are the courses."""

    entry_bucket: Ints
    entry_price: Floats
    entry_cell: Ints  # in this order
    entry_seat: Ints  # the lead's number in the course
    cells: int
    seats: int
    depths: list[Depth]
    root_seat: Ints  # per course; -1: nobody led before
    first_entries: Ints = field(init=False)  # per (cell, seat) that has any
    keys: Ints = field(init=False)  # and which: cell * seats + seat
    segment: Ints = field(init=False)  # of each key; -1: it has none

    def __post_init__(self) -> None:
        flat = self.entry_cell * self.seats + self.entry_seat
        self.keys, self.first_entries = np.unique(flat, return_index=True)
        self.segment = np.full(self.cells * self.seats, -1)
        self.segment[self.keys] = np.arange(len(self.keys))

    def priced(self, bucket_prices: Floats) -> Priced:
        """Find the cheapest way on from each node, when the times of each bucket cost at least that much besides."""
        entries = bucket_prices[self.entry_bucket] + self.entry_price
        flat = np.full(self.cells * self.seats, FAR)
        if len(entries):
            flat[self.keys] = np.minimum.reduceat(entries, self.first_entries)
        cells = flat.reshape(self.cells, self.seats)
        ahead: Floats | None = None
        by_arc: list[Floats] = []
        through: list[Floats] = []
        for depth in reversed(self.depths):
            node = cells[depth.cells]
            if ahead is not None:
                node = node + np.where(depth.ends[:, None], 0.0, ahead)
            if self.seats == 1:
                arcs = node[depth.arc_to] + depth.arc_price[:, None]
            else:
                other = node.min(axis=1)[depth.arc_to] + depth.arc_change
                arcs = np.minimum(other[:, None], node[depth.arc_to]) + depth.arc_price[:, None]
            ahead = np.full((depth.before, self.seats), FAR)
            if len(depth.first_arcs):
                ahead[depth.comes_from] = np.minimum.reduceat(arcs, depth.first_arcs, axis=0)
            by_arc.append(arcs)
            through.append(node)
        by_arc.reverse()
        through.reverse()
        assert ahead is not None
        roots = np.where(self.root_seat < 0, ahead.min(axis=1), ahead[np.arange(len(ahead)), self.root_seat])
        return Priced(self, entries, by_arc, through, roots)


@dataclass(slots=True)
class Priced:
    """A network under prices."""

    network: Network
    entries: Floats
    by_arc: list[Floats]  # what it costs to go on by an arc, for each seat before
    through: list[Floats]  # and from a node on, when that seat leads it
    roots: Floats  # the cheapest plan of each course

    def first_dates(self, most: int) -> tuple[Ints, Ints]:
        """Return the courses, each as often as it has first arcs worth a look (the best `most`), and those arcs."""
        depth = self.network.depths[0]
        seats = self.network.root_seat
        courses, arcs = [], []
        bounds = [*depth.first_arcs.tolist(), len(depth.arc_to)]
        for course, first, until in zip(depth.comes_from.tolist(), bounds, bounds[1:], strict=False):
            values = self.by_arc[0][first:until]
            values = values.min(axis=1) if seats[course] < 0 else values[:, seats[course]]
            best = np.argsort(values, kind="stable")[:most]
            best = best[values[best] < FAR / 2]
            courses += [course] * len(best)
            arcs += (best + first).tolist()
        return np.array(courses, np.int64), np.array(arcs, np.int64)

    def paths(self, courses: Ints, buckets: Buckets, time_prices: Floats, first: Ints | None = None) -> Paths:
        """Return the cheapest plan of each of these courses (which have one), by way of the first arcs if given."""
        network, count = self.network, len(courses)
        times = np.zeros((count, len(network.depths)), np.int64)
        costs = np.zeros(count)
        at, seat, alive = courses.copy(), network.root_seat[courses].copy(), np.arange(count)
        for number, depth in enumerate(network.depths):
            if not len(alive):
                break
            here, led_by = at[alive], seat[alive]
            if number == 0 and first is not None:
                arc = first
            else:
                segment = np.searchsorted(depth.comes_from, here)
                begins = depth.first_arcs[segment]
                ends = np.append(depth.first_arcs, len(depth.arc_to))[segment + 1]
                rows, which = ragged(begins, ends - begins)
                arcs = self.by_arc[number]
                values = np.where(led_by[which] < 0, arcs[rows].min(axis=1), arcs[rows, led_by[which]])
                arc = rows[_least(values, which)]
            node = depth.arc_to[arc]
            options = self.through[number][node]
            best = options.argmin(axis=1)
            spread = np.arange(len(alive))
            stays = (led_by >= 0) & (options[spread, led_by] <= options[spread, best] + depth.arc_change[arc])
            chosen = np.where(stays, led_by, best)
            changed = (led_by >= 0) & (chosen != led_by)
            segment = network.segment[depth.cells[node] * network.seats + chosen]
            begins = network.first_entries[segment]
            ends = np.append(network.first_entries, len(self.entries))[segment + 1]
            rows, which = ragged(begins, ends - begins)
            entry = rows[_least(self.entries[rows], which)]
            bucket = network.entry_bucket[entry]
            rows, which = ragged(buckets.first[bucket], buckets.first[bucket + 1] - buckets.first[bucket])
            times[alive, number] = rows[_least(time_prices[rows], which)]
            costs[alive] += (
                depth.arc_price[arc] + network.entry_price[entry] + np.where(changed, depth.arc_change[arc], 0)
            )
            at[alive], seat[alive] = node, chosen
            alive = alive[~depth.ends[node]]
        return Paths(courses, times, np.rint(costs).astype(np.int64))


def _least(values: Floats, which: Ints) -> Ints:
    """Return where each range has its first least value; no range is empty."""
    order = np.lexsort((values, which))
    return order[np.flatnonzero(np.diff(which, prepend=-1))]


def joined(parts: Sequence[Network]) -> Network:
    """Return the networks of several courses as one."""
    cells = np.cumsum([0, *(part.cells for part in parts)])
    depths = []
    for number in range(max((len(part.depths) for part in parts), default=0)):
        levels = [part.depths[number] if number < len(part.depths) else _no_depth() for part in parts]
        befores = [_nodes(part, number - 1) for part in parts]
        depths.append(_joined_depth(levels, cells, befores))
    return Network(
        entry_bucket=np.concatenate([part.entry_bucket for part in parts]),
        entry_price=np.concatenate([part.entry_price for part in parts]),
        entry_cell=np.concatenate([part.entry_cell + base for part, base in zip(parts, cells, strict=False)]),
        entry_seat=np.concatenate([part.entry_seat for part in parts]),
        cells=int(cells[-1]),
        seats=max(part.seats for part in parts),
        depths=depths,
        root_seat=np.concatenate([part.root_seat for part in parts]),
    )


def _nodes(part: Network, number: int) -> int:
    """Return how many nodes a layer has; before the first one there is the root."""
    if number < 0:
        return 1
    return part.depths[number].cells.size if number < len(part.depths) else 0


def _no_depth() -> Depth:
    none = np.zeros(0, np.int64)
    return Depth(none, np.zeros(0, np.bool_), none, np.zeros(0), np.zeros(0), none, none, 0)


def _joined_depth(levels: Sequence[Depth], cells: Ints, befores: Sequence[int]) -> Depth:
    nodes = np.cumsum([0, *(level.cells.size for level in levels)])
    arcs = np.cumsum([0, *(level.arc_to.size for level in levels)])
    before = np.cumsum([0, *befores])
    return Depth(
        cells=np.concatenate([level.cells + base for level, base in zip(levels, cells, strict=False)]),
        ends=np.concatenate([level.ends for level in levels]),
        arc_to=np.concatenate([level.arc_to + base for level, base in zip(levels, nodes, strict=False)]),
        arc_price=np.concatenate([level.arc_price for level in levels]),
        arc_change=np.concatenate([level.arc_change for level in levels]),
        first_arcs=np.concatenate([level.first_arcs + base for level, base in zip(levels, arcs, strict=False)]),
        comes_from=np.concatenate([level.comes_from + base for level, base in zip(levels, before, strict=False)]),
        before=int(before[-1]),
    )
