"""Tests that the probe finds what Redis refuses, and that the errors say how to fix it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis.exceptions import ResponseError

import broker
from broker.queue import stream
from broker.queue.batch import RawBody
from broker.redis.client import Client
from broker.redis.confirmation import Confirmation, confirmation_for
from broker.redis.connection import Settings, connect
from broker.redis.errors import BrokerError, Full, Misconfigured, NotDurable, Unavailable, translated
from broker.redis.server.facts import read_facts
from broker.redis.server.permissions import PARTS, find_denied
from broker.redis.server.probe import probe
from tests.names import KEYS
from tests.ports import free_port
from tests.redis_server import RedisServer
from tests.redis_users import limited, refuse_writes
from tests.until import until

BODY = RawBody(0, "voucherify", "", b'{"name":"Ada Lovelace"}')


@pytest.fixture
def unsaved_redis(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path, enable_protected_configs="yes").start()
    yield server
    server.kill()


@pytest.fixture
def cluster_node(tmp_path: Path) -> Iterator[RedisServer]:
    """Start a node of a Redis Cluster that serves no slot."""
    ports = {"port": str(free_port()), "cluster_port": str(free_port())}
    server = RedisServer(tmp_path, cluster_enabled="yes", **ports).start()
    yield server
    server.kill()


async def refusal(redis: Client) -> BrokerError:
    """Return the error with which Redis refuses a batch."""
    with pytest.raises(BrokerError) as caught:
        await stream.append(redis, [BODY], Confirmation())
    return caught.value


async def test_a_probe_writes_one_key_that_expires_and_can_be_repeated(redis: Client) -> None:
    for _ in range(3):
        await probe(redis)
        await probe(redis, Confirmation())

    assert await redis.keys("*") == [KEYS.probe.encode()]
    assert 0 < await redis.pttl(KEYS.probe) <= 60_000


async def test_a_probe_each_second_adds_nothing_to_the_append_only_file(redis: Client) -> None:
    await probe(redis)
    before = (await redis.info("persistence"))["aof_current_size"]
    for _ in range(10):
        await probe(redis)

    assert (await redis.info("persistence"))["aof_current_size"] == before


@pytest.mark.parametrize("confirmation", [None, Confirmation()])
async def test_a_probe_fails_where_redis_is_full(
    own_redis: RedisServer, confirmation: Confirmation | None
) -> None:
    client = connect(Settings(url=own_redis.url))
    await probe(client)
    await client.config_set("maxmemory", "1")
    with pytest.raises(Full, match="raise maxmemory"):
        await probe(client, confirmation)
    await client.aclose(close_connection_pool=True)


async def test_a_probe_fails_where_redis_cannot_save_to_its_disk(
    unsaved_redis: RedisServer, tmp_path: Path
) -> None:
    client = connect(Settings(url=unsaved_redis.url))
    await refuse_writes(unsaved_redis, tmp_path)
    with pytest.raises(Unavailable, match=r"cannot save to its disk \(MISCONF\)") as caught:
        await probe(client)
    await client.aclose(close_connection_pool=True)

    assert caught.value.brief == "Redis does not accept writes because it cannot save to its disk"


async def test_a_probe_fails_on_a_replica(own_redis: RedisServer) -> None:
    client = connect(Settings(url=own_redis.url), retries=0)
    with own_redis.client() as admin:
        admin.replicaof("127.0.0.1", "1")
        with pytest.raises(Unavailable, match=r"point redis\.url at the primary"):
            await probe(client)
        admin.replicaof("NO", "ONE")
    await client.aclose(close_connection_pool=True)


async def test_an_old_primary_that_copies_the_new_one_is_not_reported_as_one_without_a_log(tmp_path: Path) -> None:
    directories = [tmp_path / name for name in ("old", "new")]
    for directory in directories:
        directory.mkdir()
    new = RedisServer(directories[1], port=(port := str(free_port())), repl_diskless_sync_delay="0").start()
    # Each of 400 keys takes 10 ms to load, and INFO is answered in between.
    slow = {"key_load_delay": "10000", "loading_process_events_interval_bytes": "1024"}
    old = RedisServer(directories[0], **slow).start()
    client = connect(Settings(url=old.url))
    try:
        with new.client() as admin, old.client() as demoted:
            admin.mset({f"key-{number}": "x" * 100 for number in range(400)})
            demoted.replicaof("127.0.0.1", port)
        await until(lambda: _has_stopped_aof(client))
        facts = await read_facts(client)
        assert facts.aof is False
        with pytest.raises(NotDurable, match="although appendonly is yes") as caught:
            confirmation_for(facts, "fsync", 0)
    finally:
        old.kill()
        new.kill()
        await client.aclose(close_connection_pool=True)

    assert "set appendonly yes" not in f"{caught.value} {facts.risks()}"


async def _has_stopped_aof(client: Client) -> bool:
    return (await read_facts(client)).has_stopped_aof


async def test_a_cluster_node_is_reported_as_one_and_no_answer_is_shown_as_a_tuple(
    cluster_node: RedisServer,
) -> None:
    client = connect(Settings(url=cluster_node.url))
    error = await refusal(client)
    risks = (await read_facts(client)).risks()
    await client.aclose(close_connection_pool=True)

    assert "a node of a Redis Cluster: write redis+cluster://" in str(error)
    assert "('" not in str(error)
    assert "a node of a Redis Cluster" in risks[0]


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (("~*", "+@all", "-evalsha"), r"may not run EVALSHA: .*\+evalsha"),
        (("~*", "+@all", "-xadd"), r"may not run XADD: .*\+xadd"),
        (("~other*", "+@all"), "may not use a key of Hookline"),
    ],
    ids=str,
)
async def test_a_missing_permission_is_not_reported_as_a_refused_login_and_shows_no_batch(
    redis_server: RedisServer, rules: tuple[str, ...], message: str
) -> None:
    async with limited(redis_server, *rules) as client:
        error = await refusal(client)

    assert isinstance(error, Misconfigured)
    assert "login" not in str(error)
    assert error.brief == "the Redis user lacks a permission"
    for text in (str(error), str(error.__cause__)):
        assert "Lovelace" not in text
        assert "pipeline" not in text
        assert len(text) < 500
    with pytest.raises(Misconfigured, match=message):
        raise error


async def test_a_worker_without_a_permission_reports_its_command(redis_server: RedisServer) -> None:
    async with limited(redis_server, "~*", "+@all", "-xreadgroup") as client:
        with pytest.raises(Misconfigured, match=r"^the Redis user may not run XREADGROUP: .*\+xreadgroup"):
            await stream.read(client, "worker", count=1, block_ms=1)


async def test_a_wrong_password_is_a_refused_login(redis_server: RedisServer) -> None:
    async with limited(redis_server, "~*", "+@all") as client:
        client.connection_pool.connection_kwargs["password"] = "another"
        error = await refusal(client)

    assert "Redis refuses the login: check the user and the password in redis.url" in str(error)


async def test_an_unknown_answer_is_shown_as_redis_gave_it(redis: Client) -> None:
    await redis.set("text", "1")
    with pytest.raises(Misconfigured) as caught, translated():
        await redis.lpush("text", "1")  # type: ignore[misc]

    assert str(caught.value).startswith("Redis refused a command: WRONGTYPE")
    assert isinstance(caught.value.__cause__, ResponseError)


async def test_a_user_with_all_permissions_lacks_none(redis_server: RedisServer) -> None:
    async with limited(redis_server, "~{hookline:*", "+@all") as client:
        assert (await find_denied(client)).texts() == []
        assert await client.keys("*") == []


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (("~*", "-evalsha"), "may not run EVALSHA, which the receiver needs: ACL SETUSER limited +evalsha"),
        (("~*", "-xreadgroup", "-xclaim"), "may not run XREADGROUP, XCLAIM, which the worker needs"),
        (("~*", "-xgroup|create"), "may not run XGROUP CREATE, which the worker needs"),
        (("~*", "-scan"), "may not run SCAN, which the inspector needs"),
        (("~*", "-multi"), "may not run MULTI"),
        (("~*", "-exec"), "may not run EXEC"),
        (("~{hookline:0}:webhooks*",), "may not read and write all keys of this namespace"),
        (("%R~*",), "may not read and write all keys of this namespace"),
    ],
    ids=str,
)
async def test_each_missing_permission_is_found_without_running_anything(
    redis_server: RedisServer, rules: tuple[str, ...], message: str
) -> None:
    async with limited(redis_server, "+@all", *rules) as client:
        denied = await find_denied(client)

    assert len(denied.texts()) == 1
    assert message in denied.texts()[0]
    with redis_server.client() as admin:
        assert admin.keys() == []


@pytest.mark.parametrize("rule", ["-waitaof", "-memory|usage"])
async def test_further_commands_that_are_refused_are_returned_apart(redis_server: RedisServer, rule: str) -> None:
    async with limited(redis_server, "~*", "+@all", rule) as client:
        denied = await find_denied(client, further=("WAITAOF 1 0 1", "MEMORY USAGE KEY"))

    assert denied.texts() == []
    assert denied.further == (rule.removeprefix("-").replace("|", " ").upper(),)


async def test_a_further_command_that_the_server_does_not_have_is_refused(tmp_path: Path) -> None:
    (tmp_path / "renamed.conf").write_text("rename-command WAITAOF HIDDEN\n")
    server = RedisServer(tmp_path, include=str(tmp_path / "renamed.conf")).start()
    client = connect(Settings(url=server.url))
    denied = await find_denied(client, further=("WAITAOF 1 0 1", "MEMORY USAGE KEY"))
    await client.aclose(close_connection_pool=True)
    server.kill()

    assert denied.further == ("WAITAOF",)


def test_the_permission_of_each_command_in_a_script_is_checked() -> None:
    checked = {name for part in PARTS.values() for command in part for name in (command.split()[0],)}
    called = {
        call[1]
        for path in Path(broker.__file__).parent.rglob("*.lua")
        for call in re.finditer(r"redis\.p?call\('([A-Z]+)'", path.read_text())
    }

    assert len(called) > 40
    assert called <= checked
