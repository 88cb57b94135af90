"""Claims of jobs: the leases that workers take, extend and give back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from broker.queue.heartbeat import seconds_of
from broker.queue.jobs import MAX_NOTIFICATIONS
from broker.queue.parts import ABSENCE, JOBS, NEXT_DUE, UNRECOGNIZED, WAKE
from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.scripting.scripts import FULL, LEASE, Script

STARTS_KEPT_S = 86_400
"""Seconds for which the number of a job's starts is kept."""

_COUNTED_AT_LEAST = 8

_CLAIM = Script(
    "queue/claim",
    parts=(FULL, JOBS, LEASE, ABSENCE, NEXT_DUE, WAKE),
    keys=("queue", "channels"),
    args=(
        "owner",
        "most: number",
        "room: number",
        "counted_at_least: number",
        "lease_ms: number",
        "starts_kept_s: number",
    ),
)
_EXTEND = Script("queue/extend", parts=(FULL,), keys=("queue",), args=("owner", "lease_ms: number"), rest="jobs")
_RELEASE = Script(
    "queue/release",
    parts=(FULL, WAKE),
    keys=("queue", "in_progress:job", "retry:job"),
    args=("owner", "job", "delay_ms: number", "forget_start: number"),
)
_DEFER_JOB = Script(
    "queue/defer_job",
    parts=(FULL, UNRECOGNIZED, WAKE),
    keys=("queue", "in_progress:job", "retry:job", "unrecognized:job"),
    args=("owner", "job", "for_ms: number"),
)


def counted_size(size: int) -> int:
    """Return how much of the room for notifications a job takes: for one of less than 8, as much as for 8."""
    return max(size, _COUNTED_AT_LEAST)


class Claimant(NamedTuple):
    """The worker that takes jobs, and for how many it has room."""

    owner: str
    """The worker's name, which owns the leases."""

    lease_ms: int
    most: int


NO_CLAIMANT = Claimant("", 0, 0)
"""A worker that takes no jobs now."""


class Claimed(NamedTuple):
    """A job that this worker must run now."""

    id: str
    blob: bytes
    """The job as arq stores it."""

    starts: int
    """How often the job was started, including this time."""

    held_ms: int
    """For how long the job has been held in total, because its channel took no jobs."""

    done: frozenset[int]
    """The indices of its notifications that are settled: sent, dead, deferred or duplicates."""


class Claims(NamedTuple):
    """The result of a claim."""

    jobs: list[Claimed]
    next_job_s: float | None
    """Seconds until the next job is due: 0 if more jobs are due, None without jobs."""

    channels: int
    """The number of channels that are paused, have failures or have held jobs."""


async def claim(redis: Client, owner: str, *, count: int, lease_ms: int, room: int | None = None) -> Claims:
    """Lease up to `count` due jobs to `owner` for `lease_ms`. The owner must start them immediately.

    room: none is taken when the others take that much: see `counted_size`. Defaults to no limit. If more jobs are
    due, another worker is woken; so a full worker calls this with 0. Raises BrokerError.
    """
    with translated():
        claimed, next_ms, channels = await _CLAIM(
            redis,
            owner=owner,
            most=count,
            room=count * MAX_NOTIFICATIONS if room is None else room,
            counted_at_least=_COUNTED_AT_LEAST,
            lease_ms=lease_ms,
            starts_kept_s=STARTS_KEPT_S,
        )
    return Claims(
        [
            Claimed(job.decode(), blob, starts, held_ms, frozenset(map(int, done)))
            for job, blob, starts, held_ms, done in claimed
        ],
        seconds_of(next_ms),
        channels,
    )


async def extend(redis: Client, owner: str, jobs: Sequence[str], *, lease_ms: int) -> list[str]:
    """Renew the leases of running jobs. Returns the ids of the jobs whose lease `owner` has lost.

    Raises BrokerError.
    """
    with translated():
        lost = await _EXTEND(redis, owner=owner, lease_ms=lease_ms, jobs=jobs)
    return [job.decode() for job in lost]


async def release(
    redis: Client, owner: str, job_id: str, *, delay_ms: int = 0, forget_start: bool = False
) -> None:
    """Return an unfinished job to the queue, to be run after `delay_ms`.

    A job that is finished, or that another worker has taken over, is not changed. forget_start: do not count this
    start towards the limit after which a job is treated as poison. Raises BrokerError.
    """
    with translated():
        await _RELEASE(redis, owner=owner, job=job_id, delay_ms=delay_ms, forget_start=int(forget_start))


async def defer(redis: Client, owner: str, job_id: str, *, for_ms: int) -> bool:
    """Leave a job that this worker cannot read to other workers. It is due in 1 to 15 s.

    The start is not counted. Returns False if a worker first read the job `for_ms` ago, so that probably no worker
    can read it. Raises BrokerError.
    """
    with translated():
        return bool(await _DEFER_JOB(redis, owner=owner, job=job_id, for_ms=for_ms))
