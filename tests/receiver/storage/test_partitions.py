"""Tests of a receiver with partitions on several servers, some of which are killed, frozen, full or unsafe."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from msgspec import structs

from broker.monitoring.spilled import read_spilled
from broker.monitoring.stats import read_totals
from broker.queue import batch
from broker.queue.batch import RawBody
from broker.redis.client import Client
from broker.redis.connection import Settings as RedisSettings
from broker.redis.connection import connect
from broker.redis.partitions import Partitions, connect_all
from receiver.storage.partition_writers import PartitionWriters
from receiver.storage.redis_writer import RedisWriter
from sources.voucherify import HEADER
from tests.receiver.serving import Served, serving
from tests.redis_server import RedisServer
from tests.until import until

_EVERY_S = 0.02
_WATCHED_S = 2.5


@pytest.fixture
def servers() -> Iterator[list[RedisServer]]:
    """Start two servers that only this test uses."""
    with contextlib.ExitStack() as stack:
        started = []
        for _ in range(2):
            directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="hookline-"))
            started.append(RedisServer(Path(directory)).start())
            stack.callback(started[-1].kill)
        yield started


@contextlib.asynccontextmanager
async def divided(servers: Sequence[RedisServer], layout: str = "01") -> AsyncIterator[Partitions]:
    """Connect to partitions. layout: for each partition the number of its server."""
    settings = RedisSettings(partitions=len(layout))
    clients = [
        connect(structs.replace(settings, url=servers[int(place)].url), partition=number)
        for number, place in enumerate(layout)
    ]
    partitions = Partitions(clients)
    try:
        yield partitions
    finally:
        await partitions.aclose()


async def bodies_in(client: Client) -> list[bytes]:
    entries = await client.xrange(client.names.stream)
    return [raw.body for _, fields in entries for raw in batch.decode(fields[b"z"])]


async def all_bodies(partitions: Partitions) -> set[bytes]:
    return {body for client in partitions for body in await bodies_in(client)}


class Senders:
    """Sends a webhook every few ms, whether or not earlier ones are answered, and notes when each was answered."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self.accepted: dict[bytes, float] = {}
        self._sent_s: list[float] = []
        self.statuses: set[int] = set()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(1_000_000):
                self._sent_s.append(time.monotonic())
                group.create_task(self._send(b'{"n":%d}' % number))
                await asyncio.sleep(_EVERY_S)

    async def _send(self, body: bytes) -> None:
        reply = await self._served.send(body)
        self.statuses.add(reply.status)
        if reply.status == 202:
            self.accepted[body] = time.monotonic()

    def longest_gap_s(self) -> float:
        """Return the longest time between two answers with 202, without what a busy machine did not send."""
        return _longest_gap_s(sorted(self.accepted.values())) - _longest_gap_s(self._sent_s)


def _longest_gap_s(times: Sequence[float]) -> float:
    return max(later - earlier for earlier, later in pairwise(times))


@pytest.mark.parametrize(
    ("end", "layout"), [("kill", "01"), ("freeze", "01"), ("freeze", "0000000000000001")], ids=str
)
async def test_no_second_passes_without_a_202_while_another_primary_lives(
    servers: list[RedisServer], end: str, layout: str
) -> None:
    async with divided(servers, layout) as partitions, serving(partitions) as served:
        senders = Senders(served)
        sending = asyncio.create_task(senders.run())
        await until(lambda: len(senders.accepted) > 20)
        getattr(servers[0], end)()
        ended_s = time.monotonic()
        await until(lambda: time.monotonic() - ended_s > _WATCHED_S)
        ready = await served.get("/readyz")
        servers[0].start() if end == "kill" else servers[0].thaw()
        await until(lambda: _is_quite_ready(served))
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        stored = await all_bodies(partitions)

    assert senders.statuses == {202}
    assert senders.longest_gap_s() < 1.0
    assert ready.status == 200
    assert "partition" in ready.content["notes"][0]
    # The server that was killed may have lost what it had only in its memory.
    expected = {body for body, at_s in senders.accepted.items() if end == "freeze" or at_s > ended_s}
    assert expected <= stored


async def _is_quite_ready(served: Served) -> bool:
    reply = await served.get("/readyz")
    return (reply.status, reply.content) == (200, {"status": "ready"})


async def _notes(served: Served) -> str:
    return " ".join((await served.get("/readyz")).content.get("notes", []))


async def test_batches_go_to_the_partitions_in_turn(redis_server: RedisServer) -> None:
    partitions = connect_all(RedisSettings(url=redis_server.url, partitions=3))
    async with serving(partitions) as served:
        for _ in range(6):
            assert (await served.send()).status == 202
    assert [await client.xlen(client.names.stream) for client in partitions] == [2, 2, 2]
    await partitions.aclose()


async def test_one_partition_costs_the_same_commands_as_its_writer(redis: Client) -> None:
    bodies = [RawBody(0, "voucherify", "", b"{}")]
    writers = PartitionWriters(Partitions([redis]), durability="memory", replicas=1, timeout_s=4)
    alone = RedisWriter(redis, durability="memory", replicas=1)
    calls = []
    for writer in (writers, alone):
        await writer.write(bodies)  # the first write reads the facts of the server
        await redis.config_resetstat()
        await writer.write(bodies)
        calls.append({name: stat["calls"] for name, stat in (await redis.info("commandstats")).items()})
    assert calls[0] == calls[1]
    assert calls[0]["cmdstat_evalsha"] == 1


async def test_a_server_that_stalls_with_all_partitions_costs_no_webhook_and_stores_each_once(
    own_redis: RedisServer,
) -> None:
    async with divided([own_redis], "0" * 16) as partitions, serving(partitions) as served:
        senders = Senders(served)
        sending = asyncio.create_task(senders.run())
        await until(lambda: len(senders.accepted) > 10)
        own_redis.freeze()
        frozen_s = time.monotonic()
        await until(lambda: time.monotonic() - frozen_s > 1.8)
        own_redis.thaw()
        thawed_s = time.monotonic()
        await until(lambda: max(senders.accepted.values()) > thawed_s)
        await until(lambda: _is_quite_ready(served))
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        stored = [body for client in partitions for body in await bodies_in(client)]
    assert senders.statuses == {202}
    assert senders.accepted.keys() <= set(stored)
    assert len(stored) == len(set(stored))


async def test_a_full_partition_is_left_out_and_named(servers: list[RedisServer]) -> None:
    async with divided(servers) as partitions, serving(partitions) as served:
        await partitions[0].config_set("maxmemory", "1")
        assert [(await served.send(b'"%d"' % number)).status for number in range(4)] == [202] * 4
        assert len(await bodies_in(partitions[1])) == 4
        assert "partition 0: " in await _notes(served)
        text = await served.text("/metrics")
        assert 'hookline_receiver_partition_ready{partition="0",process="3"} 0.0' in text
        assert 'hookline_receiver_partition_ready{partition="1",process="3"} 1.0' in text

        await partitions[1].config_set("maxmemory", "1")
        assert (await served.send()).status == 503
        ready = await served.get("/readyz")
        assert ready.status == 503
        assert "partitions 0, 1: " in ready.content["reasons"][0]

        for client in partitions:
            await client.config_set("maxmemory", "0")
        await until(lambda: _is_quite_ready(served))


async def test_a_partition_that_may_lose_webhooks_gets_them_only_if_no_other_is_well(
    servers: list[RedisServer],
) -> None:
    async with divided(servers) as partitions:
        await partitions[0].config_set("appendonly", "no")
        async with serving(partitions) as served:
            for _ in range(3):
                assert (await served.send()).status == 202
            assert (await served.get("/readyz")).status == 200
            assert "partition 0: Redis keeps nothing on disk" in await _notes(served)
            assert await bodies_in(partitions[0]) == []

            servers[1].kill()
            assert (await served.send()).status == 202
            assert len(await bodies_in(partitions[0])) == 1
            ready = await served.get("/readyz")
            assert ready.status == 503
            assert "partition 0: Redis keeps nothing on disk" in " ".join(ready.content["reasons"])


async def test_rejections_are_reported_to_another_partition_while_the_control_partition_is_away(
    servers: list[RedisServer],
) -> None:
    async with divided(servers) as partitions, serving(partitions) as served:
        servers[0].kill()
        await until(lambda: _says(served, "partition 0: Redis is not reachable"))
        assert (await served.send(headers={HEADER: "wrong"})).status == 401

        async def is_counted() -> bool:
            return (await read_totals(partitions[1])).refused == {"401": 1}

        await until(is_counted)


async def _says(served: Served, words: str) -> bool:
    return words in await _notes(served)


async def test_the_limit_of_queued_bytes_is_for_all_partitions_also_for_those_that_are_away(
    servers: list[RedisServer],
) -> None:
    async with divided(servers) as partitions, serving(partitions, max_queued_bytes=150_000) as served:
        for number in range(2):
            assert (await served.send(b"%d" % number + os.urandom(100_000))).status == 202
        pressure = served.receiver._storage.pressure
        await until(pressure.is_exceeded)
        assert all(size < 150_000 for size in pressure._bytes.values())
        servers[0].kill()
        await until(lambda: _says(served, "partition 0: Redis is not reachable"))
        assert (await served.send()).status == 503


async def test_webhooks_are_spilled_only_while_no_partition_takes_them(
    servers: list[RedisServer], tmp_path: Path
) -> None:
    async with divided(servers) as partitions, serving(partitions, spill_dir=str(tmp_path)) as served:
        servers[0].freeze()
        assert [(await served.send(b'"%d"' % number)).status for number in range(3)] == [202] * 3
        assert served.receiver._storage.fallback.spill.on_disk.bodies == 0
        assert set(await bodies_in(partitions[1])) == {b'"0"', b'"1"', b'"2"'}

        servers[1].kill()
        assert (await served.send(b'"spilled"')).status == 202
        await until(lambda: _says(served, "1 webhooks wait in"))

        servers[1].start()
        await until(lambda: not any(tmp_path.iterdir()))
        assert b'"spilled"' in await bodies_in(partitions[1])

        async def is_not_reported() -> bool:
            return await read_spilled(partitions[1]) == {}

        await until(is_not_reported)
        servers[0].thaw()
        await until(lambda: _is_quite_ready(served))
