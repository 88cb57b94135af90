"""The clock of Redis. Everything that is compared with a moment in Redis goes by it, and not by a clock of this
host: a worker whose own clock is a day off neither kills, nor delays, nor dates anything wrongly.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from broker.redis.errors import translated

if TYPE_CHECKING:
    from broker.redis.client import Client

KNOWN_FOR_S = 10.0
"""Seconds after which Redis is asked again: the clock of a new primary may be another."""

OFF_MS = 5000
"""How far a host's clock may be off until people are notified of it."""

_PROMPT_S = 0.5
"""An answer that took longer says too little about when it was given, unless nothing is known yet."""

_REPORTED_FOR_MS = 60_000
_KEPT_S = 86_400


class Clock:
    """The clock of Redis as this process reckons it: by the monotonic clock, from the last time that it asked."""

    def __init__(self) -> None:
        self._ahead_ms: float | None = None  # of the monotonic clock
        self._asked_at = 0.0
        self.is_reported_off = False
        """Whether this process has reported its host's clock as off."""

    def is_due(self) -> bool:
        """Whether Redis should be asked."""
        return self._ahead_ms is None or time.monotonic() - self._asked_at > KNOWN_FOR_S

    def learn(self, redis_ms: int, asked_at: float) -> None:
        """Redis said so when asked at a moment of the monotonic clock."""
        answered_at = time.monotonic()
        if self._ahead_ms is None or answered_at - asked_at < _PROMPT_S:
            self._ahead_ms = redis_ms - (asked_at + answered_at) * 500
            self._asked_at = answered_at

    def now_ms(self) -> int:
        """Now, as ms since 1970. By this host's clock as long as Redis was not asked."""
        if self._ahead_ms is None:
            return time.time_ns() // 1_000_000
        return int(time.monotonic() * 1000 + self._ahead_ms)

    def host_ahead_ms(self) -> int:
        """How far this host's clock is ahead of that of Redis; negative where it is behind."""
        return time.time_ns() // 1_000_000 - self.now_ms()


async def ask_ms(redis: Client) -> int:
    """The time by the clock of Redis, as ms since 1970, asked for now. Raises BrokerError."""
    asked_at = time.monotonic()
    with translated():
        seconds, micros = await redis.time()
    now_ms = int(seconds) * 1000 + int(micros) // 1000
    redis.clock.learn(now_ms, asked_at)
    return now_ms


async def now_ms(redis: Client) -> int:
    """The same, asked for every ten seconds and reckoned in between. Raises BrokerError."""
    if redis.clock.is_due():
        await ask_ms(redis)
    return redis.clock.now_ms()


class OffClock(Struct, frozen=True):
    """A process whose host's clock differs from that of Redis by more than OFF_MS."""

    process: str
    ahead_ms: int
    """Negative where it is behind."""

    at_ms: int
    """When that was seen, by the clock of Redis."""


async def report(redis: Client, process: str) -> int:
    """Write down whether this host's clock is off, for `off_clocks`; returns by how many ms, 0 where it is right.

    Costs nothing where it is right. Raises BrokerError.
    """
    seen_ms = await now_ms(redis)
    ahead_ms = redis.clock.host_ahead_ms()
    if abs(ahead_ms) > OFF_MS:
        blob = msgspec.json.encode(OffClock(process, ahead_ms, seen_ms)).decode()
        with translated():
            async with redis.pipeline(transaction=True) as pipe:
                pipe.hset(redis.names.clocks, process, blob)
                pipe.expire(redis.names.clocks, _KEPT_S)
                await pipe.execute()
        redis.clock.is_reported_off = True
        return ahead_ms
    if redis.clock.is_reported_off:
        with translated():
            await redis.hdel(redis.names.clocks, process)  # type: ignore[misc]
        redis.clock.is_reported_off = False
    return 0


async def off_clocks(redis: Client) -> list[OffClock]:
    """The processes whose clocks are off, by name. What was not confirmed for a minute is left out.

    Raises BrokerError.
    """
    seen_ms = await now_ms(redis)
    with translated():
        blobs: list[bytes] = await redis.hvals(redis.names.clocks)  # type: ignore[misc]
    found = (_read(blob) for blob in blobs)
    return sorted(
        (one for one in found if one and abs(seen_ms - one.at_ms) < _REPORTED_FOR_MS), key=lambda one: one.process
    )


def _read(blob: bytes) -> OffClock | None:
    try:
        return msgspec.json.decode(blob, type=OffClock)
    except ValueError:
        return None
