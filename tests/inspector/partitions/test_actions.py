"""Bulk actions on dead letters of several partitions: one action with a part in each of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import pytest

from broker.dead_letters import stored_actions
from broker.dead_letters.action import Action, Step, Verb
from broker.dead_letters.store import Work
from broker.merged import actions
from broker.merged.away import Away
from broker.monitoring import audit, stats
from broker.redis.errors import BrokerError, Unavailable
from broker.redis.fan_out import ask_all
from broker.redis.partitions import Partitions
from inspector.operations import action_runner, bulk_actions
from inspector.operations.action_runner import ActionContext, Runner
from inspector.operations.action_steps import part_run
from inspector.operations.bulk_actions import Selection
from inspector.operations.filters import Filter
from runtime.dry_run import DryRunResult
from tests.inspector.partitions.letters import NOW_MS, add, assert_sums_hold, in_each, refused, spread
from tests.redis_server import RedisServer
from tests.until import until


async def begin(
    partitions: Partitions, verb: Verb, target: Selection | Sequence[str], *, rate: float = 0.0
) -> str:
    return await bulk_actions.begin(partitions, verb, target, by="ann", owner="me", rate_per_s=rate)


async def run(partitions: Partitions, action: str) -> list[Action]:
    return [step async for step in bulk_actions.run(partitions, action, owner="me")]


async def audited(partitions: Partitions) -> list[tuple[int, str, str]]:
    """Return the partition, the verb and the number of letters of each audit entry."""
    return [
        (redis.partition, entry.audit_entry.what, entry.audit_entry.details.get("letters", ""))
        for redis in partitions
        for entry in await audit.read(redis)
    ]


async def test_an_action_on_a_filter_works_in_all_partitions_and_is_shown_as_one(
    three_partitions: Partitions,
) -> None:
    await spread(three_partitions, 10)
    await add(three_partitions[2], [refused(1)], [NOW_MS - 5])
    selection = await bulk_actions.select(three_partitions, Filter(event="order.paid"))
    assert selection.count == 6
    late = await add(three_partitions[0], [refused(2)], [NOW_MS + 86_400_000])

    action = await begin(three_partitions, "discard", selection)
    steps = await run(three_partitions, action)

    done = steps[-1]
    assert (done.state, done.selected, done.done, done.missing) == ("done", 6, 6, 0)
    assert [step.done for step in steps] == sorted(step.done for step in steps)
    assert await actions.read(three_partitions, action) == done
    assert await actions.recent(three_partitions) == [done]
    assert sum(await in_each(three_partitions)) == 6 and late
    assert await audited(three_partitions) == [(0, "discard", "6")]
    await assert_sums_hold(three_partitions)


async def test_a_replay_puts_each_letter_back_in_its_partition(three_partitions: Partitions) -> None:
    await spread(three_partitions, 6)
    await add(three_partitions[1], [refused(1)], [NOW_MS - 5])
    await run(
        three_partitions,
        await begin(three_partitions, "replay", await bulk_actions.select(three_partitions, Filter())),
    )
    totals = [await stats.read_totals(redis) for redis in three_partitions]
    assert [(total.queued, total.waiting, total.replayed) for total in totals] == [(2, 0, 2), (2, 1, 3), (2, 0, 2)]
    await assert_sums_hold(three_partitions)


async def test_ids_are_processed_where_they_are_and_unknown_ones_are_missing(three_partitions: Partitions) -> None:
    ids = await spread(three_partitions, 6)
    action = await begin(three_partitions, "discard", [ids[0], ids[4], "0" * 17, ids[1], ids[0]])
    [*_, done] = await run(three_partitions, action)
    assert (done.state, done.selected, done.done, done.missing) == ("done", 4, 3, 1)
    assert sorted(done.request.ids) == sorted(["0" * 17, ids[0], ids[1], ids[4]])
    assert await in_each(three_partitions) == [2, 0, 1]


@pytest.mark.parametrize("target", [Filter(event="nothing"), ["0" * 17]])
async def test_an_action_without_letters_is_done_at_once(
    three_partitions: Partitions, target: Filter | list[str]
) -> None:
    selected = await bulk_actions.select(three_partitions, target) if isinstance(target, Filter) else target
    [*_, done] = await run(three_partitions, await begin(three_partitions, "discard", selected))
    assert (done.state, done.done) == ("done", 0)


async def test_a_dry_run_adds_up_its_causes(three_partitions: Partitions) -> None:
    await spread(three_partitions, 7)
    failing = DryRunResult(
        passes=False, reason="no", error="no", error_class="No", stage="intake", fingerprint="f"
    )
    action = await begin(three_partitions, "dry_run", await bulk_actions.select(three_partitions, Filter()))
    [*_, done] = [
        step async for step in bulk_actions.run(three_partitions, action, owner="me", dry_run=lambda _: failing)
    ]
    assert (done.done, done.failed, [cause.count for cause in done.causes]) == (7, 7, [7])


async def test_stop_and_resume_act_on_all_parts_with_one_audit_entry_each(three_partitions: Partitions) -> None:
    await spread(three_partitions, 9)
    selection = await bulk_actions.select(three_partitions, Filter())
    action = await begin(three_partitions, "discard", selection, rate=0.5)
    assert await actions.stop(three_partitions, action, by="bob")
    assert not await actions.stop(three_partitions, action, by="bob")
    assert [step.state for step in await run(three_partitions, action)] == ["stopped"]
    stopped = await actions.read(three_partitions, action)
    assert stopped and (stopped.state, stopped.selected, stopped.done) == ("stopped", 9, 0)

    assert await actions.resume(three_partitions, action, owner="me", by="bob")
    parts, _ = await actions.read_parts(three_partitions, action)
    assert [part.state for part in parts.values()] == ["running"] * 3
    assert [what for _, what, _ in await audited(three_partitions)] == ["resume", "stop", "discard"]


async def test_parts_of_a_process_that_died_are_continued_by_another(
    three_partitions: Partitions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(action_runner, "CHECK_EVERY_S", 0.05)
    monkeypatch.setattr(stored_actions, "LEASE_MS", 300)
    await spread(three_partitions, 9)
    action = await begin(three_partitions, "discard", await bulk_actions.select(three_partitions, Filter()))
    # One part is done, one has begun, one has not.
    await stored_actions.step(three_partitions[0], Work(action, "me"), Step(is_last=True))
    interrupted = await until(lambda: _interrupted(three_partitions, action))
    assert (interrupted.selected, interrupted.done) == (9, 0)

    runner = Runner(three_partitions, ActionContext)
    task = asyncio.create_task(runner.run())
    try:
        done = await until(lambda: _done(three_partitions, action))
    finally:
        task.cancel()
        await asyncio.wait([task])
    assert (done.done, await in_each(three_partitions)) == (6, [3, 0, 0])


async def _interrupted(partitions: Partitions, action: str) -> Action | None:
    stored = await actions.read(partitions, action)
    return stored if stored and stored.is_interrupted(time.time_ns() // 1_000_000) else None


async def _done(partitions: Partitions, action: str) -> Action | None:
    stored = await actions.read(partitions, action)
    return stored if stored and stored.state == "done" else None


async def test_the_rate_is_kept_by_all_parts_together(three_partitions: Partitions) -> None:
    await spread(three_partitions, 30)
    selection = await bulk_actions.select(three_partitions, Filter())
    action = await begin(three_partitions, "discard", selection, rate=30.0)
    began = time.monotonic()
    steps = bulk_actions.run(three_partitions, action, owner="me")
    seen = [(time.monotonic() - began, step.done) async for step in steps]
    assert seen[-1][1] == 30
    # Each part may be ahead by its first chunk, of five letters.
    assert all(done <= 30 * at_s + 15 for at_s, done in seen)
    assert seen[-1][0] >= 0.5


async def test_a_part_that_fails_does_not_stop_the_others(
    spread_partitions: Partitions, own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part_run, "CHUNK", 1)
    await spread(spread_partitions, 9)
    action = await begin(spread_partitions, "discard", await bulk_actions.select(spread_partitions, Filter()))
    own_redis.stop()
    with pytest.raises(BrokerError):
        await run(spread_partitions, action)
    away: Away = {}
    seen = await actions.read(spread_partitions, action, away=away)
    assert seen and (seen.selected, seen.done, seen.state, list(away)) == (9, 6, "running", [1])
    assert seen.is_interrupted(NOW_MS)

    own_redis.start()
    await until(lambda: _answers(spread_partitions))
    [*_, done] = await run(spread_partitions, action)
    assert (done.state, done.done) == ("done", 9)


async def _answers(partitions: Partitions) -> bool:
    partitions.away.clear()
    return not (await ask_all(partitions, lambda redis: redis.ping())).away


async def test_a_filter_selects_what_is_in_the_partitions_that_answer(
    spread_partitions: Partitions, own_redis: RedisServer
) -> None:
    await spread(spread_partitions, 9)
    own_redis.kill()
    with pytest.raises(Unavailable):
        await bulk_actions.select(spread_partitions, Filter())
    away: Away = {}
    selection = await bulk_actions.select(spread_partitions, Filter(), away=away)
    assert (selection.count, list(away)) == (6, [1])
    [*_, done] = await run(spread_partitions, await begin(spread_partitions, "discard", selection))
    assert (done.state, done.selected, done.done) == ("done", 6, 6)


async def test_ids_that_may_be_in_a_partition_that_is_away_are_refused(
    spread_partitions: Partitions, own_redis: RedisServer
) -> None:
    ids = await spread(spread_partitions, 3)
    own_redis.kill()
    with pytest.raises(Unavailable, match="partition 1 is away, and 1 of the letters may be there; nothing was"):
        await begin(spread_partitions, "discard", ids)
    assert await actions.recent(spread_partitions, away={}) == []
    assert [step.done for step in await run(spread_partitions, await begin(spread_partitions, "discard", ids[:1]))]


async def test_a_stop_that_does_not_reach_a_partition_says_so(
    spread_partitions: Partitions, own_redis: RedisServer
) -> None:
    await spread(spread_partitions, 3)
    action = await begin(spread_partitions, "discard", await bulk_actions.select(spread_partitions, Filter()))
    own_redis.kill()
    with pytest.raises(Unavailable, match=f"action {action} is stopped, but not in partition 1: repeat this"):
        await actions.stop(spread_partitions, action, by="ann")
    seen = await actions.read(spread_partitions, action, away={})
    assert seen and seen.state == "stopped"


async def test_an_action_that_begins_only_in_some_partitions_says_where(
    spread_partitions: Partitions, own_redis: RedisServer
) -> None:
    await spread(spread_partitions, 6)
    selection = await bulk_actions.select(spread_partitions, Filter())
    own_redis.kill()
    with pytest.raises(Unavailable, match="has begun in partitions 0 and 2, but not in partition 1"):
        await begin(spread_partitions, "discard", selection)
    [begun] = await actions.recent(spread_partitions, away={})
    assert (begun.done, await audited(Partitions([spread_partitions[0]]))) == (0, [(0, "discard", "6")])
