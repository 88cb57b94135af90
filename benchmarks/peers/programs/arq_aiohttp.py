"""aiohttp, arq and msgspec: one job for each webhook."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import msgspec
import uvloop
from arq.connections import ArqRedis
from arq.worker import Retry, Worker, func
from redis.asyncio import ConnectionPool

from shared import ATTEMPTS, REDIS_URL, WINDOW_S
from shared_http import Enqueue, Mark, Unmark, open_session, post, receive

_pack = msgspec.msgpack.Encoder().encode
_unpack: Callable[[bytes], Any] = msgspec.msgpack.Decoder().decode


def _open() -> ArqRedis:
    return ArqRedis(
        pool_or_conn=ConnectionPool.from_url(REDIS_URL), job_serializer=_pack, job_deserializer=_unpack
    )


@contextlib.asynccontextmanager
async def _connect() -> AsyncIterator[tuple[Mark, Unmark, Enqueue]]:
    client = _open()

    async def mark(key: str) -> bool:
        return bool(await client.set(f"seen:{key}", b"1", nx=True, ex=WINDOW_S))

    async def enqueue(key: str, body: bytes) -> None:
        await client.enqueue_job("notify", key, body, _job_id=key)

    yield mark, lambda key: client.delete(f"seen:{key}"), enqueue
    await client.aclose()


async def notify(ctx: dict[str, Any], key: str, body: bytes) -> None:
    """Send one notification. This is the arq function."""
    try:
        await post(ctx["session"], key, body)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise Retry(defer=2 ** ctx["job_try"]) from error


async def _work() -> None:
    max_jobs, poll_delay_s = os.environ["PEER_TUNING"].split(",")
    client = _open()
    worker = Worker(
        functions=[func(notify, name="notify", max_tries=ATTEMPTS)],
        redis_pool=client,
        ctx={"session": open_session()},
        max_jobs=int(max_jobs),
        poll_delay=float(poll_delay_s),
        queue_read_limit=2 * int(max_jobs),
        keep_result=0,
        log_results=False,
        job_serializer=_pack,
        job_deserializer=_unpack,
    )
    await worker.async_run()


if __name__ == "__main__":
    if sys.argv[1] == "receive":
        receive(_connect)
    else:
        with contextlib.suppress(asyncio.CancelledError):
            uvloop.run(_work())
