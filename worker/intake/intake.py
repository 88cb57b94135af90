"""Stream -> jobs: reads entries, plans, commits, and starts over."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from broker.queue import stream
from broker.queue.stream import Entry
from broker.queue.waiting_check import read_waiting
from broker.redis.client import Client
from broker.redis.errors import BrokerError
from broker.steps.commit import Committed, commit
from runtime.fault_log import Faults
from worker.intake.planner import Plan, Planner, UnrecognizedEntry
from worker.settings import Settings

log = logging.getLogger("hookline.worker")

_READ_ENTRIES = 64
_COMMIT_BODIES = 1000
"""Bodies a commit: enough to make the round trip cheap, few enough to hold Redis for a few ms only."""

_BLOCK_MS = 100
"""How long Redis holds a read for the first entry. A stop waits for the end of it."""

_FORGET_AFTER_MS = 3_600_000
_PAUSE_S = 0.25
_MAX_BACKOFF_S = 2.0


class Intake:
    """One worker process's reader of the stream."""

    def __init__(
        self,
        redis: Client,
        planner: Planner,
        settings: Settings,
        *,
        consumer: str,
    ) -> None:
        self._redis = redis
        self._planner = planner
        self._settings = settings
        self._consumer = consumer
        self.on_jobs: Callable[[], None] = lambda: None
        """Called when a commit made jobs: a worker in this process need not wait for its next poll."""

        self.on_redelivery: Callable[[], None] = lambda: None
        """Called when a commit marked dead letters to be brought back."""

        self._stopping = asyncio.Event()
        self._taking_over = asyncio.Lock()
        self._waiting = 0

    def follow(self, planner: Planner) -> None:
        """Plan so from the next commit on."""
        self._planner = planner

    def stop(self) -> None:
        """Read nothing more; `run` returns when what was read is committed."""
        self._stopping.set()

    async def run(self) -> None:
        """Take entries until stopped. Redis being away only makes it wait.

        What meets a fault stays pending and is taken over: in the end it is split, and its poison a dead letter.
        """
        backoff, faults = Backoff("intake waits for Redis"), _faults("intake left some batches")
        while not self._stopping.is_set():
            try:
                await self._pause_while_too_many_wait()
                entries = await stream.read(self._redis, self._consumer, count=_READ_ENTRIES, block_ms=_BLOCK_MS)
                backoff.over()
            except BrokerError as error:
                await backoff.wait(error, self._stopping)
                continue
            except Exception as error:  # noqa: BLE001 - logged
                faults.note(error)
                await asyncio.sleep(_PAUSE_S)
                continue
            try:
                await self.process(entries)
            except Exception as error:  # noqa: BLE001 - logged
                faults.note(error)

    async def run_take_over(self) -> None:
        """Look for what other workers left behind, six times within `takeover_s`, until stopped.

        By a timer of this process: a clock that is wrong changes nothing.
        """
        every_s = self._settings.takeover_s / 6
        backoff, faults = Backoff("taking over waits for Redis"), _faults("a stalled batch was not taken over")
        while not self._stopping.is_set():
            try:
                await self.take_over()
                backoff.over()
            except BrokerError as error:
                await backoff.wait(error, self._stopping)
            except Exception as error:  # noqa: BLE001 - logged
                faults.note(error)
            with suppress(TimeoutError):
                async with asyncio.timeout(every_s * random.uniform(0.8, 1.2)):  # noqa: S311 - not all at once
                    await self._stopping.wait()

    async def take_over(self) -> int:
        """Process what other workers left behind; how many entries that was. Raises BrokerError.

        One at a time, also where it is asked for twice at once: a body that kills this worker too must not wear
        out the entries beside it.
        """
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
        """Plan and commit; while Redis runs a commit the next is planned.

        A commit that Redis does not take is tried until it does, or until the worker stops.
        """
        async with asyncio.TaskGroup() as group:
            committing = None
            for portion in _portions(entries):
                left = portion
                while left:
                    plan = await self._planner.plan(left)
                    left = left[len(plan.entry_ids()) :]
                    if committing is not None:
                        await committing
                    committing = group.create_task(self._commit(plan))

    async def _commit(self, plan: Plan) -> None:
        backoff = Backoff("commit waits for Redis")
        while True:
            try:
                for split in plan.split:
                    await stream.split(self._redis, split.entry.id, split.batches, any_age=split.entry.any_age)
                if plan.processed:
                    self._report(await commit(self._redis, plan.processed, plan.jobs))
                for unrecognized in plan.unrecognized:
                    await self._defer(unrecognized)
            except BrokerError as error:
                await backoff.wait(error, self._stopping)
                if self._stopping.is_set():
                    return  # the entries stay pending and are taken over
                with suppress(BrokerError):
                    await stream.keep(self._redis, self._consumer, plan.entry_ids())
            else:
                return

    async def _defer(self, unrecognized: UnrecognizedEntry) -> None:
        """Leave an entry that this worker does not understand to other workers, for `unrecognized_grace_s`."""
        entry = unrecognized.entry
        for_ms, idle_ms = int(self._settings.unrecognized_grace_s * 1000), int(self._settings.takeover_s * 1000)
        if await stream.defer(self._redis, self._consumer, entry.id, for_ms=for_ms, idle_ms=idle_ms):
            text = "a batch is left to other workers: %s"
            log.warning(text, unrecognized.why, extra={"action": "batch_deferred", "bodies": entry.bodies})
            return
        plan = await self._planner.plan([entry], nobody_knows=True)
        self._report(await commit(self._redis, plan.processed, plan.jobs))

    def _report(self, committed: Committed) -> None:
        self._waiting = committed.waiting
        if committed.retried_on_redelivery:
            self.on_redelivery()
        if committed.waiting:
            self.on_jobs()
        log.info(
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
            waiting = await read_waiting(self._redis)  # the counter alone may be wrong
            self._waiting = waiting.counted if waiting.there is None else waiting.there
        log.info("intake goes on", extra={"action": "intake_resumed"})


_LOG_EVERY_S = 60.0
"""What lasts, such as a missing permission, is logged this often."""


def _faults(what: str) -> Faults:
    return Faults(log, what, action="intake_failed")


class Backoff:
    """Growing waits while Redis is away, logged when they begin and then once a period."""

    def __init__(self, what: str, *, log_every_s: float = _LOG_EVERY_S) -> None:
        self._what = what
        self._log_every_s = log_every_s
        self._delay_s = 0.0
        self._next_log_s = 0.0

    async def wait(self, error: BrokerError, stop: asyncio.Event) -> None:
        """Wait a little longer than last time, at most 2 s, or until stopped."""
        now_s = time.monotonic()
        if not self._delay_s or now_s >= self._next_log_s:
            self._next_log_s = now_s + self._log_every_s
            log.warning("%s: %s", self._what, error, extra={"action": "redis_away"})
        self._delay_s = min(_MAX_BACKOFF_S, self._delay_s * 2 or 0.05)
        try:
            async with asyncio.timeout(self._delay_s):
                await stop.wait()
        except TimeoutError:
            return

    def over(self) -> None:
        """Redis answered."""
        if self._delay_s:
            log.info("Redis is back", extra={"action": "redis_back"})
        self._delay_s = 0.0


def _portions(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    portion: list[Entry] = []
    bodies = 0
    for entry in entries:
        portion.append(entry)
        bodies += entry.bodies
        if bodies >= _COMMIT_BODIES:
            yield portion
            portion, bodies = [], 0
    if portion:
        yield portion
