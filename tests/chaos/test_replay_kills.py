"""Test of a replay of ten thousand dead letters while inspectors and workers are killed."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from pathlib import Path

import pytest
from aiohttp import web

from broker.dead_letters import stored_actions
from broker.dead_letters.action import Action
from broker.monitoring import stats
from broker.queue import stream
from broker.queue.batch import RawBody
from broker.queue.stream import Confirmation
from broker.redis.client import Client
from broker.redis.connection import Settings, connect
from broker.redis.partitions import Partitions
from inspector.operations import search
from inspector.operations.filters import Filter
from inspector.operations.status import read_status
from sources import KINDS
from tests.launcher.running import Running, environment
from tests.redis_server import RedisServer
from tests.sink import Sink, running_sink
from tests.until import until

pytestmark = pytest.mark.chaos

REFUSED, UNKNOWN = 8_000, 2_000
"""Notifications that the sink refuses, and webhooks of a source that the workers do not have yet."""

_EVENT = "customer.voucher.loyalty_card.points_added"
_CONFIG = """
[worker]
processes = 2
lease_s = 2
takeover_s = 2
max_deliveries = 1000
unrecognized_grace_s = 0
[sources.voucherify]
{source}
[channels.crm]
kind = "http"
url = "{sink}"
allow_private = true
[[rules]]
name = "to-crm"
events = ["*"]
channel = "crm"
[log]
level = "warning"
format = "json"
"""


class _Parts:
    """Processes of `hookline COMMAND` in a directory, which the test kills."""

    def __init__(self, directory: Path, redis: RedisServer) -> None:
        self._directory = directory
        self._env = environment(REDIS_URL=redis.url)
        self._running: list[Running] = []

    def configure(self, sink: Sink, *, source: str = "") -> None:
        (self._directory / "hookline.toml").write_text(_CONFIG.format(sink=sink.url, source=source))

    def start(self, *arguments: str) -> Running:
        self._running.append(Running("-m", "launcher", *arguments, cwd=self._directory, env=self._env))
        return self._running[-1]

    def kill_all(self) -> None:
        for running in self._running:
            running.kill()


async def test_ten_thousand_replays_survive_kills_of_all_processes() -> None:
    with tempfile.TemporaryDirectory(prefix="hookline-chaos-") as name:
        server = RedisServer(Path(name)).start()
        parts = _Parts(Path(name), server)
        redis = connect(Settings(url=server.url))
        try:
            async with running_sink() as sink:
                await _let_die(redis, parts, sink)
                resent = await _replay_all(redis, parts, sink)
            totals = (await read_status(Partitions([redis]))).totals
        finally:
            parts.kill_all()
            await redis.aclose()
            server.kill()

    sent = REFUSED + UNKNOWN
    assert (totals.sent, totals.replayed, totals.duplicate) == (sent, sent, 0)
    assert (totals.dead, totals.dead_at_intake, totals.waiting, totals.queued) == (0, 0, 0, 0)
    assert totals.bodies_add_up()
    assert totals.notifications_add_up()
    assert resent <= 2 * 64 * 3, "more than what killed workers had under way"


async def _let_die(redis: Client, parts: _Parts, sink: Sink) -> None:
    sink.answer = lambda _notification, _times: web.Response(status=400)
    parts.configure(sink)
    await stream.create_group(redis)
    for first, count, source in ((0, REFUSED, "voucherify"), (REFUSED, UNKNOWN, "late")):
        for start in range(first, first + count, 100):
            bodies = [KINDS["voucherify"].sample(number, _EVENT) for number in range(start, start + 100)]
            now_ms = time.time_ns() // 1_000_000
            await stream.append(redis, [RawBody(now_ms, source, "", body) for body in bodies], Confirmation())
    worker = parts.start("worker")

    async def all_died() -> bool:
        totals = await stats.read_totals(redis)
        return (totals.dead, totals.dead_at_intake) == (REFUSED, UNKNOWN)

    await until(all_died, seconds=120)
    worker.signal(signal.SIGTERM)
    await worker.ends(seconds=60)
    sink.times.clear()
    sink.got.clear()


async def _replay_all(redis: Client, parts: _Parts, sink: Sink) -> int:
    """Return how many notifications were sent more than once."""
    sink.answer = lambda _notification, _times: web.Response(status=204)
    parts.configure(sink, source="[sources.late]")
    worker = parts.start("worker")
    inspectors = [parts.start("inspector"), parts.start("inspector")]
    ordered = parts.start("dead", "replay", "--all", "--yes", "--rate", "1000")

    await _until_done(redis, 2_000)
    ordered.kill()  # an inspector continues when its lease has expired
    left = (await _action(redis)).done
    await _until_done(redis, left + 1_500)
    for inspector in inspectors:
        inspector.kill()
    for child in worker.children():
        os.kill(child, signal.SIGKILL)
    left = (await _action(redis)).done
    assert left < REFUSED + UNKNOWN
    parts.start("inspector")
    await _until_done(redis, left + 500)
    for child in worker.children():
        os.kill(child, signal.SIGKILL)

    async def all_done() -> bool:
        action, totals = await _action(redis), await stats.read_totals(redis)
        return action.state == "done" and not totals.waiting and not totals.queued

    await until(all_done, seconds=180)
    action = await _action(redis)
    assert (action.selected, action.done, action.missing) == (REFUSED + UNKNOWN, REFUSED + UNKNOWN, 0)
    assert await search.count(Partitions([redis]), Filter()) == 0
    assert len(sink.times) == REFUSED + UNKNOWN
    resent = sum(times - 1 for times in sink.times.values())
    sys.stdout.write(
        f"replayed {action.done:,} with everyone killed: none lost, {resent} sent again with their key\n"
    )
    return resent


async def _action(redis: Client) -> Action:
    [action] = await stored_actions.recent(redis)
    return action


async def _until_done(redis: Client, count: int) -> None:
    async def done() -> bool:
        actions = await stored_actions.recent(redis)
        return bool(actions) and actions[0].done >= count

    await until(done, seconds=90)
