"""Commit: one plan becomes marks, jobs and dead letters in Redis, and its entries leave the stream."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from msgspec import structs

from broker.queue import stream
from broker.queue.claims import NO_CLAIMANT, Claimant, Claims
from broker.redis.client import Client
from broker.redis.errors import BrokerError
from broker.redis.outage import Outage
from broker.steps.commit import Committed, Processed, commit
from worker.intake.home_steps import HomeSteps
from worker.intake.plan import Plan, UnrecognizedEntry
from worker.settings import Settings

log = logging.getLogger("hookline.worker")


class JobStarts(Protocol):
    """Starts jobs in this process immediately after the commit that creates them."""

    # A claim of its own would be one more round trip for an event that comes alone.

    def claimant(self) -> Claimant:
        """Return for how many new jobs there is room now."""

    async def start(self, claims: Claims, asked: float) -> None:
        """Start the jobs of a commit. asked: the time of the monotonic clock before it."""


class NoJobStarts:
    """Leaves all jobs in the queue."""

    def claimant(self) -> Claimant:
        """Return that there is no room."""
        return NO_CLAIMANT

    async def start(self, claims: Claims, asked: float) -> None:
        """Do nothing: there are no jobs."""


class Committer:
    """Commits the plans of one worker process."""

    def __init__(
        self,
        redis: Client,
        settings: Settings,
        *,
        consumer: str,
        stopping: asyncio.Event,
        on_committed: Callable[[Committed], None],
        home_steps: HomeSteps | None = None,
        on_held: Callable[[], None] = lambda: None,
    ) -> None:
        """on_committed: called after each commit with what it changed.

        home_steps: the steps in other partitions; None if there is only one. on_held: called after a commit that
        let bodies wait for a partition that is away.
        """
        self._redis = redis
        self._consumer = consumer
        self._grace_ms = int(settings.unrecognized_grace_s * 1000)
        self._takeover_ms = int(settings.takeover_s * 1000)
        self._stopping = stopping
        self._on_committed = on_committed
        self._home_steps = home_steps
        self._on_held = on_held
        self.job_starts: JobStarts = NoJobStarts()

    async def commit(self, plan: Plan) -> None:
        """Commit a plan. Retries until Redis accepts it, or until the worker stops."""
        outage = Outage(log, "committing batches", redis=self._redis)
        # Not `repeat`: between two tries the entries are kept, so that no other worker takes them over.
        while True:
            try:
                await self._commit_once(plan)
            except BrokerError as error:
                await outage.wait(error, self._stopping)
                if self._stopping.is_set():
                    return  # the entries stay pending, and another worker takes them over
                with suppress(BrokerError):
                    await stream.keep(self._redis, self._consumer, plan.entry_ids())
            else:
                outage.end()
                for span in plan.spans:
                    span.end()
                return

    async def _commit_once(self, plan: Plan) -> None:
        """Every step is safe to repeat. Raises BrokerError."""
        for split in plan.split:
            await stream.split(self._redis, split.entry, split.batches, further=split.further)
        if plan.processed and plan.elsewhere and self._home_steps:
            await self._commit_with_homes(plan, self._home_steps)
        elif plan.processed:
            self._on_committed(await self._committed(plan, plan.processed))
        for unrecognized in plan.unrecognized:
            await self._defer(unrecognized)

    async def _commit_with_homes(self, plan: Plan, home_steps: HomeSteps) -> None:
        """Process events in other partitions, and then commit. Raises BrokerError."""
        done = await home_steps.run(plan)
        if done is None:
            text = "batches are gone: a failover undid them, or they were committed before; others are taken over"
            log.warning(text, extra={"action": "batches_gone", "batches": len(plan.processed)})
            return
        processed = [structs.replace(entry, held=done.held.get(entry.entry_id, ())) for entry in plan.processed]
        committed = await self._committed(plan, processed)
        for applied in done.applied:
            committed = structs.replace(
                committed,
                processed=committed.processed + applied.processed,
                duplicate=committed.duplicate + applied.duplicate,
                retried_on_redelivery=committed.retried_on_redelivery + applied.retried_on_redelivery,
                digested=committed.digested + applied.digested,
            )
        retried = committed.retried_on_redelivery + done.retried_on_redelivery
        self._on_committed(structs.replace(committed, retried_on_redelivery=retried))
        # Where another worker committed an entry, it may have let bodies wait, which need the markers.
        if committed.acknowledged == len(processed):
            home_steps.note_committed(plan, done.held)
        if done.held:
            self._on_held()

    async def _committed(self, plan: Plan, processed: Sequence[Processed]) -> Committed:
        asked = time.monotonic()
        claimant = self.job_starts.claimant() if plan.jobs.all else NO_CLAIMANT
        committed = await commit(self._redis, processed, plan.jobs.all, claimant)
        if committed.claims.jobs:
            await self.job_starts.start(committed.claims, asked)
        return committed

    async def _defer(self, unrecognized: UnrecognizedEntry) -> None:
        """Leave an entry to other workers for `unrecognized_grace_s`; then commit its dead letters."""
        entry = unrecognized.entry
        if await stream.defer(
            self._redis, self._consumer, entry.id, for_ms=self._grace_ms, idle_ms=self._takeover_ms
        ):
            text = "a batch is left to other workers: %s"
            log.warning(text, unrecognized.why, extra={"action": "batch_deferred", "bodies": entry.bodies})
        else:
            self._on_committed(await commit(self._redis, [unrecognized.otherwise], []))
