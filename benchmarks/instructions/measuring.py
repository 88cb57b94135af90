"""Counts the instructions of a hot path for each event."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import redis

from benchmarks.harness.redis_server import running_redis
from benchmarks.instructions import callgrind
from benchmarks.instructions.peers import AT_ONCE, LoadGenerator, Sink, wait_until_idle
from tests.leash import leashed

_ROOT = Path(__file__).parents[2]

_REPEATABLE = {
    "PYTHONHASHSEED": "0",  # Python orders sets of texts by their hashes
    # Valgrind counts each byte of a copy by `rep movsb`, and which buffers are copied when they grow is chance.
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-ERMS",
}


def instructions(name: str) -> float:
    """Count the instructions of one event on a path. Raises RuntimeError if the path did not come to its end."""
    with tempfile.TemporaryDirectory(prefix="hookline-benchmark-") as directory, running_redis() as url:
        profile = Path(directory) / "profile"
        ours, theirs = socket.socketpair()
        sink = Sink(1 if name == "alone" else AT_ONCE)
        program = [sys.executable, "-m", "benchmarks.instructions.counted", name, url, sink.url]
        process = subprocess.Popen(
            leashed(callgrind.command(profile, [*program, str(theirs.fileno())])),
            cwd=_ROOT,
            env={"PATH": os.environ["PATH"], **_REPEATABLE},
            pass_fds=[theirs.fileno()],
        )
        theirs.close()
        with ours, _answering(sink, process.pid):
            events = _served(ours, process.pid, url)
        status = process.wait()
        if status or not events:
            raise RuntimeError(f"{name}: the counted process ended with exit code {status}: see above")
        if keep := os.environ.get("PROFILES"):
            Path(keep).mkdir(parents=True, exist_ok=True)
            Path(keep, name.replace(" ", "-")).write_text(profile.read_text())
        return callgrind.count_in(profile) / events


@contextlib.contextmanager
def _answering(sink: Sink, pid: int) -> Iterator[None]:
    ends = threading.Event()
    thread = threading.Thread(target=sink.run, args=(pid, ends), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ends.set()
        thread.join()


def _served(control: socket.socket, pid: int, url: str) -> int:
    """Do what a counted process asks for. Returns how many events it has counted; 0 if it ended before."""
    load: LoadGenerator | None = None
    for line in control.makefile("r"):
        match line.split():
            case ["counted", events]:
                control.sendall(b"\n")
                return int(events)
            case [events, "single", "webhooks", "to", port]:
                load = load or LoadGenerator(int(port), at_once=1)
                for _ in range(int(events)):
                    load.send(pid, 1)
                    _wait_until_notified(url)
                    wait_until_idle(pid)
                control.sendall(b"\n")
            case [events, "webhooks", "to", port]:
                load = load or LoadGenerator(int(port))
                load.send(pid, int(events))
                wait_until_idle(pid)
                control.sendall(b"\n")
    return 0


def _wait_until_notified(url: str) -> None:
    """Wait until Redis has the outcomes of all notifications."""
    with contextlib.closing(redis.Redis.from_url(url)) as server:
        while set(server.hmget("{hookline:0}:stats:total", "queued", "waiting")) != {b"0"}:  # type: ignore[arg-type]
            time.sleep(0.001)
