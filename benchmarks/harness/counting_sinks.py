"""Servers that receive notifications in a process of their own, and count them for the benchmark."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
from collections.abc import Callable, Iterator
from functools import partial

import aiosmtpd.smtp
from aiohttp import web
from msgspec import Struct

from benchmarks.harness.processes import running
from runtime.listening_socket import listen

_context = multiprocessing.get_context("fork")


class CountingSink(Struct, frozen=True):
    """A sink that runs."""

    port: int
    sent: Callable[[], int]
    """Returns how many notifications arrived so far."""

    @property
    def url(self) -> str:
        """The URL to POST to."""
        return f"http://127.0.0.1:{self.port}/notifications"


@contextlib.contextmanager
def counting_sink(*, delay_s: float = 0.0) -> Iterator[CountingSink]:
    """Run an HTTP server that answers each POST after `delay_s`."""
    listener, count = listen("127.0.0.1", 0), _context.Value("i", 0, lock=False)

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        if delay_s:
            await asyncio.sleep(delay_s)
        count.value += 1
        return web.Response(status=204)

    async def serve() -> None:
        app = web.Application()
        app.router.add_post("/notifications", answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.SockSite(runner, listener).start()
        await asyncio.Event().wait()

    with running(serve):
        yield CountingSink(listener.getsockname()[1], lambda: count.value)


@contextlib.contextmanager
def counting_mail_sink() -> Iterator[CountingSink]:
    """Run an SMTP server that accepts every e-mail, and keeps none."""
    listener, count = listen("127.0.0.1", 0), _context.Value("i", 0, lock=False)

    class Mailbox:
        async def handle_DATA(self, *_: object) -> str:  # noqa: N802 - aiosmtpd calls it
            count.value += 1
            return "250 OK"

    async def serve() -> None:
        loop, connect = asyncio.get_running_loop(), partial(aiosmtpd.smtp.SMTP, Mailbox(), enable_SMTPUTF8=True)
        server = await loop.create_server(connect, sock=listener)
        await server.serve_forever()

    with running(serve):
        yield CountingSink(listener.getsockname()[1], lambda: count.value)
