"""The disruptions of a Redis Cluster: a primary is killed or frozen, or the slot of a partition is moved."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.crc import key_slot

from broker.redis.client import Client
from tests.chaos import disruptions
from tests.chaos.disruptions import Disruption
from tests.cluster import Cluster
from tests.until import until


@asynccontextmanager
async def cluster_disrupted(cluster: Cluster, disruption: Disruption, redis: Client) -> AsyncIterator[None]:
    """Disrupt the primary of a partition while entered. At the end, wait until the cluster is whole again.

    redis: the client of the partition.
    """
    slot = key_slot(redis.names.prefix.encode())
    primary = cluster.primary_of(slot)
    if disruption.kind == disruptions.MOVE_SLOT:
        other = cluster.other_primary(primary)
        move = cluster.move_at_once if disruption.victim // len(cluster.nodes) % 2 else cluster.move
        await move(slot, primary, other)
        yield
        await move(slot, other, primary)
        return
    primary.kill() if disruption.kind == disruptions.KILL_PRIMARY else primary.freeze()
    yield
    primary.repair()
    # A replica that still lacks writes must not take over: it would lose what was confirmed.
    await until(cluster.is_whole)
