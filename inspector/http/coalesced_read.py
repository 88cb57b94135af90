"""A read of Redis that concurrent requests share, so that many open pages cost as much as one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Generic, TypeVar

T = TypeVar("T")


class CoalescedRead(Generic[T]):
    """Caches the last result for `max_age_s`. Requests during a read wait for that read."""

    def __init__(self, read: Callable[[], Awaitable[T]], *, max_age_s: float) -> None:
        self._read = read
        self._max_age_s = max_age_s
        self._last: tuple[float, T] | None = None
        self._lock = asyncio.Lock()

    async def get(self) -> T:
        """The result of a read that is at most max_age_s old. Raises what the read raises."""
        async with self._lock:
            if self._last is None or monotonic() - self._last[0] > self._max_age_s:
                self._last = (monotonic(), await self._read())
            return self._last[1]
