"""Runs the work of several partitions at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import TypeVar

from broker.redis.errors import BrokerError
from runtime.task_cancellation import cancel_and_wait

T = TypeVar("T")


async def run_side_by_side(runs: Mapping[int, AsyncIterator[T]]) -> AsyncIterator[tuple[int, T]]:
    """Yield what each run yields, with the number of its partition, until all have ended.

    If some fail, the others go on to their end. Then the first error is raised.
    """
    steps: asyncio.Queue[tuple[int, T] | None] = asyncio.Queue()

    async def follow(number: int, run: AsyncIterator[T]) -> None:
        try:
            async for step in run:
                steps.put_nowait((number, step))
        finally:
            steps.put_nowait(None)

    tasks = [asyncio.create_task(follow(number, run)) for number, run in runs.items()]
    try:
        left = len(tasks)
        while left:
            step = await steps.get()
            if step is None:
                left -= 1
            else:
                yield step
    finally:
        await cancel_and_wait(tasks)
    errors = [error for task in tasks if (error := task.exception())]
    # A defect is more important than a Redis that is away.
    for error in sorted(errors, key=lambda error: isinstance(error, BrokerError)):
        raise error
