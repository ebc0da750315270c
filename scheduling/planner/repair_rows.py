"""The rows that times take places from: one for each resource (or pool of them), date and block of minutes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from .diary import Diary

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Pool = frozenset[UUID] | UUID  # resources that can stand for each other; or a patient, who is in one place at a time


def ragged(begins: Ints, counts: Ints) -> tuple[Ints, Ints]:
    """Return the indices of several ranges one after the other, and of which range each is."""
    which = np.repeat(np.arange(len(counts)), counts)
    offset = np.cumsum(counts) - counts
    return np.arange(len(which)) - offset[which] + begins[which], which


@dataclass(slots=True)
class Buckets:
    """All times, by bucket, and where they take from the rows."""

    first: Ints  # per bucket, and one more
    of: Ints  # per time
    ticks: Ints
    begins: Ints  # per time and span: into the running sums of the rows
    ends: Ints

    def prices(self, rows: Floats) -> Floats:
        """Return what each time costs, when each block of the rows costs that much, or nothing."""
        sums = np.zeros((len(rows), rows.shape[1] + 1))
        priced = np.flatnonzero(rows.max(axis=1, initial=0.0))
        sums[priced, 1:] = np.cumsum(rows[priced], axis=1)
        flat = sums.ravel()
        return np.asarray((flat[self.ends] - flat[self.begins]).sum(axis=1))

    def least(self, time_prices: Floats) -> Floats:
        """Return the least of each bucket."""
        return np.minimum.reduceat(time_prices, self.first[:-1])

    def taken(self, times: Ints, width: int) -> tuple[Ints, Ints]:
        """Return the rows that these times take from, and how many places they take there of each block."""
        begins, ends = self.begins[times].ravel(), self.ends[times].ravel()
        rows, at = np.unique(begins // (width + 1), return_inverse=True)
        moved = (at - rows[at]) * (width + 1)
        size = len(rows) * (width + 1)
        diff = np.bincount(begins + moved, minlength=size) - np.bincount(ends + moved, minlength=size)
        return rows, np.cumsum(diff.reshape(len(rows), width + 1), axis=1)[:, :-1]


class Rows:
    """What the times take from, as one long array: a stretch of blocks for each pool and date."""

    def __init__(self, diary: Diary, block: int, first: int, until: int) -> None:
        self._diary, self.block, self.first = diary, block, first
        self.width = (until - first + block - 1) // block

    def capacities(self, rows: Iterable[tuple[Pool, date]]) -> Ints:
        """Return how many places each row has in each block."""
        rows = list(rows)
        each = list(dict.fromkeys((one, on) for pool, on in rows if not isinstance(pool, UUID) for one in pool))
        places = dict(zip(each, self._places(each), strict=True))
        one = np.ones(self.width, np.int64)
        free = [
            one if isinstance(pool, UUID) else sum((places[resource, on] for resource in pool), 0 * one)
            for pool, on in rows
        ]
        return np.array(free, np.int64).reshape(-1, self.width)

    def _places(self, each: Sequence[tuple[UUID, date]]) -> Ints:
        """Return how many places each resource has on a date that are free throughout each block."""
        if not each:
            return np.zeros((0, self.width), np.int64)
        free = [self._diary.free_places(resource, on) for resource, on in each]
        firsts = np.cumsum([0, *map(len, free[:-1])])
        size = (self.first + self.width * self.block + 7) // 8
        raw = b"".join((place & ((1 << 8 * size) - 1)).to_bytes(size, "little") for of in free for place in of)
        bits = np.unpackbits(np.frombuffer(raw, np.uint8).reshape(-1, size), axis=1, bitorder="little")
        minutes = bits[:, self.first : self.first + self.width * self.block]
        whole = minutes.reshape(len(minutes), self.width, self.block).all(axis=2)
        return np.add.reduceat(whole.astype(np.int64), firsts)
