"""Tests of the cancellation of tasks."""

import asyncio

from runtime.task_cancellation import cancel_and_wait


async def test_a_task_that_swallows_a_cancellation_is_cancelled_again() -> None:
    swallowed = 0

    async def stubborn() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                swallowed += 1
                if swallowed == 3:
                    raise

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    await asyncio.wait_for(cancel_and_wait([task]), 60)
    assert (task.cancelled(), swallowed) == (True, 3)


async def test_what_a_task_ends_with_does_not_matter() -> None:
    async def failing() -> None:
        raise ValueError("whatever")

    task = asyncio.create_task(failing())
    await asyncio.sleep(0)
    await cancel_and_wait([task])
    assert isinstance(task.exception(), ValueError)
