"""A reload of the config while a process reads several partitions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from broker.redis.connection import Settings as RedisSettings
from broker.redis.partitions import Partitions
from sources import KINDS
from tests.redis_server import RedisServer
from tests.sink import Sink
from tests.until import until
from tests.worker.partitions.conftest import COUNT, all_done, send_home
from tests.worker_process import sink_channel
from worker.components import Setup
from worker.main import run_live
from worker.rules.rules import Rule
from worker.settings import Settings
from worker.worker_source import WorkerSource


def setup(sink: Sink, text: str) -> Setup:
    rule = Rule(name="points-added", events=("*",), channel="sink", text=text)
    sources = {"voucherify": WorkerSource(KINDS["voucherify"], 7)}
    return Setup(sources=sources, rules=(rule,), channels=sink_channel(sink.url))


async def test_a_reload_changes_all_partitions_and_those_that_are_joined_later(
    partitions: Partitions, redis_server: RedisServer, sink: Sink
) -> None:
    updates: asyncio.Queue[Setup] = asyncio.Queue()
    applied = asyncio.Event()

    async def follow() -> AsyncIterator[Setup]:
        while True:
            yield await updates.get()
            applied.set()

    stop = asyncio.Event()
    redis = RedisSettings(url=redis_server.url, partitions=COUNT)
    # Another live worker, which never reads, has half of the partitions until its registration ends.
    names = partitions.control.names
    later_ms = 1500 + (await partitions.control.time())[0] * 1000
    await partitions.control.zadd(names.workers, {"~other": later_ms})
    running = asyncio.create_task(
        run_live(Settings(lease_s=1.0), setup(sink, "old"), redis, stop=stop, updates=follow())
    )
    await send_home(partitions, 0, 1)
    await until(lambda: [message["text"] for message in sink.got] == ["old"])
    updates.put_nowait(setup(sink, "new"))
    await until(applied.is_set)
    for n in range(COUNT):
        await send_home(partitions, n, 1, first=1000)
    assert await all_done(partitions) == 1 + COUNT
    assert sorted(message["text"] for message in sink.got) == ["new"] * COUNT + ["old"]
    stop.set()
    await running
