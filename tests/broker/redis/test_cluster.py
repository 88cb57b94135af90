"""Tests of a client on `redis+cluster://`, with six real nodes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from redis.crc import key_slot

from broker.queue import stream
from broker.queue.batch import RawBody
from broker.queue.stream import Confirmation
from broker.redis.client import Client
from broker.redis.connection import Settings, cluster_nodes, connect
from broker.redis.errors import BrokerError, Unavailable, translated
from tests.cluster import Cluster, clustered
from tests.names import KEYS
from tests.ports import free_port
from tests.until import until

SLOT = key_slot(KEYS.prefix.encode())


@pytest.fixture(scope="module")
def shared() -> Iterator[Cluster]:
    with clustered() as nodes:
        yield asyncio.run(nodes.start())


@pytest.fixture
async def cluster(shared: Cluster) -> AsyncIterator[Cluster]:
    """Wait until all nodes are up and agree, whichever nodes are the primaries; remove all keys."""
    await until(shared.is_whole)
    shared.flush()
    yield shared
    shared.repair()


@pytest.fixture
async def redis(cluster: Cluster) -> AsyncIterator[Client]:
    client = connect(Settings(url=cluster.url, socket_timeout_s=1.0, connect_timeout_s=1.0))
    yield client
    await client.aclose(close_connection_pool=True)


async def port_of(client: Client) -> int:
    return int((await client.info("server"))["tcp_port"])


async def append(client: Client) -> bool:
    """Append one batch; False if Redis is away."""
    try:
        await stream.append(client, [RawBody(0, "voucherify", "", b"{}")], Confirmation())
    except Unavailable:
        return False
    return True


async def error_of(url: str) -> str:
    client = connect(Settings(url=url, connect_timeout_s=0.5), retries=0)
    try:
        with pytest.raises(BrokerError) as caught, translated():
            await client.get(KEYS.probe)
    finally:
        await client.aclose()
    return f"{type(caught.value).__name__}: {caught.value}"


async def test_each_partition_is_used_on_the_node_that_has_it(cluster: Cluster) -> None:
    settings = Settings(url=cluster.url)
    nodes, ports = cluster_nodes(settings), set()
    for partition in range(12):
        client = connect(settings, partition=partition, nodes=nodes)
        assert await append(client)
        assert await client.xlen(client.names.stream) == 1
        ports.add(await port_of(client))
        assert await port_of(client) == cluster.primary_of(key_slot(client.names.prefix.encode())).port
        await client.aclose(close_connection_pool=True)

    assert len(ports) == 3


async def test_a_cluster_is_found_if_only_one_configured_node_is_up(cluster: Cluster) -> None:
    client = connect(Settings(url=f"redis+cluster://127.0.0.1:{free_port()},127.0.0.1:{cluster.nodes[5].port}"))
    assert await append(client)
    await client.aclose(close_connection_pool=True)


async def test_an_address_without_a_cluster_is_explained(cluster: Cluster) -> None:
    closed = free_port()
    assert (
        f"Unavailable: Redis is not reachable: no node of the cluster knows its primaries: 127.0.0.1:{closed}"
        in (await error_of(f"redis+cluster://127.0.0.1:{closed}"))
    )
    other = cluster.other_primary(cluster.primary_of(SLOT))
    assert "write redis+cluster:// in redis.url" in await error_of(f"redis://127.0.0.1:{other.port}")


async def test_a_client_follows_a_slot_that_was_moved(cluster: Cluster, redis: Client) -> None:
    old = cluster.primary_of(SLOT)
    new = cluster.other_primary(old)
    assert await append(redis)
    for source, target in ((old, new), (new, old)):
        await cluster.move(SLOT, source, target)
        assert await append(redis)
        assert await port_of(redis) == target.port
    assert await redis.xlen(redis.names.stream) == 3
