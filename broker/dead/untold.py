"""What became of dead letters that people were not told of yet: groups that are new, letters that were purged.

Both are forgotten after they were told: whoever dies in between has it told once more. All raise BrokerError.
"""

from __future__ import annotations

from collections.abc import Iterable

from arq.connections import ArqRedis
from msgspec import Struct

from broker import keys
from broker.errors import translated


class Untold(Struct, frozen=True):
    """What is to be told."""

    new: dict[str, str]
    """Fingerprints, each with the id of the letter that was its first; 1,000 at most."""

    purged_before: int
    """Letters that were purged, up to what was told last."""

    purged: int
    """The same up to now."""


async def read_untold(redis: ArqRedis) -> Untold:
    """All of it, in one read."""
    with translated():
        async with redis.pipeline(transaction=True) as pipe:
            pipe.hgetall(keys.DEAD_UNTOLD)
            pipe.get(keys.DEAD_TOLD)
            pipe.hget(keys.STATS_TOTAL, "purged")
            new, told, purged = await pipe.execute()
    return Untold({name.decode(): first.decode() for name, first in new.items()}, int(told or 0), int(purged or 0))


async def forget_new(redis: ArqRedis, fingerprints: Iterable[str]) -> None:
    """These groups were told."""
    with translated():
        await redis.hdel(keys.DEAD_UNTOLD, *fingerprints)  # type: ignore[misc]


async def forget_purged(redis: ArqRedis, purged: int) -> None:
    """That so many were purged since the beginning was told."""
    with translated():
        await redis.set(keys.DEAD_TOLD, purged)
