"""Writes batches to Redis, or to the disk while no partition of Redis accepts them.

When a write fails or takes too long, the following batches go to the disk immediately, and one task finds out when
Redis is back: it checks the server, and then moves the segments to Redis, the oldest first. From the first batch
that Redis confirms, new ones go to Redis again without waiting for the segments: providers promise no order, and
so the segments only shrink.

A write that took too long may have been done. Then Redis gets the batch twice, and the second copy counts as
duplicates by the identity of its events. A crash between a write and the note in the segment has the same effect.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from broker.queue.batch import RawBody
from broker.redis.errors import BrokerError, Full, Unavailable
from receiver.counters import Counters
from receiver.storage.partition_writers import PartitionWriters
from receiver.storage.spill.errors import SpillError
from receiver.storage.spill.spill import Group, Spill
from receiver.storage.timeouts import TimeLimit
from runtime.backoff import Backoff
from runtime.fault_log import Faults

GIVE_UP_AFTER_S = 0.5
"""Seconds that a partition may take for a batch before it is spilled to the disk, or written to another one."""

_SYNC_GIVE_UP_AFTER_S = 2.0
"""The limit for a Redis that confirms once a second (WAITAOF with appendfsync everysec)."""

_SEVERAL_GIVE_UP_SHARE = 0.75
"""The limit as a share of the time-out, if there are several partitions and so time for two of them."""

_LOOK_EVERY_S = 0.25

# Longer than the waits for Redis elsewhere: each try may have written its batch, and the next one is a duplicate.
_DRAIN_BACKOFF = Backoff(first_s=2 * _LOOK_EVERY_S, longest_s=4.0)
"""The waits between tries to drain a batch."""

log = logging.getLogger("hookline.receiver")


class DiskFallback:
    """Lifecycle: write() at any time, run() as the only draining task, close() when both have ended."""

    def __init__(
        self,
        writers: PartitionWriters,
        spill: Spill,
        counters: Counters,
        *,
        timeout_s: float,
        is_exceeded: Callable[[], bool],
    ) -> None:
        """`timeout_s`: seconds that Redis may take for a drained batch. `is_exceeded`: if its queue is too
        long."""
        self.spill = spill
        self.fault = ""
        """Why the disk accepts nothing, "" if no error is known."""

        self._writers = writers
        self._counters = counters
        self._timeout_s = timeout_s
        self._is_exceeded = is_exceeded
        self._time_limit = TimeLimit()
        self._appends = asyncio.Lock()  # batches that are written at the same time may fail together
        self.redis_error: BrokerError | None = None
        """Why batches are not written to Redis, None while they are."""

        self._is_spilling = bool(spill.on_disk.bodies)
        self._uncertain_writes = 0  # tries to drain in a row that may have written their batch

    async def write(self, bodies: list[RawBody]) -> None:
        """Store a batch; returns when it is confirmed by Redis or on disk. Raises SpillError."""
        if not self.redis_error and not self._is_exceeded() and await self._write_to_redis(bodies):
            return
        try:
            async with self._appends:
                await self.spill.append(bodies)
        except SpillError as error:
            self.fault = str(error)
            raise
        self.fault = ""
        self._counters.spilled += len(bodies)
        if not self._is_spilling:
            log.warning("webhooks are spilled to %s", self.spill.directory, extra={"action": "spill_started"})
        self._is_spilling = True

    async def run(self) -> None:
        """Move spilled batches to Redis until cancelled."""
        faults = Faults(log, "draining failed", action="spill_drain_failed")
        while True:  # not `repeat`: the disk has errors of its own, and /readyz shows both
            try:
                await self._drain_all()
            except SpillError as error:
                self.fault = str(error)
            except Exception as error:  # noqa: BLE001 - logged
                faults.note(error)
            await asyncio.sleep(self._pause_s())

    async def close(self) -> None:
        """Leave the spilled webhooks to the next start, and log how many they are."""
        await self.spill.close()
        if self.spill.on_disk.bodies:
            log.warning(
                "%d webhooks stay in %s: the next receiver with this directory moves them to Redis",
                self.spill.on_disk.bodies,
                self.spill.directory,
                extra={"action": "spill_left", "count": self.spill.on_disk.bodies},
            )

    def _pause_s(self) -> float:
        return _DRAIN_BACKOFF.jittered_s(self._uncertain_writes) if self._uncertain_writes else _LOOK_EVERY_S

    async def _write_to_redis(self, bodies: list[RawBody]) -> bool:
        give_up_after_s = self._give_up_after_s()
        try:
            await self._time_limit.within(give_up_after_s, self._writers.write(bodies))
        except TimeoutError:
            self._note_redis_error(Unavailable(f"Redis did not confirm within {give_up_after_s:g} s"))
        except BrokerError as error:
            self._note_redis_error(error)
        else:
            return True
        return False

    def _give_up_after_s(self) -> float:
        if self._writers.max_writes > 1:
            return min(2 * self._writers.late_after_s, _SEVERAL_GIVE_UP_SHARE * self._timeout_s)
        return min(_SYNC_GIVE_UP_AFTER_S if self._writers.syncs_late else GIVE_UP_AFTER_S, self._timeout_s / 2)

    def _note_redis_error(self, error: BrokerError) -> None:
        is_known, self.redis_error, reason = self.redis_error is not None, error, str(error)
        if is_known:  # by another batch that was being written
            return
        log.warning(
            "Redis does not accept webhooks: %s", reason, extra={"action": "redis_bypassed", "reason": reason}
        )

    async def _drain_all(self) -> None:
        spilled = await self.spill.refresh()
        if spilled.bytes < self.spill.max_bytes:
            self.fault = ""
        if not self.redis_error and not spilled.segments:
            return
        if self.redis_error and not await self._is_redis_back():
            return
        while not self._is_exceeded():
            group = await self.spill.next_group()
            if group is None:
                self._note_drained()
                return
            if not await self._drain(group):
                return

    async def _is_redis_back(self) -> bool:
        """Check Redis before anything is written: a frozen Redis may execute later what it was sent."""
        if self._writers.max_writes > 1:  # partitions that are away are checked once a second
            return self._writers.error is None
        try:
            await self._writers.check()
        except BrokerError:
            return False
        return True

    async def _drain(self, group: Group) -> bool:
        try:
            await self._time_limit.within(self._timeout_s, self._writers.write(group.bodies))
        except (BrokerError, TimeoutError) as error:
            # After Full nothing was written, so it may be tried often.
            self._uncertain_writes = 0 if isinstance(error, Full) else self._uncertain_writes + 1
            late = Unavailable(f"Redis did not confirm within {self._timeout_s:g} s")
            self.redis_error = error if isinstance(error, BrokerError) else late
            return False
        self.redis_error, self._uncertain_writes = None, 0
        await self.spill.drained(group)
        self._counters.drained += len(group.bodies)
        return True

    def _note_drained(self) -> None:
        self.redis_error = None
        if self._is_spilling:
            log.info(
                "all spilled webhooks are in Redis (%d since the start)",
                self._counters.drained,
                extra={"action": "spill_drained", "count": self._counters.drained},
            )
        self._is_spilling = False
