"""Alerts about dead letters: at most one a period through a channel, and they make no dead letters themselves."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import msgspec
import pytest
from aiohttp import web

from broker import dead_letters
from broker.dead_letters import StoredDeadLetter, died_at_intake, replay
from broker.monitoring.alerts import current_alerts
from broker.queue.batch import RawBody
from broker.redis.client import Client
from broker.redis.partitions import Partitions
from tests.inspector.stack import add_stored
from tests.names import KEYS
from tests.sink import Sink
from tests.until import until
from tests.worker.conftest import send, wait_until_idle, webhook
from tests.worker_process import Parts, WorkerProcess
from worker.channels.channel import Channel, open_channels
from worker.channels.settings import HttpSettings
from worker.monitoring.alerts import Alerts
from worker.monitoring.dead_letter_monitor import DeadLetterMonitor
from worker.settings import AlertSettings

NOW = 1_795_000_000_000
BROKEN = b'{"customer":{"name":"Ann Lee"},'
REFUSED = web.HTTPBadRequest.status_code
ALERTING = Parts(alerts=AlertSettings(channel="sink"), expect_every_s=1.0)

Guard = Callable[..., DeadLetterMonitor]
Start = Callable[..., WorkerProcess]


@pytest.fixture
async def channel(sink: Sink) -> AsyncIterator[Channel]:
    opened = open_channels({"ops": HttpSettings(url=sink.url, timeout_s=20.0, allow_private=True)})
    yield opened["ops"]
    await opened["ops"].close()


@pytest.fixture
def guard(redis: Client, channel: Channel) -> Iterator[Guard]:
    """Monitors that report through the sink."""

    def make(**settings: Any) -> DeadLetterMonitor:
        rule = AlertSettings(channel="ops", **settings)
        return DeadLetterMonitor(Partitions([redis]), Alerts(redis, channel, rule), rule)

    yield make


def stored_letter(event: str, error_class: str = "ValidationError") -> StoredDeadLetter:
    body = RawBody(1, "shop", event, BROKEN)
    return died_at_intake(
        body, reason="undecodable", error="Ann Lee is no number", error_class=error_class, path="$.customer"
    )


async def period_over(redis: Client, kind: str) -> None:
    assert await redis.delete(f"{KEYS.alert}{kind}:")  # as the end of the alert would


def messages(sink: Sink, kind: str, state: str = "raised") -> list[dict[str, Any]]:
    event = f"hookline.alert.{kind}"
    return [m for m in sink.got if m["event"] == event and m["data"]["state"] == state]


async def holding(redis: Client) -> list[str]:
    return [alert.kind for alert in await current_alerts(redis, now_ms=NOW)]


# The messages


async def test_a_new_group_is_reported_once_and_without_personal_data(
    redis: Client, sink: Sink, guard: Guard
) -> None:
    await add_stored(redis, [stored_letter("order.created"), stored_letter("order.created")])
    for number in range(3):
        await guard().check(NOW + number)
    [message] = sink.got
    assert (message["rule"], message["event"]) == ("alert", "hookline.alert.dead_new")
    assert "order.created" in message["text"] and "$.customer" in message["text"]
    assert "Ann" not in json.dumps(message)
    assert message["data"]["groups"][0]["fingerprint"] == stored_letter("order.created").letter.fingerprint
    assert await holding(redis) == ["dead_new"]
    await period_over(redis, "dead_new")
    await add_stored(redis, [stored_letter("order.created")])  # the group is not new any more
    await guard().check(NOW)
    assert len(sink.got) == 1


async def test_new_groups_of_a_period_wait_for_the_next_and_are_one_message(
    redis: Client, sink: Sink, guard: Guard
) -> None:
    await add_stored(redis, [stored_letter("order.1")])
    await guard().check(NOW)
    for number in (2, 3):
        await add_stored(redis, [stored_letter(f"order.{number}")])
        await guard().check(NOW)
    assert len(sink.got) == 1
    await period_over(redis, "dead_new")
    await guard().check(NOW + 1_800_000)
    _, second = sink.got
    assert second["data"]["new"] == 2
    assert "order.2" in second["text"] and "order.3" in second["text"] and "order.1" not in second["text"]


async def test_the_alert_of_new_groups_is_over_with_the_last_dead_letter(
    redis: Client, sink: Sink, guard: Guard
) -> None:
    stored = stored_letter("order.1")
    await add_stored(redis, [stored])
    await guard().check(NOW)
    await dead_letters.discard(redis, [stored.letter])
    for _ in range(2):
        await guard().check(NOW)
    assert len(messages(sink, "dead_new", "over")) == 1
    assert await holding(redis) == []


async def test_new_groups_found_while_the_alert_is_disabled_are_not_reported_later(
    redis: Client, sink: Sink, guard: Guard
) -> None:
    await add_stored(redis, [stored_letter("order.1")])
    await guard(dead_new=False).check(NOW)
    await guard().check(NOW)
    assert not sink.got


async def test_a_group_that_only_a_newer_version_can_read_is_reported_by_its_fingerprint(
    redis: Client, sink: Sink, guard: Guard
) -> None:
    stored = stored_letter("order.1")
    await add_stored(redis, [stored])
    unreadable = msgspec.msgpack.encode(["mixed", "", "", "of a newer version", ""])
    await redis.set(KEYS.dead + stored.letter.id, unreadable)
    await guard().check(NOW)
    assert stored.letter.fingerprint in sink.got[0]["text"]


async def test_the_alert_of_the_rate_lasts_while_so_many_die_even_if_some_are_replayed(
    redis: Client, sink: Sink, guard: Guard
) -> None:
    rule = guard(dead_new=False, dead_per_minute=0.6)
    await add_stored(redis, [stored_letter("order.1"), stored_letter("order.1")])
    await rule.check(NOW)
    assert not sink.got
    stored = [stored_letter("order.1"), stored_letter("order.1")]
    await add_stored(redis, stored)
    assert await replay.replay(redis, stored) == 2
    await rule.check(NOW)
    assert (await current_alerts(redis, now_ms=0))[0].since_ms == NOW
    await rule.check(NOW + 60_000)
    assert (await current_alerts(redis, now_ms=0))[0].since_ms == NOW
    [message] = sink.got
    assert (message["event"], message["data"]["died"]) == ("hookline.alert.dead_rate", 4)

    await redis.delete(
        *[key async for key in redis.scan_iter(KEYS.stats_minute + "[0-9]*")]
    )  # as if five minutes had passed
    await rule.check(NOW + 300_000)
    assert len(messages(sink, "dead_rate", "over")) == 1
    assert await holding(redis) == []


async def test_the_alert_of_the_total_lasts_until_enough_were_processed(
    redis: Client, sink: Sink, guard: Guard
) -> None:
    rule = guard(dead_new=False, dead_total=3)
    stored = [stored_letter("order.1") for _ in range(3)]
    await add_stored(redis, stored[:2])
    await rule.check(NOW)
    assert not sink.got
    await add_stored(redis, stored[2:])
    for _ in range(2):
        await rule.check(NOW)
    assert [message["data"]["letters"] for message in messages(sink, "dead_total")] == [3]
    await dead_letters.discard(redis, [stored[0].letter])
    await rule.check(NOW)
    assert "2 dead letters left" in messages(sink, "dead_total", "over")[0]["text"]


async def test_purged_letters_since_the_last_report_are_reported_by_number(
    redis: Client, sink: Sink, guard: Guard
) -> None:
    stored = [stored_letter("order.1") for _ in range(6)]
    await add_stored(redis, stored)
    rule = guard(dead_new=False)
    for letters in (stored[:1], stored[1:3], stored[3:4]):
        await dead_letters.discard(redis, [one.letter for one in letters], counter="purged")
        for _ in range(2):
            await rule.check(NOW)
    assert [message["data"]["purged"] for message in messages(sink, "dead_purged")] == [1]
    await period_over(redis, "dead_purged")
    await dead_letters.discard(redis, [stored[4].letter])  # by a person: nothing to report
    await rule.check(NOW)
    assert [message["data"]["purged"] for message in messages(sink, "dead_purged")] == [1, 3]
    assert await holding(redis) == ["dead_purged"]


async def test_after_a_failover_that_lost_purges_the_next_one_is_reported(
    redis: Client, sink: Sink, guard: Guard
) -> None:
    await redis.set(KEYS.dead_reported, 100)
    await redis.hset(KEYS.stats_total, "purged", "7")  # type: ignore[misc]
    await guard().check(NOW)
    assert not sink.got
    await redis.hset(KEYS.stats_total, "purged", "9")  # type: ignore[misc]
    await guard().check(NOW)
    assert [message["data"]["purged"] for message in messages(sink, "dead_purged")] == [2]


# When things go wrong


async def test_an_alert_that_a_channel_refuses_permanently_makes_no_dead_letter_and_is_not_lost(
    redis: Client, sink: Sink, guard: Guard, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "hookline.worker")
    sink.answer = lambda _n, _times: web.Response(status=404)
    stored = [stored_letter("order.1"), stored_letter("order.2")]
    await add_stored(redis, stored)
    await dead_letters.discard(redis, [stored[0].letter], counter="purged")
    rule = guard(dead_total=1)
    kinds = ("dead_total", "dead_new", "dead_purged")
    for _ in range(3):
        await rule.check(NOW)
        for kind in kinds:
            assert await redis.pttl(f"{KEYS.alert}{kind}:") <= 60_000  # and then it is tried again
            await period_over(redis, kind)
    assert await dead_letters.count(redis) == 1
    assert await redis.zcard(KEYS.queue) == 0
    assert sum(getattr(record, "action", "") == "alert_unsent" for record in caplog.records) == 9

    sink.answer = lambda _n, _times: web.Response()
    sink.got.clear()
    await rule.check(NOW)
    assert [len(messages(sink, kind)) for kind in kinds] == [1, 1, 1]
    assert messages(sink, "dead_new")[0]["data"]["new"] == 2


async def test_an_alert_repeated_after_a_crash_has_the_same_key_unless_its_content_grew(
    redis: Client, sink: Sink, guard: Guard
) -> None:
    """A receiver ignores a message with a known key, so a message with another group must have another key."""
    await add_stored(redis, [stored_letter("order.1")])
    unreported = await redis.hgetall(KEYS.dead_unreported)  # type: ignore[misc]
    for _ in range(2):
        await guard().check(NOW)
        await period_over(redis, "dead_new")
        await redis.hset(KEYS.dead_unreported, mapping=unreported)  # type: ignore[misc]
    assert list(sink.times.values()) == [2]
    await add_stored(redis, [stored_letter("order.2")])
    await guard().check(NOW)
    assert list(sink.times.values()) == [2, 1]


# On running workers


async def test_several_workers_report_a_new_group_once(redis: Client, sink: Sink, worker: Start) -> None:
    for _ in range(3):
        worker(parts=ALERTING)
    await send(redis, BROKEN)
    await until(lambda: messages(sink, "dead_new"))
    for _ in range(3):  # further checks happen
        await redis.delete(KEYS.alert_lease)
        await until(lambda: _is_there(redis, KEYS.alert_lease))
    assert len(messages(sink, "dead_new")) == 1
    assert await redis.hlen(KEYS.dead_unreported) == 0  # type: ignore[misc]


async def test_the_alert_of_a_worker_killed_while_sending_is_sent_again_by_another(
    redis: Client, sink: Sink, worker: Start
) -> None:
    first: list[WorkerProcess] = []

    def answer(notification: dict[str, Any], _times: int) -> web.Response:
        if first and notification["event"] == "hookline.alert.dead_new":
            first.pop().kill()
        return web.Response()

    sink.answer = answer
    first.append(worker(parts=ALERTING))
    await send(redis, BROKEN)
    await until(lambda: messages(sink, "dead_new"))
    assert await redis.hlen(KEYS.dead_unreported) == 1  # type: ignore[misc]
    await period_over(redis, "dead_new")
    worker(parts=ALERTING)
    await until(lambda: _is_empty(redis, KEYS.dead_unreported))
    once, again = messages(sink, "dead_new")
    assert once["key"] == again["key"] and once["text"] == again["text"]


async def test_the_alert_goes_through_the_very_channel_whose_notifications_die(
    redis: Client, sink: Sink, worker: Start
) -> None:
    sink.answer = lambda _n, _times: web.Response(status=REFUSED)
    worker(parts=ALERTING)
    await send(redis, webhook(1), webhook(2))
    totals = await wait_until_idle(redis)
    assert (totals.dead, totals.died) == (2, 2)
    await until(lambda: messages(sink, "dead_new"))
    sink.answer = lambda _n, _times: web.Response()
    refused = len(messages(sink, "dead_new"))
    await period_over(redis, "dead_new")
    await until(lambda: len(messages(sink, "dead_new")) > refused)
    assert "channel sink" in messages(sink, "dead_new")[-1]["text"]
    totals = await wait_until_idle(redis)
    assert (totals.created, totals.dead, totals.died) == (2, 2, 2)
    assert await dead_letters.count(redis) == 2


async def _is_there(redis: Client, key: str) -> bool:
    return bool(await redis.exists(key))


async def _is_empty(redis: Client, key: str) -> bool:
    return not await redis.exists(key)
