"""The status that one read of Redis gives."""

import asyncio
import io
import time
from datetime import UTC, datetime, timedelta

import msgspec
from rich.console import Console
from typer.testing import CliRunner

from broker.monitoring import stats
from broker.monitoring.alerts import Alert, raise_alert
from broker.monitoring.source_health import Streak, note_failures
from broker.monitoring.spilled import Spilled, report_spilled
from broker.queue import channel_state, stream
from broker.queue.heartbeat import beat
from broker.queue.waiting.cause import CAUSES, Causes
from broker.redis import clock
from broker.redis.client import Client
from broker.redis.clock import OffClock
from broker.redis.errors import BrokerError
from broker.redis.partitions import Partitions
from inspector.operations.status import Status, read_status
from inspector.presentation.serializers import status_record
from inspector.presentation.status_table import status_table
from sources.settings import Settings as SourceSettings
from tests.inspector.cli.command_line import CommandContext, app
from tests.inspector.stack import TO_CRM, accept, crm, running_receiver, running_worker, sample, wait_until_idle
from tests.names import KEYS
from tests.redis_server import RedisServer
from tests.until import until
from worker.channels.settings import HttpSettings
from worker.rules.retry import RetrySettings
from worker.rules.rules import DigestSettings, QuietHours, Rule

TERMS = (
    "accepted",
    "processed",
    "duplicate",
    "dead_at_intake",
    "queued",
    "created",
    "sent",
    "skipped",
    "dead",
    "waiting",
)


async def test_an_empty_redis_has_a_status(redis: Client) -> None:
    status = await read_status(Partitions([redis]))

    assert status.adds_up()
    assert {term: status_record(status)[term] for term in TERMS} == dict.fromkeys(TERMS, 0)
    assert (status.workers, status.dead_letters) == (0, 0)
    assert (status.backlog.entries, status.backlog.oldest_ms, status.backlog.next_due_ms) == (0, 0, None)


async def test_status_shows_every_counter_and_both_sums_add_up(redis_server: RedisServer, redis: Client) -> None:
    await accept(redis, sample(1), sample(2), sample(2), b"{")
    async with running_receiver() as server, running_worker(redis_server, rules=TO_CRM, channels=crm(server.url)):
        await wait_until_idle(redis)
        server.status = 400
        await accept(redis, sample(3))
        await wait_until_idle(redis)
    await accept(redis, sample(4), sample(5))
    await stats.add_refused(redis, {"401": 2, "413": 1})

    status = await read_status(Partitions([redis]))

    record = status_record(status)
    assert {term: record[term] for term in TERMS} == {
        "accepted": 7,
        "processed": 3,
        "duplicate": 1,
        "dead_at_intake": 1,
        "queued": 2,
        "created": 3,
        "sent": 2,
        "skipped": 0,
        "dead": 1,
        "waiting": 0,
    }
    assert status.adds_up()
    assert (record["dead_letters"], record["queue_entries"], record["queue_bodies"]) == (2, 1, 2)
    assert (record["refused"], record["refused_401"], record["refused_413"]) == (3, 2, 1)
    assert 0 <= record["queue_oldest_ms"] < 60_000
    assert not any(isinstance(value, dict) for value in record.values())


async def test_a_sum_that_does_not_add_up_is_reported(redis: Client) -> None:
    await redis.hincrby(KEYS.stats_total, "sent", 1)

    record = status_record(await read_status(Partitions([redis])))

    assert (record["bodies_add_up"], record["notifications_add_up"]) == (True, False)


async def test_workers_are_counted_while_they_live(redis_server: RedisServer, redis: Client) -> None:
    async def workers() -> int:
        return (await read_status(Partitions([redis]))).workers

    async with running_worker(redis_server), running_worker(redis_server):

        async def both() -> bool:
            return await workers() == 2

        await until(both)
    for key in await redis.keys(KEYS.health + "*"):  # their heartbeats expire in seconds
        await redis.delete(key)
    assert await workers() == 0


async def test_jobs_that_wait_for_their_next_attempt_are_shown(redis_server: RedisServer, redis: Client) -> None:
    await accept(redis, sample(1), sample(2))
    async with running_receiver() as server:
        server.status, patient = 503, RetrySettings(base_s=3000, cap_s=3000)
        channels = {"crm": HttpSettings(url=server.url, allow_private=True, retry=patient)}

        async def put_off() -> bool:
            return (await stats.read_totals(redis)).retried == 2

        async with running_worker(redis_server, rules=TO_CRM, channels=channels):
            await until(put_off)

    backlog = (await read_status(Partitions([redis]))).backlog
    assert (backlog.jobs, backlog.jobs_due) == (1, 0)
    assert backlog.next_due_ms is not None and 0 < backlog.next_due_ms <= 3_000_000


async def test_a_job_that_another_program_removed_is_reported_as_missing(
    redis_server: RedisServer, redis: Client
) -> None:
    await accept(redis, sample(1), sample(2), sample(3))
    async with running_receiver() as server:
        server.status, patient = 503, RetrySettings(base_s=3000, cap_s=3000)
        channels = {"crm": HttpSettings(url=server.url, allow_private=True, retry=patient)}

        async def put_off() -> bool:
            return (await stats.read_totals(redis)).retried == 3

        async with running_worker(redis_server, rules=TO_CRM, channels=channels):
            await until(put_off)
    before = await read_status(Partitions([redis]))
    assert (before.waiting.counted, before.waiting.causes.retry, before.adds_up()) == (3, 3, True)

    await redis.delete(*[key async for key in redis.scan_iter(KEYS.job + "*")])

    status = await read_status(Partitions([redis]))
    assert status.totals.notifications_add_up()
    assert (status.waiting.missing, status.adds_up()) == (3, False)
    record = status_record(status)
    assert (record["waiting_missing"], record["notifications_add_up"]) == (3, False)
    assert "3 notifications are counted as waiting and 0 are in Redis" in shown(status)


async def test_what_notifications_wait_for_is_counted_and_adds_up(
    redis_server: RedisServer, redis: Client
) -> None:
    now = datetime.now(UTC)
    quiet = QuietHours(
        from_=f"{now - timedelta(hours=1):%H:%M}", to=f"{now + timedelta(hours=1):%H:%M}", timezone="UTC"
    )
    rules = (
        Rule(name="plain", events=("*",), channel="paused", text="x"),
        Rule(name="failing", events=("*",), channel="crm", text="x"),
        Rule(name="night", events=("*",), channel="crm", text="x", quiet_hours=quiet),
        Rule(
            name="daily", events=("*",), channel="crm", text="x", digest=DigestSettings(window="1d", key="source")
        ),
    )
    await channel_state.pause(redis, "paused", by="ann")
    await accept(redis, sample(1), sample(2))
    async with running_receiver() as server:
        server.status, patient = 503, RetrySettings(base_s=3000, cap_s=3000)
        http = HttpSettings(url=server.url, allow_private=True, retry=patient)

        async def all_wait() -> Causes | None:
            causes = (await read_status(Partitions([redis]))).waiting.causes
            return causes if causes.paused and causes.retry == causes.quiet_hours == 2 else None

        async with running_worker(redis_server, rules=rules, channels={"crm": http, "paused": http}):
            causes = await until(all_wait)
    expected = Causes(retry=2, quiet_hours=2, paused=2, digest=1, next_retry_ms=causes.next_retry_ms)
    assert causes == expected
    assert causes.next_retry_ms is not None and causes.next_retry_ms > 0
    status = await read_status(Partitions([redis]))
    record = status_record(status)
    assert record["waiting"] == sum(record[f"waiting_for_{cause}"] for cause in CAUSES) == 7
    assert status.adds_up()
    text = " ".join(shown(status).split())
    assert "2 for the end of quiet hours, 2 for a paused channel, 1 for the end of a digest window" in text
    assert "2 for another attempt (next in " in text

    for job, _ in await redis.zrange(KEYS.queue, 0, -1, withscores=True):
        await redis.zadd(KEYS.queue, {job: 1})
    assert (await read_status(Partitions([redis]))).waiting.causes.retries_overdue == 2


async def test_clocks_that_are_off_and_workers_with_different_configs_are_reported(redis: Client) -> None:
    await redis.hset(KEYS.clocks, "far-1-abc", await off_clock(redis, 7_200_000))  # type: ignore[misc]
    await redis.hset(KEYS.clocks, "old-2-abc", await off_clock(redis, -9_000, ago_ms=61_000))  # type: ignore[misc]
    await stream.create_group(redis)
    for name in ("one", "two"):
        await stream.read(redis, name, count=1, block_ms=1)
        await beat(redis, KEYS.health + name, f"config {name}", lasts_ms=60_000, lease_ms=15_000)

    status = await read_status(Partitions([redis]))

    assert [entry["process"] for entry in status_record(status)["clocks_off"]] == ["far-1-abc"]
    assert (status.workers, status.configs) == (2, 2)
    assert "far-1-abc differs by +7200.0 s" in shown(status)
    assert "workers run with 2 different configs" in shown(status)


async def off_clock(redis: Client, ahead_ms: int, *, ago_ms: int = 0) -> bytes:
    return msgspec.json.encode(OffClock("far-1-abc", ahead_ms, await clock.now_ms(redis) - ago_ms))


def shown(status: Status) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(status_table(status))
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


async def test_a_redis_that_may_lose_data_is_reported(redis: Client) -> None:
    await redis.config_set("maxmemory", "1gb")
    await redis.config_set("maxmemory-policy", "allkeys-lru")
    try:
        record = status_record(await read_status(Partitions([redis])))
    finally:
        await redis.config_set("maxmemory-policy", "noeviction")
        await redis.config_set("maxmemory", 0)

    assert "noeviction" in record["redis_risks"][0]
    assert record["redis_memory_limit_bytes"] == 2**30


async def test_a_failing_source_is_reported_with_the_retries_that_are_left(redis: Client) -> None:
    now_ms = time.time_ns() // 1_000_000
    await note_failures(redis, [Streak("shop", "failing", now_ms - 300_000, now_ms, 7, 503)])

    status = await read_status(Partitions([redis]), {"shop": SourceSettings(), "club": SourceSettings()})

    shop, club = status_record(status)["sources"]
    assert (shop["name"], shop["failing_answers"], shop["tries_left"]) == ("shop", 7, 9)
    assert shop["disabled_at_ms"] == now_ms - 300_000 + 86_400_000
    assert (club["last_accepted_ms"], club["tries_left"], club["disabled_at_ms"]) == (0, None, None)
    shown = text_of(status)
    assert "7 errors since" in shown
    assert "about 9 tries (until" in shown
    assert "no webhook yet" in shown


async def test_after_an_outage_beyond_the_last_retry_the_setting_to_enable_is_named(redis: Client) -> None:
    now_ms = time.time_ns() // 1_000_000
    await note_failures(redis, [Streak("shop", "failing", now_ms - 90_000_000, now_ms, 99, 503)])
    await accept(redis, sample(1), source="shop")

    shown = text_of(await read_status(Partitions([redis]), {"shop": SourceSettings()}))

    assert "last outage" in shown
    assert "Project settings" in shown


async def test_open_alerts_are_shown(redis: Client) -> None:
    alert = Alert(kind="silence", source="shop", since_ms=1, text="shop: nothing came\x1b[2J")
    await raise_alert(redis, alert, mark_ms=1000)

    status = await read_status(Partitions([redis]))

    record = status_record(status)
    assert (record["alerts"], [held["kind"] for held in record["alerts_now"]]) == (1, ["silence"])
    assert "(silence, for" in text_of(status)
    assert "\x1b" not in text_of(status)


def text_of(status: Status) -> str:
    console = Console(width=400, file=io.StringIO())
    console.print(status_table(status))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


async def test_spilled_webhooks_are_shown_as_of_the_newer_of_two_reports(redis: Client) -> None:
    now_ms = int(time.time() * 1000)
    elsewhere = Spilled(segments=1, bodies=3, bytes=2048, oldest_ms=now_ms - 65_000, at_ms=now_ms)
    damaged = Spilled(segments=0, corrupt=1, at_ms=now_ms)
    for place, seen in (("a:/spill", elsewhere), ("b:/spill", damaged), ("here:/spill", elsewhere)):
        await report_spilled(redis, place, seen)

    status = await read_status(Partitions([redis]), spilled_here={"here:/spill": Spilled(at_ms=now_ms)})

    record = status_record(status)
    assert record["spilled_bodies"] == 3
    assert [(entry["place"], entry["bodies"], entry["corrupt"]) for entry in record["spilled"]] == [
        ("a:/spill", 3, 0),
        ("b:/spill", 0, 1),
    ]
    console = Console(file=io.StringIO(), width=80)
    console.print(status_table(status))
    shown = " ".join(console.file.getvalue().split())  # type: ignore[attr-defined]
    assert "a:/spill: 3 webhooks (2.0 KiB) wait for Redis, the oldest for 1 min" in shown
    assert "b:/spill: 1 damaged segment" in shown


async def test_drained_spills_are_not_shown_and_other_reports_expire_after_a_week(redis: Client) -> None:
    await report_spilled(redis, "a:/spill", Spilled(bodies=1))
    await report_spilled(redis, "b:/spill", Spilled(bodies=1))
    await report_spilled(redis, "a:/spill", Spilled())

    assert (await read_status(Partitions([redis]))).spilled == {"b:/spill": Spilled(bodies=1)}
    assert 0 < await redis.ttl(KEYS.spilled) <= 7 * 86_400


async def test_while_redis_is_away_status_shows_what_is_spilled_on_this_machine() -> None:
    context = CommandContext(
        "unix:///nowhere/redis.sock", {"here:/spill": Spilled(bodies=7, at_ms=1, oldest_ms=1)}
    )

    result = await asyncio.to_thread(CliRunner().invoke, app, ["status"], obj=context)

    assert "here:/spill: 7 webhooks" in result.stderr
    assert isinstance(result.exception, BrokerError)
