"""Tests of the lock of a subject of which only the latest notification counts, on a real Redis."""

import time

import pytest

from broker.queue import jobs, latest_only
from broker.queue.batch import RawBody
from broker.queue.jobs import Notification, NotifyJob
from broker.queue.latest_only import SubjectLock
from broker.redis import keys
from broker.redis.client import Client
from broker.steps.settle import Settled
from tests.broker.claiming import claim
from tests.names import KEYS
from tests.settling import settle

SUBJECT = latest_only.subject_id("voucherify", "balance", "crm", "v_1")
OWNER = "worker-1"
NOW_MS = int(time.time() * 1000)


def lock_of(key: str, at_ms: int, subject: str = SUBJECT) -> SubjectLock:
    return SubjectLock(subject, key, at_ms)


async def take(redis: Client, key: str, at_ms: int, *, lease_s: float = 15.0) -> str:
    [answer] = await latest_only.acquire_subject_locks(redis, [lock_of(key, at_ms)], lease_s=lease_s)
    return answer


async def job_of(redis: Client, key: str, *, owner: str = OWNER) -> str:
    """Add a job of one notification and claim it for `owner`."""
    body = RawBody(NOW_MS, "voucherify", "", b"{}")
    job_id = jobs.new_job_id(1)
    job = NotifyJob("crm", 1, NOW_MS, [Notification(key, "balance", "event", body)])
    await redis.set(KEYS.job + job_id, jobs.encode(job))
    await redis.zadd(KEYS.queue, {job_id: 1})
    assert await claim(redis, owner, count=1, lease_ms=60_000) == [job_id]
    return job_id


async def note_workers(redis: Client, *, back_ms: int = 0) -> None:
    """Note that workers are here. back_ms: when Redis returned from its last absence."""
    await redis.hset(KEYS.claims, mapping={"last_ms": int(time.time() * 1000), "moment_ends_ms": back_ms + 1500})


async def expire(redis: Client) -> None:
    """Let the lock end."""
    await redis.hset(KEYS.latest + SUBJECT, "until", int(time.time() * 1000) - 1)


async def end(redis: Client, key: str, at_ms: int, kind: str = "sent") -> None:
    job_id = await job_of(redis, key)
    await settle(redis, OWNER, job_id, [Settled(0, kind, lock=lock_of(key, at_ms))])  # type: ignore[arg-type]


async def test_a_notification_older_than_the_newest_that_was_sent_is_stale(redis: Client) -> None:
    assert await take(redis, "new", 20) == "go"
    await end(redis, "new", 20)
    assert await take(redis, "old", 10) == "stale"
    assert await take(redis, "same time", 20) == "go"


async def test_two_notifications_of_one_subject_are_never_sent_at_the_same_time(redis: Client) -> None:
    assert await take(redis, "a", 10) == "go"
    assert await take(redis, "b", 20) == "wait"
    await end(redis, "a", 10)
    assert await take(redis, "b", 20) == "go"


async def test_subjects_do_not_wait_for_each_other(redis: Client) -> None:
    other = latest_only.subject_id("voucherify", "balance", "crm", "v_2")
    assert await take(redis, "a", 10) == "go"
    locks = [lock_of("b", 10, other), lock_of("c", 10), lock_of("a", 10)]
    assert await latest_only.acquire_subject_locks(redis, locks, lease_s=15.0) == ["go", "wait", "go"]


async def test_a_notification_whose_worker_died_is_sent_again_immediately(redis: Client) -> None:
    assert [await take(redis, "a", 10) for _ in range(2)] == ["go", "go"]


async def test_times_of_another_program_stop_no_subject_for_good(redis: Client) -> None:
    await note_workers(redis, back_ms=1)
    await redis.hset(KEYS.latest + SUBJECT, mapping={"at": 2**50, "by": "x", "until": 2**50})
    assert await take(redis, "new", NOW_MS) == "go"
    await end(redis, "new", NOW_MS)
    assert await take(redis, "old", NOW_MS - 1) == "stale"


async def test_a_lock_expires(redis: Client) -> None:
    assert await take(redis, "a", 10) == "go"
    await expire(redis)
    await note_workers(redis)
    assert await take(redis, "b", 20) == "go"


async def test_a_lock_that_ended_while_redis_was_away_counts_again_from_its_return_on(redis: Client) -> None:
    assert await take(redis, "a", 10) == "go"
    await expire(redis)
    assert await take(redis, "b", 20) == "wait"  # no worker was here since
    await note_workers(redis, back_ms=int(time.time() * 1000) - 10_000)
    assert await take(redis, "b", 20) == "wait"
    assert await take(redis, "a", 10) == "go"
    await expire(redis)
    await note_workers(redis, back_ms=int(time.time() * 1000) - 100_000)
    assert await take(redis, "b", 20) == "go"


async def test_a_job_of_another_partition_stores_its_event_and_releases_its_lock(redis: Client) -> None:
    assert await take(redis, "new", 20) == "go"
    for _ in range(2):
        await latest_only.release_subject_lock(redis, lock_of("new", 20), is_sent=True, is_owner=True)
    assert await take(redis, "old", 10) == "stale"
    assert await take(redis, "newer", 30) == "go"


async def test_a_late_job_of_another_partition_neither_takes_the_lock_of_others_nor_turns_back_the_time(
    redis: Client,
) -> None:
    assert await take(redis, "late", 10) == "go"
    await expire(redis)
    await note_workers(redis)
    assert await take(redis, "next", 20) == "go"
    await latest_only.release_subject_lock(redis, lock_of("late", 10), is_sent=True, is_owner=True)
    assert await take(redis, "third", 30) == "wait"
    await latest_only.release_subject_lock(redis, lock_of("next", 20), is_sent=True, is_owner=False)
    assert await take(redis, "third", 30) == "wait"  # another worker may be sending the same
    assert await take(redis, "late", 10) == "stale"


@pytest.mark.parametrize("lease_s", [3.0, 15.0, 600.0])
async def test_a_lock_lasts_longer_than_the_lease_after_which_its_job_is_run_again(
    redis: Client, lease_s: float
) -> None:
    assert await take(redis, "a", 10, lease_s=lease_s) == "go"
    until_ms = int(await redis.hget(KEYS.latest + SUBJECT, "until"))  # type: ignore[arg-type]
    assert until_ms - time.time() * 1000 > (lease_s + 30) * 1000


@pytest.mark.parametrize("kind", ["retry", "dead"])
async def test_a_notification_that_was_not_sent_makes_none_stale_and_releases_its_lock(
    redis: Client, kind: str
) -> None:
    assert await take(redis, "new", 20) == "go"
    await end(redis, "new", 20, kind)
    assert await take(redis, "old", 10) == "go"


async def test_releasing_a_lock_that_others_hold_leaves_it_to_them(redis: Client) -> None:
    assert await take(redis, "late", 10) == "go"
    await expire(redis)
    await note_workers(redis)
    assert await take(redis, "next", 20) == "go"
    await end(redis, "late", 10)
    assert await take(redis, "third", 30) == "wait"


async def test_a_sent_notification_is_remembered_after_its_lease_and_after_its_job_was_deleted(
    redis: Client,
) -> None:
    job_id = await job_of(redis, "new")
    assert await take(redis, "new", 20) == "go"
    await redis.delete(KEYS.in_progress + job_id, KEYS.job + job_id)  # another worker completed it
    settled = await settle(redis, OWNER, job_id, [Settled(0, "sent", lock=lock_of("new", 20))])
    assert settled.open == -1
    assert await take(redis, "new", 20) == "go"  # the lock is not released: another worker may be sending the same
    assert await take(redis, "old", 10) == "stale"


async def test_the_newest_notification_is_forgotten_after_a_month(redis: Client) -> None:
    await take(redis, "a", 10)
    await end(redis, "a", 10)
    assert 0 < await redis.ttl(KEYS.latest + SUBJECT) <= keys.LATEST_TTL_S


async def test_no_lock_is_acquired_while_data_moves_or_with_another_number_of_partitions(redis: Client) -> None:
    for layout, result in (("1", "go"), ("moving:1:4", "wait"), ("4", "wait")):
        await redis.set(KEYS.layout, layout)
        assert await take(redis, "a", 10) == result
