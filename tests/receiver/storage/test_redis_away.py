"""Tests of the answers to a provider while Redis is away, frozen, full or not durable enough."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from broker.monitoring.stats import read_totals
from broker.queue.batch import RawBody
from broker.redis.client import Client
from broker.redis.connection import Settings as RedisSettings
from broker.redis.connection import connect
from broker.redis.errors import BrokerError
from receiver.health.rejections import Rejections
from receiver.storage.redis_writer import RedisWriter
from tests.ports import free_port
from tests.receiver.serving import Served, serving, stored, sync_to_disk
from tests.redis_server import RedisServer
from tests.redis_users import accept_writes, limited, refuse_writes, user_url
from tests.until import until


async def _is_ready(served: Served) -> bool:
    return (await served.get("/readyz")).status == 200


async def _reasons(served: Served) -> str:
    reply = await served.get("/readyz")
    return " ".join(reply.content.get("reasons", []))


async def test_while_redis_is_away_the_answer_is_503_until_it_is_back(
    own_redis: RedisServer, own_client: Client
) -> None:
    async with serving(own_client, retry_after_s=7) as served:
        assert (await served.send(b'"before"')).status == 202
        await sync_to_disk(own_client)
        own_redis.kill()
        reply = await served.send(b'"while"')
        assert (reply.status, list(reply.content)) == (503, ["error"])
        assert reply.headers["Retry-After"] == "7"

        own_redis.start()
        assert (await served.send(b'"after"')).status == 202
        assert await stored(own_client) == [b'"before"', b'"after"']


async def test_refusals_while_redis_was_away_are_reported_when_it_is_back(
    own_redis: RedisServer, own_client: Client
) -> None:
    rejections = Rejections(lambda: own_client)
    own_redis.kill()
    rejections.note(503, "Redis did not confirm")
    await rejections.report()
    own_redis.start()
    rejections.note(503, "Redis did not confirm")
    await rejections.report()
    await rejections.report()

    assert (await read_totals(own_client)).refused == {"503": 2}


async def test_the_receiver_starts_while_redis_is_away(own_redis: RedisServer, own_client: Client) -> None:
    own_redis.stop()
    async with serving(own_client) as served:
        assert (await served.get("/healthz")).status == 200
        assert "not reachable" in await _reasons(served)
        assert (await served.send()).status == 503

        own_redis.start()
        assert (await served.send()).status == 202
        await until(lambda: _is_ready(served))


async def test_a_frozen_redis_is_answered_503_within_the_flush_timeout(
    own_redis: RedisServer, own_client: Client
) -> None:
    async with serving(own_client, flush_timeout_s=2.0) as served:
        assert (await served.send()).status == 202
        own_redis.freeze()
        started_s = time.monotonic()
        replies = await asyncio.gather(*(served.send() for _ in range(200)))
        took_s = time.monotonic() - started_s

        assert {reply.status for reply in replies} == {503}
        assert took_s < 15  # on a busy machine; ten batches one after another would take 20 s
        await until(lambda: _reasons(served))
        own_redis.thaw()
        await until(lambda: _accepts(served))
        await until(lambda: _is_ready(served))


async def _accepts(served: Served) -> bool:
    return (await served.send()).status == 202


async def test_a_full_redis_is_answered_503_and_not_ready(own_client: Client) -> None:
    async with serving(own_client) as served:
        await own_client.config_set("maxmemory", "1")
        assert (await served.send()).status == 503
        await until(lambda: _mentions(served, "maxmemory"))

        await own_client.config_set("maxmemory", "0")
        assert (await served.send()).status == 202


async def test_too_many_bytes_waiting_for_redis_are_answered_503(
    own_redis: RedisServer, own_client: Client
) -> None:
    async with serving(own_client, flush_timeout_s=2.0, max_pending_bytes=1000) as served:
        own_redis.freeze()
        held = asyncio.create_task(served.send(b"x" * 900))
        await until(lambda: _mentions(served, "900 of 1000 bytes"))
        refused = await served.send(b"x" * 200)

        assert (refused.status, refused.headers["Retry-After"]) == (503, "5")
        assert "too many bytes" in refused.content["error"]
        assert not held.done()  # it was refused immediately
        assert (await held).status == 503
        own_redis.thaw()


async def _mentions(served: Served, words: str) -> bool:
    return words in await _reasons(served)


async def test_a_durability_that_redis_does_not_give_is_answered_503_and_not_ready(redis: Client) -> None:
    async with serving(redis, durability="replicated", replicas=2) as served:
        assert "needs 2 replicas" in await _reasons(served)
        assert (await served.send()).status == 503
    assert await stored(redis) == []


@pytest.mark.parametrize("options", [{"appendfsync": "always"}, {"appendfsync": "everysec"}], ids=str)
async def test_fsync_works_on_both_kinds_of_server(tmp_path: Path, options: dict[str, str]) -> None:
    server = RedisServer(tmp_path, **options).start()
    client = connect(RedisSettings(url=server.url))
    try:
        async with serving(client, durability="fsync") as served:
            assert await _is_ready(served)
            assert (await served.send(b'"kept"')).status == 202
            server.kill()
            server.start()
            assert await stored(client) == [b'"kept"']
    finally:
        await client.aclose(close_connection_pool=True)
        server.kill()


async def test_durability_is_read_again_after_another_redis_came_back(tmp_path: Path) -> None:
    server = RedisServer(tmp_path, appendonly="no").start()
    client = connect(RedisSettings(url=server.url))
    try:
        async with serving(client, durability="fsync") as served:
            assert "appendonly yes" in await _reasons(served)
            assert (await served.send()).status == 503
            server.kill()
            server = RedisServer(tmp_path, appendfsync="always").start()
            assert (await served.send()).status == 202
            await until(lambda: _is_ready(served))
    finally:
        await client.aclose(close_connection_pool=True)
        server.kill()


async def test_durability_is_read_again_after_a_failed_write(tmp_path: Path) -> None:
    server = RedisServer(tmp_path, appendfsync="always").start()
    client = connect(RedisSettings(url=server.url))
    store = RedisWriter(client, durability="fsync", replicas=1)
    body = RawBody(0, "voucherify", "", b"{}")
    try:
        await store.write([body])
        server.kill()
        with pytest.raises(BrokerError):
            await store.write([body])
        server = RedisServer(tmp_path, appendfsync="everysec").start()
        await store.write([body])

        assert "cmdstat_waitaof" in await client.info("commandstats")
    finally:
        await client.aclose(close_connection_pool=True)
        server.kill()


async def test_a_redis_that_may_lose_webhooks_is_not_ready_and_the_reason_is_shown(tmp_path: Path) -> None:
    server = RedisServer(tmp_path, appendonly="no", maxmemory="1gb", maxmemory_policy="allkeys-lru").start()
    client = connect(RedisSettings(url=server.url))
    try:
        async with serving(client) as served:
            reasons = await _reasons(served)
            assert "may evict" in reasons
            assert "does not log writes" in reasons
    finally:
        await client.aclose(close_connection_pool=True)
        server.kill()


async def test_a_redis_that_cannot_save_makes_the_receiver_not_ready_until_it_can(tmp_path: Path) -> None:
    server = RedisServer(tmp_path, enable_protected_configs="yes").start()
    client = connect(RedisSettings(url=server.url))
    try:
        async with serving(client) as served:
            await until(lambda: _is_ready(served))
            await refuse_writes(server, tmp_path)
            await until(lambda: _mentions(served, "cannot save to its disk"))
            assert (await served.send()).status == 503
            assert not await _is_ready(served)

            await accept_writes(server)
            await until(lambda: _is_ready(served))
            assert (await served.send()).status == 202
    finally:
        await client.aclose(close_connection_pool=True)
        server.kill()


@pytest.mark.parametrize(
    "rules",
    [("~*", "-@scripting"), ("~*", "-evalsha"), ("~*", "-xadd"), ("~other*",), ("~*", "-info")],
    ids=str,
)
async def test_a_missing_permission_makes_the_receiver_not_ready_without_naming_the_user(
    redis_server: RedisServer, rules: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    async with limited(redis_server, "+@all", *rules) as client, serving(client) as served:
        assert await _reasons(served) == "the Redis user lacks a permission"
        assert (await served.send()).status == 503
        assert not await _is_ready(served)
    assert "ACL SETUSER" in caplog.text
    assert "refuses the login" not in caplog.text


async def test_a_revoked_permission_is_noticed_at_the_next_write(redis_server: RedisServer) -> None:
    async with limited(redis_server, "~*", "+@all") as client, serving(client) as served:
        await until(lambda: _is_ready(served))
        user_url(redis_server, "~*", "+@all", "-xadd")
        assert (await served.send()).status == 503
        assert not await _is_ready(served)
        await until(lambda: _mentions(served, "lacks a permission"))

        user_url(redis_server, "~*", "+@all")
        await until(lambda: _is_ready(served))


async def test_a_permission_that_only_a_worker_needs_is_a_note(redis_server: RedisServer) -> None:
    async with limited(redis_server, "~*", "+@all", "-xreadgroup") as client, serving(client) as served:
        await until(lambda: _is_ready(served))
        notes = (await served.get("/readyz")).content["notes"]
        assert (await served.send()).status == 202

    assert notes == ["a worker with the same Redis user could not process webhooks: it may not run XREADGROUP"]


async def test_fsync_is_not_ready_if_redis_refuses_to_wait_for_the_disk(redis_server: RedisServer) -> None:
    async with (
        limited(redis_server, "~*", "+@all", "-waitaof") as client,
        serving(client, durability="fsync") as served,
    ):
        reasons = await _reasons(served)
        assert (await served.send()).status == 503

    assert 'Redis refuses WAITAOF, so durability "fsync" cannot be confirmed: allow it (+waitaof)' in reasons
    assert 'receiver.durability = "memory"' in reasons
    assert 'redis.persistence = "managed"' in reasons
    assert "limited" not in reasons


async def test_readiness_reveals_no_host() -> None:
    client = connect(RedisSettings(url="redis://127.0.0.1:1"))
    async with serving(client) as served:
        assert await _reasons(served) == "Redis is not reachable"
        assert (await served.send()).status == 503
        await until(lambda: _reasons(served))
        assert "127.0.0.1" not in await _reasons(served)
    await client.aclose(close_connection_pool=True)


async def test_a_cluster_node_is_not_ready(tmp_path: Path) -> None:
    port = free_port()
    options = {"port": str(port), "cluster_enabled": "yes", "cluster_port": str(free_port())}
    server = RedisServer(tmp_path, **options).start()
    with server.client() as admin:
        admin.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)  # type: ignore[no-untyped-call]
    client = connect(RedisSettings(url=f"redis://127.0.0.1:{port}"))
    try:
        async with serving(client) as served:
            assert "node of a Redis Cluster: write redis+cluster://" in await _reasons(served)
            assert not await _is_ready(served)
    finally:
        await client.aclose(close_connection_pool=True)
        server.kill()
