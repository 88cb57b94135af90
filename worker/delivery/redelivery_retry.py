"""Retries dead notifications whose event was delivered again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from broker.dead_letters.replay import retry_redelivered
from broker.redis.client import Client
from broker.redis.outage import Outage, repeat
from runtime.fault_log import Faults

log = logging.getLogger("hookline.worker")

# A worker may be killed after its commit marked dead letters and before it retried them. Then a heartbeat wakes
# another one.
_CHECK_EVERY_S = 60.0
"""Seconds between two checks without a wake-up."""


class RedeliveryRetry:
    """Retries the dead letters that commits marked."""

    def __init__(self, redis: Client, on_jobs: Callable[[], None]) -> None:
        """on_jobs: called when there are new jobs."""
        self._redis = redis
        self._on_jobs = on_jobs
        self._marked = asyncio.Event()

    def wake(self) -> None:
        """Check now: dead letters are marked."""
        self._marked.set()

    async def run(self) -> None:
        """Retry marked dead letters until cancelled. While Redis is not reachable, it waits."""
        faults = Faults(log, "dead letters were not retried", action="redelivery_retry_failed")
        outage = Outage(log, "retrying redelivered dead letters", redis=self._redis, is_secondary=True)

        async def step() -> float:
            retried = await retry_redelivered(self._redis)
            if not retried:
                return _CHECK_EVERY_S
            log.info(
                "%d dead letters retried after a redelivery",
                retried,
                extra={"action": "dead_letters_retried", "letters": retried},
            )
            self._on_jobs()
            return 0.0

        await repeat(step, outage, faults, wake=self._marked)
