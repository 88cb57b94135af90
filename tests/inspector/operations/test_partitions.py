"""Status, channels and audit log of an installation with several partitions, all there or one away."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from rich.console import Console

from broker.monitoring import audit
from broker.monitoring.audit import AuditEntry
from broker.queue import channel_state
from broker.queue.heartbeat import beat
from broker.redis.partitions import Partitions
from inspector.operations.status import Status, read_status
from inspector.presentation.serializers import status_record
from inspector.presentation.status_table import status_table
from sources.settings import Settings as SourceSettings
from tests.inspector.cli.command_line import hookline
from tests.inspector.stack import accept, sample
from tests.inspector.web.serving import TOKEN, USERS, serving
from tests.inspector.web.test_overview import words
from tests.redis_server import RedisServer
from tests.redis_users import user_url

SOURCES = {"voucherify": SourceSettings()}


def text_of(status: Status) -> str:
    console = Console(file=io.StringIO(), width=100, color_system=None)
    console.print(status_table(status))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


async def test_figures_of_all_partitions_are_added_up(three_partitions: Partitions) -> None:
    await accept(three_partitions[0], sample(1))
    await accept(three_partitions[2], sample(2), sample(3))
    status = await read_status(three_partitions, SOURCES)
    record = status_record(status)
    assert (record["accepted"], record["queued"], record["queue_entries"]) == (3, 3, 2)
    assert (status.adds_up(), status.is_complete(), record["is_complete"]) == (True, True, True)
    assert status.sources["voucherify"].facts.last_accepted_ms
    assert [(line["number"], line["queue_entries"], line["error"]) for line in record["partitions"]] == [
        (0, 1, ""),
        (1, 0, ""),
        (2, 1, ""),
    ]
    assert "partition" in text_of(status)


async def test_a_single_partition_is_shown_without_a_table(partitions: Partitions) -> None:
    status = await read_status(partitions)
    assert "partition" not in text_of(status)
    assert len(status_record(status)["partitions"]) == 1


async def test_a_worker_that_reads_several_partitions_counts_once(three_partitions: Partitions) -> None:
    for redis in three_partitions:
        await redis.xgroup_create(redis.names.stream, "workers", mkstream=True)
        await redis.xgroup_createconsumer(redis.names.stream, "workers", "ada-1")
        await beat(redis, redis.names.health + "ada-1", "config", lasts_ms=6000, lease_ms=6000)
    status = await read_status(three_partitions)
    assert (status.workers, status.configs) == (1, 1)


async def test_a_risk_names_the_partitions_that_have_it_if_others_do_not(
    spread_partitions: Partitions, own_redis: RedisServer
) -> None:
    with own_redis.client() as admin:
        admin.config_set("appendonly", "no")
    status = await read_status(spread_partitions)
    assert any(risk.startswith("partition 1: ") and "appendonly" in risk for risk in status.risks)
    with own_redis.client() as admin:
        used_there = admin.info("memory")["used_memory"]
    assert status.redis.used_memory_bytes and status.redis.used_memory_bytes > used_there + 500_000


async def test_a_partition_that_is_away_is_named_and_the_rest_is_shown(
    spread_partitions: Partitions, own_redis: RedisServer
) -> None:
    await accept(spread_partitions[2], sample(1))
    own_redis.kill()
    status = await read_status(spread_partitions, SOURCES)
    record = status_record(status)
    assert (record["accepted"], record["is_complete"]) == (1, False)
    assert [bool(line["error"]) for line in record["partitions"]] == [False, True, False]
    text = text_of(status)
    assert "partition 1 is away, so all figures are incomplete: Redis is not reachable" in " ".join(text.split())
    assert "accepted 1 = processed 0 + duplicate 0 + dead_at_intake 0 + queued 1  incomplete" in text
    assert str(record["partitions"][1]["node"]) in text


async def test_a_frozen_partition_delays_the_status_by_seconds_at_most(
    spread_partitions: Partitions, own_redis: RedisServer
) -> None:
    await read_status(spread_partitions)
    own_redis.freeze()
    try:
        status = await read_status(spread_partitions)
    finally:
        own_redis.thaw()
    assert [line.number for line in status.partitions if line.error] == [1]


@pytest.fixture
def without_partition_1(redis_server: RedisServer) -> str:
    """Return the URL of a user who may not use partition 1."""
    return user_url(redis_server, "+@all", "~{hookline:0}:*", "~{hookline:2}:*")


async def run(url: str, *arguments: str) -> Any:
    return await hookline(url, *arguments, partitions=3)


async def test_commands_name_a_partition_that_is_away_and_fail(
    three_partitions: Partitions, without_partition_1: str
) -> None:
    await accept(three_partitions[2], sample(1))
    await audit.record(three_partitions[2], AuditEntry("ann", "login"))

    status = await run(without_partition_1, "status")
    assert status.exit_code == 1
    assert "partition 1 is away" in " ".join(status.stdout.split())

    as_json = json.loads((await run(without_partition_1, "status", "--json")).stdout)
    assert (as_json["accepted"], as_json["is_complete"]) == (1, False)

    listed = await run(without_partition_1, "channel", "list")
    assert (listed.exit_code, "crm" in listed.stdout) == (1, True)
    assert "partition 1 is away, so this is incomplete" in listed.stderr

    log = await run(without_partition_1, "audit", "--json")
    assert (log.exit_code, [entry["what"] for entry in json.loads(log.stdout)]) == (1, ["login"])
    assert "partition 1 is away, so this is incomplete" in log.stderr


async def test_commands_show_all_partitions(redis_server: RedisServer, three_partitions: Partitions) -> None:
    await accept(three_partitions[2], sample(1))
    status = await run(redis_server.url, "status")
    assert (status.exit_code, "accepted 1" in status.stdout) == (0, True)
    assert (await run(redis_server.url, "channel", "pause", "crm")).exit_code == 0
    await channel_state.resume(three_partitions[1], "crm", by="ann")
    listed = await run(redis_server.url, "channel", "list")
    assert (listed.exit_code, "only in partitions 0 and 2" in listed.stdout) == (0, True)
    log = json.loads((await run(redis_server.url, "audit", "--json")).stdout)
    assert [entry["what"] for entry in log] == ["resume", "pause"]


async def test_pages_and_api_name_a_partition_that_is_away(
    spread_partitions: Partitions, own_redis: RedisServer
) -> None:
    await accept(spread_partitions[2], sample(1))
    own_redis.kill()
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with serving(partitions=spread_partitions, users=USERS) as served, served.browser() as browser:
        await browser.log_in()
        overview = words((await browser.get("/")).text)
        assert "partition 1 is away, so all figures are incomplete" in overview
        assert overview.count("Incomplete: a partition is away") == 2
        assert "Partition Node State Batches Jobs Waiting" in overview
        for path in ("/audit", "/channels"):
            assert "partition 1 is away, so this is incomplete" in words((await browser.get(path)).text)
        answers = {
            path: json.loads((await browser.get(f"/api/v1/{path}", headers=headers)).text)
            for path in ("status", "audit", "channels")
        }
        form = await browser.get("/channels")
        paused = await browser.post("/channels/pause", {"csrf": form.csrf, "channel": "crm"})
    assert answers["status"]["is_complete"] is False
    assert answers["audit"]["incomplete"].startswith("partition 1 is away")
    assert answers["channels"]["incomplete"].startswith("partition 1 is away")
    assert paused.status == 503
    assert "channel crm is paused, but not in partition 1" in words(paused.text)
