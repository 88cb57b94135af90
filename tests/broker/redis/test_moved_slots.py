"""Tests that a client on `redis+cluster://` loses and repeats nothing while an operator moves its slot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
from redis.crc import key_slot

from broker.queue import stream
from broker.queue.batch import RawBody
from broker.queue.heartbeat import wait_for_wake_up
from broker.queue.stream import APPEND, Confirmation
from broker.redis.client import Client
from broker.redis.connection import Settings, connect
from broker.redis.errors import Unavailable, translated
from tests.cluster import Cluster, Node, clustered
from tests.inspector.stack import TO_CRM, crm, running_receiver, running_worker, sample, wait_until_idle
from tests.names import KEYS
from tests.receiver.serving import Served, serving
from tests.servers import ON_PATH, REDIS_8, VALKEY_9, server_path
from tests.tls import Certificates, tls_before
from tests.until import until

SLOT = key_slot(KEYS.prefix.encode())
SERVERS = (VALKEY_9, REDIS_8, ON_PATH)
BODY = RawBody(0, "voucherify", "", b"{}")
BEING_MOVED = "the slot of this partition is being moved"


@pytest.fixture(scope="module")
def pairs() -> Iterator[dict[str, Cluster]]:
    """Start two primaries of each server that this machine has, all at the same time."""
    with ExitStack() as stack:
        started = {}
        for name in SERVERS:
            with suppress(pytest.skip.Exception):
                started[name] = stack.enter_context(
                    clustered(binary=server_path(name), primaries=2, has_replicas=False)
                )
        asyncio.run(start_all(started.values()))
        yield started


async def start_all(clusters: Iterable[Cluster]) -> None:
    await asyncio.gather(*(cluster.start() for cluster in clusters))


@pytest.fixture
async def cluster(pairs: dict[str, Cluster]) -> Cluster:
    """Return a cluster without keys, of the server that can move a slot in both ways if there is one."""
    cluster = next(iter(pairs.values()))
    await until(cluster.is_whole)
    cluster.flush()
    return cluster


@pytest.fixture
async def redis(cluster: Cluster) -> AsyncIterator[Client]:
    client = connect(Settings(url=cluster.url))
    yield client
    await client.aclose(close_connection_pool=True)


def ends_of_move(cluster: Cluster) -> tuple[Node, Node]:
    """Return the node that has the slot, and one to which it can be moved."""
    source = cluster.primary_of(SLOT)
    return source, cluster.other_primary(source)


async def test_a_client_follows_a_slot_that_was_moved(cluster: Cluster, redis: Client) -> None:
    for move in cluster.ways_to_move() * 2:
        source, target = ends_of_move(cluster)
        await stream.append(redis, [BODY], Confirmation())
        await move(SLOT, source, target)
        await stream.append(redis, [BODY], Confirmation())
        assert int((await redis.info("server"))["tcp_port"]) == target.port
        assert await redis.xlen(redis.names.stream) == 2
        await redis.delete(redis.names.stream)


@pytest.mark.parametrize("server", SERVERS)
async def test_a_script_runs_wholly_or_not_at_all_while_its_slot_is_moved(
    pairs: dict[str, Cluster], server: str
) -> None:
    server_path(server)  # skips the test where this machine has none
    pair = pairs[server]
    pair.flush()
    client = connect(Settings(url=pair.url))
    await stream.append(client, [BODY], Confirmation())
    # A node checks the declared keys before a script begins. So that this alone refuses nothing, all exist.
    declared = {KEYS.stream, KEYS.layout, KEYS.stats_total, KEYS.set_aside}
    await client.set(KEYS.layout, "1")
    await client.zadd(KEYS.set_aside, {"a": 1})
    source, target = ends_of_move(pair)
    pair.begin_move(SLOT, source, target)
    for stay in (set(source.keys(SLOT)), declared, {KEYS.stream}, set[str]()):
        pair.move_keys(SLOT, source, target, besides=stay)
        before = contents(source)
        with pytest.raises(Unavailable, match=BEING_MOVED):
            await stream.append(client, [BODY], Confirmation())
        assert contents(source) == before
        assert set(before) == stay

    # A client that follows ASK, which Hookline does not, makes the new node run the whole script.
    words = APPEND.words(KEYS, {"bodies": 1, "blob": b"batch", "sources": []})
    with target.client() as one, one.pipeline(transaction=False) as pipe:
        pipe.execute_command("ASKING")
        pipe.eval(APPEND.text, *words)
        pipe.execute()

    pair.end_move(SLOT, source, target)
    await stream.append(client, [BODY], Confirmation())
    assert await client.xlen(KEYS.stream) == 3
    assert int(await client.hget(KEYS.stats_total, "accepted") or 0) == 3
    await client.aclose(close_connection_pool=True)


def contents(node: Node) -> dict[str, bytes]:
    """Return the value of each key that the node has in the slot."""
    return {key: node.run("DUMP", key) for key in node.keys(SLOT)}


async def test_single_commands_wait_while_their_slot_is_moved(cluster: Cluster, redis: Client) -> None:
    await stream.create_group(redis)
    await stream.append(redis, [BODY], Confirmation())
    [entry] = await stream.read(redis, "worker", count=1, block_ms=0)
    await redis.rpush(KEYS.wake, "1")
    await redis.hset(KEYS.installation, "a", "b")
    commands: list[Callable[[], Awaitable[object]]] = [
        lambda: redis.hset(KEYS.installation, "c", "d"),
        lambda: redis.expire(KEYS.installation, 1000),
        lambda: stream.read(redis, "worker", count=1, block_ms=10),
        lambda: stream.keep(redis, "worker", [entry.id]),
        lambda: wait_for_wake_up(redis, seconds=1),
        redis.pipeline(transaction=True).hset(KEYS.installation, "e", "f").expire(KEYS.installation, 1).execute,
    ]
    source, target = ends_of_move(cluster)
    cluster.begin_move(SLOT, source, target)
    cluster.move_keys(SLOT, source, target)
    for command in commands:
        with pytest.raises(Unavailable, match=BEING_MOVED), translated():
            await command()
    cluster.end_move(SLOT, source, target)

    assert await redis.hgetall(KEYS.installation) == {b"a": b"b"}
    assert await redis.ttl(KEYS.installation) == -1
    for command in commands[:5]:
        await command()
    assert await stream.read_missed(redis, "worker", after="0", count=9) == [entry]


async def test_reads_that_wait_go_on_where_the_slot_was_moved_to(cluster: Cluster, redis: Client) -> None:
    await stream.create_group(redis)
    for move in cluster.ways_to_move():
        source, target = ends_of_move(cluster)
        reading = asyncio.create_task(stream.read(redis, "worker", count=1, block_ms=4000))
        await until(lambda source=source: b"cmd=xreadgroup" in raw_client_list(source))
        await move(SLOT, source, target)
        await stream.append(redis, [BODY], Confirmation())
        assert [entry.bodies for entry in await reading] == [1]


def raw_client_list(node: Node) -> bytes:
    with node.client() as client:
        client.response_callbacks.clear()
        return bytes(client.execute_command("CLIENT LIST"))


async def test_a_list_of_keys_fails_if_the_keys_move_before_it_is_complete(
    cluster: Cluster, redis: Client
) -> None:
    names = {f"{KEYS.job}{number}".encode() for number in range(3000)}
    await redis.mset(dict.fromkeys(names, "1"))
    assert {name async for name in redis.scan_iter(f"{KEYS.job}*")} == names

    source, target = ends_of_move(cluster)
    listing = redis.scan_iter(f"{KEYS.job}*")
    assert await anext(listing) in names
    cluster.begin_move(SLOT, source, target)
    with pytest.raises(Unavailable, match=BEING_MOVED), translated():
        [name async for name in listing]
    await cluster.move(SLOT, source, target)
    assert {name async for name in redis.scan_iter(f"{KEYS.job}*")} == names


async def accepts(served: Served, number: int) -> bool:
    return (await served.send(sample(number))).status == 202


async def test_moves_under_load_lose_and_repeat_nothing(cluster: Cluster, redis: Client) -> None:
    sent = 0

    async def deliver(served: Served) -> None:
        """Send webhooks one after another, each again until it is accepted, as a provider does."""
        nonlocal sent
        while not stop.is_set():
            await until(partial(accepts, served, sent))
            sent += 1

    stop = asyncio.Event()
    async with (
        running_receiver() as crm_server,
        serving(redis) as served,
        running_worker(Settings(url=cluster.url), rules=TO_CRM, channels=crm(crm_server.url)),
    ):
        async with asyncio.TaskGroup() as group:
            group.create_task(deliver(served))
            for move in cluster.ways_to_move() * 2:
                before = sent
                await until(lambda before=before: sent > before + 5)
                await move(SLOT, *ends_of_move(cluster))
                source, target = ends_of_move(cluster)
                cluster.begin_move(SLOT, source, target)
                await asyncio.sleep(0.1)
                await cluster.move(SLOT, source, target)
            stop.set()
        totals = await wait_until_idle(redis)

    assert (totals.processed, totals.sent, totals.dead) == (sent, sent, 0)
    assert totals.accepted == sent + totals.duplicate
    assert len(crm_server.received) == sent


async def test_nodes_are_reached_at_the_host_names_that_the_cluster_reports(cluster: Cluster) -> None:
    lost, client = connect(Settings(url=cluster.url), retries=0), connect(Settings(url=cluster.url))
    with configured(cluster.nodes, {"cluster-preferred-endpoint-type": "hostname"}):
        with pytest.raises(Unavailable, match="set cluster-announce-hostname"), translated():
            await lost.get(KEYS.probe)
        with configured(cluster.nodes, {"cluster-announce-hostname": "localhost"}):
            await until(lambda: all(hosts_of(node) == {b"localhost"} for node in cluster.nodes))
            await stream.append(client, [BODY], Confirmation())
    for connected in (lost, client):
        await connected.aclose(close_connection_pool=True)


async def test_a_cluster_is_used_with_tls_and_without_knowing_its_own_hosts(
    cluster: Cluster, tmp_path: Path
) -> None:
    certificates = Certificates(tmp_path)
    first, second = cluster.nodes
    async with tls_before(first, certificates.server) as one, tls_before(second, certificates.server) as other:
        with (
            configured(cluster.nodes, {"cluster-preferred-endpoint-type": "unknown-endpoint"}),
            configured([first], {"cluster-announce-port": str(one)}),
            configured([second], {"cluster-announce-port": str(other)}),
        ):
            await until(lambda: all(ports_of(node) == {one, other} for node in cluster.nodes))
            settings = Settings(url=f"rediss+cluster://127.0.0.1:{one}", tls_ca_file=certificates.ca_file)
            clients = [connect(settings, partition=partition) for partition in range(8)]
            ports = {(await client.info("server"))["tcp_port"] for client in clients}
            assert ports == {first.port, second.port}
            for client in clients:
                await client.aclose(close_connection_pool=True)


@contextmanager
def configured(nodes: Iterable[Node], settings: Mapping[str, str]) -> Iterator[None]:
    """Change the settings of nodes, and restore them at the end."""
    changed = [(node, name, node.run("CONFIG GET", name)[name]) for node in nodes for name in settings]
    try:
        for node, name, _ in changed:
            node.run("CONFIG SET", name, settings[name])
        yield
    finally:
        for node, name, old in changed:
            node.run("CONFIG SET", name, old)


def ports_of(node: Node) -> set[int]:
    """Return the ports of the primaries as this node knows them."""
    return {port for _, _, port in node.primaries()}


def hosts_of(node: Node) -> set[bytes]:
    """Return the hosts of the primaries as this node knows them."""
    return {primary[0] for _, _, primary, *_ in node.run("CLUSTER SLOTS")}
