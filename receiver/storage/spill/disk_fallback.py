"""Where batches go: to Redis, and by way of the disk for as long as Redis does not take them.

Once a write fails, or takes long, batches go to the disk at once, and one task finds out when Redis is back: it
looks what kind of server is there, and then drains the segments, the oldest first. With the first batch that Redis
confirms new ones go straight to it again, without waiting for the segments: providers promise no order, and so the
segments only shrink.

A write that took too long may have been done: then Redis gets the batch twice, and the identity of its events
makes duplicates of the second. So does a crash between a write and the note that it was drained.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from broker.queue.batch import RawBody
from broker.redis.errors import BrokerError, Full, Unavailable
from receiver.counters import Counters
from receiver.storage.redis_writer import RedisWriter
from receiver.storage.spill.errors import SpillError
from receiver.storage.spill.spill import Group, Spill
from receiver.storage.timeouts import Bounded
from runtime.fault_log import Faults

_GIVE_UP_AFTER_S = 0.5
"""How long Redis may take for a batch before it goes to the disk."""

_SYNC_GIVE_UP_AFTER_S = 2.0
"""The same where Redis tells of its disk once a second (WAITAOF with appendfsync everysec)."""

_LOOK_EVERY_S = 0.25
_MAX_PAUSE_S = 4.0
"""Between tries to drain a batch that may have been written each time."""

_logger = logging.getLogger("hookline.receiver")


class DiskFallback:
    """Lifecycle: write() at any time, run() as the one draining task, close() when both have ended."""

    def __init__(
        self,
        writer: RedisWriter,
        spill: Spill,
        counters: Counters,
        *,
        timeout_s: float,
        is_over: Callable[[], bool],
    ) -> None:
        """`timeout_s`: how long Redis may take for a batch that is drained. `is_over`: Redis is to get no more."""
        self.spill = spill
        self.fault = ""
        """Why the disk takes nothing, "" as far as it is known to."""

        self._writer = writer
        self._counters = counters
        self._timeout_s = timeout_s
        self._is_over = is_over
        self._bounded = Bounded()
        self.redis_error: BrokerError | None = None
        """Why batches do not go to Redis, None while they do."""

        self._is_spilling = bool(spill.seen.bodies)
        self._pause_s = _LOOK_EVERY_S

    async def write(self, bodies: list[RawBody]) -> None:
        """Returns when a batch is confirmed by Redis or on disk. Raises SpillError."""
        if not self.redis_error and not self._is_over() and await self._redis_took(bodies):
            return
        try:
            await self.spill.append(bodies)
        except SpillError as error:
            self.fault = str(error)
            raise
        self.fault = ""
        self._counters.spilled += len(bodies)
        if not self._is_spilling:
            _logger.warning("webhooks are spilled to %s", self.spill.directory, extra={"action": "spill_started"})
        self._is_spilling = True

    async def run(self) -> None:
        """Drain until cancelled."""
        faults = Faults(_logger, "draining failed", action="spill_drain_failed")
        while True:
            try:
                await self._attend()
            except SpillError as error:
                self.fault = str(error)
            except Exception as error:  # noqa: BLE001 - logged
                faults.note(error)
            await asyncio.sleep(self._pause_s)

    async def close(self) -> None:
        """Leave what is spilled to the next start, and say so."""
        await self.spill.close()
        if self.spill.seen.bodies:
            _logger.warning(
                "%d webhooks stay in %s: the next receiver there drains them",
                self.spill.seen.bodies,
                self.spill.directory,
                extra={"action": "spill_left", "count": self.spill.seen.bodies},
            )

    async def _redis_took(self, bodies: list[RawBody]) -> bool:
        give_up_after_s = min(
            _SYNC_GIVE_UP_AFTER_S if self._writer.syncs_late else _GIVE_UP_AFTER_S, self._timeout_s / 2
        )
        try:
            await self._bounded.within(give_up_after_s, self._writer.write(bodies))
        except TimeoutError:
            self._note_closed(Unavailable(f"Redis did not confirm within {give_up_after_s:g} s"))
        except BrokerError as error:
            self._note_closed(error)
        else:
            return True
        return False

    def _note_closed(self, error: BrokerError) -> None:
        self.redis_error, reason = error, str(error)
        _logger.warning(
            "Redis does not take webhooks: %s", reason, extra={"action": "redis_bypassed", "reason": reason}
        )

    async def _attend(self) -> None:
        seen = await self.spill.look()
        if seen.bytes < self.spill.max_bytes:
            self.fault = ""
        if not self.redis_error and not seen.segments:
            return
        if self.redis_error and not await self._is_back():
            return
        while not self._is_over():
            group = await self.spill.next_group()
            if group is None:
                self._note_drained()
                return
            if not await self._drain(group):
                return

    async def _is_back(self) -> bool:
        """Asked before anything is written: what a frozen Redis was sent, it may do when it thaws."""
        try:
            await self._writer.look()
        except BrokerError:
            return False
        return True

    async def _drain(self, group: Group) -> bool:
        try:
            await self._bounded.within(self._timeout_s, self._writer.write(group.bodies))
        except (BrokerError, TimeoutError) as error:
            # After Full nothing was written, so it may be tried often.
            self._pause_s = _LOOK_EVERY_S if isinstance(error, Full) else min(2 * self._pause_s, _MAX_PAUSE_S)
            late = Unavailable(f"Redis did not confirm within {self._timeout_s:g} s")
            self.redis_error = error if isinstance(error, BrokerError) else late
            return False
        self.redis_error, self._pause_s = None, _LOOK_EVERY_S
        await self.spill.drained(group)
        self._counters.drained += len(group.bodies)
        return True

    def _note_drained(self) -> None:
        self.redis_error = None
        if self._is_spilling:
            _logger.info(
                "Redis has all that was spilled (%d webhooks so far)",
                self._counters.drained,
                extra={"action": "spill_drained", "count": self._counters.drained},
            )
        self._is_spilling = False
