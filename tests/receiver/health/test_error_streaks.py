"""Tests of error streaks of a source: what a receiver collects, reports to Redis, and shows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from broker.monitoring.source_health import SourceFacts, read_sources
from broker.redis.client import Client
from broker.redis.connection import Settings as RedisSettings
from broker.redis.connection import connect
from broker.redis.errors import BrokerError
from broker.redis.partitions import Partitions
from inspector.fleet_metrics import samples_of
from inspector.operations.status import read_status
from receiver.health.error_streaks import ErrorStreaks
from sources.settings import Settings as SourceSettings
from sources.voucherify import HEADER
from tests.receiver.health.test_endpoints import samples
from tests.receiver.serving import Served, serving
from tests.redis_server import RedisServer
from tests.until import until

NAME = "voucherify"


@pytest.fixture
async def own_client(own_redis: RedisServer) -> AsyncIterator[Client]:
    client = connect(RedisSettings(url=own_redis.url))
    yield client
    await client.aclose(close_connection_pool=True)


async def facts(redis: Client) -> SourceFacts:
    return (await read_sources(redis, [NAME]))[NAME]


async def metric(served: Served, name: str) -> float:
    """Return a metric of the process, or of the whole installation as Redis has it; -1 if it does not exist."""
    own = (await samples(served)).get((f"hookline_receiver_source_{name}", "3"), -1)
    partitions, sources = Partitions([served.redis]), {NAME: SourceSettings()}
    try:
        found = samples_of(await read_status(partitions, sources), ())
    except BrokerError:
        return own
    return next((one.value for one in found.get(f"hookline_source_{name}", ()) if one.labels == (NAME,)), own)


async def test_refusals_of_a_known_source_are_a_streak_of_their_own_and_no_outage(redis: Client) -> None:
    async with serving(redis) as served:
        for _ in range(3):
            await served.send(headers={HEADER: "forged"})
        await served.send(path="/webhooks/unknown")
        await served.send(method="PUT")

        async def reported_facts() -> SourceFacts | None:
            source = await facts(redis)
            return source if source.refused_answers else None

        source = await until(reported_facts)
        assert (source.refused_answers, source.refused_status, source.failing_since_ms) == (3, 401, 0)
        assert await metric(served, "refused_seconds") > 0
        assert await metric(served, "failing_seconds") == 0

        await served.send()
        assert (await facts(redis)).refused_since_ms == 0
        assert (
            await metric(served, "last_accepted_timestamp_seconds") == (await facts(redis)).last_accepted_ms / 1000
        )


async def test_an_outage_is_seen_while_redis_is_away_and_afterwards(
    own_redis: RedisServer, own_client: Client
) -> None:
    async with serving(own_client) as served:
        await served.send()
        own_redis.kill()
        replies = await asyncio.gather(*(served.send(b'{"n":%d}' % n) for n in range(4)))
        assert {reply.status for reply in replies} == {503}
        assert await metric(served, "failing_seconds") > 0  # although Redis cannot know yet

        own_redis.start()

        async def is_reported() -> bool:
            return (await facts(own_client)).failing_answers == 4

        await until(is_reported)
        assert await metric(served, "failing_seconds") > 0
        assert await metric(served, "tries_left") == 12
        await served.send()
        source = await facts(own_client)
        assert source.failing_since_ms == 0
        assert 0 < source.outage_since_ms < source.outage_until_ms == source.last_accepted_ms
        assert source.outage_answers == 4
        assert await metric(served, "failing_seconds") == 0


async def test_what_two_processes_collected_while_redis_was_away_is_one_outage(
    own_redis: RedisServer, own_client: Client
) -> None:
    one, other = ErrorStreaks(lambda: own_client), ErrorStreaks(lambda: own_client)
    own_redis.stop()
    one.note(503, NAME, now_ms=1000)
    one.note(500, NAME, now_ms=3000)
    other.note(503, NAME, now_ms=500)
    for streaks in (one, other):
        await streaks.report()
    own_redis.start()
    one.note(503, NAME, now_ms=4000)
    for streaks in (one, other, one, other):
        await streaks.report()
    source = await facts(own_client)
    assert (source.failing_since_ms, source.failing_last_ms, source.failing_answers) == (500, 4000, 4)
