"""Tests of events that are collected into one notification, on a real Redis."""

import asyncio
import time
from collections import Counter

from broker import dead_letters
from broker.monitoring import stats
from broker.queue import dedupe, jobs, stream
from broker.queue.batch import RawBody
from broker.queue.waiting.counts import read_waiting
from broker.redis import keys
from broker.redis.client import Client
from broker.redis.confirmation import Confirmation
from broker.steps import digest_packs, digest_windows, digests
from broker.steps.commit import NewEvent, Processed, commit
from broker.steps.digest_packs import packed_alone
from broker.steps.digest_windows import ClosedWindow, Window
from broker.steps.digests import Gathered, Part
from broker.steps.window_reader import WindowReader
from broker.waiting import listing
from broker.waiting.listing import WaitingQuery
from tests.digest_windows import close_windows, digest_keys, waiting_keys
from tests.names import KEYS
from tests.until import until
from worker.intake.digest_closer import DigestCloser

NOW_MS = int(time.time() * 1000)
DIGEST = digests.digest_id("voucherify", "points", "cust_1")
OTHER = digests.digest_id("voucherify", "points", "cust_2")


def collected(
    number: int, *, window_ms: int = 60_000, channels: tuple[str, ...] = ("mail",), size: int = 0
) -> Gathered:
    body = RawBody(NOW_MS, "voucherify", "", b'{"n": %d, "x": "%s"}' % (number, b"x" * size))
    return Gathered(f"key-{number}", "points", channels, window_ms, "points_added", NOW_MS - number, body)


async def take(redis: Client, *numbers: int, digest: str = DIGEST, other: str = "", **options: int) -> None:
    """Commit an entry whose events go into one digest. other: that of the last event, if it is another."""
    await stream.create_group(redis)
    await stream.append(redis, [RawBody(NOW_MS, "voucherify", "", b"{}")] * len(numbers), Confirmation())
    [entry] = await stream.read(redis, "worker-1", count=1, block_ms=1)
    events = [NewEvent(mark(number), []) for number in numbers]
    ids = [digest] * (len(numbers) - 1) + [other or digest]
    parts = [Part(place, ids[place], collected(number, **options)) for place, number in enumerate(numbers)]
    await commit(redis, [Processed(entry.id, len(numbers), events, [], parts)], [])


def mark(number: int) -> dedupe.Mark:
    return dedupe.mark("voucherify", str(number), occurred_at_ms=NOW_MS, window_ms=7 * dedupe.DAY_MS)


async def claimed(redis: Client, owner: str = "me", *, lease_ms: int = 60_000) -> list[Window]:
    return (await digest_windows.claim(redis, owner, most=1000, lease_ms=lease_ms)).windows


async def ended(redis: Client, owner: str = "me") -> list[Window]:
    return await until(lambda: claimed(redis, owner))


async def close(redis: Client, windows: list[Window]) -> bool:
    """Close windows with their events, without jobs."""
    reader = WindowReader(redis)
    closed = [ClosedWindow(window, (await reader.contents(window)).taken, 1) for window in windows]
    return await digest_windows.close(redis, closed, reader.used, [], reader.unreadable)


async def sent_events(redis: Client) -> list[list[str]]:
    """Return the events of each notification in the queue, in its order."""
    found = []
    for job_id in await redis.zrange(KEYS.queue, 0, -1):
        job = jobs.decode(jobs.deserialize(await jobs.raw(redis, job_id.decode()))["a"][0])
        for notification in job.notifications:
            members = digests.members(notification.body.body)
            found.append([bytes(member.body).decode().partition(",")[0] for member in members])
    return found


async def test_the_events_of_a_window_are_one_notification_that_waits(redis: Client) -> None:
    await take(redis, 1, 2)
    await take(redis, 3)
    totals = await stats.read_totals(redis)
    assert (totals.processed, totals.digested, totals.created, totals.waiting) == (3, 3, 1, 1)
    assert (await read_waiting(redis)).missing == 0
    assert await claimed(redis) == []
    [(_, ends_ms)] = await redis.zrange(KEYS.digests_ends, 0, -1, withscores=True)
    assert 50_000 < ends_ms - time.time() * 1000 < 70_000, "the first event sets the end"


async def test_an_event_that_was_seen_before_joins_no_digest(redis: Client) -> None:
    await take(redis, 1)
    await take(redis, 1, 2, 2)
    await take(redis, 1, 2)
    assert await waiting_keys(redis) == ["key-1", "key-2"]


async def test_closed_digests_are_one_job_and_leave_nothing(redis: Client) -> None:
    await take(redis, 1, 2)
    await take(redis, 3)
    await take(redis, 4, digest=OTHER)
    await close_windows(redis)
    assert await digest_keys(redis) == []
    [job_id] = await redis.zrange(KEYS.queue, 0, -1)
    assert jobs.size_of(job_id.decode()) == 2
    assert sorted(await sent_events(redis)) == [['{"n": 3', '{"n": 2', '{"n": 1'], ['{"n": 4']], (
        "by their own times"
    )
    totals = await stats.read_totals(redis)
    assert (totals.created, totals.waiting) == (2, 2)


async def test_workers_share_the_windows_out_and_each_is_closed_once(redis: Client) -> None:
    for number in range(40):
        digest = digests.digest_id("voucherify", "points", f"cust_{number}")
        await take(redis, 2 * number, 2 * number + 1, digest=digest, window_ms=1)
    await until(lambda: redis.zcount(KEYS.digests_ends, 0, NOW_MS + 600_000))
    claims = await asyncio.gather(
        *(digest_windows.claim(redis, f"worker-{number}", most=5, lease_ms=60_000) for number in range(8))
    )
    counts = Counter(window.digest for claim in claims for window in claim.windows)
    assert len(counts) == 40 and set(counts.values()) == {1}
    assert await claimed(redis, "late") == [] and len(await claimed(redis, "worker-1")) == 5, "its own, again"
    assert all(await asyncio.gather(*(close(redis, claim.windows) for claim in claims)))
    assert await digest_keys(redis) == []


async def test_a_window_whose_lease_ended_is_closed_by_one_of_two_workers(redis: Client) -> None:
    await take(redis, 1, 2, window_ms=1)
    frozen = await until(lambda: claimed(redis, "frozen", lease_ms=1))
    heir = await ended(redis, "heir")
    assert heir == frozen
    results = await asyncio.gather(*(close(redis, windows) for windows in (heir, frozen) * 4))
    assert sorted(results) == [False] * 7 + [True]
    totals = await stats.read_totals(redis)
    assert (totals.created, totals.waiting) == (1, 1)


async def test_each_window_is_in_the_list_of_waiting_notifications(redis: Client) -> None:
    await take(redis, 1, 2, 3, other=OTHER, window_ms=1)
    await take(redis, 4, digest=OTHER, channels=("mail", "shop"))
    query = WaitingQuery(cause="digest", matches=lambda _: True, limit=10, budget_s=10)
    before = (await listing.read(redis, query)).notifications
    assert [(each.notification.key, each.events) for each in before if each.notification] == [
        ("key-1", 2),
        ("key-3", 2),
    ]
    assert (await read_waiting(redis)).causes.digest == 2
    assert await listing.read_one(redis, before[1].place) == before[1]
    await ended(redis)
    assert (await listing.read(redis, query)).notifications == before
    assert (await read_waiting(redis)).causes.digest == 2


async def test_of_windows_with_events_of_one_pack_each_is_closed_once(redis: Client) -> None:
    await take(redis, 1, 2, other=OTHER, window_ms=1)
    first, second = await ended(redis)
    assert await close(redis, [first])
    assert not await close(redis, [first, second])
    assert await close(redis, [second])
    totals = await stats.read_totals(redis)
    assert (totals.created, totals.waiting, await digest_keys(redis)) == (2, 2, [])


async def test_a_window_ends_with_the_group_of_its_first_event(redis: Client) -> None:
    await take(redis, 1)
    await take(redis, 2, 3, other=OTHER, window_ms=1)  # the config was changed
    [window] = await ended(redis)
    assert window.digest.hex() == OTHER
    assert await close(redis, [window])
    await close_windows(redis)
    assert await sent_events(redis) == [['{"n": 2', '{"n": 1']]


async def test_events_that_arrive_while_it_is_closed_open_a_new_window(redis: Client) -> None:
    await take(redis, 1, window_ms=1)
    windows = await ended(redis)
    await take(redis, 2)
    assert await close(redis, windows)
    assert await waiting_keys(redis) == ["key-2"]
    totals = await stats.read_totals(redis)
    assert (totals.digested, totals.created, totals.waiting) == (2, 2, 2)


async def test_a_full_digest_does_not_wait_for_its_window(redis: Client) -> None:
    await take(redis, *range(keys.DIGEST_MAX - 1))
    assert await claimed(redis) == []
    await take(redis, keys.DIGEST_MAX, keys.DIGEST_MAX + 1)
    [window] = await ended(redis)
    assert len(window.events) == keys.DIGEST_MAX
    totals = await stats.read_totals(redis)
    assert (totals.created, totals.waiting) == (2, 2), "the last event has opened another window"


async def test_a_window_with_large_bodies_is_several_digests(redis: Client) -> None:
    await take(redis, *range(10), size=digests.MAX_BYTES // 4)
    await close_windows(redis)
    assert sorted(map(len, await sent_events(redis))) == [1, 3, 3, 3]
    totals = await stats.read_totals(redis)
    assert (totals.created, totals.waiting, await digest_keys(redis)) == (4, 4, [])


async def test_a_pack_that_cannot_be_read_is_one_dead_letter_and_other_events_are_sent(redis: Client) -> None:
    await take(redis, 1)
    await take(redis, 2, 3)
    await take(redis, 4, digest=OTHER)
    [broken] = [
        key for key in await redis.keys(f"{KEYS.digests_events}*") if await redis.hget(key, "events") == b"2"
    ]
    await redis.hset(broken, "z", b"garbage")
    await close_windows(redis)
    [row] = await dead_letters.newest(redis)
    assert (row.stage, row.reason, row.error_class) == ("notify", "unreadable", "UnreadableMemberError")
    stored_letter = await dead_letters.get(redis, row.id)
    assert stored_letter is not None and stored_letter.body == b"garbage"
    assert sorted(await sent_events(redis)) == [['{"n": 1'], ['{"n": 4']]
    totals = await stats.read_totals(redis)
    assert (totals.created, totals.waiting, totals.dead, totals.died) == (3, 2, 1, 1)
    assert totals.notifications_add_up() and await digest_keys(redis) == []


async def test_a_digest_whose_events_another_program_removed_is_no_longer_counted(redis: Client) -> None:
    await take(redis, 1, channels=("mail", "shop"))
    await redis.delete(*await redis.keys(f"{KEYS.digests_events}*"))
    await take(redis, 2, digest=OTHER)
    await close_windows(redis)
    totals = await stats.read_totals(redis)
    assert (totals.created, totals.waiting) == (3, 3), "a window without its pack has no end"
    await take(redis, 3, channels=("mail", "shop"))
    await close_windows(redis)
    totals = await stats.read_totals(redis)
    assert (totals.created, totals.waiting, await digest_keys(redis)) == (3, 3, [])
    assert sorted(await sent_events(redis)) == [['{"n": 2'], ['{"n": 3'], ['{"n": 3']]


async def test_what_another_program_writes_does_not_stop_due_digests(redis: Client) -> None:
    await redis.zadd(KEYS.digests_ends, {b"\xff\xfe": 1})
    await redis.hset(KEYS.digests_closing + "odd", mapping={b"d": b"x", b"\xff": b"\x00\x01odd"})
    await redis.zadd(KEYS.digests_ends, {"odd": 1})
    await redis.zadd(KEYS.digests, {b"\xff\xfe": 1})
    await redis.rpush(KEYS.digest + "00bad", "garbage")
    await redis.zadd(KEYS.digests, {"00bad": 1})
    await take(redis, 1)
    await close_windows(redis)
    assert await sent_events(redis) == [['{"n": 1']]
    assert [row.reason for row in await dead_letters.newest(redis)] == ["unreadable"]
    assert await digest_keys(redis) == []


async def gathered_before(redis: Client, *numbers: int, ends_ms: int, garbage: int = 0) -> None:
    """Write a window with two channels as an earlier version did."""
    events = [packed_alone(collected(number, channels=("mail", "shop"))) for number in numbers]
    await redis.rpush(KEYS.digest + DIGEST, *events, *[b"garbage"] * garbage)
    await redis.zadd(KEYS.digests, {DIGEST: ends_ms})
    if await redis.hsetnx(KEYS.digests_counted, DIGEST, 2):
        for counter in ("created", "waiting"):
            await redis.hincrby(KEYS.stats_total, counter, 2)


async def test_windows_of_an_earlier_version_are_closed_at_their_end(redis: Client) -> None:
    later = NOW_MS + 3_600_000
    await gathered_before(redis, 1, 2, ends_ms=later, garbage=1)
    await take(redis, 3)
    assert (await read_waiting(redis)).missing == 0
    closers = [DigestCloser(redis, f"worker-{number}", lambda: None) for number in range(4)]
    await asyncio.gather(*(closer.close_due() for closer in closers))
    assert await redis.zcount(KEYS.digests_ends, later, later) == 1
    await gathered_before(redis, 4, ends_ms=1)  # a worker of that version still runs
    await asyncio.gather(*(closer.close_due() for closer in closers))
    await asyncio.gather(*(closer.close_due() for closer in closers))
    assert await sent_events(redis) == [['{"n": 4']] * 2
    await close_windows(redis)
    assert sorted(await sent_events(redis)) == sorted(
        [['{"n": 4']] * 2 + [['{"n": 2', '{"n": 1']] * 2 + [['{"n": 3']]
    )
    totals = await stats.read_totals(redis)
    assert (totals.created, totals.waiting, totals.dead) == (6, 5, 1)
    assert totals.notifications_add_up() and await digest_keys(redis) == []


def test_bodies_that_are_no_json_keep_their_bytes_in_a_digest() -> None:
    bodies = [b'{"n": 1}', b"[1]", b"From=%2B49&Body=h%C3%A9", b'"text"', bytes(range(1, 256))]
    events = [
        Gathered(f"key-{n}", "points", ("mail",), 1, "sms", NOW_MS + n, RawBody(NOW_MS, "twilio", "", body))
        for n, body in enumerate(bodies)
    ]
    assert [member.original for member in digests.members(digests.body_of(events).body)] == bodies
    assert digest_packs.unpacked(digest_packs.packed([None, *events])) == [None, *events]
