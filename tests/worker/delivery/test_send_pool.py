"""The tasks that make a channel's sends."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from functools import partial

import pytest

from tests.until import until
from worker.delivery.capacity.send_pool import Send, SendPool


def ignore(_work: Send, _result: object) -> None:
    """Ignore the result of a send."""


class Job:
    """Sends that end when `go` is set."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.ended: list[int] = []
        self.cancelled: list[int] = []
        self.go = asyncio.Event()

    def works(self, count: int) -> list[Callable[[], Awaitable[None]]]:
        return [partial(self._send, number) for number in range(count)]

    async def _send(self, number: int) -> None:
        self.begun.append(number)
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled.append(number)
            raise
        self.ended.append(number)


async def test_sends_start_in_order_and_never_exceed_the_size_of_the_pool() -> None:
    pool, first, second = SendPool(2), Job(), Job()
    pool.submit(first.works(3), ignore)
    pool.submit(second.works(1), ignore)
    await until(lambda: len(first.begun) == 2)
    assert (first.begun, second.begun) == ([0, 1], [])
    first.go.set()
    await until(lambda: bool(second.begun))
    assert first.begun == [0, 1, 2]


async def test_cancelled_sends_end_and_the_others_continue() -> None:
    pool, mine, others = SendPool(2), Job(), Job()
    works = mine.works(2)
    pool.submit(works[:1], ignore)
    pool.submit(others.works(2), ignore)
    pool.submit(works[1:], ignore)
    await until(lambda: mine.begun == [0] and others.begun == [0])
    await pool.cancel(works)
    assert (mine.cancelled, others.cancelled) == ([0], [])
    others.go.set()
    await until(lambda: others.ended == [0, 1])
    assert mine.begun == [0]


async def test_a_send_that_misinterprets_its_cancellation_does_not_affect_waiting_sends() -> None:
    pool, others = SendPool(1), Job()

    async def stubborn() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    pool.submit([stubborn], ignore)
    pool.submit(others.works(1), ignore)
    await asyncio.sleep(0)
    await pool.cancel([stubborn])
    others.go.set()
    await until(lambda: others.ended == [0])


async def test_each_result_or_error_is_reported_and_the_next_send_starts() -> None:
    async def fails() -> None:
        raise ValueError("broken")

    async def works() -> str:
        return "sent"

    results: list[tuple[Send, object]] = []
    pool = SendPool(1)
    pool.submit([fails, works], lambda work, result: results.append((work, result)))
    await until(lambda: len(results) == 2)
    (first, error), second = results
    assert first is fails and isinstance(error, ValueError)
    assert second == (works, "sent")


async def test_run_waits_in_order_and_returns_or_raises_the_result() -> None:
    async def works() -> str:
        return "sent"

    async def fails() -> str:
        raise ValueError("broken")

    pool, others = SendPool(1), Job()
    pool.submit(others.works(1), ignore)
    waiting = asyncio.create_task(pool.run(works))
    await until(lambda: others.begun == [0])
    assert not waiting.done()
    others.go.set()
    assert await waiting == "sent"
    with pytest.raises(ValueError, match="broken"):
        await pool.run(fails)


async def test_a_run_that_is_cancelled_cancels_its_send() -> None:
    pool, others, mine = SendPool(1), Job(), Job()
    pool.submit(others.works(1), ignore)
    waiting = asyncio.create_task(pool.run(mine.works(1)[0]))
    await until(lambda: others.begun == [0])
    waiting.cancel()
    others.go.set()
    await until(lambda: others.ended == [0])
    with contextlib.suppress(asyncio.CancelledError):
        await waiting
    assert waiting.cancelled()
    assert not mine.begun
