"""Tests of the stream's consumer group, on a real Redis."""

from broker.queue import stream
from broker.queue.batch import RawBody
from broker.queue.confirmed_entries import are_confirmed
from broker.redis import keys
from broker.redis.client import Client
from broker.redis.confirmation import Confirmation
from tests.names import KEYS

BODY = RawBody(1, "voucherify", "", b"{}")


async def consumers(redis: Client) -> set[str]:
    return {row["name"].decode() for row in await redis.xinfo_consumers(KEYS.stream, keys.GROUP)}


async def test_a_stopped_consumer_is_removed_but_one_that_holds_entries_is_not(redis: Client) -> None:
    await stream.create_group(redis)
    await stream.append(redis, [BODY], Confirmation())
    await stream.read(redis, "holds", count=1, block_ms=1)
    await stream.read(redis, "empty", count=1, block_ms=1)
    await stream.forget_consumers(redis, idle_ms=60_000)
    assert await consumers(redis) == {"holds", "empty"}
    await stream.forget_consumers(redis, idle_ms=-1)
    assert await consumers(redis) == {"holds"}
    assert (await redis.xpending(KEYS.stream, keys.GROUP))["pending"] == 1


async def test_a_group_that_was_deleted_is_created_again(redis: Client) -> None:
    await stream.append(redis, [BODY], Confirmation())
    assert await stream.read(redis, "worker", count=1, block_ms=1) == []
    assert [entry.bodies for entry in await stream.read(redis, "worker", count=1, block_ms=1)] == [1]


async def test_only_a_stalled_entry_is_taken_over_and_its_deliveries_are_counted(redis: Client) -> None:
    await stream.create_group(redis)
    await stream.append(redis, [BODY], Confirmation())
    await stream.read(redis, "dead", count=1, block_ms=1)
    assert await stream.take_over(redis, "next", idle_ms=60_000) is None
    taken = [await stream.take_over(redis, "next", idle_ms=0) for _ in range(3)]
    assert [entry.deliveries for entry in taken if entry] == [2, 3, 4]


async def test_a_namespace_without_a_group_has_nothing_to_take_over_or_to_forget(redis: Client) -> None:
    for _ in range(2):
        assert await stream.take_over(redis, "next", idle_ms=0) is None
        await stream.forget_consumers(redis, idle_ms=0)
        await stream.append(redis, [BODY], Confirmation())  # then there is a stream, and still no group


async def test_an_entry_that_was_deleted_while_it_was_pending_is_passed_over(redis: Client) -> None:
    await stream.create_group(redis)
    for _ in range(2):
        await stream.append(redis, [BODY], Confirmation())
    deleted, left = await stream.read(redis, "dead", count=2, block_ms=1)
    await redis.xdel(KEYS.stream, deleted.id)
    taken = await stream.take_over(redis, "next", idle_ms=0)
    assert taken is not None
    assert taken.id == left.id


async def test_an_entry_that_is_still_worked_on_is_not_delivered_again(redis: Client) -> None:
    await stream.create_group(redis)
    await stream.append(redis, [BODY], Confirmation())
    [entry] = await stream.read(redis, "holder", count=1, block_ms=1)
    await stream.keep(redis, "holder", [entry.id])
    again = await stream.take_over(redis, "next", idle_ms=0)
    assert again is not None
    assert again.deliveries == 2


async def test_a_stalled_entry_behind_many_fresh_ones_is_found(redis: Client) -> None:
    await stream.create_group(redis)
    for _ in range(60):
        await stream.append(redis, [BODY], Confirmation())
    entries = await stream.read(redis, "holder", count=60, block_ms=1)
    await redis.xclaim(KEYS.stream, keys.GROUP, "dead", 0, [entries[50].id], idle=120_000, justid=True)
    taken = await stream.take_over(redis, "next", idle_ms=60_000)
    assert taken is not None
    assert taken.id == entries[50].id


async def test_entries_are_confirmed_only_while_all_of_them_are_pending(redis: Client) -> None:
    await stream.create_group(redis)
    for _ in range(2):
        await stream.append(redis, [BODY], Confirmation())
    gone, left = [entry.id for entry in await stream.read(redis, "worker", count=2, block_ms=1)]
    assert await are_confirmed(redis, [gone, left], Confirmation())
    await redis.xack(KEYS.stream, keys.GROUP, gone)
    assert not await are_confirmed(redis, [gone, left], Confirmation())
    assert await are_confirmed(redis, [left], Confirmation())
    await redis.xgroup_destroy(KEYS.stream, keys.GROUP)
    assert not await are_confirmed(redis, [left], Confirmation())
