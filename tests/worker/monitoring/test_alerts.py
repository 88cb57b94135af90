"""Alerts: sent once a period by one of many workers, and ended once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from broker.dead_letters import count as count_dead_letters
from broker.monitoring.alerts import Alert, current_alerts, forget_ended
from broker.monitoring.stats import read_totals
from broker.redis.client import Client
from broker.redis.connection import Settings as RedisSettings
from broker.redis.connection import connect
from tests.names import KEYS
from tests.redis_server import RedisServer
from tests.sink import Sink
from worker.channels.channel import Channel, open_channels
from worker.channels.settings import HttpSettings
from worker.monitoring.alerts import Alerts
from worker.settings import AlertSettings

NOW = 1_795_000_000_000
OUTAGE = Alert(kind="outage", source="shop", since_ms=NOW - 5000, text="shop: no webhook", data={"answers": 3})


@pytest.fixture
async def channel(sink: Sink) -> AsyncIterator[Channel]:
    opened = open_channels({"ops": HttpSettings(url=sink.url, timeout_s=20.0, allow_private=True)})
    yield opened["ops"]
    await opened["ops"].close()


def alerts(redis: Client, channel: Channel | None, *, period_s: float = 1800.0) -> Alerts:
    return Alerts(redis, channel, AlertSettings(channel="ops", period_s=period_s))


def lines(caplog: pytest.LogCaptureFixture, action: str) -> list[str]:
    return [record.message for record in caplog.records if getattr(record, "action", "") == action]


async def test_many_workers_send_an_alert_once_a_period(redis: Client, sink: Sink, channel: Channel) -> None:
    workers = [alerts(redis, channel) for _ in range(5)]
    sent = await asyncio.gather(*(worker.hold(OUTAGE) for worker in workers for _ in range(3)))
    assert sum(sent) == 1
    [message] = sink.got
    assert (message["rule"], message["event"], message["source"]) == ("alert", "hookline.alert.outage", "shop")
    assert message["text"] == "shop: no webhook"
    assert message["data"] == {"answers": 3, "state": "raised", "since_ms": NOW - 5000}
    assert (await read_totals(redis)).alerts == 1
    assert 1_700_000 < await redis.pttl(KEYS.alert + "outage:shop") <= 1_800_000


async def test_an_open_alert_is_sent_again_in_the_next_period(redis: Client, sink: Sink, channel: Channel) -> None:
    worker = alerts(redis, channel)
    assert await worker.hold(OUTAGE, now_ms=NOW)
    await redis.delete(KEYS.alert + "outage:shop")  # as the end of the alert would
    assert await worker.hold(OUTAGE, now_ms=NOW + 1_800_000)
    assert len(sink.times) == 2


async def test_all_workers_use_the_same_key_for_a_period(redis: Client, sink: Sink, channel: Channel) -> None:
    for _ in range(2):  # the first dies right after it sent, so its mark ends early
        await alerts(redis, channel).hold(OUTAGE, now_ms=NOW)
        await redis.delete(KEYS.alert + "outage:shop")
    assert list(sink.times.values()) == [2]


async def test_while_an_alert_is_sent_its_mark_is_short_so_that_a_killed_sender_is_replaced(
    redis: Client, sink: Sink, channel: Channel
) -> None:
    left_ms = []

    async def look(_n: object, _times: int) -> web.Response:
        left_ms.append(await redis.pttl(KEYS.alert + "outage:shop"))
        return web.Response()

    sink.answer = look
    await alerts(redis, channel).hold(OUTAGE)
    assert 0 < left_ms[0] <= 60_000


async def test_alerts_of_other_kinds_and_sources_are_sent_too(redis: Client, sink: Sink, channel: Channel) -> None:
    worker = alerts(redis, channel)
    for kind, source in (("outage", "shop"), ("outage", "club"), ("silence", "shop")):
        assert await worker.raise_alert(kind, source, f"{kind} at {source}", {})
    assert len(sink.got) == 3
    assert {alert.name for alert in await current_alerts(redis, now_ms=NOW)} == {
        "outage:shop",
        "outage:club",
        "silence:shop",
    }


async def test_a_channel_that_fails_is_tried_a_few_times_and_leaves_no_dead_letter(
    redis: Client,
    sink: Sink,
    channel: Channel,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("worker.monitoring.alerts._PAUSE_S", 0.01)
    sink.answer = lambda _n, _times: web.Response(status=503)
    assert not await alerts(redis, channel).hold(OUTAGE)
    assert list(sink.times.values()) == [3]
    assert await count_dead_letters(redis) == 0
    assert lines(caplog, "alert_unsent")
    assert 0 < await redis.pttl(KEYS.alert + "outage:shop") <= 60_000  # sent again in a minute


async def test_a_channel_that_refuses_is_not_tried_again(redis: Client, sink: Sink, channel: Channel) -> None:
    sink.answer = lambda _n, _times: web.Response(status=404)
    assert not await alerts(redis, channel).hold(OUTAGE)
    assert list(sink.times.values()) == [1]


async def test_without_a_channel_an_alert_is_a_log_line(redis: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "hookline.worker")
    worker = alerts(redis, None)
    assert await worker.hold(OUTAGE)
    assert not await worker.hold(OUTAGE)
    assert await worker.end(OUTAGE, "shop: webhooks again")
    assert lines(caplog, "alert") == ["shop: no webhook"]
    assert lines(caplog, "alert_over") == ["shop: webhooks again"]


async def test_the_end_of_an_alert_is_sent_once_and_only_if_its_start_was_sent(
    redis: Client, sink: Sink, channel: Channel
) -> None:
    workers = [alerts(redis, channel) for _ in range(3)]
    assert not await workers[0].end(OUTAGE, "over")
    await workers[0].hold(OUTAGE)
    ended = await asyncio.gather(*(worker.end(OUTAGE, "over") for worker in workers))
    assert sum(ended) == 1
    assert [message["data"]["state"] for message in sink.got] == ["raised", "over"]

    await workers[1].hold(OUTAGE)  # the alert flaps: no further message in this period
    assert await current_alerts(redis, now_ms=NOW)
    assert not await workers[2].end(OUTAGE, "over")
    assert len(sink.got) == 2


async def test_an_alert_with_an_end_is_shown_until_then_and_forgotten(redis: Client) -> None:
    worker = alerts(redis, None)
    assert await worker.raise_alert("drift", "shop", "look there", {}, holds_s=3600)
    [alert] = await current_alerts(redis, now_ms=NOW)
    assert await current_alerts(redis, now_ms=alert.ends_ms) == []
    await forget_ended(redis, now_ms=alert.ends_ms - 1)
    assert await redis.hlen(KEYS.alerts) == 1  # type: ignore[misc]
    await forget_ended(redis, now_ms=alert.ends_ms)
    assert await redis.hlen(KEYS.alerts) == 0  # type: ignore[misc]


async def test_a_one_time_alert_is_not_sent_again_in_the_next_period(redis: Client) -> None:
    disabled = Alert(kind="disabled", source="shop", since_ms=NOW, text="look there", ends_ms=NOW + 3_600_000)
    assert await alerts(redis, None, period_s=1).hold(disabled, now_ms=NOW, once=True)
    assert await redis.pttl(KEYS.alert + "disabled:shop") > 3_500_000


async def test_without_redis_each_process_reports_once_a_period_and_the_end_too(
    own_redis: RedisServer, sink: Sink, channel: Channel
) -> None:
    client = connect(RedisSettings(url=own_redis.url), retries=0)
    worker = alerts(client, channel)
    own_redis.stop()
    assert await worker.hold(OUTAGE)
    assert not await worker.hold(OUTAGE)
    own_redis.start()
    assert await worker.end(OUTAGE, "over")
    assert not await worker.end(OUTAGE, "over")
    assert [message["data"]["state"] for message in sink.got] == ["raised", "over"]
    await client.aclose(close_connection_pool=True)


async def test_alert_facts_that_cannot_be_sent_cause_no_failure(
    redis: Client, caplog: pytest.LogCaptureFixture
) -> None:
    assert not await alerts(redis, None).raise_alert("odd", "shop", "odd", {"fact": object()})
    assert lines(caplog, "alert_failed")
