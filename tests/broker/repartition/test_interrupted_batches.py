"""Tests that batches whose commit was interrupted are processed once, with other homes of their events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeAlias

import pytest

from broker.queue import stream
from broker.redis.partitions import Partitions
from runtime.task_cancellation import cancel_and_wait
from tests.broker.repartition.installation import change, connected, total
from tests.redis_server import RedisServer
from tests.worker.intake.test_partitions import (
    BODIES,
    EACH,
    TOGETHER,
    Loss,
    bodies,
    gathered,
    intake_of,
    notifications,
    received,
)

PartitionsOf: TypeAlias = Callable[[int], Partitions]


@pytest.mark.parametrize("count", [16, 3, 1])
@pytest.mark.parametrize("call", range(1, 10, 2))
async def test_a_batch_that_was_processed_in_part_is_finished_with_another_number_of_partitions(
    redis_server: RedisServer, partitions_of: PartitionsOf, call: int, count: int
) -> None:
    four, after = partitions_of(4), partitions_of(count)
    for client in four:
        await client.set(client.names.layout, "4")
    entry = await received(four[2], bodies())
    loss = Loss(with_loss := connected(redis_server.url, 4), call=call, is_run=True, dies=True)
    processing = asyncio.create_task(intake_of(with_loss, 2, EACH, TOGETHER).process([entry]))
    happening = asyncio.create_task(loss.happened.wait())
    await asyncio.wait((processing, happening), return_when=asyncio.FIRST_COMPLETED)
    await cancel_and_wait([processing, happening])
    await with_loss.aclose()

    await change(redis_server.url, count)
    for client in after:
        intake = intake_of(after, client.partition, EACH, TOGETHER)
        await stream.create_group(client)
        while entries := await stream.read(client, "heir", count=10, block_ms=1):
            await intake.process(entries)
        while pending := await stream.take_over(client, "heir", idle_ms=0):
            await intake.process([pending])
    totals = await total(after)
    assert (totals.processed, totals.duplicate, totals.queued, totals.digested) == (BODIES, 0, 0, BODIES)
    keys = await notifications(after)
    assert len(set(keys)) == len(keys) == BODIES
    together = await gathered(after)
    assert len(set(together)) == len(together) == BODIES
