"""Estimates what many notifications wait for, from a sample of jobs."""

from __future__ import annotations

from collections.abc import Sequence

from broker.queue.channel_state import read_channels
from broker.queue.jobs import size_of
from broker.queue.waiting.cause import CAUSES, Cause, Causes, cause_of
from broker.redis.client import Client
from broker.redis.clock import ask_ms
from broker.redis.errors import translated
from broker.redis.keys import DIGEST_BUCKETS

_PLACES = 20
_SAMPLE = 250
"""Jobs that are read at each of `_PLACES` places of the queue, and of each channel."""

_BUCKETS = 64
"""Keys of DIGEST_BUCKETS with open windows that are read."""


async def estimate(redis: Client, waiting: int) -> Causes:
    """Return about how many of the `waiting` notifications wait for what. The counts add up to it.

    Raises BrokerError.
    """
    now_ms, names = await ask_ms(redis), redis.names
    channels = [channel for channel in await read_channels(redis) if channel.held]
    with translated():
        jobs = int(await redis.zcard(names.queue))
        async with redis.pipeline(transaction=True) as pipe:
            for place in range(_PLACES):
                start = jobs * place // _PLACES
                pipe.zrange(names.queue, start, start + min(_SAMPLE, jobs // _PLACES) - 1, withscores=True)
            for channel in channels:
                pipe.zrange(names.held_jobs + channel.name, 0, _SAMPLE - 1)
            for bucket in range(_BUCKETS):
                pipe.hvals(f"{names.digests_open}{bucket}")
            replies = await pipe.execute()
    held, windows = replies[_PLACES:-_BUCKETS], replies[-_BUCKETS:]
    sample = [(job.decode("utf-8", "replace"), due_ms) for reply in replies[:_PLACES] for job, due_ms in reply]
    sizes: dict[Cause, float] = {cause: jobs * _mean([_size(job, cause) for job, _ in sample]) for cause in CAUSES}
    for channel, some in zip(channels, held, strict=True):
        state = channel.state(now_ms)
        cause: Cause = "paused" if state == "paused" else "rate_limit" if state == "closed" else "open"
        sizes[cause] += channel.held * _mean([size_of(job.decode("utf-8", "replace")) for job in some])
    # A window begins with the number of its channels: see broker/steps/lua/digests/windows.lua.
    sizes["digest"] = DIGEST_BUCKETS * _mean([sum(int.from_bytes(text[:2]) for text in some) for some in windows])
    retries = [(size_of(job), due_ms - now_ms) for job, due_ms in sample if cause_of(job) == "retry"]
    overdue = sum(size for size, in_ms in retries if in_ms <= 0)
    later_ms = [int(in_ms) for _, in_ms in retries if in_ms > 0]
    counts = _adding_up(sizes, waiting)
    share = overdue / (sum(size for size, _ in retries) or 1)
    return Causes(
        **counts,
        retries_overdue=round(share * counts["retry"]),
        next_retry_ms=min(later_ms, default=None),
    )


def _size(job: str, cause: Cause) -> int:
    return size_of(job) if cause_of(job) == cause else 0


def _mean(numbers: Sequence[int]) -> float:
    return sum(numbers) / len(numbers) if numbers else 0.0


def _adding_up(sizes: dict[Cause, float], waiting: int) -> dict[Cause, int]:
    """Scale the sizes so that they add up to `waiting`. The largest takes what rounding leaves."""
    total = sum(sizes.values()) or 1.0
    counts = {cause: int(waiting * size / total) for cause, size in sizes.items()}
    largest = max(sizes, key=lambda cause: sizes[cause])
    counts[largest] += waiting - sum(counts.values())
    return counts
