"""The slots of calls that may never return."""

from __future__ import annotations

import asyncio

import pytest

from worker.channels.bounded_executor import BoundedExecutor, End


async def test_a_call_that_cannot_be_started_takes_no_slot() -> None:
    executor = BoundedExecutor(1, timeout_s=20.0)

    def start(_end: End) -> asyncio.Future[None]:
        raise RuntimeError("can't start new thread")

    for _ in range(2):
        with pytest.raises(RuntimeError, match="new thread"):
            await executor.run(start)
    executor.close()
