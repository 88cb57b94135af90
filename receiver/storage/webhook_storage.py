"""What keeps webhooks: Redis, as much as it may hold, and the disk beside it where one is configured."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from broker.monitoring.spilled import tell_spilled
from broker.queue.batch import RawBody
from broker.redis.client import Client
from broker.redis.permissions import MEASURE_QUEUE
from receiver.counters import Counters
from receiver.settings import Settings
from receiver.storage.back_pressure import BackPressure
from receiver.storage.redis_writer import RedisWriter
from receiver.storage.spill.disk_fallback import DiskFallback
from receiver.storage.spill.files import place
from receiver.storage.spill.spill import Spill


class WebhookStorage:
    """Lifecycle: look() now and then, run() as a task where there is a detour, close() at the end."""

    def __init__(self, settings: Settings, redis: Client, counters: Counters) -> None:
        """Raises SpillDirError."""
        commands = (MEASURE_QUEUE,) if settings.max_queued_bytes else ()
        self.writer = RedisWriter(
            redis, durability=settings.durability, replicas=settings.replicas, commands=commands
        )
        self.pressure = BackPressure(redis, max_bytes=settings.max_queued_bytes)
        self.fallback: DiskFallback | None = None
        self._redis = redis
        if settings.spill_dir:
            self.fallback = DiskFallback(
                self.writer,
                Spill(Path(settings.spill_dir).absolute(), max_bytes=settings.spill_max_bytes),
                counters,
                timeout_s=settings.flush_timeout_s,
                is_over=self.pressure.is_over,
            )
        self._told = True  # what was spilled before this start, and is drained since

    @property
    def write(self) -> Callable[[list[RawBody]], Coroutine[Any, Any, None]]:
        """Keeps a batch; returns when that is confirmed. It raises BrokerError or SpillError."""
        return self.fallback.write if self.fallback else self.writer.write

    def refusal(self) -> str:
        """Why no webhook is taken now, "" for no reason."""
        if self.fallback is None and self.pressure.is_over():
            return "too much is queued in Redis"
        return ""

    async def look(self) -> None:
        """See how Redis is, and tell it what lies on the disk. Raises BrokerError."""
        await self.writer.look()
        await self.pressure.look()
        if self.fallback is not None:
            await self._tell(self.fallback.spill)

    async def run(self) -> None:
        """Drain the disk, where there is one, until cancelled."""
        if self.fallback is not None:
            await self.fallback.run()

    async def close(self) -> None:
        """Let go of the disk."""
        if self.fallback is not None:
            await self.fallback.close()

    async def _tell(self, spill: Spill) -> None:
        seen = spill.seen
        if self._told or not seen.is_nothing():
            await tell_spilled(self._redis, place(spill.directory), seen)
            self._told = not seen.is_nothing()
