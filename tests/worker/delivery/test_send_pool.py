"""The tasks that make a channel's sends."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from functools import partial

import pytest

from tests.until import until
from worker.delivery.send_pool import Send, SendPool


def ignore(_work: Send, _result: object) -> None:
    """Ignore the result."""


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


async def test_no_more_are_under_way_than_there_are_slots_and_they_begin_in_order() -> None:
    pool, first, second = SendPool(2), Job(), Job()
    pool.submit(first.works(3), ignore)
    pool.submit(second.works(1), ignore)
    await until(lambda: len(first.begun) == 2)
    assert (first.begun, second.begun) == ([0, 1], [])
    first.go.set()
    await until(lambda: bool(second.begun))
    assert first.begun == [0, 1, 2]


async def test_what_is_withdrawn_ends_and_the_work_of_others_goes_on() -> None:
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


async def test_work_that_takes_its_cancellation_for_something_else_harms_none_that_waits() -> None:
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


async def test_what_comes_of_each_is_told_a_fault_too_and_the_next_is_begun() -> None:
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


async def test_one_that_is_waited_for_has_its_turn_like_others_and_gives_what_it_returns_or_raises() -> None:
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


async def test_one_that_nobody_waits_for_any_more_is_withdrawn() -> None:
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
