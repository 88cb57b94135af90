"""Tests of which workers may claim jobs after Redis was down, with a real Redis."""

import time

import pytest

from broker.queue import jobs
from broker.queue.heartbeat import beat
from broker.queue.jobs import NotifyJob
from broker.queue.live_workers import has_reader, look
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


async def test_a_time_of_another_program_does_not_keep_started_jobs_from_their_next_start(redis: Client) -> None:
    job_id = await started_and_expired(redis)
    await redis.hset(KEYS.claims, mapping={"last_ms": 2**50, "moment_ends_ms": 2**50})
    assert not await has_reader(redis, within_ms=60_000)
    assert (await look(redis)).silent_s > 0
    assert await until(lambda: claim(redis, "second")) == [job_id]


@pytest.mark.parametrize("score", ["inf", "1e300", "1e15"])
async def test_a_heartbeat_makes_work_due_whose_time_hookline_never_writes(redis: Client, score: str) -> None:
    job_id = await enqueue(redis)
    for key in (KEYS.queue, KEYS.digests, KEYS.digests_ends):
        await redis.zadd(key, {job_id: float(score)})
    upcoming = await beat(redis, KEYS.health + "me", "config", lasts_ms=1000, lease_ms=1000)
    assert (upcoming.next_job_s, upcoming.next_digest_s) == (0, 0)
    assert await claim(redis, "me") == [job_id]
    assert await redis.zcount(KEYS.digests, 0, time.time() * 1000) == 1
    assert await redis.zcount(KEYS.digests_ends, 0, time.time() * 1000) == 1
