"""Starts Redis and the processes of a contender, and reads their CPU time."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import redis
from msgspec import Struct

from benchmarks.harness.load import SECRET
from benchmarks.harness.processes import tree_cpu_s
from benchmarks.harness.redis_server import redis_cpu_s, running_redis
from benchmarks.peers.contenders import PROGRAMS, Contender, Tuning
from benchmarks.peers.environments import bin_of
from tests.leash import leashed

_START_S = 30.0
_STOP_S = 8.0


class Running(Struct, frozen=True):
    """A contender that runs."""

    port: int
    pids: list[tuple[str, int]]
    """The component and the id of each process."""

    server: redis.Redis

    def cpu_s(self) -> Counter[str]:
        """Return the CPU time of each component, in seconds."""
        spent: Counter[str] = Counter()
        for role, pid in self.pids:
            spent[role] += tree_cpu_s(pid)
        spent["redis"] = redis_cpu_s(self.server)
        return spent


@contextlib.contextmanager
def running(contender: Contender, sink_url: str, tuning: Tuning) -> Iterator[Running]:
    """Start an empty Redis and the contender. Raises RuntimeError if its receiver does not listen."""
    with contextlib.ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hookline-peer-")))
        redis_port, port = _free_port(), _free_port()
        stack.enter_context(running_redis(port=str(redis_port)))
        server = stack.enter_context(contextlib.closing(redis.Redis(port=redis_port)))
        environment = {
            "PEER_REDIS_URL": f"redis://127.0.0.1:{redis_port}/0",
            "PEER_SINK_URL": sink_url,
            "PEER_PORT": str(port),
            "PEER_SECRET": SECRET.reveal().decode(),
            "PEER_TUNING": tuning.value,
        }
        if contender.write_config:
            contender.write_config(home, environment)
        places = {"bin": str(bin_of(contender)), "port": str(port), "home": str(home), "tuning": tuning.value}
        log = stack.enter_context((home / "log.txt").open("w+b"))
        for command in contender.set_up:
            _start(_filled(command, places), environment, log.fileno()).wait()
        pids = []
        for process in contender.processes:
            for _ in range(tuning.workers if process.role == "worker" else 1):
                command = _filled(process.arguments, places)
                pid = stack.enter_context(_ending(_start(command, environment, log.fileno())))
                pids.append((process.role, pid))
        try:
            _wait_for_port(port)
            yield Running(port=port, pids=pids, server=server)
        except BaseException:
            log.seek(0)
            print(log.read()[-1500:].decode(errors="replace"))
            raise


def _filled(arguments: tuple[str, ...], places: dict[str, str]) -> list[str]:
    return [argument.format(**places) for argument in arguments]


def _start(command: list[str], environment: dict[str, str], log: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        leashed(command),
        env=os.environ | environment | {"PYTHONPATH": str(PROGRAMS)},
        stdout=log,
        stderr=log,
        start_new_session=True,  # so that all that it starts can be ended with it
    )


@contextlib.contextmanager
def _ending(process: subprocess.Popen[bytes]) -> Iterator[int]:
    try:
        yield process.pid
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_S)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _wait_for_port(port: int) -> None:
    deadline = time.monotonic() + _START_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            if time.monotonic() > deadline:
                raise RuntimeError("the receiver does not listen: see its log above") from None
            time.sleep(0.05)
        else:
            return
