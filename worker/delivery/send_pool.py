"""The tasks that make the sends of one channel."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection
from typing import Any, TypeVar

from runtime.task_cancellation import ended

T = TypeVar("T")

Work = Callable[[], Awaitable[Any]]
"""Makes one send."""

Tell = Callable[[Work, Any], None]
"""Gets what a work returned, or the Exception that it raised."""


class SendPool:
    """At most `size` tasks, each of which makes one send after another, in the order in which they came.

    A task for each send would cost as much as its rendering.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._waiting: deque[tuple[Work, Tell]] = deque()
        self._tasks: dict[asyncio.Task[None], Work | None] = {}  # and what each is at

    def put(self, works: Collection[Work], tell: Tell) -> None:
        """Make these when their turn comes."""
        self._waiting.extend((work, tell) for work in works)
        for _ in range(min(len(works), self._size - len(self._tasks))):
            self._hire()

    async def make(self, work: Callable[[], Awaitable[T]]) -> T:
        """Make this one when its turn comes, and wait for what it returns or raises."""
        made: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def tell(_work: Work, result: Any) -> None:
            if made.cancelled():
                return
            if isinstance(result, Exception):
                made.set_exception(result)
            else:
                made.set_result(result)

        self.put([work], tell)
        try:
            return await made
        except asyncio.CancelledError:
            await self.withdraw([work])
            raise

    async def withdraw(self, works: Collection[Work]) -> None:
        """Begin none of these any more; those under way are cancelled, and waited for."""
        gone = set(works)
        self._waiting = deque((work, tell) for work, tell in self._waiting if work not in gone)
        await ended([task for task, work in self._tasks.items() if work in gone])

    def _hire(self) -> None:
        task = asyncio.create_task(self._serve())
        self._tasks[task] = None
        task.add_done_callback(self._leave)

    def _leave(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        if self._waiting:  # it was cancelled, or this came while it ended
            self._hire()

    async def _serve(self) -> None:
        task, tasks = asyncio.current_task(), self._tasks
        assert task is not None
        # What is cancelled can take that for an end of its own wait, and return.
        while self._waiting and not task.cancelling():
            work, tell = self._waiting.popleft()
            tasks[task] = work
            try:
                result = await work()
            except Exception as error:  # noqa: BLE001 - told like all that can come of it
                result = error
            tell(work, result)
