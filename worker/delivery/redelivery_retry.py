"""Retries dead notifications whose event was delivered again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from broker.dead_letters.replay import retry_redelivered
from broker.redis.client import Client
from broker.redis.errors import BrokerError
from runtime.fault_log import Faults
from worker.permanent_errors import PermanentErrorLog

log = logging.getLogger("hookline.worker")

# A worker may be killed after its commit marked dead letters and before it retried them.
_CHECK_EVERY_S = 5.0
"""Seconds between two checks without a wake-up."""


class RedeliveryRetry:
    """Retries the dead letters that commits marked."""

    def __init__(self, redis: Client, on_jobs: Callable[[], None]) -> None:
        """on_jobs: called when there are new jobs."""
        self._redis = redis
        self._on_jobs = on_jobs
        self._marked = asyncio.Event()

    def wake(self) -> None:
        """Check now: a commit marked dead letters."""
        self._marked.set()

    async def run(self) -> None:
        """Retry marked dead letters until cancelled. While Redis is not reachable, it waits."""
        permanent = PermanentErrorLog("dead letters that were delivered again are not retried")
        faults = Faults(log, "dead letters were not retried", action="redelivery_retry_failed")
        while True:
            try:
                retried = await retry_redelivered(self._redis)
            except BrokerError as error:
                permanent.note(error)  # intake and the job queue log errors that pass
                retried = 0
            except Exception as error:  # noqa: BLE001 - logged
                retried = 0
                faults.note(error)
            if retried:
                log.info(
                    "%d dead letters retried after a redelivery",
                    retried,
                    extra={"action": "dead_letters_retried", "letters": retried},
                )
                self._on_jobs()
                continue
            try:
                async with asyncio.timeout(_CHECK_EVERY_S):
                    await self._marked.wait()
            except TimeoutError:
                continue
            self._marked.clear()
