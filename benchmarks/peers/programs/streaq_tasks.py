"""aiohttp and streaq, which keeps its queue in Redis streams: one task for each webhook."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import msgspec
from coredis import PureToken
from streaq import StreaqRetry, Worker

from shared import ATTEMPTS, REDIS_URL, WINDOW_S
from shared_http import open_session, post, receive


@contextlib.asynccontextmanager
async def _lifespan() -> AsyncIterator[aiohttp.ClientSession]:
    async with open_session() as session:
        yield session


worker: Worker[aiohttp.ClientSession] = Worker(
    redis_url=REDIS_URL,
    lifespan=_lifespan,
    serializer=msgspec.msgpack.encode,
    deserializer=msgspec.msgpack.decode,
    concurrency=int(os.environ["PEER_TUNING"]),
    anyio_kwargs={"use_uvloop": True},
)


@worker.task(max_tries=ATTEMPTS, ttl=0, silent=True)
async def notify(key: str, body: bytes) -> None:
    """Send one notification. This is the task."""
    try:
        await post(worker.context, key, body)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise StreaqRetry from error


@contextlib.asynccontextmanager
async def _connect() -> AsyncIterator[Any]:
    async with worker:
        client = worker.redis

        async def mark(key: str) -> bool:
            return bool(await client.set(f"seen:{key}", "1", condition=PureToken.NX, ex=WINDOW_S))

        async def enqueue(key: str, body: bytes) -> None:
            await notify.enqueue(key, body)

        yield mark, lambda key: client.delete([f"seen:{key}"]), enqueue


if __name__ == "__main__":
    if sys.argv[1] == "receive":
        receive(_connect)
    else:
        worker.run_sync()
