"""The heartbeat of a worker, and the wake-ups that spare idle workers from polling.

An idle worker sends a heartbeat every few seconds, and gets in return when the next work is due. In between it
waits for webhooks, with a blocking read of the stream, and for wake-ups. A step that leaves jobs to other workers
writes a wake-up, and Redis gives it to one worker that waits. Such steps are a claim after which more jobs are
due, the return of a job, and a replay.

A wake-up is only a hint. If one is lost, for example in a failover, the next heartbeat finds the job, at most 5 s
later.
"""

from __future__ import annotations

import asyncio
import time
from typing import NamedTuple

from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from broker.queue.parts import ABSENCE, NEXT_DUE
from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.scripting.scripts import FULL, Script

_HEARTBEAT = Script(
    "queue/idle/heartbeat",
    parts=(FULL, ABSENCE, NEXT_DUE),
    keys=("queue", "digests", "digests_ends", "channels", "dead_to_retry", "stream"),
    args=("health: key", "config", "lasts_ms: number", "lease_ms: number"),
)

ALIVE_MS = 6000
"""Time in ms for which a sign of life shows that a worker is alive."""

_LATE_S = 5.0
"""Seconds after which a response that Redis owes counts as lost."""


class Upcoming(NamedTuple):
    """The work that is in Redis, whichever process left it there."""

    next_job_s: float | None
    """Seconds until the next job is due: 0 if one is due, None without jobs."""

    next_digest_s: float | None
    """Seconds until the next window of a digest ends: 0 if one has ended, None without digests."""

    channels: int
    """The number of channels that are paused, have failures or have held jobs."""

    to_retry: int
    """The number of dead letters that a redelivery marked to be retried."""

    pending: int
    """The number of stream entries that workers have read and not committed."""


async def beat(redis: Client, key: str, config: str, *, lasts_ms: int, lease_ms: int) -> Upcoming:
    """Record for `lasts_ms` that this worker is alive, with the fingerprint of its config. Raises BrokerError."""
    asked_at = time.monotonic()
    with translated():
        now_ms, job_ms, digest_ms, channels, to_retry, pending = await _HEARTBEAT(
            redis, health=key, config=config, lasts_ms=lasts_ms, lease_ms=lease_ms
        )
    redis.clock.learn(now_ms, asked_at)
    return Upcoming(seconds_of(job_ms), seconds_of(digest_ms), channels, to_retry, pending)


def seconds_of(next_due_ms: int) -> float | None:
    """The seconds until something is due, as next_due.lua returns them; None if there is nothing."""
    return None if next_due_ms < 0 else next_due_ms / 1000


async def wait_for_wake_up(redis: Client, *, seconds: int) -> bool:
    """Wait for a wake-up; False if none came within `seconds`. Safe to cancel. Raises BrokerError."""
    key = redis.names.wake
    with translated():
        # Not a command of the client: it would give up after socket_timeout_s, so that it could not wait longer.
        connection = await redis.connection_pool.get_connection()
        is_clean = False
        try:
            await connection.send_command("BLPOP", key, seconds)
            async with asyncio.timeout(seconds + _LATE_S):
                reply = await connection.read_response(timeout=seconds + 2 * _LATE_S)
            is_clean = True
        except TimeoutError:
            raise RedisTimeoutError("no response") from None
        except ResponseError as error:
            is_clean = True
            if not await redis.made_way(error, ("BLPOP", key)):
                raise
            return False
        finally:
            if not is_clean:  # its response may still come
                await connection.disconnect(nowait=True)
            await redis.connection_pool.release(connection)
    return reply is not None
