"""Channels: how they do. All raise BrokerError."""

from __future__ import annotations

from collections.abc import Iterable

from broker.queue import channel_state
from broker.queue.channel_state import Channel
from broker.redis import clock
from broker.redis.client import Client


async def read_channels(redis: Client, configured: Iterable[str]) -> tuple[int, list[Channel]]:
    """(now, each channel that is configured or of which something is known, by name)."""
    known = {one.name: one for one in await channel_state.read_channels(redis)}
    names = sorted({*configured, *known})
    now_ms = await clock.now_ms(redis)
    return now_ms, [known.get(name) or Channel(name, 0, 0, 0, 0, 0) for name in names]
