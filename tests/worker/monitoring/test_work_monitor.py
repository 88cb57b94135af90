"""Alerts about work that waits: each is raised when it should be, once, and ends."""

from __future__ import annotations

import logging
import time

import pytest

from broker.merged import channels as all_channels
from broker.monitoring.alerts import Alert, current_alerts
from broker.monitoring.reportable import Reportable, read_reportable, sum_reportable
from broker.monitoring.spilled import Spilled, report_spilled
from broker.queue import channel_state, stream
from broker.queue.batch import RawBody
from broker.queue.channel_state import Channel
from broker.redis.client import Client
from broker.redis.confirmation import Confirmation
from broker.redis.partitions import Partitions
from broker.steps.settle import ChannelFeedback, Settled
from tests.broker.claiming import claim
from tests.names import KEYS
from tests.settling import settle
from worker.monitoring.alerts import Alerts
from worker.monitoring.work_conditions import KINDS, WorkFacts, end_text, work_alerts
from worker.monitoring.work_monitor import WorkMonitor
from worker.monitoring.worker_watch import WorkerWatch
from worker.settings import AlertSettings

MINUTE = 60_000
NOW = 1_800_000_000_000
SETTINGS = AlertSettings()


def now() -> int:
    return time.time_ns() // 1_000_000


class Watched:
    """A monitor, and the alerts that it sent."""

    def __init__(self, redis: Client, caplog: pytest.LogCaptureFixture) -> None:
        self._redis = redis
        self._log = caplog
        self.partitions = Partitions([redis])
        self._monitor = WorkMonitor(self.partitions, Alerts(redis, None, SETTINGS), SETTINGS)
        caplog.set_level(logging.INFO, "hookline.worker")

    async def check(self, *, later_ms: int = 0) -> list[str]:
        """Check as if `later_ms` had passed; return the texts that were sent."""
        self._log.clear()
        counts = sum_reportable({0: await read_reportable(self._redis, minutes=5)})
        # The script returns only times that have passed, by the clock of Redis.
        await self._monitor.check(counts, now() + later_ms)
        return [record.getMessage() for record in self._log.records]


@pytest.fixture
def watched(redis: Client, caplog: pytest.LogCaptureFixture) -> Watched:
    return Watched(redis, caplog)


async def fail(redis: Client, *, failures: int, succeeded: bool = False, cause: str = "cannot connect") -> None:
    """Record sends through the channel crm: failures, or a success."""
    job_id = "0" * 17 + ".9"
    await redis.set(KEYS.job + job_id, b"job")
    await redis.zadd(KEYS.queue, {job_id: now()})
    await claim(redis, "me", count=1, lease_ms=60_000)
    feedback = ChannelFeedback("crm", 3, 30_000, 30_000, succeeded, failures, cause)
    await settle(redis, "me", job_id, [Settled(0, "sent")], feedback=feedback)
    await redis.delete(KEYS.job + job_id, KEYS.done + job_id)
    await redis.zrem(KEYS.queue, job_id)


async def test_nothing_waits_and_nothing_is_alerted(watched: Watched) -> None:
    assert await watched.check(later_ms=MINUTE) == []


async def test_a_channel_that_fails_for_long_is_alerted_once_with_its_cause_and_once_when_it_is_over(
    redis: Client, watched: Watched
) -> None:
    await fail(redis, failures=3)
    await redis.zadd(KEYS.held_jobs + "crm", {"0" * 17 + ".64": 1, "1" * 17 + ".9": 2})

    assert await watched.check() == []
    [text] = await watched.check(later_ms=2 * MINUTE)
    assert text.startswith("Channel crm: cannot connect, 73 notifications held since ")
    assert await watched.check(later_ms=3 * MINUTE) == []
    await fail(redis, failures=0, succeeded=True)
    assert await watched.check(later_ms=4 * MINUTE) == ["Channel crm: notifications are sent again"]
    assert await watched.check(later_ms=5 * MINUTE) == []


async def test_a_channel_that_fails_longer_is_said_to_fail_since_its_first_failure(redis: Client) -> None:
    await fail(redis, failures=1)
    [before] = await channel_state.read_channels(redis)
    await fail(redis, failures=5, cause="answers 503")
    [after] = await channel_state.read_channels(redis)
    assert (after.failing_since_ms, after.cause) == (before.failing_since_ms, "answers 503")


async def test_a_channel_that_is_paused_for_long_is_alerted_until_it_is_resumed(
    redis: Client, watched: Watched
) -> None:
    await channel_state.pause(redis, "crm", by="ann")

    assert await watched.check(later_ms=10 * MINUTE) == []
    [text] = await watched.check(later_ms=16 * MINUTE)
    assert text.startswith("Channel crm: paused since ")
    await channel_state.resume(redis, "crm", by="ann")
    assert await watched.check(later_ms=17 * MINUTE) == ["Channel crm is not paused any more"]


async def test_a_webhook_that_no_worker_takes_is_alerted(redis: Client, watched: Watched) -> None:
    await stream.append(redis, [RawBody(0, "shop", "", b"{}")], Confirmation())

    assert await watched.check() == []
    [text] = await watched.check(later_ms=2 * MINUTE)
    assert text.startswith("the oldest webhook in the queue waits for a worker since ")
    await redis.delete(KEYS.stream)
    assert await watched.check(later_ms=2 * MINUTE) == ["the queue of webhooks is worked off again"]


@pytest.mark.parametrize(("key", "text"), [("queue", "a notification that is due"), ("digests_ends", "a digest")])
async def test_due_work_that_no_worker_takes_is_alerted(
    redis: Client, watched: Watched, key: str, text: str
) -> None:
    await redis.zadd(getattr(KEYS, key), {"later": now() + MINUTE})
    assert await watched.check(later_ms=2 * MINUTE) == []
    await redis.zadd(getattr(KEYS, key), {"late": now() - 2 * MINUTE})
    [sent] = await watched.check()
    assert sent.startswith(text)
    await redis.delete(getattr(KEYS, key))
    assert len(await watched.check()) == 1


async def test_webhooks_on_disk_are_alerted_at_once(redis: Client, watched: Watched) -> None:
    await report_spilled(redis, "host:/spill", Spilled(segments=1, bodies=12, bytes=100, oldest_ms=1, at_ms=1))
    [text] = await watched.check()
    assert text.startswith("12 webhooks on disk")
    await report_spilled(redis, "host:/spill", Spilled())
    assert await watched.check() == ["no webhook is on disk any more: Redis has them all"]


async def test_the_same_alert_keeps_its_start(redis: Client, watched: Watched) -> None:
    await report_spilled(redis, "host:/spill", Spilled(segments=1, bodies=1, bytes=100, oldest_ms=1, at_ms=1))
    await watched.check()
    [first] = await current_alerts(redis, now_ms=0)
    await watched.check(later_ms=10 * MINUTE)
    [second] = await current_alerts(redis, now_ms=0)
    assert first.since_ms == second.since_ms


def kinds(facts: WorkFacts, settings: AlertSettings = SETTINGS) -> list[str]:
    return [alert.kind for alert in work_alerts(facts, settings, NOW)]


def test_bounds_are_those_of_the_settings_and_zero_turns_an_alert_off() -> None:
    channel = Channel("crm", 5, 1, NOW, NOW - 1_000_000, 0, NOW - 61_000, "answers 503")
    facts = WorkFacts(
        queued_since_ms=NOW - 61_000,
        due_since_ms=NOW - 61_000,
        digest_since_ms=NOW - 61_000,
        channels=[channel],
        memory_used=0.9,
    )
    assert kinds(facts) == ["queue", "due", "digests", "channel_paused", "channel_failing", "memory"]
    off = AlertSettings(queue_age_s=0, channel_failing_s=0, channel_paused_s=0, memory_share=0)
    assert kinds(facts, off) == []
    assert kinds(facts, AlertSettings(queue_age_s=62, channel_failing_s=62, channel_paused_s=1001)) == ["memory"]


def test_a_count_that_is_not_complete_is_said_to_be_the_least() -> None:
    for jobs, words in ((1000, ", 5 notifications held"), (1001, ", at least 5 notifications held")):
        channel = Channel("crm", 5, 1, NOW, 0, jobs, NOW - 61_000, "cannot connect")
        [alert] = work_alerts(WorkFacts(channels=[channel], held={"crm": 5}), SETTINGS, NOW)
        assert words in alert.text


def test_every_kind_says_when_it_is_over() -> None:
    for kind in KINDS:
        assert end_text(Alert(kind=kind, source="crm", since_ms=0, text=""))


def test_the_earliest_time_of_all_partitions_counts() -> None:
    none, some = Reportable._make([0] * 12), Reportable._make([*[1] * 9, 30, 20, 0])
    assert sum_reportable({0: none, 1: some, 2: some._replace(queued_since_ms=10)})[-3:] == (10, 20, 0)


async def test_a_probe_is_one_held_job_at_once(redis: Client) -> None:
    partitions = Partitions([redis])
    await fail(redis, failures=3)
    held = {f"{number:017}.1": number for number in (1, 2)}
    for job_id in held:
        await redis.set(KEYS.job + job_id, b"job")
    await redis.zadd(KEYS.held_jobs + "crm", held)

    await channel_state.release_held_jobs(redis, {})
    assert await redis.zcard(KEYS.queue) == 0
    assert await all_channels.probe(partitions, "crm", by="ann")
    await channel_state.release_held_jobs(redis, {})
    assert await redis.zcard(KEYS.queue) == 1
    assert not await all_channels.probe(partitions, "crm", by="ann"), "one probe at a time"
    assert not await all_channels.probe(partitions, "unknown", by="ann")
    assert await redis.xlen(KEYS.audit) == 1


async def test_no_worker_is_alerted_by_others_and_a_worker_ends_it(
    redis: Client, watched: Watched, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.monitoring.worker_watch._EVERY_S", 0.0)
    watch = WorkerWatch(watched.partitions, dict, lambda: SETTINGS)
    await claim(redis, "me", count=1, lease_ms=60_000)
    await watch.check()
    assert await current_alerts(redis, now_ms=0) == []

    await redis.hset(KEYS.claims, "last_ms", now() - 31_000)
    await watch.check()
    await watch.check()
    [alert] = await current_alerts(redis, now_ms=0)
    assert alert.name == "workers:"
    assert len([record for record in caplog.records if "No worker is alive" in record.getMessage()]) == 1
    assert await watched.check() == ["a worker is alive again"]
