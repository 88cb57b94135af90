"""Returns held bodies to the stream when the partition that they wait for answers again."""

from __future__ import annotations

import asyncio
import logging
import time

from broker.queue.held_bodies import release, waiting_homes
from broker.redis.client import Client
from broker.redis.errors import BrokerError
from broker.redis.outage import Outage, repeat
from runtime.fault_log import Faults
from worker.intake.home_steps import HomeSteps

log = logging.getLogger("hookline.worker")

_RARELY_S = 60.0
"""Seconds between two looks for bodies that other workers held."""

_PROBE_EVERY_S = 1.0
"""Seconds between two looks whether a partition is back."""

_AGAIN_S = 0.1
_MOST = 20
"""Batches that return to the stream at a time: about as many as one read takes."""


class HeldBodiesRelease:
    """Watches the partitions that bodies of one partition wait for."""

    def __init__(self, redis: Client, home_steps: HomeSteps) -> None:
        """redis: the partition whose bodies wait."""
        self._redis = redis
        self._home_steps = home_steps
        self._wake = asyncio.Event()
        self._next_look = 0.0

    def note_held(self) -> None:
        """Note that a commit held bodies."""
        self._next_look = 0.0
        self._wake.set()

    async def run(self) -> None:
        """Release bodies until cancelled. While Redis is not reachable, it waits."""
        faults = Faults(log, "held bodies were not released", action="release_failed")
        outage = Outage(log, "releasing held bodies", redis=self._redis, is_secondary=True)
        await repeat(self._step, outage, faults, wake=self._wake)

    async def _step(self) -> float:
        away = self._home_steps.away
        for home in list(away):
            if await self._is_back(home):
                away.discard(home)
                text = "partition %d is back"
                log.info(text, home, extra={"action": "partition_back", "partition": home})
        if time.monotonic() >= self._next_look:
            waiting = await waiting_homes(self._redis)
            ready = [home for home in waiting if home not in away]
            left = sum([await release(self._redis, home, most=_MOST) for home in ready])
            if left:
                return _AGAIN_S
            self._next_look = time.monotonic() + (_PROBE_EVERY_S if waiting else _RARELY_S)
        return _PROBE_EVERY_S if away else max(0.0, self._next_look - time.monotonic())

    async def _is_back(self, home: int) -> bool:
        try:
            async with asyncio.timeout(_PROBE_EVERY_S):
                await self._home_steps.probe(home)
        except (BrokerError, TimeoutError):
            return False
        return True
