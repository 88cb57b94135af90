"""docker-compose.yml as data, with its variables filled in as compose does."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.containers import ROOT, Container, Host, process, wait_for
from tests.ports import free_port
from tests.servers import REDIS_8, server_path

FILE = ROOT / "docker-compose.yml"
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
PARTS = ("receiver", "worker", "inspector")
PASSWORD = "PasswordOfTheTest"


def filled_in(text: str, environ: Mapping[str, str]) -> str:
    """Replace ${NAME:-default} and $$ as compose does."""

    def value(match: re.Match[str]) -> str:
        return "$" if match[0] == "$$" else environ.get(match[1]) or match[2]

    return re.sub(r"\$\$|\$\{(\w+):-([^}]*)\}", value, text)


def seconds(text: str) -> float:
    assert re.fullmatch(r"\d+s", text)
    return float(text[:-1])


def container(service: str) -> Container:
    settings = SERVICES[service]
    environment = {name: filled_in(str(value), {}) for name, value in settings["environment"].items()}
    return Container(service, tuple(settings["command"]), environment)


def health_check(service: str) -> list[str]:
    """Return the command of a health check, as a list of words."""
    kind, *words = (filled_in(word, {}) for word in SERVICES[service]["healthcheck"]["test"])
    return ["sh", "-c", *words] if kind == "CMD-SHELL" else words


class Redis:
    """The Redis of the compose file on this machine, with another port and directory."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.port = free_port()
        self.url = f"redis://:{PASSWORD}@127.0.0.1:{self.port}"
        self.log = host.directory / "redis.log"
        host.write("/run/secrets/redis_password", PASSWORD + "\n")
        host.write("/run/secrets/redis_url", self.url + "\n")

    @contextmanager
    def running(self, **options: str) -> Iterator[None]:
        """Run it, and wait until it takes connections. options: of redis-server; they win over the file."""
        shell, flag, script, name, *configured = (
            self.host.local(filled_in(word, {})) for word in SERVICES["redis"]["command"]
        )
        assert (shell, flag, name) == ("sh", "-c", "redis-server")
        here = {"port": str(self.port), "bind": "127.0.0.1", "dir": str(self.host.directory)} | options
        added = [word for option, value in here.items() for word in (f"--{option}", value)]
        command = [str(shutil.which("sh")), flag, script, str(server_path(REDIS_8)), *configured, *added]
        earlier_starts = self._starts()
        with process(command, self.log, os.environ, self.host.directory):
            wait_for(lambda: self._starts() > earlier_starts)
            yield

    def _starts(self) -> int:
        return self.log.read_text().count("Ready to accept connections") if self.log.exists() else 0

    def is_healthy(self) -> bool:
        """Return True if its health check passes. It runs with the `redis-cli` on PATH."""
        words = [self.host.local(word) for word in health_check("redis")]
        words[-1] = words[-1].replace("redis-cli", f"redis-cli -p {self.port}")
        return self.host.run(words, Container("redis", (), {})).returncode == 0


def mounted_config() -> Path:
    """Return the file of this repository that the containers read as their config."""
    (source,) = {SERVICES[part]["volumes"][0].split(":")[0] for part in PARTS}
    return ROOT / source
