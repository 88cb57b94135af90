"""aiohttp's protocol with a bound on connections, and with strict headers where no handler answered."""

from __future__ import annotations

import asyncio
import logging

from aiohttp import web

from inspector.http.security_headers import make_strict
from runtime.http_protocol import HttpProtocol

MOST_CONNECTIONS = 500
IDLE_S = 30.0
"""Seconds a connection has for the head of a request, and is kept for the next."""

_MAX_LINE_BYTES = 64 * 1024
"""Of the first line: the longest filter that the API takes fits in, in whatever script."""

log = logging.getLogger("hookline.inspector")


class Protocol(HttpProtocol):
    """One connection."""

    __slots__ = ("_server",)

    def __init__(self, server: web.Server, *, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            server,
            loop=loop,
            keepalive_timeout=IDLE_S,
            lingering_time=1.0,
            max_line_size=_MAX_LINE_BYTES,
        )
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take it, or close it where there are too many."""
        super().connection_made(transport)
        if len(self._server.connections) > MOST_CONNECTIONS:
            self.force_close()

    def error_response(self, status: int, error: BaseException | None) -> web.Response:
        """The response to a malformed request, or to one that met a defect."""
        if status >= 500:
            log.error("a request met a defect", exc_info=error, extra={"action": "inspector_request_failed"})
        text = "internal error" if status >= 500 else "malformed HTTP"
        response = web.Response(status=status, text=f"{text}\n")
        make_strict(response.headers)
        return response
