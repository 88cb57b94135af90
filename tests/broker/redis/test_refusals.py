"""A Redis that refuses commands or hides facts: the main job runs, and what is unknown is said once."""

from __future__ import annotations

import asyncio
import logging
import re
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import ResponseError

from broker.queue import stream
from broker.queue.batch import RawBody
from broker.redis.confirmation import confirmation_for
from broker.redis.connection import Settings, connect
from broker.redis.errors import NotDurable
from broker.redis.server.facts import read_facts
from tests.main_job import run_main_job
from tests.ports import free_port
from tests.proxy import running_proxy
from tests.redis_server import RedisServer
from tests.redis_users import limited, user_url

HIDDEN = (
    "redis_version",
    "valkey_version",
    "aof_enabled",
    "maxmemory_policy",
    "maxmemory",
    "used_memory",
    "connected_slaves",
    "role",
    "redis_mode",
)
"""Fields of INFO that a platform may leave out."""


def without_fields(*fields: str) -> Any:
    """Return a function that renames these fields in a reply of INFO."""
    pattern = re.compile(b"\r\n(?=(?:%s):)." % "|".join(fields).encode())
    return lambda reply: pattern.sub(b"\r\n_", reply)


@pytest.mark.parametrize(
    "rules",
    [
        ("-config",),
        ("-memory",),
        ("-waitaof", "-wait"),
        ("-xautoclaim",),
        ("-config", "-memory", "-waitaof", "-wait", "-xautoclaim", "-client", "-bgrewriteaof", "-@pubsub"),
    ],
    ids=" ".join,
)
async def test_the_main_job_needs_none_of_the_commands_that_platforms_refuse(
    redis_server: RedisServer, rules: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(url=user_url(redis_server, "~*", "+@all", *rules))
    with caplog.at_level(logging.WARNING, "hookline.receiver"):
        status, readiness = await run_main_job(settings, max_queued_bytes=10**9)

    assert status.risks == []
    refused_memory = "-memory" in rules
    assert any("MEMORY USAGE" in note for note in readiness.get("notes", ())) == refused_memory
    unknown = [record.getMessage() for record in caplog.records if record.action == "redis_fact_unknown"]  # type: ignore[attr-defined]
    assert len(unknown) == len(set(unknown)) == refused_memory + ("-config" in rules)


async def test_the_main_job_runs_with_fsync_where_config_is_refused(redis_server: RedisServer) -> None:
    settings = Settings(url=user_url(redis_server, "~*", "+@all", "-config"))
    await run_main_job(settings, durability="fsync")


async def test_the_main_job_runs_where_info_leaves_fields_out(redis_server: RedisServer, tmp_path: Path) -> None:
    async with running_proxy(redis_server.socket, tmp_path / "proxy.sock") as proxy:
        proxy.change_reply = without_fields(*HIDDEN)
        status, _ = await run_main_job(Settings(url=proxy.url))

    assert status.redis.name() == "Redis of an unknown version"
    assert (status.redis.aof, status.redis.used_memory_bytes, status.redis.replicas) == (None, None, None)
    assert len(status.redis.unknowns()) == 4


@pytest.mark.parametrize("field", HIDDEN)
async def test_each_field_of_info_may_be_missing(redis_server: RedisServer, tmp_path: Path, field: str) -> None:
    async with running_proxy(redis_server.socket, tmp_path / "proxy.sock") as proxy:
        proxy.change_reply = without_fields(field)
        client = connect(Settings(url=proxy.url))
        facts = await read_facts(client)
        await client.aclose(close_connection_pool=True)

    assert facts.risks() == []
    assert confirmation_for(facts, "fsync", 1).wait_aof


async def test_a_write_is_not_confirmed_if_waitaof_is_refused(redis_server: RedisServer) -> None:
    async with limited(redis_server, "~*", "+@all", "-waitaof") as client:
        confirmation = confirmation_for(await read_facts(client), "fsync", 1)
        with pytest.raises(NotDurable, match='durability "fsync" cannot be confirmed'):
            await stream.append(client, [RawBody(0, "voucherify", "", b"{}")], confirmation)


async def test_the_main_job_runs_no_script_without_keys(redis_server: RedisServer, tmp_path: Path) -> None:
    keyless = re.compile(rb"E(?=VALSHA\r\n\$40\r\n.{40}\r\n\$1\r\n0\r\n|VAL\r\n\$\d+\r\n[^\r]*\r\n\$1\r\n0\r\n)")
    async with running_proxy(redis_server.socket, tmp_path / "proxy.sock") as proxy:
        proxy.change_request = lambda request: keyless.sub(b"_", request)
        client = connect(Settings(url=proxy.url))
        sha = await client.script_load("return 1")
        for script in (client.evalsha(sha, 0), client.eval("return 1", 0)):
            with pytest.raises(ResponseError, match="unknown command"):
                await script  # type: ignore[misc]
        await client.aclose(close_connection_pool=True)
        await run_main_job(Settings(url=proxy.url), durability="fsync", max_queued_bytes=10**9)


async def test_two_namespaces_in_another_database_run_the_main_job_side_by_side(tmp_path: Path) -> None:
    port = free_port()
    server = RedisServer(tmp_path, port=str(port)).start()
    url = f"redis://127.0.0.1:{port}/3"
    one, other = (run_main_job(Settings(url=url, namespace=namespace)) for namespace in ("one", "other"))
    try:
        await asyncio.gather(one, other)
        with server.client() as admin:
            assert set(admin.info("keyspace")) == {"db3"}
            admin.select(3)
            prefixes = {key.partition(b":0}:")[0] for key in admin.scan_iter()}
    finally:
        server.kill()

    assert prefixes == {b"{one", b"{other"}
