"""The counters of one process: plain integers, which a scrape of /metrics turns into metrics."""

from __future__ import annotations

from collections import defaultdict

from runtime.metrics.declaration import Histogram

BATCH_BODIES = (1, 2, 4, 8, 16, 32, 64, 128)
ACK_DURATION_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


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

        self.batch_bodies = Histogram(BATCH_BODIES)
        """Number of bodies in each confirmed batch."""

        self.ack_duration_s = Histogram(ACK_DURATION_S)
        """Seconds from the verified body to the confirmation."""
