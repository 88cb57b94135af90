"""Channels: how they do, paused and resumed. All raise BrokerError."""

from __future__ import annotations

import time
from collections.abc import Iterable

from arq.connections import ArqRedis

from broker import audit, channels
from broker.audit import Deed
from broker.channels import Channel


async def read_channels(redis: ArqRedis, configured: Iterable[str]) -> tuple[int, list[Channel]]:
    """(now, each channel that is configured or of which something is known, by name)."""
    known = {one.name: one for one in await channels.read_channels(redis)}
    names = sorted({*configured, *known})
    now_ms = time.time_ns() // 1_000_000
    return now_ms, [known.get(name) or Channel(name, 0, 0, 0, 0, 0) for name in names]


async def pause_channel(redis: ArqRedis, name: str, *, by: str) -> bool:
    """Send nothing more on it until it is resumed; False where it was paused."""
    changed = await channels.pause(redis, name)
    if changed:
        await audit.record(redis, Deed(by, "pause", name))
    return changed


async def resume_channel(redis: ArqRedis, name: str, *, by: str) -> bool:
    """Let it go on; False where it was not paused."""
    changed = await channels.resume(redis, name)
    if changed:
        await audit.record(redis, Deed(by, "resume", name))
    return changed
