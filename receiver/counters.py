"""The counters of one process: plain integers, which a scrape of /metrics turns into metrics."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict


class Histogram:
    """Counts of values by inclusive upper bound; the last count is of values above every bound."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Add one value to its bucket and to the sum."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class Counters:
    """All counts since the start of the process."""

    def __init__(self) -> None:
        self.responses: defaultdict[int, int] = defaultdict(int)
        """Responses to webhooks by status, 202 included."""

        self.bodies = 0
        self.bytes = 0
        self.batches = 0
        """Bodies, bytes of bodies, and batches that Redis or the disk confirmed."""

        self.spilled = 0
        self.drained = 0
        """Bodies that were written to the disk, and bodies that were moved from there to Redis."""

        self.batch_bodies = Histogram((1, 2, 4, 8, 16, 32, 64, 128))
        """Number of bodies in each confirmed batch."""

        self.accept_s = Histogram((0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10))
        """Seconds from the verified body to the confirmation."""
