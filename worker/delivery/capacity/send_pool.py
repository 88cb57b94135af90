"""The tasks that run the sends of one channel."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection
from typing import Any, TypeVar

from runtime.task_cancellation import cancel_and_wait

T = TypeVar("T")

Send = Callable[[], Awaitable[Any]]
"""A function that makes one send."""

OnDone = Callable[[Send, Any], None]
"""Called with a send and what it returned, or the Exception that it raised."""


class SendPool:
    """At most `size` tasks, each of which runs one send after another, in the order of submission."""

    # A task for each send would cost as much as rendering its message.

    def __init__(self, size: int) -> None:
        self._size = size
        self._waiting: deque[tuple[Send, OnDone]] = deque()
        self._tasks: dict[asyncio.Task[None], Send | None] = {}  # each with the send that it runs

    def submit(self, sends: Collection[Send], on_done: OnDone) -> None:
        """Run these sends as tasks become free."""
        self._waiting.extend((send, on_done) for send in sends)
        for _ in range(min(len(sends), self._size - len(self._tasks))):
            self._start_task()

    async def run(self, send: Callable[[], Awaitable[T]]) -> T:
        """Run one send when a task is free, and return or raise its result."""
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def on_done(_send: Send, result: Any) -> None:
            if done.cancelled():
                return
            if isinstance(result, Exception):
                done.set_exception(result)
            else:
                done.set_result(result)

        self.submit([send], on_done)
        try:
            return await done
        except asyncio.CancelledError:
            await self.cancel([send])
            raise

    def withdraw(self, sends: Collection[Send]) -> list[Send]:
        """Do not begin these sends any more. Returns those that had not begun, in their order."""
        wanted = set(sends)
        withdrawn = [send for send, _ in self._waiting if send in wanted]
        self._waiting = deque((send, on_done) for send, on_done in self._waiting if send not in wanted)
        return withdrawn

    async def cancel(self, sends: Collection[Send]) -> None:
        """Do not begin these sends any more; those under way are cancelled and waited for."""
        self.withdraw(sends)
        cancelled = set(sends)
        await cancel_and_wait([task for task, send in self._tasks.items() if send in cancelled])

    def _start_task(self) -> None:
        task = asyncio.get_running_loop().create_task(self._run_waiting())
        self._tasks[task] = None
        task.add_done_callback(self._task_ended)

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        if self._waiting:  # the task was cancelled, or a send was submitted while it ended
            self._start_task()

    async def _run_waiting(self) -> None:
        task, tasks = asyncio.current_task(), self._tasks
        assert task is not None
        # A send may catch the cancellation as the end of its own wait and return, so this task has to check for
        # it.
        while self._waiting and not task.cancelling():
            send, on_done = self._waiting.popleft()
            tasks[task] = send
            try:
                result = await send()
            except Exception as error:  # noqa: BLE001 - reported as a result
                result = error
            on_done(send, result)
