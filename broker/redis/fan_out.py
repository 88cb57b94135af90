"""Reads from all partitions at the same time, and goes on without those that are away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Generic, TypeVar

from msgspec import Struct

from broker.redis.client import Client
from broker.redis.errors import BrokerError, Unavailable
from broker.redis.partitions import Partitions
from runtime.task_cancellation import cancel_and_wait

T = TypeVar("T")

_OTHERS_WAIT_S = 2.0
"""Seconds that a partition may take longer than the first that answers."""

AWAY_FOR_S = 3.0
"""Seconds for which a partition that did not answer is not asked again."""


class Answers(Struct, Generic[T], frozen=True):
    """The answers of partitions to one question."""

    by_partition: dict[int, T]
    """The answers by the number of the partition, in this order. There is at least one."""

    away: dict[int, BrokerError]
    """Why other partitions did not answer, by their numbers. Their part is missing in what is shown."""

    def __iter__(self) -> Iterator[T]:
        return iter(self.by_partition.values())


async def ask_all(partitions: Partitions, read: Callable[[Client], Awaitable[T]]) -> Answers[T]:
    """Run `read` for each partition. Raises BrokerError if none answers, and what else `read` raises.

    A partition that did not answer is not asked again for a few seconds, so that a page with many reads does not
    wait for it each time.
    """
    if len(partitions) == 1:
        return Answers({0: await read(partitions.control)}, {})
    now_s = time.monotonic()
    away = {number: error for number, (until_s, error) in partitions.away.items() if until_s > now_s}
    if len(away) == len(partitions):
        away = {}

    async def answer(client: Client) -> T:
        return await read(client)

    asked = {
        asyncio.create_task(answer(client)): client.partition
        for client in partitions
        if client.partition not in away
    }
    answers: dict[int, T] = {}
    errors: dict[int, BrokerError] = {}
    try:
        for task, number in await _finished(asked):
            error = _error(task)
            if error is None:
                answers[number] = task.result()
                partitions.away.pop(number, None)
            else:
                errors[number] = error
                partitions.away[number] = (time.monotonic() + AWAY_FOR_S, error)
    finally:
        await cancel_and_wait(list(asked))
    if not answers:
        raise next(iter(errors.values()))  # not that of a partition that was not asked, which is older
    return Answers(dict(sorted(answers.items())), dict(sorted((away | errors).items())))


async def _finished(asked: dict[asyncio.Task[T], int]) -> list[tuple[asyncio.Task[T], int]]:
    """Wait for all, but not much longer than for the first that answers."""
    pending = set(asked)
    while pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        if any(_error(task) is None for task in done):
            if pending:
                await asyncio.wait(pending, timeout=_OTHERS_WAIT_S)
            break
    return list(asked.items())


def _error(task: asyncio.Task[T]) -> BrokerError | None:
    """Return why a partition did not answer, None if it did. Raises what is no BrokerError."""
    if not task.done():
        return Unavailable("Redis did not answer in time")
    error = task.exception()
    if error is None or isinstance(error, BrokerError):
        return error
    raise error
