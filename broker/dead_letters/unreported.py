"""The new failure groups and purged dead letters that no alert has reported yet. All functions raise BrokerError.

A worker removes them here after it has reported them. If it dies in between, they are reported once more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from broker.redis.client import Client
from broker.redis.clock import now_ms
from broker.redis.errors import translated
from broker.redis.numbers import parse_int
from broker.redis.scripting.scripts import Script

_GROUPS_KEPT_MS = 30 * 86_400_000
"""How long after its last dead letter a group is not new. See lua/adding.lua."""

_FORGET_REPORTED = Script("dead_letters/groups/forget_reported", keys=("dead_unreported",), rest="groups")


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
        # Fingerprints and ids have letters and digits only. What another program wrote would be read for ever.
        readable = {name.decode(): first.decode() for name, first in new.items() if (name + first).isalnum()}
        unreadable = [name for name, first in new.items() if not (name + first).isalnum()]
        if unreadable:
            await redis.hdel(redis.names.dead_unreported, *unreadable)  # type: ignore[misc]
    return Unreported(readable, parse_int(reported), parse_int(purged))


async def reported_groups(redis: Client, fingerprints: Iterable[str]) -> set[str]:
    """Return those of these groups that had dead letters here in the last month, and need no report any more."""
    names = list(fingerprints)
    since_ms = await now_ms(redis) - _GROUPS_KEPT_MS
    with translated():
        # In one transaction: a group that appears in between must not look as if it had been reported.
        async with redis.pipeline(transaction=True) as pipe:
            pipe.hmget(redis.names.dead_unreported, names)
            for name in names:
                pipe.zscore(redis.names.dead_groups, name)
            waiting, *last_ms = await pipe.execute()
    return {
        name
        for name, first, at_ms in zip(names, waiting, last_ms, strict=True)
        if first is None and at_ms is not None and at_ms > since_ms
    }


async def forget_new(redis: Client, new: Mapping[str, str]) -> None:
    """Remove groups that an alert has reported.

    new: as it was read. A group that is new again since then stays.
    """
    words = [word.encode() for group in new.items() for word in group]
    if words:
        with translated():
            await _FORGET_REPORTED(redis, groups=words)


async def forget_purged(redis: Client, purged: int) -> None:
    """Remember that an alert has reported the purge of letters, up to a total of `purged`."""
    with translated():
        await redis.set(redis.names.dead_reported, purged)
