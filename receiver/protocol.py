"""aiohttp's protocol with JSON where it would answer plain text: malformed HTTP, and a defect of ours."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

_logger = logging.getLogger("hookline.receiver")


class Protocol(RequestHandler):
    """One connection."""

    __slots__ = ("_refuse",)

    def __init__(
        self,
        server: web.Server,
        refuse: Callable[[int, str], web.Response],
        *,
        loop: asyncio.AbstractEventLoop,
        lingering_time_s: float,
    ) -> None:
        super().__init__(
            server,
            loop=loop,
            access_log=None,  # type: ignore[arg-type] # what aiohttp documents for "no access log"
            auto_decompress=False,
            lingering_time=lingering_time_s,
        )
        self._refuse = refuse

    def handle_error(
        self,
        request: web.BaseRequest,  # noqa: ARG002 - the signature is aiohttp's
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002
    ) -> web.StreamResponse:
        """The answer where no handler gave one. The connection closes after it."""
        if status >= 500:
            _logger.error("a request met a defect", exc_info=exc, extra={"action": "request_failed"})
        answer = self._refuse(status, "internal error" if status >= 500 else "malformed HTTP")
        answer.force_close()
        return answer
