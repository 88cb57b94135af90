"""The time-out that all sends of a channel share."""

import asyncio

import pytest

from worker.channels.shared_timeout import SharedTimeout


async def _within(patience: SharedTimeout, wait: asyncio.Event) -> str:
    try:
        with patience:
            await wait.wait()
    except TimeoutError:
        return "out of time"
    return "done"


async def test_only_sends_that_take_too_long_are_cancelled() -> None:
    patience, long, short = SharedTimeout(0.05), asyncio.Event(), asyncio.Event()
    short.set()
    waits = [long, short, long]
    assert await asyncio.gather(*(_within(patience, wait) for wait in waits)) == [
        "out of time",
        "done",
        "out of time",
    ]
    assert await _within(patience, long) == "out of time"  # and again, after all had ended


async def test_a_later_send_has_its_own_full_time() -> None:
    patience, never = SharedTimeout(0.1), asyncio.Event()
    loop = asyncio.get_running_loop()
    first = asyncio.create_task(_within(patience, never))
    await asyncio.sleep(0.06)
    begun = loop.time()
    assert await _within(patience, never) == "out of time"
    assert loop.time() - begun >= 0.1
    assert first.done()


async def test_a_task_that_is_cancelled_from_outside_stays_cancelled() -> None:
    patience = SharedTimeout(60)
    task = asyncio.create_task(_within(patience, asyncio.Event()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    patience.close()


async def test_a_task_that_ran_out_of_time_can_go_on() -> None:
    patience = SharedTimeout(0.02)

    async def twice() -> int:
        assert await _within(patience, asyncio.Event()) == "out of time"
        task = asyncio.current_task()
        assert task is not None
        return task.cancelling()

    assert await asyncio.create_task(twice()) == 0
