"""What receivers keep on their disks until Redis takes it: one hash, `spilled`, a field for each directory.

Told by receivers while Redis takes writes, so it may be old: each entry says when it was told.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from broker.redis import keys
from broker.redis.client import Client
from broker.redis.errors import translated


class Spilled(Struct, frozen=True, kw_only=True):
    """What lies in one directory."""

    segments: int = 0
    bodies: int = 0
    """Webhooks that were answered 202 and are not in Redis yet."""

    bytes: int = 0
    """What the segments take on disk."""

    oldest_ms: int = 0
    """When the first of the bodies came in, ms since 1970; 0 for none."""

    corrupt: int = 0
    """Damaged segments that were set aside for people to look at."""

    at_ms: int = 0
    """When this was seen, ms since 1970."""

    def is_nothing(self) -> bool:
        """Whether there is nothing to tell of."""
        return not (self.bodies or self.corrupt)


async def tell_spilled(redis: Client, place: str, spilled: Spilled) -> None:
    """Tell what lies in a place, which is `host:directory`. Safe to repeat. Raises BrokerError."""
    with translated():
        if spilled.is_nothing():
            await redis.hdel(redis.names.spilled, place)  # type: ignore[misc]
            return
        async with redis.pipeline(transaction=True) as pipe:
            pipe.hset(redis.names.spilled, place, msgspec.json.encode(spilled).decode())
            pipe.expire(redis.names.spilled, keys.SPILLED_TTL_S)
            await pipe.execute()


async def read_spilled(redis: Client) -> dict[str, Spilled]:
    """What receivers told last, by place. Raises BrokerError."""
    with translated():
        found: dict[bytes, bytes] = await redis.hgetall(redis.names.spilled)  # type: ignore[misc]
    return {
        place.decode("utf-8", "backslashreplace"): spilled
        for place, told in found.items()
        if (spilled := _spilled(told)) is not None
    }


def _spilled(told: bytes) -> Spilled | None:
    """None for what cannot be read: a receiver tells anew each second."""
    try:
        return msgspec.json.decode(told, type=Spilled)
    except (ValueError, RecursionError):
        return None
