"""Compares the keys in a real Redis with their declarations in broker/redis/keys.py."""

from __future__ import annotations

from collections.abc import AsyncIterator

from broker.namespace.key_survey import kind_of
from broker.redis.client import Client
from broker.redis.keys import DECLARED


async def undeclared(redis: Client) -> list[str]:
    """Return what differs from the declarations: a name, a type or an expiry, for each key of a partition."""
    return [fault async for fault in _faults(redis)]


async def _faults(redis: Client) -> AsyncIterator[str]:
    async for raw in redis.scan_iter(match=redis.names.prefix + "*", count=1000):
        name = raw.decode("utf-8", "backslashreplace")
        declared = DECLARED.get(kind_of(redis.names, name))
        if declared is None:
            yield f"{name} is not declared"
            continue
        async with redis.pipeline(transaction=True) as pipe:
            pipe.type(raw)
            pipe.pttl(raw)
            kind, ttl_ms = await pipe.execute()
        if kind == b"none":  # it expired meanwhile
            continue
        if declared.type not in ("any", kind.decode()):
            yield f"{name} is a {kind.decode()}, not a {declared.type}"
        if declared.expires and ttl_ms == -1:
            yield f"{name} has no expiry"
        if not declared.expires and ttl_ms != -1:
            yield f"{name} has an expiry that is not declared"
