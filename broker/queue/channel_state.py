"""What all workers know together of a channel: its circuit breaker, whether it is paused, its rate.

Fields of the hash channel:{name}, which is there only while there is something to tell:
    failures          failed sends in a row
    opened            times the breaker opened since the last success
    open_until_ms     until then nothing is sent; after it, until a send succeeds, one job at a time probes
    probe_until_ms    until then another job's probe is waited for
    probe_job         the job that probes
    paused_since_ms   when a person paused it

Jobs of a channel that takes none leave the queue for held:{name}: nobody looks at them in vain. When the channel
is well they come back a few at a time, as workers have room: all at once they would delay the other channels. For
how long a job was held is added up: it shall not cost it any of its time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple, cast

from msgspec import Struct

from broker.monitoring.audit import AuditEntry, packed
from broker.redis import scripts
from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.numbers import whole

CircuitState = Literal["closed", "open", "half-open", "paused"]

PROBE_MS = 30_000
"""How long the probe of one job is waited for, before another job's."""

_FIELDS = ["failures", "opened", "open_until_ms", "paused_since_ms"]
_MOST = 1000
"""Held jobs of a channel that go back at a time."""


class Channel(Struct, frozen=True):
    """One channel of which something is known."""

    name: str
    failures: int
    opened: int
    open_until_ms: int
    """0 for a closed breaker."""

    paused_since_ms: int
    held: int
    """Jobs that wait for it to take some again."""

    def state(self, now_ms: int) -> CircuitState:
        """What it does with a job that comes now."""
        if self.paused_since_ms:
            return "paused"
        if not self.open_until_ms:
            return "closed"
        return "open" if self.open_until_ms > now_ms else "half-open"


class ChannelsRead(NamedTuple):
    """All channels of which something is known."""

    at_ms: int
    """By the clock of Redis, which breakers go by."""

    channels: list[Channel]


Admission = Literal["go", "probe", "hold"]
"""What a channel does with a job. "probe": its breaker is half-open, and this job alone may try."""


async def begin(redis: Client, job_id: str, channel: str) -> Admission:
    """Ask whether a job's channel takes it. Raises BrokerError."""
    with translated():
        return cast("Admission", (await scripts.BEGIN(redis, job_id, channel, PROBE_MS)).decode())


async def hold(redis: Client, owner: str, job_id: str, channel: str) -> None:
    """Keep a job until its channel takes it; one that another worker has stays there. Raises BrokerError."""
    with translated():
        await scripts.HOLD(redis, owner, job_id, channel)


async def release_held_jobs(redis: Client, most: Mapping[str, int]) -> ChannelsRead:
    """Give held jobs back that their channels take, at most `most` of each; what is known of all channels.

    Raises BrokerError.
    """
    limits = [part for limit in most.items() for part in limit]
    with translated():
        at_ms, rows = await scripts.RELEASE_HELD_JOBS(redis, PROBE_MS, _MOST, *limits)
    return ChannelsRead(int(at_ms), [Channel(_name(row[0]), *map(int, row[1:])) for row in rows])


async def pause(redis: Client, channel: str, *, by: str) -> bool:
    """Send nothing more on a channel until `resume`; False where it was paused. The audit log has it.

    Raises BrokerError.
    """
    with translated():
        return bool(await scripts.PAUSE(redis, channel, "pause", packed(AuditEntry(by, "pause", channel))))


async def resume(redis: Client, channel: str, *, by: str) -> bool:
    """Let a paused channel go on; False where it was not paused. The audit log has it. Raises BrokerError."""
    with translated():
        return bool(await scripts.PAUSE(redis, channel, "resume", packed(AuditEntry(by, "resume", channel))))


async def read_channels(redis: Client) -> list[Channel]:
    """What is known of channels, by name. Raises BrokerError."""
    with translated():
        names: list[bytes] = sorted(await redis.smembers(redis.names.channels))  # type: ignore[misc]
        async with redis.pipeline(transaction=True) as pipe:
            for name in names:
                pipe.hmget(redis.names.channel.encode() + name, _FIELDS)  # type: ignore[arg-type]
                pipe.zcard(redis.names.held_jobs.encode() + name)
            found = await pipe.execute()
    return [
        Channel(_name(name), *[whole(value) for value in known], held)  # type: ignore[call-arg]
        for name, known, held in zip(names, found[::2], found[1::2], strict=True)
    ]


async def reserve(redis: Client, channel: str, *, rate_per_s: float, count: int) -> tuple[float, float]:
    """(Seconds until the first of `count` sends, seconds between two) that keep the rate of all workers together.

    Raises BrokerError.
    """
    with translated():
        first_us, gap_us = await scripts.RESERVE(redis, channel, rate_per_s, count)
    return int(first_us) / 1e6, int(gap_us) / 1e6


def _name(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")
