"""Workers over several partitions: all work is done, whichever workers come and go."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from typing import Any

from aiohttp import web

from broker.redis.partitions import Partitions
from tests.names import KEYS
from tests.sink import Sink
from tests.until import until
from tests.worker.conftest import send, webhook
from tests.worker.partitions.conftest import COUNT, all_done, reads, send_home, workers_of
from tests.worker_process import Parts, WorkerProcess

Start = Callable[..., WorkerProcess]

PARTS = Parts(partitions=COUNT)


async def send_to_all(partitions: Partitions, first: int, each: int = 5) -> int:
    """Send webhooks to each partition, and return their number."""
    for n, redis in enumerate(partitions):
        await send(redis, *(webhook(first + each * n + i) for i in range(each)))
    return each * len(partitions)


async def test_one_worker_does_the_work_of_every_partition(partitions: Partitions, worker: Start) -> None:
    sent = await send_to_all(partitions, 0, each=20)
    worker(parts=PARTS)
    assert await all_done(partitions) == sent
    assert await reads(partitions) == COUNT


async def test_a_newcomer_joins_its_partitions_and_the_others_leave_them(
    partitions: Partitions, worker: Start
) -> None:
    worker(parts=PARTS)
    await until(lambda: reads_as_many(partitions, COUNT))
    worker(parts=PARTS)
    await until(lambda: reads_as_many(partitions, COUNT + COUNT // 2))
    await until(lambda: reads_as_many(partitions, COUNT))
    names = [await workers_of(redis) for redis in partitions]
    assert all(names)
    assert len(set().union(*names)) == 2
    sent = await send_to_all(partitions, 0)
    assert await all_done(partitions) == sent


async def reads_as_many(partitions: Partitions, count: int) -> bool:
    return await reads(partitions) == count


async def test_the_partitions_of_a_killed_worker_are_read_by_the_others(
    partitions: Partitions, worker: Start
) -> None:
    victim, _ = worker(parts=PARTS), worker(parts=PARTS)
    await until(lambda: is_registered(partitions, 2))
    await until(lambda: reads_as_many(partitions, COUNT))
    victim.kill()
    sent = await send_to_all(partitions, 0)
    assert await all_done(partitions) == sent
    await until(lambda: reads_as_many(partitions, COUNT))


async def is_registered(partitions: Partitions, count: int) -> bool:
    return await partitions.control.zcard(KEYS.workers) == count


async def test_a_frozen_worker_is_replaced_and_does_no_harm_when_it_continues(
    partitions: Partitions, sink: Sink, worker: Start
) -> None:
    frozen, _ = worker(parts=PARTS), worker(parts=PARTS)
    await until(lambda: is_registered(partitions, 2))
    await until(lambda: reads_as_many(partitions, COUNT))
    frozen.signal(signal.SIGSTOP)
    sent = await send_to_all(partitions, 0)
    assert await all_done(partitions) == sent
    frozen.signal(signal.SIGCONT)
    await until(lambda: is_registered(partitions, 2))
    await until(lambda: reads_as_many(partitions, COUNT))
    sent += await send_to_all(partitions, 100)
    assert await all_done(partitions) == sent
    assert set(sink.times.values()) == {1}


async def test_a_worker_that_stops_signs_off_and_gives_back_what_it_has_not_finished(
    partitions: Partitions, sink: Sink, worker: Start
) -> None:
    stuck = asyncio.Event()

    async def wait(_n: dict[str, Any], _times: int) -> web.Response:
        await stuck.wait()
        return web.Response()

    sink.answer = wait
    sent = await send_to_all(partitions, 0, each=3)
    leaving = worker(parts=PARTS, stop_grace_s=0.2, lease_s=60.0, takeover_s=60.0)
    await until(lambda: len(sink.got) == sent)
    assert await asyncio.to_thread(leaving.stop) == 0
    assert not await partitions.control.exists(KEYS.workers)
    for redis in partitions:
        assert not await redis.keys(redis.names.in_progress + "*")
        assert await redis.zcard(redis.names.queue)
    stuck.set()
    worker(parts=PARTS, lease_s=60.0, takeover_s=60.0)
    assert await all_done(partitions, seconds=45) == sent


async def test_a_worker_that_stood_by_reads_the_partitions_of_killed_ones(
    partitions: Partitions, worker: Start
) -> None:
    few = Partitions(partitions.all[:2])
    workers = [worker(parts=Parts(partitions=2)) for _ in range(3)]
    await until(lambda: is_registered(few, 3))
    await until(lambda: reads_as_many(few, 2))
    workers[0].kill()
    workers[1].kill()
    sent = await send_to_all(few, 0)
    assert await all_done(few) == sent
    await until(lambda: reads_as_many(few, 2))


async def test_all_partitions_together_keep_the_concurrency_of_a_channel(
    partitions: Partitions, sink: Sink, worker: Start
) -> None:
    running = most = 0

    async def note(_n: dict[str, Any], _times: int) -> web.Response:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.02)
        running -= 1
        return web.Response()

    sink.answer = note
    sent = await send_to_all(partitions, 0, each=15)
    worker(parts=Parts(partitions=COUNT, channel={"concurrency": 3}))
    assert await all_done(partitions) == sent
    assert most == 3


async def test_all_partitions_together_keep_the_rate_of_a_channel(
    partitions: Partitions, sink: Sink, worker: Start
) -> None:
    moments: list[float] = []

    def note(_n: dict[str, Any], _times: int) -> web.Response:
        moments.append(asyncio.get_running_loop().time())
        return web.Response()

    sink.answer = note
    sent = await send_to_all(partitions, 0, each=25)
    for _ in range(2):
        worker(parts=Parts(partitions=COUNT, channel={"rate_per_s": 50}))
    assert await all_done(partitions) == sent
    assert moments[-1] - moments[0] > (sent - 5 - 25) / 50  # a tenth of a second can be caught up
    assert [len(await redis.keys(redis.names.rate + "*")) for redis in partitions].count(1) == 1


async def test_no_partition_starves_beside_a_busy_one(partitions: Partitions, sink: Sink, worker: Start) -> None:
    order: list[str] = []

    async def slowly(notification: dict[str, Any], _times: int) -> web.Response:
        order.append(notification["source"])
        await asyncio.sleep(0.2)
        return web.Response()

    sink.answer = slowly
    await send_home(partitions, 0, 12 * 64, source="busy")
    parts = Parts(partitions=COUNT, sources=("busy", "calm"), channel={"concurrency": 128})
    worker(parts=parts, max_jobs=2)
    await until(lambda: order)
    await send_home(partitions, 1, 1, source="calm")
    await until(lambda: "calm" in order)
    assert len(order) < 12 * 64 / 2


async def test_intake_pauses_at_its_part_of_the_limit_of_waiting_notifications(
    partitions: Partitions, sink: Sink, worker: Start
) -> None:
    stuck = asyncio.Event()

    async def wait(_n: dict[str, Any], _times: int) -> web.Response:
        await stuck.wait()
        return web.Response()

    sink.answer = wait
    worker(parts=PARTS, max_waiting=4 * COUNT)
    redis = partitions[1]
    await send_home(partitions, 1, 4)
    await until(lambda: redis.hget(redis.names.stats_total, "processed"))
    await send_home(partitions, 1, 4, first=1000)
    await send_home(partitions, 2, 3)
    await until(lambda: partitions[2].hget(partitions[2].names.stats_total, "processed"))
    assert await redis.hget(redis.names.stats_total, "processed") == b"4"
    stuck.set()
    assert await all_done(partitions) == 11
