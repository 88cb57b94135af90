"""Runs what a deployment file says about a container as a process, with files and ports of this machine."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from tests.leash import leashed
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
FOLDERS = ("/run/secrets", "/etc/hookline", "/var/lib/hookline")
"""The folders of a container that a deployment file mounts."""


class Container(Struct, frozen=True):
    """One container: the arguments of `hookline`, and its environment."""

    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]


class Host:
    """Stands in for the machine and its network: each folder is below `directory`, each port is a free one."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._ports: dict[int, int] = {}
        for folder in FOLDERS:
            self.path(folder).mkdir(parents=True)

    def path(self, of_container: str) -> Path:
        return self.directory / of_container.lstrip("/")

    def port(self, of_container: int) -> int:
        return self._ports.setdefault(of_container, free_port())

    def write(self, path: str, text: str) -> None:
        self.path(path).write_text(text)
        self.path(path).chmod(0o440)

    def local(self, text: str) -> str:
        """Return the text of a deployment file with the paths and ports of this machine."""
        text = re.sub("|".join(FOLDERS), lambda match: str(self.path(match[0])), text)
        return re.sub(
            r"(127\.0\.0\.1:|^)(80\d\d|910\d)\b", lambda match: f"{match[1]}{self.port(int(match[2]))}", text
        )

    def environ(self, container: Container) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HOOKLINE_", "REDIS"))}
        ports = {"HOOKLINE_RECEIVER_PORT": "8080", "HOOKLINE_INSPECTOR_PORT": "8081"}
        configured = {name: self.local(value) for name, value in {**ports, **container.environment}.items()}
        return kept | configured | {"PYTHONPATH": str(ROOT)}

    def log(self, name: str) -> Path:
        return self.directory / f"{name}.log"

    @contextmanager
    def running(self, container: Container, *, name: str = "") -> Iterator[None]:
        """Run the container, which must exit with 0 when it is stopped. name: of its log, by default its own."""
        command = [sys.executable, "-m", "launcher", *container.arguments]
        log = self.log(name or container.name)
        with process(command, log, self.environ(container), self.path("/etc/hookline")):
            yield

    def output(self, container: Container, *arguments: str) -> str:
        """Return what a command prints inside the container."""
        done = self.run([sys.executable, "-m", "launcher", *arguments], container)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def run(self, command: list[str], container: Container) -> subprocess.CompletedProcess[str]:
        """Run a command to its end inside the container."""
        environ, folder = self.environ(container), self.path("/etc/hookline")
        return subprocess.run(command, env=environ, cwd=folder, capture_output=True, text=True, check=False)

    def answers(self, port: int, path: str) -> bool:
        """Return True if this port of the container answers an HTTP GET with 200."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port(port)}{path}", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, ConnectionError):
            return False


@contextmanager
def process(command: list[str], log: Path, environ: Mapping[str, str], folder: Path) -> Iterator[None]:
    """Run a program, which must exit with 0 after SIGTERM."""
    with log.open("ab") as output:
        running = subprocess.Popen(leashed(command), stdout=output, stderr=output, env=environ, cwd=folder)
    try:
        yield
        running.send_signal(signal.SIGTERM)
        code = running.wait(timeout=120)
        assert code == 0, f"exit code {code}:\n{log.read_text()}"
    finally:
        running.kill()
        running.wait()


def wait_for(fact: Callable[[], bool], within_s: float = 60.0) -> None:
    deadline = time.monotonic() + within_s
    while not fact():
        assert time.monotonic() < deadline
        time.sleep(0.02)
