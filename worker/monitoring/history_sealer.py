"""Seals the history of the partitions that this process reads, and removes what is older than it is kept.

A lease makes one worker of each partition do it. A worker that has lost its lease changes nothing.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection

from broker.history.sealing import drop_old, seal
from broker.history.settings import HistorySettings
from broker.redis.client import Client
from broker.redis.errors import BrokerError, translated
from broker.redis.leases import take_lease
from broker.redis.partitions import Partitions
from runtime.fault_log import Faults

log = logging.getLogger("hookline.worker")

EVERY_S = 20.0
"""Seconds between two checks."""

_DROP_EVERY_S = 300.0
"""Seconds between two removals of what is old."""

_LEASE_MS = 60_000


class HistorySealer:
    """Keeps the history of some partitions small."""

    def __init__(
        self, partitions: Partitions, settings: HistorySettings, owner: str, numbers: Callable[[], Collection[int]]
    ) -> None:
        """owner: the name of this worker. numbers: returns the partitions that this process reads now."""
        self.settings = settings
        self._partitions = partitions
        self._owner = owner
        self._numbers = numbers
        self._drop_at: dict[int, float] = {}
        self._faults = Faults(log, "the history was not sealed", action="history_failed")

    async def run(self) -> None:
        """Seal until cancelled. A partition that is away is tried again; its history waits in its stream."""
        while True:
            await asyncio.sleep(EVERY_S)
            await self.check_all()

    async def check_all(self) -> None:
        """Check each partition that this process reads. An error is logged, and does not end this."""
        for number in sorted(self._numbers()):
            await self._keep(self._partitions[number])

    async def _keep(self, redis: Client) -> None:
        try:
            await self.check(redis)
        except BrokerError as error:
            log.debug("the history of partition %d waits: %s", redis.partition, error)
        except Exception as error:  # noqa: BLE001 - logged
            self._faults.note(error)

    async def check(self, redis: Client) -> None:
        """Seal what is old in one partition, and remove what is kept long enough. Raises BrokerError."""
        is_time_to_drop = time.monotonic() >= self._drop_at.get(redis.partition, 0.0)
        with translated():
            length = await redis.xlen(redis.names.history)
        if not length and not is_time_to_drop:
            return
        if not await take_lease(redis, redis.names.history_lease, owner=self._owner, lasts_ms=_LEASE_MS):
            return
        while await seal(redis, self.settings):
            pass
        if is_time_to_drop:
            await drop_old(redis, self.settings, partitions=len(self._partitions))
            self._drop_at[redis.partition] = time.monotonic() + _DROP_EVERY_S
