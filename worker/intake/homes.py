"""The homes of events and digests, as one reader of a partition sees them."""

from __future__ import annotations

from msgspec import Struct

from broker.queue.dedupe import Mark
from broker.redis.partitions import Partitions


class Homes(Struct, frozen=True):
    """Finds the partition where an event or a digest is at home."""

    partitions: Partitions
    own: int
    """The number of the partition whose batches are read."""

    def of_event(self, mark: Mark) -> int:
        """Return the number of the partition that remembers an identity."""
        return self.partitions.home_of(mark.bucket)

    def of_digest(self, digest: str) -> int:
        """Return the number of the partition that has a digest."""
        return self.partitions.number_for(digest)
