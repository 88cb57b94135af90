"""A channel's rate, kept by all workers together."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque

from broker.queue.channel_state import reserve
from broker.redis.client import Client
from broker.redis.errors import BrokerError

_AHEAD_S = 0.25
"""Sends of so many seconds are reserved at a time: more would be lost with the process."""

_LATE_S = 0.05
"""A moment that passed so long ago is given up: those who were late together would exceed the rate together."""


class Pacer:
    """Gives each send of one process its moment."""

    def __init__(self, redis: Client, channel: str) -> None:
        self.waiting = 0
        """Sends that wait for their moment."""

        self._redis = redis
        self._channel = channel
        self._moments: deque[float] = deque()  # of the monotonic clock
        self._turn = asyncio.Lock()

    async def wait_for_slot(self, rate_per_s: float, until: float) -> bool:
        """Wait for the next moment; False where it lies beyond `until` (monotonic), or Redis is away."""
        self.waiting += 1
        try:
            async with self._turn:
                while self._moments and self._moments[0] < time.monotonic() - _LATE_S:
                    self._moments.popleft()
                if not self._moments and not await self._reserve(rate_per_s):
                    return False
                wait_s = self._moments[0] - time.monotonic()
                if time.monotonic() + wait_s > until:
                    return False
                if wait_s > 0:
                    await asyncio.sleep(wait_s)
                self._moments.popleft()
                return True
        finally:
            self.waiting -= 1

    async def _reserve(self, rate_per_s: float) -> bool:
        count = min(self.waiting, math.ceil(rate_per_s * _AHEAD_S))
        try:
            first_s, gap_s = await reserve(self._redis, self._channel, rate_per_s=rate_per_s, count=count)
        except BrokerError:
            return False
        first = time.monotonic() + first_s
        self._moments.extend(first + gap_s * place for place in range(count))
        return True
