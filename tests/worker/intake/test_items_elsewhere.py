"""Bodies with several events whose homes are other partitions, while answers get lost and partitions are away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import msgspec
import pytest
from msgspec import structs

from broker.monitoring import stats
from broker.queue import held_bodies, stream
from broker.queue.batch import RawBody
from broker.redis.connection import Settings as RedisSettings
from broker.redis.connection import connect
from broker.redis.partitions import Partitions, connect_all
from sources import KINDS
from tests.redis_server import RedisServer
from tests.worker.intake.test_partitions import COUNT, Loss, gathered, notifications, received, total
from worker.intake.intake import Intake
from worker.intake.planner import Planner
from worker.rules.rules import DigestSettings, Rule, RuleBook
from worker.settings import Settings
from worker.worker_source import WorkerSource

EVENTS = 30
SOURCES = {"mail": WorkerSource(KINDS["sendgrid"], 7)}
EACH = Rule(name="each", events=("*",), channel="console")
TOGETHER = Rule(name="together", events=("*",), channel="console", digest=DigestSettings(window="1h", key="email"))


def arrays() -> list[RawBody]:
    """Two bodies with EVENTS events together."""
    items = [
        {"event": "bounce", "sg_event_id": f"e{number}", "email": f"m{number % 5}@example.com"}
        for number in range(EVENTS)
    ]
    now_ms = int(time.time() * 1000)
    return [RawBody(now_ms, "mail", "", msgspec.json.encode(half)) for half in (items[:20], items[20:])]


def intake_of(partitions: Partitions, number: int) -> Intake:
    planner = Planner(SOURCES, RuleBook((EACH, TOGETHER)), max_deliveries=3)
    return Intake(partitions[number], planner, Settings(), consumer="worker", partitions=partitions)


async def process_all(partitions: Partitions, number: int) -> None:
    """Take over and read until nothing is in the stream, and nothing waits for another partition."""
    intake, client = intake_of(partitions, number), partitions[number]
    while await client.xlen(client.names.stream) or await held_bodies.waiting_homes(client):
        for home in await held_bodies.waiting_homes(client):
            await held_bodies.release(client, home, most=10)
        while stalled := await stream.take_over(client, "heir", idle_ms=0):
            await intake.process([stalled])
        await intake.process(await stream.read(client, "heir", count=10, block_ms=1))


async def check_all_once(partitions: Partitions) -> None:
    totals = await total(partitions)
    assert (totals.accepted, totals.processed, totals.duplicate, totals.queued) == (EVENTS, EVENTS, 0, 0)
    for keys in (await notifications(partitions), await gathered(partitions)):
        assert len(set(keys)) == len(keys) == EVENTS


@pytest.fixture
async def partitions(redis_server: RedisServer) -> AsyncIterator[Partitions]:
    partitions = connect_all(RedisSettings(url=redis_server.url, partitions=COUNT))
    yield partitions
    await partitions.aclose()


@pytest.mark.parametrize("call", range(1, 10))
@pytest.mark.parametrize("is_run", [False, True])
async def test_a_worker_that_dies_anywhere_loses_no_item_and_repeats_none(
    redis_server: RedisServer, partitions: Partitions, call: int, is_run: bool
) -> None:
    entry = await received(partitions[1], arrays())
    dying = connect_all(RedisSettings(url=redis_server.url, partitions=COUNT), retries=0)
    loss = Loss(dying, call=call, is_run=is_run, dies=True)
    intake = intake_of(dying, 1)

    async def process() -> None:
        await intake.process([entry])
        await intake.process(await stream.read(dying[1], "worker", count=10, block_ms=1))

    processing, happening = asyncio.create_task(process()), asyncio.create_task(loss.happened.wait())
    await asyncio.wait((processing, happening), return_when=asyncio.FIRST_COMPLETED)
    processing.cancel()
    happening.cancel()
    await asyncio.wait((processing, happening))
    await dying.aclose()
    await process_all(partitions, 1)
    await check_all_once(partitions)


async def test_items_wait_for_a_home_that_is_away_and_are_processed_once(
    redis_server: RedisServer, own_redis: RedisServer
) -> None:
    settings = RedisSettings(url=redis_server.url, partitions=2)
    other = structs.replace(settings, url=own_redis.url)
    partitions = Partitions([connect(settings), connect(other, partition=1, retries=0)])
    entry = await received(partitions[0], arrays())
    own_redis.freeze()
    intake = intake_of(partitions, 0)
    await intake.process([entry])
    await intake.process(await stream.read(partitions[0], "worker", count=10, block_ms=1))
    at_home = await stats.read_totals(partitions[0])
    assert at_home.accepted == EVENTS
    assert 0 < at_home.processed == EVENTS - at_home.queued
    own_redis.thaw()
    await process_all(partitions, 0)
    await check_all_once(partitions)
    await partitions.aclose()
