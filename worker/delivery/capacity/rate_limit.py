"""A channel's rate limit, which all workers keep together."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque

from broker.queue.channel_state import reserve
from broker.redis.client import Client
from broker.redis.errors import BrokerError

# Slots that are reserved and not used are lost, for example when the process dies.
_RESERVE_S = 0.25
"""Seconds for which slots are reserved at a time."""

# Sends that were late together would exceed the rate together.
_LATE_S = 0.05
"""Seconds after which an unused slot is given up."""


class Pacer:
    """Gives each send of one process its slot: the time at which it may begin."""

    def __init__(self, redis: Client, channel: str) -> None:
        self.waiting = 0
        """The number of sends that wait for their slot."""

        self._redis = redis
        self._channel = channel
        self._slots: deque[float] = deque()  # times of the monotonic clock
        self._lock = asyncio.Lock()

    async def wait_for_slot(self, rate_per_s: float, until: float) -> bool:
        """Wait for the next slot; False where it is later than `until` (monotonic), or Redis is not reachable."""
        self.waiting += 1
        try:
            async with self._lock:
                while self._slots and self._slots[0] < time.monotonic() - _LATE_S:
                    self._slots.popleft()
                if not self._slots and not await self._reserve(rate_per_s):
                    return False
                wait_s = self._slots[0] - time.monotonic()
                if time.monotonic() + wait_s > until:
                    return False
                if wait_s > 0:
                    await asyncio.sleep(wait_s)
                self._slots.popleft()
                return True
        finally:
            self.waiting -= 1

    async def _reserve(self, rate_per_s: float) -> bool:
        count = min(self.waiting, math.ceil(rate_per_s * _RESERVE_S))
        try:
            first_s, gap_s = await reserve(self._redis, self._channel, rate_per_s=rate_per_s, count=count)
        except BrokerError:
            return False
        first = time.monotonic() + first_s
        self._slots.extend(first + gap_s * place for place in range(count))
        return True
