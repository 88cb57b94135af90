"""`hookline receiver`, `hookline worker` and the sink as processes of their own, which a run disrupts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import msgspec

from tests.clocks import clock_off_by
from tests.launcher.running import ROOT, Running, environment, is_alive
from tests.leash import leashed
from tests.until import until

KILLED = -signal.SIGKILL
_DEFECTS = ("process_failed", "webhook_failed", "batch_failed")
"""Actions in the log that report unexpected exceptions."""

_STOPS_WITHIN_S = 60.0
"""Twice the stop_grace_s of a worker, for intake and notify, and a reserve."""


class Command:
    """`hookline receiver` or `hookline worker`, which can be stopped, killed and started again."""

    def __init__(
        self, name: str, directory: Path, env: dict[str, str], *options: str, clock_s: float = 0.0
    ) -> None:
        """clock_s: by how much the clock of its processes is wrong."""
        self.name = name
        self.clock_s = clock_s
        self._options = options
        self._directory = directory
        self._env = env | (clock_off_by(clock_s) if clock_s else {})
        self._outputs: list[Running] = []
        self._running = self._start()

    def _start(self) -> Running:
        arguments = ("-m", "launcher", self.name, *self._options)
        self._outputs.append(Running(*arguments, cwd=self._directory, env=self._env))
        return self._outputs[-1]

    def children(self) -> list[int]:
        """Return the processes that do the work; the command itself only supervises them."""
        return self._running.children()

    async def kill(self) -> None:
        """Kill the command alone; start it again when its children have ended, which the kernel makes them do."""
        children = self.children()
        self._running.kill()
        await until(lambda: not any(is_alive(child) for child in children), seconds=30)
        self._running = self._start()

    async def stop(self) -> int:
        """Stop the command as a deploy does, and return the exit code."""
        self._running.signal(signal.SIGTERM)
        try:
            return await self._running.ends(seconds=_STOPS_WITHIN_S)
        except AssertionError:
            raise AssertionError(f"hookline {self.name} did not stop: {self.output}") from None

    @property
    def output(self) -> str:
        """Return the end of its output."""
        return self._running.output[-3000:]

    def failures(self) -> list[str]:
        """Return the log lines about ends and exceptions that this run did not cause."""
        return [line for line in self._lines() if _is_failure(line)]

    def sent(self, rule: str) -> Iterator[tuple[str, float]]:
        """Yield key and time, by the correct clock, of each notification of a rule that was logged as sent."""
        for line in self._lines():
            if f'"rule":"{rule}"' in line and '"action":"notification_sent"' in line:
                logged = msgspec.json.decode(line)
                yield logged["key"], datetime.fromisoformat(logged["ts"]).timestamp() - self.clock_s

    def _lines(self) -> Iterator[str]:
        return (line for running in self._outputs for line in running.output.splitlines())

    def end(self) -> None:
        with suppress(OSError):
            for child in self.children():
                os.kill(child, signal.SIGKILL)
        self._running.kill()


def _is_failure(line: str) -> bool:
    if not line.startswith("{"):
        return True
    entry = msgspec.json.decode(line)
    return entry["action"] in _DEFECTS or entry.get("exit_code", KILLED) != KILLED


class SinkProcess:
    """The sink as a process, always with the same port and the same record."""

    def __init__(self, port: int, record: Path) -> None:
        self.port = port
        self._command = [sys.executable, "-m", "tests.chaos.sink", str(port), str(record)]

    def start(self) -> None:
        self._process = subprocess.Popen(
            leashed(self._command), cwd=ROOT, env=environment(), stdin=subprocess.PIPE
        )

    def answers(self, how: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{how}\n".encode())
        self._process.stdin.flush()

    def kill(self) -> None:
        assert self._process.stdin is not None
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
