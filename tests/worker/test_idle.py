"""An idle worker sends few commands to Redis, and starts immediately when there is work."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from broker import dead_letters
from broker.dead_letters import replay
from broker.queue import channel_state, jobs, stream
from broker.queue.batch import RawBody
from broker.queue.jobs import Notification, NotifyJob
from broker.redis.client import Client
from broker.redis.connection import Settings as RedisSettings
from broker.redis.connection import connect
from sources import KINDS
from tests.names import KEYS
from tests.redis_server import RedisServer
from tests.sink import Sink
from tests.until import until
from tests.worker.conftest import send, wait_until_idle, webhook
from tests.worker_process import RULES, WorkerProcess, sink_channel
from worker import claim_times, health, main
from worker.intake.intake import Intake
from worker.intake.planner import Planner
from worker.main import run
from worker.rules.rules import RuleBook
from worker.settings import Settings
from worker.worker_source import WorkerSource

WATCHED_S = 16
"""Longer than the longest period of what an idle worker does: it checks for alerts every 15 s."""


async def is_blocked(redis: Client, connections: int) -> bool:
    return int((await redis.info("clients"))["blocked_clients"]) == connections


async def is_idle(redis: Client) -> bool:
    """Return whether one connection of the worker waits for webhooks and one for wake-ups."""
    return await is_blocked(redis, 2)


async def is_registered(redis: Client, workers: int) -> bool:
    return int(await redis.zcard(KEYS.workers)) == workers


@asynccontextmanager
async def idle_worker(redis: Client, url: str, sink: Sink, **channel: object) -> AsyncIterator[asyncio.Event]:
    """A worker in this process that has nothing to do; gives the event that stops it."""
    stop = asyncio.Event()
    settings = RedisSettings(url=url, socket_timeout_s=120)
    sources = {"voucherify": WorkerSource(KINDS["voucherify"], 7)}
    running = asyncio.create_task(
        run(Settings(), sources, RULES, sink_channel(sink.url, **channel), settings, stop=stop)
    )
    try:
        await until(lambda: is_idle(redis))
        yield stop
    finally:
        stop.set()
        await asyncio.wait_for(running, 60)


@pytest.fixture
def no_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker learns of nothing by a heartbeat, after its first one."""
    monkeypatch.setattr(health, "HEARTBEAT_S", 3600.0)
    monkeypatch.setattr(claim_times, "_LONGEST_WAIT_S", 3600.0)


@pytest.mark.parametrize("workers", [1, 4])
async def test_it_sends_at_most_one_command_a_second(
    own_redis: RedisServer, worker: Callable[..., WorkerProcess], workers: int
) -> None:
    redis = connect(RedisSettings(url=own_redis.url, socket_timeout_s=60))
    for _ in range(workers):
        worker(own_redis.url, lease_s=15.0, takeover_s=30.0)
    await until(lambda: is_blocked(redis, 2 * min(workers, 2)))  # the others stand by
    await until(lambda: is_registered(redis, workers))
    await until(lambda: redis.exists(KEYS.alert_lease))
    commands: list[str] = []
    async with redis.monitor() as monitor:
        try:
            async with asyncio.timeout(WATCHED_S):
                while True:
                    command = await monitor.next_command()
                    if command["client_type"] != "lua":
                        commands.append(command["command"])
        except TimeoutError:  # the time is over
            pass
    await redis.aclose(close_connection_pool=True)
    assert any(command.startswith("XREADGROUP") for command in commands)
    assert len(commands) <= WATCHED_S * workers, commands


@pytest.mark.usefixtures("no_heartbeat")
async def test_an_event_that_comes_alone_takes_two_steps_and_one_read(
    redis: Client, redis_server: RedisServer, sink: Sink
) -> None:
    commands: list[str] = []
    async with idle_worker(redis, redis_server.url, sink):
        await send(redis, webhook(1))
        await wait_until_idle(redis)
        await until(lambda: is_idle(redis))
        async with redis.monitor() as monitor:
            await send(redis, webhook(2))
            async with asyncio.timeout(20):
                while commands[-1:] != ["SET"]:
                    command = await monitor.next_command()
                    if command["client_type"] != "lua":
                        commands.append(command["command"].split()[0])
                    if commands.count("EVALSHA") == 3:  # the last one has recorded the outcome
                        await redis.set("the-end", "")
    # It is received; committed, which leases its job; and its outcome is recorded. Meanwhile the next read begins.
    of_events = [command for command in commands[:-1] if command != "CLIENT"]  # each new connection sends CLIENT
    assert sorted(of_events) == ["EVALSHA", "EVALSHA", "EVALSHA", "XREADGROUP"]


@pytest.mark.usefixtures("no_heartbeat")
async def test_a_job_that_another_process_adds_is_taken_immediately(
    redis: Client, redis_server: RedisServer, sink: Sink
) -> None:
    sink.answer = lambda _n, times: web.Response(status=400 if times == 1 else 204)
    async with idle_worker(redis, redis_server.url, sink):
        await send(redis, webhook(1))
        await wait_until_idle(redis)
        await until(lambda: is_idle(redis))
        [letter] = await dead_letters.newest(redis)
        stored_letter = await dead_letters.get(redis, letter.id)
        assert stored_letter is not None
        await replay.replay(redis, [stored_letter])
        assert (await wait_until_idle(redis)).sent == 1


@pytest.mark.usefixtures("no_heartbeat")
async def test_a_retry_is_made_when_it_is_due(redis: Client, redis_server: RedisServer, sink: Sink) -> None:
    attempts: list[float] = []

    def answer(_notification: object, times: int) -> web.Response:
        attempts.append(time.monotonic())
        return web.Response(status=503 if times == 1 else 204, headers={"Retry-After": "2"})

    sink.answer = answer
    async with idle_worker(redis, redis_server.url, sink):
        await send(redis, webhook(1))
        await until(lambda: len(attempts) == 2)
    assert attempts[1] - attempts[0] >= 1.9


async def test_a_job_whose_wake_up_is_lost_is_found_by_a_heartbeat(
    redis: Client, redis_server: RedisServer, sink: Sink
) -> None:
    async with idle_worker(redis, redis_server.url, sink):
        body = RawBody(1, "voucherify", "", webhook(1))
        job = NotifyJob("sink", 1, 1, [Notification("key", "points-added", "event", body)])
        job_id = jobs.new_job_id(1)
        await redis.set(KEYS.job + job_id, jobs.encode(job))
        await redis.zadd(KEYS.queue, {job_id: 1})
        await until(lambda: sink.times["key"] == 1)


@pytest.mark.usefixtures("no_heartbeat")
async def test_a_channel_that_was_paused_meanwhile_sends_nothing(
    redis: Client, redis_server: RedisServer, sink: Sink
) -> None:
    async with idle_worker(redis, redis_server.url, sink):
        await send(redis, webhook(1))
        await wait_until_idle(redis)
        await until(lambda: is_idle(redis))
        await channel_state.pause(redis, "sink", by="test")
        await send(redis, webhook(2))
        await until(lambda: redis.zcard(KEYS.held_jobs + "sink"))
        assert len(sink.got) == 1
        await channel_state.resume(redis, "sink", by="test")
        assert (await wait_until_idle(redis)).sent == 2


async def test_it_stops_without_waiting_for_the_end_of_a_read(
    redis: Client, redis_server: RedisServer, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(main, "longest_block_s", lambda _settings: 100.0)
    async with idle_worker(redis, redis_server.url, sink) as stop:
        asyncio.get_running_loop().call_soon(stop.set)  # `idle_worker` waits for less than 100 s


async def test_what_redis_sent_to_a_read_that_was_cut_short_is_committed_before_the_stop(redis: Client) -> None:
    await stream.create_group(redis)
    await send(redis, webhook(1))
    assert await stream.read(redis, "worker", count=1, block_ms=1)  # as if this response were lost
    sources = {"voucherify": WorkerSource(KINDS["voucherify"], 7)}
    intake = Intake(redis, Planner(sources, RuleBook(()), max_deliveries=3), Settings(), consumer="worker")
    running = asyncio.create_task(intake.run())
    await until(lambda: is_blocked(redis, 1))
    intake.stop()
    await running
    assert (await wait_until_idle(redis)).processed == 1
