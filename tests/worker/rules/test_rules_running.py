"""Rules from the stream to the receiver, with a real worker."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from broker import dead_letters
from broker.redis.client import Client
from broker.redis.connection import Settings as RedisSettings
from sources import KINDS
from tests.names import KEYS
from tests.redis_server import RedisServer
from tests.sink import Sink
from tests.until import until
from tests.worker.conftest import send, wait_until_idle
from tests.worker_process import sink_channel
from worker.components import Setup
from worker.main import run_live
from worker.rules.rules import QuietHours, RetryOverride, Rule
from worker.settings import Settings
from worker.worker_source import WorkerSource

SOURCES = {"voucherify": WorkerSource(KINDS["voucherify"], 7)}


def rule(name: str = "r", **settings: Any) -> Rule:
    return Rule(**({"name": name, "events": ("*",), "channel": "sink", "text": "{{ n }}"} | settings))


async def publish(redis: Client, *payloads: dict[str, Any]) -> None:
    await send(redis, *(json.dumps(payload).encode() for payload in payloads), hint="order.paid")


class Worker:
    """A worker in this process; `follow` gives it other rules and channels."""

    def __init__(self, url: str, sink: Sink) -> None:
        self._url = url
        self._sink = sink
        self._updates: asyncio.Queue[Setup] = asyncio.Queue()

    def setup(self, *rules: Rule, sink: Sink | None = None) -> Setup:
        return Setup(sources=SOURCES, rules=rules, channels=sink_channel((sink or self._sink).url))

    def follow(self, setup: Setup) -> None:
        self._updates.put_nowait(setup)

    async def updates(self) -> AsyncIterator[Setup]:
        while True:
            yield await self._updates.get()

    @asynccontextmanager
    async def running(self, setup: Setup) -> AsyncIterator[None]:
        stop = asyncio.Event()
        redis = RedisSettings(url=self._url)
        settings = Settings(stop_grace_s=5, unrecognized_grace_s=0)
        task = asyncio.create_task(run_live(settings, setup, redis, stop=stop, updates=self.updates()))
        try:
            yield
        finally:
            stop.set()
            await task


@pytest.fixture
def worker(redis_server: RedisServer, sink: Sink) -> Worker:
    return Worker(redis_server.url, sink)


async def test_a_when_or_key_that_fails_is_a_dead_letter_that_names_the_field_and_others_are_sent(
    redis: Client, sink: Sink, worker: Worker
) -> None:
    await publish(redis, {"n": 1})
    rules = (rule("plain"), rule("unmet", when="balance.points > 1"), rule("keyless", key="{{ order.id }}"))
    async with worker.running(worker.setup(*rules)):
        totals = await wait_until_idle(redis)
    assert (totals.sent, totals.dead, [n["rule"] for n in sink.got]) == (1, 2, ["plain"])
    keys = "; the keys are 'data', 'event', 'n', 'source'"
    assert {(letter.rule, letter.reason, letter.error) for letter in await dead_letters.newest(redis)} == {
        ("unmet", "render", "when of rule 'unmet': 'balance' is undefined" + keys),
        ("keyless", "render", "key of rule 'keyless': 'order' is undefined" + keys),
    }


async def test_a_notification_whose_condition_is_no_longer_true_is_skipped(
    redis: Client, sink: Sink, worker: Worker
) -> None:
    sink.answer = lambda _n, times: web.Response(status=500 if times < 3 else 200)
    await publish(redis, {"n": 1}, {"n": 2})
    async with worker.running(worker.setup(rule())):
        await until(lambda: len(sink.got) >= 2)
        worker.follow(worker.setup(rule(when="n > 1")))
        totals = await wait_until_idle(redis)
    assert (totals.created, totals.sent, totals.skipped) == (2, 1, 1)


async def test_every_channel_of_a_rule_is_sent_to(redis: Client, sink: Sink, worker: Worker) -> None:
    await publish(redis, {"n": 1})
    setup = worker.setup(rule(channel=("sink", "second")))
    channels = {**setup.channels, "second": setup.channels["sink"]}
    async with worker.running(Setup(sources=SOURCES, rules=setup.rules, channels=channels)):
        totals = await wait_until_idle(redis)
    assert (totals.created, totals.sent, len(sink.times)) == (2, 2, 2)


async def test_a_rules_own_retry_holds_instead_of_its_channels(redis: Client, sink: Sink, worker: Worker) -> None:
    sink.answer = lambda _n, _times: web.Response(status=500)
    await publish(redis, {"n": 1})
    async with worker.running(worker.setup(rule(retry=RetryOverride(attempts=2)))):
        await wait_until_idle(redis)
    [letter] = await dead_letters.newest(redis)
    assert (letter.reason, len(sink.got)) == ("exhausted", 2)


def quiet_now() -> QuietHours:
    now = datetime.now(UTC)
    begin, end = (now + timedelta(minutes=minutes) for minutes in (-5, 60))
    return QuietHours(from_=begin.strftime("%H:%M"), to=end.strftime("%H:%M"))


async def test_quiet_hours_postpone_to_their_end_and_use_neither_attempts_nor_horizon(
    redis: Client, sink: Sink, worker: Worker
) -> None:
    async def due_ms() -> float | None:
        jobs = await redis.zrange(KEYS.queue, 0, -1, withscores=True)
        later = [score for job, score in jobs if score > 1000 * (datetime.now(UTC).timestamp() + 600)]
        return later[0] if later and any(job.endswith(b".2") for job, _ in jobs) else None

    short = RetryOverride(attempts=1, horizon_s=60)
    await publish(redis, {"n": 1}, {"n": 2})
    async with worker.running(worker.setup(rule(quiet_hours=quiet_now(), retry=short), rule("loud"))):
        due = await until(due_ms)
    assert 58 * 60 < due / 1000 - datetime.now(UTC).timestamp() <= 61 * 60
    assert {n["rule"] for n in sink.got} == {"loud"}

    [put_off] = [job for job in await redis.zrange(KEYS.queue, 0, -1) if job.endswith(b".2")]
    await redis.zadd(KEYS.queue, {put_off: 1})  # as if quiet hours were over
    async with worker.running(worker.setup(rule(retry=short), rule("loud"))):
        totals = await wait_until_idle(redis)
    assert (totals.sent, totals.dead) == (4, 0)
    assert {n["attempt"] for n in sink.got} == {1}


async def test_running_sends_end_with_the_old_config_and_new_ones_use_the_new(
    redis: Client, sink: Sink, worker: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    release = asyncio.Event()

    async def slow(_n: object, _times: int) -> web.Response:
        await release.wait()
        return web.Response()

    sink.answer = slow
    await publish(redis, {"n": 1})
    async with worker.running(worker.setup(rule(text="old {{ n }}"))):
        await until(lambda: len(sink.got) == 1)
        worker.follow(worker.setup(rule(text="new {{ n }}"), rule("second", text="second {{ n }}")))
        await until(lambda: "worker_reloaded" in actions(caplog))
        await publish(redis, {"n": 2})
        await until(lambda: len(sink.got) == 3)
        release.set()
        totals = await wait_until_idle(redis)
    assert sorted(n["text"] for n in sink.got) == ["new 2", "old 1", "second 2"]
    assert (totals.sent, totals.dead, set(sink.times.values())) == (3, 0, {1})


async def test_a_config_that_cannot_be_applied_changes_nothing(
    redis: Client, sink: Sink, worker: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    async with worker.running(worker.setup(rule())):
        worker.follow(worker.setup(rule(text="{{ unclosed")))
        await until(lambda: "reload_failed" in actions(caplog))
        await publish(redis, {"n": 1})
        await wait_until_idle(redis)
    assert [n["text"] for n in sink.got] == ["1"]


async def test_under_constant_reloads_every_notification_is_sent_once(
    redis: Client, sink: Sink, worker: Worker
) -> None:
    async with worker.running(worker.setup(rule())):
        for turn in range(20):
            await publish(redis, *({"n": turn, "i": i} for i in range(20)))
            worker.follow(worker.setup(rule(text=f"{turn}")))
            await asyncio.sleep(0)
        totals = await wait_until_idle(redis)
    assert (totals.created, totals.sent, len(sink.times), set(sink.times.values())) == (400, 400, 400, {1})


def actions(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [getattr(record, "action", "") for record in caplog.records]
