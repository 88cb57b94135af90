"""Group commit: many webhooks, one write.

A body joins the open batch. During a write the next batch fills. There is no timer: an idle receiver writes
immediately, a busy one writes larger batches. A second write begins beside the first only if its batch is at least
as large, so that Redis need not wait for the receiver; or if the first is slow, and there are several partitions.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from time import monotonic
from typing import Any

from broker.queue.batch import MAX_BODIES, MAX_BYTES, RawBody
from broker.redis.errors import BrokerError
from receiver.counters import Counters
from receiver.storage.spill.errors import SpillError

_OVERLAPPING_BODIES = 16
"""The number of bodies from which on a batch may be written beside another. Smaller batches cost more for each."""

Settled = Callable[[bool], None]
"""A function that is called when a batch is done, with True if it was confirmed."""

log = logging.getLogger("hookline.receiver")


class _Batch:
    __slots__ = ("bodies", "is_settled", "opened_at_s", "settled", "size_bytes", "timers")

    def __init__(self) -> None:
        self.bodies: list[RawBody] = []
        self.settled: list[Settled] = []
        self.size_bytes = 0
        self.opened_at_s = monotonic()
        self.timers: list[asyncio.TimerHandle] = []  # while it is written
        self.is_settled = False

    def has_room(self, size_bytes: int) -> bool:
        return len(self.bodies) < MAX_BODIES and self.size_bytes + size_bytes <= MAX_BYTES


class GroupCommit:
    """Collects bodies and writes them. Lifecycle: join() or add() at any time, close() at the end."""

    def __init__(
        self,
        write: Callable[[list[RawBody]], Coroutine[Any, Any, None]],
        counters: Counters,
        *,
        timeout_s: float,
        max_writes: int = 1,
        slow_after_s: Callable[[], float] = lambda: math.inf,
    ) -> None:
        """`timeout_s`: seconds that a batch may take from its first body to the confirmation. `max_writes`: how
        many batches may be written at the same time. `slow_after_s`: the seconds after which the next batch does
        not wait for a write any more.
        """
        self.pending_bytes = 0
        self._write = write
        self._counters = counters
        self._timeout_s = timeout_s
        self._max_writes = max_writes
        self._slow_after_s = slow_after_s
        self._batches: deque[_Batch] = deque()  # the last one is open
        self._under_way: set[_Batch] = set()
        self._slow: set[_Batch] = set()  # some of those that are under way
        self._overlaps_from = _OVERLAPPING_BODIES
        self._begins = False  # a task was started that takes the oldest batch
        self._tasks: set[asyncio.Task[None]] = set()  # including writes that ignore their cancellation
        self._failing = False
        self._is_closed = False

    def join(self, body: RawBody) -> asyncio.Future[bool]:
        """Add a body to the open batch; await the result to know whether Redis confirmed it."""
        outcome: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.add(body, partial(_set_result, outcome))
        return outcome

    def add(self, body: RawBody, settled: Settled) -> None:
        """Add a body to the open batch; `settled` is called when it is known whether Redis confirmed it."""
        if self._is_closed:
            settled(False)
            return
        size_bytes = len(body.body)
        if not self._batches or not self._batches[-1].has_room(size_bytes):
            self._batches.append(_Batch())
        batch = self._batches[-1]
        batch.bodies.append(body)
        batch.settled.append(settled)
        batch.size_bytes += size_bytes
        self.pending_bytes += size_bytes
        count = len(batch.bodies)
        if count in (1, self._overlaps_from):
            self._begin_if_free()

    def close(self) -> None:
        """End all writes, and settle the bodies of all batches: no request may wait for ever."""
        self._is_closed = True
        for task in self._tasks:
            task.cancel()
        batches = [*self._under_way, *self._batches]
        self._batches.clear()
        for batch in batches:
            self._settle(batch, confirmed=False)

    def _begin_if_free(self) -> None:
        """Begin to write the oldest batch if none is written, or beside others."""
        if self._batches and not self._begins and self._is_free():
            self._begins = True
            # The task takes the batch when it runs: until then, further bodies of this turn of the loop join.
            task = asyncio.create_task(self._commit_next())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _is_free(self) -> bool:
        if len(self._under_way) == len(self._slow) < self._max_writes:
            return True
        is_large = len(self._batches) > 1 or len(self._batches[0].bodies) >= self._overlaps_from
        return is_large and len(self._under_way) < self._max_writes

    async def _commit_next(self) -> None:
        """Write the oldest batch."""
        self._begins = False
        if not self._batches:
            return
        batch = self._batches.popleft()
        left_s = batch.opened_at_s + self._timeout_s - monotonic()
        if left_s <= 0:
            self._settle(batch, confirmed=False)
            return
        self._under_way.add(batch)
        self._set_timers(batch, left_s, asyncio.current_task())
        self._overlaps_from = max(_OVERLAPPING_BODIES, sum(len(other.bodies) for other in self._under_way))
        self._begin_if_free()
        confirmed = False
        try:
            confirmed = await self._is_confirmed(batch)
        finally:
            self._settle(batch, confirmed=confirmed)

    def _set_timers(self, batch: _Batch, left_s: float, task: asyncio.Task[Any] | None) -> None:
        loop, slow_after_s = asyncio.get_running_loop(), self._slow_after_s()
        batch.timers.append(loop.call_later(left_s, self._give_up, batch, task))
        if slow_after_s < left_s:
            batch.timers.append(loop.call_later(slow_after_s, self._note_slow, batch))

    def _give_up(self, batch: _Batch, task: asyncio.Task[Any] | None) -> None:
        """Settle a batch that was not confirmed in time, without waiting for the end of its write."""
        if task is not None:
            task.cancel()  # redis-py sometimes swallows this and continues to read
        self._note_failure(f"Redis did not confirm within {self._timeout_s:g} s")
        self._settle(batch, confirmed=False)

    def _note_slow(self, batch: _Batch) -> None:
        self._slow.add(batch)
        self._begin_if_free()

    async def _is_confirmed(self, batch: _Batch) -> bool:
        try:
            await self._write(batch.bodies)
        except (BrokerError, SpillError) as error:
            self._note_failure(str(error))
        except Exception:
            log.exception("a batch could not be written", extra={"action": "batch_failed"})
        else:
            return True
        return False

    def _settle(self, batch: _Batch, *, confirmed: bool) -> None:
        """Report whether a batch was confirmed, and begin with the next one. Only the first call counts."""
        if batch.is_settled:
            return
        batch.is_settled = True
        for timer in batch.timers:
            timer.cancel()
        self._under_way.discard(batch)
        self._slow.discard(batch)
        self.pending_bytes -= batch.size_bytes
        if confirmed:
            self._note_success()
            self._count(batch)
        for settled in batch.settled:
            _call(settled, confirmed=confirmed)
        self._begin_if_free()

    def _count(self, batch: _Batch) -> None:
        self._counters.batches += 1
        self._counters.bodies += len(batch.bodies)
        self._counters.bytes += batch.size_bytes
        self._counters.batch_bodies.observe(len(batch.bodies))

    def _note_failure(self, reason: str) -> None:
        """Log the first of several failures in a row. The rejected webhooks are counted elsewhere."""
        if not self._failing:
            log.error(
                "webhooks are answered 503: %s", reason, extra={"action": "writes_failing", "reason": reason}
            )
        self._failing = True

    def _note_success(self) -> None:
        if self._failing:
            log.info("webhooks are accepted again", extra={"action": "writes_recovered"})
        self._failing = False


def _call(settled: Settled, *, confirmed: bool) -> None:
    """Call a function; its defect does not concern the other bodies of the batch."""
    try:
        settled(confirmed)
    except Exception:
        log.exception("a webhook met a defect after its batch", extra={"action": "webhook_failed"})


def _set_result(outcome: asyncio.Future[bool], confirmed: bool) -> None:
    if not outcome.done():  # a request that was cancelled waits no more
        outcome.set_result(confirmed)
