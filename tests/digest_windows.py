"""Reads the events that wait in digests, and ends their windows."""

from __future__ import annotations

from broker.redis.client import Client
from broker.steps.digests import Gathered
from broker.steps.window_reader import WindowReader, read_windows
from worker.intake.digest_closer import DigestCloser


async def waiting_events(redis: Client) -> list[Gathered]:
    """Return the events in all windows."""
    reader = WindowReader(redis)
    return [event for window in await read_windows(redis) for event in (await reader.contents(window)).events]


async def waiting_keys(redis: Client) -> list[str]:
    """Return the keys of the events in all windows, sorted."""
    return sorted(event.key for event in await waiting_events(redis))


async def close_windows(redis: Client) -> None:
    """End all windows now, and close them as a worker does."""
    for group in await redis.zrange(redis.names.digests_ends, 0, -1):
        await redis.zadd(redis.names.digests_ends, {group: 1})
    closer = DigestCloser(redis, "closer", lambda: None)
    while await redis.zcount(redis.names.digests_ends, 0, 1):
        await closer.close_due()


async def digest_keys(redis: Client) -> list[str]:
    """Return the keys of Redis that belong to digests, without their prefix."""
    prefix = redis.names.prefix
    return sorted(name.decode()[len(prefix) :] for name in await redis.keys(f"{prefix}digest*"))
