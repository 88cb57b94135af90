"""Divides the partitions among the active workers. Pure."""

from __future__ import annotations

from collections.abc import Sequence


def share_of(worker: str, active: Sequence[str], partitions: int) -> set[int]:
    """Return the numbers of the partitions that a worker reads.

    active: the names of all active workers, sorted. A worker that is not one of them reads none. Each partition
    has at least one reader, and more than one only if there are more active workers than partitions.
    """
    if worker not in active:
        return set()
    place = active.index(worker)
    if len(active) > partitions:
        return {place % partitions}
    return set(range(place, partitions, len(active)))


def are_first(worker: str, active: Sequence[str], partitions: int) -> bool:
    """Return whether a worker is the first reader of the partitions of its share."""
    return worker in active[:partitions]
