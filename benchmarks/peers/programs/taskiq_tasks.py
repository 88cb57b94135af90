"""aiohttp and taskiq with Redis streams (taskiq-redis): one task for each webhook."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import msgspec
import redis.asyncio
from taskiq import Context, SmartRetryMiddleware, TaskiqDepends, TaskiqEvents, TaskiqState
from taskiq.abc.serializer import TaskiqSerializer
from taskiq_redis import RedisStreamBroker

from shared import ATTEMPTS, REDIS_URL, WINDOW_S
from shared_http import open_session, post, receive


class _MessagePack(TaskiqSerializer):
    """MessagePack by msgspec, which is faster than JSON and takes bytes as they are."""

    def dumpb(self, value: Any) -> bytes:
        return msgspec.msgpack.encode(value)

    def loadb(self, value: bytes) -> Any:
        return msgspec.msgpack.decode(value)


broker = (
    RedisStreamBroker(REDIS_URL, consumer_id="0", unacknowledged_lock_timeout=10)
    .with_serializer(_MessagePack())
    .with_middlewares(
        SmartRetryMiddleware(
            default_retry_count=ATTEMPTS, default_retry_label=True, default_delay=2, use_delay_exponent=True
        )
    )
)


@broker.on_event(TaskiqEvents.WORKER_STARTUP)
async def _open(state: TaskiqState) -> None:
    state.session = open_session()


@broker.task(task_name="notify")
async def notify(key: str, body: bytes, context: Context = TaskiqDepends()) -> None:  # noqa: B008 - as taskiq asks
    """Send one notification. This is the task."""
    session: aiohttp.ClientSession = context.state.session
    await post(session, key, body)


@contextlib.asynccontextmanager
async def _connect() -> AsyncIterator[Any]:
    await broker.startup()
    client = redis.asyncio.Redis.from_url(REDIS_URL)

    async def mark(key: str) -> bool:
        return bool(await client.set(f"seen:{key}", b"1", nx=True, ex=WINDOW_S))

    async def enqueue(key: str, body: bytes) -> None:
        await notify.kiq(key, body)

    yield mark, lambda key: client.delete(f"seen:{key}"), enqueue
    await client.aclose()
    await broker.shutdown()


if __name__ == "__main__":
    if sys.argv[1] == "receive":
        receive(_connect)
