"""aiohttp and SAQ: one job for each webhook."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import uvloop
from saq import Queue, Worker

from shared import ATTEMPTS, REDIS_URL, WINDOW_S
from shared_http import open_session, post, receive


def _queue() -> Any:
    return Queue.from_url(
        REDIS_URL, dump=msgspec.msgpack.encode, load=msgspec.msgpack.decode, max_concurrent_ops=100
    )


async def notify(ctx: dict[str, Any], *, body: bytes) -> None:
    """Send one notification. This is the job."""
    await post(ctx["session"], ctx["job"].key, body)


@contextlib.asynccontextmanager
async def _connect() -> AsyncIterator[Any]:
    queue = _queue()
    await queue.connect()
    client = queue.redis

    async def mark(key: str) -> bool:
        return bool(await client.set(f"seen:{key}", b"1", nx=True, ex=WINDOW_S))

    async def enqueue(key: str, body: bytes) -> None:
        await queue.enqueue(
            "notify", key=key, body=body, retries=ATTEMPTS, retry_delay=2.0, retry_backoff=True, ttl=-1
        )

    yield mark, lambda key: client.delete(f"seen:{key}"), enqueue
    await queue.disconnect()


async def _work() -> None:
    async def start(ctx: dict[str, Any]) -> None:
        ctx["session"] = open_session()

    worker = Worker(
        _queue(),
        functions=[("notify", notify)],
        startup=start,
        concurrency=int(os.environ["PEER_TUNING"]),
    )
    await worker.start()


if __name__ == "__main__":
    if sys.argv[1] == "receive":
        receive(_connect)
    else:
        with contextlib.suppress(asyncio.CancelledError):
            uvloop.run(_work())
