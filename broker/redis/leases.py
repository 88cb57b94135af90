"""Leases: a key that names its owner for a while. See broker/redis/lua/lease.lua."""

from __future__ import annotations

from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.scripting.scripts import FULL, LEASE, Script

_TAKE_LEASE = Script("redis/take_lease", parts=(FULL, LEASE), args=("lease: key", "owner", "lease_ms: number"))


async def take_lease(redis: Client, key: str, *, owner: str, lasts_ms: int) -> bool:
    """Take a lease that is free, or extend one's own; 0 ms gives it back. False where another owner has it.

    Safe to repeat. Raises BrokerError.
    """
    with translated():
        return bool(await _TAKE_LEASE(redis, lease=key, owner=owner, lease_ms=lasts_ms))
