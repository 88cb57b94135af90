"""aiohttp and Celery with Redis (prefork): one task for each webhook.

The receiver queues in the event loop, because a thread for it takes more CPU time than the call to a near Redis.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import AsyncIterator
from typing import Any

import redis.asyncio
import urllib3
from celery import Celery

from shared import ATTEMPTS, REDIS_URL, SINK_URL, WINDOW_S, headers, notification

_PROCESSES, _PREFETCH = os.environ["PEER_TUNING"].split(",")

app = Celery("peers", broker=REDIS_URL)
app.conf.update(
    worker_concurrency=int(_PROCESSES),
    worker_prefetch_multiplier=int(_PREFETCH),
    task_ignore_result=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_disable_rate_limits=True,
    worker_send_task_events=False,
    worker_hijack_root_logger=False,
    task_store_errors_even_if_ignored=False,
    broker_connection_retry_on_startup=True,
)

_pool = urllib3.PoolManager(maxsize=4, retries=False)


@app.task(
    name="notify",
    bind=True,
    autoretry_for=(urllib3.exceptions.HTTPError,),
    max_retries=ATTEMPTS - 1,
    retry_backoff=2,
    retry_jitter=False,
)
def notify(self: Any, key: str, body: str) -> None:  # noqa: ARG001 - Celery passes the task
    """Send one notification. This is the Celery task."""
    answer = _pool.request("POST", SINK_URL, body=notification(key, body), headers=headers(key))
    if answer.status >= 300:
        raise urllib3.exceptions.HTTPError(f"answered with status {answer.status}")


@contextlib.asynccontextmanager
async def _connect() -> AsyncIterator[Any]:
    client = redis.asyncio.Redis.from_url(REDIS_URL)

    async def mark(key: str) -> bool:
        return bool(await client.set(f"seen:{key}", b"1", nx=True, ex=WINDOW_S))

    async def enqueue(key: str, body: bytes) -> None:
        notify.apply_async((key, body.decode()), task_id=key)

    yield mark, lambda key: client.delete(f"seen:{key}"), enqueue
    await client.aclose()


if __name__ == "__main__":
    if sys.argv[1] == "receive":
        from shared_http import receive

        receive(_connect)
