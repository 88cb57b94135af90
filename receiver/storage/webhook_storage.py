"""Stores webhooks in Redis up to a limit, and on disk if spill_dir is configured."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from broker.monitoring.spilled import Spilled, report_spilled
from broker.queue.batch import RawBody
from broker.redis.partitions import Partitions
from receiver.counters import Counters
from receiver.settings import Settings
from receiver.storage.back_pressure import BackPressure
from receiver.storage.partition_writers import LATE_AFTER_S, PartitionWriters
from receiver.storage.spill.disk_fallback import GIVE_UP_AFTER_S, DiskFallback
from receiver.storage.spill.files import location
from receiver.storage.spill.spill import Spill


class WebhookStorage:
    """Stores the webhooks of one process. Lifecycle: refresh() about once a second, run() as a task, close() at
    the end."""

    def __init__(self, settings: Settings, partitions: Partitions, counters: Counters) -> None:
        """Prepare the spill directory, if one is configured. Raises SpillDirError."""
        self.writers = PartitionWriters(
            partitions,
            durability=settings.durability,
            replicas=settings.replicas,
            timeout_s=settings.flush_timeout_s,
            late_after_s=GIVE_UP_AFTER_S if settings.spill_dir else LATE_AFTER_S,
        )
        self.pressure = BackPressure(max_bytes=settings.max_queued_bytes)
        self.fallback: DiskFallback | None = None
        if settings.spill_dir:
            self.fallback = DiskFallback(
                self.writers,
                Spill(Path(settings.spill_dir).absolute(), max_bytes=settings.spill_max_bytes),
                counters,
                timeout_s=settings.flush_timeout_s,
                is_exceeded=self.pressure.is_exceeded,
            )
        # At first all: the report of an earlier process may be outdated.
        self._reported_to = {writer.redis for writer in self.writers.all}

    @property
    def write(self) -> Callable[[list[RawBody]], Coroutine[Any, Any, None]]:
        """The function that stores a batch and returns when it is confirmed, or raises BrokerError or
        SpillError."""
        return self.fallback.write if self.fallback else self.writers.write

    def rejection_reason(self) -> str:
        """Why no webhook is accepted now, "" if they are accepted."""
        if self.fallback is None and self.pressure.is_exceeded():
            return "too much is queued in Redis"
        return ""

    def unknowns(self) -> list[str]:
        """Return what Redis does not report or refuses to measure, and what the operator can do."""
        known = [writer.facts for writer in self.writers.all if writer.facts is not None]
        unknowns = dict.fromkeys(unknown for facts in known for unknown in facts.unknowns())
        return [*unknowns, *([self.pressure.refusal] if self.pressure.refusal else ())]

    async def refresh(self) -> None:
        """Check Redis, measure its queue, and report the webhooks on disk to it. Raises BrokerError."""
        await self.writers.check()
        await self.pressure.measure(self.writers.available())
        if self.fallback is not None:
            await self._report(self.fallback.spill)

    async def run(self) -> None:
        """Move webhooks from the disk to Redis until cancelled. Returns if no disk is configured."""
        if self.fallback is not None:
            await self.fallback.run()

    async def close(self) -> None:
        """End checks that are under way, and close the segments on disk; their webhooks stay there."""
        await self.writers.close()
        if self.fallback is not None:
            await self.fallback.close()

    async def _report(self, spill: Spill) -> None:
        """Report what is on disk, and remove reports that earlier went elsewhere. Raises BrokerError."""
        spilled, place = spill.on_disk, location(spill.directory)
        target = None if spilled.is_nothing() else self.writers.of_control()
        for redis in self._reported_to.intersection(self.writers.available()) - {target}:
            await report_spilled(redis, place, Spilled())
            self._reported_to.discard(redis)
        if target is not None:
            await report_spilled(target, place, spilled)
            self._reported_to.add(target)
