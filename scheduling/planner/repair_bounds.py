"""What no repair can beat: prices on the rows, and the cheapest plan of every course under them.

For any prices, the sum of the cheapest plans less what all places together would cost is a bound (Lagrange). The volume
algorithm (Barahona and Anbil, 2000) brings the prices near the best ones in some dozens of cheap steps; the linear
programme in `repair_master` goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil

import numpy as np

from .repair_networks import Networks
from .repair_paths import Paths, Priced
from .repair_rows import Floats, Ints

STEPS = 80
BLEND = 0.12  # how much of what this step took goes into the average of what all took
PATIENCE, SHORTER = 8, 0.7  # after so many steps without a better bound they become so much shorter


@dataclass(frozen=True, slots=True)
class PricedCourses:
    """Every course under prices of the rows."""

    bound: float
    prices: Floats
    time_prices: Floats
    priced: Priced
    unplaced: Floats  # what it costs each course to be left without a plan

    def paths(self, networks: Networks, most: int) -> Paths:
        """Return the best plans of each course, each with another first date, at most so many."""
        courses, first = self.priced.first_dates(most)
        return self.priced.paths(courses, networks.buckets, self.time_prices, first)


class Bounds:
    """Asks for bounds, and remembers the best and its prices."""

    def __init__(self, networks: Networks, unplaced: list[int]) -> None:
        self.networks, self._unplaced = networks, np.array(unplaced, np.float64)
        self._beyond = np.array(networks.beyond)
        first = networks.buckets.first
        self._stays = np.array([first[bucket] for those in networks.stays for bucket in those], np.int64)
        self._whose = np.repeat(np.arange(len(networks.stays)), [len(those) for those in networks.stays])
        self.best = 0.0  # nothing costs less than nothing
        self.center: Floats = np.zeros(networks.capacity.shape)

    @property
    def proven(self) -> int:
        """Return the best bound as what it means for costs, which are whole numbers."""
        return ceil(self.best - 1e-6)

    def at(self, prices: Floats) -> PricedCourses:
        networks = self.networks
        time_prices = networks.buckets.prices(prices)
        priced = networks.whole.priced(networks.buckets.least(time_prices))
        unplaced = self._unplaced + np.bincount(self._whose, time_prices[self._stays], minlength=len(self._unplaced))
        least = np.minimum(np.minimum(priced.roots, self._beyond), unplaced).sum()
        rows = np.flatnonzero(prices.max(axis=1, initial=0.0))
        places = (prices[rows] * networks.capacity[rows]).sum()
        found = PricedCourses(float(least - places), prices, time_prices, priced, unplaced)
        if found.bound > self.best:
            self.best, self.center = found.bound, prices
        return found

    def cheapest(self, found: PricedCourses) -> tuple[Paths, Ints, Ints]:
        """Return the cheapest plans of those who are best placed, and what all take together: see `Buckets.taken`."""
        networks = self.networks
        placed = found.priced.roots <= found.unplaced
        paths = found.priced.paths(np.flatnonzero(placed), networks.buckets, found.time_prices)
        times = np.concatenate([paths.times.ravel(), self._stays[~placed[self._whose]]])
        return paths, *networks.buckets.taken(times, networks.capacity.shape[1])

    def climb(self, cost: Callable[[], int]) -> Iterator[Paths]:
        """Raise the bound step by step, yielding the plans that each step finds; `cost` is of the best answer."""
        capacity = self.networks.capacity
        average, excess = np.zeros(capacity.shape), -capacity
        active = np.flatnonzero(self.center)  # blocks that were ever short; no other has a price
        prices, length, without = self.center, 1.0, 0
        for _ in range(STEPS):
            before = self.best
            found = self.at(prices)
            paths, rows, taken = self.cheapest(found)
            yield paths
            without = 0 if self.best > before + 1e-9 else without + 1
            if without >= PATIENCE:
                length, without = length * SHORTER, 0
            excess[rows] += taken
            row, block = np.nonzero(excess[rows] > 0)
            active = np.union1d(active, rows[row] * capacity.shape[1] + block)
            flat, center = average.ravel(), self.center.ravel()[active]
            flat[active] = BLEND * excess.ravel()[active] + (1 - BLEND) * flat[active]
            excess[rows] = -capacity[rows]
            step = flat[active]
            helps = step[(center > 0) | (step > 0)]
            size = float((helps * helps).sum())
            if self.proven >= cost() or not size:
                return
            aim = min(cost(), 1.05 * self.best + 1)
            prices = np.zeros(capacity.shape)
            prices.ravel()[active] = np.maximum(0.0, center + length * max(aim - found.bound, 1.0) / size * step)
