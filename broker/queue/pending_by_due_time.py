"""Counts the pending notifications by the time they are due."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from msgspec import Struct

from broker.queue.jobs import size_of
from broker.redis.client import Client
from broker.redis.clock import ask_ms
from broker.redis.errors import translated

_SAMPLE = 500
"""How many jobs of a time span are counted exactly. If there are more, their sizes are estimated from these."""


class Schedule(Struct, frozen=True):
    """The numbers of notifications by the time when their next attempt is due.

    A number is exact for up to 500 jobs in a time span, and estimated for more. A running job counts as due when
    its lease ends.
    """

    due_now: int
    within_1_min: int
    within_10_min: int
    within_1_h: int
    within_1_d: int
    later: int
    held: int
    """Notifications whose channel takes no jobs now: it is paused or slow, or its breaker is open."""


_BOUNDS_S = (0, 60, 600, 3600, 86_400)


async def read_schedule(redis: Client) -> Schedule:
    """Count the notifications in the queue and those that are held. Raises BrokerError."""
    with translated():
        now_ms = await ask_ms(redis)
        bounds = ["-inf", *(str(now_ms + 1000 * bound_s) for bound_s in _BOUNDS_S), "+inf"]
        names = await redis.smembers(redis.names.channels)  # type: ignore[misc]
        held = [redis.names.held_jobs.encode() + name for name in names]
        async with redis.pipeline(transaction=True) as pipe:
            for after, until in pairwise(bounds):
                pipe.zcount(redis.names.queue, f"({after}", until)
                pipe.zrangebyscore(redis.names.queue, f"({after}", until, start=0, num=_SAMPLE)
            for key in held:
                pipe.zcard(key)
                pipe.zrange(key, 0, _SAMPLE - 1)
            replies = await pipe.execute()
        samples = [[job.decode("utf-8", "replace") for job in sample] for sample in replies[1::2]]
        settled = await _settled(redis, [job for sample in samples for job in sample if size_of(job) > 1])
    counts = [_notifications(jobs, sample, settled) for jobs, sample in zip(replies[::2], samples, strict=True)]
    spans = len(bounds) - 1
    return Schedule(*counts[:spans], sum(counts[spans:]))  # type: ignore[call-arg]


async def _settled(redis: Client, jobs: Sequence[str]) -> Mapping[str, int]:
    """How many notifications of jobs are settled, for example because a person cancelled them."""
    async with redis.pipeline(transaction=False) as pipe:
        for job in jobs:
            pipe.scard(redis.names.done + job)
        return dict(zip(jobs, await pipe.execute(), strict=True))


def _notifications(jobs: int, sample: Sequence[str], settled: Mapping[str, int]) -> int:
    sizes = sum(size_of(job) - settled.get(job, 0) for job in sample)
    return round(sizes * jobs / len(sample)) if sample else 0
