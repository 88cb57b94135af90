"""Tests of the lists of live and active workers, on a real Redis."""

from __future__ import annotations

import time

from broker.queue import jobs, stream
from broker.queue.batch import RawBody
from broker.queue.live_workers import Fleet, Wish, Worker, has_reader, look, register, sign_off
from broker.redis.client import Client
from broker.redis.confirmation import Confirmation
from tests.broker.claiming import claim
from tests.names import KEYS
from tests.until import until


async def registered(
    redis: Client, name: str, wish: Wish = "keep", *, config: str = "config", lasts_ms: int = 10_000
) -> Fleet:
    return await register(redis, Worker(name, config, "0.1"), lasts_ms=lasts_ms, wish=wish)


async def test_the_first_two_workers_are_active_and_others_stand_by(redis: Client) -> None:
    assert await registered(redis, "c") == Fleet(granted=False, active=["c"], size=1)
    assert await registered(redis, "b") == Fleet(granted=False, active=["b", "c"], size=2)
    assert await registered(redis, "a") == Fleet(granted=False, active=["b", "c"], size=3)
    assert await registered(redis, "b") == Fleet(granted=False, active=["b", "c"], size=3)


async def test_a_worker_that_does_not_register_again_is_removed(redis: Client) -> None:
    await registered(redis, "dead", lasts_ms=50)

    async def is_alone() -> bool:
        return await registered(redis, "a") == Fleet(granted=False, active=["a"], size=1)

    await until(is_alone)


async def test_a_worker_that_stops_signs_off_and_another_becomes_active(redis: Client) -> None:
    for worker in ("a", "b", "c"):
        await registered(redis, worker)
    for _ in range(2):
        await sign_off(redis, Worker("a", "config", "0.1"))
    assert await registered(redis, "c") == Fleet(granted=False, active=["b", "c"], size=2)


async def test_workers_with_another_config_are_active_besides(redis: Client) -> None:
    for worker in ("a", "b", "c"):
        await registered(redis, worker)
    assert (await registered(redis, "new", config="other")).active == ["new"]
    assert await registered(redis, "a") == Fleet(granted=False, active=["a", "b"], size=4)
    assert (await registered(redis, "c", config="other")).active == ["c", "new"]


async def test_a_worker_with_a_reloaded_config_is_active_in_one_group_only(redis: Client) -> None:
    await registered(redis, "a")
    await registered(redis, "b")
    assert (await registered(redis, "a", config="other")).active == ["a"]
    assert (await registered(redis, "b")).active == ["b"]


async def test_one_worker_after_another_helps(redis: Client) -> None:
    for worker in ("a", "b", "c", "d"):
        await registered(redis, worker)
    assert await registered(redis, "c", "help") == Fleet(granted=True, active=["a", "b", "c"], size=4)
    assert await registered(redis, "d", "help") == Fleet(granted=False, active=["a", "b", "c"], size=4)
    await until(lambda: is_granted(redis, "d", "help"))
    assert (await registered(redis, "c")).active == ["a", "b", "c", "d"]


async def is_granted(redis: Client, worker: str, wish: Wish) -> bool:
    return (await registered(redis, worker, wish)).granted


async def test_a_mark_of_another_program_keeps_no_worker_from_helping(redis: Client) -> None:
    for worker in ("a", "b", "c"):
        await registered(redis, worker)
    await redis.set(KEYS.workers_changed, "x")
    assert (await registered(redis, "c", "help")).granted


async def test_a_worker_rests_only_if_two_others_are_active(redis: Client) -> None:
    for worker in ("a", "b", "c"):
        await registered(redis, worker)
    assert not await is_granted(redis, "a", "rest")
    assert await is_granted(redis, "c", "help")
    await until(lambda: is_granted(redis, "a", "rest"))
    assert (await registered(redis, "a")).active == ["b", "c"]


async def test_a_registration_from_before_the_clock_was_set_back_does_not_stay(redis: Client) -> None:
    for key in (KEYS.workers, KEYS.active_workers):
        await redis.zadd(key, {"0.1/config dead": time.time() * 1000 + 86_400_000})
    assert await registered(redis, "a") == Fleet(granted=False, active=["a"], size=1)


async def test_the_lists_go_when_no_worker_is_left(redis: Client) -> None:
    await registered(redis, "a")
    assert await redis.pttl(KEYS.workers) > 0
    assert await redis.pttl(KEYS.active_workers) > 0


async def test_a_worker_that_stands_by_is_live_with_its_config(redis: Client) -> None:
    await registered(redis, "a")
    assert await stream.live_workers(redis) == {b"a": b"config"}


async def test_a_look_shows_how_long_a_batch_waits_that_no_worker_has_read(redis: Client) -> None:
    assert (await look(redis)).waits_s == 0
    await stream.create_group(redis)
    for _ in range(2):
        await stream.append(redis, [RawBody(1, "voucherify", "", b"body")], Confirmation())
    await stream.read(redis, "a", count=1, block_ms=1)
    await until(lambda: waits_longer(redis, 0.05))  # for the second one
    await stream.read(redis, "a", count=1, block_ms=1)
    assert (await look(redis)).waits_s == 0


async def test_a_look_shows_how_long_a_job_waits_that_is_due(redis: Client) -> None:
    await stream.create_group(redis)
    now_ms = time.time() * 1000
    await redis.zadd(KEYS.queue, {jobs.new_job_id(1): now_ms + 60_000})
    assert (await look(redis)).waits_s == 0
    await redis.zadd(KEYS.queue, {jobs.new_job_id(1): now_ms - 60_000})
    assert 59 < (await look(redis)).waits_s < 100


async def waits_longer(redis: Client, seconds: float) -> bool:
    return (await look(redis)).waits_s > seconds


async def test_a_partition_has_a_reader_where_a_worker_has_just_claimed(redis: Client) -> None:
    assert not await has_reader(redis, within_ms=60_000)
    assert (await look(redis)).silent_s > 3600
    await claim(redis, "a", count=1, lease_ms=10_000)
    assert await has_reader(redis, within_ms=60_000)
    assert (await look(redis)).silent_s < 60
    await until(lambda: has_no_reader(redis))


async def has_no_reader(redis: Client) -> bool:
    return not await has_reader(redis, within_ms=50)
