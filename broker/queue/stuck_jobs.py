"""Finds jobs that do not end: queued without a job, started again and again, leased for ever, or not queued."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from broker.redis.client import Client
from broker.redis.clock import ask_ms
from broker.redis.errors import translated
from broker.redis.numbers import parse_int

MOST_JOBS = 10_000
"""How many jobs of the queue are examined, at most: those that are due first."""

_CHUNK = 500
_NO_EXPIRY = -1


class StuckJobs(Struct, frozen=True, kw_only=True):
    """The jobs of one partition that need attention, by their ids."""

    examined: int = 0
    is_complete: bool = True
    """False if the queue has more than MOST_JOBS jobs, so that not all were examined."""

    late_ms: int = 0
    """For how many ms the first due job has waited for a worker; 0 if none waits."""

    without_job: tuple[bytes, ...] = ()
    """Ids in the queue whose job does not exist."""

    restarted: tuple[bytes, ...] = ()
    """Jobs that were started at least as often as asked for, and have not ended."""

    leased_for_ever: tuple[bytes, ...] = ()
    """Jobs with a lease that does not expire, so that no worker can take them."""

    not_queued: tuple[bytes, ...] = ()
    """Jobs that are neither in the queue nor held, so that no worker ever finds them."""


async def find_stuck_jobs(redis: Client, *, starts: int, job_ids: Sequence[bytes] = ()) -> StuckJobs:
    """Examine the jobs in the queue, and those with these ids; change nothing.

    starts: from how many starts on a job counts as restarted. job_ids: jobs that have a key, to find those that
    are not in the queue. Raises BrokerError.
    """
    with translated():
        now_ms = await ask_ms(redis)
        queued = await redis.zrange(redis.names.queue, 0, MOST_JOBS - 1, withscores=True)
        size = int(await redis.zcard(redis.names.queue))
        without_job, restarted, leased_for_ever = [], [], []
        for chunk in _chunks([job for job, _ in queued]):
            for job, is_queued, exists, started, lease_ms in await _read(redis, chunk):
                if not is_queued:  # it has ended meanwhile
                    continue
                if not exists:
                    without_job.append(job)
                if started >= starts:
                    restarted.append(job)
                if lease_ms == _NO_EXPIRY:
                    leased_for_ever.append(job)
        # A job that moves while this looks is found at its new place the second time.
        not_queued = await _not_queued(redis, await _not_queued(redis, job_ids))
    return StuckJobs(
        examined=len(queued),
        is_complete=size <= MOST_JOBS,
        late_ms=max(0, now_ms - parse_int(queued[0][1])) if queued else 0,
        without_job=tuple(without_job),
        restarted=tuple(restarted),
        leased_for_ever=tuple(leased_for_ever),
        not_queued=tuple(not_queued),
    )


async def _read(redis: Client, jobs: Sequence[bytes]) -> Iterator[tuple[bytes, bool, bool, int, int]]:
    """Return (id, is queued, has a job, starts, ms of its lease) of each job, all of one moment."""
    names = redis.names
    async with redis.pipeline(transaction=True) as pipe:
        for job in jobs:
            pipe.zscore(names.queue, job)
            pipe.exists(names.job.encode() + job)
            pipe.get(names.retry.encode() + job)
            pipe.pttl(names.in_progress.encode() + job)
        replies = iter(await pipe.execute())
    rows = zip(jobs, replies, replies, replies, replies, strict=True)
    return ((job, score is not None, bool(exists), parse_int(n), ttl) for job, score, exists, n, ttl in rows)


async def _not_queued(redis: Client, jobs: Sequence[bytes]) -> list[bytes]:
    names, lost = redis.names, []
    channels = sorted(await redis.smembers(names.channels)) if jobs else []  # type: ignore[misc]
    places: list[str | bytes] = [names.queue, *(names.held_jobs.encode() + channel for channel in channels)]
    for chunk in _chunks(jobs):
        async with redis.pipeline(transaction=True) as pipe:
            for job in chunk:
                pipe.exists(names.job.encode() + job)
                for place in places:
                    pipe.zscore(place, job)
            replies = await pipe.execute()
        width = 1 + len(places)
        for number, job in enumerate(chunk):
            exists, *scores = replies[number * width : (number + 1) * width]
            if exists and all(score is None for score in scores):
                lost.append(job)
    return lost


def _chunks(jobs: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    return (jobs[start : start + _CHUNK] for start in range(0, len(jobs), _CHUNK))
