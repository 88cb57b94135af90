"""Workers whose clocks are wrong by hours and days: all times come from the clock of Redis."""

import time
from collections.abc import Callable

import pytest
from aiohttp import web

from broker import dead_letters
from broker.monitoring.alerts import current_alerts
from broker.queue import stream
from broker.redis import clock
from broker.redis.client import Client
from tests.names import KEYS
from tests.sink import Sink
from tests.until import until
from tests.worker.conftest import send, wait_until_idle, webhook
from tests.worker_process import Parts, WorkerProcess

Start = Callable[..., WorkerProcess]

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
OFF = pytest.mark.parametrize(
    "clock_s", [2 * HOUR_S, 25 * HOUR_S, -25 * HOUR_S], ids=["2 h ahead", "25 h ahead", "25 h behind"]
)


@OFF
async def test_a_dead_workers_batches_are_taken_over_in_time(
    redis: Client, sink: Sink, worker: Start, clock_s: float
) -> None:
    await stream.create_group(redis)
    await send(redis, webhook(1))
    assert await stream.read(redis, "dead-worker", count=10, block_ms=10)
    worker(clock_s=clock_s)
    await until(lambda: sink.got)
    assert (await wait_until_idle(redis)).sent == 1


@OFF
async def test_retries_continue_until_the_channel_recovers(
    redis: Client, sink: Sink, worker: Start, clock_s: float
) -> None:
    async def unwell_at_first(_notification: object, times: int) -> web.Response:
        return web.Response(status=503 if times < 4 else 204)

    sink.answer = unwell_at_first
    await send(redis, *(webhook(n) for n in range(20)))
    worker()
    worker(clock_s=clock_s)
    totals = await wait_until_idle(redis)
    assert (totals.sent, totals.dead) == (20, 0)


@OFF
async def test_dead_letters_and_attempts_are_dated_by_the_clock_of_redis(
    redis: Client, sink: Sink, worker: Start, clock_s: float
) -> None:
    async def refuse(_notification: object, _times: int) -> web.Response:
        return web.Response(status=400)

    sink.answer = refuse
    await send(redis, b"broken", webhook(1))
    worker(clock_s=clock_s)
    await wait_until_idle(redis)
    letters = await dead_letters.newest(redis)
    assert {letter.stage for letter in letters} == {"intake", "notify"}
    now_ms = time.time() * 1000
    dates = [
        at for letter in letters for at in (letter.died_at_ms, *(attempt.at_ms for attempt in letter.attempts))
    ]
    assert len(dates) == 3
    assert all(abs(now_ms - at_ms) < 60_000 for at_ms in dates)


async def test_a_host_whose_clock_is_off_is_reported_until_it_is_right(redis: Client, worker: Start) -> None:
    parts = Parts(expect_every_s=1.0)
    off = worker(parts=parts, clock_s=-7.0)
    worker(parts=parts)

    async def kinds() -> set[str]:
        return {alert.kind for alert in await current_alerts(redis, now_ms=await clock.now_ms(redis))}

    async def is_reported() -> bool:
        return "clock" in await kinds()

    async def is_over() -> bool:
        return "clock" not in await kinds()

    await until(is_reported)
    [reported] = await clock.off_clocks(redis)
    assert -9_000 < reported.ahead_ms < -5_000
    assert off.stop() == 0
    await redis.hset(KEYS.clocks, reported.process, _a_minute_older(reported))  # type: ignore[misc]
    await until(is_over)


def _a_minute_older(reported: clock.OffClock) -> str:
    return f'{{"process":"{reported.process}","ahead_ms":{reported.ahead_ms},"at_ms":{reported.at_ms - 61_000}}}'
