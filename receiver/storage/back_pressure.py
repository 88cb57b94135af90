"""How much may wait in Redis before no more is taken."""

from __future__ import annotations

from time import monotonic

from broker.queue.backlog import queued_bytes
from broker.redis.client import Client

_EVERY_S = 1.0
_SHARE = 50
"""Redis walks the stream to measure it, 5 ms a GB. So it is asked no more often than this many times that."""


class BackPressure:
    """Measures what is queued about once a second: never for a webhook, so a second's worth may come on top."""

    def __init__(self, redis: Client, *, max_bytes: int) -> None:
        """`max_bytes`: 0 for no bound of ours."""
        self.max_bytes = max_bytes
        self.queued_bytes = 0
        """At the last look."""

        self._redis = redis
        self._next_s = 0.0

    def is_over(self) -> bool:
        """Whether Redis is to get no more."""
        return 0 < self.max_bytes <= self.queued_bytes

    async def look(self) -> None:
        """Measure, where it is time to. Raises BrokerError."""
        started_s = monotonic()
        if not self.max_bytes or started_s < self._next_s:
            return
        self.queued_bytes = await queued_bytes(self._redis)
        ended_s = monotonic()
        self._next_s = ended_s + max(_EVERY_S / 2, _SHARE * (ended_s - started_s))
