"""Checks of monitors at a given time, and each monitor once in a running worker."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from broker import dead_letters
from broker.dead_letters import replay
from broker.monitoring.alerts import current_alerts
from broker.monitoring.source_health import Streak, note_failures, read_sources
from broker.queue import stream
from broker.queue.batch import RawBody
from broker.redis.client import Client
from broker.redis.confirmation import Confirmation
from broker.redis.connection import Settings as RedisSettings
from broker.redis.connection import connect
from broker.redis.errors import Unavailable
from broker.redis.partitions import Partitions
from sources.voucherify import VOUCHERIFY
from tests.names import KEYS
from tests.redis_server import RedisServer
from tests.sink import Sink
from tests.until import until
from tests.worker.conftest import POINTS_ADDED, send, wait_until_idle, webhook
from worker.channels.settings import HttpSettings
from worker.main import run
from worker.monitoring.alerts import Alerts
from worker.monitoring.monitors import Monitors
from worker.rules.rules import Rule
from worker.settings import AlertSettings, Settings
from worker.worker_source import WorkerSource

MINUTE = 60_000
SOURCE = WorkerSource(VOUCHERIFY, 7)
EXPECTING = WorkerSource(VOUCHERIFY, 7, expect_every_s=60.0)
ALL = (Rule(name="all", events=("*",), channel="sink"),)


def guards(redis: Client, **sources: WorkerSource) -> Monitors:
    settings = AlertSettings(queue_age_s=0)  # these tests have clocks of their own
    return Monitors(Partitions([redis]), sources or {"shop": SOURCE}, Alerts(redis, None, settings), settings)


async def holding(redis: Client) -> list[str]:
    return [alert.name for alert in await current_alerts(redis, now_ms=0)]


async def accept(redis: Client, source: str) -> None:
    await stream.append(redis, [RawBody(0, source, "", b"{}")], Confirmation())


def now() -> int:
    return time.time_ns() // 1_000_000


async def test_an_outage_is_raised_held_and_over(redis: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "hookline.worker")
    at, one, other = now(), guards(redis), guards(redis)
    await note_failures(redis, [Streak("shop", "failing", at - 1000, at, 3, 503)])
    await one.check(at + MINUTE)
    assert await holding(redis) == []
    for check in (one, other, one):
        await check.check(at + 3 * MINUTE)
    assert await holding(redis) == ["outage:shop"]

    await accept(redis, "shop")
    for check in (other, one):
        await check.check(at + 4 * MINUTE)
    assert await holding(redis) == []
    actions = [record.action for record in caplog.records if hasattr(record, "action")]
    assert (actions.count("alert"), actions.count("alert_over")) == (1, 1)


async def test_silence_is_raised_after_the_time_and_over_with_the_next_webhook(redis: Client) -> None:
    check = guards(redis, shop=EXPECTING, club=SOURCE)
    await accept(redis, "shop")
    at = (await read_sources(redis, ["shop"]))["shop"].last_accepted_ms
    await check.check(at + 60_000)
    assert await holding(redis) == []
    await check.check(at + 60_001)
    assert await holding(redis) == ["silence:shop"]
    await check.check(at + 1000)
    assert await holding(redis) == []


async def test_alerts_of_other_parts_are_left_alone(redis: Client) -> None:
    alerts = Alerts(redis, None, AlertSettings())
    await alerts.raise_alert("drift", "shop", "a new event name", {})
    await guards(redis).check(now())
    assert await holding(redis) == ["drift:shop"]


async def test_an_alert_of_a_source_that_is_configured_no_more_is_over(redis: Client) -> None:
    await note_failures(redis, [Streak("gone", "failing", 1000, 2000, 3, 503)])
    await guards(redis, gone=SOURCE).check(now())
    assert await holding(redis) == ["outage:gone"]
    await guards(redis, shop=SOURCE).check(now())
    assert await holding(redis) == []


async def test_an_unreachable_redis_is_reported_after_a_minute_with_the_retries_that_are_left(
    redis: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "hookline.worker")
    check, at, error = guards(redis), now(), Unavailable("Redis is not reachable: refused")
    await check.note_redis_unreachable(error, at)
    await check.note_redis_unreachable(error, at + MINUTE - 1)
    assert not caplog.records
    await check.note_redis_unreachable(error, at + 5 * MINUTE)
    await check.note_redis_unreachable(error, at + 6 * MINUTE)
    await check.note_redis_reachable()
    await check.note_redis_reachable()
    raised, ended = (record.message for record in caplog.records)
    assert "Redis is not reachable" in raised and "about 9 tries (until" in raised
    assert "reachable again" in ended


async def test_a_full_redis_is_reported_too(redis: Client, caplog: pytest.LogCaptureFixture) -> None:
    check = guards(redis)
    await redis.config_set("maxmemory", 1)
    try:
        task = asyncio.create_task(check.run())
        await until(lambda: check._away_since_ms)
        task.cancel()
        await check.note_redis_unreachable(Unavailable("Redis is full"), check._away_since_ms + 2 * MINUTE)
    finally:
        await redis.config_set("maxmemory", 0)
    assert "Redis is full" in caplog.text


# In running workers


@asynccontextmanager
async def working(
    url: str, sink: Sink, sources: Mapping[str, WorkerSource], *, processes: int = 1
) -> AsyncIterator[None]:
    """Workers that send events and alerts to the sink."""
    stop = asyncio.Event()
    channels = {"sink": HttpSettings(url=sink.url, timeout_s=20.0, allow_private=True)}
    settings, alerts = Settings(stop_grace_s=5), AlertSettings(channel="sink")
    tasks = [
        asyncio.create_task(
            run(settings, sources, ALL, channels, RedisSettings(url=url), alerts=alerts, stop=stop)
        )
        for _ in range(processes)
    ]
    try:
        yield
    finally:
        stop.set()
        await asyncio.gather(*tasks)


async def test_silence_reaches_a_sink_once_in_a_period_from_several_workers(
    redis_server: RedisServer, redis: Client, sink: Sink
) -> None:
    await accept(redis, "voucherify")
    expecting = {"voucherify": WorkerSource(VOUCHERIFY, 7, expect_every_s=1.0)}
    async with working(redis_server.url, sink, expecting, processes=3):
        alerts = [m for m in await until(lambda: _alerts(sink)) if m["data"]["state"] == "raised"]
        turns = KEYS.alert_lease

        async def another_look() -> bool:
            return await redis.pttl(turns) > 0

        for _ in range(2):  # the alert stays open, and further checks happen
            await redis.delete(turns)
            await until(another_look)
        assert len(_alerts(sink)) == len(alerts) == 1
        assert alerts[0]["rule"] == "alert"

        async def over() -> list[dict]:  # type: ignore[type-arg]
            await send(redis, webhook(1))  # repeatedly, because a check must follow within a second
            return [m for m in _alerts(sink) if m["data"]["state"] == "over"]

        ended = await until(over)
        assert "accepted again" in ended[0]["text"]


def _alerts(sink: Sink) -> list[dict]:  # type: ignore[type-arg]
    """Return the alerts of silence, without those of drift."""
    return [message for message in sink.got if message["event"] == "hookline.alert.silence"]


def webhook_of(age: timedelta, number: int) -> bytes:
    envelope = json.loads(VOUCHERIFY.sample(number, POINTS_ADDED))
    envelope["event"]["created_at"] = (datetime.now(UTC) - age).isoformat()
    return json.dumps(envelope).encode()


async def test_an_event_that_is_too_old_is_a_dead_letter_that_can_be_replayed(
    redis_server: RedisServer, redis: Client, sink: Sink
) -> None:
    guarded = {"voucherify": WorkerSource(VOUCHERIFY, 7, max_event_age_s=3600.0)}
    old, fresh = webhook_of(timedelta(hours=2), 1), webhook_of(timedelta(minutes=50), 2)
    await send(redis, old, fresh, b'{"no": "time"}')
    async with working(redis_server.url, sink, guarded):
        totals = await wait_until_idle(redis)
        assert (totals.processed, totals.dead_at_intake) == (2, 1)
        [letter] = await dead_letters.newest(redis)
        assert (letter.reason, letter.stage, letter.event) == ("stale", "intake", POINTS_ADDED)
        assert "max_event_age_s is 3600" in letter.error

        stored_letter = await dead_letters.get(redis, letter.id)
        assert stored_letter is not None and stored_letter.body == old
        assert await replay.replay(redis, [stored_letter])
        totals = await wait_until_idle(redis)
        assert (totals.processed, totals.dead_at_intake, totals.replayed) == (3, 0, 1)
        assert await dead_letters.count(redis) == 0

        await send(redis, old)  # sent again, it is still refused
        totals = await wait_until_idle(redis)
        assert totals.dead_at_intake == 1


async def test_a_replayed_stale_event_is_accepted_even_after_a_takeover(
    redis_server: RedisServer, redis: Client, sink: Sink
) -> None:
    """The worker that read the event dies before the commit. The stream entry says that its age is not checked."""
    guarded = {"voucherify": WorkerSource(VOUCHERIFY, 7, max_event_age_s=3600.0)}
    await send(redis, webhook_of(timedelta(hours=2), 1))
    async with working(redis_server.url, sink, guarded):
        await wait_until_idle(redis)
    [letter] = await dead_letters.newest(redis)
    stored_letter = await dead_letters.get(redis, letter.id)
    assert stored_letter is not None
    await replay.replay(redis, [stored_letter])
    [read] = await stream.read(redis, "dying", count=1, block_ms=100)
    taken = await stream.take_over(redis, "other", idle_ms=0)
    assert taken is not None and read.any_age and taken.any_age


async def test_the_monitors_of_a_worker_continue_after_a_restart_of_redis(
    own_redis: RedisServer, sink: Sink
) -> None:
    client = connect(RedisSettings(url=own_redis.url))
    expecting = {"voucherify": WorkerSource(VOUCHERIFY, 7, expect_every_s=1.0)}
    async with working(own_redis.url, sink, expecting):
        own_redis.stop()
        own_redis.start()
        await accept(client, "voucherify")
        assert await until(lambda: _alerts(sink))
    await client.aclose(close_connection_pool=True)
