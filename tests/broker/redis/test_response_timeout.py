"""Tests that a Redis which does not respond, or takes no more bytes, makes a command fail in time."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import pytest
from redis.exceptions import TimeoutError as RedisTimeoutError

from broker.redis.client import Client
from broker.redis.connection import Settings, connect
from tests.redis_server import RedisServer


@pytest.fixture
async def impatient(own_redis: RedisServer) -> AsyncIterator[Client]:
    client = connect(Settings(url=own_redis.url, socket_timeout_s=0.5))
    yield client
    await client.aclose()


@pytest.mark.parametrize("size", [1, 8 * 1024 * 1024], ids=["no response", "no room in the socket"])
async def test_a_frozen_redis_makes_a_command_fail_in_time(
    own_redis: RedisServer, impatient: Client, size: int
) -> None:
    await impatient.set("before", 1)
    own_redis.freeze()
    started_s = time.monotonic()
    with pytest.raises(RedisTimeoutError):
        await impatient.set("value", b"x" * size)
    assert 0.4 < time.monotonic() - started_s < 4.0  # it is not tried again
    own_redis.thaw()
    assert await impatient.get("before") == b"1"


async def test_the_time_limit_counts_from_each_command(impatient: Client) -> None:
    started_s = time.monotonic()
    while time.monotonic() - started_s < 0.8:  # longer than the limit of one command
        await impatient.blpop("nothing", timeout=0.05)
    await impatient.ping()
