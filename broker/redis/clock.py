"""The clock of Redis.

All times that are compared with a time in Redis come from this clock, not from the clock of the host. So a worker
whose own clock is wrong by a day makes no dead letters, delays or dates that are wrong.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from broker.redis.errors import translated
from runtime.clock import now_ms as host_now_ms

if TYPE_CHECKING:
    from broker.redis.client import Client

# After a failover the new primary may have another clock, so the time is read again.
KNOWN_FOR_S = 10.0
"""For how many seconds a reading of the clock is used."""

OFF_MS = 5000
"""By how many ms the clock of a host may differ from that of Redis before an alert reports it."""

# It is not known when during the round trip Redis read its clock, so a slow response is too inexact.
_PROMPT_S = 0.5
"""A response that took more seconds is ignored, unless it is the first one."""

_REPORTED_FOR_MS = 60_000
_KEPT_S = 86_400


class Clock:
    """Estimates the time of Redis from the last reading and the monotonic clock of this process."""

    def __init__(self) -> None:
        self._ahead_ms: float | None = None  # of the monotonic clock
        self._asked_at = 0.0
        self.is_reported_off = False
        """True if this process has reported that the clock of its host is wrong."""

    def is_due(self) -> bool:
        """Return True if the clock of Redis should be read again."""
        return self._ahead_ms is None or time.monotonic() - self._asked_at > KNOWN_FOR_S

    def learn(self, redis_ms: int, asked_at: float) -> None:
        """Store a reading. asked_at: the value of the monotonic clock when the command was sent."""
        answered_at = time.monotonic()
        if self._ahead_ms is None or answered_at - asked_at < _PROMPT_S:
            self._ahead_ms = redis_ms - (asked_at + answered_at) * 500
            self._asked_at = answered_at

    def now_ms(self) -> int:
        """Return the time in ms since 1970. Before the first reading this is the clock of the host."""
        if self._ahead_ms is None:
            return host_now_ms()
        return int(time.monotonic() * 1000 + self._ahead_ms)

    def host_ahead_ms(self) -> int:
        """Return by how many ms the clock of the host is ahead of that of Redis; negative if it is behind."""
        return host_now_ms() - self.now_ms()


async def ask_ms(redis: Client) -> int:
    """Read the clock of Redis now. Returns ms since 1970. Raises BrokerError."""
    asked_at = time.monotonic()
    with translated():
        redis_ms = time_reply_ms(await redis.time())
    redis.clock.learn(redis_ms, asked_at)
    return redis_ms


def time_reply_ms(reply: tuple[int, int]) -> int:
    """The reply of the command TIME, seconds and microseconds, as ms since 1970."""
    seconds, micros = reply
    return int(seconds) * 1000 + int(micros) // 1000


async def now_ms(redis: Client) -> int:
    """Return the time of Redis in ms since 1970. It is read every ten seconds, and estimated in between.

    Raises BrokerError.
    """
    if redis.clock.is_due():
        await ask_ms(redis)
    return redis.clock.now_ms()


class OffClock(Struct, frozen=True):
    """A process whose host's clock differs from that of Redis by more than OFF_MS."""

    process: str
    ahead_ms: int
    """By how many ms the clock is ahead; negative if it is behind."""

    at_ms: int
    """When this was measured, in ms since 1970 by the clock of Redis."""


async def report(redis: Client, process: str) -> int:
    """Report to `off_clocks` whether the clock of this host is wrong. Returns by how many ms; 0 if it is right.

    A process with a correct clock writes nothing. Raises BrokerError.
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
    """Return the processes with a wrong clock, ordered by name. Reports older than a minute are ignored.

    Raises BrokerError.
    """
    seen_ms = await now_ms(redis)
    with translated():
        blobs: list[bytes] = await redis.hvals(redis.names.clocks)  # type: ignore[misc]
    reports = (_read(blob) for blob in blobs)
    return sorted(
        (report for report in reports if report and abs(seen_ms - report.at_ms) < _REPORTED_FOR_MS),
        key=lambda report: report.process,
    )


def _read(blob: bytes) -> OffClock | None:
    try:
        return msgspec.json.decode(blob, type=OffClock)
    except ValueError:
        return None
