"""Test of the rate of a channel over a longer time."""

import time
from collections.abc import Callable

import pytest
from aiohttp import web

from broker.redis.client import Client
from tests.sink import Sink
from tests.worker.conftest import send, wait_until_idle, webhook
from tests.worker.delivery.test_channel_states import most_within
from tests.worker_process import Parts, WorkerProcess

pytestmark = pytest.mark.chaos

RATE_PER_S = 50
SENDS = 1000


async def test_four_workers_are_never_above_the_rate_by_more_than_5_percent_in_ten_seconds(
    redis: Client, sink: Sink, worker: Callable[..., WorkerProcess]
) -> None:
    moments: list[float] = []

    def note(_n: object, _times: int) -> web.Response:
        moments.append(time.monotonic())
        return web.Response()

    sink.answer = note
    for n in range(0, SENDS, 10):
        await send(redis, *(webhook(n + i) for i in range(10)))
    for _ in range(4):
        worker(parts=Parts(channel={"rate_per_s": RATE_PER_S}))
    totals = await wait_until_idle(redis, seconds=120)
    assert totals.sent == SENDS
    assert most_within(10, moments) <= 10 * RATE_PER_S * 1.05
    assert moments[-1] - moments[0] <= SENDS / RATE_PER_S * 1.2
