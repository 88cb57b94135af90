"""Tests of the list of live workers, on a real Redis."""

from __future__ import annotations

import time

from broker.queue.live_workers import has_reader, register, sign_off
from broker.redis.client import Client
from tests.broker.claiming import claim
from tests.names import KEYS
from tests.until import until


async def test_each_worker_gets_the_names_of_all_live_ones_in_order(redis: Client) -> None:
    assert await register(redis, "b", lasts_ms=10_000) == ["b"]
    assert await register(redis, "a", lasts_ms=10_000) == ["a", "b"]
    assert await register(redis, "b", lasts_ms=10_000) == ["a", "b"]


async def test_a_worker_that_does_not_register_again_is_removed(redis: Client) -> None:
    await register(redis, "dead", lasts_ms=50)

    async def is_alone() -> bool:
        return await register(redis, "a", lasts_ms=10_000) == ["a"]

    await until(is_alone)


async def test_a_worker_that_stops_signs_off(redis: Client) -> None:
    await register(redis, "a", lasts_ms=10_000)
    await register(redis, "b", lasts_ms=10_000)
    for _ in range(2):
        await sign_off(redis, "a")
    assert await register(redis, "b", lasts_ms=10_000) == ["b"]


async def test_a_registration_from_before_the_clock_was_set_back_does_not_stay(redis: Client) -> None:
    await redis.zadd(KEYS.workers, {"dead": time.time() * 1000 + 86_400_000})
    assert await register(redis, "a", lasts_ms=10_000) == ["a"]


async def test_the_list_goes_when_no_worker_is_left(redis: Client) -> None:
    await register(redis, "a", lasts_ms=10_000)
    assert await redis.pttl(KEYS.workers) > 0


async def test_a_partition_has_a_reader_where_a_worker_has_just_claimed(redis: Client) -> None:
    assert not await has_reader(redis, within_ms=60_000)
    await claim(redis, "a", count=1, lease_ms=10_000)
    assert await has_reader(redis, within_ms=60_000)
    await until(lambda: has_no_reader(redis))


async def has_no_reader(redis: Client) -> bool:
    return not await has_reader(redis, within_ms=50)
