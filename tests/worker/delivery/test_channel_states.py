"""Breaker, pause and rate limit, with real worker processes and a real sink."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from aiohttp import web

from broker.monitoring import stats
from broker.queue import channel_state
from broker.queue.jobs import NotifyJob
from broker.redis.client import Client
from tests.names import KEYS
from tests.sink import Sink
from tests.until import until
from tests.worker.conftest import send, wait_until_idle, webhook
from tests.worker_process import Parts, WorkerProcess
from worker.delivery.next_attempt import held_for
from worker.rules.rules import Rule

Start = Callable[..., WorkerProcess]

BREAKER = {"failures": 3, "wait_s": 0.3, "max_wait_s": 0.6}


def fail(_n: object, _times: int) -> web.Response:
    return web.Response(status=503)


async def test_a_failing_channel_gets_only_probes_until_it_recovers(
    redis: Client, sink: Sink, worker: Start
) -> None:
    sink.answer = fail
    for n in range(0, 40, 4):
        await send(redis, *(webhook(n + i) for i in range(4)))
    for _ in range(2):
        worker(parts=Parts(channel={"breaker": BREAKER, "concurrency": 2, "retry": {"attempts": 3, "cap_s": 0.1}}))

    async def opened_thrice() -> bool:
        return any(channel.opened >= 3 for channel in await channel_state.read_channels(redis))

    await until(opened_thrice)
    assert len(sink.got) < 20  # the sends that ran when the breaker opened, and one probe each time after that
    assert (await stats.read_totals(redis)).dead == 0  # 3 attempts at most, because postponing uses none
    sink.answer = lambda _n, _times: web.Response()
    totals = await wait_until_idle(redis)
    assert totals.sent == 40

    async def nothing_left() -> bool:
        return not await redis.keys(KEYS.channel + "*") and not await redis.keys("*held*")

    await until(nothing_left)


async def test_held_jobs_are_sent_although_another_program_removed_the_list_of_channels(
    redis: Client, sink: Sink, worker: Start
) -> None:
    await channel_state.pause(redis, "sink", by="ann")
    await send(redis, webhook(1))
    process = worker()
    await until(lambda: redis.zcard(KEYS.held_jobs + "sink"))
    process.stop()
    await channel_state.resume(redis, "sink", by="ann")
    await redis.delete(KEYS.channels)
    worker()
    assert (await wait_until_idle(redis)).sent == len(sink.got) == 1


async def test_a_paused_channel_sends_nothing_until_it_is_resumed(
    redis: Client, sink: Sink, worker: Start
) -> None:
    await channel_state.pause(redis, "sink", by="ann")
    await send(redis, *(webhook(n) for n in range(10)))
    worker()

    async def held() -> bool:
        return any(channel.held for channel in await channel_state.read_channels(redis))

    await until(held)
    assert not sink.got
    await channel_state.resume(redis, "sink", by="ann")
    totals = await wait_until_idle(redis)
    assert (totals.sent, set(sink.times.values())) == (10, {1})


def test_the_time_for_which_a_job_is_held_does_not_count_toward_its_age() -> None:
    job = NotifyJob("sink", 1, 1000, [])
    assert held_for(job, 500).first_try_ms == 1500


async def test_permanent_refusals_do_not_open_the_circuit_breaker(
    redis: Client, sink: Sink, worker: Start
) -> None:
    sink.answer = lambda _n, _times: web.Response(status=404)
    await send(redis, *(webhook(n) for n in range(20)))
    worker(parts=Parts(channel={"breaker": BREAKER}))
    totals = await wait_until_idle(redis)
    assert totals.dead == 20
    assert await channel_state.read_channels(redis) == []


async def test_four_workers_together_keep_the_rate(redis: Client, sink: Sink, worker: Start) -> None:
    moments: list[float] = []

    def note(_n: object, _times: int) -> web.Response:
        moments.append(time.monotonic())
        return web.Response()

    sink.answer = note
    for n in range(0, 250, 10):
        await send(redis, *(webhook(n + i) for i in range(10)))
    for _ in range(4):
        worker(parts=Parts(channel={"rate_per_s": 100}), max_jobs=2, lease_s=5.0)
    totals = await wait_until_idle(redis)
    assert totals.sent == 250
    # A tenth of a second of burst, and what a busy machine had under way: each worker by itself would send 250.
    assert most_within(1.5, moments) <= 150 + 10 + 60
    assert moments[-1] - moments[0] < 8 * 2.5


def most_within(seconds: float, moments: list[float]) -> int:
    return max(sum(start <= moment < start + seconds for moment in moments) for start in moments)


RULES = tuple(
    Rule(name=name, sources=(name,), events=("*",), channel=name, text="{{ event }}") for name in ("sick", "well")
)


async def test_many_channels_that_hang_do_not_slow_a_healthy_one(redis: Client, sink: Sink, worker: Start) -> None:
    """Each of them has many more jobs than a worker runs at a time, and all of these jobs are due earlier."""
    sick, well = [f"sick{n}" for n in range(6)], []

    async def hang(notification: dict[str, Any], _times: int) -> web.Response:
        if notification["rule"] != "well":
            await asyncio.Event().wait()
        well.append(notification["key"])
        return web.Response()

    sink.answer = hang
    names = (*sick, "well")
    for name in sick:
        for n in range(6):
            await send(redis, *(webhook(64 * n + i) for i in range(64)), source=name)
    rules = tuple(
        Rule(name=name, sources=(name,), events=("*",), channel=name, text="{{ event }}") for name in names
    )
    worker(parts=Parts(sources=names, channels=names, rules=rules, channel={"timeout_s": 30.0}), max_jobs=2)
    await until(lambda: sink.got)
    began = time.monotonic()
    for n in range(10):
        await send(redis, webhook(5000 + n), source="well")
        await until(lambda n=n: len(well) > n)  # type: ignore[misc]
    assert time.monotonic() - began < 25
