"""Channels from the command line."""

import json
import time

from broker.monitoring import audit
from broker.queue import channel_state, jobs
from broker.queue.pending_by_due_time import read_schedule
from broker.redis.client import Client
from tests.inspector.cli.command_line import hookline
from tests.names import KEYS
from tests.redis_server import RedisServer


async def test_a_channel_is_paused_listed_and_resumed(redis_server: RedisServer, redis: Client) -> None:
    paused = await hookline(redis_server, "channel", "pause", "crm")
    again = await hookline(redis_server, "channel", "pause", "crm")
    listed = json.loads((await hookline(redis_server, "channel", "list", "--json")).stdout)
    table = await hookline(redis_server, "channel", "list")
    resumed = await hookline(redis_server, "channel", "resume", "crm")

    assert paused.stdout == "channel crm is paused\n"
    assert again.stdout == "channel crm was paused already\n"
    assert [(entry["name"], entry["state"]) for entry in listed] == [("console", "closed"), ("crm", "paused")]
    assert "paused for" in table.stdout
    assert resumed.stdout == "channel crm is resumed\n"
    audit_entries = [row.audit_entry for row in await audit.read(redis)]
    assert [(audit_entry.by, audit_entry.what, audit_entry.about) for audit_entry in audit_entries] == [
        ("cli:ann@desk", "resume", "crm"),
        ("cli:ann@desk", "pause", "crm"),
    ]
    assert all(channel.state(0) == "closed" for channel in await channel_state.read_channels(redis))


async def test_pausing_an_unknown_channel_is_a_usage_error_that_names_the_known_ones(
    redis_server: RedisServer,
) -> None:
    result = await hookline(redis_server, "channel", "pause", "cmr")

    assert result.exit_code == 2
    assert "console, crm" in " ".join(result.stderr.split())


async def test_status_shows_failing_channels_and_when_waiting_notifications_are_due(
    redis_server: RedisServer, redis: Client
) -> None:
    now_ms = int(time.time() * 1000)
    await redis.hset(KEYS.channel + "crm", mapping={"failures": 7, "opened": 1, "open_until_ms": now_ms + 500_000})
    await redis.sadd(KEYS.channels, "crm")
    await redis.zadd(KEYS.held_jobs + "crm", {jobs.new_job_id(5): now_ms})
    due = {0: 1, 30: 2, 300: 3, 3000: 4, 30_000: 5, 300_000: 6}
    await redis.zadd(KEYS.queue, {jobs.new_job_id(size): now_ms + 1000 * in_s for in_s, size in due.items()})

    text = " ".join((await hookline(redis_server, "status")).stdout.split())
    record = json.loads((await hookline(redis_server, "status", "--json")).stdout)

    assert "circuit breaker open, next probe in 8 min, 7 failures in a row, 1 job held" in text
    assert "now: 1, < 1 min: 2, < 10 min: 3, < 1 h: 4, < 1 d: 5, later: 6, their channel: 5" in text
    assert [(entry["name"], entry["state"], entry["held"]) for entry in record["channels"]] == [("crm", "open", 1)]
    assert record["waiting_within_10_min"] == 3


async def test_with_many_jobs_the_waiting_notifications_are_estimated_from_a_sample(redis: Client) -> None:
    now_ms = int(time.time() * 1000)
    await redis.zadd(KEYS.queue, {jobs.new_job_id(64): now_ms + 30_000 + n for n in range(2000)})
    assert (await read_schedule(redis)).within_1_min == 64 * 2000
