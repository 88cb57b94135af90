"""An HTTP server that receives the notifications of the http channel, and responds immediately."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Iterator

from aiohttp import web

from benchmarks.harness.processes import running

Take = Callable[[bytes], int | None]
"""A function that gets the body of each POST. It may return the status to answer with, instead of 204."""

_PATH = "/notifications"


def listen() -> tuple[socket.socket, str]:
    """Return a listening socket for `serve`, and the URL of the sink."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    return listener, f"http://127.0.0.1:{listener.getsockname()[1]}{_PATH}"


async def serve(listener: socket.socket, take: Take) -> Callable[[], Awaitable[None]]:
    """Serve requests in this event loop. Returns the function that stops the server."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=take(await request.read()) or 204)

    app = web.Application()
    app.router.add_post(_PATH, answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    return runner.cleanup


@contextlib.contextmanager
def running_sink() -> Iterator[str]:
    """Run a sink in its own process. Yields its URL."""
    listener, url = listen()

    async def run() -> None:
        await serve(listener, lambda _: None)
        await asyncio.Event().wait()

    with running(run):
        listener.close()
        yield url
