"""Tests that a move does not take a server for the one that took its writes, and uses no old cursor."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from broker.redis.client import Client
from broker.redis.confirmation import Durability
from broker.redis.connection import Settings, connect
from broker.redis.errors import Unavailable
from broker.redis.partitions import Partitions
from broker.repartition.confirmations import confirm, servers_of
from tests.redis_server import RedisServer


@pytest.fixture
async def own(own_redis: RedisServer) -> AsyncIterator[Client]:
    client = connect(Settings(url=own_redis.url))
    yield client
    await client.aclose()


def restart(server: RedisServer) -> None:
    server.kill()
    server.start()


def promote(server: RedisServer) -> None:
    with server.client() as admin:
        admin.replicaof("127.0.0.1", "1")
        admin.replicaof("NO", "ONE")


@pytest.mark.parametrize("replace", [restart, promote])
async def test_a_server_that_was_replaced_confirms_nothing(
    own: Client, own_redis: RedisServer, replace: Callable[[RedisServer], None]
) -> None:
    [server] = await servers_of(Partitions([own]), Durability())
    await confirm(own, server)

    replace(own_redis)

    with pytest.raises(Unavailable, match="partition 0 was restarted or replaced"):
        await confirm(own, server)


async def test_a_list_is_not_read_on_with_the_cursor_of_another_server(
    own: Client, own_redis: RedisServer
) -> None:
    await own.sadd(own.names.prefix + "set", *(f"member-{number}" for number in range(5000)))
    await own.zadd(own.names.dead_index, {f"letter-{number}": number for number in range(5000)})
    for listed in (
        own.sscan_iter(own.names.prefix + "set", count=10),
        own.zscan_iter(own.names.dead_index, count=10),
    ):
        await anext(listed)
        restart(own_redis)
        with pytest.raises(RedisConnectionError):
            async for _ in listed:
                pass


async def test_sets_are_read_completely_in_steps(own: Client) -> None:
    numbers = range(5000)
    await own.sadd(own.names.prefix + "set", *numbers)
    await own.zadd(own.names.dead_index, {str(number): number for number in numbers})

    members = {int(member) async for member in own.sscan_iter(own.names.prefix + "set", count=100)}
    scores = {int(member): score async for member, score in own.zscan_iter(own.names.dead_index, count=100)}

    assert members == set(numbers)
    assert scores == {number: float(number) for number in numbers}
