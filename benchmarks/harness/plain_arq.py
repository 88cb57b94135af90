"""An intake with arq alone, for comparison: one job for each body, tuned for throughput."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec
import redis
from arq.connections import ArqRedis
from arq.constants import default_queue_name, job_key_prefix
from arq.worker import Worker, func
from msgspec import Struct
from redis.asyncio import ConnectionPool

from benchmarks.harness.stopwatch import Work

NOTIFY_QUEUE = "arq:notify"
_WINDOW_S = 7 * 86_400

_pack = msgspec.msgpack.Encoder().encode
_unpack: Callable[[bytes], Any] = msgspec.msgpack.Decoder().decode


class Tuning(Struct, frozen=True):
    """The settings of arq that determine its speed."""

    max_jobs: int
    poll_delay_s: float
    queue_read_limit: int


TUNINGS = (Tuning(50, 0.005, 200), Tuning(100, 0.001, 200), Tuning(1000, 0.001, 1000))
"""The settings to try. The fastest one is used for the comparison."""


class _Event(Struct):
    id: str
    type: str


class _Source(Struct):
    id: str


class _Webhook(Struct):
    source: _Source
    event: _Event
    data: Any


_decode = msgspec.json.Decoder(_Webhook).decode


def fill(client: redis.Redis, bodies: Sequence[bytes]) -> None:
    """Queue one job for each body, in the same form as enqueue_job."""
    now_ms = time.time_ns() // 1_000_000
    with client.pipeline(transaction=False) as pipe:
        for number, body in enumerate(bodies):
            job: dict[str, Any] = {"t": None, "f": "take", "a": (body,), "k": {}, "et": now_ms}
            pipe.psetex(f"{job_key_prefix}{number}", 86_400_000, _pack(job))
            pipe.zadd(default_queue_name, {str(number): now_ms})
        pipe.execute()


async def prepare(url: str, tuning: Tuning) -> tuple[Work, Work]:
    """Prepare a worker. Returns the work and the function that closes the connection."""
    pool: ConnectionPool = ConnectionPool.from_url(url)  # a blocking pool would be slower
    client = ArqRedis(pool_or_conn=pool, job_serializer=_pack, job_deserializer=_unpack)
    await client.ping()
    worker = Worker(
        functions=[func(take, name="take")],
        redis_pool=client,
        handle_signals=False,
        burst=True,
        max_jobs=tuning.max_jobs,
        poll_delay=tuning.poll_delay_s,
        queue_read_limit=tuning.queue_read_limit,
        keep_result=0,
        log_results=False,
        job_serializer=_pack,
        job_deserializer=_unpack,
    )
    return partial(_drain, worker), client.aclose


async def take(ctx: dict[str, Any], body: bytes) -> None:
    """Decode and deduplicate one body, and enqueue its notification. This is the arq function."""
    client: ArqRedis = ctx["redis"]
    webhook = _decode(body)
    identity = f"{webhook.source.id}:{webhook.event.id}"
    if await client.set(f"seen:{identity}", b"1", nx=True, ex=_WINDOW_S):
        await client.enqueue_job("notify", identity, body, _queue_name=NOTIFY_QUEUE)


async def _drain(worker: Worker) -> None:
    await asyncio.wait_for(worker.async_run(), timeout=300)
