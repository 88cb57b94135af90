"""Lists keys that were moved aside because they had a value that Hookline never writes.

Another program or a person can write a value of the wrong type into a key of Hookline. Redis then refuses commands
on this key. So that one such key stops nothing else, it is renamed to `set-aside:{us}:{name}` in one step, and the
command is run again. If only one field of a hash is wrong, only this field is moved. Scripts do this themselves,
and `Client` does it for all other commands.
"""

from __future__ import annotations

from msgspec import Struct

from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.numbers import parse_int

SHOWN = 100


class SetAside(Struct, frozen=True):
    """A value that was moved aside."""

    name: str
    """The full name of the key that now has the value."""

    type: str
    """The Redis type of that key; `hash` if the value was one field of a hash."""

    at_ms: int
    """When it was moved, in ms since 1970 by the clock of Redis."""


async def read_set_aside(redis: Client) -> list[SetAside]:
    """Return the last 100 moved values that still exist, newest first. Raises BrokerError."""
    with translated():
        names_and_times = await redis.zrevrange(redis.names.set_aside, 0, SHOWN - 1, withscores=True)
        async with redis.pipeline(transaction=False) as pipe:
            for name, _ in names_and_times:
                pipe.type(name)
            types = await pipe.execute() if names_and_times else []
        gone = [name for (name, _), kind in zip(names_and_times, types, strict=True) if kind == b"none"]
        if gone:  # a person has deleted these keys
            await redis.zrem(redis.names.set_aside, *gone)
    return [
        SetAside(name.decode("utf-8", "backslashreplace"), kind.decode(), parse_int(at_ms))
        for (name, at_ms), kind in zip(names_and_times, types, strict=True)
        if kind != b"none"
    ]
