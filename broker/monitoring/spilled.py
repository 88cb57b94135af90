"""The webhooks that receivers have spilled to disk: the hash `spilled`, with one field for each directory.

Receivers can report only while Redis takes writes, so an entry may be old. Each entry contains its time.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from broker.redis import keys
from broker.redis.client import Client
from broker.redis.errors import translated


class Spilled(Struct, frozen=True, kw_only=True):
    """The content of one spill directory."""

    segments: int = 0
    bodies: int = 0
    """The number of webhooks that were answered with 202 and are not in Redis yet."""

    bytes: int = 0
    """The size of the segments on disk."""

    oldest_ms: int = 0
    """When the oldest body was received, in ms since 1970; 0 without bodies."""

    corrupt: int = 0
    """The number of damaged segments that were set aside for a person to inspect."""

    at_ms: int = 0
    """When the directory was read, in ms since 1970."""

    def is_nothing(self) -> bool:
        """Return True if there is nothing to report."""
        return not (self.bodies or self.corrupt)


async def report_spilled(redis: Client, place: str, spilled: Spilled) -> None:
    """Report the content of a spill directory. Safe to repeat. Raises BrokerError.

    place: `host:directory`.
    """
    with translated():
        if spilled.is_nothing():
            await redis.hdel(redis.names.spilled, place)  # type: ignore[misc]
            return
        async with redis.pipeline(transaction=True) as pipe:
            pipe.hset(redis.names.spilled, place, msgspec.json.encode(spilled).decode())
            pipe.expire(redis.names.spilled, keys.SPILLED_TTL_S)
            await pipe.execute()


async def read_spilled(redis: Client) -> dict[str, Spilled]:
    """Return the last reports of receivers, by `host:directory`. Raises BrokerError."""
    with translated():
        reports: dict[bytes, bytes] = await redis.hgetall(redis.names.spilled)  # type: ignore[misc]
    return {
        place.decode("utf-8", "backslashreplace"): spilled
        for place, report in reports.items()
        if (spilled := _spilled(report)) is not None
    }


# An unreadable report does no harm: the receiver writes a new one each second.
def _spilled(report: bytes) -> Spilled | None:
    """Return the content of a report, or None if it cannot be read."""
    try:
        return msgspec.json.decode(report, type=Spilled)
    except (ValueError, RecursionError):
        return None
