"""One time-out for all that a channel has under way."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any


class SharedTimeout:
    """`with patience:` around what a task awaits raises TimeoutError after `s` seconds, as asyncio.timeout does.

    That sets a timer each time, which costs a tenth of what a send costs. Here one timer looks after all tasks:
    as all have the same time, they run out of it in the order in which they came. A task can be in it once.
    To be made in the running event loop: to ask which that is costs more than all else here.
    """

    def __init__(self, s: float) -> None:
        self.s = s
        self._loop = asyncio.get_running_loop()
        self._until: dict[asyncio.Task[Any], float] = {}  # by the loop's clock, the first to run out first
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        task = asyncio.current_task(self._loop)
        assert task is not None
        self._until[task] = until = self._loop.time() + self.s
        if self._timer is None:
            self._timer = self._loop.call_at(until, self._run_out)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        task = asyncio.current_task(self._loop)
        assert task is not None
        if self._until.pop(task, None) is not None:
            return
        others = task.uncancel()  # who cancelled it too, and has to see it end
        if kind is asyncio.CancelledError and not others:
            raise TimeoutError from error

    def _run_out(self) -> None:
        self._timer = None
        for task, until in list(self._until.items()):
            if until > self._loop.time():
                self._timer = self._loop.call_at(until, self._run_out)
                return
            del self._until[task]
            task.cancel()

    def close(self) -> None:
        """Nothing is under way any more: stop the clock."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
