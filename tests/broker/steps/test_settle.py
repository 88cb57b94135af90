"""Tests of recording outcomes, on a real Redis."""

import time

import pytest

from broker import dead_letters
from broker.dead_letters import replay
from broker.monitoring import stats
from broker.queue import claims, dedupe, jobs, stream
from broker.queue.batch import RawBody
from broker.queue.jobs import Notification, NotifyJob
from broker.redis.client import Client
from broker.redis.confirmation import Confirmation
from broker.redis.errors import Full
from broker.steps.commit import NewEvent, Processed, commit
from broker.steps.settle import Retry, Settled, dead_letter_job
from tests.broker.claiming import claim
from tests.broker.new_dead_letters import as_it_died
from tests.names import KEYS
from tests.settling import settle

NOW_MS = int(time.time() * 1000)
ME, OTHER = "me", "other"


def notify_job(size: int) -> NotifyJob:
    body = RawBody(NOW_MS, "voucherify", "", b'{"a":1}')
    return NotifyJob("http", 1, NOW_MS, [Notification(f"key-{n}", "rule", "event", body) for n in range(size)])


@pytest.fixture
async def job_id(redis: Client) -> str:
    """Return the id of a job of three waiting notifications, as a commit makes it."""
    job_id = jobs.new_job_id(3)
    await redis.set(KEYS.job + job_id, jobs.encode(notify_job(3)))
    await redis.zadd(KEYS.queue, {job_id: NOW_MS})
    await redis.hset(KEYS.stats_total, mapping={"created": 3, "waiting": 3})
    return job_id


@pytest.fixture
async def my_job(redis: Client, job_id: str) -> str:
    """Return the id of the job after it was claimed."""
    assert await claim(redis, ME, count=1, lease_ms=60_000) == [job_id]
    return job_id


async def leftovers(redis: Client) -> list[str]:
    return [key.decode() for key in await redis.keys("*")]


async def test_the_job_is_deleted_with_its_last_outcome(redis: Client, my_job: str) -> None:
    assert (await settle(redis, ME, my_job, [Settled(0, "sent"), Settled(1, "skipped")])).open == 1
    assert await redis.exists(KEYS.job + my_job)
    assert (await settle(redis, ME, my_job, [Settled(2, "sent")])).open == 0
    totals = await stats.read_totals(redis)
    assert (totals.sent, totals.skipped, totals.waiting) == (2, 1, 0)
    assert totals.notifications_add_up()
    assert not [key for key in await leftovers(redis) if key.startswith((KEYS.job, KEYS.done, KEYS.queue))]


async def test_an_outcome_recorded_twice_counts_once(redis: Client, job_id: str) -> None:
    for _ in range(2):
        await settle(redis, ME, job_id, [Settled(0, "sent")])
    assert (await stats.read_totals(redis)).sent == 1


async def test_outcomes_of_a_worker_that_lost_its_job_change_nothing(redis: Client, job_id: str) -> None:
    await settle(redis, ME, job_id, [Settled(n, "sent") for n in range(3)])
    before = await redis.hgetall(KEYS.stats_total)
    stored_letter = dead_letters.died_at_notify(
        notify_job(1).notifications[0], "http", reason="r", error="e", error_class="E"
    )
    assert (await settle(redis, ME, job_id, [Settled(0, "dead", stored_letter)])).open == -1
    assert await redis.hgetall(KEYS.stats_total) == before
    assert await dead_letters.count(redis) == 0


async def test_a_retry_becomes_a_job_of_its_own_that_is_due_later(redis: Client, my_job: str) -> None:
    again = NotifyJob("http", 2, NOW_MS, notify_job(3).notifications[1:])
    await settle(
        redis,
        ME,
        my_job,
        [Settled(0, "sent"), Settled(1, "retry"), Settled(2, "retry")],
        [Retry(again, 60_000, [1, 2])],
    )
    [(retry_id, due)] = await redis.zrange(KEYS.queue, 0, -1, withscores=True)
    assert due > time.time() * 1000 + 50_000
    assert jobs.decode(jobs.deserialize(await jobs.raw(redis, retry_id.decode()))["a"][0]) == again
    totals = await stats.read_totals(redis)
    assert (totals.sent, totals.waiting) == (1, 2)
    assert await claim(redis, ME, count=10, lease_ms=1000) == []


async def test_a_retry_that_another_worker_settled_meanwhile_is_not_created_again(
    redis: Client, my_job: str
) -> None:
    await settle(redis, ME, my_job, [Settled(1, "sent")])
    again = NotifyJob("http", 2, NOW_MS, notify_job(3).notifications[1:])
    await settle(redis, ME, my_job, [Settled(1, "retry"), Settled(2, "retry")], [Retry(again, 0, [1, 2])])
    retry_id = next(j.decode() for j in await redis.zrange(KEYS.queue, 0, -1) if j.decode() != my_job)
    assert await jobs.settled_indices(redis, retry_id) == {0}
    assert (await stats.read_totals(redis)).waiting == 2


async def test_a_dead_notification_keeps_its_attempts_and_replays_with_its_key(redis: Client, my_job: str) -> None:
    notification = notify_job(1).notifications[0]
    tried = Notification(
        "key-0", "rule", "event", notification.body, (jobs.Attempt(1, 2, "retry", "answered 500"),)
    )
    stored_letter = dead_letters.died_at_notify(
        tried, "http", reason="exhausted", error="answered 500", error_class="Http500"
    )
    await settle(redis, ME, my_job, [Settled(0, "dead", stored_letter), Settled(1, "sent"), Settled(2, "sent")])
    kept = await dead_letters.get(redis, stored_letter.letter.id)
    assert kept == as_it_died(stored_letter, kept)
    assert (await stats.read_totals(redis)).dead == 1

    assert await replay.replay(redis, [stored_letter])
    assert not await replay.replay(redis, [stored_letter])
    [replayed] = await claim(redis, ME, count=10, lease_ms=1000)
    job = jobs.decode(jobs.deserialize(await jobs.raw(redis, replayed))["a"][0])
    assert (job.attempt, job.notifications) == (1, [notification])
    totals = await stats.read_totals(redis)
    assert (totals.dead, totals.waiting) == (0, 1)
    assert totals.notifications_add_up()
    assert not await redis.exists(
        KEYS.dead_index, KEYS.dead_dimensions, KEYS.dead_by + dead_letters.dimensions_of(stored_letter.letter).id
    )


async def test_an_unreadable_job_is_kept_unchanged_and_its_replay_leaves_out_completed_notifications(
    redis: Client, job_id: str
) -> None:
    await settle(redis, ME, job_id, [Settled(0, "sent")])
    blob = await jobs.raw(redis, job_id)
    stored_letter = dead_letters.unreadable_job(job_id, blob, "of a newer version")
    for _ in range(2):
        await dead_letter_job(redis, job_id, stored_letter)
    totals = await stats.read_totals(redis)
    assert (totals.dead, totals.waiting, totals.sent) == (2, 0, 1)
    assert await replay.replay(redis, [stored_letter])
    assert await jobs.raw(redis, job_id) == blob
    assert await jobs.settled_indices(redis, job_id) == {0}
    assert (await stats.read_totals(redis)).waiting == 2


async def test_a_discarded_letter_is_deleted_and_the_counters_still_add_up(redis: Client, job_id: str) -> None:
    stored_letter = dead_letters.unreadable_job(job_id, b"x", "e")
    await settle(redis, ME, job_id, [Settled(0, "sent")])
    await dead_letter_job(redis, job_id, stored_letter)
    assert await dead_letters.discard(redis, [stored_letter.letter])
    assert not await dead_letters.discard(redis, [stored_letter.letter])
    assert (await stats.read_totals(redis)).notifications_add_up()
    gone = (KEYS.done, KEYS.dead_index, KEYS.dead_dimensions)
    assert not [key for key in await leftovers(redis) if key.startswith(gone)]


async def test_a_claimed_job_is_taken_by_no_other_worker_until_its_lease_ends(redis: Client, job_id: str) -> None:
    assert await claim(redis, ME, count=10, lease_ms=60_000) == [job_id]
    assert await claim(redis, ME, count=10, lease_ms=60_000) == []
    await claims.release(redis, ME, job_id, forget_start=True)
    assert await claim(redis, ME, count=10, lease_ms=60_000) == [job_id]


async def test_a_lease_that_is_not_extended_ends(redis: Client, job_id: str) -> None:
    await claim(redis, ME, count=1, lease_ms=20_000)
    await claims.extend(redis, ME, [job_id], lease_ms=600_000)
    assert await redis.pttl(KEYS.in_progress + job_id) > 20_000
    assert await claim(redis, ME, count=1, lease_ms=1) == []
    await claims.extend(redis, ME, [job_id], lease_ms=1)
    while not await claim(redis, ME, count=1, lease_ms=60_000):
        pass


async def taken_over(redis: Client, job_id: str) -> None:
    """Let the lease of the job's first worker expire, and another worker claim it."""
    assert await claim(redis, ME, count=1, lease_ms=1) == [job_id]
    while not await claim(redis, OTHER, count=1, lease_ms=60_000):
        pass


async def test_a_worker_that_lost_its_lease_neither_extends_nor_returns_the_job_of_another(
    redis: Client, job_id: str
) -> None:
    await taken_over(redis, job_id)
    before = await redis.zscore(KEYS.queue, job_id)
    assert await claims.extend(redis, ME, [job_id], lease_ms=600_000) == [job_id]
    await claims.release(redis, ME, job_id)
    assert await redis.zscore(KEYS.queue, job_id) == before
    assert await redis.get(KEYS.in_progress + job_id) == OTHER.encode()
    assert await claims.extend(redis, OTHER, [job_id], lease_ms=60_000) == []


async def test_only_sent_outcomes_count_of_a_worker_that_lost_its_lease(redis: Client, job_id: str) -> None:
    await taken_over(redis, job_id)
    again = NotifyJob("http", 2, NOW_MS, notify_job(3).notifications[1:2])
    stored_letter = dead_letters.died_at_notify(
        notify_job(1).notifications[0], "http", reason="r", error="e", error_class="E"
    )
    late = [Settled(0, "sent"), Settled(1, "retry"), Settled(2, "dead", stored_letter)]
    assert (await settle(redis, ME, job_id, late, [Retry(again, 0, [1])])).open == 2
    totals = await stats.read_totals(redis)
    assert (totals.sent, totals.dead, totals.retried, totals.waiting) == (1, 0, 0, 2)
    assert await redis.zcard(KEYS.queue) == 1
    assert await jobs.settled_indices(redis, job_id) == {0}


async def test_only_the_last_start_is_undone(redis: Client, job_id: str) -> None:
    await claim(redis, ME, count=1, lease_ms=60_000)
    await redis.set(KEYS.retry + job_id, 4)
    await claims.release(redis, ME, job_id, forget_start=True)
    assert await redis.get(KEYS.retry + job_id) == b"3"


async def test_a_queue_entry_without_its_job_is_dropped(redis: Client) -> None:
    await redis.zadd(KEYS.queue, {"ghost.1": 1})
    assert await claim(redis, ME, count=10, lease_ms=1000) == []
    assert await redis.zcard(KEYS.queue) == 0


async def test_claimed_jobs_leave_the_head_of_the_queue_to_others(redis: Client, job_id: str) -> None:
    other = jobs.new_job_id(1)
    await redis.set(KEYS.job + other, b"job")
    await redis.zadd(KEYS.queue, {other: NOW_MS})
    taken = [await claim(redis, ME, count=1, lease_ms=60_000) for _ in range(2)]
    assert sorted(taken) == sorted([[job_id], [other]])


async def test_a_redis_far_beyond_full_refuses_a_whole_step_and_changes_nothing(
    redis: Client, job_id: str
) -> None:
    await stream.append(redis, [RawBody(NOW_MS, "s", "", b"{}")] * 2, Confirmation())
    await stream.create_group(redis)
    [entry] = await stream.read(redis, "worker", count=1, block_ms=1)
    stored_letter = dead_letters.unreadable_job(job_id, b"x", "e")
    mark = dedupe.mark("s", "id", occurred_at_ms=NOW_MS, window_ms=7 * dedupe.DAY_MS)
    steps = {
        "commit": lambda: commit(redis, [Processed(entry.id, 2, [NewEvent(mark, [])], [])], []),
        "split": lambda: stream.split(redis, entry, [[(0, RawBody(NOW_MS, "s", "", b"{}"))]] * 2),
        "settle": lambda: settle(redis, ME, job_id, [Settled(0, "dead", stored_letter)]),
        "dead_letter_job": lambda: dead_letter_job(redis, job_id, stored_letter),
    }
    before = {key: await redis.dump(key) for key in await redis.keys("*")}
    await redis.config_set("maxmemory", "1")
    try:
        for name, step in steps.items():
            with pytest.raises(Full):
                await step()
            assert {key: await redis.dump(key) for key in before} == before, name
    finally:
        await redis.config_set("maxmemory", "0")
    assert set(await redis.keys("*")) == set(before)
