"""Tests that data moves to more partitions, on a real Redis, also where the process is killed on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeAlias

import pytest

from broker import dead_letters
from broker.merged.group_states import read_states
from broker.namespace import layout
from broker.namespace.layout import Move
from broker.queue import stream
from broker.redis.confirmation import Confirmation
from broker.redis.errors import WrongLayout
from broker.redis.partitions import Partitions
from broker.repartition.run import needed, preview, repartition
from broker.repartition.state import RepartitionError
from broker.steps.commit import commit
from inspector.operations.groups import group_changes
from runtime.task_cancellation import cancel_and_wait
from tests.broker.repartition.installation import (
    BODIES,
    EVERY,
    NOTE,
    SUBJECTS,
    Facts,
    body,
    change,
    check,
    connected,
    facts,
    fill,
    orders,
    process,
    redeliver,
    settings_of,
    total,
)
from tests.broker.repartition.killed import killed_until_done
from tests.redis_server import RedisServer
from tests.until import until

PartitionsOf: TypeAlias = Callable[[int], Partitions]


async def test_data_of_every_kind_moves_to_more_partitions_and_to_fewer(
    redis_server: RedisServer,
    partitions_of: PartitionsOf,
) -> None:
    one, four, sixteen = (partitions_of(count) for count in (1, 4, 16))
    await fill(one)
    before = await facts(one)
    assert len(before.letters) == BODIES // EVERY + 1
    assert set(before.subjects) == set(SUBJECTS)
    group = (await dead_letters.newest(one.control))[0].fingerprint
    await group_changes.note(one, group, "keep this", by="ann")
    await group_changes.resolve(one, group, by="ann")

    assert await change(redis_server.url, 4) == Move(1, 4)
    await check(four, before)
    assert await change(redis_server.url, 16) == Move(4, 16)
    await check(sixteen, before)
    assert await change(redis_server.url, 16) is None
    assert await change(redis_server.url, 4) == Move(16, 4)
    await check(four, before)
    assert await change(redis_server.url, 1) == Move(4, 1)
    await check(one, before)
    assert await change(redis_server.url, 16) == Move(1, 16)
    await check(sixteen, before)
    state = (await read_states(sixteen))[group]
    assert (state.name(0), state.note) == ("resolved", "keep this")

    dead = BODIES // EVERY
    assert await redeliver(sixteen) == (BODIES + 5 - dead, dead)
    assert len((await facts(sixteen)).to_retry) == dead


async def test_a_note_and_a_wish_to_retry_move_with_their_letter(
    redis_server: RedisServer, partitions_of: PartitionsOf
) -> None:
    one, four = partitions_of(1), partitions_of(4)
    await fill(one)
    await redeliver(one)
    before = await facts(one)
    assert len(before.to_retry) == BODIES // EVERY
    await change(redis_server.url, 4)
    await check(four, before)
    for client in four:
        waiting = {name.decode() for name in await client.smembers(client.names.dead_to_retry)}
        assert waiting <= {letter.id for letter in await dead_letters.newest(client, count=1000)}
    notes = [
        note
        for client in four
        for row in await dead_letters.read_rows(
            client, [letter.id for letter in await dead_letters.newest(client, count=1000)]
        )
        for note in row.notes
    ]
    assert notes == [NOTE]


@pytest.mark.parametrize("is_sent", [False, True], ids=["before-a-command", "after-a-command"])
def test_a_move_that_is_killed_again_and_again_loses_nothing_and_doubles_nothing(
    redis_server: RedisServer, is_sent: bool
) -> None:
    url = redis_server.url

    async def filled() -> Facts:
        one = connected(url, 1)
        await fill(one)
        found = await facts(one)
        await one.aclose()
        return found

    async def checked(before: Facts) -> None:
        four = connected(url, 4)
        await check(four, before)
        dead = BODIES // EVERY
        assert await redeliver(four) == (BODIES + 5 - dead, dead)
        await four.aclose()

    before = asyncio.run(filled())
    assert len(set(killed_until_done(redis_server, 4, first=25, is_sent=is_sent))) > 2
    asyncio.run(checked(before))


async def test_a_move_that_was_killed_while_it_opened_partitions_is_finished(
    redis_server: RedisServer, partitions_of: PartitionsOf
) -> None:
    one, four = partitions_of(1), partitions_of(4)
    await fill(one)
    before = await facts(one)
    await change(redis_server.url, 4)
    names = four.control.names
    await four.control.set(names.layout, "moving:1:4")
    await four.control.hset(names.repartition, mapping={"old": 1, "new": 4, "phase": "opening"})
    assert await layout.read(four[3]) == "4"
    assert await change(redis_server.url, 4) == Move(1, 4)
    await check(four, before)


async def test_a_receiver_goes_on_all_the_time(redis_server: RedisServer, partitions_of: PartitionsOf) -> None:
    one, four = partitions_of(1), partitions_of(4)
    await fill(one)
    accepted = 0

    async def receive() -> None:
        nonlocal accepted
        while True:
            await stream.append(one.control, [body(1000 + accepted)], Confirmation())
            accepted += 1

    receiving = asyncio.create_task(receive())
    await until(lambda: accepted)
    first = accepted
    await change(redis_server.url, 4)
    await cancel_and_wait([receiving])
    assert accepted > first
    queued = (await total(four)).queued
    assert accepted <= queued <= accepted + 1  # the answer to the last one may be lost
    before = await total(four)
    await process(four, [])
    after = await total(four)
    assert (after.queued, after.processed - before.processed) == (0, queued)


async def test_while_data_moves_webhooks_are_accepted_and_no_event_is_processed(
    redis_server: RedisServer, partitions_of: PartitionsOf
) -> None:
    one, four = partitions_of(1), partitions_of(4)
    await fill(one)
    for client in four:
        await client.set(client.names.layout, "moving:1:4")
    await stream.append(one.control, [body(1000)], Confirmation())
    for partitions in (one, four):
        with pytest.raises(WrongLayout):
            await commit(partitions.control, [], [])
    await change(redis_server.url, 4)
    assert (await total(four)).queued == 1
    await commit(four.control, [], [])
    with pytest.raises(WrongLayout):
        await commit(one.control, [], [])


async def test_a_subject_moves_only_when_its_lock_is_released(
    redis_server: RedisServer, partitions_of: PartitionsOf
) -> None:
    one, four = partitions_of(1), partitions_of(4)
    await fill(one)
    moving = next(subject for subject in SUBJECTS if four.number_for(subject))
    old = one.control.names.latest + moving
    await one.control.hset(old, mapping={"by": "key", "until": 2**52})
    seconds, _ = await one.control.time()
    await one.control.hset(old, "until", (seconds + 60) * 1000)
    moved = asyncio.create_task(change(redis_server.url, 4))
    await until(lambda: _only_left(one, old))
    assert not moved.done()
    await one.control.hset(old, "at", 5000)  # the notification was sent
    await one.control.hdel(old, "by", "until")
    await moved
    assert (await facts(four)).subjects[moving] == 5000


async def _only_left(one: Partitions, key: str) -> bool:
    """True if the other subjects have moved."""
    names = [name.decode() async for name in one.control.scan_iter(match=one.control.names.latest + "*")]
    return key in names and len(names) < len(SUBJECTS) // 2


async def test_two_processes_do_not_move_data_at_the_same_time(
    redis_server: RedisServer, partitions_of: PartitionsOf
) -> None:
    one = partitions_of(1)
    await fill(one)
    await one.control.set(one.control.names.repartition_lease, "other", px=60_000)
    with pytest.raises(RepartitionError, match="another process"):
        await change(redis_server.url, 4)
    assert await layout.read(one.control) == "1"


async def test_a_process_that_loses_its_lease_stops(
    redis_server: RedisServer, partitions_of: PartitionsOf
) -> None:
    one = partitions_of(1)
    await fill(one)
    moving = next(subject for subject in SUBJECTS if partitions_of(4).number_for(subject))
    seconds, _ = await one.control.time()
    await one.control.hset(one.control.names.latest + moving, "until", (seconds + 600) * 1000)
    task = asyncio.create_task(repartition(settings_of(redis_server.url, 4), Move(1, 4), orders(lease_s=2.0)))
    await until(lambda: one.control.exists(one.control.names.repartition_lease))
    await one.control.set(one.control.names.repartition_lease, "other", px=600_000)
    with pytest.raises(RepartitionError, match="taken the move over"):
        await task
    await cancel_and_wait([task])


async def test_a_preview_counts_what_moves_and_changes_nothing(
    redis_server: RedisServer, partitions_of: PartitionsOf
) -> None:
    one = partitions_of(1)
    await fill(one)
    before = await facts(one)
    settings = settings_of(redis_server.url, 4)
    counts = await preview(settings, Move(1, 4), orders())
    assert all(counts[kind] > 0 for kind in ("dedupe sets", "digests", "subjects", "dead letters"))
    assert counts["subjects"] < len(SUBJECTS)
    assert await facts(one) == before
    assert await layout.read(one.control) == "1"


async def test_a_move_to_a_third_number_must_wait_for_the_one_that_was_interrupted(
    redis_server: RedisServer,
    partitions_of: PartitionsOf,
) -> None:
    one = partitions_of(1)
    await fill(one)
    await one.control.set(one.control.names.layout, "moving:1:4")
    assert await needed(settings_of(redis_server.url, 4)) == Move(1, 4)
    with pytest.raises(RepartitionError, match="from 1 to 4 partitions: finish that first"):
        await needed(settings_of(redis_server.url, 8))
