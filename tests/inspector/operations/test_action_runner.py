"""Actions that run in the inspector's process, which may be killed, stopped, or without Redis."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from broker.dead_letters import StoredDeadLetter, stored_actions
from broker.dead_letters.action import Action
from broker.redis.client import Client
from broker.redis.connection import Settings, connect
from broker.redis.partitions import Partitions
from inspector.operations import action_runner, bulk_actions
from inspector.operations.action_runner import ActionContext, Runner
from inspector.operations.bulk_actions import DryRunError, Selection
from inspector.operations.filters import Filter
from inspector.operations.status import read_status
from runtime.dry_run import DryRunResult
from tests.inspector.stack import all_letters, make_dead_letters, sample
from tests.names import KEYS
from tests.redis_server import RedisServer
from tests.subprocesses import running_program
from tests.until import until

_PROCESS = """
import asyncio, sys
from broker.redis.connection import Settings, connect
from broker.redis.partitions import Partitions
from inspector.operations import bulk_actions
from inspector.operations.action_runner import ActionContext, Runner
from inspector.operations.filters import Filter

async def main():
    redis = connect(Settings(url=sys.argv[1]))
    mine = Runner(Partitions([redis]), ActionContext)
    running = asyncio.create_task(mine.run())
    chosen = await bulk_actions.select(Partitions([redis]), Filter())
    print(await mine.begin("replay", chosen, by="ann", rate_per_s=20.0), flush=True)
    await running

asyncio.run(main())
"""


@asynccontextmanager
async def running(redis: Client, means: ActionContext | None = None) -> AsyncIterator[Runner]:
    runner = Runner(Partitions([redis]), lambda: means or ActionContext())
    task = asyncio.create_task(runner.run())
    try:
        yield runner
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def ended(redis: Client, action: str) -> Action:
    async def end() -> Action | None:
        stored_action = await stored_actions.read(redis, action)
        return stored_action if stored_action and stored_action.state == "done" else None

    return await until(end)


async def everything(redis: Client) -> Selection:
    return await bulk_actions.select(Partitions([redis]), Filter())


async def under_way(redis: Client, action: str) -> Action:
    async def some() -> Action | None:
        stored_action = await stored_actions.read(redis, action)
        return stored_action if stored_action and stored_action.done else None

    return await until(some)


async def test_a_started_action_is_carried_out_immediately(redis_server: RedisServer, redis: Client) -> None:
    await make_dead_letters(redis_server, redis, sample(1), sample(2))
    async with running(redis) as mine:
        action = await mine.begin("discard", await everything(redis), by="ann")

        assert (await ended(redis, action)).done == 2
    assert await all_letters(redis) == []


async def test_the_action_of_a_killed_process_is_completed_exactly_once(
    redis_server: RedisServer, redis: Client
) -> None:
    await make_dead_letters(redis_server, redis, *(sample(number) for number in range(60)))
    async with running_program(
        *(sys.executable, "-c", _PROCESS, redis_server.url), stdout=asyncio.subprocess.PIPE
    ) as process:
        assert process.stdout
        action = (await process.stdout.readline()).decode().strip()
        await under_way(redis, action)
        process.kill()
    halfway = await stored_actions.read(redis, action)
    assert halfway and halfway.state == "running" and 0 < halfway.done < 60
    assert await stored_actions.interrupted(redis) == []  # its lease has not expired; the next line ends it
    await redis.hset(KEYS.action + action, "lease_until_ms", 1)

    async with running(redis):
        end = await ended(redis, action)

    totals = (await read_status(Partitions([redis]))).totals
    assert (end.done, end.missing, totals.replayed, totals.queued) == (60, 0, 60, 60)
    assert totals.bodies_add_up()


async def test_several_processes_complete_an_action_once(redis_server: RedisServer, redis: Client) -> None:
    await make_dead_letters(redis_server, redis, *(sample(number) for number in range(30)))
    action = await bulk_actions.begin(
        Partitions([redis]), "replay", await everything(redis), by="ann", owner="killed"
    )
    await redis.hset(KEYS.action + action, "lease_until_ms", 1)

    async with running(redis), running(redis), running(redis):
        end = await ended(redis, action)

    assert (end.done, (await read_status(Partitions([redis]))).totals.queued) == (30, 30)


async def test_a_runner_that_ends_releases_its_actions_immediately(
    redis_server: RedisServer, redis: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(action_runner, "RELEASE_TIMEOUT_S", 60.0)  # a busy machine may need longer than a second
    await make_dead_letters(redis_server, redis, *(sample(number) for number in range(30)))
    async with running(redis) as first:
        action = await first.begin("replay", await everything(redis), by="ann", rate_per_s=10.0)
        await under_way(redis, action)

    left = await stored_actions.read(redis, action)
    assert left and left.state == "running" and left.done < 30
    assert await stored_actions.interrupted(redis) == [action]
    async with running(redis):
        assert (await ended(redis, action)).done == 30


async def test_an_action_can_be_stopped_and_resumed(redis_server: RedisServer, redis: Client) -> None:
    await make_dead_letters(redis_server, redis, *(sample(number) for number in range(30)))
    async with running(redis) as mine:
        action = await mine.begin("replay", await everything(redis), by="ann", rate_per_s=10.0)
        await under_way(redis, action)
        assert await stored_actions.stop(redis, action, by="bob")
        assert await mine.resume(action, by="bob")
        assert (await ended(redis, action)).done == 30
        assert not await mine.resume(action, by="bob")


async def test_actions_beyond_the_limit_wait_and_are_completed(
    redis_server: RedisServer, redis: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(action_runner, "MAX_RUNNING", 1)
    await make_dead_letters(redis_server, redis, *(sample(number) for number in range(4)))
    async with running(redis) as mine:
        ids = [letter.id for letter in await all_letters(redis)]
        begun = [await mine.begin("annotate", ids, by="ann", note=f"{n}") for n in range(6)]
        assert [(await ended(redis, action)).done for action in begun] == [4] * 6


async def test_while_redis_is_away_an_action_waits(
    own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(action_runner, "CHECK_EVERY_S", 0.1)
    client = connect(Settings(url=own_redis.url, connect_timeout_s=0.5))
    await make_dead_letters(own_redis, client, *(sample(number) for number in range(30)))
    async with running(client) as mine:
        action = await mine.begin("replay", await everything(client), by="ann", rate_per_s=20.0)
        await under_way(client, action)
        own_redis.stop()
        own_redis.start()

        assert (await ended(client, action)).done == 30
        assert (await read_status(Partitions([client]))).totals.queued == 30
    await client.aclose(close_connection_pool=True)


async def test_a_runner_that_ends_does_not_wait_for_redis(own_redis: RedisServer) -> None:
    client = connect(Settings(url=own_redis.url, connect_timeout_s=0.5))
    await make_dead_letters(own_redis, client, *(sample(number) for number in range(9)))
    async with asyncio.timeout(120):
        async with running(client) as mine:
            await mine.begin("replay", await everything(client), by="ann", rate_per_s=1.0)
            own_redis.stop()
            begun = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - begun < action_runner.RELEASE_TIMEOUT_S + 20
    await client.aclose(close_connection_pool=True)


async def test_a_dry_run_needs_a_config(redis_server: RedisServer, redis: Client) -> None:
    await make_dead_letters(redis_server, redis, sample(1))
    async with running(redis) as mine:
        with pytest.raises(DryRunError):
            await mine.begin("dry_run", await everything(redis), by="ann")
    async with running(redis, ActionContext(dry_run=lambda _: DryRunResult(passes=True))) as mine:
        action = await mine.begin("dry_run", await everything(redis), by="ann")
        assert (await ended(redis, action)).passed == 1


async def test_an_action_that_meets_a_defect_is_stopped_and_others_continue(
    redis_server: RedisServer, redis: Client, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: StoredDeadLetter) -> DryRunResult:
        raise RuntimeError("a defect")

    await make_dead_letters(redis_server, redis, sample(1))
    async with running(redis, ActionContext(dry_run=broken)) as mine:
        action = await mine.begin("dry_run", await everything(redis), by="ann")

        async def stopped() -> bool:
            stored_action = await stored_actions.read(redis, action)
            return stored_action is not None and stored_action.state == "stopped"

        await until(stopped)
        assert "action_failed" in {getattr(record, "action", "") for record in caplog.records}
        assert (await ended(redis, await mine.begin("discard", await everything(redis), by="ann"))).done == 1
