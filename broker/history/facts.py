"""The size and the age of the history of one partition, without reading its events."""

from __future__ import annotations

from msgspec import Struct

from broker.history.sealing import read_segments
from broker.redis import clock
from broker.redis.client import Client
from broker.redis.errors import translated


class HistoryFacts(Struct, frozen=True, kw_only=True):
    """The state of the history of one partition. Times are in ms since 1970 by the clock of Redis."""

    at_ms: int = 0
    """The time of these facts."""

    waiting_blocks: int = 0
    """Blocks of the stream, which are not sealed yet."""

    waiting_since_ms: int = 0
    """The time of the oldest of these blocks; 0 without any."""

    segment_bytes: int = 0
    """About how much memory the sealed segments take in Redis, as history.max_mb counts it."""

    since_ms: int = 0
    """The time of the oldest sealed event; 0 without any."""


async def read_history_facts(redis: Client) -> HistoryFacts:
    """Read these facts, and change nothing. Raises BrokerError."""
    now_ms = await clock.now_ms(redis)
    with translated():
        waiting = int(await redis.xlen(redis.names.history))
        oldest = await redis.xrange(redis.names.history, count=1)
    segments = await read_segments(redis)
    return HistoryFacts(
        at_ms=now_ms,
        waiting_blocks=waiting,
        waiting_since_ms=int(oldest[0][0].split(b"-")[0]) if oldest else 0,
        segment_bytes=sum(segment.size for segment in segments),
        since_ms=min((segment.first_ms for segment in segments), default=0),
    )
