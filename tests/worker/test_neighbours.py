"""A channel that recovers after an outage, and a healthy one next to it."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from aiohttp import web

from broker.queue import channel_state
from broker.redis.client import Client
from tests.names import KEYS
from tests.sink import Sink
from tests.until import until
from tests.worker.conftest import send, webhook
from tests.worker.delivery.test_channel_states import RULES
from tests.worker_process import Parts, WorkerProcess

Start = Callable[..., WorkerProcess]

SOON_S = 8.0
HELD = 60


def parts(**channel: Any) -> Parts:
    return Parts(sources=("sick", "well"), channels=("sick", "well"), rules=RULES, channel=channel)


async def took_s(redis: Client, well: list[float], number: int) -> float:
    """Send a webhook to the healthy channel. Returns the seconds until it was sent."""
    before, sent = len(well), time.monotonic()
    await send(redis, webhook(number), source="well")
    await until(lambda: len(well) > before)
    return well[before] - sent


async def moment_is_over(redis: Client) -> bool:
    """Return whether workers that start after a long pause also claim jobs that were begun: see claim.lua."""
    ends_ms: Any = await redis.hget(KEYS.claims, "moment_ends_ms")  # type: ignore[misc]
    return bool(float(ends_ms or 0) < time.time() * 1000)


async def test_held_jobs_are_released_without_delaying_other_channels(
    redis: Client, sink: Sink, worker: Start
) -> None:
    well: list[float] = []
    sick: list[float] = []

    async def answer(notification: dict[str, Any], _times: int) -> web.Response:
        if notification["rule"] == "sick":
            await asyncio.sleep(1.0)
            sick.append(time.monotonic())
        else:
            well.append(time.monotonic())
        return web.Response()

    async def held(count: int) -> bool:
        return any(channel.held >= count for channel in await channel_state.read_channels(redis))

    sink.answer = answer
    await channel_state.pause(redis, "sick", by="ann")
    worker(parts=parts(), max_jobs=4)
    for n in range(HELD):  # a job for each
        await send(redis, webhook(n), source="sick")
        await until(lambda n=n: held(n + 1))  # type: ignore[misc]
    await until(lambda: moment_is_over(redis))
    await channel_state.resume(redis, "sick", by="ann")
    await until(lambda: sick)
    assert max([await took_s(redis, well, 5000 + n) for n in range(5)]) < SOON_S
    before = len(sick)
    assert before < HELD
    await until(lambda: len(sick) > before + 5)
