"""The declaration of a metric, and the values that a process counts for it.

Counts are plain numbers. A library's counters would take a lock for each of them, and those that several processes
share would write to a file.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

Kind = Literal["counter", "gauge", "histogram"]


class Metric(Struct, frozen=True):
    """The declaration of a metric, as /metrics and its documentation show it."""

    name: str
    """The name in full; that of a counter ends with `_total`."""

    kind: Kind
    text: str
    labels: tuple[str, ...] = ()
    """The names of the labels, without `process`."""

    bounds: tuple[float, ...] = ()
    """For a histogram: the inclusive upper bounds of its buckets, without the infinite one."""

    per_process: bool = True
    """True if each process has its own value, which gets the label `process`."""


class Sample(Struct, frozen=True, array_like=True):
    """A value of a metric."""

    value: float
    """The value; for a histogram the sum of the values that it saw."""

    labels: Sequence[str] = ()
    """The values of the labels, in the order of the declaration."""

    counts: Sequence[int] = ()
    """For a histogram: the number of values in each bucket, the infinite one included."""


Samples = dict[str, list[Sample]]
"""The values of metrics, by the name of the metric."""


class Histogram:
    """Counts of values by inclusive upper bound; the last count is of values above every bound."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float, count: int = 1) -> None:
        """Add a value to its bucket and to the sum, `count` times."""
        self.counts[bisect_left(self.bounds, value)] += count
        self.total += value * count

    def sample(self, *labels: str) -> Sample:
        """Return what was counted until now."""
        return Sample(self.total, labels, tuple(self.counts))
