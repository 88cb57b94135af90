"""Three real sentinels with a primary and a replica, on ports of 127.0.0.1."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import redis

from launcher.embedded.server_binary import find_server
from tests.leash import leashed
from tests.ports import free_port
from tests.until import until

NAME = "hookline-primary"


class Node:
    """A redis-server process. It may rewrite its config file, so that it keeps its role after a restart."""

    def __init__(self, directory: Path, *, password: str, sentinel: bool, config: str) -> None:
        directory.mkdir()
        self.port = free_port()
        self._file = directory / "redis.conf"
        self._file.write_text(f"port {self.port}\nbind 127.0.0.1\ndir {directory}\n{config}")
        self._log = directory / "log"
        self._mode = ["--sentinel"] if sentinel else []
        self._password = password
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Node:
        with self._log.open("ab") as log:
            command = leashed([find_server().path, self._file, *self._mode])
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while True:
            try:
                with self.client() as client:
                    client.ping()
                    return self
            except redis.RedisError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise AssertionError(self._log.read_text()) from None
                time.sleep(0.01)

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port, password=self._password or None, socket_timeout=2)

    def signal(self, signum: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(signum)

    def kill(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        self._process = None


class Sentineled:
    """`nodes[0]` starts as the primary. `password` is for both nodes, `sentinel_password` for the sentinels."""

    def __init__(self, directory: Path, *, password: str = "", sentinel_password: str = "") -> None:
        self.password, self.sentinel_password = password, sentinel_password
        data = "appendonly yes\nappendfsync always\nsave ''\nrepl-diskless-sync-delay 0\n"
        if password:
            data += f"requirepass {password}\nmasterauth {password}\n"
        self.nodes = [
            Node(directory / f"node-{number}", password=password, sentinel=False, config=data)
            for number in range(2)
        ]
        self.sentinels = [
            Node(
                directory / f"sentinel-{number}",
                password=sentinel_password,
                sentinel=True,
                config=self._sentinel_config(),
            )
            for number in range(3)
        ]

    def _sentinel_config(self) -> str:
        lines = [
            f"sentinel monitor {NAME} 127.0.0.1 {self.nodes[0].port} 2",
            f"sentinel down-after-milliseconds {NAME} 1000",
            f"sentinel failover-timeout {NAME} 10000",
        ]
        if self.password:
            lines.append(f"sentinel auth-pass {NAME} {self.password}")
        if self.sentinel_password:
            lines += [f"requirepass {self.sentinel_password}", f"sentinel sentinel-pass {self.sentinel_password}"]
        return "\n".join(lines) + "\n"

    async def start(self) -> Sentineled:
        primary, replica = (node.start() for node in self.nodes)
        with replica.client() as client:
            client.replicaof("127.0.0.1", str(primary.port))
        for sentinel in self.sentinels:
            sentinel.start()
        await until(self.is_whole)
        return self

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        user = f":{self.password}@" if self.password else ""
        options = f"?sentinel_password={self.sentinel_password}" if self.sentinel_password else ""
        return f"redis+sentinel://{user}{hosts}/{NAME}{options}"

    def is_whole(self) -> bool:
        """Return True if all sentinels see each other and the replica, and the replica is in sync."""
        return all(
            (facts := self.seen_by(sentinel))["num-other-sentinels"] == "2" and facts["num-slaves"] == "1"
            for sentinel in self.sentinels
        ) and any(self._replicas(node) for node in self.nodes)

    def primaries(self, sentinels: Sequence[Node] = ()) -> set[str]:
        """Return the ports that these sentinels, by default all, name as the primary's."""
        return {self.seen_by(sentinel)["port"] for sentinel in sentinels or self.sentinels}

    def seen_by(self, sentinel: Node) -> Mapping[str, str]:
        with sentinel.client() as client:
            flat = client.execute_command("SENTINEL", "MASTER", NAME)
        if isinstance(flat, dict):
            return {str(key): str(value) for key, value in flat.items()}
        texts = [part.decode() for part in flat]
        return dict(zip(texts[::2], texts[1::2], strict=True))

    def primary(self) -> Node:
        """Return the node that all sentinels name as the primary."""
        [port] = self.primaries()
        [node] = [node for node in self.nodes if str(node.port) == port]
        return node

    async def failover(self, *, without: tuple[Node, ...] = ()) -> None:
        """Request a failover, as before maintenance, and wait until every other sentinel names the new primary."""
        sentinels = [sentinel for sentinel in self.sentinels if sentinel not in without]
        [old] = self.primaries(sentinels)
        await until(lambda: self._begins_failover(sentinels[0]))
        await until(lambda: len(named := self.primaries(sentinels)) == 1 and old not in named)

    def _begins_failover(self, sentinel: Node) -> bool:
        try:
            with sentinel.client() as client:
                return bool(client.execute_command("SENTINEL", "FAILOVER", NAME))
        except redis.ResponseError:  # the sentinel has not checked the replica yet
            return False

    def _replicas(self, node: Node) -> bool:
        try:
            with node.client() as client:
                return b"online" in str(client.info("replication").get("slave0")).encode()
        except redis.RedisError:
            return False

    def kill(self) -> None:
        for node in (*self.sentinels, *self.nodes):
            node.kill()


@contextmanager
def sentineled(directory: Path, *, password: str = "", sentinel_password: str = "") -> Iterator[Sentineled]:
    """Yield a group that is not started yet; kill it at the end."""
    group = Sentineled(directory, password=password, sentinel_password=sentinel_password)
    try:
        yield group
    finally:
        group.kill()
