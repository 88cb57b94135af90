"""Tests of the time of a subject's newest event on a real Redis with a replica."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from broker.queue.latest_only import SubjectLock, acquire_subject_locks, release_subject_lock
from broker.redis.client import Client
from broker.redis.connection import Settings, connect
from broker.redis.errors import NotDurable
from tests.ports import free_port
from tests.redis_server import RedisServer
from tests.until import until

OLDER, NEWER = SubjectLock("subject", "older", 10), SubjectLock("subject", "newer", 20)


@pytest.fixture
def servers() -> Iterator[tuple[RedisServer, RedisServer]]:
    """A primary and its replica."""
    with tempfile.TemporaryDirectory(prefix="hookline-") as directory, ExitStack() as stack:
        port = free_port()
        servers = []
        for name, options in (("primary", {"port": str(port)}), ("replica", {})):
            (Path(directory) / name).mkdir()
            server = RedisServer(Path(directory) / name, repl_diskless_sync_delay="0", **options).start()
            stack.callback(server.kill)
            servers.append(server)
        primary, replica = servers
        with replica.client() as admin:
            admin.replicaof("127.0.0.1", str(port))
        yield primary, replica


@pytest.fixture
async def redis(servers: tuple[RedisServer, RedisServer]) -> AsyncIterator[Client]:
    """The client of the primary, once its replica is in sync."""
    client = connect(Settings(url=servers[0].url))
    await until(lambda: client.wait(1, 100))
    yield client
    await client.aclose(close_connection_pool=True)


async def ask(redis: Client, lock: SubjectLock) -> str:
    return (await acquire_subject_locks(redis, [lock], lease_s=3.0, replicas=1))[0]


async def may_be_sent(redis: Client, lock: SubjectLock) -> bool:
    return await ask(redis, lock) == "go"


async def stores(redis: Client, lock: SubjectLock) -> bool:
    """Store that an event was sent. Returns whether a replica has that."""
    try:
        await release_subject_lock(redis, lock, is_sent=True, is_owner=True, replicas=1)
    except NotDurable:
        return False
    return True


async def test_the_time_of_an_event_that_was_sent_is_stored_only_once_a_replica_has_it(
    servers: tuple[RedisServer, RedisServer], redis: Client
) -> None:
    await until(lambda: may_be_sent(redis, NEWER))  # a busy replica may answer late
    servers[1].freeze()
    for _ in range(2):  # also on another connection, which has not written anything yet
        assert not await stores(redis, NEWER)
        await redis.connection_pool.disconnect()
    servers[1].thaw()
    await until(lambda: stores(redis, NEWER))
    assert await ask(redis, OLDER) == "stale"


async def test_no_notification_is_sent_whose_lock_no_replica_has(
    servers: tuple[RedisServer, RedisServer], redis: Client
) -> None:
    servers[1].freeze()
    assert await ask(redis, NEWER) == "wait"
    servers[1].thaw()
    assert await until(lambda: may_be_sent(redis, NEWER))
