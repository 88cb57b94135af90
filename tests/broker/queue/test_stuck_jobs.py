"""Jobs that do not come to an end, on a real Redis."""

from __future__ import annotations

from broker.queue.stuck_jobs import StuckJobs, find_stuck_jobs
from broker.redis.client import Client
from tests.broker.claiming import claim
from tests.names import KEYS


async def add(redis: Client, job: str, due_ms: int = 1) -> None:
    await redis.set(KEYS.job + job, "job")
    await redis.zadd(KEYS.queue, {job: due_ms})


async def test_a_running_job_is_not_stuck(redis: Client) -> None:
    await add(redis, "a.1")
    assert await claim(redis, "worker") == ["a.1"]

    assert await find_stuck_jobs(redis, starts=2, job_ids=[b"a.1"]) == StuckJobs(examined=1)


async def test_a_due_job_is_late(redis: Client) -> None:
    await add(redis, "a.1", due_ms=1)

    assert (await find_stuck_jobs(redis, starts=2)).late_ms > 1_000_000


async def test_a_job_without_a_lease_that_ends_is_found(redis: Client) -> None:
    await add(redis, "a.1")
    await claim(redis, "worker")
    await redis.persist(KEYS.in_progress + "a.1")

    assert (await find_stuck_jobs(redis, starts=2)).leased_for_ever == (b"a.1",)


async def test_a_job_counts_as_restarted_from_the_asked_number_on(redis: Client) -> None:
    await add(redis, "a.1")
    await redis.set(KEYS.retry + "a.1", 3, ex=60)

    assert (await find_stuck_jobs(redis, starts=4)).restarted == ()
    assert (await find_stuck_jobs(redis, starts=3)).restarted == (b"a.1",)


async def test_held_and_ended_jobs_are_not_lost_and_others_are(redis: Client) -> None:
    await redis.sadd(KEYS.channels, "chat", "mail")  # type: ignore[misc]
    await redis.zadd(KEYS.held_jobs + "mail", {"held.1": 1})
    for job in ("held.1", "lost.1"):
        await redis.set(KEYS.job + job, "job")

    jobs = await find_stuck_jobs(redis, starts=2, job_ids=[b"held.1", b"lost.1", b"ended.1"])

    assert jobs.not_queued == (b"lost.1",)
