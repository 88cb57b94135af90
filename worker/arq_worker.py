"""An arq worker that loses no job.

arq 0.28 deletes jobs whose function raises, is unknown or cannot be read, claims with WATCH, and dies with Redis.
Here a job of notifications is deleted by the step that settles its last one and by nothing else.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from arq import cron, func
from arq.connections import ArqRedis
from arq.worker import Function, Worker
from redis.exceptions import RedisError

from broker import jobs, keys
from broker.ending import ended
from broker.errors import BrokerError
from broker.jobs import Packed
from worker.intake import Backoff
from worker.notify import JOB_TIMEOUT_S, Notifier
from worker.settings import Settings

log = logging.getLogger("hookline.worker")

TAKE_OVER = "take_over_stalled"
"""Name of the cron job."""

_POLL_S = 0.1
_HEART_BEAT_S = 0.5
_HEALTH_S = 5
_UNFINISHED_DELAY_MS = 1000


class NotifyWorker(Worker):
    """Runs notify jobs and the cron job that takes over what dead workers left."""

    def __init__(
        self,
        redis: ArqRedis,
        settings: Settings,
        notifier: Notifier,
        take_over: Callable[[], Awaitable[Any]],
        *,
        name: str,
    ) -> None:
        async def notify(ctx: dict[str, Any], packed: Packed) -> None:
            await notifier.run(ctx["job_id"], packed, starts=ctx["job_try"])

        async def unreadable(ctx: dict[str, Any], _packed: Packed, error: str) -> None:
            await notifier.bury(ctx["job_id"], error)

        async def unknown(name: str, ctx: dict[str, Any], *_args: Any, **_kwargs: Any) -> None:
            await notifier.bury(ctx["job_id"], f"no job function named {name!r}")

        async def take_over_stalled(ctx: dict[Any, Any], *_args: Any, **_kwargs: Any) -> None:  # noqa: ARG001 - as arq calls it
            await take_over()

        super().__init__(
            functions=[func(notify, name=jobs.NOTIFY), func(unreadable, name=jobs.UNREADABLE)],
            cron_jobs=[
                cron(take_over_stalled, name=TAKE_OVER, second=_seconds(settings.takeover_s), max_tries=2**31)
            ],
            redis_pool=redis,
            handle_signals=False,
            max_jobs=settings.max_jobs,
            job_timeout=JOB_TIMEOUT_S,
            keep_result=0,
            max_tries=2**31,
            poll_delay=_POLL_S,
            health_check_interval=_HEALTH_S,
            health_check_key=keys.HEALTH + name,
            job_serializer=jobs.serialize,
            job_deserializer=jobs.deserialize,
            log_results=False,
        )
        redis.job_serializer = jobs.serialize
        redis.job_deserializer = jobs.deserialize
        self.functions = _Functions(self.functions, unknown)
        self._lease_ms = int(settings.lease_s * 1000)
        self._next_extension = 0.0
        self._next_heart_beat = 0.0
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()
        self._cancelled: set[str] = set()

    def wake(self) -> None:
        """There may be due jobs: look now instead of at the next poll."""
        self._wake.set()

    async def main(self) -> None:
        """Claim and run jobs until `drain`. Redis being away only makes it wait."""
        self.ctx["redis"] = self.pool
        backoff = Backoff("the job queue waits for Redis")
        while not self._stopping.is_set():
            try:
                await self._poll_iteration()
                backoff.over()
            except BrokerError as error:
                await backoff.wait(error, self._stopping)
            except (RedisError, OSError) as error:
                await backoff.wait(BrokerError(str(error)), self._stopping)
            await self._until_woken()

    async def drain(self, grace_s: float) -> None:
        """Take no more jobs, let those under way finish for `grace_s`, give the rest back."""
        self.allow_pick_jobs = False
        deadline = time.monotonic() + grace_s
        while self.tasks and time.monotonic() < deadline:
            await asyncio.wait(self.tasks.values(), timeout=min(1.0, grace_s))
            self._drop_finished()
        self._stopping.set()
        self._cancelled = set(self.tasks)
        await ended(list(self.job_tasks.values()))
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)

    async def _poll_iteration(self) -> None:
        self._drop_finished()
        free = self.max_jobs - self.job_counter
        if self.allow_pick_jobs and free > 0:
            for job_id in await jobs.claim(self.pool, count=free, lease_ms=self._lease_ms):
                if job_id not in self.tasks:  # else its lease had lapsed while this loop stood still
                    self._start(job_id)
        await self.heart_beat()

    def _start(self, job_id: str) -> None:
        self.job_counter += 1
        task = self.loop.create_task(self.run_job(job_id, int(time.time() * 1000)))
        task.add_done_callback(self._job_ended)
        self.tasks[job_id] = task

    def _job_ended(self, _task: asyncio.Task[None]) -> None:
        self.job_counter -= 1
        self._wake.set()

    def _drop_finished(self) -> None:
        for job_id, task in list(self.tasks.items()):
            if not task.done():
                continue
            del self.tasks[job_id]
            error = None if task.cancelled() else task.exception()
            if error is not None:  # its lease ends and it is run again
                log.warning("a job was left: %s", error, extra={"action": "job_left", "job": job_id})

    async def heart_beat(self) -> None:
        """Keep the leases of running jobs, show a sign of life, start due cron jobs."""
        now = time.monotonic()
        if self.tasks and now >= self._next_extension:
            await jobs.extend(self.pool, list(self.tasks), lease_ms=self._lease_ms)
            self._next_extension = now + self._lease_ms / 4000
        if now >= self._next_heart_beat:
            await super().heart_beat()
            self._next_heart_beat = now + _HEART_BEAT_S

    async def finish_job(self, job_id: str, *args: Any, **kwargs: Any) -> None:
        """Called by arq after a job: one of notifications goes only when all of it is settled."""
        if not jobs.size_of(job_id):
            await super().finish_job(job_id, *args, **kwargs)
            return
        given_back = job_id in self._cancelled
        await jobs.release(
            self.pool, job_id, delay_ms=0 if given_back else _UNFINISHED_DELAY_MS, forget_start=given_back
        )

    async def finish_failed_job(self, job_id: str, result_data: bytes | None) -> None:
        """Called by arq for a job that it could not start: see `finish_job`."""
        if jobs.size_of(job_id):
            await jobs.release(self.pool, job_id, delay_ms=_UNFINISHED_DELAY_MS)
        else:
            await super().finish_failed_job(job_id, result_data)

    async def _until_woken(self) -> None:
        try:
            async with asyncio.timeout(_POLL_S):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()


def _seconds(takeover_s: float) -> set[int]:
    """The seconds of a minute at which to look for stalled batches: six times within takeover_s."""
    return set(range(0, 60, min(30, max(1, int(takeover_s / 6)))))


class _Functions(dict[str, Any]):
    """arq's functions by name; one that is not there buries the job instead of deleting it."""

    def __init__(self, known: dict[str, Any], unknown: Callable[..., Awaitable[None]]) -> None:
        super().__init__(known)
        self._unknown = unknown

    def __missing__(self, name: str) -> Function:
        return Function(name, partial(self._unknown, name), None, 0, False, None)  # type: ignore[arg-type]
