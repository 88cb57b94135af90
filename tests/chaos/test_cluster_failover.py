"""Tests that failovers and moved slots of a cluster under load lose nothing that was acknowledged."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.crc import key_slot

from broker import dead_letters
from broker.monitoring import stats
from broker.redis.client import Client
from broker.redis.connection import Settings, connect
from broker.redis.errors import BrokerError
from tests.chaos.failover import Load, loaded, numbers
from tests.cluster import Cluster, clustered
from tests.names import KEYS
from tests.sink import running_sink
from tests.until import until

pytestmark = pytest.mark.chaos

SLOT = key_slot(KEYS.prefix.encode())


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    with clustered() as nodes:
        yield await nodes.start()


@pytest.mark.parametrize("fault", ["killed", "frozen", "moved"])
async def test_nothing_that_was_acknowledged_is_lost_in_a_cluster(
    cluster: Cluster, fault: str, tmp_path: Path
) -> None:
    redis = connect(Settings(url=cluster.url))
    async with running_sink() as sink:
        async with loaded(cluster.url, sink, tmp_path) as load:
            await happen(cluster, fault, load)
            repaired_s = time.monotonic()
            await until(lambda: load.since(repaired_s) > 600)
            await load.finish()
            await until(lambda: at_rest(redis))

        totals, dead = await stats.read_totals(redis), await dead_letters.newest(redis)
        await redis.aclose()
        notified = numbers(sink)
        lost = set(load.acknowledged) - set(notified)
        sys.stdout.write(
            f"\n{fault}: acknowledged {len(load.acknowledged)}, lost {len(lost)}, dead {len(dead)}, "
            f"sent again {len(notified) - len(set(notified))}, longest time without a 202 "
            f"{load.longest_gap_s():.1f} s, answers {dict(load.answers)}\n"
        )
        assert (lost, dead) == (set(), [])
        assert len(sink.times) == len(set(notified))  # a repeated notification has the same key as before
        assert totals.bodies_add_up()
        assert totals.notifications_add_up()
        assert totals.sent == totals.processed == len(load.acknowledged)


async def happen(cluster: Cluster, fault: str, load: Load) -> None:
    """Make the primary fail and repair it, or move the slot there and back."""
    old = cluster.primary_of(SLOT)
    other = cluster.other_primary(old)
    if fault == "moved":
        for source, target in ((old, other), (other, old)) * 3:
            moved_s = time.monotonic()
            await cluster.move(SLOT, source, target)
            await until(lambda moved_s=moved_s: load.since(moved_s) > 100)
        return
    old.kill() if fault == "killed" else old.freeze()
    await until(lambda: cluster.primary_of(SLOT, seen_by=other) is not old)
    old.repair()


async def at_rest(redis: Client) -> bool:
    try:
        totals = await stats.read_totals(redis)
    except BrokerError:
        return False
    return totals.queued == 0 == totals.waiting
