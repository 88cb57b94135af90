"""Records outcomes in Redis: those of one job with those of others that come during the write before.

While outcomes wait for Redis, nothing more is sent: a notification that was sent and not recorded is sent again if
this process dies.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from broker.redis.client import Client
from broker.redis.errors import BrokerError, Unavailable
from broker.redis.outage import Outage
from broker.steps.settle import JobOutcomes, Settled, SettleResult, settle
from broker.steps.settle import Retry as RetryJob
from worker.delivery.capacity.channel_runtime import ChannelRuntime
from worker.delivery.job_leases import Lease

log = logging.getLogger("hookline.worker")

_GIVE_UP_AFTER_S = 3600.0
"""Seconds that outcomes wait for a Redis that is not reachable. Their number is bounded by the sends under way."""

# Not the waits of broker/redis/outage.py: when Redis is back, jobs that were begun are left to their owners for a
# moment only (claim.lua), and the outcomes must be recorded well within it.
_RETRY_S = 0.1
"""Seconds between two tries to record outcomes."""

_PROMPT_S = 0.25
"""Seconds that Redis may take to record outcomes before further sends wait for it."""


# One step of Redis must not hold up the others for long.
_MOST = 256
"""Outcomes that are recorded together, at most, if each job has less."""


class _Group:
    """Outcomes of jobs that are recorded together."""

    def __init__(self) -> None:
        self.jobs: list[JobOutcomes] = []
        self.others: list[asyncio.Future[SettleResult]] = []
        """The results for all jobs but the first, whose task writes those of all."""

        self.size = 0


class OutcomeRecorder:
    """Records the outcomes of one worker process in one partition."""

    def __init__(self, redis: Client, owner: str, *, replicas: int = 0) -> None:
        """replicas: how many should have an outcome before it counts as recorded."""
        self._replicas = replicas
        self._redis = redis
        self._owner = owner
        self._outage = Outage(log, "recording outcomes", redis=redis)
        self._since: dict[object, float] = {}  # when each write under way began, the oldest first
        self._failing: set[object] = set()
        self._progress = asyncio.Event()
        self._group = _Group()  # takes further outcomes until its write begins
        self._writing = asyncio.Lock()
        self.on_recorded: Callable[[str, SettleResult], None] = lambda *_: None
        """Called after each write with the id of the job and the result."""

    async def record(
        self, job_id: str, runtime: ChannelRuntime, settled: list[Settled], retries: list[RetryJob]
    ) -> int:
        """Settle notifications, and wait for a Redis that is not reachable. Returns how many of the job are open.

        Raises BrokerError after an hour.
        """
        write, began = object(), time.monotonic()
        outcomes = JobOutcomes(job_id, settled, retries, runtime.feedback())
        # Bodies may be large, and a full Redis may refuse them.
        adds = bool(retries) or any(outcome.stored_letter for outcome in settled)
        self._since[write] = began
        try:
            while True:
                try:
                    # What fails is repeated by itself, so that it makes nothing else fail.
                    is_alone = adds or write in self._failing
                    rest = await (self._settle_alone(outcomes) if is_alone else self._settle(outcomes))
                except BrokerError as error:
                    if time.monotonic() > began + _GIVE_UP_AFTER_S:
                        raise
                    self._outage.note(error)
                    self._failing.add(write)
                    await asyncio.sleep(_RETRY_S)
                else:
                    self._outage.end()
                    if rest.state:
                        runtime.set_state(rest.state)
                    self.on_recorded(job_id, rest)
                    return rest.open
        finally:
            del self._since[write]
            self._failing.discard(write)
            self._progress.set()

    async def _settle(self, outcomes: JobOutcomes) -> SettleResult:
        """Settle with the outcomes that come until the write before has ended. Raises BrokerError."""
        group = self._group
        if group.size + len(outcomes.outcomes) > _MOST:
            group = self._group = _Group()
        group.jobs.append(outcomes)
        group.size += len(outcomes.outcomes)
        if len(group.jobs) > 1:
            result: asyncio.Future[SettleResult] = asyncio.get_running_loop().create_future()
            group.others.append(result)
            return await result
        error: BrokerError = Unavailable("the write was cancelled")
        results: list[SettleResult] = []
        try:
            async with self._writing:
                if self._group is group:
                    self._group = _Group()
                results = await settle(self._redis, self._owner, group.jobs, replicas=self._replicas)
            return results[0]
        except BrokerError as refused:
            error = refused
            raise
        finally:
            if self._group is group:
                self._group = _Group()
            for place, waiting in enumerate(group.others, 1):
                if waiting.done():
                    continue
                if results:
                    waiting.set_result(results[place])
                else:
                    waiting.set_exception(error)

    async def _settle_alone(self, outcomes: JobOutcomes) -> SettleResult:
        [result] = await settle(self._redis, self._owner, [outcomes], replicas=self._replicas)
        return result

    async def catches_up(self, lease: Lease) -> bool:
        """Wait until outcomes are recorded as they come; False where the lease ends before."""
        while self.is_behind() and lease.is_held():
            self._progress.clear()
            try:
                async with asyncio.timeout(min(_RETRY_S, lease.left_s())):
                    await self._progress.wait()
            except TimeoutError:
                continue
        return lease.is_held()

    def is_behind(self) -> bool:
        """Return whether an outcome has been waiting for Redis for too long."""
        if not self._since:
            return False
        return bool(self._failing) or time.monotonic() - next(iter(self._since.values())) > _PROMPT_S
