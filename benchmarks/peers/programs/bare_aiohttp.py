"""The floor: aiohttp receives, answers, and POSTs each webhook, without Redis and without any check.

What is in memory is lost with the process. Bodies that were seen are left out, so that it makes as many POSTs as
the other contenders.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import uvloop
from aiohttp import web

from shared import PATH, PORT, SINK_URL

_CONCURRENCY = 64


async def _sending(app: web.Application) -> AsyncIterator[None]:
    waiting: asyncio.Queue[bytes] = app[_WAITING]
    connector = aiohttp.TCPConnector(limit=_CONCURRENCY)

    async def send(session: aiohttp.ClientSession) -> None:
        while True:
            body = aiohttp.BytesPayload(await waiting.get())
            async with session.post(SINK_URL, data=body, headers={"Content-Type": "application/json"}) as answer:
                await answer.read()

    async with aiohttp.ClientSession(connector=connector) as session:
        tasks = [asyncio.create_task(send(session)) for _ in range(_CONCURRENCY)]
        yield
        for task in tasks:
            task.cancel()


_WAITING: web.AppKey[asyncio.Queue[bytes]] = web.AppKey("waiting", asyncio.Queue)


def _serve() -> None:
    seen: set[int] = set()
    app = web.Application()
    app[_WAITING] = waiting = asyncio.Queue()

    async def take(request: web.Request) -> web.Response:
        body = await request.read()
        if (number := hash(body)) not in seen:
            seen.add(number)
            waiting.put_nowait(body)
        return web.Response(status=202)

    app.router.add_post(PATH, take)
    app.cleanup_ctx.append(_sending)
    web.run_app(app, host="127.0.0.1", port=PORT, access_log=None, print=None, loop=uvloop.new_event_loop())


if __name__ == "__main__":
    _serve()
