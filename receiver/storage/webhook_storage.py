"""Stores webhooks in Redis up to a limit, and on disk if spill_dir is configured."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from broker.monitoring.spilled import report_spilled
from broker.queue.batch import RawBody
from broker.redis.client import Client
from receiver.counters import Counters
from receiver.settings import Settings
from receiver.storage.back_pressure import BackPressure
from receiver.storage.redis_writer import RedisWriter
from receiver.storage.spill.disk_fallback import DiskFallback
from receiver.storage.spill.files import location
from receiver.storage.spill.spill import Spill


class WebhookStorage:
    """Stores the webhooks of one process. Lifecycle: refresh() about once a second, run() as a task, close() at
    the end."""

    def __init__(self, settings: Settings, redis: Client, counters: Counters) -> None:
        """Prepare the spill directory, if one is configured. Raises SpillDirError."""
        self.writer = RedisWriter(redis, durability=settings.durability, replicas=settings.replicas)
        self.pressure = BackPressure(redis, max_bytes=settings.max_queued_bytes)
        self.fallback: DiskFallback | None = None
        self._redis = redis
        if settings.spill_dir:
            self.fallback = DiskFallback(
                self.writer,
                Spill(Path(settings.spill_dir).absolute(), max_bytes=settings.spill_max_bytes),
                counters,
                timeout_s=settings.flush_timeout_s,
                is_exceeded=self.pressure.is_exceeded,
            )
        self._is_reported = True  # True at first: the report of an earlier process may be outdated

    @property
    def write(self) -> Callable[[list[RawBody]], Coroutine[Any, Any, None]]:
        """The function that stores a batch and returns when it is confirmed, or raises BrokerError or
        SpillError."""
        return self.fallback.write if self.fallback else self.writer.write

    def rejection_reason(self) -> str:
        """Why no webhook is accepted now, "" if they are accepted."""
        if self.fallback is None and self.pressure.is_exceeded():
            return "too much is queued in Redis"
        return ""

    def unknowns(self) -> list[str]:
        """Return what Redis does not report or refuses to measure, and what the operator can do."""
        facts, refusal = self.writer.facts, self.pressure.refusal
        return [*(facts.unknowns() if facts else ()), *([refusal] if refusal else ())]

    async def refresh(self) -> None:
        """Check Redis, measure its queue, and report the webhooks on disk to it. Raises BrokerError."""
        await self.writer.check()
        await self.pressure.measure()
        if self.fallback is not None:
            await self._report(self.fallback.spill)

    async def run(self) -> None:
        """Move webhooks from the disk to Redis until cancelled. Returns if no disk is configured."""
        if self.fallback is not None:
            await self.fallback.run()

    async def close(self) -> None:
        """Close the segments on disk; their webhooks stay there."""
        if self.fallback is not None:
            await self.fallback.close()

    async def _report(self, spill: Spill) -> None:
        spilled = spill.on_disk
        if self._is_reported or not spilled.is_nothing():
            await report_spilled(self._redis, location(spill.directory), spilled)
            self._is_reported = not spilled.is_nothing()
