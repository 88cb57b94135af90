"""Outcomes on their way into Redis. What is sent and not recorded is sent again if this process dies, so while
outcomes wait, nothing more is sent."""

from __future__ import annotations

import asyncio
import logging
import time

from broker.redis.client import Client
from broker.redis.errors import BrokerError
from broker.steps.settle import Retry as RetryJob
from broker.steps.settle import Settled, settle
from worker.delivery.job_leases import Lease
from worker.delivery.running_job import RunningJob

log = logging.getLogger("hookline.worker")

_GIVE_UP_AFTER_S = 3600.0
"""Seconds that outcomes wait for a Redis that is away; they take no more room than what may be under way."""

_AGAIN_S = 0.1
"""Well below the moment in which a Redis that is back leaves begun jobs to their owners: see claim.lua."""

_PROMPT_S = 0.25
"""Seconds that Redis may take to record before sends wait for it."""


class Recorder:
    """Records the outcomes of one worker process."""

    def __init__(self, redis: Client, owner: str) -> None:
        self._redis = redis
        self._owner = owner
        self._since: dict[object, float] = {}  # writes under way, the oldest first, and when each began
        self._failing: set[object] = set()
        self._progress = asyncio.Event()

    async def record(self, running: RunningJob, settled: list[Settled], retries: list[RetryJob]) -> int:
        """Settle, waiting a while for a Redis that is away. Returns how many are open. Raises BrokerError."""
        write, began, runtime = object(), time.monotonic(), running.runtime
        feedback = runtime.feedback()
        self._since[write] = began
        try:
            while True:
                try:
                    rest = await settle(self._redis, self._owner, running.id, settled, retries, feedback)
                except BrokerError as error:
                    if time.monotonic() > began + _GIVE_UP_AFTER_S:
                        raise
                    if write not in self._failing:
                        log.warning("outcomes wait for Redis: %s", error, extra={"action": "redis_away"})
                    self._failing.add(write)
                    await asyncio.sleep(_AGAIN_S)
                else:
                    runtime.state = rest.state or runtime.state
                    return rest.open
        finally:
            del self._since[write]
            self._failing.discard(write)
            self._progress.set()

    async def keeps_up(self, lease: Lease) -> bool:
        """Wait until outcomes are recorded as they come; False where the lease ends before."""
        while self.is_behind() and lease.holds():
            self._progress.clear()
            try:
                async with asyncio.timeout(min(_AGAIN_S, lease.left_s())):
                    await self._progress.wait()
            except TimeoutError:
                continue
        return lease.holds()

    def is_behind(self) -> bool:
        """Whether an outcome has been waiting for Redis for too long."""
        if not self._since:
            return False
        return bool(self._failing) or time.monotonic() - next(iter(self._since.values())) > _PROMPT_S
