"""Real parts for every test: a redis-server of our own, flushed between tests."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from broker.client import Client
from broker.connection import Settings, connect
from tests.ports import free_port
from tests.redis_server import RedisServer

# No example fails for the time that it takes: on a busy machine any may stand still.
settings.register_profile("busy machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy machine")

# A shell that starts the tests in the background has them ignore Ctrl-C, and with them whatever they start.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: most tests wait for other processes."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture(scope="session")
def shared_redis() -> Iterator[RedisServer]:
    with tempfile.TemporaryDirectory(prefix="hookline-") as directory:
        server = RedisServer(Path(directory)).start()
        yield server
        server.stop()


@pytest.fixture
def redis_server(shared_redis: RedisServer) -> RedisServer:
    """A running, empty Redis shared by the tests; do not stop it."""
    with shared_redis.client() as client:
        client.flushall()
    return shared_redis


@pytest.fixture
def unused_tcp_port() -> int:
    return free_port()


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A running Redis of the test's own, to stop, kill and freeze."""
    with tempfile.TemporaryDirectory(prefix="hookline-") as directory:
        server = RedisServer(Path(directory)).start()
        yield server
        server.kill()


@pytest.fixture
async def redis(redis_server: RedisServer) -> AsyncIterator[Client]:
    client = connect(Settings(url=redis_server.url))
    yield client
    await client.aclose(close_connection_pool=True)
