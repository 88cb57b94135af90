"""Tests of failovers in which a new primary lacks the last writes, while work crosses partitions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.crc import key_slot

from broker.queue import held_bodies, stream
from broker.queue.latest_only import SubjectLock, acquire_subject_locks, release_subject_lock
from broker.redis.client import Client
from broker.redis.confirmation import Confirmation, Durability
from broker.redis.connection import Settings
from broker.redis.errors import NotDurable
from broker.redis.partitions import Partitions, connect_all
from runtime.task_cancellation import cancel_and_wait
from tests.cluster import Cluster, Node, clustered
from tests.until import until
from tests.worker.intake.test_partitions import BODIES, EACH, bodies, intake_of, notifications, received, total

pytestmark = pytest.mark.chaos

REPLICATED = Durability("replicated", 1)


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    with clustered() as nodes:
        yield await nodes.start()


@pytest.fixture
async def partitions(cluster: Cluster) -> AsyncIterator[Partitions]:
    partitions = connect_all(Settings(url=cluster.url, partitions=4))
    yield partitions
    await partitions.aclose()


def primary_of(cluster: Cluster, redis: Client) -> Node:
    return cluster.primary_of(key_slot(redis.names.prefix.encode()))


def replica_of(cluster: Cluster, primary: Node) -> Node:
    [replica] = [node for node in cluster.nodes if node.run("ROLE")[2:3] == [primary.port]]
    return replica


def cut_off(primary: Node, replica: Node) -> None:
    """Freeze a replica, so that it gets none of the writes from now on."""
    replica.freeze()
    primary.run("CLIENT KILL TYPE REPLICA")  # else they would reach its socket


async def fail_over(cluster: Cluster, primary: Node, replica: Node) -> None:
    """Kill a primary, and let its replica take over with what it had when it was frozen."""
    primary.kill()
    replica.thaw()
    await until(lambda: all(port != primary.port for _, _, port in replica.primaries()))
    primary.start()
    await until(cluster.is_whole)


async def test_an_event_is_not_lost_if_the_new_primary_of_its_home_lacks_the_step(
    cluster: Cluster, partitions: Partitions
) -> None:
    batch = partitions[0]
    primary = next(
        node
        for node in (primary_of(cluster, redis) for redis in partitions)
        if node is not primary_of(cluster, batch)
    )
    replica = replica_of(cluster, primary)
    entry = await received(batch, bodies())
    cut_off(primary, replica)
    intake = intake_of(partitions, 0, EACH, durability=REPLICATED)
    await intake.process([entry])
    await fail_over(cluster, primary, replica)
    homes = await held_bodies.waiting_homes(batch)
    assert homes  # the step was not confirmed, so the events wait for it apart from the batch
    for home in homes:
        assert await held_bodies.release(batch, home, most=10) == 0
    again = intake_of(partitions, 0, EACH, durability=REPLICATED)
    await again.process(await stream.read(batch, "worker", count=10, block_ms=1))
    keys = await notifications(partitions)
    assert len(set(keys)) == len(keys) == BODIES


async def test_a_batch_that_no_replica_has_is_not_processed_anywhere(
    cluster: Cluster, partitions: Partitions
) -> None:
    batch = partitions[0]
    primary = primary_of(cluster, batch)
    replica = replica_of(cluster, primary)
    await stream.create_group(batch)
    await batch.wait(1, 3000)
    cut_off(primary, replica)
    await stream.append(batch, bodies(), Confirmation())  # the receiver would answer 503, as nothing confirms it
    entries = await stream.read(batch, "worker", count=1, block_ms=1)
    processing = asyncio.create_task(intake_of(partitions, 0, EACH, durability=REPLICATED).process(entries))
    await asyncio.wait((processing,), timeout=2)
    assert not processing.done()
    await cancel_and_wait([processing])
    await fail_over(cluster, primary, replica)
    assert await notifications(partitions) == []
    assert (await total(partitions)).queued == 0


async def test_no_older_event_follows_a_newer_one_whose_time_the_new_primary_lacks(
    cluster: Cluster, partitions: Partitions
) -> None:
    subject = partitions[0]
    primary = primary_of(cluster, subject)
    replica = replica_of(cluster, primary)
    older, newer = SubjectLock("subject", "older", 10), SubjectLock("subject", "newer", 20)

    async def ask(lock: SubjectLock) -> str:
        return (await acquire_subject_locks(subject, [lock], lease_s=3.0, replicas=1))[0]

    async def stores(lock: SubjectLock) -> bool:
        try:
            await release_subject_lock(subject, lock, is_sent=True, is_owner=True, replicas=1)
        except NotDurable:
            return False
        return True

    assert await ask(newer) == "go"
    cut_off(primary, replica)
    assert not await stores(newer)  # so the outcome is not recorded, and this is repeated
    await fail_over(cluster, primary, replica)
    assert await ask(older) == "wait"
    await until(lambda: stores(newer))
    assert await ask(older) == "stale"


async def test_a_batch_that_a_failover_undid_after_it_was_read_is_not_processed_anywhere(
    cluster: Cluster, partitions: Partitions
) -> None:
    batch = partitions[0]
    primary = primary_of(cluster, batch)
    replica = replica_of(cluster, primary)
    await stream.create_group(batch)
    await batch.wait(1, 3000)
    cut_off(primary, replica)
    await stream.append(batch, bodies(), Confirmation())
    entries = await stream.read(batch, "worker", count=1, block_ms=1)
    await fail_over(cluster, primary, replica)
    await intake_of(partitions, 0, EACH, durability=REPLICATED).process(entries)
    assert await notifications(partitions) == []
    assert (await total(partitions)).queued == 0
