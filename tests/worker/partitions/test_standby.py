"""Workers beyond those that the load needs stand by, and help when these are behind, dead or frozen."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from broker.monitoring import stats
from broker.queue import stream
from broker.redis.client import Client
from broker.redis.partitions import Partitions
from tests.names import KEYS
from tests.sink import Sink
from tests.until import until
from tests.worker.conftest import send, wait_until_idle, webhook
from tests.worker.partitions.conftest import reads
from tests.worker_process import WorkerProcess

Start = Callable[..., WorkerProcess]


async def read_by(redis: Client, count: int) -> bool:
    """Return whether so many workers wait for webhooks."""
    return await reads(Partitions([redis])) == count


async def start_three(
    redis: Client, worker: Start, **settings: float
) -> tuple[list[WorkerProcess], WorkerProcess]:
    """Start two active workers, and then one that stands by."""
    active = [worker(**settings), worker(**settings)]
    await until(lambda: read_by(redis, 2))
    third = worker(**settings)
    await until(lambda: is_live(redis, 3))
    return active, third


async def is_live(redis: Client, count: int) -> bool:
    return len(await stream.live_workers(redis)) == count


async def test_a_third_worker_stands_by_and_is_shown_as_live(redis: Client, worker: Start) -> None:
    await start_three(redis, worker)
    for n in range(20):
        await send(redis, webhook(n))
    await wait_until_idle(redis)
    await until(lambda: read_by(redis, 2))
    assert await redis.zcard(KEYS.active_workers) == 2
    assert len(await redis.xinfo_consumers(KEYS.stream, "workers")) == 2


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
async def test_it_does_the_work_when_all_active_workers_are_dead_or_frozen(
    redis: Client, sink: Sink, worker: Start, how: signal.Signals
) -> None:
    active, _ = await start_three(redis, worker)
    for process in active:
        process.signal(how)
    began = time.monotonic()
    for n in range(5):  # Redis gives the first ones to those that are frozen
        await send(redis, webhook(n))
    await until(lambda: len(sink.times) == 5, seconds=20)
    assert time.monotonic() - began < 12
    await wait_until_idle(redis)


async def test_it_helps_with_a_slow_channel_then_rests_and_finishes_its_jobs_first(
    redis: Client, sink: Sink, worker: Start
) -> None:
    release = asyncio.Event()

    async def wait(_n: dict[str, Any], _times: int) -> web.Response:
        await release.wait()
        return web.Response()

    sink.answer = wait
    await start_three(redis, worker, max_jobs=2, stop_grace_s=0.1)
    for n in range(20):
        await send(redis, webhook(n))
        await until(lambda n=n: is_read(redis, n + 1))  # so that each becomes a job
    # All jobs are slow, so the two active workers run a few of them and hold the others.
    await until(lambda: is_active(redis, 3), seconds=30)
    running = len(sink.got)
    await until(lambda: len(sink.got) > running)
    release.set()
    await wait_until_idle(redis)
    await until(lambda: read_by(redis, 2))
    assert set(sink.times.values()) == {1}


async def is_read(redis: Client, count: int) -> bool:
    return (await stats.read_totals(redis)).processed == count


async def is_active(redis: Client, count: int) -> bool:
    return int(await redis.zcard(KEYS.active_workers)) == count


async def test_a_worker_that_stops_is_replaced_at_once(redis: Client, sink: Sink, worker: Start) -> None:
    active, _ = await start_three(redis, worker)
    assert await asyncio.to_thread(active[0].stop) == 0
    await send(redis, webhook(0))
    await until(lambda: sink.times)
    await until(lambda: read_by(redis, 2))
