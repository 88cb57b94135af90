"""Read: takes entries from the stream and walks them through the steps of worker/intake/__init__.py."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Sequence

from broker.queue import stream
from broker.queue.stream import Entry
from broker.queue.waiting.counts import read_waiting
from broker.redis.client import Client
from broker.redis.confirmation import Durability
from broker.redis.outage import Outage, repeat
from broker.redis.partitions import Partitions
from broker.steps.commit import Committed
from runtime.fault_log import Faults
from worker.counters import Counters
from worker.intake.commit import Committer, JobStarts
from worker.intake.held_bodies_release import HeldBodiesRelease
from worker.intake.home_steps import HomeSteps
from worker.intake.homes import Homes
from worker.intake.planner import Planner
from worker.settings import Settings

log = logging.getLogger("hookline.worker")

_READ_ENTRIES = 64
_BLOCK_S = 4.0
_FORGET_AFTER_MS = 3_600_000
_FORGET_EVERY_S = 600.0
_PAUSE_S = 0.25
# Readers that wait get entries in turn, so each would find few of them.
_SECOND_PAUSE_S = 0.1
"""Seconds that a reader leaves to the first one after each read."""

# Steps in other partitions may wait up to a second for a disk.
_MOST_COMMITS = 8
"""How many commits are under way at a time if there are several partitions."""


class Intake:
    """Reads the stream of one partition for one worker process."""

    def __init__(
        self,
        redis: Client,
        planner: Planner,
        settings: Settings,
        *,
        consumer: str,
        block_s: float = _BLOCK_S,
        partitions: Partitions | None = None,
        durability: Durability = Durability(),  # noqa: B008 - frozen
    ) -> None:
        """redis: the partition whose entries are read. block_s: how long Redis blocks a read while there is no
        entry; defaults to 4. partitions: all of them; defaults to this one alone. durability: that of webhooks,
        which steps in other partitions get too; defaults to `memory`.
        """
        self._redis = redis
        self._planner = planner
        self._settings = settings
        self._consumer = consumer
        self._block_ms = int(block_s * 1000)
        self.counters = Counters()
        """The counters of the process."""

        self.on_progress: Callable[[], None] = lambda: None
        """Called in each round of `run`, which shows that it goes on."""

        self.on_jobs: Callable[[], None] = lambda: None
        """Called when a commit left new jobs in the queue, so that the worker of this process claims them."""

        self.on_redelivery: Callable[[], None] = lambda: None
        """Called when a commit marked dead letters that are to be retried."""

        self.on_digested: Callable[[], None] = lambda: None
        """Called when a commit added events to digests."""

        self.is_first = True
        """False if another reader of the partition comes first. Then this one pauses after each read."""

        self._stopping = asyncio.Event()
        self._read_timeout: asyncio.Timeout | None = None
        """The time-out of the read under way, which `stop` ends."""

        self._is_read_cut = False
        """Set if a read ended without its response, in which Redis may have sent entries."""

        self._last_read = "0-0"
        """The id of the last entry that was read."""

        self._pending = 0
        self._next_forget = 0.0
        self._homes: Homes | None = None
        home_steps: HomeSteps | None = None
        self._release: HeldBodiesRelease | None = None
        if partitions is not None:
            # Also with one partition: batches that were read with several may be processed in part.
            self._homes = Homes(partitions, redis.partition)
            home_steps = HomeSteps(redis, partitions, durability)
        if partitions is not None and home_steps is not None and len(partitions) > 1:
            self._release = HeldBodiesRelease(redis, home_steps)
        self._most_commits = _MOST_COMMITS if self._release else 1
        self._committer = Committer(
            redis,
            settings,
            consumer=consumer,
            stopping=self._stopping,
            on_committed=self._note_commit,
            home_steps=home_steps,
            on_held=self._release.note_held if self._release else lambda: None,
        )
        self._taking_over = asyncio.Lock()
        self._waiting = 0

    def start_jobs_by(self, job_starts: JobStarts) -> None:
        """Start jobs in this process immediately after the commits that create them."""
        self._committer.job_starts = job_starts

    def reload(self, planner: Planner) -> None:
        """Plan with this planner from the next commit on."""
        self._planner = planner

    def stop(self) -> None:
        """Read no more entries; `run` returns when those that were read are committed."""
        self._stopping.set()
        if self._read_timeout is not None and not self._read_timeout.expired():
            self._read_timeout.reschedule(asyncio.get_running_loop().time())

    def note_pending(self, entries: int) -> None:
        """Note how many entries all workers have read and not committed, as Redis has just reported."""
        self._pending = entries

    async def run(self) -> None:
        """Process entries until stopped. While Redis is not reachable, it waits.

        An entry that meets a defect stays pending and is taken over; after `max_deliveries` it is split, and the
        body that causes the defect becomes a dead letter.
        """
        faults = _faults("intake left some batches")

        async def step() -> float:
            self.on_progress()
            await self._pause_while_too_many_wait()
            entries = await self._read()
            self.on_progress()
            try:
                await self.process(entries)
            except Exception as error:  # noqa: BLE001 - logged; other batches must not wait for it
                faults.note(error)
            return 0.0 if self.is_first or not entries else _SECOND_PAUSE_S

        await repeat(step, Outage(log, "reading webhooks", redis=self._redis), faults, stop=self._stopping)

    async def run_release(self) -> None:
        """Release bodies that wait for other partitions until cancelled; returns if there is only one."""
        if self._release is not None:
            await self._release.run()

    async def _read(self) -> list[Entry]:
        """Read entries that no worker has read yet. Waits for the first of them, but not when stopped."""
        entries: list[Entry] = []
        if self._is_read_cut:
            entries = await self._read_missed()
        if not entries and not self._stopping.is_set():
            try:
                entries = await self._read_new()
            except TimeoutError:
                entries = await self._read_missed()
        if entries:
            self._last_read = entries[-1].id
        return entries

    async def _read_new(self) -> list[Entry]:
        """Raises TimeoutError when stopped, BrokerError."""
        self._is_read_cut = True
        try:
            async with asyncio.timeout(None) as self._read_timeout:
                entries = await stream.read(
                    self._redis, self._consumer, count=_READ_ENTRIES, block_ms=self._block_ms
                )
        finally:
            self._read_timeout = None
        self._is_read_cut = False
        return entries

    async def _read_missed(self) -> list[Entry]:
        # Entries in the response that was lost would else wait for a take-over.
        entries = await stream.read_missed(self._redis, self._consumer, after=self._last_read, count=_READ_ENTRIES)
        self._is_read_cut = False
        return entries

    async def run_take_over(self) -> None:
        """Take over entries that other workers left, six times within `takeover_s`, until stopped."""
        # By a timer of this process, so that a wrong clock changes nothing.
        every_s = self._settings.takeover_s / 6
        faults = _faults("a stalled batch was not taken over")

        async def step() -> float:
            now = time.monotonic()
            if self._pending or now >= self._next_forget:
                await self.take_over()
                self._next_forget = now + _FORGET_EVERY_S
            return every_s * random.uniform(0.8, 1.2)  # noqa: S311 - workers should not do it together

        outage = Outage(log, "taking over batches", redis=self._redis, is_secondary=True)
        await repeat(step, outage, faults, stop=self._stopping)

    async def take_over(self) -> int:
        """Process the entries that other workers left, and return their number. Raises BrokerError."""
        # One entry at a time, even if called twice at a time: a body that kills this worker too must not use up
        # the deliveries of the entries beside it.
        async with self._taking_over:
            return await self._take_over_all(int(self._settings.takeover_s * 1000))

    async def _take_over_all(self, idle_ms: int) -> int:
        taken = 0
        while not self._stopping.is_set():
            entry = await stream.take_over(self._redis, self._consumer, idle_ms=idle_ms)
            if entry is None:
                break
            log.warning("took over a stalled batch", extra={"action": "batch_taken_over", "bodies": entry.bodies})
            await self.process([entry])
            taken += 1
        await stream.forget_consumers(self._redis, idle_ms=_FORGET_AFTER_MS)
        return taken

    async def process(self, entries: Sequence[Entry]) -> None:
        """Decode, match, plan and commit entries. While Redis runs commits, the next one is planned."""
        self._note_ages(entries)
        async with asyncio.TaskGroup() as group:
            committing: set[asyncio.Task[None]] = set()
            async for plan in self._planner.plans(entries, self._homes):
                if len(committing) >= self._most_commits:
                    _, committing = await asyncio.wait(committing, return_when=asyncio.FIRST_COMPLETED)
                committing.add(group.create_task(self._committer.commit(plan)))

    def _note_ages(self, entries: Sequence[Entry]) -> None:
        now_ms = self._redis.clock.now_ms()
        for entry in entries:
            written_ms = int(entry.id.partition("-")[0])
            self.counters.queue_age_s.observe(max(0, now_ms - written_ms) / 1000, entry.bodies)

    def _note_commit(self, committed: Committed) -> None:
        bodies = self.counters.bodies
        bodies["processed"] += committed.processed
        bodies["duplicate"] += committed.duplicate
        bodies["dead_at_intake"] += committed.dead_at_intake
        self._waiting = committed.waiting
        if committed.retried_on_redelivery:
            self.on_redelivery()
        if committed.digested:
            self.on_digested()
        if committed.claims.next_job_s == 0:
            self.on_jobs()
        log.debug(
            "%d processed, %d duplicate, %d dead at intake",
            committed.processed,
            committed.duplicate,
            committed.dead_at_intake,
            extra={
                "action": "batch_committed",
                "processed": committed.processed,
                "duplicate": committed.duplicate,
                "dead_at_intake": committed.dead_at_intake,
                "waiting": committed.waiting,
            },
        )

    async def _pause_while_too_many_wait(self) -> None:
        if self._waiting < self._settings.max_waiting:
            return
        log.warning("intake pauses: %d notifications wait", self._waiting, extra={"action": "intake_paused"})
        while self._waiting >= self._settings.max_waiting and not self._stopping.is_set():
            await asyncio.sleep(_PAUSE_S)
            self.on_progress()
            self._waiting = (await read_waiting(self._redis)).causes.total()  # the counter alone may be wrong
        log.info("intake resumes", extra={"action": "intake_resumed"})


def _faults(what: str) -> Faults:
    return Faults(log, what, action="intake_failed")
