"""Tests of events that are collected into one notification, on a real Redis."""

import asyncio
import time

from broker import dead_letters
from broker.monitoring import stats
from broker.queue import dedupe, jobs, stream
from broker.queue.batch import RawBody
from broker.queue.jobs import Notification, NotifyJob
from broker.redis import keys
from broker.redis.client import Client
from broker.redis.confirmation import Confirmation
from broker.steps import digests
from broker.steps.commit import NewEvent, Processed, commit
from broker.steps.digests import Gathered, Part
from tests.names import KEYS
from tests.until import until

NOW_MS = int(time.time() * 1000)
DIGEST = digests.digest_id("voucherify", "points", "cust_1")


async def due(redis: Client) -> list[str]:
    return (await digests.due(redis, count=10)).ids


def collected(number: int, *, window_ms: int = 60_000, channels: tuple[str, ...] = ("mail",)) -> Gathered:
    body = RawBody(NOW_MS, "voucherify", "", b'{"n": %d}' % number)
    return Gathered(f"key-{number}", "points", channels, window_ms, "points_added", NOW_MS - number, body)


async def take(redis: Client, *numbers: int, **options: int) -> None:
    """Commit an entry whose events go into one digest."""
    await stream.create_group(redis)
    await stream.append(redis, [RawBody(NOW_MS, "voucherify", "", b"{}")] * len(numbers), Confirmation())
    [entry] = await stream.read(redis, "worker-1", count=1, block_ms=1)
    events = [NewEvent(mark(number), []) for number in numbers]
    parts = [Part(place, DIGEST, collected(number, **options)) for place, number in enumerate(numbers)]
    await commit(redis, [Processed(entry.id, len(numbers), events, [], parts)], [])


def mark(number: int) -> dedupe.Mark:
    return dedupe.mark("voucherify", str(number), occurred_at_ms=NOW_MS, window_ms=7 * dedupe.DAY_MS)


def job_of(taken: list[bytes]) -> NotifyJob:
    events = [digests.unpacked(blob) for blob in taken]
    return NotifyJob("mail", 1, NOW_MS, [Notification("key", "points", "digest", digests.body_of(events))])


async def close(redis: Client, taken: list[bytes], *, window_ms: int = 60_000) -> bool:
    return await digests.close(redis, DIGEST, taken, [job_of(taken)], window_ms=window_ms)


async def test_the_events_of_a_window_are_one_notification_that_waits(redis: Client) -> None:
    await take(redis, 1, 2)
    await take(redis, 3)
    totals = await stats.read_totals(redis)
    assert (totals.processed, totals.digested, totals.created, totals.waiting) == (3, 3, 1, 1)
    assert await due(redis) == []


async def test_a_digest_is_due_when_its_window_has_ended(redis: Client) -> None:
    await take(redis, 1, 2, window_ms=1)
    await until(lambda: due(redis))
    assert await due(redis) == [DIGEST]


async def test_the_window_counts_from_its_first_event(redis: Client) -> None:
    await take(redis, 1)
    [(_, ends)] = await redis.zrange(KEYS.digests, 0, -1, withscores=True)
    await take(redis, 2)
    assert await redis.zrange(KEYS.digests, 0, -1, withscores=True) == [(DIGEST.encode(), ends)]


async def test_an_event_that_was_seen_before_joins_no_digest(redis: Client) -> None:
    await take(redis, 1)
    await take(redis, 1, 2, 2)
    assert [digests.unpacked(blob).key for blob in await digests.gathered(redis, DIGEST)] == ["key-1", "key-2"]


async def test_a_closed_digest_is_a_job_and_nothing_else(redis: Client) -> None:
    await take(redis, 1, 2)
    assert await close(redis, await digests.gathered(redis, DIGEST))
    assert await redis.exists(KEYS.digests, KEYS.digest + DIGEST) == 0
    [job_id] = await redis.zrange(KEYS.queue, 0, -1)
    stored = jobs.decode(jobs.deserialize(await jobs.raw(redis, job_id.decode()))["a"][0])
    members = digests.members(stored.notifications[0].body.body)
    assert [bytes(member.body) for member in members] == [
        b'{"n": 2}',
        b'{"n": 1}',
    ]  # in the order of their own times
    totals = await stats.read_totals(redis)
    assert (totals.created, totals.waiting) == (1, 1)


async def test_a_digest_is_closed_by_one_of_many_workers(redis: Client) -> None:
    await take(redis, 1, 2)
    taken = await digests.gathered(redis, DIGEST)
    closed = await asyncio.gather(*(close(redis, taken) for _ in range(8)))
    assert sorted(closed) == [False] * 7 + [True]
    assert await redis.zcard(KEYS.queue) == 1


async def test_events_that_arrive_while_it_is_closed_open_a_new_window(redis: Client) -> None:
    await take(redis, 1)
    taken = await digests.gathered(redis, DIGEST)
    await take(redis, 2)
    assert await close(redis, taken)
    assert [digests.unpacked(blob).key for blob in await digests.gathered(redis, DIGEST)] == ["key-2"]
    assert await due(redis) == []
    totals = await stats.read_totals(redis)
    assert (totals.digested, totals.created, totals.waiting) == (2, 2, 2)
    assert not await close(redis, taken)


async def test_a_full_digest_does_not_wait_for_its_window(redis: Client) -> None:
    await take(redis, *range(keys.DIGEST_MAX - 1))
    assert await due(redis) == []
    await take(redis, keys.DIGEST_MAX)
    assert await until(lambda: due(redis)) == [DIGEST]


async def test_an_event_that_cannot_be_read_is_one_dead_letter_and_the_others_are_a_job(redis: Client) -> None:
    await take(redis, 1)
    await redis.rpush(KEYS.digest + DIGEST, b"garbage")
    await take(redis, 2)
    blobs = await digests.gathered(redis, DIGEST)
    letter = dead_letters.unreadable_member(blobs[1], "it is garbage")
    made = [job_of([blobs[0], blobs[2]])]
    assert await digests.close(redis, DIGEST, blobs, made, [letter], window_ms=60_000)
    assert not await digests.close(redis, DIGEST, blobs, made, [letter], window_ms=60_000)
    [row] = await dead_letters.newest(redis)
    assert (row.stage, row.reason, row.error_class) == (
        "notify",
        "unreadable",
        "UnreadableMemberError",
    )
    stored_letter = await dead_letters.get(redis, row.id)
    assert stored_letter is not None and stored_letter.body == b"garbage"
    totals = await stats.read_totals(redis)
    assert (totals.created, totals.waiting, totals.dead, totals.died) == (2, 1, 1, 1)
    assert totals.notifications_add_up()


async def test_a_digest_without_readable_events_is_no_longer_counted(redis: Client) -> None:
    await take(redis, 1, channels=("mail", "shop"))
    await redis.lset(KEYS.digest + DIGEST, 0, b"garbage")
    letter = dead_letters.unreadable_member(b"garbage", "it is garbage")
    assert await digests.close(redis, DIGEST, [b"garbage"], [], [letter], window_ms=0)
    totals = await stats.read_totals(redis)
    assert (totals.created, totals.waiting, totals.dead) == (1, 0, 1)
    assert await redis.exists(KEYS.digests, KEYS.digests_counted, KEYS.digest + DIGEST) == 0


async def test_events_that_join_a_list_of_another_program_open_a_window(redis: Client) -> None:
    await redis.rpush(KEYS.digest + DIGEST, b"garbage")
    await take(redis, 1, window_ms=1)
    assert await until(lambda: due(redis)) == [DIGEST]
    assert (await stats.read_totals(redis)).waiting == 1


async def test_a_name_without_events_does_not_stop_due_digests(redis: Client) -> None:
    await redis.zadd(KEYS.digests, {b"\xff\xfe": 1})
    [name] = await due(redis)
    await digests.forget(redis, name)
    assert await due(redis) == []


def test_bodies_that_are_no_json_keep_their_bytes_in_a_digest() -> None:
    bodies = [b'{"n": 1}', b"[1]", b"From=%2B49&Body=h%C3%A9", b'"text"', bytes(range(1, 256))]
    events = [
        Gathered(f"key-{n}", "points", ("mail",), 1, "sms", NOW_MS + n, RawBody(NOW_MS, "twilio", "", body))
        for n, body in enumerate(bodies)
    ]
    assert [member.original for member in digests.members(digests.body_of(events).body)] == bodies
