"""The state of a channel that all workers share: its circuit breaker, its pause and its rate.

The hash channel:{name} exists only while the channel has failures or is paused. Its fields are:
    failures          the number of consecutive failed sends
    opened            how often the breaker has opened since the last success
    open_until_ms     no sends until this time; after it, one job at a time probes until a send succeeds
    probe_until_ms    no other job probes until this time
    probe_job         the job that probes
    failing_since_ms  when the first of these failures was recorded
    cause             what was wrong the last time, in a few words
    paused_since_ms   when a person paused the channel

While a channel takes no jobs, its jobs move from the queue to held:{name}, so that workers do not try them in
vain. When the channel recovers, they return a few at a time, as far as workers have capacity. If all returned
together, they would delay other channels. The time for which a job is held is recorded, so that it does not count
towards the time after which the job is given up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple, cast

from msgspec import Struct

from broker.monitoring.audit import AUDIT, AuditEntry, packed
from broker.queue.jobs import size_of
from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.numbers import parse_int
from broker.redis.scripting.scripts import BASE, FULL, PAIRS, Part, Script

CircuitState = Literal["closed", "open", "half-open", "paused"]

PROBE_MS = 30_000
"""How long the other jobs wait for the result of a probe, before the next job may probe."""

_FIELDS = ["failures", "opened", "open_until_ms", "paused_since_ms", "failing_since_ms"]
_CAUSE_MAX = 200
MOST_COUNTED = 1000
"""Held jobs of a channel in one partition whose notifications are counted, at most."""

# A worker that releases jobs for which no worker has room has them all go through the queue in vain.
MOST_OF_OTHERS = 8
"""How many held jobs of a channel return to the queue in one call, if the worker does not know its own room."""


_PROBING = Part("queue/channels/probing", parts=(BASE,))
_BEGIN = Script(
    "queue/channels/begin",
    parts=(FULL, _PROBING),
    keys=("channel:channel",),
    args=("job", "channel", "probe_ms: number"),
)
_HOLD = Script(
    "queue/channels/hold",
    parts=(FULL,),
    keys=("queue", "channels", "in_progress:job", "retry:job", "held_jobs:channel"),
    args=("owner", "job", "channel"),
)
_RELEASE_HELD_JOBS = Script(
    "queue/channels/release_held_jobs",
    parts=(FULL, PAIRS, _PROBING),
    keys=("queue", "channels"),
    args=("probe_ms: number", "most: number", "limits: packed"),
)
_PAUSE = Script(
    "queue/channels/pause",
    parts=(AUDIT,),
    keys=("channels", "channel:channel"),
    args=("channel", "pause: number", "audit_entry"),
)
_PROBE = Script(
    "queue/channels/probe",
    parts=(AUDIT,),
    keys=("channel:channel",),
    args=("channel", "audit_entry"),
)
_RESERVE = Script(
    "queue/channels/reserve",
    parts=(FULL,),
    keys=("rate:channel",),
    args=("channel", "rate_per_s: number", "sends: number", "within_us: number"),
)


class Channel(Struct, frozen=True):
    """A channel that has failures, held jobs or a pause."""

    name: str
    failures: int
    opened: int
    open_until_ms: int
    """Until when the open breaker stops sends, by the clock of Redis; 0 if the breaker is closed."""

    paused_since_ms: int
    """When a person paused the channel; 0 if it is not paused."""

    held: int
    """The number of jobs that wait until the channel takes jobs again."""

    failing_since_ms: int = 0
    """Since when every send has failed; 0 while sends succeed, and for failures of an earlier version."""

    cause: str = ""
    """Why the last send failed, in a few words; "" while sends succeed."""

    only_in_partitions: tuple[int, ...] = ()
    """The numbers of the partitions that have this state, if others do not have it."""

    @classmethod
    def closed(cls, name: str) -> Channel:
        """Return a channel in its normal state."""
        return cls(name, 0, 0, 0, 0, 0)

    def state(self, now_ms: int) -> CircuitState:
        """Return the state at a time of the clock of Redis."""
        if self.paused_since_ms:
            return "paused"
        if not self.open_until_ms:
            return "closed"
        return "open" if self.open_until_ms > now_ms else "half-open"


class ChannelStates(NamedTuple):
    """All channels that have failures, held jobs or a pause."""

    at_ms: int
    """When they were read, by the clock of Redis."""

    channels: list[Channel]


Admission = Literal["go", "probe", "hold"]
"""How a channel treats a job. "probe" means that the breaker is half-open, and that only this job may try."""


async def begin(redis: Client, job_id: str, channel: str) -> Admission:
    """Ask whether the channel takes a job now. Raises BrokerError."""
    with translated():
        answer = await _BEGIN(redis, job=job_id, channel=channel, probe_ms=PROBE_MS)
    return cast("Admission", answer.decode())


async def hold(redis: Client, owner: str, job_id: str, channel: str) -> None:
    """Hold a job until its channel takes jobs again. A job that another worker has is not changed.

    Raises BrokerError.
    """
    with translated():
        await _HOLD(redis, owner=owner, job=job_id, channel=channel)


async def release_held_jobs(redis: Client, most: Mapping[str, int]) -> ChannelStates:
    """Return held jobs to the queue if their channels take jobs again. Returns the state of all channels.

    most: the largest number of jobs for each channel, by name; MOST_OF_OTHERS for any other. Raises BrokerError.
    """
    with translated():
        at_ms, rows = await _RELEASE_HELD_JOBS(redis, probe_ms=PROBE_MS, most=MOST_OF_OTHERS, limits=most)
    return ChannelStates(int(at_ms), [Channel(_name(row[0]), *map(int, row[1:])) for row in rows])  # type: ignore[arg-type]


async def pause(redis: Client, channel: str, *, by: str) -> bool:
    """Pause a channel until `resume`, and write an audit entry. Returns False if it was already paused.

    by: the name of the person; "" if another partition has the audit entry. Raises BrokerError.
    """
    with translated():
        return bool(await _PAUSE(redis, channel=channel, pause=1, audit_entry=_entry(by, "pause", channel)))


async def resume(redis: Client, channel: str, *, by: str) -> bool:
    """End the pause of a channel, and write an audit entry. Returns False if it was not paused.

    by: the name of the person; "" if another partition has the audit entry. Raises BrokerError.
    """
    with translated():
        return bool(await _PAUSE(redis, channel=channel, pause=0, audit_entry=_entry(by, "resume", channel)))


async def probe(redis: Client, channel: str, *, by: str) -> bool:
    """Let the next held job try a channel whose breaker is open now, and write an audit entry.

    Returns False if the breaker is not open. by: as in `pause`. Raises BrokerError.
    """
    with translated():
        return bool(await _PROBE(redis, channel=channel, audit_entry=_entry(by, "probe", channel)))


async def read_channels(redis: Client) -> list[Channel]:
    """Return the channels that have failures, held jobs or a pause, ordered by name. Raises BrokerError."""
    with translated():
        names: list[bytes] = sorted(await redis.smembers(redis.names.channels))  # type: ignore[misc]
        async with redis.pipeline(transaction=True) as pipe:
            for name in names:
                pipe.hmget(redis.names.channel.encode() + name, [*_FIELDS, "cause"])  # type: ignore[arg-type]
                pipe.zcard(redis.names.held_jobs.encode() + name)
            replies = await pipe.execute()
    return [
        _channel(name, fields, held) for name, fields, held in zip(names, replies[::2], replies[1::2], strict=True)
    ]


async def held_notifications(redis: Client, channel: str) -> int:
    """Return how many notifications the first MOST_COUNTED held jobs of a channel have. Raises BrokerError."""
    with translated():
        ids: list[bytes] = await redis.zrange(redis.names.held_jobs + channel, 0, MOST_COUNTED - 1)
    return sum(size_of(job_id.decode("utf-8", "replace")) for job_id in ids)


class Slots(NamedTuple):
    """The next sends within the rate that all workers share."""

    first_s: float
    """Seconds until the first of them."""

    gap_s: float
    """Seconds between two of them."""

    are_reserved: bool
    """False if the first is too far ahead."""


async def reserve(redis: Client, channel: str, *, rate_per_s: float, count: int, within_s: float) -> Slots:
    """Reserve `count` sends, unless the first is later than `within_s`, which is at most 10.

    Raises BrokerError.
    """
    within_us = int(max(0.0, within_s) * 1e6)
    with translated():
        first_us, gap_us, are_reserved = await _RESERVE(
            redis, channel=channel, rate_per_s=rate_per_s, sends=count, within_us=within_us
        )
    return Slots(int(first_us) / 1e6, int(gap_us) / 1e6, bool(are_reserved))


def _channel(name: bytes, fields: list[bytes | None], held: int) -> Channel:
    *numbers, cause = fields
    failures, opened, open_until_ms, paused_since_ms, failing_since_ms = map(parse_int, numbers)
    return Channel(
        _name(name),
        failures,
        opened,
        open_until_ms,
        paused_since_ms,
        held,
        failing_since_ms,
        _name((cause or b"")[:_CAUSE_MAX]),
    )


def _entry(by: str, what: str, channel: str) -> bytes:
    return packed(AuditEntry(by, what, channel)) if by else b""


def _name(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")
