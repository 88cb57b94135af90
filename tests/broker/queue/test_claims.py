"""Tests which workers may claim jobs after Redis was down, with a real Redis."""

import time

from broker.queue import jobs
from broker.queue.jobs import NotifyJob
from broker.redis.client import Client
from tests.broker.claiming import claim
from tests.names import KEYS
from tests.until import until


async def enqueue(redis: Client) -> str:
    job_id = jobs.new_job_id(1)
    await redis.set(KEYS.job + job_id, jobs.encode(NotifyJob("http", 1, 0, [])))
    await redis.zadd(KEYS.queue, {job_id: 1})
    return job_id


async def begun_and_lapsed(redis: Client) -> str:
    """A job that a worker began, and whose lease has ended."""
    job_id = await enqueue(redis)
    assert await claim(redis, "first") == [job_id]
    await redis.delete(KEYS.in_progress + job_id)
    await redis.zadd(KEYS.queue, {job_id: 1})
    return job_id


async def nobody_claimed_for(redis: Client, seconds: float) -> None:
    await redis.hset(KEYS.claims, "last_ms", int((time.time() - seconds) * 1000))


async def test_what_was_begun_before_an_outage_is_left_to_its_owner_for_a_moment(redis: Client) -> None:
    job_id = await begun_and_lapsed(redis)
    await nobody_claimed_for(redis, 5)
    assert await claim(redis, "second") == []
    assert await until(lambda: claim(redis, "second")) == [job_id]


async def test_what_was_not_begun_is_claimed_at_once_after_an_outage(redis: Client) -> None:
    await claim(redis, "first")
    job_id = await enqueue(redis)
    await nobody_claimed_for(redis, 5)
    assert await claim(redis, "second") == [job_id]


async def test_the_job_of_a_dead_worker_is_claimed_at_once_while_others_claim(redis: Client) -> None:
    job_id = await begun_and_lapsed(redis)
    await redis.hset(KEYS.claims, "moment_ends_ms", 0)  # the first claim of all began one
    assert await claim(redis, "second") == [job_id]


async def test_when_workers_claimed_last_is_forgotten_when_none_is_left(redis: Client) -> None:
    await claim(redis, "first")
    assert 0 < await redis.pttl(KEYS.claims) <= 60_000
