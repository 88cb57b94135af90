"""A real HTTP server that records the notifications it gets."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

Answer = Callable[[dict[str, Any], int], Awaitable[web.Response] | web.Response]
"""(notification, how often its key came, this time included) -> the answer."""


def ok(_notification: dict[str, Any], _times: int) -> web.Response:
    return web.Response(status=204)


class Sink:
    """`times` counts deliveries by idempotency key, `got` holds every notification in order."""

    def __init__(self) -> None:
        self.answer: Answer = ok
        self.times: Counter[str] = Counter()
        self.got: list[dict[str, Any]] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        notification = await request.json()
        assert request.headers["Idempotency-Key"] == notification["key"]
        self.times[notification["key"]] += 1
        self.got.append(notification)
        answer = self.answer(notification, self.times[notification["key"]])
        return answer if isinstance(answer, web.Response) else await answer


@asynccontextmanager
async def running_sink() -> AsyncIterator[Sink]:
    sink = Sink()
    app = web.Application()
    app.router.add_post("/", sink.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    sink.url = f"http://127.0.0.1:{port}/"
    try:
        yield sink
    finally:
        await runner.cleanup()
