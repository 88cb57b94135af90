"""Limits how much may wait in Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import monotonic

from broker.queue.backlog import queued_bytes
from broker.redis.client import Client
from broker.redis.errors import BrokerError, Misconfigured

_EVERY_S = 1.0
_SHARE = 50
"""The pause between two measurements, as a multiple of the time that one takes: Redis walks the whole stream,
which takes 5 ms per GB."""

_REFUSED_EVERY_S = 30.0
"""The pause after a measurement that Redis refused."""

NOT_MEASURED = (
    "receiver.max_queued_bytes has no effect, because Redis refuses MEMORY USAGE: allow it (+memory|usage); until "
    "then only maxmemory limits the queue"
)


class BackPressure:
    """Measures the queue about once a second. Between two measurements it may exceed the limit."""

    def __init__(self, *, max_bytes: int) -> None:
        """`max_bytes`: the limit for all partitions together; 0 for none."""
        self.max_bytes = max_bytes
        self.refusal = ""
        """A text for the operator if Redis refused the last measurement; "" if it did not."""

        self._bytes: dict[int, int] = {}  # by partition, at its last measurement; 0 if Redis refused it
        self._next_s = 0.0

    @property
    def queued_bytes(self) -> int:
        """Bytes in the queue at the last measurement of each partition."""
        return sum(self._bytes.values())

    def is_exceeded(self) -> bool:
        """True if Redis should get no further webhooks."""
        return 0 < self.max_bytes <= self.queued_bytes

    async def measure(self, partitions: Sequence[Client]) -> None:
        """Measure the queues of these partitions if the pause since the last time is over.

        For partitions that do not answer, the last size counts.
        """
        started_s = monotonic()
        if not self.max_bytes or started_s < self._next_s:
            return
        are_measured = await asyncio.gather(*map(self._measure_one, partitions))
        if not all(are_measured):
            self.refusal = NOT_MEASURED
            self._next_s = started_s + _REFUSED_EVERY_S
            return
        self.refusal = ""
        ended_s = monotonic()
        self._next_s = ended_s + max(_EVERY_S / 2, _SHARE * (ended_s - started_s))

    async def _measure_one(self, redis: Client) -> bool:
        """Measure the queue of one partition. Returns False if Redis refused it."""
        try:
            self._bytes[redis.partition] = await queued_bytes(redis)
        except Misconfigured:
            self._bytes[redis.partition] = 0
            return False
        except BrokerError:
            pass  # the last size counts
        return True
