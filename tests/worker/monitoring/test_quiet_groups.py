"""Alerts about dead letters whose failure groups people have resolved or muted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from broker.dead_letters import group_states
from broker.monitoring import audit
from broker.monitoring.alerts import current_alerts
from broker.redis.client import Client
from broker.redis.clock import now_ms
from broker.redis.partitions import Partitions
from inspector.operations.groups import group_changes
from tests.inspector.stack import add_stored
from tests.names import KEYS
from tests.sink import Sink
from tests.worker.monitoring.test_dead_letter_monitor import messages, period_over, stored_letter
from worker.channels.channel import Channel, open_channels
from worker.channels.settings import HttpSettings
from worker.monitoring.alerts import Alerts
from worker.monitoring.dead_letter_monitor import DeadLetterMonitor
from worker.settings import AlertSettings

NAME = stored_letter("order.created").letter.fingerprint


@pytest.fixture
async def ops(sink: Sink) -> AsyncIterator[Channel]:
    opened = open_channels({"ops": HttpSettings(url=sink.url, timeout_s=20.0, allow_private=True)})
    yield opened["ops"]
    await opened["ops"].close()


async def check(partitions: Partitions, ops: Channel, settings: AlertSettings | None = None) -> None:
    rule = settings or AlertSettings(channel="ops")
    alerts = Alerts(partitions.control, ops, rule)
    await DeadLetterMonitor(partitions, alerts, rule).check(await now_ms(partitions.control))


async def test_a_resolved_group_that_returns_is_opened_and_raises_the_alert_again(
    three_partitions: Partitions, sink: Sink, ops: Channel
) -> None:
    control = three_partitions.control
    await add_stored(three_partitions[1], [stored_letter("order.created")])
    await check(three_partitions, ops)
    await period_over(control, "dead_new")
    await group_changes.resolve(three_partitions, NAME, by="ann")
    await check(three_partitions, ops)
    assert len(messages(sink, "dead_new")) == 1

    await add_stored(three_partitions[2], [stored_letter("order.created")])
    await check(three_partitions, ops)

    first, second = messages(sink, "dead_new")
    assert "which has returned after it was resolved" in second["text"]
    assert second["data"]["groups"][0]["has_returned"] and not first["data"]["groups"][0]["has_returned"]
    assert first["key"] != second["key"], "a receiver would take it for the same alert"
    state = (await group_states.read(control))[NAME]
    assert (state.name(0), state.resolved_by) == ("open", "ann")
    assert state.returned_ms
    assert [(row.audit_entry.by, row.audit_entry.what) for row in await audit.read(control)] == [
        ("alerts", "reopen"),
        ("ann", "resolve"),
    ]
    await period_over(control, "dead_new")
    await add_stored(three_partitions[0], [stored_letter("order.created")])
    await check(three_partitions, ops)
    assert len(messages(sink, "dead_new")) == 2, "it is open, and its alert was sent"


async def test_a_muted_group_raises_no_alert_as_a_new_one_until_its_time_is_over(
    redis: Client, partitions: Partitions, sink: Sink, ops: Channel
) -> None:
    await add_stored(redis, [stored_letter("order.created"), stored_letter("order.paid")])
    until_ms = await now_ms(redis) + 60_000
    await group_changes.mute(partitions, NAME, by="ann", until_ms=until_ms)
    await check(partitions, ops)
    [message] = messages(sink, "dead_new")
    assert message["data"]["new"] == 1 and "order.paid" in message["text"]
    assert not await redis.exists(KEYS.dead_unreported)

    await redis.hset(KEYS.dead_group + NAME, "muted_until_ms", 1)  # type: ignore[misc]
    await period_over(redis, "dead_new")
    await redis.zrem(KEYS.dead_groups, NAME)  # as after a month
    await add_stored(redis, [stored_letter("order.created")])
    await check(partitions, ops)
    assert "order.created" in messages(sink, "dead_new")[-1]["text"]


async def test_letters_of_muted_and_resolved_groups_do_not_count_for_alerts_about_numbers(
    three_partitions: Partitions, sink: Sink, ops: Channel
) -> None:
    limits = AlertSettings(channel="ops", dead_new=False, dead_total=3, dead_per_minute=0.6)
    for redis in three_partitions:
        await add_stored(redis, [stored_letter("order.created")])
    await check(three_partitions, ops, limits)
    assert [len(messages(sink, kind)) for kind in ("dead_total", "dead_rate")] == [1, 1]

    await group_changes.mute(three_partitions, NAME, by="ann")
    await check(three_partitions, ops, limits)
    assert [len(messages(sink, kind, "over")) for kind in ("dead_total", "dead_rate")] == [1, 1]
    assert not await current_alerts(three_partitions.control, now_ms=0)

    await group_changes.unmute(three_partitions, NAME, by="ann")
    await group_changes.resolve(three_partitions, NAME, by="ann")
    for kind in ("dead_total", "dead_rate"):
        await period_over(three_partitions.control, kind)
    await check(three_partitions, ops, limits)
    assert [len(messages(sink, kind)) for kind in ("dead_total", "dead_rate")] == [1, 2]


async def test_a_group_that_is_resolved_and_returns_while_its_alert_is_sent_is_not_lost(
    redis: Client, partitions: Partitions, sink: Sink, ops: Channel
) -> None:
    is_sending, may_go_on = asyncio.Event(), asyncio.Event()

    async def answer(_: object, __: int) -> web.Response:
        is_sending.set()
        await may_go_on.wait()
        return web.Response()

    sink.answer = answer
    await add_stored(redis, [stored_letter("order.created")])
    checking = asyncio.create_task(check(partitions, ops))
    await is_sending.wait()
    await group_changes.resolve(partitions, NAME, by="ann")
    await add_stored(redis, [stored_letter("order.created")])
    may_go_on.set()
    await checking
    assert await redis.hexists(KEYS.dead_unreported, NAME)  # type: ignore[misc]
