"""A time-out for all sends of a channel."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any


class SharedTimeout:
    """`with shared_timeout:` raises TimeoutError after `s` seconds, as asyncio.timeout does.

    A task can enter it once. Must be created in the running event loop.
    """

    # asyncio.timeout sets a timer for each use, which costs a tenth of a send. Here one timer serves all tasks:
    # they have the same time-out, so they reach it in the order in which they entered. Looking up the running
    # event loop each time would cost more than the rest.

    def __init__(self, s: float) -> None:
        self.s = s
        self._loop = asyncio.get_running_loop()
        self._until: dict[
            asyncio.Task[Any], float
        ] = {}  # the loop time at which each expires, the first one first
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        task = asyncio.current_task(self._loop)
        assert task is not None
        self._until[task] = until = self._loop.time() + self.s
        if self._timer is None:
            self._timer = self._loop.call_at(until, self._expire)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        task = asyncio.current_task(self._loop)
        assert task is not None
        if self._until.pop(task, None) is not None:
            return
        others = task.uncancel()  # cancellations by other callers, which must still see CancelledError
        if kind is asyncio.CancelledError and not others:
            raise TimeoutError from error

    def _expire(self) -> None:
        self._timer = None
        for task, until in list(self._until.items()):
            if until > self._loop.time():
                self._timer = self._loop.call_at(until, self._expire)
                return
            del self._until[task]
            task.cancel()

    def close(self) -> None:
        """Stop the timer. No task may be in it any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
