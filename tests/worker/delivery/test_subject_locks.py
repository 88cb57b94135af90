"""The locks of a job's subjects: asked for together, and each used only by the notification that may be sent."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from broker.queue.latest_only import SubjectLock, acquire_subject_locks
from broker.redis.client import Client
from broker.redis.connection import Settings as RedisSettings
from broker.redis.partitions import Partitions, connect_all
from runtime.task_cancellation import cancel_and_wait
from tests.names import KEYS
from tests.redis_server import RedisServer
from tests.until import until
from tests.worker.intake.test_partitions import Loss
from worker.delivery.running_job import JobSubjects, RunningJob
from worker.delivery.subject_locks import SubjectLocks
from worker.outcome import Postponed, Skipped

LOCKS = [SubjectLock(f"subject-{number}", f"key-{number}", 100 - number) for number in range(4)]


def running_job(redis: Client, *, rate_per_s: float = 0.0) -> RunningJob:
    """Return a job with a notification for each of LOCKS, as far as locks need it."""
    subjects = JobSubjects()
    subjects.locks = dict(enumerate(LOCKS))
    runtime = SimpleNamespace(channel=SimpleNamespace(pacer=SimpleNamespace(rate_per_s=rate_per_s)))
    parts: Any = {"partition": SimpleNamespace(redis=redis), "job": None, "lease": None, "runtime": runtime}
    return RunningJob(
        "j", **parts, deadline=0.0, is_probe=False, sent=[], locks={}, locks_elsewhere={}, subjects=subjects
    )


def locks_of(redis: Client) -> SubjectLocks:
    return SubjectLocks(Partitions([redis]), lease_s=15.0)


async def holders(redis: Client) -> set[str]:
    """Return the keys of the notifications that hold a lock."""
    names = await redis.keys(f"{KEYS.latest}*")
    return {holder.decode() for name in names if (holder := await redis.hget(name, "by"))}


async def test_one_notification_asks_for_the_locks_of_the_next_ones_too(redis: Client) -> None:
    running, locks = running_job(redis), locks_of(redis)
    await acquire_subject_locks(redis, [SubjectLock("subject-2", "another", 1)], lease_s=15.0)
    assert await locks.acquire(0, LOCKS[0], running) is None
    assert await holders(redis) == {"key-0", "key-1", "another", "key-3"}
    assert running.locks.keys() == {"key-0", "key-1", "key-3"}
    assert await locks.acquire(1, LOCKS[1], running) is None
    assert isinstance(await locks.acquire(2, LOCKS[2], running), Postponed)


async def test_a_lock_that_was_not_used_for_some_seconds_is_asked_for_again(redis: Client) -> None:
    running, locks = running_job(redis), locks_of(redis)
    await locks.acquire(0, LOCKS[0], running)
    for index in (1, 2):
        await redis.hset(KEYS.latest + f"subject-{index}", "at", 1000)  # a newer event was notified
    subjects = running.subjects
    subjects.asked[2] = subjects.asked[2]._replace(until=0.0)
    assert await locks.acquire(1, LOCKS[1], running) is None
    assert isinstance(await locks.acquire(2, LOCKS[2], running), Skipped)


async def test_with_a_rate_each_notification_asks_when_it_is_sent(redis: Client) -> None:
    running, locks = running_job(redis, rate_per_s=1.0), locks_of(redis)
    assert await locks.acquire(0, LOCKS[0], running) is None
    assert await holders(redis) == {"key-0"}


@pytest.mark.parametrize("dies", [True, False])
async def test_a_notification_whose_lock_got_no_answer_is_postponed(
    redis_server: RedisServer, redis: Client, dies: bool
) -> None:
    await locks_of(redis).acquire(0, LOCKS[0], running_job(redis))  # so that Redis knows the script
    with_loss = connect_all(RedisSettings(url=redis_server.url), retries=0)
    loss = Loss(with_loss, call=1, is_run=False, dies=dies)
    running, locks = running_job(with_loss.control), locks_of(with_loss.control)
    first = asyncio.create_task(locks.acquire(0, LOCKS[0], running))
    await until(lambda: 1 in running.subjects.asked)
    second = asyncio.create_task(locks.acquire(1, LOCKS[1], running))
    await loss.happened.wait()
    if dies:
        await cancel_and_wait([first])
    else:
        assert isinstance(await first, Postponed)
    assert isinstance(await second, Postponed)
    assert isinstance(await locks.acquire(2, LOCKS[2], running), Postponed)
    assert await locks.acquire(0, LOCKS[0], running) is None, "the next one asks Redis again"
    await with_loss.aclose()
