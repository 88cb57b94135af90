"""Ends tasks that use Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

_CANCEL_AGAIN_S = 0.1
"""Seconds after which a task that still runs is cancelled again."""


async def cancel_and_wait(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait until all of them have ended. Ignores their results and errors."""
    # Again and again: redis-py 5 can take a cancellation for the end of a wait of its own and continue.
    while pending := [task for task in tasks if not task.done()]:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=_CANCEL_AGAIN_S)
