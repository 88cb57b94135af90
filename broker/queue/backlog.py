"""The amount of work that waits in Redis."""

from __future__ import annotations

from msgspec import Struct

from broker.queue import stream
from broker.redis.client import Client
from broker.redis.clock import ask_ms
from broker.redis.errors import translated
from broker.redis.numbers import parse_int


class Backlog(Struct, frozen=True):
    """The stream and the job queue at one moment."""

    entries: int
    """The number of batches in the stream that are not committed yet."""

    oldest_ms: int
    """The age of the oldest of these batches; 0 for an empty stream."""

    jobs: int
    """The number of jobs in the queue, including those that are running."""

    jobs_due: int
    """The number of jobs that may start now."""

    next_due_ms: int | None
    """The time until the next job may start; 0 if one may start now, None for an empty queue.

    A running job is due again when its lease ends, in case its worker died.
    """

    overdue_ms: int = 0
    """For how long the job that is due for the longest time has been due; 0 if no job is due."""


async def read_backlog(redis: Client) -> Backlog:
    """Read the state of the stream and of the job queue. Raises BrokerError."""
    with translated():
        now_ms = await ask_ms(redis)
        async with redis.pipeline(transaction=True) as pipe:
            pipe.xlen(redis.names.stream)
            pipe.zcard(redis.names.queue)
            pipe.zcount(redis.names.queue, "-inf", now_ms)
            pipe.zrange(redis.names.queue, 0, 0, withscores=True)
            entries, jobs, due, head = await pipe.execute()
    first_due_ms = parse_int(head[0][1]) if head else None
    return Backlog(
        entries=entries,
        oldest_ms=await stream.oldest_age_ms(redis),
        jobs=jobs,
        jobs_due=due,
        next_due_ms=None if first_due_ms is None else max(0, first_due_ms - now_ms),
        overdue_ms=0 if first_due_ms is None else max(0, now_ms - first_due_ms),
    )


async def queued_bytes(redis: Client) -> int:
    """Return the memory in bytes that the stream of webhooks takes, by `MEMORY USAGE`. Raises BrokerError.

    Redis reads the whole stream for this, which takes about 5 ms for each GB on a common machine.
    """
    # By default Redis reads only a sample from the head of the stream. Measured with small batches before large
    # ones, that result was wrong by half.
    with translated():
        return int(await redis.memory_usage(redis.names.stream, samples=0) or 0)
