"""Partitions on servers of their own, some of which are away."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

from aiohttp import web

from broker.redis.partitions import Partitions
from tests.names import KEYS
from tests.redis_server import RedisServer
from tests.sink import Sink
from tests.until import until
from tests.worker.partitions.conftest import all_done, send_home, workers_of
from tests.worker_process import Parts, WorkerProcess

Start = Callable[..., WorkerProcess]


def parts_on(servers: list[RedisServer], **channel: object) -> Parts:
    return Parts(partitions=len(servers), servers=tuple(server.url for server in servers), channel=channel)


async def sent(redis: Any) -> int:
    return int(await redis.hget(redis.names.stats_total, "sent") or 0)


async def test_while_the_control_partition_is_away_others_read_the_partitions_of_a_dead_worker(
    servers: list[RedisServer], apart: Partitions, worker: Start
) -> None:
    parts = parts_on(servers)
    workers = [worker(parts=parts), worker(parts=parts)]

    async def are_shared() -> bool:
        names = [await workers_of(redis) for redis in (apart[1], apart[2])]
        return await apart.control.zcard(KEYS.workers) == 2 and all(names)

    await until(are_shared)
    servers[0].kill()
    workers[0].kill()
    for n in (1, 2):
        await send_home(apart, n, 5)
    await until(lambda: has_sent(apart, (1, 2), 5))
    servers[0].start()
    await send_home(apart, 0, 1)
    assert await all_done(apart) == 11


async def has_sent(partitions: Partitions, numbers: tuple[int, ...], count: int) -> bool:
    return [await sent(partitions[n]) for n in numbers] == [count] * len(numbers)


async def test_a_worker_that_starts_while_the_control_partition_is_away_reads_what_has_no_reader(
    servers: list[RedisServer], apart: Partitions, worker: Start
) -> None:
    servers[0].kill()
    for n in (1, 2):
        await send_home(apart, n, 5)
    worker(parts=parts_on(servers))
    await until(lambda: has_sent(apart, (1, 2), 5))


async def test_an_outage_of_one_partition_does_not_slow_the_others(
    servers: list[RedisServer], apart: Partitions, sink: Sink, worker: Start
) -> None:
    """The jobs of the partition that freezes could fill the pool of the channel."""
    came, answers = Counter[str](), asyncio.Event()

    async def answer(notification: dict[str, Any], _times: int) -> web.Response:
        came[notification["source"]] += 1
        if notification["source"] == "cut off":
            await answers.wait()
            await asyncio.sleep(0.05)
        return web.Response()

    sink.answer = answer
    parts = Parts(
        partitions=3,
        servers=tuple(server.url for server in servers),
        sources=("cut off", "well"),
        channel={"concurrency": 4},
    )
    worker(parts=parts, max_jobs=2, lease_s=600.0, takeover_s=600.0)
    await send_home(apart, 2, 128, source="cut off")
    await until(lambda: came["cut off"] == 4)
    servers[2].freeze()
    answers.set()
    await send_home(apart, 1, 320, source="well")
    await until(lambda: has_sent(apart, (1,), 320))  # else they would wait for as long as a lease
    assert came["cut off"] < 64
    servers[2].thaw()
    assert await all_done(apart) == 448
    assert set(sink.times.values()) == {1}
