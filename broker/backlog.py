"""What stands in Redis and is still to be done."""

from __future__ import annotations

from arq.connections import ArqRedis
from msgspec import Struct

from broker import keys, stream
from broker.errors import translated
from broker.jobs import size_of


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


_HEAD = 100


async def read_backlog(redis: ArqRedis) -> Backlog:
    """Look at both queues. Raises BrokerError."""
    with translated():
        seconds, micros = await redis.time()
        now_ms = int(seconds) * 1000 + int(micros) // 1000
        async with redis.pipeline(transaction=True) as pipe:
            pipe.xlen(keys.STREAM)
            pipe.zcard(keys.QUEUE)
            pipe.zcount(keys.QUEUE, "-inf", now_ms)
            pipe.zrange(keys.QUEUE, 0, _HEAD - 1, withscores=True)
            entries, jobs, due, head = await pipe.execute()
    # arq's cron jobs are in the queue too, a few seconds ahead: the head holds them, or they do not matter.
    cron = [at_ms for name, at_ms in head if not size_of(name.decode())]
    next_at_ms = next((int(at_ms) for name, at_ms in head if size_of(name.decode())), None)
    return Backlog(
        entries=entries,
        oldest_ms=await stream.oldest_age_ms(redis),
        jobs=jobs - len(cron),
        jobs_due=due - sum(at_ms <= now_ms for at_ms in cron),
        next_due_ms=None if next_at_ms is None else max(0, next_at_ms - now_ms),
    )


async def queued_bytes(redis: ArqRedis) -> int:
    """Memory that the stream of webhooks takes, as Redis counts it. Raises BrokerError.

    Redis walks all of it, 5 ms a GB on a common machine. A sample of its head, which it takes otherwise, was off
    by half where small batches stood before large ones.
    """
    with translated():
        return int(await redis.memory_usage(keys.STREAM, samples=0) or 0)
