"""Copies what every partition has for itself, so that the new ones behave like the old ones."""

from __future__ import annotations

from collections.abc import Iterable

from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.keys import APPLIED_TTL_S
from broker.repartition.plan import Plan

_PAUSED = "paused_since_ms"
_CHUNK = 1000


async def copy_markers(plan: Plan, source: Client) -> set[str]:
    """Copy to all partitions which bodies of batches were processed here. Raises BrokerError.

    A batch whose commit was interrupted is committed again, and its events may have another home now. Returns the
    names of these batches.
    """
    batches = set[str]()
    with translated():
        async for name in source.scan_iter(match=f"{source.names.applied}*", count=1000):
            batch = name[len(source.names.applied) :].decode("utf-8", "surrogateescape")
            fields = await source.hgetall(source.names.applied + batch)  # type: ignore[misc]
            if not fields:
                continue
            batches.add(batch)
            for target in _others(plan, source):
                async with target.pipeline(transaction=True) as pipe:
                    pipe.hset(target.names.applied + batch, mapping=fields)
                    pipe.expire(target.names.applied + batch, APPLIED_TTL_S)
                    await pipe.execute()
    return batches


async def copy_pauses(plan: Plan, source: Client) -> None:
    """Pause in all partitions the channels that a person has paused. Raises BrokerError."""
    names = source.names
    with translated():
        for channel in await source.smembers(names.channels):  # type: ignore[misc]
            name = channel.decode("utf-8", "surrogateescape")
            paused_since = await source.hget(names.channel + name, _PAUSED)  # type: ignore[misc]
            if not paused_since:
                continue
            for target in _others(plan, source):
                async with target.pipeline(transaction=True) as pipe:
                    pipe.sadd(target.names.channels, name)
                    pipe.hsetnx(target.names.channel + name, _PAUSED, paused_since)
                    await pipe.execute()


async def copy_groups(plan: Plan, source: Client) -> None:
    """Copy which failure groups are known, so that no alert reports them as new. Raises BrokerError."""
    with translated():
        groups = await source.zrange(source.names.dead_groups, 0, -1, withscores=True)
        for target in _others(plan, source):
            for start in range(0, len(groups), _CHUNK):
                times = dict(groups[start : start + _CHUNK])
                if times:
                    await target.zadd(target.names.dead_groups, times, gt=True)


def _others(plan: Plan, source: Client) -> Iterable[Client]:
    return (client for client in plan.new if client.partition != source.partition)
