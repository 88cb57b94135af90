"""What became of dead letters that people were not told of yet: groups that are new, letters that were purged.

Both are forgotten after they were told: whoever dies in between has it told once more. All raise BrokerError.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.numbers import whole


class Unreported(Struct, frozen=True):
    """What is to be told."""

    new: dict[str, str]
    """Fingerprints, each with the id of the letter that was its first; 1,000 at most."""

    purged_before: int
    """Letters that were purged, up to what was told last."""

    purged: int
    """The same up to now."""


async def read_unreported(redis: Client) -> Unreported:
    """All of it, in one read."""
    with translated():
        async with redis.pipeline(transaction=True) as pipe:
            pipe.hgetall(redis.names.dead_unreported)
            pipe.get(redis.names.dead_reported)
            pipe.hget(redis.names.stats_total, "purged")
            new, told, purged = await pipe.execute()
        unreadable = [name for name in new if not name.isalnum()]
        if unreadable:  # or else they would be read for ever
            await redis.hdel(redis.names.dead_unreported, *unreadable)  # type: ignore[misc]
    named = {name.decode(): first.decode("utf-8", "replace") for name, first in new.items() if name.isalnum()}
    return Unreported(named, whole(told), whole(purged))


async def forget_new(redis: Client, fingerprints: Iterable[str]) -> None:
    """These groups were told."""
    with translated():
        await redis.hdel(redis.names.dead_unreported, *fingerprints)  # type: ignore[misc]


async def forget_purged(redis: Client, purged: int) -> None:
    """That so many were purged since the beginning was told."""
    with translated():
        await redis.set(redis.names.dead_reported, purged)
