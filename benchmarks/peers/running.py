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

from benchmarks.harness.load import SECRET
from benchmarks.harness.processes import tree_cpu_s
from benchmarks.harness.redis_server import redis_cpu_s, running_redis
from benchmarks.peers.contenders import PROGRAMS, Contender, Tuning
from benchmarks.peers.environments import bin_of
from tests.leash import leashed

_START_S = 30.0
_STOP_S = 8.0
_SHOWN_BYTES = 1500
"""The end of the log that is printed if something fails."""


class Running:
    """A contender that runs. port: where its receiver listens."""

    def __init__(self, port: int, environment: dict[str, str], log: int, server: redis.Redis) -> None:
        self.port = port
        self._environment, self._log, self._server = environment, log, server
        self._processes: list[tuple[str, list[str], subprocess.Popen[bytes]]] = []

    def start(self, role: str, command: list[str]) -> None:
        """Start a process of a component."""
        process = subprocess.Popen(
            leashed(command),
            env=os.environ | self._environment | {"PYTHONPATH": str(PROGRAMS)},
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,  # so that all that it starts can be ended with it
        )
        self._processes.append((role, command, process))

    def kill_and_start(self, killed: str) -> None:
        """Kill a component with SIGKILL, with all that it started, and start it again."""
        before, self._processes = self._processes, []
        for role, command, process in before:
            if role in (killed, "both"):
                _kill(process)
                self.start(role, command)
            else:
                self._processes.append((role, command, process))
        self.wait_for_port()

    def stop(self) -> None:
        """End all processes: with SIGTERM, and what still runs some seconds later with SIGKILL."""
        for _, _, process in self._processes:
            process.terminate()
        for _, _, process in self._processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_S)
            _kill(process)

    def cpu_s(self) -> Counter[str]:
        """Return the CPU time of each component, in seconds."""
        spent: Counter[str] = Counter()
        for role, _, process in self._processes:
            spent[role] += tree_cpu_s(process.pid)
        spent["redis"] = redis_cpu_s(self._server)
        return spent

    def redis_bytes(self) -> int:
        """Return the memory that Redis uses, in bytes."""
        return int(self._server.info("memory")["used_memory"])  # type: ignore[index]

    def wait_for_port(self) -> None:
        """Wait until the receiver listens. Raises RuntimeError if it does not."""
        deadline_s = time.monotonic() + _START_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
            except OSError:
                if time.monotonic() > deadline_s:
                    raise RuntimeError("the receiver does not listen: see its log above") from None
                time.sleep(0.05)
            else:
                return


@contextlib.contextmanager
def running(contender: Contender, sink_url: str, tuning: Tuning) -> Iterator[Running]:
    """Start an empty Redis and the contender. Prints the end of its log if something fails.

    Raises RuntimeError if its receiver does not listen.
    """
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
            subprocess.run(_filled(command, places), env=os.environ | environment, stdout=log, check=True)
        contestant = Running(port, environment, log.fileno(), server)
        stack.callback(contestant.stop)
        try:
            for process in contender.processes:
                for _ in range(tuning.workers if process.role == "worker" else 1):
                    contestant.start(process.role, _filled(process.arguments, places))
            contestant.wait_for_port()
            yield contestant
        except BaseException:
            log.seek(0)
            print(log.read()[-_SHOWN_BYTES:].decode(errors="replace"))
            raise


def _filled(arguments: tuple[str, ...], places: dict[str, str]) -> list[str]:
    return [argument.format(**places) for argument in arguments]


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
