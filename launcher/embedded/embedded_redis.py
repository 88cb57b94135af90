"""The Redis server that `hookline up` and the tests start."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

import redis

from launcher.embedded.data_dir import DataDir
from launcher.embedded.server_binary import ServerBinary, find_server
from launcher.embedded.stored_data import read_stored_data
from launcher.errors import EmbeddedRedisError
from launcher.supervisor.parent_death import die_with_parent

log = logging.getLogger("hookline.launcher")

MAX_SOCKET_PATH_BYTES = 100
"""Unix socket addresses hold 108 bytes on Linux and 104 on macOS, the closing zero included."""

_START_S = 20.0
"""Seconds without an answer after which a start has failed. While Redis is LOADING there is no limit."""

RESTART_AFTER_S = 2.0
_STOP_S = 30.0
_MAX_LOG_BYTES = 1024 * 1024

_UMASK = 0o077
"""The umask of the server: only this user may read its files, also after they are moved or copied."""


def socket_path(data_dir: Path) -> Path:
    """The socket of the embedded Redis of this data directory."""
    return data_dir / "redis.sock"


def socket_url(data_dir: Path) -> str:
    """The socket as an address for redis.url."""
    return f"unix://{quote(str(socket_path(data_dir).absolute()))}"


class EmbeddedRedis:
    """A Redis or Valkey on a unix socket in a data directory, for this user only, that logs every write to disk.

    Lifecycle: start(), restart() about once a second, stop(). Take the DataDir's lock first: two servers would
    destroy the append-only file. On Linux the server ends when this process ends, however that happens, and it
    holds the lock until then.
    """

    def __init__(self, data_dir: DataDir) -> None:
        self._data_dir = data_dir
        self._process: subprocess.Popen[bytes] | None = None
        self._launched = 0.0
        self._server: ServerBinary | None = None
        self.url = socket_url(data_dir.path)

    @property
    def product(self) -> str:
        """The name that the server has for itself: Redis or Valkey; Redis before the first start."""
        return self._server.product if self._server else "Redis"

    @property
    def pid(self) -> int | None:
        """The process id, None while the server does not run."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self, *, print_line: Callable[[str], None] = lambda _: None) -> None:
        """Start the server and wait until it answers. `print_line` gets the progress while it loads its data.

        Raises NoRedisError or EmbeddedRedisError.
        """
        path = socket_path(self._data_dir.path)
        if len(os.fsencode(path)) > MAX_SOCKET_PATH_BYTES:
            raise EmbeddedRedisError(
                f"the path of the embedded Redis' socket is too long ({path}): "
                f"set HOOKLINE_UP_DATA_DIR to a directory with a path of fewer than "
                f"{MAX_SOCKET_PATH_BYTES - len(path.name)} bytes"
            )
        self._launch()
        self._wait_until_it_answers(print_line)

    def restart(self) -> None:
        """Start the server again if it has ended, at most once in RESTART_AFTER_S, without waiting for it."""
        if self._process is None or self.pid is not None or time.monotonic() - self._launched < RESTART_AFTER_S:
            return
        log.error("%s ended: starting it again", self.product, extra={"action": "redis_restarted"})
        self._launch()

    def stop(self) -> None:
        """Stop the server with SIGTERM, so that it writes everything to disk, and wait for its end."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            log.warning(
                "%s did not stop within %d s and was killed",
                self.product,
                _STOP_S,
                extra={"action": "redis_killed"},
            )
            self._process.kill()
            self._process.wait()
        self._process = None

    def _launch(self) -> None:
        server = self._server = find_server(read_stored_data(self._data_dir.path))
        self._launched = time.monotonic()
        parent = os.getpid()
        with self._open_log() as server_log:
            self._process = subprocess.Popen(  # noqa: S603 - our own arguments
                [server.path, *self._arguments(server)],
                stdin=subprocess.DEVNULL,
                stdout=server_log,
                stderr=server_log,
                pass_fds=(self._data_dir.lock_descriptor,),
                process_group=0,
                umask=_UMASK,
                preexec_fn=lambda: die_with_parent(parent),  # noqa: PLW1509 - started before any thread is
            )

    def _arguments(self, server: ServerBinary) -> Iterator[str]:
        options = {
            "port": "0",
            "unixsocket": str(socket_path(self._data_dir.path)),
            "unixsocketperm": "700",
            "dir": str(self._data_dir.path),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "aof-load-truncated": "yes",
            "save": "",
            "maxmemory-policy": "noeviction",
            "set-max-intset-entries": "8192",
        } | server.options
        for name, value in options.items():
            yield f"--{name}"
            yield value

    def _open_log(self) -> BinaryIO:
        path = self._data_dir.path / "redis.log"
        if path.exists() and path.stat().st_size > _MAX_LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))
        return os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab")

    def _wait_until_it_answers(self, print_line: Callable[[str], None]) -> None:
        deadline = time.monotonic() + _START_S
        last_progress = ""
        with redis.Redis(unix_socket_path=str(socket_path(self._data_dir.path)), socket_timeout=5) as client:
            while self.pid is not None:
                if _answers(client):
                    return
                progress = _loading(client)
                if progress is None and time.monotonic() > deadline:
                    break
                if progress is not None:
                    deadline = time.monotonic() + _START_S
                    if progress != last_progress:
                        print_line(f"{self.product} loads its data: {progress}")
                        last_progress = progress
                time.sleep(0.02 if progress is None else 0.5)
        log_file = self._data_dir.path / "redis.log"
        what = "ended during its start" if self.pid is None else "does not answer"
        self.stop()
        raise EmbeddedRedisError(f"the embedded {self.product} {what}: {_last_line(log_file)} (see {log_file})")


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except (redis.RedisError, OSError):
        return False


def _loading(client: redis.Redis) -> str | None:
    """The share of its data that is loaded, or None when the server is not loading."""
    try:
        facts: Any = client.info("persistence")
    except (redis.RedisError, OSError):
        return None
    return f"{facts.get('loading_loaded_perc', 0)} %" if facts.get("loading") else None


def _last_line(log_file: Path) -> str:
    with log_file.open("rb") as file:
        file.seek(max(0, log_file.stat().st_size - 4096))
        lines = [line for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else "its log is empty"
