"""Tests of how much the receiver accepts while all workers are stopped, and what it answers then."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from broker.monitoring import stats
from broker.queue.backlog import queued_bytes
from broker.redis.client import Client
from broker.redis.connection import Settings as RedisSettings
from broker.redis.connection import connect
from tests.names import KEYS
from tests.receiver.health.test_endpoints import samples
from tests.receiver.serving import Served, serving, stored
from tests.redis_server import RedisServer
from tests.until import until


@pytest.fixture
async def small_client(tmp_path: Path) -> AsyncIterator[Client]:
    """Start a Redis that is full after two or three MB of webhooks."""
    server = RedisServer(tmp_path).start()
    client = connect(RedisSettings(url=server.url))
    memory = await client.info("memory")
    await client.config_set("maxmemory", str(memory["used_memory"] + 3_000_000))
    yield client
    await client.aclose(close_connection_pool=True)
    server.kill()


async def ready(served: Served) -> tuple[int, str]:
    reply = await served.get("/readyz")
    return reply.status, " | ".join([*reply.content.get("reasons", []), *reply.content.get("notes", [])])


async def send_until_refused(served: Served) -> list[bytes]:
    """Return the bodies that were accepted."""
    taken: list[bytes] = []
    for _ in range(500):
        sent = [os.urandom(8000) for _ in range(10)]
        replies = await asyncio.gather(*map(served.send, sent))
        taken += [body for body, reply in zip(sent, replies, strict=True) if reply.status == 202]
        refused = [reply for reply in replies if reply.status != 202]
        if refused:
            assert {reply.status for reply in refused} == {503}
            assert {reply.headers["Retry-After"] for reply in refused} == {"5"}
            return taken
    raise AssertionError("nothing was refused")


async def test_a_redis_at_maxmemory_refuses_webhooks_and_keeps_all_that_it_accepted(small_client: Client) -> None:
    async with serving(small_client) as served:
        assert (await ready(served))[0] == 200
        taken = await send_until_refused(served)

        assert len(taken) > 200
        assert set(taken) <= set(await stored(small_client))
        assert (await small_client.info("stats"))["evicted_keys"] == 0
        await until(lambda: says(served, "of its maxmemory"))
        assert (await ready(served))[0] == 503
        assert (await stats.read_totals(small_client)).bodies_add_up()

        await small_client.config_set("maxmemory", "0")
        assert (await served.send()).status == 202


async def says(served: Served, words: str) -> bool:
    return words in (await ready(served))[1]


async def test_beyond_the_configured_limit_the_answer_is_503_until_workers_made_room(redis: Client) -> None:
    async with serving(redis, max_queued_bytes=1_000_000) as served:
        while await queued_bytes(redis) < 850_000:
            await asyncio.gather(*(served.send(os.urandom(8000)) for _ in range(10)))
        await until(lambda: says(served, "of 1000000 bytes are queued in Redis (receiver.max_queued_bytes)"))
        assert (await ready(served))[0] == 503
        assert (await served.send()).status == 202  # it reports the limit before it is reached

        while await queued_bytes(redis) < 1_000_000:
            await asyncio.gather(*(served.send(os.urandom(8000)) for _ in range(10)))
        refused = await until(lambda: _refusal(served))
        assert (refused, await redis.xlen(KEYS.stream) > 0) == ("too much is queued in Redis", True)
        before = await redis.xlen(KEYS.stream)
        assert (await served.send()).status == 503
        assert await redis.xlen(KEYS.stream) == before
        assert (await samples(served))["hookline_receiver_queued_bytes", ""] >= 1_000_000

        await redis.xtrim(KEYS.stream, maxlen=1, approximate=False)
        await until(lambda: _is_taken(served))
        assert await until(lambda: _is_ready(served))


async def _refusal(served: Served) -> str:
    reply = await served.send()
    return str(reply.content.get("error", "")) if reply.headers.get("Retry-After") == "5" else ""


async def _is_taken(served: Served) -> bool:
    return (await served.send()).status == 202


async def _is_ready(served: Served) -> bool:
    return (await ready(served))[0] == 200


async def test_beyond_the_limit_webhooks_are_spilled_and_written_to_redis_once_there_is_room(
    redis: Client, tmp_path: Path
) -> None:
    async with serving(redis, max_queued_bytes=20_000, spill_dir=str(tmp_path)) as served:
        await asyncio.gather(*(served.send(os.urandom(8000)) for _ in range(3)))
        await until(lambda: _spills(served, tmp_path))
        held = await redis.xlen(KEYS.stream)
        assert (await served.send(b'"spilled"')).status == 202
        assert await redis.xlen(KEYS.stream) == held
        assert (await ready(served))[0] == 200

        await redis.xtrim(KEYS.stream, maxlen=0, approximate=False)
        await until(lambda: is_empty(tmp_path))
        assert b'"spilled"' in await stored(redis)


async def _spills(served: Served, directory: Path) -> bool:
    assert (await served.send()).status == 202
    return not is_empty(directory)


def is_empty(directory: Path) -> bool:
    return not any(directory.iterdir())


async def test_the_size_of_the_queue_is_measured_completely(redis: Client) -> None:
    assert await queued_bytes(redis) == 0
    for size in (100, 10_000):  # a sample of the first batches would be far too small
        for _ in range(200):
            await redis.xadd(KEYS.stream, {"z": os.urandom(size)})
    assert await queued_bytes(redis) > 2_000_000
