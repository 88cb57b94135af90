"""Takeover of the entries of dead workers, on a real Redis."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from broker.monitoring import stats
from broker.queue import stream
from broker.queue.batch import RawBody
from broker.queue.stream import Confirmation, Entry
from broker.redis import keys
from broker.redis.client import Client
from sources import KINDS
from tests.names import KEYS
from tests.worker.conftest import send, webhook
from worker.intake.homes import Homes
from worker.intake.intake import Intake
from worker.intake.plan import Plan
from worker.intake.planner import Planner
from worker.rules.rules import RuleBook
from worker.settings import Settings
from worker.worker_source import WorkerSource


class Watching(Planner):
    """Records before each plan how many entries were taken over and are not committed yet."""

    def __init__(self, redis: Client, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._watched = redis
        self.seen: list[int] = []

    async def plans(self, entries: Sequence[Entry], homes: Homes | None = None) -> AsyncIterator[Plan]:
        pending = await self._watched.xpending_range(KEYS.stream, keys.GROUP, "-", "+", 10)
        self.seen.append(sum(row["times_delivered"] > 1 for row in pending))
        async for plan in super().plans(entries, homes):
            yield plan


async def test_stalled_entries_are_taken_over_one_at_a_time_despite_repeated_requests(redis: Client) -> None:
    await stream.create_group(redis)
    for number in range(6):
        await send(redis, webhook(number))
    assert len(await stream.read(redis, "dead", count=6, block_ms=1)) == 6
    sources = {"voucherify": WorkerSource(KINDS["voucherify"], 7)}
    planner = Watching(redis, sources, RuleBook(()), max_deliveries=3)
    intake = Intake(redis, planner, Settings(takeover_s=1), consumer="heir")
    await redis.xclaim(KEYS.stream, keys.GROUP, "dead", 0, await _ids(redis), idle=60_000, justid=True)
    assert sum(await asyncio.gather(intake.take_over(), intake.take_over())) == 6
    assert planner.seen == [1] * 6


async def test_entries_of_many_that_die_are_all_committed(redis: Client) -> None:
    await stream.create_group(redis)
    for number in range(5):
        raw = [RawBody(1, "voucherify", "", b'{"n":%d' % (60 * number + place)) for place in range(60)]
        await stream.append(redis, raw, Confirmation())
    sources = {"voucherify": WorkerSource(KINDS["voucherify"], 7)}
    intake = Intake(redis, Planner(sources, RuleBook(()), max_deliveries=3), Settings(), consumer="one")

    await intake.process(await stream.read(redis, "one", count=64, block_ms=1))

    totals = await stats.read_totals(redis)
    assert (totals.dead_at_intake, totals.queued, totals.bodies_add_up()) == (300, 0, True)


async def _ids(redis: Client) -> list[bytes]:
    return [entry_id for entry_id, _ in await redis.xrange(KEYS.stream)]
