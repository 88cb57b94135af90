"""What one process counts: plain integers on the way of a webhook, turned into metrics when somebody asks."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict


class Histogram:
    """Counts by upper bound (inclusive); the last count is what lies above every bound."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class Counters:
    """Since the start of the process."""

    def __init__(self) -> None:
        self.answers: defaultdict[int, int] = defaultdict(int)
        """Answers to webhooks by status, 202 included."""

        self.bodies = 0
        self.bytes = 0
        self.batches = 0
        """Bodies, bytes of bodies and batches that were confirmed: by Redis, or as on disk."""

        self.spilled = 0
        self.drained = 0
        """Bodies that went to the disk, and bodies that went from there to Redis."""

        self.batch_bodies = Histogram((1, 2, 4, 8, 16, 32, 64, 128))
        """Bodies of confirmed batches."""

        self.accept_s = Histogram((0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10))
        """Seconds from the verified body to the confirmation."""
