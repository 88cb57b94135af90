"""An installation with several partitions, on one Redis or on one for each."""

from __future__ import annotations

import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from broker.monitoring import stats
from broker.redis.client import Client
from broker.redis.connection import Settings
from broker.redis.partitions import Partitions, connect_all
from tests.redis_server import RedisServer
from tests.until import until
from tests.worker_process import partitions_on

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
            servers.append(RedisServer(Path(directory)).start())
            stack.callback(servers[-1].kill)
        yield servers


@pytest.fixture
async def apart(servers: list[RedisServer]) -> AsyncIterator[Partitions]:
    """The partitions of an installation, each on a server of its own."""
    partitions = partitions_on([server.url for server in servers])
    yield partitions
    await partitions.aclose()


async def readers(redis: Client) -> set[str]:
    """Return the names of the workers that read a partition now: each blocks a read of its stream, or reads on."""
    blocked = [
        client["name"] for client in await redis.client_list() if client["cmd"].lower().startswith("xreadgroup")
    ]
    return set(blocked)


async def all_done(partitions: Partitions, *, seconds: float = 30) -> int:
    """Wait until nothing is queued or waiting in any partition. Returns how many notifications were sent."""

    async def done() -> list[stats.Totals] | None:
        totals = [await stats.read_totals(redis) for redis in partitions]
        is_done = all(not total.queued and not total.waiting for total in totals)
        return totals if is_done and any(total.accepted for total in totals) else None

    totals = await until(done, seconds=seconds)
    assert sum(total.accepted for total in totals) == sum(
        total.processed + total.duplicate + total.dead_at_intake for total in totals
    )
    return sum(total.sent for total in totals)


def now_ms() -> int:
    return int(time.time() * 1000)
