"""aiohttp's protocol with a bound on connections, and with strict headers where no handler answered."""

from __future__ import annotations

import asyncio
import logging

from aiohttp import HttpVersion11, web
from aiohttp.web_protocol import RequestHandler

from inspector.http.security_headers import make_strict

MOST_CONNECTIONS = 500
IDLE_S = 30.0
"""Seconds a connection has for the head of a request, and is kept for the next."""

_MAX_LINE_BYTES = 64 * 1024
"""Of the first line: the longest filter that the API takes fits in, in whatever script."""

_logger = logging.getLogger("hookline.inspector")


class Protocol(RequestHandler):
    """One connection."""

    __slots__ = ("_server",)

    def __init__(self, server: web.Server, *, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            server,
            loop=loop,
            access_log=None,  # type: ignore[arg-type] # what aiohttp documents for "no access log"
            keepalive_timeout=IDLE_S,
            lingering_time=1.0,
            max_line_size=_MAX_LINE_BYTES,
            auto_decompress=False,  # a packed body is refused as it is: see door.py
        )
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take it, or close it where there are too many."""
        super().connection_made(transport)
        if len(self._server.connections) > MOST_CONNECTIONS:
            self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - the signature is aiohttp's
    ) -> web.StreamResponse:
        """The answer where no handler gave one. The connection closes after it."""
        if status >= 500:
            _logger.error("a request met a defect", exc_info=exc, extra={"action": "inspector_request_failed"})
        text = "internal error" if status >= 500 else "malformed HTTP"
        answer = web.Response(status=status, text=f"{text}\n")
        make_strict(answer.headers)
        request._version = HttpVersion11  # noqa: SLF001 - what is malformed is 1.0 to aiohttp
        answer.force_close()
        return answer
