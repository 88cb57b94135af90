"""The changes to aiohttp's protocol that receiver and inspector share."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from typing import Any

from aiohttp import HttpVersion11, web
from aiohttp.web_protocol import RequestHandler


class HttpProtocol(RequestHandler):
    """A connection without access log and decompression, and with error responses of our own."""

    __slots__ = ()

    def __init__(self, server: web.Server, *, loop: asyncio.AbstractEventLoop, **options: Any) -> None:
        """`options`: those of aiohttp's RequestHandler."""
        super().__init__(
            server,
            loop=loop,
            access_log=None,  # type: ignore[arg-type] # what aiohttp documents for "no access log"
            # Signatures are over the raw bytes, and a small packed body may unpack to a huge one.
            auto_decompress=False,
            **options,
        )

    @abstractmethod
    def error_response(self, status: int, error: BaseException | None) -> web.StreamResponse:
        """The response to a request that no handler answered, such as malformed HTTP or a defect."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - the signature is aiohttp's
    ) -> web.StreamResponse:
        """The response where no handler gave one. The connection closes after it."""
        response = self.error_response(status, exc)
        # aiohttp takes malformed requests for HTTP/1.0, and has no other way to choose the version.
        request._version = HttpVersion11  # noqa: SLF001
        response.force_close()
        return response
