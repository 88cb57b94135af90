"""Waiting for a limited time, whatever is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


class Bounded:
    """asyncio.timeout would not do: redis-py now and then swallows the cancellation and reads on."""

    def __init__(self) -> None:
        self._running: set[asyncio.Future[None]] = set()  # also those abandoned that have not ended yet

    async def within(self, seconds: float, work: Coroutine[Any, Any, None]) -> None:
        """Let it work; cancelled, and left behind, when the time is up. Raises TimeoutError and what it raises."""
        running = asyncio.ensure_future(work)
        self._running.add(running)
        running.add_done_callback(self._forget)
        try:
            done, _ = await asyncio.wait((running,), timeout=seconds)
        finally:
            running.cancel()
        if not done:
            raise TimeoutError
        running.result()

    def _forget(self, running: asyncio.Future[None]) -> None:
        self._running.discard(running)
        if not running.cancelled():
            running.exception()  # of what was abandoned nobody else asks for it
