"""A queue of webhooks, a sink, and workers that a test can kill."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from functools import cache

import pytest

from broker.monitoring import stats
from broker.monitoring.stats import Totals
from broker.queue import stream
from broker.queue.batch import RawBody
from broker.queue.stream import Entry
from broker.redis.client import Client
from broker.redis.confirmation import Confirmation
from sources.voucherify import VOUCHERIFY
from tests.redis_server import RedisServer
from tests.sink import Sink, running_sink
from tests.until import until
from tests.worker_process import Parts, WorkerProcess
from worker.intake.plan import Plan
from worker.intake.planner import Planner

POINTS_ADDED = "customer.voucher.loyalty_card.points_added"


# A sample has the time at which it was made, and its identity belongs to that day. A second call must return the
# same event even if the first one was before midnight UTC.
@cache
def webhook(number: int) -> bytes:
    """Return the webhook of this number: the same bytes in each call."""
    return VOUCHERIFY.sample(number, POINTS_ADDED)


async def first_plan(planner: Planner, *entries: Entry) -> Plan:
    """Return the plan of the first commit that these entries need."""
    return await anext(planner.plans(entries))


async def send(redis: Client, *bodies: bytes, source: str = "voucherify", hint: str = "") -> None:
    """Write one batch, as the receiver writes it."""
    now_ms = int(time.time() * 1000)
    await stream.append(redis, [RawBody(now_ms, source, hint, body) for body in bodies], Confirmation())


async def wait_until_idle(redis: Client, *, seconds: float = 60) -> Totals:
    """Wait until nothing is queued or waiting. Returns the totals, of which both sums must add up."""

    async def idle() -> Totals | None:
        totals = await stats.read_totals(redis)
        return totals if totals.accepted and not totals.queued and not totals.waiting else None

    totals = await until(idle, seconds=seconds)
    assert totals.bodies_add_up(), totals
    assert totals.notifications_add_up(), totals
    return totals


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    async with running_sink() as sink:
        yield sink


@pytest.fixture
def worker(redis_server: RedisServer, sink: Sink) -> Iterator[Callable[..., WorkerProcess]]:
    """Starts workers, and kills the remaining ones at the end."""
    started: list[WorkerProcess] = []

    def start(redis_url: str = redis_server.url, parts: Parts = Parts(), **settings: float) -> WorkerProcess:  # noqa: B008 - frozen
        started.append(WorkerProcess(redis_url, sink.url, parts, **settings).start())
        return started[-1]

    yield start
    for process in started:
        if process.alive:
            process.kill()
