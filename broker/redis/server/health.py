"""How a running server is doing: what it has lost, its memory, its connections, its speed and its clock."""

from __future__ import annotations

import time
from typing import Any

from msgspec import Struct

from broker.redis.client import Client
from broker.redis.clock import ask_ms
from broker.redis.errors import translated

_TRIES = 5


class ServerHealth(Struct, frozen=True, kw_only=True):
    """The health that a server reports about itself. A fact that it does not report is 0 or False."""

    evicted_keys: int = 0
    """How many keys it removed since it started because its memory was full."""

    aof_write_failed: bool = False
    """True if the last write to its append-only file failed."""

    snapshot_failed: bool = False
    """True if its last snapshot (RDB) failed."""

    machine_memory_used: float = 0.0
    """Share of the machine's memory that the server uses, 0 to 1."""

    connections_used: float = 0.0
    """Share of the connections it allows (maxclients) that are in use, 0 to 1."""

    round_trip_ms: float = 0.0
    """The shortest time in ms of five round trips, so that one slow one does not count."""

    host_ahead_ms: int = 0
    """By how many ms the clock of this machine is ahead of that of the server; negative if it is behind."""


async def read_health(redis: Client) -> ServerHealth:
    """Read the health with INFO, and measure a few round trips. Raises BrokerError."""
    with translated():
        info: dict[str, Any] = await redis.info()
    round_trips = [await _round_trip_ms(redis) for _ in range(_TRIES)]
    return ServerHealth(
        evicted_keys=int(info.get("evicted_keys", 0)),
        aof_write_failed=info.get("aof_last_write_status") == "err",
        snapshot_failed=info.get("rdb_last_bgsave_status") == "err",
        machine_memory_used=_share(info, "used_memory", "total_system_memory"),
        connections_used=_share(info, "connected_clients", "maxclients"),
        round_trip_ms=min(round_trips),
        host_ahead_ms=redis.clock.host_ahead_ms(),
    )


async def _round_trip_ms(redis: Client) -> float:
    asked_at = time.monotonic()
    await ask_ms(redis)
    return (time.monotonic() - asked_at) * 1000


def _share(info: dict[str, Any], used: str, limit: str) -> float:
    most = int(info.get(limit, 0))
    return int(info.get(used, 0)) / most if most else 0.0
