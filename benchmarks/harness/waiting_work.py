"""Puts work into Redis that waits: deferred jobs, held jobs, and dead letters to replay."""

from __future__ import annotations

import time
from collections.abc import Sequence

import redis
import uvloop

from benchmarks.harness.backlog import EVENT, HEADERS, sample_bodies
from benchmarks.harness.redis_server import KEYS
from broker import dead_letters
from broker.dead_letters import StoredDeadLetter
from broker.queue import jobs, stream
from broker.queue.batch import RawBody
from broker.queue.jobs import Attempt, Notification, NotifyJob
from broker.queue.stream import Confirmation
from broker.queue.waiting.cause import Deferral
from broker.redis.connection import Settings, connect
from broker.steps.commit import Processed, commit

_AT_A_TIME = 500

EncodedJob = tuple[str, bytes]
"""The id of a job, and the job as Redis has it."""


def notifications(count: int, *, rule: str) -> list[Notification]:
    """Return different notifications by this rule."""
    now_ms = time.time_ns() // 1_000_000
    return [
        Notification(f"{rule}-{number}", rule, EVENT, RawBody(now_ms, "voucherify", "", body, HEADERS))
        for number, body in enumerate(sample_bodies(count))
    ]


def jobs_of(
    waiting: Sequence[Notification], channel: str, *, size: int, waits_for: Deferral | None = None
) -> list[EncodedJob]:
    """Pack notifications into jobs of `size`."""
    now_ms = time.time_ns() // 1_000_000
    parts = [list(waiting[start : start + size]) for start in range(0, len(waiting), size)]
    return [
        (jobs.new_job_id(len(part), waits_for), jobs.encode(NotifyJob(channel, 1, now_ms, part))) for part in parts
    ]


def put(client: redis.Redis, packed: Sequence[EncodedJob], *, due_s: float, within_s: float = 0.0) -> None:
    """Put jobs into the queue, and wake a worker, as the step does that defers them.

    due_s: when the first is due, in seconds since 1970. within_s: over how many seconds they are spread.
    """
    gap_ms = within_s * 1000 / len(packed)
    scores = {job_id: int(due_s * 1000 + gap_ms * place) for place, (job_id, _) in enumerate(packed)}
    _store(client, packed, KEYS.queue, scores)
    client.rpush(KEYS.wake, "1")


def hold(client: redis.Redis, packed: Sequence[EncodedJob], channel: str) -> None:
    """Hold jobs, as workers do while their channel is paused."""
    now_ms = time.time_ns() // 1_000_000
    client.sadd(KEYS.channels, channel)
    _store(client, packed, KEYS.held_jobs + channel, {job_id: now_ms for job_id, _ in packed})


def _store(client: redis.Redis, packed: Sequence[EncodedJob], place: str, scores: dict[str, int]) -> None:
    count = sum(jobs.size_of(job_id) for job_id, _ in packed)
    with client.pipeline(transaction=True) as pipe:  # the workers see all of the jobs at the same time
        pipe.mset({KEYS.job + job_id: blob for job_id, blob in packed})
        pipe.zadd(place, scores)  # type: ignore[arg-type]
        pipe.hincrby(KEYS.stats_total, "created", count)
        pipe.hincrby(KEYS.stats_total, "waiting", count)
        pipe.execute()


def waiting(client: redis.Redis) -> int:
    """Return how many notifications wait, and are not dead letters."""
    return int(client.hget(KEYS.stats_total, "waiting") or 0)  # type: ignore[arg-type]


def sent_in_total(client: redis.Redis) -> int:
    """Return how many notifications were sent through all channels."""
    return int(client.hget(KEYS.stats_total, "sent") or 0)  # type: ignore[arg-type]


def make_dead(url: str, dead: Sequence[Notification], channel: str) -> None:
    """Make dead letters of notifications that their channel refused."""

    async def write() -> None:
        client = connect(Settings(url=url))
        await stream.create_group(client)
        for start in range(0, len(dead), _AT_A_TIME):
            letters = [_refused(notification, channel) for notification in dead[start : start + _AT_A_TIME]]
            await stream.append(client, [RawBody(1, "voucherify", "", b"{}")] * len(letters), Confirmation())
            [entry] = await stream.read(client, "benchmark", count=1, block_ms=1000)
            await commit(client, [Processed(entry.id, len(letters), [], letters)], [])
        await client.aclose()

    uvloop.run(write())


def _refused(notification: Notification, channel: str) -> StoredDeadLetter:
    attempt = Attempt(time.time_ns() // 1_000_000, 5, "permanent", "answered 400", "no such customer")
    died = Notification(notification.key, notification.rule, EVENT, notification.body, (attempt,))
    return dead_letters.died_at_notify(
        died, channel, reason="permanent", error="answered 400", error_class="Http400"
    )
