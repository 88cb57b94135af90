"""Divides the partitions among the live workers. Pure."""

from __future__ import annotations

from collections.abc import Sequence


def share_of(worker: str, live: Sequence[str], partitions: int) -> set[int]:
    """Return the numbers of the partitions that a worker reads.

    live: the names of all live workers, sorted, with this one. Each partition has at least one reader, and more
    than one only if there are more workers than partitions.
    """
    place = live.index(worker)
    if len(live) > partitions:
        return {place % partitions}
    return set(range(place, partitions, len(live)))
