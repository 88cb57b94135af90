"""Pausing channels and letting them go on, told in the audit log. All raise BrokerError."""

from __future__ import annotations

from arq.connections import ArqRedis

from broker import audit, channels
from broker.audit import Deed


async def pause_channel(redis: ArqRedis, name: str, *, by: str) -> bool:
    """Send nothing more on a channel; False where it was paused."""
    changed = await channels.pause(redis, name)
    if changed:
        await audit.record(redis, Deed(by, "pause", name))
    return changed


async def resume_channel(redis: ArqRedis, name: str, *, by: str) -> bool:
    """Let a paused channel go on; False where it was not paused."""
    changed = await channels.resume(redis, name)
    if changed:
        await audit.record(redis, Deed(by, "resume", name))
    return changed
