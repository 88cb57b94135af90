"""A real Redis Cluster on ports of 127.0.0.1."""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis

from tests.ports import free_port
from tests.redis_server import RedisServer
from tests.until import until

SLOTS = 16384

_OPTIONS = {
    "bind": "127.0.0.1",
    "cluster_enabled": "yes",
    # After these ms without a response a node counts as failed, and its replica takes its place.
    "cluster_node_timeout": "1000",
    "cluster_replica_validity_factor": "0",
    "repl_diskless_sync_delay": "0",
}


class Node(RedisServer):
    """A node of the cluster, on a port of 127.0.0.1. Tests give it commands through its unix socket."""

    def __init__(self, directory: Path, *, binary: Path | None = None, **options: str) -> None:
        directory.mkdir()
        self.port, self.bus_port = free_port(), free_port()
        ports = {"port": str(self.port), "cluster_port": str(self.bus_port)}
        super().__init__(directory, binary=binary, **(_OPTIONS | ports | options))
        self.id = ""

    @property
    def host(self) -> tuple[str, int]:
        return ("127.0.0.1", self.port)

    def run(self, *words: str | int) -> Any:
        """Run one command and return the parsed reply. Raises the errors of redis-py."""
        with redis.Redis(unix_socket_path=str(self.socket), socket_timeout=5) as client:
            return client.execute_command(*words)  # type: ignore[no-untyped-call]

    def repair(self) -> None:
        """Start the node if it was killed, and resume it if it is frozen."""
        if self._process is None:
            self.start()
        self.thaw()

    def keys(self, slot: int) -> list[str]:
        """Return the names of the keys that the node has in a slot, at most 1000."""
        names: list[str] = self.run("CLUSTER GETKEYSINSLOT", slot, 1000)
        return names

    def primaries(self) -> list[tuple[int, int, int]]:
        """Return the first slot, the last slot and the port of each range of slots, as this node knows them."""
        return sorted((first, last, primary[1]) for first, last, primary, *_ in self.run("CLUSTER SLOTS"))


class Cluster:
    """`nodes` are the primaries and, after them, a replica of each. Failovers change the roles."""

    def __init__(
        self,
        directory: Path,
        *,
        binary: Path | None = None,
        primaries: int = 3,
        has_replicas: bool = True,
        **options: str,
    ) -> None:
        self._primaries, self._replicas = primaries, primaries if has_replicas else 0
        self.nodes = [
            Node(directory / f"node-{number}", binary=binary, **options)
            for number in range(primaries + self._replicas)
        ]

    async def start(self) -> Cluster:
        for epoch, node in enumerate(self.nodes, 1):
            node.start()
            node.id = node.run("CLUSTER MYID").decode()
            node.run("CLUSTER SET-CONFIG-EPOCH", epoch)
        bounds = [SLOTS * number // self._primaries for number in range(self._primaries + 1)]
        for node, first, end in zip(self.nodes, bounds, bounds[1:], strict=False):
            node.run("CLUSTER ADDSLOTS", *range(first, end))
        for node in self.nodes[1:]:
            node.run("CLUSTER MEET", *self.nodes[0].host, self.nodes[0].bus_port)
        await until(lambda: all(len(node.run("CLUSTER NODES")) == len(self.nodes) for node in self.nodes))
        for primary, replica in zip(self.nodes, self.nodes[self._primaries :], strict=False):
            replica.run("CLUSTER REPLICATE", primary.id)
        await until(self.is_whole)
        return self

    @property
    def url(self) -> str:
        """The address with two of the nodes, so that a client has to learn the others."""
        return f"redis+cluster://{','.join(f'{host}:{port}' for host, port in (n.host for n in self.nodes[:2]))}"

    def is_whole(self) -> bool:
        """Return True if all nodes are up and agree on the primaries, and all replicas are in sync."""
        try:
            views = [node.primaries() for node in self.nodes]
            states = [node.run("CLUSTER INFO")["cluster_state"] for node in self.nodes]
            roles = [node.run("ROLE") for node in self.nodes]
        except redis.RedisError:
            return False
        in_sync = sum(role[0] == b"slave" and role[3] == b"connected" for role in roles)
        return all(view == views[0] for view in views) and set(states) == {"ok"} and in_sync == self._replicas

    def primary_of(self, slot: int, *, seen_by: Node | None = None) -> Node:
        """Return the node that serves a slot, as a node that is up reports it. Raises redis-py's errors."""
        [port] = [port for first, last, port in (seen_by or self.nodes[0]).primaries() if first <= slot <= last]
        [node] = [node for node in self.nodes if node.port == port]
        return node

    def current_primaries(self) -> list[Node]:
        """Return the nodes that serve slots, as the first node reports them. Raises redis-py's errors."""
        ports = {port for _, _, port in self.nodes[0].primaries()}
        return [node for node in self.nodes if node.port in ports]

    def other_primary(self, node: Node) -> Node:
        """Return a primary that is not this node."""
        return next(other for other in self.current_primaries() if other is not node)

    def begin_move(self, slot: int, source: Node, target: Node) -> None:
        """Begin to move a slot key by key: from now on the source answers ASK for keys that it lacks."""
        target.run("CLUSTER SETSLOT", slot, "IMPORTING", source.id)
        source.run("CLUSTER SETSLOT", slot, "MIGRATING", target.id)

    def move_keys(self, slot: int, source: Node, target: Node, *, besides: Collection[str] = ()) -> None:
        """Move all keys of a slot besides some."""
        keys = [key for key in source.keys(slot) if key not in besides]
        if keys:
            source.run("MIGRATE", *target.host, "", 0, 5000, "KEYS", *keys)

    def end_move(self, slot: int, source: Node, target: Node) -> None:
        """Give the slot to the target, once it has all keys."""
        for node in (target, source):
            node.run("CLUSTER SETSLOT", slot, "NODE", target.id)

    async def move(self, slot: int, source: Node, target: Node) -> None:
        """Move a slot key by key, as `redis-cli --cluster reshard` does, and wait until all nodes know it."""
        self.begin_move(slot, source, target)
        while source.keys(slot):
            self.move_keys(slot, source, target)
        self.end_move(slot, source, target)
        await self._knows(slot, target)

    async def move_at_once(self, slot: int, source: Node, target: Node) -> None:
        """Move a slot in one step, which Valkey can since 9.0, and wait until all nodes know it."""
        source.run("CLUSTER MIGRATESLOTS", "SLOTSRANGE", slot, slot, "NODE", target.id)
        await self._knows(slot, target)

    async def _knows(self, slot: int, primary: Node) -> None:
        await until(lambda: all(self.primary_of(slot, seen_by=node) is primary for node in self.nodes))

    def ways_to_move(self) -> list[Callable[[int, Node, Node], Awaitable[None]]]:
        """Return the ways in which this server can move a slot, the last of them in one step if it can."""
        try:
            self.nodes[0].run("CLUSTER GETSLOTMIGRATIONS")
        except redis.ResponseError:
            return [self.move]
        return [self.move, self.move_at_once]

    def flush(self) -> None:
        """Remove all keys from the cluster."""
        for node in self.nodes:
            if node.run("ROLE")[0] == b"master":
                node.run("FLUSHALL")

    def repair(self) -> None:
        """Start each node that was killed, and resume each that is frozen."""
        for node in self.nodes:
            node.repair()

    def kill(self) -> None:
        for node in self.nodes:
            node.kill()


@contextmanager
def clustered(
    *, binary: Path | None = None, primaries: int = 3, has_replicas: bool = True, **options: str
) -> Iterator[Cluster]:
    """Yield a cluster that is not started yet; kill it at the end. options: redis.conf directives of all nodes."""
    with tempfile.TemporaryDirectory(prefix="hookline-") as directory:
        cluster = Cluster(
            Path(directory), binary=binary, primaries=primaries, has_replicas=has_replicas, **options
        )
        try:
            yield cluster
        finally:
            cluster.kill()
