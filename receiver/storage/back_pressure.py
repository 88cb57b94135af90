"""Limits how much may wait in Redis."""

from __future__ import annotations

from time import monotonic

from broker.queue.backlog import queued_bytes
from broker.redis.client import Client
from broker.redis.errors import Misconfigured

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

    def __init__(self, redis: Client, *, max_bytes: int) -> None:
        """`max_bytes`: the limit; 0 for none."""
        self.max_bytes = max_bytes
        self.queued_bytes = 0
        """Bytes in the queue at the last measurement; 0 if Redis refused it."""

        self.refusal = ""
        """A text for the operator if Redis refused the last measurement; "" if it did not."""

        self._redis = redis
        self._next_s = 0.0

    def is_exceeded(self) -> bool:
        """True if Redis should get no further webhooks."""
        return 0 < self.max_bytes <= self.queued_bytes

    async def measure(self) -> None:
        """Measure the queue if the pause since the last time is over. Raises BrokerError."""
        started_s = monotonic()
        if not self.max_bytes or started_s < self._next_s:
            return
        try:
            self.queued_bytes = await queued_bytes(self._redis)
        except Misconfigured:
            self.queued_bytes, self.refusal = 0, NOT_MEASURED
            self._next_s = started_s + _REFUSED_EVERY_S
            return
        self.refusal = ""
        ended_s = monotonic()
        self._next_s = ended_s + max(_EVERY_S / 2, _SHARE * (ended_s - started_s))
