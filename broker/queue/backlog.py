"""What stands in Redis and is still to be done."""

from __future__ import annotations

from msgspec import Struct

from broker.queue import stream
from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.numbers import whole


class Backlog(Struct, frozen=True):
    """The stream and the job queue at one moment."""

    entries: int
    """Batches in the stream that are not committed yet."""

    oldest_ms: int
    """Age of the oldest of them, 0 for none."""

    jobs: int
    """Jobs of notifications in the queue, running ones included."""

    jobs_due: int
    """Jobs that may start now."""

    next_due_ms: int | None
    """Time until the next job may start, 0 where one may now; None for an empty queue.

    A running job is due again when its lease ends, in case its worker died.
    """


async def read_backlog(redis: Client) -> Backlog:
    """Look at both queues. Raises BrokerError."""
    with translated():
        seconds, micros = await redis.time()
        now_ms = int(seconds) * 1000 + int(micros) // 1000
        async with redis.pipeline(transaction=True) as pipe:
            pipe.xlen(redis.names.stream)
            pipe.zcard(redis.names.queue)
            pipe.zcount(redis.names.queue, "-inf", now_ms)
            pipe.zrange(redis.names.queue, 0, 0, withscores=True)
            entries, jobs, due, head = await pipe.execute()
    return Backlog(
        entries=entries,
        oldest_ms=await stream.oldest_age_ms(redis),
        jobs=jobs,
        jobs_due=due,
        next_due_ms=max(0, whole(head[0][1]) - now_ms) if head else None,
    )


async def queued_bytes(redis: Client) -> int:
    """Memory that the stream of webhooks takes, as Redis counts it. Raises BrokerError.

    Redis walks all of it, 5 ms a GB on a common machine. A sample of its head, which it takes otherwise, was off
    by half where small batches stood before large ones.
    """
    with translated():
        return int(await redis.memory_usage(redis.names.stream, samples=0) or 0)
