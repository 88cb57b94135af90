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

_AHEAD_S = 10.0
"""Seconds from now within which the first reserved slot must be: see reserve.lua."""

# A worker must have claimed it again by then.
_EARLY_S = 5.0
"""Seconds before its slot at which a notification that was put off is due again."""

# The rate may be raised meanwhile.
_LONGEST_WAIT_S = 60.0
"""Seconds for which a notification is put off, at most."""

_AWAY_RETRY_S = 1.0
"""Seconds until a notification asks again, if the partition of the channel's rate does not answer."""

# Sends that were late together would exceed the rate together.
_LATE_S = 0.05
"""Seconds after which an unused slot is given up."""


class Pacer:
    """Gives each send of one process its slot: the time at which it may begin."""

    def __init__(self, redis: Client, channel: str) -> None:
        self.rate_per_s = 0.0
        """Sends a second of all workers together; 0 for no limit. Set by `reload`."""

        self.waiting = 0
        """The number of sends that wait for their slot."""

        self._redis = redis
        self._channel = channel
        self._slots: deque[float] = deque()  # times of the monotonic clock
        self._next_free = 0.0  # the first slot that is not reserved, or an earlier time: of the monotonic clock
        self._lock = asyncio.Lock()

    def reload(self, rate_per_s: float) -> None:
        """Keep this rate from now on. A send that waits for its slot keeps it."""
        if rate_per_s != self.rate_per_s:
            self.rate_per_s = rate_per_s
            self._slots.clear()
            self._next_free = 0.0

    def far_s(self) -> float:
        """Seconds for which no send needs to ask for a slot, because all slots are reserved; 0 to ask now."""
        return min(max(0.0, self._next_free - _EARLY_S - time.monotonic()), _LONGEST_WAIT_S)

    async def wait_for_slot(self, until: float) -> float | None:
        """Wait for the next slot. Returns None when it has come, or in how many seconds to ask again.

        The second is the case if the slot is later than `until` (monotonic) or far ahead, or if Redis is not
        reachable.
        """
        self.waiting += 1
        try:
            async with self._lock:
                if not self.rate_per_s:  # since a reload
                    return None
                while self._slots and self._slots[0] < time.monotonic() - _LATE_S:
                    self._slots.popleft()
                try:
                    if not self._slots and not await self._reserve(until):
                        return self.far_s()
                except BrokerError:
                    return _AWAY_RETRY_S
                slot = self._slots[0]
                if slot > until:
                    return 0.0
                await asyncio.sleep(max(0.0, slot - time.monotonic()))
                if self._slots:  # not after a reload
                    self._slots.popleft()
                return None
        finally:
            self.waiting -= 1

    async def _reserve(self, until: float) -> bool:
        """Reserve the next slots; False where the first is too far ahead. Raises BrokerError."""
        now, rate_per_s = time.monotonic(), self.rate_per_s
        within_s = min(until - now, _AHEAD_S)
        if self._next_free > now + within_s:
            return False
        count = min(self.waiting, math.ceil(rate_per_s * _RESERVE_S))
        slots = await reserve(self._redis, self._channel, rate_per_s=rate_per_s, count=count, within_s=within_s)
        first = time.monotonic() + slots.first_s
        if not slots.are_reserved:
            self._next_free = first
            return False
        self._slots.extend(first + slots.gap_s * place for place in range(count))
        return True
