"""Tests of the Lua step of intake, on a real Redis."""

import asyncio
import time

import pytest

from broker import dead_letters
from broker.monitoring import stats
from broker.queue import claims, dedupe, jobs, stream
from broker.queue.batch import RawBody
from broker.queue.claims import Claimant, Claimed, Claims
from broker.queue.dedupe import DAY_MS
from broker.queue.jobs import Notification, NotifyJob
from broker.redis.client import Client
from broker.redis.confirmation import Confirmation
from broker.steps.commit import NewEvent, Processed, Share, commit
from tests.broker.new_dead_letters import as_it_died
from tests.names import KEYS
from tests.until import until

NOW_MS = int(time.time() * 1000)
BODY = RawBody(NOW_MS, "voucherify", "", b"{}")


def event(identity: str, *shares: Share, occurred_at_ms: int | None = NOW_MS) -> NewEvent:
    mark = dedupe.mark("voucherify", identity, occurred_at_ms=occurred_at_ms, window_ms=7 * dedupe.DAY_MS)
    return NewEvent(mark, list(shares))


def job(size: int) -> NotifyJob:
    return NotifyJob("console", 1, NOW_MS, [Notification(f"key-{n}", "rule", "event", BODY) for n in range(size)])


async def entry(redis: Client, bodies: int = 1) -> str:
    await stream.append(redis, [BODY] * bodies, Confirmation())
    return (await stream.read(redis, "worker-1", count=1, block_ms=1))[0].id


async def the_only_job(redis: Client) -> str:
    [job_id] = await redis.zrange(KEYS.queue, 0, -1)
    return job_id.decode()


async def test_a_commit_marks_enqueues_acknowledges_and_counts(redis: Client) -> None:
    await stream.create_group(redis)
    entry_id = await entry(redis, bodies=2)
    done = await commit(
        redis, [Processed(entry_id, 2, [event("a", Share(1, 0, 1)), event("b", Share(1, 1, 1))], [])], [job(2)]
    )
    assert (done.processed, done.duplicate, done.dead_at_intake, done.waiting) == (2, 0, 0, 2)
    assert await redis.xlen(KEYS.stream) == 0
    totals = await stats.read_totals(redis)
    assert (totals.accepted, totals.queued, totals.created, totals.waiting) == (2, 0, 2, 2)
    stored = jobs.deserialize(await jobs.raw(redis, await the_only_job(redis)))
    assert jobs.decode(stored["a"][0]).notifications == job(2).notifications
    assert await redis.ttl(KEYS.job + await the_only_job(redis)) == -1


async def test_a_commit_that_runs_twice_changes_nothing_the_second_time(redis: Client) -> None:
    await stream.create_group(redis)
    plan = [Processed(await entry(redis), 1, [event("a", Share(1, 0, 1))], [])]
    await commit(redis, plan, [job(1)])
    before = await redis.hgetall(KEYS.stats_total)
    again = await commit(redis, plan, [job(1)])
    assert (again.processed, again.duplicate, again.dead_at_intake) == (0, 0, 0)
    assert await redis.hgetall(KEYS.stats_total) == before
    assert await redis.zcard(KEYS.queue) == 1


async def test_a_known_identity_makes_no_notification(redis: Client) -> None:
    await stream.create_group(redis)
    await commit(redis, [Processed(await entry(redis), 1, [event("a", Share(1, 0, 1))], [])], [job(1)])
    again = await commit(redis, [Processed(await entry(redis), 1, [event("a", Share(1, 0, 1))], [])], [job(1)])
    assert (again.processed, again.duplicate, again.waiting) == (0, 1, 1)
    assert await redis.zcard(KEYS.queue) == 1


async def test_a_duplicate_beside_a_new_event_is_settled_in_their_common_job(redis: Client) -> None:
    await stream.create_group(redis)
    plan = [event("a", Share(1, 0, 1)), event("a", Share(1, 1, 1)), event("b", Share(1, 2, 1))]
    done = await commit(redis, [Processed(await entry(redis, 3), 3, plan, [])], [job(3)])
    assert (done.processed, done.duplicate, done.waiting) == (2, 1, 2)
    assert await jobs.settled_indices(redis, await the_only_job(redis)) == {1}


async def test_a_commit_leases_the_new_jobs_that_its_worker_has_room_for(redis: Client) -> None:
    await stream.create_group(redis)
    plan = [event("a", Share(1, 0, 1)), event("a", Share(1, 1, 1)), event("b", Share(1, 2, 1), Share(2, 0, 1))]
    processed = Processed(await entry(redis, 3), 3, plan, [])
    done = await commit(redis, [processed], [job(3), job(1)], Claimant("worker-1", 60_000, 1))
    [started] = done.claims.jobs
    stored = jobs.deserialize(started.blob)
    assert jobs.decode_whole(started.id, stored["a"][0]).notifications == job(3).notifications
    assert (started.starts, started.held_ms, started.done) == (1, 0, frozenset({1}))
    assert done.claims.next_job_s == 0  # the other one is due, and this worker may claim it too
    [other] = (await claims.claim(redis, "worker-2", count=9, lease_ms=60_000)).jobs
    assert {started.id, other.id} == {member.decode() for member in await redis.zrange(KEYS.queue, 0, -1)}
    assert await redis.get(KEYS.in_progress + started.id) == b"worker-1"
    assert 59_000 < await redis.pttl(KEYS.in_progress + started.id) <= 60_000


async def test_a_job_of_a_commit_whose_worker_died_is_claimed_when_its_lease_ends(redis: Client) -> None:
    await stream.create_group(redis)
    processed = Processed(await entry(redis), 1, [event("a", Share(1, 0, 1))], [])
    done = await commit(redis, [processed], [job(1)], Claimant("worker-1", 100, 9))
    again = await commit(redis, [processed], [job(1)], Claimant("worker-1", 100, 9))  # as if its answer were lost
    assert len(done.claims.jobs) == 1
    assert not again.claims.jobs
    claimed: list[Claimed] = []

    async def is_claimed() -> bool:
        claimed.extend((await claims.claim(redis, "worker-2", count=9, lease_ms=60_000)).jobs)
        return bool(claimed)

    await until(is_claimed)
    assert (claimed[0].id, claimed[0].starts) == (done.claims.jobs[0].id, 2)


async def test_a_commit_leases_no_job_while_others_are_due(redis: Client) -> None:
    await stream.create_group(redis)
    await commit(redis, [Processed(await entry(redis), 1, [event("a", Share(1, 0, 1))], [])], [job(1)])
    processed = Processed(await entry(redis), 1, [event("b", Share(1, 0, 1))], [])
    done = await commit(redis, [processed], [job(1)], Claimant("worker-1", 60_000, 9))
    assert done.claims == Claims([], 0.0, 0)
    assert await redis.zcard(KEYS.queue) == 2


async def test_events_of_an_entry_that_another_worker_committed_are_left_out(redis: Client) -> None:
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


async def test_the_same_event_committed_concurrently_counts_once(redis: Client) -> None:
    await stream.create_group(redis)
    entries = [await entry(redis) for _ in range(20)]
    results = await asyncio.gather(
        *(commit(redis, [Processed(e, 1, [event("a", Share(1, 0, 1))], [])], [job(1)]) for e in entries)
    )
    assert sum(done.processed for done in results) == 1
    assert sum(done.duplicate for done in results) == 19
    assert await redis.zcard(KEYS.queue) == 1


async def committed(redis: Client, mark: dedupe.Mark) -> str:
    done = await commit(redis, [Processed(await entry(redis), 1, [NewEvent(mark, [])], [])], [])
    return "new" if done.processed else "duplicate"


def undated(window_ms: int = 7 * DAY_MS) -> dedupe.Mark:
    return dedupe.mark("s", "id", occurred_at_ms=None, window_ms=window_ms)


async def set_of(redis: Client, mark: dedupe.Mark, periods_ago: int = 0) -> str:
    """Return the set of a mark without its own time, in the current period or an earlier one."""
    seconds, _ = await redis.time()
    return redis.names.prefix + mark.key % (seconds * 1000 // mark.period_ms - periods_ago)


async def test_an_event_with_its_own_time_is_a_duplicate_whenever_it_is_sent_again(redis: Client) -> None:
    await stream.create_group(redis)
    for own_ms in (NOW_MS, NOW_MS - 300 * DAY_MS, NOW_MS + 300 * DAY_MS):
        mark = dedupe.mark("s", str(own_ms), occurred_at_ms=own_ms, window_ms=7 * DAY_MS)
        assert [await committed(redis, mark) for _ in range(2)] == ["new", "duplicate"]
        assert 7 * DAY_MS < await redis.pttl(redis.names.prefix + mark.key) <= 8 * DAY_MS


@pytest.mark.parametrize(
    ("days_ago", "met"), [(-1, "duplicate"), (1, "duplicate"), (3, "duplicate"), (7, "duplicate"), (8, "new")]
)
async def test_an_event_without_its_own_time_is_found_on_each_day_of_the_window_and_after_a_clock_was_set_back(
    redis: Client, days_ago: int, met: str
) -> None:
    await stream.create_group(redis)
    assert await committed(redis, undated()) == "new"
    await redis.rename(await set_of(redis, undated()), await set_of(redis, undated(), days_ago))
    assert await committed(redis, undated()) == met


@pytest.mark.parametrize(("quarters_ago", "met"), [(1, "duplicate"), (4, "duplicate"), (6, "new"), (8, "new")])
async def test_a_short_window_ends_within_a_quarter_of_a_day(redis: Client, quarters_ago: int, met: str) -> None:
    await stream.create_group(redis)
    short = undated(25 * 3_600_000)
    assert await committed(redis, short) == "new"
    await redis.rename(await set_of(redis, short), await set_of(redis, short, quarters_ago))
    assert await committed(redis, short) == met
    assert await redis.pttl(await set_of(redis, short, quarters_ago)) <= 31 * 3_600_000


@pytest.mark.parametrize("days_ahead", [0, -5, 5, None])
async def test_each_delivery_extends_the_memory_of_an_identity_and_none_shortens_it(
    redis: Client, days_ahead: int | None
) -> None:
    await stream.create_group(redis)
    own_ms = None if days_ahead is None else NOW_MS + days_ahead * DAY_MS
    mark = dedupe.mark("s", "id", occurred_at_ms=own_ms, window_ms=7 * DAY_MS)
    await committed(redis, mark)
    key = redis.names.prefix + mark.key if mark.is_dated else await set_of(redis, mark)
    await redis.pexpire(key, 1000 * 3_600)  # as if six days had passed
    assert await committed(redis, mark) == "duplicate"
    assert await redis.pttl(key) > 7 * DAY_MS
    await redis.pexpire(key, 30 * DAY_MS)
    assert await committed(redis, mark) == "duplicate"
    assert await redis.pttl(key) > 29 * DAY_MS


async def test_every_dedupe_key_expires_after_the_window(redis: Client) -> None:
    await stream.create_group(redis)
    events = [event(str(n)) for n in range(300)]
    await commit(redis, [Processed(await entry(redis, 300), 300, events, [])], [])
    dedupe_keys = [key async for key in redis.scan_iter(KEYS.prefix + "dedupe:*")]
    assert dedupe_keys
    for key in dedupe_keys:
        assert 7 * DAY_MS - 60_000 <= await redis.pttl(key) <= 8 * DAY_MS
        assert await redis.object("encoding", key) in (b"intset", "intset")


async def test_a_dead_letter_is_kept_with_the_commit(redis: Client) -> None:
    await stream.create_group(redis)
    stored_letter = dead_letters.died_at_intake(
        BODY, reason="undecodable", error="bad", error_class="DecodeError", path="$.a"
    )
    done = await commit(redis, [Processed(await entry(redis), 1, [], [stored_letter])], [])
    assert done.dead_at_intake == 1
    kept = await dead_letters.get(redis, stored_letter.letter.id)
    assert kept == as_it_died(stored_letter, kept)
    assert [letter.id for letter in await dead_letters.newest(redis)] == [stored_letter.letter.id]
