"""What stood in a key and Hookline never writes there, but another program or a person did: it was moved aside.

Redis refuses a command on a key of another type, and to add to what is no number. So that one such key stops
nothing else, what stands there is renamed to `set-aside:{us}:{name}`, in one step, and the command is run again as
if nothing had been there: in a script by broker/lua/shared.lua, else by `Client`. Of a hash only the field moves.
"""

from __future__ import annotations

from msgspec import Struct

from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.numbers import whole

SHOWN = 100


class SetAside(Struct, frozen=True):
    """One key that was moved."""

    name: str
    """The full name of the key that holds it now."""

    type: str
    """Redis' type of it; `hash` where it was one field of a hash."""

    at_ms: int
    """By the clock of Redis."""


async def read_set_aside(redis: Client) -> list[SetAside]:
    """The newest that are still there, the newest first, 100 at most. Raises BrokerError."""
    with translated():
        found = await redis.zrevrange(redis.names.set_aside, 0, SHOWN - 1, withscores=True)
        async with redis.pipeline(transaction=False) as pipe:
            for name, _ in found:
                pipe.type(name)
            types = await pipe.execute() if found else []
        gone = [name for (name, _), kind in zip(found, types, strict=True) if kind == b"none"]
        if gone:  # a person looked at it, and deleted it
            await redis.zrem(redis.names.set_aside, *gone)
    return [
        SetAside(name.decode("utf-8", "backslashreplace"), kind.decode(), whole(at_ms))
        for (name, at_ms), kind in zip(found, types, strict=True)
        if kind != b"none"
    ]
