"""Sending waiting notifications now, and cancelling them, while a real worker runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from broker.merged import channels as all_channels
from broker.monitoring import audit, stats
from broker.queue import jobs
from broker.queue.waiting.cause import Cause
from broker.redis.client import Client
from broker.redis.partitions import Partitions
from broker.waiting.notification import Place
from inspector.operations.history.events import EventFilter, find_events
from inspector.operations.status import read_status
from inspector.operations.waiting.change import Changed, Verb, change
from inspector.operations.waiting.find import WaitingFilter, find_waiting
from tests.inspector.operations.waiting_notifications import add_retries, worker_with_waiting
from tests.inspector.stack import TO_CRM, accept, running_receiver, running_worker, sample
from tests.names import KEYS
from tests.redis_server import RedisServer
from tests.until import until
from worker.channels.settings import HttpSettings
from worker.rules.retry import RetrySettings


async def places(redis: Client, cause: Cause) -> list[Place]:
    page = await find_waiting(Partitions([redis]), WaitingFilter(cause=cause), {}, limit=100)
    return [waiting.place for waiting in page.notifications]


async def changed(redis: Client, verb: Verb, chosen: Sequence[Place]) -> list[str]:
    return [one.outcome for one in await change(Partitions([redis]), verb, chosen, by="ann")]


async def states(redis: Client, rule: str) -> list[str]:
    page = await find_events(Partitions([redis]), EventFilter(rule=rule))
    return [
        f"{each.state(page.held)} {each.outcomes[-1].text}".strip()
        for traced in page.events
        for each in traced.notifications
        if each.rule == rule
    ]


async def test_quiet_hours_and_retries_are_sent_now_and_the_others_of_the_job_still_wait(
    redis_server: RedisServer, redis: Client
) -> None:
    async with worker_with_waiting(redis_server, redis, 1, 2, 3) as receiver:
        receiver.status, receiver.received = 200, []
        quiet, retries = await places(redis, "quiet_hours"), await places(redis, "retry")
        assert quiet[0].job == quiet[1].job  # the notifications of one job
        assert await changed(redis, "send_now", [quiet[1], retries[0]]) == ["done", "done"]
        assert await changed(redis, "send_now", [quiet[1], retries[0]]) == ["gone", "gone"]

        async def both_are_sent() -> bool:
            return (await stats.read_totals(redis)).sent == 2

        await until(both_are_sent)
        assert len(receiver.received) == 2
        assert len(await places(redis, "quiet_hours")) == len(await places(redis, "retry")) == 2
    assert (await read_status(Partitions([redis]))).adds_up()
    entries = [stored.audit_entry for stored in await audit.read(redis)]
    assert [(entry.by, entry.what, entry.details["rule"]) for entry in entries[:2]] == [
        ("ann", "send_now", "failing"),
        ("ann", "send_now", "night"),
    ]
    assert sorted(await states(redis, "night")) == ["sent", "waiting", "waiting"]


async def test_a_cancelled_notification_is_skipped_with_the_name_of_who_did_it(
    redis_server: RedisServer, redis: Client
) -> None:
    async with worker_with_waiting(redis_server, redis, 1, 2) as receiver:
        receiver.received = []
        held, retries = await places(redis, "paused"), await places(redis, "retry")
        assert await changed(redis, "cancel", [*held, retries[0]]) == ["done", "done", "done"]
        assert await changed(redis, "cancel", [*held, retries[0]]) == ["gone", "gone", "gone"]
        await all_channels.resume(Partitions([redis]), "paused", by="ann")
        assert await changed(redis, "send_now", retries[1:]) == ["done"]
        receiver.status = 200

        async def sent() -> bool:
            return (await stats.read_totals(redis)).sent == 1

        await until(sent)
        assert len(receiver.received) == 1
    totals = await stats.read_totals(redis)
    assert (totals.skipped, totals.sent, totals.waiting) == (3, 1, 3)
    assert (await read_status(Partitions([redis]))).adds_up()
    assert await states(redis, "held") == ["skipped cancelled by ann"] * 2
    assert not await redis.exists(KEYS.held_jobs + "paused")
    whats = [stored.audit_entry.what for stored in await audit.read(redis)]
    assert (whats.count("cancel"), whats.count("send_now")) == (3, 1)


async def test_what_cannot_be_changed_is_answered_with_the_reason(
    redis_server: RedisServer, redis: Client
) -> None:
    async with worker_with_waiting(redis_server, redis, 1):
        pass
    [held], [retry], [quiet], [digest] = [
        await places(redis, cause) for cause in ("paused", "retry", "quiet_hours", "digest")
    ]
    results: list[Changed] = await change(Partitions([redis]), "send_now", [held, digest], by="ann")
    assert [one.outcome for one in results] == ["paused", "digest"]
    assert "resume the channel" in results[0].text
    await redis.hset(KEYS.channel + "paused", "open_until_ms", int(time.time() * 1000) + 60_000)
    await redis.hdel(KEYS.channel + "paused", "paused_since_ms")
    assert await changed(redis, "send_now", [held]) == ["open"]
    await redis.hdel(KEYS.channel + "paused", "open_until_ms")
    await redis.zadd(KEYS.held_jobs + "paused", {held.job: 0})  # another program wrote this time
    assert await changed(redis, "send_now", [held]) == ["done"]
    assert not await redis.keys(KEYS.held_ms + "*.n.1")
    await redis.set(KEYS.in_progress + retry.job, "me")
    await redis.zadd(KEYS.queue, {quiet.job: 1})
    before = await redis.hgetall(KEYS.stats_total)
    for verb, outcomes in (("send_now", ["running", "due", "gone"]), ("cancel", ["running", "digest", "gone"])):
        chosen = [retry, quiet if verb == "send_now" else digest, Place(7, retry.job, 0)]
        assert await changed(redis, verb, chosen) == outcomes
    assert await redis.hgetall(KEYS.stats_total) == before
    newer = jobs.new_job_id(2)
    await redis.set(KEYS.job + newer, b"of a newer version")
    await redis.zadd(KEYS.queue, {newer: 9_999_999_999_999})
    assert await changed(redis, "cancel", [Place(0, newer, 0)]) == ["unreadable"]


async def test_what_a_worker_is_sending_is_not_changed_until_its_attempt_has_ended(
    redis_server: RedisServer, redis: Client
) -> None:
    asked = list[asyncio.StreamWriter]()
    server = await asyncio.start_server(lambda _, writer: asked.append(writer), "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    patient = RetrySettings(base_s=3000, cap_s=3000)
    channels = {"crm": HttpSettings(url=url, allow_private=True, retry=patient, timeout_s=60)}
    await accept(redis, sample(1))
    async with running_worker(redis_server, rules=TO_CRM, channels=channels):
        await until(lambda: bool(asked))
        [running] = (await find_waiting(Partitions([redis]), WaitingFilter(), {})).notifications
        assert (running.cause, running.is_running) == ("queued", True)
        assert await changed(redis, "cancel", [running.place]) == ["running"]
        assert await changed(redis, "send_now", [running.place]) == ["running"]
        asked[0].close()
        [retry] = await until(lambda: places(redis, "retry"))
        assert await changed(redis, "cancel", [running.place, retry]) == ["gone", "done"]
    server.close()
    totals = await stats.read_totals(redis)
    assert (totals.skipped, totals.waiting, totals.notifications_add_up()) == (1, 0, True)
    keys = [key.decode() for key in await redis.keys("*")]
    assert not [key for key in keys if key.startswith((KEYS.job, KEYS.done, KEYS.queue, KEYS.held_ms))]


async def test_a_full_redis_can_be_relieved_by_cancelling(redis: Client) -> None:
    await add_retries(Partitions([redis]), 2, 2)
    chosen = await places(redis, "retry")
    await redis.config_set("maxmemory", 1)
    try:
        assert await changed(redis, "cancel", chosen[:2]) == ["done", "done"]
        [refused] = await change(Partitions([redis]), "send_now", chosen[2:3], by="ann")
        assert (refused.outcome, "maxmemory" in refused.text) == ("away", True)
    finally:
        await redis.config_set("maxmemory", 0)
    assert await places(redis, "retry") == chosen[2:]
    totals = await stats.read_totals(redis)
    assert (totals.skipped, totals.waiting) == (2, 2)


async def test_what_exceeds_the_rate_of_its_channel_waits_for_that(
    redis_server: RedisServer, redis: Client
) -> None:
    await accept(redis, *map(sample, range(3)))
    async with running_receiver() as receiver:
        channels = {"crm": HttpSettings(url=receiver.url, allow_private=True, rate_per_s=0.01)}

        async def two_wait() -> bool:
            causes = (await read_status(Partitions([redis]))).waiting.causes
            return causes.rate_limit == 2

        async with running_worker(redis_server, rules=TO_CRM, channels=channels):
            await until(two_wait)
    assert len(receiver.received) == 1
