"""The one Lua step of intake, on a real Redis."""

import asyncio
import time

from arq.connections import ArqRedis

from broker import dead, dedupe, jobs, keys, stats, stream
from broker.batch import RawBody
from broker.commit import NewEvent, Processed, Share, commit
from broker.confirmation import Confirmation
from broker.dedupe import DAY_MS
from broker.jobs import Notification, NotifyJob

NOW_MS = int(time.time() * 1000)
BODY = RawBody(NOW_MS, "voucherify", "", b"{}")


def event(identity: str, *shares: Share, occurred_at_ms: int | None = NOW_MS) -> NewEvent:
    mark = dedupe.mark("voucherify", identity, occurred_at_ms=occurred_at_ms, received_at_ms=NOW_MS, window_days=7)
    return NewEvent(mark, list(shares))


def job(size: int) -> NotifyJob:
    return NotifyJob("console", 1, NOW_MS, [Notification(f"key-{n}", "rule", "event", BODY) for n in range(size)])


async def entry(redis: ArqRedis, bodies: int = 1) -> str:
    await stream.append(redis, [BODY] * bodies, Confirmation())
    return (await stream.read(redis, "worker-1", count=1, block_ms=1))[0].id


async def the_only_job(redis: ArqRedis) -> str:
    [job_id] = await redis.zrange(keys.QUEUE, 0, -1)
    return job_id.decode()


async def test_a_commit_marks_enqueues_acknowledges_and_counts(redis: ArqRedis) -> None:
    await stream.create_group(redis)
    entry_id = await entry(redis, bodies=2)
    done = await commit(
        redis, [Processed(entry_id, 2, [event("a", Share(1, 0, 1)), event("b", Share(1, 1, 1))], [])], [job(2)]
    )
    assert (done.processed, done.duplicate, done.buried, done.waiting) == (2, 0, 0, 2)
    assert await redis.xlen(keys.STREAM) == 0
    totals = await stats.read_totals(redis)
    assert (totals.accepted, totals.queued, totals.created, totals.waiting) == (2, 0, 2, 2)
    stored = jobs.deserialize(await jobs.raw(redis, await the_only_job(redis)))
    assert jobs.decode(stored["a"][0]).notifications == job(2).notifications
    assert await redis.ttl(keys.JOB + await the_only_job(redis)) == -1


async def test_a_commit_that_runs_twice_changes_nothing_more(redis: ArqRedis) -> None:
    await stream.create_group(redis)
    plan = [Processed(await entry(redis), 1, [event("a", Share(1, 0, 1))], [])]
    await commit(redis, plan, [job(1)])
    before = await redis.hgetall(keys.STATS_TOTAL)
    again = await commit(redis, plan, [job(1)])
    assert (again.processed, again.duplicate, again.buried) == (0, 0, 0)
    assert await redis.hgetall(keys.STATS_TOTAL) == before
    assert await redis.zcard(keys.QUEUE) == 1


async def test_a_known_identity_makes_no_notification(redis: ArqRedis) -> None:
    await stream.create_group(redis)
    await commit(redis, [Processed(await entry(redis), 1, [event("a", Share(1, 0, 1))], [])], [job(1)])
    again = await commit(redis, [Processed(await entry(redis), 1, [event("a", Share(1, 0, 1))], [])], [job(1)])
    assert (again.processed, again.duplicate, again.waiting) == (0, 1, 1)
    assert await redis.zcard(keys.QUEUE) == 1


async def test_a_duplicate_beside_a_new_event_is_settled_in_their_common_job(redis: ArqRedis) -> None:
    await stream.create_group(redis)
    plan = [event("a", Share(1, 0, 1)), event("a", Share(1, 1, 1)), event("b", Share(1, 2, 1))]
    done = await commit(redis, [Processed(await entry(redis, 3), 3, plan, [])], [job(3)])
    assert (done.processed, done.duplicate, done.waiting) == (2, 1, 2)
    assert await jobs.settled_indices(redis, await the_only_job(redis)) == {1}


async def test_an_entry_taken_over_and_committed_by_another_leaves_its_events_out(redis: ArqRedis) -> None:
    await stream.create_group(redis)
    mine, theirs = await entry(redis), await entry(redis)
    await commit(redis, [Processed(theirs, 1, [event("b")], [])], [])
    both = [
        Processed(mine, 1, [event("a", Share(1, 0, 1))], []),
        Processed(theirs, 1, [event("b", Share(1, 1, 1))], []),
    ]
    done = await commit(redis, both, [job(2)])
    assert (done.processed, done.duplicate, done.waiting) == (1, 0, 1)
    assert await jobs.settled_indices(redis, await the_only_job(redis)) == {1}


async def test_the_same_event_committed_concurrently_counts_once(redis: ArqRedis) -> None:
    await stream.create_group(redis)
    entries = [await entry(redis) for _ in range(20)]
    results = await asyncio.gather(
        *(commit(redis, [Processed(e, 1, [event("a", Share(1, 0, 1))], [])], [job(1)]) for e in entries)
    )
    assert sum(done.processed for done in results) == 1
    assert sum(done.duplicate for done in results) == 19
    assert await redis.zcard(keys.QUEUE) == 1


async def test_a_redelivery_days_later_is_a_duplicate_within_the_window(redis: ArqRedis) -> None:
    await stream.create_group(redis)
    for days, duplicate in ((0, 0), (1, 1), (6, 1)):
        late = dedupe.mark("s", "id", occurred_at_ms=NOW_MS, received_at_ms=NOW_MS + days * DAY_MS, window_days=7)
        done = await commit(redis, [Processed(await entry(redis), 1, [NewEvent(late, [])], [])], [])
        assert done.duplicate == duplicate


async def test_an_event_without_its_own_time_is_found_in_the_windows_earlier_days(redis: ArqRedis) -> None:
    await stream.create_group(redis)
    for days, duplicate in ((0, 0), (3, 1), (7, 1), (8, 0)):
        mark = dedupe.mark("s", "id", occurred_at_ms=None, received_at_ms=NOW_MS + days * DAY_MS, window_days=7)
        done = await commit(redis, [Processed(await entry(redis), 1, [NewEvent(mark, [])], [])], [])
        assert done.duplicate == duplicate, days


async def test_an_identity_is_remembered_for_the_whole_window_after_a_late_first_receipt(redis: ArqRedis) -> None:
    await stream.create_group(redis)
    old = dedupe.mark("s", "x", occurred_at_ms=NOW_MS - 5 * DAY_MS, received_at_ms=NOW_MS, window_days=7)
    await redis.sadd(old.key, 1)  # the key stands since the event's own day, and ends soon
    await redis.pexpire(old.key, DAY_MS)
    await commit(redis, [Processed(await entry(redis), 1, [NewEvent(old, [])], [])], [])
    assert await redis.pttl(old.key) >= 7 * DAY_MS - 60_000


async def test_every_dedupe_key_expires_after_the_window(redis: ArqRedis) -> None:
    await stream.create_group(redis)
    events = [event(str(n)) for n in range(300)]
    await commit(redis, [Processed(await entry(redis, 300), 300, events, [])], [])
    dedupe_keys = [key async for key in redis.scan_iter("dedupe:*")]
    assert dedupe_keys
    for key in dedupe_keys:
        assert 7 * DAY_MS - 60_000 <= await redis.pttl(key) <= 8 * DAY_MS
        assert await redis.object("encoding", key) in (b"intset", "intset")


async def test_a_grave_is_buried_with_the_commit(redis: ArqRedis) -> None:
    await stream.create_group(redis)
    grave = dead.died_at_intake(BODY, reason="undecodable", error="bad", error_class="DecodeError", path="$.a")
    done = await commit(redis, [Processed(await entry(redis), 1, [], [grave])], [])
    assert done.buried == 1
    assert await dead.get(redis, grave.letter.id) == grave
    assert [letter.id for letter in await dead.newest(redis)] == [grave.letter.id]
