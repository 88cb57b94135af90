"""Tests that partitions are removed without losing what they have, on a real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeAlias

import pytest

from broker import dead_letters
from broker.monitoring import audit
from broker.namespace import layout
from broker.namespace.layout import Move
from broker.queue import channel_state, claims, jobs, stream
from broker.redis.client import Client
from broker.redis.confirmation import Confirmation
from broker.redis.errors import Unavailable
from broker.redis.partitions import Partitions
from broker.repartition import out
from broker.repartition.out import Row
from broker.repartition.state import RepartitionError
from broker.steps.settle import Settled
from tests.broker.repartition.installation import (
    BODIES,
    EVERY,
    Facts,
    body,
    change,
    check,
    connected,
    facts,
    fill,
    process,
    redeliver,
    total,
)
from tests.broker.repartition.killed import killed_until_done
from tests.redis_server import RedisServer
from tests.settling import settle
from tests.until import until

PartitionsOf: TypeAlias = Callable[[int], Partitions]


async def filled(url: str, count: int) -> Facts:
    partitions = connected(url, count)
    await fill(partitions)
    found = await facts(partitions)
    await partitions.aclose()
    return found


async def names_left(partitions: Partitions, first: int) -> list[str]:
    """Return the names of the keys of the partitions from this one on."""
    return [
        name.decode().removeprefix(client.names.prefix)
        for client in partitions.all[first:]
        for name in await client.keys(f"{client.names.prefix}*")
    ]


@pytest.mark.parametrize("is_sent", [False, True], ids=["before-a-command", "after-a-command"])
def test_a_removal_that_is_killed_again_and_again_loses_nothing_and_doubles_nothing(
    redis_server: RedisServer, is_sent: bool
) -> None:
    before = asyncio.run(filled(redis_server.url, 3))
    assert len(set(killed_until_done(redis_server, 1, first=40, is_sent=is_sent))) > 2

    async def checked() -> None:
        one, three = connected(redis_server.url, 1), connected(redis_server.url, 3)
        await check(one, before)
        assert await names_left(three, 1) == ["layout", "layout"]
        dead = BODIES // EVERY
        assert await redeliver(one) == (BODIES + 5 - dead, dead)
        for partitions in (one, three):
            await partitions.aclose()

    asyncio.run(checked())


async def test_batches_of_a_removed_partition_wait_in_another_one(
    redis_server: RedisServer, partitions_of: PartitionsOf
) -> None:
    await filled(redis_server.url, 2)
    one, two = partitions_of(1), partitions_of(2)
    for number in range(3):
        await stream.append(two[1], [body(1000 + number), body(2000 + number)], Confirmation())
    [read] = await stream.read(two[1], "worker", count=1, block_ms=1)
    before = await total(two)
    assert await change(redis_server.url, 1) == Move(2, 1)
    entries = await one.control.xrange(one.control.names.stream)
    assert [fields[b"n"] for _, fields in entries] == [b"2"] * 3
    assert (entries[0][1][b"o"], entries[0][1][b"p"]) == (f"1/{read.id}".encode(), b"0,1")
    assert (await total(one)).queued == 6
    await process(one, [])
    after = await total(one)
    assert (after.queued, after.processed - before.processed, after.duplicate) == (0, 6, before.duplicate)


async def test_nothing_is_appended_to_a_removed_partition(
    redis_server: RedisServer, partitions_of: PartitionsOf
) -> None:
    await filled(redis_server.url, 2)
    two = partitions_of(2)
    await change(redis_server.url, 1)
    assert await layout.read_stored(two[1]) == "removed"
    with pytest.raises(Unavailable, match="this partition was removed"):
        await stream.append(two[1], [body(1000)], Confirmation())
    assert await names_left(two, 1) == ["layout"]
    await change(redis_server.url, 2)
    await stream.append(two[1], [body(1000)], Confirmation())


async def test_a_job_that_a_worker_runs_moves_after_it_has_ended(
    redis_server: RedisServer, partitions_of: PartitionsOf
) -> None:
    await filled(redis_server.url, 2)
    one, two = partitions_of(1), partitions_of(2)
    [running] = (await claims.claim(two[1], "old worker", count=1, lease_ms=60_000)).jobs
    [packed] = jobs.deserialize(running.blob)["a"]
    size = len(jobs.decode(packed).notifications)
    before = await total(two)
    moving = asyncio.create_task(change(redis_server.url, 1))
    await until(lambda: two[1].exists(two[1].names.layout))
    await until(lambda: _has_no_letters(two))
    assert not moving.done()
    await settle(two[1], "old worker", running.id, [Settled(index, "sent") for index in range(size)])
    await moving
    after = await total(one)
    assert (after.sent - before.sent, before.waiting - after.waiting) == (size, size)


async def _has_no_letters(partitions: Partitions) -> bool:
    return not await partitions[1].zcard(partitions[1].names.dead_index)


async def test_jobs_that_are_held_for_a_channel_stay_held(
    redis_server: RedisServer, partitions_of: PartitionsOf
) -> None:
    await filled(redis_server.url, 2)
    one, two = partitions_of(1), partitions_of(2)
    [claimed] = (await claims.claim(two[1], "worker", count=1, lease_ms=60_000)).jobs
    await channel_state.hold(two[1], "worker", claimed.id, "console")
    await change(redis_server.url, 1)
    [held] = await one.control.zrange(one.control.names.held_jobs + "console", 0, -1)
    assert held.decode() == claimed.id
    assert await jobs.raw(one.control, claimed.id) == claimed.blob


async def test_the_audit_log_of_a_removed_partition_is_kept_with_its_times(
    redis_server: RedisServer, partitions_of: PartitionsOf
) -> None:
    await filled(redis_server.url, 2)
    one, two = partitions_of(1), partitions_of(2)
    [written] = await audit.read(two[1])
    await change(redis_server.url, 1)
    entries = await audit.read(one.control)
    moved = [entry.audit_entry for entry in entries if "recorded" in entry.audit_entry.details]
    assert [(entry.by, entry.what, entry.about) for entry in moved] == [("ann", "pause", "mail")]
    assert moved[0].about == written.audit_entry.about


async def test_a_partition_with_keys_that_were_set_aside_is_not_removed(
    redis_server: RedisServer, partitions_of: PartitionsOf
) -> None:
    await filled(redis_server.url, 2)
    two = partitions_of(2)
    await two[1].zadd(two[1].names.set_aside, {"something": 1})
    with pytest.raises(RepartitionError, match="set aside"):
        await change(redis_server.url, 1)
    assert await layout.read(two.control) == "2"


async def test_a_partition_with_a_running_bulk_action_is_not_removed(
    redis_server: RedisServer, partitions_of: PartitionsOf
) -> None:
    await filled(redis_server.url, 2)
    two = partitions_of(2)
    await two[1].zadd(two[1].names.actions, {"a1": 1})
    await two[1].hset(two[1].names.action + "a1", "state", "running")
    with pytest.raises(RepartitionError, match="bulk action"):
        await change(redis_server.url, 1)


@pytest.mark.parametrize("kind", ["job:", "letter:", "digest:", "entry:", "counters:", "audit:"])
async def test_what_has_arrived_does_not_arrive_again_after_a_crash(
    redis_server: RedisServer, partitions_of: PartitionsOf, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    await filled(redis_server.url, 2)
    one, two = partitions_of(1), partitions_of(2)
    await stream.append(two[1], [body(1000), body(1001)], Confirmation())
    before, logged = await facts(two), [len(await audit.read(client)) for client in two]
    forget = out.forget

    async def crash(source: Client, of_kind: str, rows: Sequence[Row], *, also: Sequence[str] = ()) -> None:
        if of_kind == kind:
            raise CrashError
        await forget(source, of_kind, rows, also=also)

    monkeypatch.setattr(out, "forget", crash)
    with pytest.raises(CrashError):
        await change(redis_server.url, 1)
    monkeypatch.undo()
    sent = discarded = 0
    if kind == "job:":
        sent = await send_all(one.control)
    if kind == "letter:":
        gone = await dead_letters.newest(one.control, count=1000)
        discarded = await dead_letters.discard(one.control, gone)
    await one.control.delete(one.control.names.repartition_lease)
    await change(redis_server.url, 1)

    after = await facts(one)
    assert (after.digests, after.identities, after.subjects) == (
        before.digests,
        before.identities,
        before.subjects,
    )
    assert after.totals.created == before.totals.created
    assert after.totals.sent == before.totals.sent + sent
    assert after.totals.queued == 2
    assert await one.control.xlen(one.control.names.stream) == 1
    assert len(after.letters) == len(before.letters) - discarded
    assert len(after.jobs) == len(before.jobs) - (sent > 0) * len(before.jobs)
    assert len(await audit.read(one.control)) == sum(logged)


class CrashError(Exception):
    """The process dies here."""


async def send_all(redis: Client) -> int:
    """Send all notifications that wait in a partition. Returns how many there were."""
    count = 0
    for claimed in (await claims.claim(redis, "worker", count=100, lease_ms=60_000)).jobs:
        [packed] = jobs.deserialize(claimed.blob)["a"]
        size = len(jobs.decode(packed).notifications)
        await settle(redis, "worker", claimed.id, [Settled(index, "sent") for index in range(size)])
        count += size
    return count
