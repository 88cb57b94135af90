"""aiohttp's protocol with a limit on connections, and with security headers on responses without a handler."""

from __future__ import annotations

import asyncio
import logging

from aiohttp import web

from inspector.http.security_headers import make_strict
from runtime.http_protocol import HttpProtocol

MOST_CONNECTIONS = 500
IDLE_S = 30.0
"""Seconds in which the head of a request must arrive, and for which an idle connection is kept."""

# The longest filter that the API accepts fits in, in any script.
_MAX_LINE_BYTES = 64 * 1024
"""Largest size of a request line."""

log = logging.getLogger("hookline.inspector")


class Protocol(HttpProtocol):
    """A connection of the inspector."""

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
        """Accept the connection, or close it if there are too many."""
        super().connection_made(transport)
        if len(self._server.connections) > MOST_CONNECTIONS:
            self.force_close()

    def error_response(self, status: int, error: BaseException | None) -> web.Response:
        """The response to a malformed request, or to one that met a defect."""
        if status >= 500:
            log.error(
                "a request failed with an unexpected error",
                exc_info=error,
                extra={"action": "inspector_request_failed"},
            )
        text = "internal error" if status >= 500 else "malformed HTTP"
        response = web.Response(status=status, text=f"{text}\n")
        make_strict(response.headers)
        return response
