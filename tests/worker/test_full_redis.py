"""A Redis at maxmemory refuses receivers, and workers drain it."""

import os
import time
from collections.abc import AsyncIterator, Callable

import pytest
from aiohttp import web
from redis.exceptions import OutOfMemoryError

from broker import dead_letters
from broker.monitoring import stats
from broker.queue import stream
from broker.queue.batch import RawBody
from broker.redis import keys
from broker.redis.client import Client
from broker.redis.confirmation import Confirmation
from broker.redis.connection import Settings, connect
from broker.redis.errors import Full
from tests.names import KEYS
from tests.redis_server import RedisServer
from tests.sink import Sink
from tests.until import until
from tests.worker.conftest import send, wait_until_idle, webhook
from tests.worker_process import WorkerProcess

Start = Callable[..., WorkerProcess]
ROOM = 1024 * 1024
BALLAST = 40 * ROOM


@pytest.fixture
async def full(own_redis: RedisServer) -> AsyncIterator[Client]:
    """A client of a Redis that was filled with batches until it refused more, before any worker started."""
    client = connect(Settings(url=own_redis.url))
    await client.setrange("others", BALLAST, "x")  # a tiny Redis would be filled by its clients' buffers alone
    await client.config_set("maxmemory", await used(client) + ROOM)
    await fill(client)
    await client.config_set("maxmemory", await used(client) - ROOM // 4)  # so that it stays full for a while
    yield client
    await client.aclose(close_connection_pool=True)


async def used(redis: Client) -> int:
    return int((await redis.info("memory"))["used_memory"])


async def fill(redis: Client) -> int:
    """Append batches until Redis refuses; one body in a hundred is not JSON."""
    now_ms, number = int(time.time() * 1000), 0
    while True:
        bodies = [webhook(number + n) if (number + n) % 100 else b"no JSON %d" % (number + n) for n in range(20)]
        bodies[3] = b'{"a":"%s"}' % os.urandom(4096).hex().encode()  # memory, and few events
        try:
            await stream.append(
                redis, [RawBody(now_ms, "voucherify", "x", body) for body in bodies], Confirmation()
            )
        except Full:
            return number
        number += 20


async def test_workers_drain_a_redis_that_was_full_before_they_started(
    full: Client, own_redis: RedisServer, sink: Sink, worker: Start
) -> None:
    with pytest.raises(Full):
        await send(full, webhook(1_000_000))
    sink.answer = lambda _n, times: web.Response(status=500 if times == 1 and len(sink.got) % 7 == 0 else 200)
    process = worker(own_redis.url)
    totals = await wait_until_idle(full)
    assert process.alive
    assert totals.processed + totals.dead_at_intake == totals.accepted > 500
    assert totals.dead_at_intake >= totals.accepted // 100
    assert totals.sent == totals.created > 1000
    assert totals.retried
    await full.delete("others")
    await send(full, webhook(1_000_000))
    await wait_until_idle(full)


async def test_a_full_redis_still_shows_living_workers_and_lets_them_take_over_what_dead_ones_left(
    full: Client, own_redis: RedisServer, worker: Start
) -> None:
    await stream.create_group(full)
    held = await stream.read(full, "dead", count=100_000, block_ms=1)
    assert held
    worker(own_redis.url)
    await until(lambda: stream.live_workers(full))
    with pytest.raises(OutOfMemoryError):
        await full.set("anything", "x")
    totals = await wait_until_idle(full)
    assert totals.processed + totals.dead_at_intake == totals.accepted


async def test_dead_letters_are_written_up_to_a_quarter_beyond_the_limit_and_again_once_there_is_room(
    full: Client, own_redis: RedisServer, worker: Start
) -> None:
    await stream.create_group(full)
    await full.config_set("maxmemory", int(await used(full) / 1.3))
    process = worker(own_redis.url)
    await until(lambda: stream.live_workers(full))

    async def pending() -> int:
        return (await full.xpending(KEYS.stream, keys.GROUP))["pending"]

    await until(pending)
    assert (await stats.read_totals(full)).dead_at_intake == await dead_letters.count(full) == 0
    await full.config_set("maxmemory", 0)
    totals = await wait_until_idle(full)
    assert process.alive
    assert totals.dead_at_intake == await dead_letters.count(full) > 0
