"""Group commit: many webhooks, one write.

A body joins the open batch. One task writes batches one after another; during a write the next batch fills. There
is no timer: an idle receiver writes immediately, a busy one writes larger batches. Only if a write is slow, and
there are several partitions, the next batch is written without waiting for it.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable, Coroutine
from time import monotonic
from typing import Any

from broker.queue.batch import MAX_BODIES, MAX_BYTES, RawBody
from broker.redis.errors import BrokerError
from receiver.counters import Counters
from receiver.storage.spill.errors import SpillError
from receiver.storage.timeouts import TimeLimit
from runtime.task_cancellation import cancel_and_wait

Settled = Callable[[bool], None]
"""A function that is called when a batch is done, with True if it was confirmed."""

log = logging.getLogger("hookline.receiver")


class Outcome(asyncio.Future[bool]):
    """True if a batch was confirmed. Many requests wait for it, so the cancellation of one must not end it."""

    def cancel(self, msg: object = None) -> bool:  # noqa: ARG002 - the signature of asyncio
        """Ignore the cancellation; the cancelled request ends when the batch is done."""
        return False


class _Batch:
    __slots__ = ("bodies", "opened_at_s", "outcome", "settled", "size_bytes")

    def __init__(self) -> None:
        self.bodies: list[RawBody] = []
        self.size_bytes = 0
        self.opened_at_s = monotonic()
        self.outcome = Outcome()
        self.settled: list[Settled] = []

    def has_room(self, size_bytes: int) -> bool:
        return len(self.bodies) < MAX_BODIES and self.size_bytes + size_bytes <= MAX_BYTES


class GroupCommit:
    """Collects bodies and writes them. Lifecycle: join() at any time, run() as the only writing task."""

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
        self._writing: set[asyncio.Task[None]] = set()  # only with max_writes > 1
        self._batches: deque[_Batch] = deque()  # the last one is open
        self._wake = asyncio.Event()
        self._time_limit = TimeLimit()
        self._failing = False
        self._is_closed = False

    def join(self, body: RawBody, settled: Settled | None = None) -> Outcome:
        """Add a body to the open batch; await the result to know whether Redis confirmed it.

        `settled`: is called with the same, and needs no task that waits.
        """
        if self._is_closed:
            return _rejected_outcome(settled)
        size_bytes = len(body.body)
        if not self._batches or not self._batches[-1].has_room(size_bytes):
            self._batches.append(_Batch())
            self._wake.set()
        batch = self._batches[-1]
        batch.bodies.append(body)
        batch.size_bytes += size_bytes
        self.pending_bytes += size_bytes
        if settled is not None:
            batch.settled.append(settled)
        return batch.outcome

    async def run(self) -> None:
        """Write batches until cancelled. A failed write does not end the task."""
        try:
            while True:
                await self._wake.wait()
                while self._batches:
                    await self._commit_next()
                self._wake.clear()
        finally:  # no request may wait for ever
            self._is_closed = True
            while self._batches:
                self._settle(self._batches.popleft(), confirmed=False)
            await cancel_and_wait(self._writing)

    async def _commit_next(self) -> None:
        """Write the oldest batch; returns when it is done, or slow and another one may be written."""
        if self._max_writes == 1:
            await self._commit(self._batches.popleft())
            return
        while len(self._writing) >= self._max_writes:  # meanwhile the batch fills
            await asyncio.wait(self._writing, return_when=asyncio.FIRST_COMPLETED)
        writing = asyncio.create_task(self._commit(self._batches.popleft()))
        self._writing.add(writing)
        writing.add_done_callback(self._writing.discard)
        await asyncio.wait((writing,), timeout=self._slow_after_s())

    async def _commit(self, batch: _Batch) -> None:
        confirmed = False
        try:
            confirmed = await self._is_confirmed(batch)
        finally:
            self._settle(batch, confirmed=confirmed)

    def _settle(self, batch: _Batch, *, confirmed: bool) -> None:
        self.pending_bytes -= batch.size_bytes
        batch.outcome.set_result(confirmed)
        if confirmed:
            self._count(batch)
        for settled in batch.settled:
            _call(settled, confirmed=confirmed)

    async def _is_confirmed(self, batch: _Batch) -> bool:
        left_s = batch.opened_at_s + self._timeout_s - monotonic()
        if left_s <= 0:
            return False
        try:
            await self._time_limit.within(left_s, self._write(batch.bodies))
        except TimeoutError:
            self._note_failure(f"Redis did not confirm within {self._timeout_s:g} s")
        except (BrokerError, SpillError) as error:
            self._note_failure(str(error))
        except Exception:
            log.exception("a batch could not be written", extra={"action": "batch_failed"})
        else:
            self._note_success()
            return True
        return False

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


def _rejected_outcome(settled: Settled | None) -> Outcome:
    outcome = Outcome()
    outcome.set_result(False)
    if settled is not None:
        _call(settled, confirmed=False)
    return outcome


def _call(settled: Settled, *, confirmed: bool) -> None:
    """Call a function; its defect does not concern the other bodies of the batch."""
    try:
        settled(confirmed)
    except Exception:
        log.exception("a webhook met a defect after its batch", extra={"action": "webhook_failed"})
