"""The aiohttp receiver and the aiohttp client that most peers share: the cheapest that a user would write.

The receiver marks the signature, which identifies a body, as seen with SET NX, then queues the body, and answers.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import uvloop
from aiohttp import web

from shared import PATH, PORT, SIGNATURE_HEADER, SINK_URL, headers, is_signed, notification

Mark = Callable[[str], Awaitable[bool]]
"""A function that marks an identity as seen. Returns False if it was seen before."""

Unmark = Callable[[str], Awaitable[object]]
Enqueue = Callable[[str, bytes], Awaitable[object]]
"""A function that queues a body under its identity."""

Connect = Callable[[], contextlib.AbstractAsyncContextManager[tuple[Mark, Unmark, Enqueue]]]

CONNECTIONS = 100
"""The connections that a worker process keeps to the sink, at most."""


def receive(connect: Connect) -> None:
    """Serve the receiver until SIGTERM."""

    async def connected(app: web.Application) -> AsyncIterator[None]:
        async with connect() as (mark, unmark, enqueue):
            app.router.add_post(PATH, _handler(mark, unmark, enqueue))
            yield

    app = web.Application()
    app.cleanup_ctx.append(connected)
    web.run_app(app, host="127.0.0.1", port=PORT, access_log=None, print=None, loop=uvloop.new_event_loop())


def _handler(mark: Mark, unmark: Unmark, enqueue: Enqueue) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def take(request: web.Request) -> web.Response:
        body = await request.read()
        signature = request.headers.get(SIGNATURE_HEADER, "")
        if not is_signed(body, signature):
            return web.Response(status=401)
        if not await mark(signature):
            return web.Response(status=202)
        try:
            await enqueue(signature, body)
        except Exception:
            await unmark(signature)
            raise
        return web.Response(status=202)

    return take


def open_session() -> aiohttp.ClientSession:
    """Return a client that keeps its connections."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONNECTIONS))


async def post(session: aiohttp.ClientSession, key: str, body: bytes) -> None:
    """POST the notification for a body. Raises aiohttp.ClientError if it is not accepted."""
    async with session.post(SINK_URL, data=notification(key, body), headers=headers(key)) as answer:
        await answer.read()
        answer.raise_for_status()
