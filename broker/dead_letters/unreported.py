"""The new failure groups and purged dead letters that no alert has reported yet. All functions raise BrokerError.

A worker removes them here after it has reported them. If it dies in between, they are reported once more.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.numbers import parse_int


class Unreported(Struct, frozen=True):
    """The facts that the next alert must report."""

    new: dict[str, str]
    """The fingerprints of new groups, each with the id of its first letter; at most 1,000."""

    purged_before: int
    """How many letters had been purged in total at the time of the last report."""

    purged: int
    """How many letters have been purged in total until now."""


async def read_unreported(redis: Client) -> Unreported:
    """Read all of it in one transaction."""
    with translated():
        async with redis.pipeline(transaction=True) as pipe:
            pipe.hgetall(redis.names.dead_unreported)
            pipe.get(redis.names.dead_reported)
            pipe.hget(redis.names.stats_total, "purged")
            new, reported, purged = await pipe.execute()
        unreadable = [name for name in new if not name.isalnum()]
        if unreadable:  # without this they would be read for ever
            await redis.hdel(redis.names.dead_unreported, *unreadable)  # type: ignore[misc]
    named = {name.decode(): first.decode("utf-8", "replace") for name, first in new.items() if name.isalnum()}
    return Unreported(named, parse_int(reported), parse_int(purged))


async def forget_new(redis: Client, fingerprints: Iterable[str]) -> None:
    """Remove groups that an alert has reported."""
    with translated():
        await redis.hdel(redis.names.dead_unreported, *fingerprints)  # type: ignore[misc]


async def forget_purged(redis: Client, purged: int) -> None:
    """Remember that an alert has reported the purge of letters, up to a total of `purged`."""
    with translated():
        await redis.set(redis.names.dead_reported, purged)
