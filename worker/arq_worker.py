"""An arq worker that loses no job.

arq 0.28 deletes a job whose function raises, is unknown or cannot be read, claims jobs with WATCH, and ends when
Redis is not reachable. Here only the step that settles the last notification of a job deletes it.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any

from arq import func
from arq.connections import ArqRedis
from arq.worker import Function, Worker

from broker.queue import heartbeat, jobs
from broker.queue.claims import Claimant, Claimed, Claims
from broker.queue.heartbeat import Upcoming
from broker.queue.jobs import Packed
from broker.redis.clock import now_ms, report
from broker.redis.errors import BrokerError, Misconfigured, translated
from broker.redis.outage import Outage, repeat
from broker.steps.settle import SettleResult
from runtime.fault_log import Faults
from runtime.task_cancellation import cancel_and_wait
from worker.claim_times import POLL_S, ClaimTimes
from worker.components import ReloadableNotifier
from worker.delivery.capacity.job_room import JobRoom
from worker.delivery.job_leases import Leases
from worker.delivery.notify import JOB_TIMEOUT_S
from worker.delivery.partition import Partition
from worker.delivery.running_job import Unfinished
from worker.health import HEARTBEAT_S, heartbeat_s
from worker.settings import Settings

log = logging.getLogger("hookline.worker")

_UNFINISHED_DELAY_MS = 1000
_LAST_CLAIM_S = 1.0


class NotifyWorker(Worker):
    """Runs the notify jobs of one partition: claims them, keeps their leases and gives back unfinished ones."""

    def __init__(
        self,
        partition: Partition,
        settings: Settings,
        leases: Leases,
        room: JobRoom,
        notifier: ReloadableNotifier,
    ) -> None:
        redis = partition.redis

        async def notify(ctx: dict[str, Any], packed: Packed) -> None:
            claimed: Claimed = ctx["claimed"]
            job_id = claimed.id
            try:
                rest = await notifier.run(partition, claimed, packed, leases.of(job_id))
            except BrokerError as error:
                self._note_left(job_id, error)
                rest = Unfinished(_UNFINISHED_DELAY_MS)
            self._rest[job_id] = rest

        async def unreadable(ctx: dict[str, Any], _packed: Packed, error: str) -> None:
            await dead_letter_job(ctx["job_id"], error)

        async def unknown(name: str, ctx: dict[str, Any], *_args: Any, **_kwargs: Any) -> None:
            await dead_letter_job(ctx["job_id"], f"no job function named {name!r}")

        async def dead_letter_job(job_id: str, error: str) -> None:
            if not await notifier.dead_letter_job(partition, job_id, error):
                self._deferred.add(job_id)

        super().__init__(
            functions=[func(notify, name=jobs.NOTIFY), func(unreadable, name=jobs.UNREADABLE)],
            queue_name=redis.names.queue,
            # arq only keeps this client: every step of a job uses Hookline's own.
            redis_pool=ArqRedis(redis.connection_pool),
            handle_signals=False,
            max_jobs=settings.max_jobs,
            job_timeout=JOB_TIMEOUT_S,
            keep_result=0,
            max_tries=2**31,
            poll_delay=POLL_S,
            health_check_interval=HEARTBEAT_S,
            health_check_key=redis.names.health + partition.owner,
            job_serializer=jobs.serialize,
            job_deserializer=jobs.deserialize,
            log_results=False,
        )
        self.functions = _Functions(self.functions, unknown)
        self._redis = redis
        self._partition = partition
        self._notifier = notifier
        self._is_clock_off = False
        self._outage = Outage(log, "running jobs", redis=redis)
        self._leases = leases
        self._room = room
        self._extend_every_s = settings.lease_s / 4
        self._heartbeat_s = heartbeat_s(settings)
        self._next_extension = 0.0
        self._next_heartbeat = 0.0
        self._claims = ClaimTimes()
        partition.recorder.on_recorded = self._note_recorded
        self.on_upcoming: Callable[[Upcoming], None] = lambda _: None
        """Called after each heartbeat with the work that Redis has."""

        self.idle = asyncio.Event()
        """Set while no job runs."""

        self.idle.set()
        self._stopping = asyncio.Event()
        self._rest: dict[str, Unfinished | None] = {}  # what each run that ended left open
        self._deferred: set[str] = set()
        self._settled: dict[str, bool] = {}  # the jobs that end, each with whether another one was due then

    def wake(self) -> None:
        """Look for due jobs now."""
        self._claims.claim_now()

    async def main(self) -> None:
        """Claim and run jobs until `drain`. While Redis is not reachable, it waits.

        It claims when the next job is due, as the last claim, heartbeat or outcome reported, and when it is woken.
        While jobs run, it claims ten times a second, since then nothing reports the jobs of other processes.
        """
        faults = Faults(log, "jobs were not claimed", action="claim_failed")

        async def step() -> float:
            with translated():
                await self._poll_iteration()
            return self._claims.pause_s(jobs_run=bool(self.tasks), at_most_until=self._next_heartbeat)

        outage = Outage(log, "claiming jobs", redis=self._redis)
        await repeat(step, outage, faults, stop=self._stopping, wake=self._claims.wake)

    async def drain(self, ends: asyncio.Event, grace_s: float) -> None:
        """Claim no more jobs, and let running ones finish. From `ends` on they have `grace_s` seconds for that.

        Those that have not finished then are given back.
        """
        self.allow_pick_jobs = False
        deadline = math.inf
        while self.tasks and time.monotonic() < deadline:
            if ends.is_set():
                deadline = min(deadline, time.monotonic() + grace_s)
            await asyncio.wait(list(self.tasks.values()), timeout=min(1.0, grace_s))
        with suppress(BrokerError, TimeoutError):  # a job that was just committed is for others: wake one
            async with asyncio.timeout(_LAST_CLAIM_S):
                await self._leases.claim(0)
        self._stopping.set()
        self.wake()
        left = dict(self.tasks)
        await cancel_and_wait(list(left.values()))
        cancelled = [job_id for job_id, task in left.items() if task.cancelled() and job_id not in self._deferred]
        await asyncio.gather(*map(self._give_back_now, cancelled), return_exceptions=True)

    def claimant(self) -> Claimant:
        """Return for how many jobs there is room now."""
        return self._leases.claimant(self._free())

    def _free(self) -> int:
        return self._room.free(self._partition) if self.allow_pick_jobs else 0

    async def start(self, claims: Claims, asked: float) -> None:
        """Start jobs that were claimed for this worker. asked: the time of the monotonic clock before that."""
        self._claims.note_start()
        await self._start_all(self._leases.taken(claims, asked))

    async def _poll_iteration(self) -> None:
        await now_ms(self._redis)  # keeps the copy of Redis' clock that running jobs use up to date
        if self._claims.is_due(jobs_run=bool(self.tasks)):
            await self._claim()
        await self.heart_beat()

    async def _claim(self) -> None:
        # Without room it claims too, so that the step wakes another worker where jobs are due.
        self._claims.begin_claim()
        try:
            claims = await self._leases.claim(self._free())
        except BaseException:
            self._claims.claim_now()
            raise
        if self.allow_pick_jobs:
            self._room.note_claim(self._partition, left_jobs=claims.next_job_s == 0)
        await self._start_all(claims)
        # What is due and was not taken is for others, so this worker leaves it for a moment.
        self._claims.claim_in(POLL_S if claims.next_job_s == 0 else claims.next_job_s)

    async def _start_all(self, claims: Claims) -> None:
        self._partition.channels.note_states(claims.channels)
        for job in claims.jobs:
            if self.allow_pick_jobs:
                self._start(job)
            else:  # `drain` began meanwhile
                await self._give_back_now(job.id)
                self._leases.drop(job.id)

    def _note_recorded(self, job_id: str, result: SettleResult) -> None:
        if result.open <= 0:
            self._settled[job_id] = result.next_job_s == 0
        if result.next_job_s:
            self._claims.claim_in(result.next_job_s)

    def _start(self, job: Claimed) -> None:
        if not self.tasks:  # its lease is new, so it need not be extended yet
            self._next_extension = time.monotonic() + self._extend_every_s
        self.idle.clear()
        self.job_counter += 1
        self._room.start_job(self._partition, jobs.size_of(job.id))
        self.tasks[job.id] = task = self.loop.create_task(self._run(job))
        task.add_done_callback(partial(self._job_ended, job.id))

    def _job_ended(self, job_id: str, task: asyncio.Task[None]) -> None:
        del self.tasks[job_id]
        self._leases.drop(job_id)
        self.job_counter -= 1
        self._room.end_job(self._partition, jobs.size_of(job_id))
        if not self.job_counter:
            self.idle.set()
        if not task.cancelled() and (error := task.exception()):
            self._note_left(job_id, error)
        if self._settled.pop(job_id, True):
            self.wake()

    def _note_left(self, job_id: str, error: BaseException) -> None:
        """Log why a job was left. When its lease ends, it runs again."""
        # What waiting does not fix, such as a missing permission, fails every job: it is logged once a minute.
        if isinstance(error, Misconfigured):
            self._outage.note(error)
        else:
            log.warning("a job was left: %s", error, extra={"action": "job_left", "job": job_id})

    async def heart_beat(self) -> None:
        """Renew the leases of running jobs, and report that this worker is alive. Overrides arq's method."""
        now = time.monotonic()
        if now >= self._next_extension:
            await self._leases.extend()
            self._next_extension = now + self._extend_every_s
        if now >= self._next_heartbeat:
            await self._report_clock()
            upcoming = await heartbeat.beat(
                self._redis,
                self.health_check_key,
                self._notifier.fingerprint,
                lasts_ms=heartbeat.ALIVE_MS,
                lease_ms=self._leases.lease_ms,
            )
            self._next_heartbeat = now + self._heartbeat_s
            self._claims.claim_in(upcoming.next_job_s)
            self.on_upcoming(upcoming)

    async def _report_clock(self) -> None:
        ahead_ms = await report(self._redis, self._partition.owner)
        if ahead_ms and not self._is_clock_off:
            text = "the clock of this host differs from that of Redis by %.1f s: synchronize it with NTP"
            log.warning(text, ahead_ms / 1000, extra={"action": "clock_off", "ahead_ms": ahead_ms})
        self._is_clock_off = bool(ahead_ms)

    async def _run(self, claimed: Claimed) -> None:
        """Run a job; takes the place of arq's `run_job`."""
        job_id, job = claimed.id, jobs.deserialize(claimed.blob)
        ctx = {**self.ctx, "job_id": job_id, "job_try": claimed.starts, "claimed": claimed}
        try:
            async with asyncio.timeout(JOB_TIMEOUT_S):
                await self.functions[job["f"]].coroutine(ctx, *job["a"], **job["k"])
        except Exception:
            log.exception("a job failed", extra={"action": "job_failed", "job": job_id})
        await self._give_back(job_id)

    async def _give_back(self, job_id: str) -> None:
        """Give back a job that has ended, unless nothing of it is open."""
        if job_id in self._deferred:
            self._deferred.discard(job_id)
        elif job_id not in self._rest:  # its run raised
            await self._leases.give_back(job_id, delay_ms=_UNFINISHED_DELAY_MS, forget_start=False)
        elif rest := self._rest.pop(job_id):
            await self._leases.give_back(job_id, delay_ms=rest.delay_ms, forget_start=True)

    async def _give_back_now(self, job_id: str) -> None:
        """Give back a job that was not run, or was cancelled."""
        await self._leases.give_back(job_id, delay_ms=0, forget_start=True)


class _Functions(dict[str, Any]):
    """arq's functions by name. An unknown name leads to a function that makes the job a dead letter."""

    def __init__(self, functions: dict[str, Any], unknown: Callable[..., Awaitable[None]]) -> None:
        super().__init__(functions)
        self._unknown = unknown

    def __missing__(self, name: str) -> Function:
        return Function(name, partial(self._unknown, name), None, 0, False, None)  # type: ignore[arg-type]
