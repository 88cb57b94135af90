"""An installation with several partitions, on one Redis or on one for each."""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from broker.monitoring import stats
from broker.queue.batch import RawBody
from broker.redis.client import Client
from broker.redis.connection import Settings
from broker.redis.partitions import Partitions, connect_all
from sources import KINDS
from tests.redis_server import RedisServer
from tests.until import until
from tests.worker.conftest import send, webhook
from tests.worker_process import partitions_on
from worker.intake.decode import decode_event
from worker.worker_source import WorkerSource

COUNT = 4
"""The partitions on one Redis."""


@pytest.fixture
async def partitions(redis_server: RedisServer) -> AsyncIterator[Partitions]:
    """The partitions of an installation on one Redis."""
    partitions = connect_all(Settings(url=redis_server.url, partitions=COUNT))
    yield partitions
    await partitions.aclose()


@pytest.fixture
def servers() -> Iterator[list[RedisServer]]:
    """Three servers that only this test uses: one for each partition, that of the control partition first."""
    with ExitStack() as stack:
        servers = []
        for _ in range(3):
            directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="hookline-"))
            # With appendfsync everysec, a Redis that is killed may lose what it had confirmed during a slow sync.
            servers.append(RedisServer(Path(directory), appendfsync="always").start())
            stack.callback(servers[-1].kill)
        yield servers


@pytest.fixture
async def apart(servers: list[RedisServer]) -> AsyncIterator[Partitions]:
    """The partitions of an installation, each on a server of its own."""
    partitions = partitions_on([server.url for server in servers])
    yield partitions
    await partitions.aclose()


async def send_home(
    partitions: Partitions, number: int, count: int, *, first: int = 0, source: str = "voucherify"
) -> None:
    """Send webhooks of events that are at home in the partition that has their batches.

    first: the number of a webhook, before which none is sent.
    """
    bodies = (webhook(n) for n in itertools.count(first))
    own = itertools.islice((body for body in bodies if home_of(partitions, body, source) == number), count)
    while batch := list(itertools.islice(own, 64)):
        await send(partitions[number], *batch, source=source)


def home_of(partitions: Partitions, body: bytes, source: str = "voucherify") -> int:
    """Return the partition where the event in a body is at home."""
    sources = {source: WorkerSource(KINDS["voucherify"], 7)}
    decoded = decode_event(RawBody(int(time.time() * 1000), source, "", body), sources)
    return partitions.home_of(decoded.mark.bucket)


async def workers_of(redis: Client) -> set[str]:
    """Return the names of the workers that have sent a heartbeat to this partition in the last seconds."""
    health = redis.names.health.encode()
    return {key.removeprefix(health).decode() for key in await redis.keys(health + b"*")}


async def reads(partitions: Partitions) -> int:
    """Return how many partitions all idle workers read together: one that two workers read counts twice."""
    blocked = 0
    for client in await partitions.control.client_list():
        blocked += client["cmd"].lower() == "xreadgroup" and "b" in client["flags"]
    return blocked


async def all_done(partitions: Partitions, *, seconds: float = 90) -> int:
    """Wait until nothing is queued or waiting in any partition. Returns how many notifications were sent."""

    async def done() -> list[stats.Totals] | None:
        totals = [await stats.read_totals(redis) for redis in partitions]
        accepted = sum(total.accepted for total in totals)
        left = sum(total.processed + total.duplicate + total.dead_at_intake for total in totals)
        waiting = sum(total.waiting for total in totals)
        return totals if accepted and left == accepted and not waiting else None

    totals = await until(done, seconds=seconds)
    assert sum(total.queued for total in totals) == 0
    return sum(total.sent for total in totals)
