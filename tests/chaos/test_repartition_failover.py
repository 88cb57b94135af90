"""Tests that data moves to more partitions of a real cluster under load, while a primary is killed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from msgspec import structs
from redis.crc import key_slot

from broker.monitoring.stats import Totals
from broker.queue import stream
from broker.redis.confirmation import Confirmation, Durability
from broker.redis.connection import Settings
from broker.redis.errors import BrokerError
from broker.redis.partitions import Partitions, connect_all
from broker.repartition.run import needed, repartition
from runtime.task_cancellation import cancel_and_wait
from tests.broker.repartition import installation
from tests.broker.repartition.installation import (
    BODIES,
    EVERY,
    body,
    facts,
    fill,
    orders,
    process,
    redeliver,
    total,
)
from tests.cluster import Cluster, Node, clustered
from tests.until import until

pytestmark = pytest.mark.chaos

REPLICATED = Durability("replicated", 1)
CONFIRMED = Confirmation(replicas=1)


@pytest.fixture(scope="module")
def shared() -> Iterator[Cluster]:
    with clustered(cluster_require_full_coverage="no") as nodes:
        yield asyncio.run(nodes.start())


@pytest.fixture
async def cluster(shared: Cluster) -> AsyncIterator[Cluster]:
    await until(shared.is_whole)
    shared.flush()
    yield shared
    shared.repair()


def settings_of(cluster: Cluster, partitions: int) -> Settings:
    return Settings(url=cluster.url, partitions=partitions, connect_timeout_s=0.5, socket_timeout_s=2)


@pytest.fixture
async def four(cluster: Cluster) -> AsyncIterator[Partitions]:
    clients = connect_all(settings_of(cluster, 4))
    yield clients
    await clients.aclose()


@pytest.fixture
async def sixteen(cluster: Cluster) -> AsyncIterator[Partitions]:
    clients = connect_all(settings_of(cluster, 16))
    yield clients
    await clients.aclose()


class Load:
    """Receives webhooks as a receiver with four partitions does, which takes another one if one is away."""

    def __init__(self, partitions: Partitions) -> None:
        self.accepted = 0
        self.refused = 0
        self._partitions = partitions

    async def run(self) -> None:
        number = 0
        while True:
            number += 1
            try:
                await stream.append(self._partitions[number % 4], [body(1000 + self.accepted)], CONFIRMED)
            except BrokerError:
                self.refused += 1
            else:
                self.accepted += 1
            await asyncio.sleep(0.005)


class Killer:
    """Kills the primary of a partition when the move reports a kind of data for the first time."""

    def __init__(self, cluster: Cluster, kind: str, victim: Node) -> None:
        self.has_killed = False
        self._cluster = cluster
        self._kind = kind
        self._victim = victim

    def report(self, kind: str, count: int) -> None:
        if count and kind == self._kind and not self.has_killed:
            self.has_killed = True
            self._victim.kill()


@pytest.mark.parametrize("kind", ["dedupe sets", "dead letters"])
async def test_data_moves_under_load_although_a_primary_is_killed(
    cluster: Cluster, four: Partitions, sixteen: Partitions, kind: str
) -> None:
    wide = settings_of(cluster, 16)
    await fill(four)
    before = await facts(four)
    for client in four:
        await client.wait(1, 5000)
    victim = cluster.primary_of(key_slot(sixteen[9].names.prefix.encode()))
    killer = Killer(cluster, kind, victim)
    load = Load(four)
    loading = asyncio.create_task(load.run())
    await until(lambda: load.accepted > 20)

    tries = 0
    while move := await needed_when_redis_answers(wide):
        tries += 1
        try:
            await repartition(wide, move, orders(durability=REPLICATED, lease_s=1, report=killer.report))
        except BrokerError:
            victim.repair()
            await until(cluster.is_whole)
    await cancel_and_wait([loading])

    assert killer.has_killed
    assert tries > 1
    after = await facts(sixteen)
    assert structs.replace(after, totals=Totals()) == structs.replace(before, totals=Totals())
    sums = await total(sixteen)
    assert load.accepted <= sums.queued <= load.accepted + load.refused + 1
    assert (sums.created, sums.dead, sums.waiting) == (
        before.totals.created,
        before.totals.dead,
        before.totals.waiting,
    )
    await process(sixteen, [])
    processed = (await total(sixteen)).processed - before.totals.processed
    assert load.accepted <= processed <= load.accepted + 1  # the answer to the last one may be lost
    dead = BODIES // EVERY
    duplicates, retried = await redeliver(sixteen)
    assert (duplicates, retried) == (BODIES + 5 - dead, dead)
    assert await installation.leftovers(sixteen) == []


async def needed_when_redis_answers(settings: Settings) -> object:
    while True:
        try:
            return await needed(settings)
        except BrokerError:
            await asyncio.sleep(0.1)
