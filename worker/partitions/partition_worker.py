"""Everything that a worker process does for one partition: intake, jobs, digests, redeliveries, heartbeat."""

from __future__ import annotations

import asyncio

from msgspec import structs

from broker.queue.heartbeat import Upcoming
from runtime.task_cancellation import cancel_and_wait
from worker.arq_worker import NotifyWorker
from worker.components import ReloadableNotifier
from worker.delivery.capacity.channel_runtime import ChannelRuntimes
from worker.delivery.job_leases import Leases
from worker.delivery.outcome_recorder import OutcomeRecorder
from worker.delivery.partition import Partition
from worker.delivery.redelivery_retry import RedeliveryRetry
from worker.intake.digest_closer import DigestCloser
from worker.intake.intake import Intake
from worker.intake.planner import Planner
from worker.partitions.wake_ups import wait_for_wake_ups
from worker.settings import Settings
from worker.worker_context import WorkerContext


class PartitionWorker:
    """Reads one partition from `run` until `stop`, with the process's components."""

    def __init__(
        self,
        number: int,
        context: WorkerContext,
        notifier: ReloadableNotifier,
        planner: Planner,
        *,
        block_s: float,
    ) -> None:
        """block_s: how long Redis blocks a read while there is no webhook."""
        self._context = context
        self._settings = settings = context.settings
        redis, name = context.partitions[number], context.name
        self._redis = redis
        self._partition = Partition(
            redis,
            name,
            OutcomeRecorder(redis, name, replicas=context.durability.waits_for()),
            ChannelRuntimes(redis, context.channels),
        )
        self._intake = Intake(
            redis,
            planner,
            _settings_of_each(settings, len(context.partitions)),
            consumer=name,
            block_s=block_s,
            durability=context.durability,
            partitions=context.partitions if len(context.partitions) > 1 else None,
        )
        leases = Leases(redis, name, lease_s=settings.lease_s)
        self._jobs = NotifyWorker(self._partition, settings, leases, context.vitals.room, notifier)
        self._redelivery_retry = RedeliveryRetry(redis, self._jobs.wake)
        self._digest_closer = DigestCloser(redis, name, self._jobs.wake, writes_history=planner.writes_history)
        self._connect()
        self._leaving = asyncio.Event()
        self._ending = asyncio.Event()

    def reload(self, planner: Planner) -> None:
        """Plan with this planner from the next commit on."""
        self._intake.reload(planner)
        self._digest_closer.writes_history = planner.writes_history

    def let_first(self, *, is_first: bool) -> None:
        """Set whether this is the first reader of the partition; a second one reads more rarely."""
        self._intake.is_first = is_first

    def leave(self) -> None:
        """Read no more. `run` returns when what is under way is finished, however long that takes."""
        self._leaving.set()

    def stop(self) -> None:
        """Read no more. `run` returns when what is under way is finished or given back, within `stop_grace_s`."""
        self._ending.set()
        self._leaving.set()

    async def run(self) -> None:
        """Read the partition until `leave` or `stop`. While its Redis is not reachable, this waits."""
        grace_s = self._settings.stop_grace_s
        room, health = self._context.vitals.room, self._context.vitals.health
        room.open(self._partition)
        self._pulse = health.open(self._redis.partition)
        self._intake.on_progress = self._pulse.note_intake
        try:
            async with asyncio.TaskGroup() as group:
                side_tasks = [
                    group.create_task(self._digest_closer.run()),
                    group.create_task(self._redelivery_retry.run()),
                    group.create_task(wait_for_wake_ups(self._redis, self._jobs.idle, self._wake_up)),
                    group.create_task(self._intake.run_release()),
                ]
                channel_refresh = group.create_task(
                    self._partition.channels.run(self._jobs.wake, self._room_for_channel)
                )
                intake_tasks = [
                    group.create_task(self._intake.run()),
                    group.create_task(self._intake.run_take_over()),
                ]
                group.create_task(self._jobs.main())
                await self._leaving.wait()
                health.close(self._redis.partition)  # its loops end now, one after the other
                await cancel_and_wait(side_tasks)
                self._intake.stop()
                await asyncio.wait(intake_tasks, timeout=grace_s)
                await self._jobs.drain(self._ending, grace_s)
                await cancel_and_wait([channel_refresh])
        finally:
            room.close(self._partition)
            health.close(self._redis.partition)

    def _wake_up(self) -> None:
        """Look for the work that other processes left. In other partitions it may be digests and redeliveries."""
        self._jobs.wake()
        if len(self._context.partitions) > 1:
            self._digest_closer.note_events()
            self._redelivery_retry.wake()

    def _room_for_channel(self, channel: str) -> int:
        return self._context.vitals.room.for_channel(self._partition, channel)

    def _connect(self) -> None:
        """Wake each loop when another one has work for it, or when a heartbeat reports work."""
        self._jobs.on_upcoming = self._note_upcoming
        self._intake.start_jobs_by(self._jobs)
        self._intake.on_jobs, self._intake.on_redelivery = self._jobs.wake, self._redelivery_retry.wake
        self._intake.counters = self._context.vitals.counters
        self._intake.on_digested = self._digest_closer.note_events

    def _note_upcoming(self, upcoming: Upcoming) -> None:
        self._pulse.note_heartbeat()
        self._partition.channels.note_states(upcoming.channels)
        self._intake.note_pending(upcoming.pending)
        if upcoming.next_digest_s is not None:
            self._digest_closer.check_in(upcoming.next_digest_s)
        if upcoming.to_retry:
            self._redelivery_retry.wake()


def _settings_of_each(settings: Settings, partitions: int) -> Settings:
    """The settings of the intake of one partition: `max_waiting` is the limit of all partitions together."""
    return structs.replace(settings, max_waiting=max(1, settings.max_waiting // partitions))
