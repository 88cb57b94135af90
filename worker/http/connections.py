"""aiohttp's connections to other servers, which keep the bytes of an answer until its head is read.

aiohttp's parser refuses answers because of details that do not change their meaning (two equal Content-Length
headers, a body after 204), and then the status is lost. So the bytes of the head are kept until the parser has
read them.
"""

from __future__ import annotations

import ssl
from functools import partial
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import SocketFactoryType

from worker.http.responses import Head, head_of

_MAX_HEAD_BYTES = 64 * 1024
"""Longest head, and longest line: gateways send long Content-Security-Policy and Set-Cookie headers."""

_MAX_HEADERS = 1000


class AnswerProtocol(ResponseHandler):
    """Reads the answers of one connection."""

    received: bytes | None = None
    """The bytes of an answer whose head is not read yet."""

    def expect_answer(self) -> None:
        """Note that a request is about to be written."""
        self.received = b""
        if self._parser is not None:
            return  # it reads one answer after another, and a new one takes as long as reading an answer
        self.set_response_params(
            read_until_eof=True,
            auto_decompress=False,
            max_line_size=_MAX_HEAD_BYTES,
            max_field_size=_MAX_HEAD_BYTES,
            max_headers=_MAX_HEADERS,
        )

    def is_out_of_step(self) -> bool:
        """Return whether the connection cannot be used again: bytes came that no request had asked for."""
        return self._parser is not None and self.should_close

    def data_received(self, data: bytes) -> None:
        """Keep the bytes of a head, and let aiohttp read them."""
        received = self.received
        if received is not None and len(received) < _MAX_HEAD_BYTES:
            self.received = received + data
        ResponseHandler.data_received(self, data)  # every answer comes here, and `super()` costs more

    def head(self) -> Head | None:
        """The part of the head that was received; None while its status is not known."""
        return head_of(self.received) if self.received else None


class Connector(aiohttp.TCPConnector):
    """Opens at most `concurrency` connections at a time, and keeps them for the next request.

    tls: None to trust the system's certificates. Must be created in the running event loop that will use it.
    """

    def __init__(
        self, *, concurrency: int, tls: ssl.SSLContext | None, socket_factory: SocketFactoryType | None
    ) -> None:
        super().__init__(limit=concurrency, ssl=tls or True, socket_factory=socket_factory)
        factory: Any = partial(AnswerProtocol, loop=self._loop)
        self._factory = factory  # aiohttp has no public setting for it
