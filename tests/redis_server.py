"""A real Redis or Valkey for tests, which can be stopped, killed, frozen and started again with the same data."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import redis

from launcher.embedded.server_binary import find_server
from tests.leash import leashed


class RedisServer:
    """Run a server on a unix socket in `directory`, with an AOF there. `options` are redis.conf directives.

    binary: the server, by default the one that `hookline up` would start.
    """

    def __init__(self, directory: Path, *, binary: Path | None = None, **options: str) -> None:
        self.directory = directory
        self._binary = binary or find_server().path
        self.socket = directory / "redis.sock"
        self.url = f"unix://{self.socket}"
        self._options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "dir": str(directory),
            "appendonly": "yes",
            "save": "",
            "maxmemory-policy": "noeviction",
            "set-max-intset-entries": "8192",
        } | {name.replace("_", "-"): value for name, value in options.items()}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> RedisServer:
        arguments = [part for name, value in self._options.items() for part in (f"--{name}", value)]
        with (self.directory / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(leashed([self._binary, *arguments]), stdout=log, stderr=log)
        self._wait_until_it_answers()
        return self

    def client(self) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self.socket))

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        os.kill(self._pid(), signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self._pid(), signal.SIGCONT)

    def _pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def _end(self, signum: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(signum)
        self._process.send_signal(signal.SIGCONT)
        self._process.wait(timeout=60)
        self._process = None

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                with self.client() as client:
                    client.ping()
                    return
            except redis.RedisError:
                if time.monotonic() > deadline or (self._process and self._process.poll() is not None):
                    raise
                time.sleep(0.01)
