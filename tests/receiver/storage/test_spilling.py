"""Tests of spilling: the answers while Redis is away, and what happens to the webhooks on disk."""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path
from typing import Any

import pytest

from broker.monitoring import stats
from broker.monitoring.spilled import read_spilled
from broker.redis.client import Client
from tests.receiver.health.test_endpoints import samples
from tests.receiver.serving import Served, batches, serving, stored, sync_to_disk
from tests.redis_server import RedisServer
from tests.until import until


async def ready(served: Served) -> tuple[int, str]:
    reply = await served.get("/readyz")
    return reply.status, " | ".join([*reply.content.get("reasons", []), *reply.content.get("notes", [])])


async def says(served: Served, words: str) -> bool:
    return words in (await ready(served))[1]


def is_empty(directory: Path) -> bool:
    return not any(directory.iterdir())


async def test_while_redis_is_away_webhooks_are_accepted_and_redis_gets_them_when_it_is_back(
    own_redis: RedisServer, own_client: Client, tmp_path: Path
) -> None:
    async with serving(own_client, spill_dir=str(tmp_path)) as served:
        await served.send(b'"before"')
        await sync_to_disk(own_client)
        own_redis.kill()
        sent = [b'"%d"' % number for number in range(40)]
        before_ms = int(time.time() * 1000)
        replies = [await served.send(body) for body in sent]
        after_ms = int(time.time() * 1000)
        assert {reply.status for reply in replies} == {202}
        assert await until(lambda: says(served, "40 webhooks wait in"))
        assert (await ready(served))[0] == 200
        sample = await samples(served)
        assert sample["hookline_receiver_spill_bodies", ""] == 40
        assert sample["hookline_receiver_spill_bytes", ""] > 0
        assert sample["hookline_receiver_spilled_bodies_total", "3"] == 40

        own_redis.start()
        await until(lambda: is_empty(tmp_path))
        kept = [body for bodies in await batches(own_client) for body in bodies]
        assert [body.body for body in kept] == [b'"before"', *sent]
        assert all(before_ms <= body.received_at_ms <= after_ms for body in kept[1:])
        assert (await stats.read_totals(own_client)).bodies_add_up()
        await until(lambda: _is_quite_ready(served))
        assert (await samples(served))["hookline_receiver_drained_bodies_total", "3"] == 40
        await served.send(b'"later"')
        assert is_empty(tmp_path)


async def _is_quite_ready(served: Served) -> bool:
    return await ready(served) == (200, "")


async def test_a_frozen_redis_delays_an_answer_by_half_a_second_at_most(
    own_redis: RedisServer, own_client: Client, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(own_client, spill_dir=str(tmp_path), flush_timeout_s=60.0) as served:
        await served.send(b'"before"')
        own_redis.freeze()
        sent = [b'"%d"' % number for number in range(200)]
        started_s = time.monotonic()
        replies = await asyncio.gather(*map(served.send, sent))
        took_s = time.monotonic() - started_s
        again = await asyncio.gather(*map(served.send, sent))
        assert {reply.status for reply in [*replies, *again]} == {202}
        assert took_s < 20  # on a busy machine; the flush time-out is 60 s
        assert _actions(caplog).count("redis_bypassed") == 1  # no webhook waits for it any more

        own_redis.thaw()
        await until(lambda: is_empty(tmp_path))
        await until(lambda: _holds(own_client, {b'"before"', *sent}))
        totals = await stats.read_totals(own_client)
        assert totals.bodies_add_up()
        assert totals.accepted <= 401 + 2 * 128  # only the two batches that were being written may be there twice


async def _holds(client: Client, bodies: set[bytes]) -> bool:
    return set(await stored(client)) == bodies


async def test_a_full_redis_means_spilling_until_there_is_room(own_client: Client, tmp_path: Path) -> None:
    async with serving(own_client, spill_dir=str(tmp_path)) as served:
        await own_client.config_set("maxmemory", "1")
        assert [(await served.send(b'"%d"' % number)).status for number in range(3)] == [202] * 3
        await until(lambda: says(served, "maxmemory"))
        assert (await ready(served))[0] == 200
        assert await stored(own_client) == []

        await own_client.config_set("maxmemory", "0")
        await until(lambda: is_empty(tmp_path))
        assert await stored(own_client) == [b'"0"', b'"1"', b'"2"']


async def test_a_full_disk_is_answered_503_immediately(
    own_redis: RedisServer, own_client: Client, tmp_path: Path
) -> None:
    async with serving(own_client, spill_dir=str(tmp_path), spill_max_bytes=200) as served:
        own_redis.kill()
        statuses = [(await served.send(b'"%d"' % number)).status for number in range(5)]
        assert statuses[0] == 202
        assert statuses[-1] == 503
        assert statuses == sorted(statuses)
        await until(lambda: says(served, "receiver.spill_max_bytes"))
        await until(lambda: says(served, "not reachable"))
        assert (await ready(served))[0] == 503

        own_redis.start()
        await until(lambda: is_empty(tmp_path))
        await until(lambda: _is_quite_ready(served))
        assert (await served.send()).status == 202
        assert len(await stored(own_client)) == statuses.count(202) + 1


async def test_webhooks_spilled_at_the_stop_wait_for_the_next_start_and_this_is_logged(
    own_redis: RedisServer, own_client: Client, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "hookline.receiver")
    own_redis.kill()
    async with serving(own_client, spill_dir=str(tmp_path)) as served:
        for number in range(3):
            assert (await served.send(b'"%d"' % number)).status == 202
    assert _actions(caplog) == ["receiver_not_ready", "redis_bypassed", "spill_started", "spill_left"]
    assert "3 webhooks stay in" in caplog.text

    own_redis.start()
    async with serving(own_client, spill_dir=str(tmp_path)):
        await until(lambda: "spill_drained" in _actions(caplog))
    assert is_empty(tmp_path)
    assert await stored(own_client) == [b'"0"', b'"1"', b'"2"']
    assert _actions(caplog)[4:] == ["spill_drained"]


def _actions(caplog: pytest.LogCaptureFixture) -> list[str]:
    records: list[Any] = caplog.records
    return [record.action for record in records if record.name == "hookline.receiver"]


async def test_redis_gets_the_number_of_waiting_and_damaged_segments(own_client: Client, tmp_path: Path) -> None:
    (tmp_path / "0-1-a.corrupt").touch()
    async with serving(own_client, spill_dir=str(tmp_path)) as served:

        async def is_reported() -> bool:
            return [(one.corrupt, one.bodies) for one in (await read_spilled(own_client)).values()] == [(1, 0)]

        await until(is_reported)
        assert (await ready(served))[0] == 200
        assert await says(served, "1 damaged segments")
        (tmp_path / "0-1-a.corrupt").unlink()

        async def is_exceeded() -> bool:
            return await read_spilled(own_client) == {}

        await until(is_exceeded)
