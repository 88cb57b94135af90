"""A Redis server of the test's own, which it may freeze and kill."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from broker.redis.client import Client
from broker.redis.connection import Settings as RedisSettings
from broker.redis.connection import connect
from tests.redis_server import RedisServer


@pytest.fixture
async def own_client(own_redis: RedisServer) -> AsyncIterator[Client]:
    client = connect(RedisSettings(url=own_redis.url))
    yield client
    await client.aclose()
