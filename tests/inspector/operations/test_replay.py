"""Replay and discard of dead letters that a real worker made, which a real worker processes again."""

import asyncio
from typing import NamedTuple

import pytest

from broker import dead_letters
from broker.dead_letters.action import Action
from broker.queue.jobs import size_of
from broker.redis.client import Client
from broker.redis.errors import Full
from broker.redis.partitions import Partitions
from inspector.operations import bulk_actions
from inspector.operations.bulk_actions import Selection
from inspector.operations.filters import Filter
from inspector.operations.status import read_status
from tests.inspector.stack import (
    TO_CRM,
    accept,
    action_progress,
    all_letters,
    crm,
    make_dead_letters,
    run_action,
    running_receiver,
    running_worker,
    sample,
    wait_until_idle,
)
from tests.names import KEYS
from tests.redis_server import RedisServer
from tests.until import until


class Progress(NamedTuple):
    selected: int
    done: int
    missing: int


async def _replay(redis: Client, chosen: list[str] | Selection) -> Progress:
    return _progress(await run_action(redis, "replay", chosen))


async def _discard(redis: Client, chosen: list[str] | Selection) -> Progress:
    return _progress(await run_action(redis, "discard", chosen))


def _progress(action: Action) -> Progress:
    return Progress(action.selected, action.done, action.missing)


async def test_a_body_whose_cause_is_fixed_goes_through_intake_again(
    redis_server: RedisServer, redis: Client
) -> None:
    await make_dead_letters(redis_server, redis, sample(1), source="shop")
    before = await wait_until_idle(redis)
    assert (before.dead_at_intake, before.processed) == (1, 0)

    progress = await _replay(redis, await bulk_actions.select(Partitions([redis]), Filter(source="shop")))
    async with (
        running_receiver() as crm_server,
        running_worker(redis_server, sources=("shop",), rules=TO_CRM, channels=crm(crm_server.url)),
    ):
        after = await wait_until_idle(redis)

    assert progress == Progress(1, 1, 0)
    assert (after.accepted, after.dead_at_intake, after.processed, after.sent, after.replayed) == (1, 0, 1, 1, 1)
    assert after.bodies_add_up() and after.notifications_add_up()
    assert [taken["source"] for taken in crm_server.received] == ["shop"]
    assert await dead_letters.count(redis) == 0


async def test_a_body_whose_cause_stays_dies_again_and_the_sums_hold(
    redis_server: RedisServer, redis: Client
) -> None:
    await make_dead_letters(redis_server, redis, sample(1))
    (first,) = await all_letters(redis)

    await _replay(redis, [first.id])
    async with running_worker(redis_server):
        totals = await wait_until_idle(redis)

    (second,) = await all_letters(redis)
    assert second.id != first.id
    assert second.fingerprint == first.fingerprint
    assert totals.dead_at_intake == 1
    assert totals.bodies_add_up()


async def test_a_replayed_notification_keeps_its_key_and_starts_with_no_attempts(
    redis_server: RedisServer, redis: Client
) -> None:
    await accept(redis, sample(1))
    async with (
        running_receiver() as server,
        running_worker(redis_server, rules=TO_CRM, channels=crm(server.url, attempts=2)),
    ):
        server.status = 503
        await wait_until_idle(redis)
        (letter,) = await all_letters(redis)
        server.status = 200
        progress = await _replay(redis, [letter.id])
        await until(lambda: len(server.received) == 3)
        totals = await wait_until_idle(redis)

    assert progress == Progress(1, 1, 0)
    assert {taken["key"] for taken in server.received} == {letter.key}
    assert {taken["header"] for taken in server.received} == {letter.key}
    assert [taken["attempt"] for taken in server.received] == [1, 2, 1]
    assert (totals.sent, totals.dead, totals.created) == (1, 0, 1)
    assert totals.bodies_add_up() and totals.notifications_add_up()


async def test_one_letter_replayed_by_many_at_once_is_replayed_once(
    redis_server: RedisServer, redis: Client
) -> None:
    await accept(redis, sample(1))
    async with (
        running_receiver() as server,
        running_worker(redis_server, rules=TO_CRM, channels=crm(server.url)),
    ):
        server.status = 400
        await wait_until_idle(redis)
    await make_dead_letters(redis_server, redis, sample(2))
    ids = [letter.id for letter in await all_letters(redis)]

    ends = await asyncio.gather(*(_replay(redis, ids) for _ in range(8)))

    assert sum(end.done for end in ends) == 2
    assert all(end.done + end.missing == 2 for end in ends)
    assert await redis.xlen(KEYS.stream) == 1
    queued = [job for job in await redis.zrange(KEYS.queue, 0, -1) if size_of(job.decode())]
    assert len(queued) == 1  # beside arq's cron job, if it is there
    totals = (await read_status(Partitions([redis]))).totals
    assert (totals.queued, totals.waiting, totals.dead_at_intake, totals.dead) == (1, 1, 0, 0)
    assert totals.bodies_add_up() and totals.notifications_add_up()


async def test_a_selection_holds_the_letters_of_its_time_and_none_later(
    redis_server: RedisServer, redis: Client
) -> None:
    await make_dead_letters(redis_server, redis, *(sample(number) for number in range(40)))
    selection = await bulk_actions.select(Partitions([redis]), Filter(source="absent"))
    await make_dead_letters(redis_server, redis, sample(40), sample(41))
    late = {letter.id for letter in (await all_letters(redis))[:2]}

    progress = await _replay(redis, selection)

    assert progress == Progress(40, 40, 0)
    assert {letter.id for letter in await all_letters(redis)} == late


async def test_a_letter_that_dies_again_during_a_replay_is_not_replayed_again(
    redis_server: RedisServer, redis: Client
) -> None:
    await make_dead_letters(redis_server, redis, *(sample(number) for number in range(100)))
    selection = await bulk_actions.select(Partitions([redis]), Filter())

    async with running_worker(redis_server):
        progress = await _replay(redis, selection)
        totals = await wait_until_idle(redis)

    assert progress == Progress(100, 100, 0)
    assert (totals.replayed, totals.dead_at_intake) == (100, 100)
    assert totals.bodies_add_up()


async def test_letters_removed_after_the_selection_count_as_missing(
    redis_server: RedisServer, redis: Client
) -> None:
    await make_dead_letters(redis_server, redis, *(sample(number) for number in range(20)))
    selection = await bulk_actions.select(Partitions([redis]), Filter())
    await _discard(redis, [letter.id for letter in (await all_letters(redis))[3:8]])

    assert await _replay(redis, selection) == Progress(20, 15, 5)


async def test_progress_is_reported_during_a_replay(redis_server: RedisServer, redis: Client) -> None:
    await make_dead_letters(redis_server, redis, *(sample(number) for number in range(150)))

    selection = await bulk_actions.select(Partitions([redis]), Filter())
    steps = [_progress(step) async for step in action_progress(redis, "replay", selection)]

    done = [step.done for step in steps]
    assert done == sorted(done)
    assert len(set(done)) > 2
    assert steps[-1] == Progress(150, 150, 0)


async def test_missing_letters_are_reported_at_the_end(redis_server: RedisServer, redis: Client) -> None:
    await make_dead_letters(redis_server, redis, sample(1))
    (letter,) = await all_letters(redis)

    steps = [_progress(step) async for step in action_progress(redis, "replay", [letter.id, "0" * 17])]

    assert steps == [Progress(2, 1, 0), Progress(2, 1, 1)]


async def test_no_letter_is_added_to_a_selection_after_its_time(redis: Client) -> None:
    for _ in range(50):
        closed_ms = await dead_letters.closed_ms(redis)
        seconds, micros = await redis.time()
        assert seconds * 1000 + micros // 1000 > closed_ms


async def test_the_sums_hold_after_a_discard(redis_server: RedisServer, redis: Client) -> None:
    await accept(redis, sample(1))
    async with (
        running_receiver() as server,
        running_worker(redis_server, rules=TO_CRM, channels=crm(server.url)),
    ):
        server.status = 400
        await wait_until_idle(redis)
    await make_dead_letters(redis_server, redis, sample(2), sample(3))

    progress = await _discard(redis, await bulk_actions.select(Partitions([redis]), Filter()))
    again = await _discard(redis, await bulk_actions.select(Partitions([redis]), Filter()))

    status = await read_status(Partitions([redis]))
    assert (progress, again) == (Progress(3, 3, 0), Progress(0, 0, 0))
    assert status.adds_up()
    assert (status.totals.dead_at_intake, status.totals.dead, status.totals.discarded) == (2, 1, 3)
    assert status.dead_letters == 0
    kept = {key.decode() async for key in redis.scan_iter(KEYS.dead + "*")} - {
        KEYS.dead_unreported
    }  # until it is reported
    assert kept == {KEYS.dead_groups, KEYS.dead_news, KEYS.dead_find_key}  # of what died in the last month


async def test_a_full_redis_stops_a_replay_and_loses_no_dead_letter(
    redis_server: RedisServer, redis: Client
) -> None:
    await make_dead_letters(redis_server, redis, *(sample(number) for number in range(5)))
    selection = await bulk_actions.select(Partitions([redis]), Filter())
    await redis.config_set("maxmemory", 1)
    try:
        with pytest.raises(Full):
            await _replay(redis, selection)
    finally:
        await redis.config_set("maxmemory", 0)

    assert len(await all_letters(redis)) == 5
    assert (await read_status(Partitions([redis]))).adds_up()
