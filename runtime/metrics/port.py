"""The HTTP port with /healthz, /readyz and /metrics, for processes that serve nothing else there."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import hdrs, web

from runtime.http_protocol import HttpProtocol
from runtime.metrics.exposition import CONTENT_TYPE
from runtime.metrics.monitor import Monitor

_MOST_CONNECTIONS = 100
_IDLE_S = 75.0
_STOP_S = 1.0
_METHODS = frozenset({hdrs.METH_GET, hdrs.METH_HEAD})

log = logging.getLogger("hookline.metrics")


@asynccontextmanager
async def serving(listener: socket.socket | None, monitor: Monitor) -> AsyncIterator[None]:
    """Serve the port while the block runs; without a listener this does nothing."""
    if listener is None:
        yield
        return
    loop = asyncio.get_running_loop()
    server = web.Server(_Handler(monitor).respond, loop=loop)
    accepting = await loop.create_server(lambda: _Protocol(server, loop=loop), sock=listener)
    reporting = asyncio.create_task(monitor.run())
    try:
        yield
    finally:
        accepting.close()
        reporting.cancel()
        await server.shutdown(_STOP_S)


class _Handler:
    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor

    async def respond(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path not in ("/healthz", "/readyz", "/metrics"):
            return web.json_response({"status": "no such page"}, status=404)
        if request.method not in _METHODS:
            return web.json_response({"status": "use GET"}, status=405, headers={hdrs.ALLOW: "GET, HEAD"})
        if request.path == "/metrics":
            return web.Response(body=await self._monitor.metrics(), headers={hdrs.CONTENT_TYPE: CONTENT_TYPE})
        if request.path == "/healthz":
            return web.json_response({"status": "alive"})
        if reasons := await self._monitor.reasons():
            return web.json_response({"status": "not ready", "reasons": reasons}, status=503)
        return web.json_response({"status": "ready"})


class _Protocol(HttpProtocol):
    """A connection; beyond a limit on their number it is closed at once."""

    __slots__ = ("_server",)

    def __init__(self, server: web.Server, *, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(server, loop=loop, keepalive_timeout=_IDLE_S)
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if len(self._server.connections) > _MOST_CONNECTIONS:
            self.force_close()

    def error_response(self, status: int, error: BaseException | None) -> web.Response:
        """The response to a malformed request, or to one that met a defect."""
        if status >= 500:
            log.error("a scrape failed", exc_info=error, extra={"action": "scrape_failed"})
        return web.json_response(
            {"status": "internal error" if status >= 500 else "malformed HTTP"}, status=status
        )
