"""The sends of one run of a job: in the pool of its channel, or waiting outside of it for a partition."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any

from broker.queue.latest_only import SubjectLock
from runtime.task_cancellation import cancel_and_wait
from worker.delivery.capacity.send_pool import Send, SendPool
from worker.delivery.running_job import RunningJob
from worker.delivery.sending.message_sends import AttemptResult, RecordingBehindError
from worker.delivery.subject_locks import SubjectLocks
from worker.outcome import LeftOpen, Sent

Finished = tuple[int, AttemptResult | Exception]
"""The index of a notification and the result of its attempt; an exception is a defect."""


class JobSends:
    """Runs sends, and collects their results as they come."""

    # The pool is shared by the jobs of all partitions. A send that waits for the Redis of one of them leaves it,
    # so that an outage there does not use up the concurrency of the channel.

    def __init__(self, running: RunningJob, pool: SendPool, locks: SubjectLocks) -> None:
        self.finished: list[Finished] = []
        """The results that were not taken yet."""

        self.news = asyncio.Event()
        """Set when there are results."""

        self._running = running
        self._pool = pool
        self._locks = locks
        self._indices: Mapping[Send, int] = {}
        self._behind: list[Send] = []  # sends that wait until outcomes are recorded
        self._waiting: set[asyncio.Task[None]] = set()

    def submit(self, sends: Mapping[Send, int]) -> None:
        """Run these sends, each for the notification with the index beside it."""
        self._indices = sends
        self._pool.submit(sends.keys(), self._on_done)

    async def cancel(self) -> None:
        """Do not begin further sends; those under way are cancelled and waited for."""
        await cancel_and_wait(list(self._waiting))
        await self._pool.cancel(self._indices.keys())
        await cancel_and_wait(list(self._waiting))  # of sends that ended meanwhile

    def _on_done(self, send: Send, result: AttemptResult | Exception) -> None:
        if isinstance(result, RecordingBehindError):
            self._behind.append(send)
            if len(self._behind) == 1:
                self._behind += self._pool.withdraw(self._indices.keys())
                self._start(self._send_when_recorded())
            return
        if self._running.locks_elsewhere and not isinstance(result, Exception):
            lock = self._running.locks_elsewhere.pop(result[0].key, None)
            if lock is not None:
                self._start(self._finish_when_released(send, result, lock))
                return
        self._finish(send, result)

    def _finish(self, send: Send, result: AttemptResult | Exception) -> None:
        self.finished.append((self._indices[send], result))
        self.news.set()

    def _start(self, waiting: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(waiting)
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def _send_when_recorded(self) -> None:
        """Run the sends that wait until outcomes are recorded, unless the job's lease ends before."""
        is_held = await self._running.partition.recorder.catches_up(self._running.lease)
        sends, self._behind = self._behind, []
        if is_held:
            self._pool.submit(sends, self._on_done)
            return
        for send in sends:
            self._finish(send, (self._running.job.notifications[self._indices[send]], LeftOpen()))

    async def _finish_when_released(self, send: Send, result: AttemptResult, lock: SubjectLock) -> None:
        notification, outcome = result
        is_sent = isinstance(outcome, Sent)
        if not await self._locks.release_elsewhere(lock, self._running, is_sent=is_sent):
            result = notification, LeftOpen()
        self._finish(send, result)
