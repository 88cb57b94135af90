"""Dead notifications whose event came once more are tried again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from broker.dead_letters.replay import retry_redelivered
from broker.redis.client import Client
from broker.redis.errors import BrokerError
from runtime.fault_log import Faults
from worker.permanent_errors import LastingFaults

log = logging.getLogger("hookline.worker")

_LOOK_EVERY_S = 5.0
"""For what a worker marked that was killed before it looked."""


class Revival:
    """Brings back what commits marked."""

    def __init__(self, redis: Client, on_jobs: Callable[[], None]) -> None:
        """on_jobs: called when there are new jobs."""
        self._redis = redis
        self._on_jobs = on_jobs
        self._marked = asyncio.Event()

    def wake(self) -> None:
        """A commit marked some."""
        self._marked.set()

    async def run(self) -> None:
        """Bring them back, until cancelled. Redis being away only makes it wait."""
        lasting = LastingFaults("dead letters that were sent again are not retried")
        faults = Faults(log, "dead letters were not brought back", action="revival_failed")
        while True:
            try:
                retried_on_redelivery = await retry_redelivered(self._redis)
            except BrokerError as error:
                lasting.note(error)
                retried_on_redelivery = 0  # intake and the queue tell of what passes
            except Exception as error:  # noqa: BLE001 - logged
                retried_on_redelivery = 0
                faults.note(error)
            if retried_on_redelivery:
                log.info(
                    "%d dead letters retried after a redelivery",
                    retried_on_redelivery,
                    extra={"action": "dead_letters_retried", "letters": retried_on_redelivery},
                )
                self._on_jobs()
                continue
            try:
                async with asyncio.timeout(_LOOK_EVERY_S):
                    await self._marked.wait()
            except TimeoutError:
                continue
            self._marked.clear()
