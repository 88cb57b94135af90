"""FastAPI on uvicorn (uvloop, httptools), arq and httpx: one job for each webhook, as their documentation shows.

uvicorn serves `app`; `arq_fastapi.py` runs the worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator
from typing import Any

import httpx
import uvloop
from arq import create_pool
from arq.connections import RedisSettings
from arq.worker import Retry, Worker, func
from fastapi import FastAPI, Request, Response

from shared import ATTEMPTS, PATH, REDIS_URL, SIGNATURE_HEADER, SINK_URL, WINDOW_S, headers, is_signed


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.queue = await create_pool(RedisSettings.from_dsn(REDIS_URL))
    yield
    await app.state.queue.aclose()


app = FastAPI(lifespan=_lifespan)


@app.post(PATH, status_code=202)
async def take(request: Request) -> Response:
    """Verify, deduplicate and queue one webhook."""
    body = await request.body()
    signature = request.headers.get(SIGNATURE_HEADER, "")
    if not is_signed(body, signature):
        return Response(status_code=401)
    queue = request.app.state.queue
    if not await queue.set(f"seen:{signature}", b"1", nx=True, ex=WINDOW_S):
        return Response(status_code=202)
    try:
        await queue.enqueue_job("notify", signature, body, _job_id=signature)
    except Exception:
        await queue.delete(f"seen:{signature}")
        raise
    return Response(status_code=202)


async def notify(ctx: dict[str, Any], key: str, body: bytes) -> None:
    """Send one notification. This is the arq function."""
    webhook = json.loads(body)
    data = webhook["data"]
    balance = data["balance"]
    text = f"{data['customer']['name']}: {balance['points']} points added, balance {balance['balance']}"
    content = json.dumps({"key": key, "event": webhook["event"]["type"], "text": text, "data": data})
    try:
        answer = await ctx["client"].post(SINK_URL, content=content, headers=headers(key))
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise Retry(defer=2 ** ctx["job_try"]) from error


async def _work() -> None:
    max_jobs, poll_delay_s = os.environ["PEER_TUNING"].split(",")
    limits = httpx.Limits(max_connections=100, max_keepalive_connections=100)
    worker = Worker(
        functions=[func(notify, name="notify", max_tries=ATTEMPTS)],
        redis_settings=RedisSettings.from_dsn(REDIS_URL),
        ctx={"client": httpx.AsyncClient(limits=limits)},
        max_jobs=int(max_jobs),
        poll_delay=float(poll_delay_s),
        queue_read_limit=2 * int(max_jobs),
        keep_result=0,
        log_results=False,
    )
    await worker.async_run()


if __name__ == "__main__":
    with contextlib.suppress(asyncio.CancelledError):
        uvloop.run(_work())
