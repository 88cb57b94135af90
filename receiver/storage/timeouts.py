"""A time limit that holds also where the work ignores its cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


class TimeLimit:
    """Runs work with a time limit, and does not wait for work that ignores its cancellation."""

    # asyncio.timeout would wait for it: redis-py sometimes swallows the cancellation and continues to read.
    def __init__(self) -> None:
        self._running: set[asyncio.Future[None]] = set()  # including cancelled work that has not ended yet

    async def within(self, seconds: float, work: Coroutine[Any, Any, None]) -> None:
        """Run the work, and cancel it when the time is up. Raises TimeoutError, and what the work raises."""
        running = self.start(work)
        try:
            done, _ = await asyncio.wait((running,), timeout=seconds)
        finally:
            running.cancel()
        if not done:
            raise TimeoutError
        running.result()

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Future[None]:
        """Start work that the caller waits for and cancels. Its error is never logged as unretrieved."""
        running = asyncio.ensure_future(work)
        self._running.add(running)
        running.add_done_callback(self._forget)
        return running

    def _forget(self, running: asyncio.Future[None]) -> None:
        self._running.discard(running)
        if not running.cancelled():
            running.exception()  # retrieved, so that asyncio does not log it
