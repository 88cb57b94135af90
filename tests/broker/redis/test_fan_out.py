"""Tests of reads from all partitions, some of which are away."""

from __future__ import annotations

import time

import pytest
from msgspec import structs

from broker.redis import fan_out
from broker.redis.client import Client
from broker.redis.connection import Settings, connect
from broker.redis.errors import Unavailable, translated
from broker.redis.fan_out import ask_all
from broker.redis.partitions import Partitions, connect_all
from tests.ports import free_port
from tests.redis_server import RedisServer


async def _prefix(client: Client) -> str:
    with translated():
        await client.ping()
    return client.names.prefix


async def test_all_partitions_answer_in_the_order_of_their_numbers(redis_server: RedisServer) -> None:
    partitions = connect_all(Settings(url=redis_server.url, partitions=3))
    answers = await ask_all(partitions, _prefix)
    await partitions.aclose()
    assert answers.by_partition == {0: "{hookline:0}:", 1: "{hookline:1}:", 2: "{hookline:2}:"}
    assert not answers.away


async def test_a_partition_that_is_away_is_named_and_the_others_answer(redis_server: RedisServer) -> None:
    settings = Settings(url=redis_server.url, partitions=2)
    gone = structs.replace(settings, url=f"redis://127.0.0.1:{free_port()}")
    partitions = Partitions([connect(settings), connect(gone, retries=0, partition=1)])
    answers = await ask_all(partitions, _prefix)
    await partitions.aclose()
    assert answers.by_partition == {0: "{hookline:0}:"}
    assert isinstance(answers.away[1], Unavailable)


async def test_a_frozen_partition_is_not_asked_again_at_once(
    redis_server: RedisServer, own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fan_out, "AWAY_FOR_S", 600.0)  # on a busy machine the test may take longer than it is
    asked: list[int] = []

    async def prefix(client: Client) -> str:
        asked.append(client.partition)
        return await _prefix(client)

    settings = Settings(url=redis_server.url, partitions=2)
    partitions = Partitions(
        [connect(settings), connect(structs.replace(settings, url=own_redis.url), partition=1)]
    )
    await ask_all(partitions, prefix)
    own_redis.freeze()
    try:
        first = await ask_all(partitions, prefix)
        second = await ask_all(partitions, prefix)
    finally:
        own_redis.thaw()
        await partitions.aclose()
    assert list(first.away) == list(second.away) == [1]
    assert asked == [0, 1, 0, 1, 0]


async def test_without_an_answer_the_error_is_that_of_now() -> None:
    partitions = connect_all(Settings(url=f"redis://127.0.0.1:{free_port()}", partitions=2), retries=0)
    partitions.away[0] = (time.monotonic() + 60, Unavailable("an older error"))
    with pytest.raises(Unavailable, match="not reachable"):
        await ask_all(partitions, _prefix)
    await partitions.aclose()


async def test_no_answer_at_all_is_an_error() -> None:
    partitions = connect_all(Settings(url=f"redis://127.0.0.1:{free_port()}", partitions=2), retries=0)
    with pytest.raises(Unavailable):
        await ask_all(partitions, _prefix)
    await partitions.aclose()
