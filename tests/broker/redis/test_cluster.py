"""Tests of a client on `redis+cluster://` with six real nodes: it finds its primary, and follows failovers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest
from redis.crc import key_slot

from broker.queue import stream
from broker.queue.batch import RawBody
from broker.queue.stream import Confirmation
from broker.redis.client import Client
from broker.redis.connection import Settings, cluster_nodes, connect
from broker.redis.errors import BrokerError, Unavailable, translated
from broker.redis.keys import prefix_of
from broker.redis.partitions import named
from broker.redis.primary.cluster import NodeReport
from tests.broker.redis.test_permissions import DOCUMENT, RULE
from tests.cluster import Cluster, clustered
from tests.launcher.running import environment, hookline
from tests.main_job import run_main_job
from tests.names import KEYS
from tests.ports import free_port
from tests.redis_server import RedisServer
from tests.until import until

SLOT = key_slot(KEYS.prefix.encode())
SECRET = "cluster-secret"


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


async def append(client: Client, confirmation: Confirmation = Confirmation()) -> bool:  # noqa: B008 - frozen
    """Append one batch; False if Redis is away."""
    try:
        await stream.append(client, [RawBody(0, "voucherify", "", b"{}")], confirmation)
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
    assert SECRET not in str(caught.value)
    return f"{type(caught.value).__name__}: {caught.value}"


async def test_each_partition_is_used_on_the_node_that_has_it(cluster: Cluster) -> None:
    settings = Settings(url=cluster.url)
    nodes, ports = cluster_nodes(settings), set()
    for partition in range(12):
        client = connect(settings, partition=partition, nodes=nodes)
        assert await append(client, Confirmation(replicas=1))
        assert await client.xlen(client.names.stream) == 1
        ports.add(await port_of(client))
        assert await port_of(client) == cluster.primary_of(key_slot(client.names.prefix.encode())).port
        await client.aclose(close_connection_pool=True)

    assert len(ports) == 3


async def test_the_main_job_runs_on_a_cluster(cluster: Cluster) -> None:
    _, readiness = await run_main_job(Settings(url=cluster.url))

    assert readiness == {"status": "ready"}


def test_check_finds_no_problem_in_a_cluster(cluster: Cluster, tmp_path: Path) -> None:
    ran = hookline("check", cwd=tmp_path, env=environment(REDIS_URL=cluster.url))

    assert ran.returncode == 0, ran.stdout
    assert f"{cluster.url}: " in ran.stdout
    assert "set cluster-require-full-coverage no on every node" in ran.stdout


def test_the_doctor_examines_16_partitions_as_the_documented_user(cluster: Cluster, tmp_path: Path) -> None:
    rules = dict(RULE.findall(DOCUMENT.read_text("utf-8")))
    for node in cluster.nodes:
        node.run("CONFIG SET", "cluster-require-full-coverage", "no")
        node.run("ACL SETUSER", "doctor", "on", f">{SECRET}", *rules["inspector"].split(), "+cluster|slots")
    for number in (7, 11):
        prefix = prefix_of("hookline", number)
        cluster.primary_of(key_slot(prefix.encode())).run("ZADD", f"{prefix}queue", 4_102_444_800_000, "0abc.3")
    url = cluster.url.replace("://", f"://doctor:{SECRET}@")
    env = environment(REDIS_URL=url, HOOKLINE_REDIS_PARTITIONS="16")

    report = msgspec.json.decode(hookline("doctor", "--json", cwd=tmp_path, env=env).stdout)

    problems = [finding for finding in report["findings"] if finding["severity"] == "problem"]
    assert [finding["area"] for finding in problems] == ["jobs", "workers"], report
    assert problems[0]["what"].startswith("partitions 7 and 11: 1 job (0abc.3) in `queue` without a job key")
    assert {finding["what"] for finding in report["findings"] if finding not in problems} == {
        "Redis refuses CONFIG GET, so appendfsync is unknown"
    }
    assert not [note for note in report["notes"] if "not examined" in note]


async def test_check_names_the_partitions_that_are_away(cluster: Cluster, tmp_path: Path) -> None:
    for node in cluster.nodes:
        node.run("CONFIG SET", "cluster-require-full-coverage", "no")
    settings = Settings(url=cluster.url, partitions=12)
    slots = [key_slot(prefix_of(settings.namespace, partition).encode()) for partition in range(12)]
    lost = cluster.primary_of(slots[5])
    away = [number for number, slot in enumerate(slots) if cluster.primary_of(slot) is lost]
    survivor = cluster.other_primary(lost)
    replicas = [node for node in cluster.nodes if node.run("ROLE")[2] == lost.port]
    for node in (*replicas, lost):
        node.kill()

    env = environment(
        REDIS_URL=f"redis+cluster://127.0.0.1:{survivor.port}",
        HOOKLINE_REDIS_PARTITIONS="12",
        HOOKLINE_REDIS_CONNECT_TIMEOUT_S="0.5",
    )
    ran = hookline("check", "--json", cwd=tmp_path, env=env)
    report = msgspec.json.decode(ran.stdout)

    assert ran.returncode == 1
    assert [problem for problem in report["problems"] if problem.startswith(f"{named(away)} are away: ")]
    assert len(report["problems"]) == 1
    doctor = msgspec.json.decode(hookline("doctor", "--json", cwd=tmp_path, env=env).stdout)
    named_away = [finding["what"] for finding in doctor["findings"] if finding["area"] == "redis"]
    assert [what.partition(": ")[0] for what in named_away] == [f"{named(away)} are away"]
    assert report["redis"]["aof"] is True
    assert not any("full-coverage" in note for note in report["notes"])


async def test_one_of_the_configured_nodes_is_enough(cluster: Cluster) -> None:
    client = connect(Settings(url=f"redis+cluster://127.0.0.1:{free_port()},127.0.0.1:{cluster.nodes[5].port}"))
    assert await append(client)
    await client.aclose(close_connection_pool=True)


async def test_nodes_that_are_down_do_not_delay_the_search_for_the_primary(cluster: Cluster) -> None:
    silent = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]  # they accept, and never answer
    hosts = (*(listener.getsockname() for listener in silent), cluster.nodes[5].host)
    settings = Settings(
        url=f"redis+cluster://{','.join(f'{host}:{port}' for host, port in hosts)}", connect_timeout_s=60
    )
    nodes = cluster_nodes(settings)
    assert nodes is not None
    async with asyncio.timeout(10):
        assert await nodes.primary_of(SLOT) == cluster.primary_of(SLOT).host
    for listener in silent:
        listener.close()


async def test_an_address_of_the_wrong_kind_is_explained(cluster: Cluster, tmp_path: Path) -> None:
    other = cluster.other_primary(cluster.primary_of(SLOT))
    assert "write redis+cluster:// in redis.url" in await error_of(f"redis://127.0.0.1:{other.port}")

    single = RedisServer(tmp_path, port=(port := str(free_port()))).start()
    try:
        assert "write redis:// instead of redis+cluster://" in await error_of(f"redis+cluster://127.0.0.1:{port}")
    finally:
        single.kill()
    assert "Unavailable: Redis is not reachable: no node of the cluster" in (
        await error_of(f"redis+cluster://127.0.0.1:{port}")
    )


async def test_a_user_needs_one_more_command_to_find_the_node(cluster: Cluster) -> None:
    for node in cluster.nodes:
        node.run("ACL SETUSER", "few", "on", f">{SECRET}", "~*", "+get")
    url = cluster.url.replace("://", f"://few:{SECRET}@")
    assert "may not run CLUSTER SLOTS" in await error_of(url)
    assert "refuses the login" in await error_of(url.replace("few", "many"))

    for node in cluster.nodes:
        node.run("ACL SETUSER", "few", "+cluster|slots")
    client = connect(Settings(url=url))
    assert await client.get(KEYS.probe) is None
    await client.aclose(close_connection_pool=True)


async def test_queries_to_the_nodes_leave_no_connections_open(cluster: Cluster) -> None:
    nodes = cluster_nodes(Settings(url=cluster.url))
    assert nodes is not None

    def connections() -> int:
        return len(cluster.nodes[0].run("CLIENT LIST", "TYPE", "normal"))

    before = connections()
    asking = [asyncio.create_task(nodes.primary_of(SLOT)) for _ in range(5)]
    await asyncio.sleep(0)
    for task in asking[:3]:
        task.cancel()
    await asyncio.wait(asking)
    assert asking[4].result() == cluster.primary_of(SLOT).host
    await until(lambda: connections() == before)


def test_the_newest_report_is_the_best_and_then_that_of_the_node_that_has_the_slot() -> None:
    def report(epoch: int, own_id: str, own_epoch: int, primary: str) -> NodeReport:
        return NodeReport(epoch, own_epoch, own_id, ((0, 100, (primary, 1), primary),), ())

    old = report(7, "a", 7, "a")
    heard, claims, claims_later = report(8, "c", 3, "a"), report(8, "a", 4, "a"), report(8, "b", 8, "b")

    assert max(old, heard, key=lambda each: each.rank(5)) is heard
    assert max(heard, claims, key=lambda each: each.rank(5)) is claims
    assert max(heard, claims, claims_later, key=lambda each: each.rank(5)) is claims_later


async def test_a_client_follows_when_the_primary_is_killed(cluster: Cluster, redis: Client) -> None:
    old = cluster.primary_of(SLOT)
    assert await append(redis, Confirmation(replicas=1))

    old.kill()

    await until(lambda: append(redis))
    assert await port_of(redis) != old.port
    assert await redis.xlen(redis.names.stream) == 2


async def test_a_client_follows_when_the_primary_stops_answering(cluster: Cluster, redis: Client) -> None:
    old = cluster.primary_of(SLOT)
    assert set(await asyncio.gather(*(port_of(redis) for _ in range(7)))) == {old.port}

    old.freeze()

    await until(lambda: append(redis))
    new = await port_of(redis)
    assert new != old.port
    assert set(await asyncio.gather(*(port_of(redis) for _ in range(7)))) == {new}
