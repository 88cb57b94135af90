"""Hookline commands that run as processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from tests.forked import Fork, run_forked
from tests.leash import leashed
from tests.until import until

ROOT = Path(__file__).parents[2]

_FOR_NEW_PYTHON = ("PYTHON", "LD_", "LANG", "LC_", "FAKETIME")
"""The beginnings of the names of variables that have an effect only at the start of a program."""


def environment(**variables: str) -> dict[str, str]:
    """Return the environment without Hookline's settings, plus these variables; the inspector gets a free port."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HOOKLINE_", "REDIS_URL"))}
    return kept | {"PYTHONPATH": str(ROOT), "COLUMNS": "200", "HOOKLINE_INSPECTOR_PORT": "0"} | variables


class Running:
    """`python ARGUMENTS`, a process whose output tests can wait for.

    A module of Hookline starts as a fork, unless `env` sets what only a new Python reads.
    """

    def __init__(self, *arguments: str, cwd: Path, env: Mapping[str, str] | None = None) -> None:
        self._output = cwd / f"output-{os.urandom(4).hex()}"
        self._output.touch()
        self._process = _started(arguments, cwd, environment() if env is None else env, self._output)
        self.pid = self._process.pid

    @property
    def output(self) -> str:
        return self._output.read_text()

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def signal(self, signum: signal.Signals) -> None:
        self._process.send_signal(signum)

    async def says(self, text: str) -> None:
        def said() -> bool:
            assert text in self.output or self._process.poll() is None, self.output
            return text in self.output

        await until(said)

    async def ends(self, *, seconds: float = 60.0) -> int:
        await until(lambda: self._process.poll() is not None, seconds=seconds)
        return int(self._process.returncode)

    def children(self) -> list[int]:
        return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]

    def kill(self) -> None:
        """Kill the process and its children, which may still write to files that the test is about to delete."""
        children = self.children() if self._process.poll() is None else []
        self._process.kill()
        self._process.wait()
        for child in filter(is_alive, children):
            os.kill(child, signal.SIGKILL)
        while any(map(is_alive, children)):
            time.sleep(0.01)


def _started(
    arguments: tuple[str, ...], cwd: Path, env: Mapping[str, str], output: Path
) -> Fork | subprocess.Popen[bytes]:
    usual = environment()
    if arguments[:2] == ("-m", "launcher") and all(
        env.get(name) == usual.get(name) for name in env.keys() | usual.keys() if name.startswith(_FOR_NEW_PYTHON)
    ):
        return Fork("launcher", *arguments[2:], cwd=cwd, env=env, stdout=output, stderr=output)
    with output.open("wb") as file:
        command = leashed([sys.executable, *arguments])
        return subprocess.Popen(command, cwd=cwd, env=env, stdout=file, stderr=subprocess.STDOUT)


def hookline(*arguments: str, cwd: Path, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return run_forked(arguments, cwd=cwd, env=environment() if env is None else env, seconds=120)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")
