"""The partitions of the test's Redis, as installations with several numbers of partitions see them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from broker.redis.partitions import Partitions
from tests.broker.repartition.installation import connected
from tests.redis_server import RedisServer


@pytest.fixture
async def partitions_of(redis_server: RedisServer) -> AsyncIterator[Callable[[int], Partitions]]:
    """Connect to a number of partitions; the connections are closed after the test."""
    made: list[Partitions] = []

    def connect(count: int) -> Partitions:
        made.append(connected(redis_server.url, count))
        return made[-1]

    yield connect
    for partitions in made:
        await partitions.aclose()
