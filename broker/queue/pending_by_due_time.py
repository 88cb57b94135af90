"""How many notifications wait for when."""

from __future__ import annotations

from itertools import pairwise

from msgspec import Struct

from broker.queue.jobs import size_of
from broker.redis.client import Client
from broker.redis.errors import translated

_SAMPLE = 500
"""Jobs of a span whose sizes are looked at; those of more are reckoned from these."""


class Schedule(Struct, frozen=True):
    """Notifications by when their next try is due: exact up to 500 jobs a span, beyond that about so many.

    A job that is being sent counts as due when its lease ends.
    """

    due_now: int
    within_1_min: int
    within_10_min: int
    within_1_h: int
    within_1_d: int
    later: int
    held: int
    """Those whose channel takes none: its breaker is open, it is paused, or slow."""


_BOUNDS_S = (0, 60, 600, 3600, 86_400)


async def read_schedule(redis: Client) -> Schedule:
    """Look at the queue and at what is held. Raises BrokerError."""
    with translated():
        seconds, micros = await redis.time()
        now_ms = int(seconds) * 1000 + int(micros) // 1000
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
            found = await pipe.execute()
    counts = [_notifications(*pair) for pair in zip(found[::2], found[1::2], strict=True)]
    spans = len(bounds) - 1
    return Schedule(*counts[:spans], sum(counts[spans:]))  # type: ignore[call-arg]


def _notifications(jobs: int, sample: list[bytes]) -> int:
    sizes = sum(size_of(job.decode("utf-8", "replace")) for job in sample)
    return round(sizes * jobs / len(sample)) if sample else 0
