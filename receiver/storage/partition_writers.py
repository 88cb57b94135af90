"""Writes each batch to one of the partitions, and to another one if the first does not confirm it.

Batches go to the partitions in turn. A partition whose write failed or is late is left out until a check of it
succeeds. The other partitions of its server may be away too, so they get batches only if no other server has any.
While a write is slow, the next batches go to the partition that confirmed last. So a batch may be in two
partitions; intake drops the second copy as duplicates.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import deque
from time import monotonic

from broker.queue.batch import RawBody
from broker.redis.client import Client
from broker.redis.errors import BrokerError
from broker.redis.partitions import Partitions
from receiver.storage.redis_writer import Condition, RedisWriter
from receiver.storage.timeouts import TimeLimit
from runtime.task_cancellation import cancel_and_wait

# A healthy Redis answers in a few ms, also with appendfsync always on a slow disk. Three slow servers one after
# another are still less than a second without a 202.
_SLOW_AFTER_S = 0.25
"""Seconds after which the next batch does not wait for a write any more."""

LATE_AFTER_S = 1.0
"""Seconds after which a batch is written to another partition too, if one is free."""

_SYNC_SLOW_AFTER_S = 0.5
_SYNC_LATE_AFTER_S = 1.5
"""Both limits for a Redis that confirms once a second (WAITAOF with appendfsync everysec)."""

_CHECKS_AT_ONCE = 32
"""The largest number of checks at a time. With more, one process would not read the answers in time."""

# A check costs the receiver almost 1 ms. A write shows earlier that a partition is away, so checks of those that
# are well may be rare: with 256 partitions each has one every 32 s.
_WELL_CHECKS = 8
"""The number of well partitions that are checked in one round, in turn."""

_CHECK_WAIT_S = 1.0
"""Seconds that a round of checks waits for the slowest. Its check goes on."""


class PartitionWriters:
    """Writes to all partitions. Lifecycle: check() about once a second, write() at any time, close() at the end.

    At most one batch is written to a partition at a time, unless there is only one partition.
    """

    def __init__(
        self,
        partitions: Partitions,
        *,
        durability: str,
        replicas: int,
        timeout_s: float,
        late_after_s: float = LATE_AFTER_S,
    ) -> None:
        """`timeout_s`: seconds that a batch may take, in all partitions together. `late_after_s`: seconds after
        which another partition is tried."""
        self.all = [RedisWriter(client, durability=durability, replicas=replicas) for client in partitions]
        self.max_writes = len(self.all)
        """The number of batches that may be written at the same time."""

        self._timeout_s = timeout_s
        self._late_after_s = late_after_s
        self._idle = deque(self.all)  # at the right end the one that confirmed last, at the left the last failure
        self._busy: dict[RedisWriter, float] = {}  # since when (monotonic)
        self._changed = asyncio.Event()
        self._writes = TimeLimit()
        self._checks: dict[RedisWriter, asyncio.Task[None]] = {}
        self._check_slots = asyncio.Semaphore(_CHECKS_AT_ONCE)
        self._next_check = 0

    @property
    def error(self) -> BrokerError | None:
        """Why no partition accepts webhooks; None if one does."""
        if any(writer.error is None for writer in self.all):
            return None
        return self.all[0].error

    @property
    def syncs_late(self) -> bool:
        """True if a write may wait up to a second, since Redis syncs its disk once a second."""
        return any(writer.syncs_late for writer in self.all)

    def slow_after_s(self) -> float:
        """Seconds after which the next batch does not wait for a write any more: it goes to another partition."""
        if len(self.all) == 1:
            return math.inf
        return min(_SYNC_SLOW_AFTER_S if self.syncs_late else _SLOW_AFTER_S, self._timeout_s / 3)

    @property
    def late_after_s(self) -> float:
        """Seconds after which a write is late, so that another partition is tried too."""
        return min(_SYNC_LATE_AFTER_S if self.syncs_late else self._late_after_s, self._timeout_s / 2)

    def of_control(self) -> Client:
        """The client for what belongs in the control partition: of another partition while that is away."""
        return next(iter(self.available()), self.all[0].redis)

    def available(self) -> list[Client]:
        """Return the clients of the partitions that accept webhooks, in the order of their numbers."""
        return [writer.redis for writer in self.all if writer.error is None]

    async def write(self, bodies: list[RawBody]) -> None:
        """Write one batch; returns when a partition has confirmed it. Raises BrokerError if none takes it."""
        if len(self.all) == 1:
            await self.all[0].write(bodies)
            return
        writer: RedisWriter | None = await self._claim()
        while writer is not None:
            writer = await self._write_or_move(writer, bodies)

    async def check(self) -> None:
        """Check partitions that are away, and some of the others in turn. Raises BrokerError if all are away."""
        if len(self.all) == 1:
            await self.all[0].check()
            return
        for writer in self._due():
            self._checks[writer] = asyncio.create_task(self._check(writer))
        if self._checks:
            await asyncio.wait(self._checks.values(), timeout=_CHECK_WAIT_S)
        error = self.error
        if error is not None:
            raise error

    async def close(self) -> None:
        """End the checks that are under way."""
        await cancel_and_wait(list(self._checks.values()))

    def _due(self) -> list[RedisWriter]:
        """Choose the partitions to check now."""
        away = [writer for writer in self.all if writer.error is not None]
        well = [writer for writer in self.all if writer.error is None]
        first = self._next_check % max(1, len(well))
        self._next_check = first + _WELL_CHECKS
        in_turn = (well[first:] + well[:first])[:_WELL_CHECKS]
        return [writer for writer in (*away, *in_turn) if writer not in self._checks]

    async def _check(self, writer: RedisWriter) -> None:
        was_away = writer.error is not None
        try:
            async with self._check_slots:
                with contextlib.suppress(BrokerError):  # the writer keeps it
                    await writer.check()
        finally:
            del self._checks[writer]
        if was_away or writer.error is not None:
            self._note_change()

    async def _claim(self, *, again: bool = False) -> RedisWriter:
        """Wait until one of the best partitions is idle, and claim it."""
        while (writer := self._take(again=again)) is None:
            await self._changed.wait()
        return writer

    def _take(self, *, again: bool, is_late: bool = False) -> RedisWriter | None:
        """Claim an idle partition of the best condition that any has; None if all of these are busy.

        `again`: take the one that confirmed last, instead of the one that waits longest. `is_late`: the batch is
        still being written elsewhere, so take only one that accepts webhooks, on a server that is not suspect.
        """
        best = self._best()
        slow = self._slow()
        candidates = [writer for writer in self._idle if writer.condition == best]
        if again or slow or best == Condition.AWAY:
            candidates.reverse()
        suspects = {writer.server for writer in self.all if writer.is_suspect or writer in slow} - {""}
        trusted = [writer for writer in candidates if writer.server not in suspects]
        if is_late:
            candidates = trusted if best > Condition.AWAY else []
        writer = next(iter(trusted or candidates), None)
        if writer is None:
            return None
        self._idle.remove(writer)
        self._busy[writer] = monotonic()
        return writer

    def _best(self) -> Condition:
        for condition in (Condition.WELL, Condition.MAY_LOSE):
            if any(writer.condition == condition for writer in self.all):
                return condition
        return Condition.AWAY

    def _slow(self) -> list[RedisWriter]:
        """Return the partitions whose writes take so long that their servers may be away."""
        # Half of the limit, because the next batch starts about when the limit is over.
        until_s = monotonic() - self.slow_after_s() / 2
        return [writer for writer, since_s in self._busy.items() if since_s <= until_s]

    async def _write_or_move(self, writer: RedisWriter, bodies: list[RawBody]) -> RedisWriter | None:
        """Write a batch to a claimed partition. Returns None when it is confirmed, else another claimed partition.

        Raises BrokerError if no other partition might take it.
        """
        writing = self._writes.start(writer.write(bodies))
        try:
            other = await self._other_if_late(writer, writing)
            if other is None:
                writing.result()
        except BrokerError:
            if self._best() == Condition.AWAY:
                raise
        else:
            return other
        finally:
            writing.cancel()
            self._release(writer)
        return await self._claim(again=True)

    async def _other_if_late(self, writer: RedisWriter, writing: asyncio.Future[None]) -> RedisWriter | None:
        """Wait for a write. If it is late, return another claimed partition as soon as a good one is idle.

        While there is no other, the write goes on: all partitions may be on one slow server.
        """
        late_after_s = self.late_after_s
        done, _ = await asyncio.wait((writing,), timeout=late_after_s)
        if done:
            return None
        writer.note_late(late_after_s)
        self._note_change()
        while not writing.done():
            other = self._take(again=True, is_late=True)
            if other is not None:
                return other
            changed = asyncio.ensure_future(self._changed.wait())
            try:
                await asyncio.wait((writing, changed), return_when=asyncio.FIRST_COMPLETED)
            finally:
                changed.cancel()
        return None

    def _release(self, writer: RedisWriter) -> None:
        del self._busy[writer]
        if writer.error is None:
            self._idle.append(writer)
        else:
            self._idle.appendleft(writer)
        self._note_change()

    def _note_change(self) -> None:
        """Let the batches look again that wait for a partition."""
        self._changed.set()
        self._changed.clear()
