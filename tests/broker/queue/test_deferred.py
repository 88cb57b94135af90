"""Tests of deferring what one worker cannot read, so that others can take it, on a real Redis."""

import msgspec
import pytest

from broker.queue import batch, claims, jobs, stream
from broker.queue.batch import RawBody, UnreadableBatchError
from broker.queue.jobs import Notification, NotifyJob, Packed, UnreadableJobError
from broker.redis import keys
from broker.redis.client import Client
from broker.redis.confirmation import Confirmation
from tests.broker.claiming import claim
from tests.names import KEYS

BODY = RawBody(1, "voucherify", "", b"{}")
MINUTE_MS = 60_000


async def held(redis: Client) -> tuple[str, int]:
    """Return the consumer that holds the only entry, and how often it was delivered."""
    [row] = await redis.xpending_range(KEYS.stream, keys.GROUP, "-", "+", 10)
    return row["consumer"].decode(), row["times_delivered"]


async def test_an_entry_that_is_deferred_repeatedly_does_not_become_poison(redis: Client) -> None:
    await stream.create_group(redis)
    await stream.append(redis, [BODY], Confirmation())
    [entry] = await stream.read(redis, "old", count=1, block_ms=1)
    for _ in range(5):
        assert await stream.defer(redis, "old", entry.id, for_ms=MINUTE_MS, idle_ms=MINUTE_MS)
        assert await stream.take_over(redis, "new", idle_ms=MINUTE_MS) is None  # it waits for a second
        taken = await stream.take_over(redis, "old", idle_ms=50_000)
        assert taken is not None
        assert taken.deliveries == 1
    assert await held(redis) == ("old", 1)


async def test_an_entry_is_deferred_for_the_given_time_and_only_by_its_consumer(redis: Client) -> None:
    await stream.create_group(redis)
    await stream.append(redis, [BODY], Confirmation())
    [entry] = await stream.read(redis, "old", count=1, block_ms=1)
    assert await stream.defer(redis, "unrecognized", entry.id, for_ms=0, idle_ms=1000)
    assert not await stream.defer(redis, "old", entry.id, for_ms=0, idle_ms=1000)
    assert await held(redis) == ("old", 1)


async def test_a_deferred_job_is_due_in_a_second_and_its_start_does_not_count(redis: Client) -> None:
    await redis.set(KEYS.job + "a.1", b"job")
    await redis.zadd(KEYS.queue, {"a.1": 1})
    assert (await claims.claim(redis, "old", count=1, lease_ms=MINUTE_MS)).jobs == [
        ("a.1", b"job", 1, 0, frozenset())
    ]
    assert await claims.defer(redis, "old", "a.1", for_ms=MINUTE_MS)
    assert not await redis.exists(KEYS.in_progress + "a.1", KEYS.retry + "a.1")
    assert await claim(redis, "new", count=1, lease_ms=MINUTE_MS) == []
    due_ms = await redis.zscore(KEYS.queue, "a.1")
    seconds, _ = await redis.time()
    assert due_ms is not None
    assert seconds * 1000 - 1000 < due_ms < seconds * 1000 + 3000
    assert MINUTE_MS < await redis.pttl(KEYS.unrecognized + "a.1") <= 61 * MINUTE_MS


def test_a_body_or_job_with_an_additional_field_is_unreadable_to_this_version() -> None:
    with pytest.raises(UnreadableBatchError):
        batch.decode(batch.compress(msgspec.msgpack.encode([[1, "voucherify", "", b"{}", "", "newer"]])))
    notify_job = msgspec.to_builtins(
        NotifyJob("sink", 1, 1, [Notification("key", "rule", "event", BODY)]), builtin_types=(bytes,)
    )
    for newer in ([*notify_job, "newer"], [*notify_job[:3], [[*notify_job[3][0], "x", "y", "z"]]]):
        with pytest.raises(UnreadableJobError):
            jobs.decode(Packed(batch.compress(msgspec.msgpack.encode(newer))))
    assert jobs.decode(Packed(batch.compress(msgspec.msgpack.encode(notify_job)))).channel == "sink"
