"""The checks for alerts in an installation with several partitions."""

from __future__ import annotations

import logging

import pytest

from broker import dead_letters
from broker.merged.unreported import read_all_unreported
from broker.monitoring.alerts import Alert, current_alerts
from broker.monitoring.source_health import Streak, note_failures, read_sources
from broker.queue import stream
from broker.queue.batch import RawBody
from broker.redis.confirmation import Confirmation
from broker.redis.connection import Settings, connect
from broker.redis.errors import Unavailable
from broker.redis.partitions import Partitions
from tests.inspector.stack import add_stored
from tests.redis_server import RedisServer
from tests.worker.monitoring.test_dead_letter_monitor import stored_letter
from tests.worker.monitoring.test_monitors import MINUTE, SOURCE, now
from worker.monitoring.alerts import Alerts
from worker.monitoring.monitors import Monitors
from worker.monitoring.partition_monitor import PartitionMonitor
from worker.settings import AlertSettings


def monitors(partitions: Partitions) -> Monitors:
    settings = AlertSettings(dead_total=3)
    return Monitors(partitions, {"shop": SOURCE}, Alerts(partitions.control, None, settings), settings)


async def holding(partitions: Partitions) -> dict[str, Alert]:
    return {alert.name: alert for alert in await current_alerts(partitions.control, now_ms=0)}


def sent(caplog: pytest.LogCaptureFixture, kind: str, action: str = "alert") -> list[str]:
    return [
        record.message
        for record in caplog.records
        if getattr(record, "kind", "") == kind and getattr(record, "action", "") == action
    ]


async def test_a_group_that_is_new_in_two_partitions_is_reported_once(
    three_partitions: Partitions, caplog: pytest.LogCaptureFixture
) -> None:
    for number in (1, 2):
        await add_stored(three_partitions[number], [stored_letter("order.created")])
    await monitors(three_partitions).check(now())
    [text] = sent(caplog, "dead_new")
    assert "a new group of dead letters" in text and "order.created" in text

    await add_stored(three_partitions[0], [stored_letter("order.created")])
    assert (await read_all_unreported(three_partitions)).known
    await monitors(three_partitions).check(now() + 3600_000)
    assert len(sent(caplog, "dead_new")) == 1
    unreported = await dead_letters.read_unreported(three_partitions[0])
    assert not unreported.new


async def test_a_group_stays_reported_if_a_worker_died_before_all_partitions_knew(
    three_partitions: Partitions, caplog: pytest.LogCaptureFixture
) -> None:
    stored = stored_letter("order.created")
    for number in (1, 2):
        await add_stored(three_partitions[number], [stored])
    await dead_letters.forget_new(three_partitions[1], {stored.letter.fingerprint: stored.letter.id})
    await monitors(three_partitions).check(now())
    assert not sent(caplog, "dead_new")
    assert not (await dead_letters.read_unreported(three_partitions[2])).new


async def test_dead_letters_of_all_partitions_count(three_partitions: Partitions) -> None:
    for redis in three_partitions:
        await add_stored(redis, [stored_letter("order.created")])
    await monitors(three_partitions).check(now())
    assert "3 dead letters stored" in (await holding(three_partitions))["dead_total:"].text


async def test_purged_letters_of_all_partitions_are_one_number(
    three_partitions: Partitions, caplog: pytest.LogCaptureFixture
) -> None:
    for number, purged in ((0, 2), (2, 5)):
        await three_partitions[number].hset(three_partitions[number].names.stats_total, "purged", purged)
    for _ in range(2):
        await monitors(three_partitions).check(now())
    [text] = sent(caplog, "dead_purged")
    assert "7 dead letters were deleted" in text


async def test_an_outage_is_over_when_another_partition_accepts(three_partitions: Partitions) -> None:
    at, check = now(), monitors(three_partitions)
    await note_failures(three_partitions.control, [Streak("shop", "failing", at - 1000, at - 10, 3, 503)])
    await check.check(at + 3 * MINUTE)
    assert "outage:shop" in await holding(three_partitions)
    await stream.append(three_partitions[2], [RawBody(0, "shop", "", b"{}")], Confirmation())
    await check.check(at + 4 * MINUTE)
    assert "outage:shop" not in await holding(three_partitions)
    facts = (await read_sources(three_partitions.control, ["shop"]))["shop"]
    assert (facts.failing_since_ms, facts.outage_until_ms) == (0, at - 10)


async def test_alerts_do_not_end_while_a_partition_that_caused_them_is_away(
    spread_partitions: Partitions, own_redis: RedisServer
) -> None:
    check = monitors(spread_partitions)
    await add_stored(spread_partitions[1], [stored_letter("order.created") for _ in range(3)])
    await check.check(now())
    own_redis.kill()
    await check.check(now())
    assert "dead_total:" in await holding(spread_partitions)


async def test_a_partition_that_is_away_for_a_minute_is_an_alert_until_it_is_back(
    spread_partitions: Partitions, own_redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "hookline.worker")
    settings, at = AlertSettings(), now()
    monitor = PartitionMonitor(
        spread_partitions, Alerts(spread_partitions.control, None, settings), lambda: (0, 1)
    )
    own_redis.kill()
    await monitor.check(at)
    await monitor.check(at + MINUTE - 1)
    assert not await holding(spread_partitions)
    for minutes in (1, 2):
        await monitor.check(at + minutes * MINUTE)
    [text] = sent(caplog, "partition")
    assert text.startswith("partition 1 of Redis accepts no writes of this worker since")
    alert = (await holding(spread_partitions))["partition:1"]
    assert alert.ends_ms > at + 2 * MINUTE, "it ends by itself if this worker stops"

    own_redis.start()
    spread_partitions.away.clear()
    for _ in range(2):
        await monitor.check(at + 3 * MINUTE)
    assert not await holding(spread_partitions)
    [ended] = sent(caplog, "partition", "alert_over")
    assert "partition 1 of Redis is back" in ended


async def test_the_control_partition_that_is_away_is_an_alert_without_redis(
    own_redis: RedisServer, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    partitions = Partitions(
        [
            connect(Settings(url=own_redis.url, connect_timeout_s=0.5), retries=0),
            connect(Settings(url=redis_server.url), partition=1),
        ]
    )
    check, at = monitors(partitions), now()
    own_redis.kill()
    with pytest.raises(Unavailable):
        await check.check(at)
    await check.note_redis_unreachable(Unavailable("refused"), at)
    await check.note_redis_unreachable(Unavailable("refused"), at + MINUTE)
    await partitions.aclose()
    [text] = sent(caplog, "redis")
    assert text.startswith("the control partition (0) of Redis accepts no writes")
    assert "tries" not in text, "the other partition takes the webhooks"
