"""Runs notify jobs: decides whether a job is sent, held, split or left to another worker, and sends it."""

from __future__ import annotations

import logging
import time

from broker import dead_letters
from broker.queue import channel_state, jobs
from broker.queue.channel_state import Admission
from broker.queue.claims import Claimed
from broker.queue.jobs import Packed, UnreadableJobError
from broker.steps.settle import Retry as RetryJob
from broker.steps.settle import Settled, dead_letter_job
from worker.delivery.attempts import Attempts
from worker.delivery.job_leases import Lease
from worker.delivery.next_attempt import held_for, with_only
from worker.delivery.partition import Partition
from worker.delivery.running_job import JobSubjects, RunningJob, Unfinished
from worker.delivery.sender import Sender
from worker.delivery.unrecognized_jobs import UnrecognizedJobs
from worker.outcome import Dead
from worker.worker_context import WorkerContext

log = logging.getLogger("hookline.worker")

BUDGET_S = 60.0
"""Seconds in which a job may start attempts; the notifications left after that go into a new job."""

JOB_TIMEOUT_S = 7200.0
"""Seconds after which arq ends a job: longer than outcomes wait for a Redis that is not reachable."""


class Notifier:
    """Runs the notify jobs of one worker process by one config."""

    def __init__(
        self, context: WorkerContext, sender: Sender, attempts: Attempts, unrecognized: UnrecognizedJobs
    ) -> None:
        self._max_starts = context.settings.max_deliveries
        self._room = context.vitals.room
        self._sender = sender
        self._attempts = attempts
        self._unrecognized = unrecognized

    async def run(self, partition: Partition, claimed: Claimed, packed: Packed, lease: Lease) -> Unfinished | None:
        """Run one job; None where all of it is settled.

        Raises BrokerError: then the open rest runs again later.
        """
        try:
            job = jobs.decode_whole(claimed.id, packed)
        except UnreadableJobError as error:
            await self.dead_letter_job(partition, claimed.id, str(error))
            return None
        runtime = partition.channels.of(job.channel)
        todo = [index for index in range(len(job.notifications)) if index not in claimed.done]
        running = RunningJob(
            claimed.id,
            partition,
            held_for(job, claimed.held_ms),
            lease,
            time.monotonic() + BUDGET_S,
            runtime,
            False,
            [],
            {},
            {},
            JobSubjects(),
        )
        unrecognized = self._unrecognized.among(job, todo)
        if unrecognized and await self._leave_to_others(running, todo, unrecognized):
            return None
        if claimed.starts > self._max_starts:
            return await self._isolate(running, todo, claimed.starts)
        if not todo or not lease.is_held():
            return await self._attempts.settle(running, [], [])
        while self._room.is_full(partition, job.channel, len(job.notifications)):
            if not await runtime.channel.moves(self._room.patience_s(partition)):
                await self._hold(running)
                return None
        return await self._send(running, self._sender.in_order(running, todo))

    async def dead_letter_job(self, partition: Partition, job_id: str, error: str) -> bool:
        """Make a dead letter of a job that this worker cannot run, as it is.

        False where the job is left to other workers: one of them may still understand it. Raises BrokerError.
        """
        if await self._unrecognized.leave(partition, job_id, error):
            return False
        blob = await jobs.raw(partition.redis, job_id)
        await dead_letter_job(partition.redis, job_id, dead_letters.unreadable_job(job_id, blob, error))
        log.error("a job is unreadable: %s", error, extra={"action": "job_dead_lettered", "job": job_id})
        return True

    async def _send(self, running: RunningJob, todo: list[int]) -> Unfinished | None:
        runtime = running.runtime
        # From now on it counts as a job of its channel, so that others that were claimed with it see that.
        runtime.start_job(running.id, size=len(running.job.notifications))
        try:
            # Only now: a job that sends nothing must not be the one that probes the channel.
            admission = await self._admission(running)
            rest: Unfinished | None = Unfinished()
            if admission == "go":
                rest = await self._attempts.make_all(running, todo)
            elif admission == "probe":
                rest = await self._probe(running._replace(is_probe=True), todo)
        finally:
            runtime.end_job(running.id)
        if admission == "hold" or (rest and runtime.state != "closed"):
            await self._hold(running)
            return None
        return rest

    async def _admission(self, running: RunningJob) -> Admission:
        """Return whether the channel takes the job now. Raises BrokerError."""
        runtime = running.runtime
        if runtime.is_healthy():
            return "go"
        admission = await channel_state.begin(running.partition.redis, running.id, running.job.channel)
        if admission != "hold":
            runtime.set_state("half-open" if admission == "probe" else "closed")
        return admission

    async def _probe(self, running: RunningJob, todo: list[int]) -> Unfinished | None:
        """Attempt one notification after another until the channel's breaker closes, then all others."""
        for place, index in enumerate(todo):
            if running.runtime.state != "half-open":
                if not running.may_send():
                    return Unfinished()
                return await self._attempts.make_all(running, todo[place:])
            rest = await self._attempts.make_all(running, [index])
        return rest

    async def _hold(self, running: RunningJob) -> None:
        """Hold the whole job until its channel accepts sends again; then there is nothing to give back."""
        partition = running.partition
        await channel_state.hold(partition.redis, partition.owner, running.id, running.job.channel)

    async def _leave_to_others(self, running: RunningJob, todo: list[int], unrecognized: dict[int, str]) -> bool:
        """Leave unrecognized notifications to other workers, in a job apart from the rest.

        unrecognized: why, by index. False where no worker recognized them within the grace period.
        """
        if len(unrecognized) == len(todo):
            return await self._unrecognized.leave(running.partition, running.id, unrecognized[todo[0]])
        groups = [[index for index in todo if index not in unrecognized], list(unrecognized)]
        job = running.job
        retries = [RetryJob(with_only(job, [job.notifications[i] for i in group]), 0, group) for group in groups]
        await self._attempts.settle(running, [Settled(index, "retry") for index in todo], retries)
        return True

    async def _isolate(self, running: RunningJob, todo: list[int], starts: int) -> Unfinished | None:
        """Split a job that ended too many workers into single notifications; a single one is a dead letter."""
        job = running.job
        if len(job.notifications) > 1:
            retries = [RetryJob(with_only(job, [job.notifications[i]]), 0, [i]) for i in todo]
            return await self._attempts.settle(running, [Settled(i, "retry") for i in todo], retries)
        poison = Dead(
            reason="poison", error=f"{starts - 1} workers ran it and none came back", error_class="Poison"
        )
        dead = [self._attempts.dead(running, i, job.notifications[i], poison) for i in todo]
        return await self._attempts.settle(running, dead, [])
