"""Counting what waits by cause."""

from __future__ import annotations

import time

import pytest

from broker.queue import jobs
from broker.queue.waiting import counts
from broker.queue.waiting.cause import Causes, cause_of, deferral_of
from broker.queue.waiting.counts import read_waiting
from broker.redis.client import Client
from tests.names import KEYS


def test_the_id_of_a_job_says_what_it_waits_for_and_how_many_it_has() -> None:
    job = jobs.new_job_id(64, "quiet_hours")
    assert (jobs.size_of(job), deferral_of(job), cause_of(job)) == (64, "quiet_hours", "quiet_hours")
    assert cause_of(jobs.new_job_id(64)) == cause_of(jobs.new_job_id(1, "sent_now")) == "queued"
    assert deferral_of("job-of-another-program") is deferral_of("a.b.c") is None


async def add_jobs(redis: Client, count: int) -> None:
    """Add as many retries of two notifications, and half as many held jobs of one, with a counter that says so."""
    now_ms = int(time.time() * 1000)
    retries = [jobs.new_job_id(2, "retry") for _ in range(count)]
    held = [jobs.new_job_id(1) for _ in range(count // 2)]
    await redis.mset({KEYS.job + job: b"x" for job in [*retries, *held]})
    await redis.zadd(KEYS.queue, {job: now_ms + 60_000 * (1 if n % 4 else -1) for n, job in enumerate(retries)})
    await redis.zadd(KEYS.held_jobs + "crm", dict.fromkeys(held, now_ms))
    await redis.sadd(KEYS.channels, "crm")
    await redis.hset(KEYS.stats_total, "waiting", 2 * count + count // 2)


async def test_a_running_retry_waits_for_nothing_and_settled_notifications_do_not_count(redis: Client) -> None:
    await add_jobs(redis, 8)
    late, job = await redis.zrange(KEYS.queue, 1, 2)
    await redis.set(KEYS.in_progress.encode() + job, "me")
    await redis.sadd(KEYS.done.encode() + late, 0)
    causes = (await read_waiting(redis)).causes
    expected = Causes(queued=2, retry=13, rate_limit=4, retries_overdue=3, next_retry_ms=causes.next_retry_ms)
    assert causes == expected


async def test_with_too_many_jobs_the_causes_are_estimated_and_add_up(
    redis: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_jobs(redis, 4000)
    await redis.hset(KEYS.channel + "crm", "paused_since_ms", 1)
    exact = await read_waiting(redis)
    monkeypatch.setattr(counts, "MAX_JOBS", 100)
    estimated = await read_waiting(redis)
    assert (exact.is_estimated, estimated.is_estimated) == (False, True)
    assert (exact.causes.retry, exact.causes.paused, exact.causes.retries_overdue) == (8000, 2000, 2000)
    assert estimated.causes.total() == estimated.counted == 10_000
    assert (estimated.causes.retry, estimated.causes.paused) == (8000, 2000)
    assert abs(estimated.causes.retries_overdue - 2000) < 200
