"""Moves the sets that remember identities. The bucket at the end of a set's name determines its home.

Commits do not run while data moves, so a set does not change. Sets are copied whole, and removed from their old
home once the new one has confirmed them; until then both have them, which does no harm.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence

from msgspec import Struct

from broker.redis.client import Client
from broker.redis.errors import translated
from broker.repartition.plan import Plan

_CHUNK = 500
"""Sets that are copied at a time."""

_SMALL = 1000
"""The most members that are read or written by one command."""

_WHOLE = 20_000
"""The most members of a set that is copied by one command, which takes Redis a few ms for a large one."""

_CONFIRM_EVERY = 20_000
"""Sets after which the new homes are asked to confirm, so that the old ones can be removed."""


class _Set(Struct, frozen=True):
    key: str
    """The name without the prefix of the partition."""

    members: Sequence[bytes]
    ttl_ms: int
    """The time until it expires; -1 for a set without an expiry, which Hookline never writes."""


async def to_move(plan: Plan, source: Client) -> AsyncIterator[list[str]]:
    """Yield the names, without the prefix, of the sets whose home is another partition. Raises BrokerError."""
    chunk: list[str] = []
    start = len(source.names.prefix)
    with translated():
        async for name in source.scan_iter(match=f"{source.names.dedupe}*", count=1000):
            key = name[start:].decode("utf-8", "surrogateescape")
            home = home_of(plan, key)
            if home is None or home == source.partition:
                continue
            chunk.append(key)
            if len(chunk) == _CHUNK:
                yield chunk
                chunk = []
    if chunk:
        yield chunk


async def move(plan: Plan, source: Client) -> None:
    """Move all sets whose home is another partition. Safe to repeat. Raises BrokerError."""
    copied: list[str] = []
    async for keys in to_move(plan, source):
        await _copy(plan, source, keys)
        copied += keys
        plan.report("dedupe sets", len(keys))
        if len(copied) >= _CONFIRM_EVERY:
            await _remove(plan, source, copied)
            copied = []
    if copied:
        await _remove(plan, source, copied)


def home_of(plan: Plan, key: str) -> int | None:
    """Return the new home of a set; None for a name that Hookline never writes."""
    bucket = key.rpartition(":")[2]
    return plan.new.home_of(int(bucket)) if bucket.isdecimal() and len(bucket) <= 4 else None


async def _copy(plan: Plan, source: Client, keys: Sequence[str]) -> None:
    """Copy sets: in the form in which Redis stores them, or member by member where that is not possible."""
    sizes = await _sizes(source, keys)
    whole = [key for key in keys if 0 < sizes[key] <= _WHOLE]
    large = [key for key in keys if sizes[key] > _WHOLE]
    refused = await _copy_whole(plan, source, whole)
    for start in range(0, len(refused), _CHUNK):
        await _copy_members(plan, source, refused[start : start + _CHUNK])
    for key in large:
        await _copy_members(plan, source, [key])


async def _sizes(source: Client, keys: Sequence[str]) -> dict[str, int]:
    with translated():
        async with source.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.scard(source.names.prefix + key)
            return dict(zip(keys, await pipe.execute(), strict=True))


async def _copy_whole(plan: Plan, source: Client, keys: Sequence[str]) -> list[str]:
    """Copy sets by DUMP and RESTORE. Returns those that are there already, or that Redis refuses."""
    if not keys:
        return []
    with translated():
        async with source.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.dump(source.names.prefix + key)
                pipe.pttl(source.names.prefix + key)
            replies = await pipe.execute(raise_on_error=False)
        by_home: defaultdict[int, list[tuple[str, bytes, int]]] = defaultdict(list)
        refused = []
        for key, blob, ttl_ms in zip(keys, replies[::2], replies[1::2], strict=True):
            if isinstance(blob, bytes) and isinstance(ttl_ms, int):
                by_home[_home(plan, key)].append((key, blob, ttl_ms))
            elif blob is not None:  # else it has expired
                refused.append(key)
        for home, sets in by_home.items():
            target = plan.new[home]
            async with target.pipeline(transaction=False) as pipe:
                for key, blob, ttl_ms in sets:
                    pipe.restore(target.names.prefix + key, max(0, ttl_ms), blob)
                answers = await pipe.execute(raise_on_error=False)
            refused += [key for (key, _, _), answer in zip(sets, answers, strict=True) if answer != b"OK"]
    return refused


async def _copy_members(plan: Plan, source: Client, keys: Sequence[str]) -> None:
    """Add the members of sets to those of the new home."""
    by_home: defaultdict[int, list[_Set]] = defaultdict(list)
    for each in await _read(source, keys):
        by_home[_home(plan, each.key)].append(each)
    for home, sets in by_home.items():
        await _write(plan.new[home], sets)


async def _read(source: Client, keys: Sequence[str]) -> list[_Set]:
    """Read sets. A set that has expired is left out."""
    sets = []
    with translated():
        for key in keys:
            name = source.names.prefix + key
            ttl_ms = await source.pttl(name)
            members = [member async for member in source.sscan_iter(name, count=_SMALL)]
            if members:
                sets.append(_Set(key, members, ttl_ms))
    return sets


async def _write(target: Client, sets: Sequence[_Set]) -> None:
    """Add the members to the sets of the new home, which keep the later expiry of both."""
    prefix = target.names.prefix
    with translated():
        async with target.pipeline(transaction=False) as pipe:
            for each in sets:
                for start in range(0, len(each.members), _SMALL):
                    pipe.sadd(prefix + each.key, *each.members[start : start + _SMALL])
            for each in sets:
                pipe.pttl(prefix + each.key)
            ttls = (await pipe.execute())[-len(sets) :]
        async with target.pipeline(transaction=False) as pipe:
            for each, ttl_ms in zip(sets, ttls, strict=True):
                if each.ttl_ms > ttl_ms:
                    pipe.pexpire(prefix + each.key, each.ttl_ms)
            await pipe.execute()


def _home(plan: Plan, key: str) -> int:
    home = home_of(plan, key)
    assert home is not None  # `to_move` yields no other names
    return home


async def _remove(plan: Plan, source: Client, keys: Sequence[str]) -> None:
    await plan.confirm()
    with translated():
        for start in range(0, len(keys), _CHUNK):
            await source.unlink(*(source.names.prefix + key for key in keys[start : start + _CHUNK]))
