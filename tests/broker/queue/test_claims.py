"""Tests of which workers may claim jobs after Redis was down, with a real Redis."""

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


async def started_and_expired(redis: Client) -> str:
    """Add a job that a worker started and whose lease has expired."""
    job_id = await enqueue(redis)
    assert await claim(redis, "first") == [job_id]
    await redis.delete(KEYS.in_progress + job_id)
    await redis.zadd(KEYS.queue, {job_id: 1})
    return job_id


async def no_worker_claimed_for(redis: Client, seconds: float) -> None:
    await redis.hset(KEYS.claims, "last_ms", int((time.time() - seconds) * 1000))


async def test_a_started_job_is_left_to_its_owner_for_a_moment_after_an_outage(redis: Client) -> None:
    job_id = await started_and_expired(redis)
    await no_worker_claimed_for(redis, 31)
    assert await claim(redis, "second") == []
    assert await until(lambda: claim(redis, "second")) == [job_id]


async def test_a_job_that_was_not_started_is_claimed_immediately_after_an_outage(redis: Client) -> None:
    await claim(redis, "first")
    job_id = await enqueue(redis)
    await no_worker_claimed_for(redis, 31)
    assert await claim(redis, "second") == [job_id]


async def test_the_job_of_a_dead_worker_is_claimed_immediately_while_others_claim(redis: Client) -> None:
    job_id = await started_and_expired(redis)
    await redis.hset(KEYS.claims, "moment_ends_ms", 0)  # the very first claim started one
    assert await claim(redis, "second") == [job_id]


async def test_the_time_of_the_last_claim_expires_when_no_worker_is_left(redis: Client) -> None:
    await claim(redis, "first")
    assert 0 < await redis.pttl(KEYS.claims) <= 60_000
