"""One look for all who ask at about the same time: many open pages cost Redis as much as one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Generic, TypeVar

T = TypeVar("T")


class Recent(Generic[T]):
    """What was seen last, as long as it is new. Whoever asks while somebody looks waits for that look."""

    def __init__(self, look: Callable[[], Awaitable[T]], *, lasts_s: float) -> None:
        self._look = look
        self._lasts_s = lasts_s
        self._seen: tuple[float, T] | None = None
        self._looking = asyncio.Lock()

    async def get(self) -> T:
        """What is so, or was so less than lasts_s ago. Raises what the look raises."""
        async with self._looking:
            if self._seen is None or monotonic() - self._seen[0] > self._lasts_s:
                self._seen = (monotonic(), await self._look())
            return self._seen[1]
