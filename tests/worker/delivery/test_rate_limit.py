"""The waits for a channel's rate limit, if its next slot is far ahead."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from broker.queue import channel_state, jobs
from broker.redis.client import Client
from tests.names import KEYS
from tests.sink import Sink
from tests.until import until
from tests.worker.conftest import send, webhook
from tests.worker_process import Parts, WorkerProcess
from worker.delivery.capacity.rate_limit import Pacer

SELDOM_PER_S = 0.01
SOON_S = 30.0


async def ask(pacer: Pacer) -> float | None:
    """Ask for a slot, as a job asks whose time is up in half a minute."""
    return await pacer.wait_for_slot(time.monotonic() + SOON_S)


async def test_a_worker_leaves_what_is_far_beyond_the_rate_alone(
    redis: Client, sink: Sink, worker: Callable[..., WorkerProcess]
) -> None:
    count = 6 * 64
    for n in range(0, count, 64):
        await send(redis, *(webhook(n + i) for i in range(64)))
    worker(parts=Parts(channel={"rate_per_s": SELDOM_PER_S}), max_jobs=2)

    async def all_wait() -> bool:
        held = await redis.zrange(KEYS.held_jobs + "sink", 0, -1)
        later = await redis.zrangebyscore(KEYS.queue, (time.time() + SOON_S) * 1000, "+inf")
        return sum(jobs.size_of(job.decode()) for job in held + later) == count - 1

    await until(all_wait)
    retried = int(await redis.hget(KEYS.stats_total, "retried") or 0)  # type: ignore[misc]
    assert retried < count
    assert len(sink.got) == 1


async def test_a_slot_that_is_far_ahead_is_not_reserved_and_each_process_may_take_it(redis: Client) -> None:
    first, other = Pacer(redis, "sink"), Pacer(redis, "sink")
    for pacer in (first, other):
        pacer.reload(SELDOM_PER_S)
    assert await ask(first) is None
    reserved_until = await redis.get(KEYS.rate + "sink")
    assert [await ask(pacer) for pacer in (first, first, other)] == [60.0, 60.0, 60.0]
    assert await redis.get(KEYS.rate + "sink") == reserved_until
    assert first.far_s() == 60.0


async def test_a_rate_that_is_raised_counts_at_once(redis: Client) -> None:
    pacer = Pacer(redis, "sink")
    pacer.reload(SELDOM_PER_S)
    assert await ask(pacer) is None
    assert await ask(pacer) == 60.0
    pacer.reload(100.0)
    async with asyncio.timeout(5):
        assert [await ask(pacer) for _ in range(3)] == [None, None, None]


async def test_a_send_that_waits_for_its_slot_goes_when_the_limit_is_removed(redis: Client) -> None:
    pacer = Pacer(redis, "sink")
    pacer.reload(0.5)
    assert await ask(pacer) is None
    waiting = [asyncio.create_task(ask(pacer)) for _ in range(5)]
    await until(lambda: pacer.waiting == 5)
    pacer.reload(0.0)
    async with asyncio.timeout(5):
        assert await asyncio.gather(*waiting) == [None] * 5


async def test_slots_beyond_what_this_rate_can_have_reserved_are_left_from_a_lower_one(redis: Client) -> None:
    far = await channel_state.reserve(redis, "sink", rate_per_s=SELDOM_PER_S, count=1, within_s=10)
    assert far.are_reserved
    soon = await channel_state.reserve(redis, "sink", rate_per_s=1.0, count=1, within_s=10)
    assert soon == (0.0, 1.0, True)
