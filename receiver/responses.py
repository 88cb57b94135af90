"""The receiver's responses: JSON, `{"status": ...}` or `{"error": ...}`."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import formatdate
from time import time

import msgspec
from aiohttp import HttpVersion10, HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter

from sources.signed_request import MAX_ANSWER_BYTES, Answer


class Accepted(web.StreamResponse):
    """Success: Redis has confirmed the body. One object for all requests, rendered once a second.

    It keeps the connection open. `closing` makes the response after which the connection closes.
    """

    def __init__(self, status: int, content: bytes) -> None:
        """status: the one that the provider takes as success; content: the JSON that is answered with it."""
        super().__init__(status=status)
        self.content = content
        self._rendered_s = 0
        self._bytes = b""

    @property
    def keep_alive(self) -> bool:
        """True for every request."""
        return True

    def rendered(self) -> bytes:
        """The whole response, as it is sent."""
        now_s = int(time())
        if now_s != self._rendered_s:
            self._rendered_s = now_s
            self._bytes = rendered(accepted(self.status, self.content))
        return self._bytes

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Write the whole response."""
        if request.transport is not None:
            request.transport.write(self.rendered())
        if request.protocol.writing_paused:  # the client sends and does not read
            await request.writer.drain()
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Do nothing, since `prepare` wrote everything."""


def rendered(response: web.StreamResponse, *, closes: bool = False) -> bytes:
    """The bytes of a response in HTTP/1.1. closes: say that the connection closes after it."""
    if isinstance(response, Accepted):
        if not closes:
            return response.rendered()
        response = accepted(response.status, response.content)
    assert isinstance(response, web.Response)
    assert isinstance(response.body, bytes)
    head = [
        f"HTTP/1.1 {response.status} {response.reason}",
        *(f"{name}: {value}" for name, value in response.headers.items()),
        f"Content-Length: {len(response.body)}",
        f"Date: {formatdate(time(), usegmt=True)}",
        *(("Connection: close",) if closes else ()),
    ]
    return "\r\n".join(head).encode("ascii") + b"\r\n\r\n" + response.body


def closing(response: web.StreamResponse) -> web.StreamResponse:
    """Make a response close its connection."""
    if isinstance(response, Accepted):  # it is shared by all requests
        response = accepted(response.status, response.content)
    response.force_close()
    return response


def accepted(status: int, content: bytes) -> web.Response:
    """Success as a response of its own."""
    return web.Response(body=content, status=status, content_type="application/json")


def is_kept_alive(request: web.BaseRequest) -> bool:
    """True if the connection stays open without a `Connection` header, which HTTP/1.0 would need."""
    return request.keep_alive and request.version == HttpVersion11


def use_known_version(request: web.BaseRequest) -> None:
    """Respond in HTTP/1.1 to every request that did not come in HTTP/1.0."""
    if request.version != HttpVersion10:
        request._version = HttpVersion11  # noqa: SLF001 - aiohttp has no other way to choose it


def error(status: int, reason: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """The response to a request that is rejected, with the reason."""
    return _json(status, {"error": reason}, headers)


def handshake(answer: Answer) -> web.Response:
    """The response to a handshake. Raises ValueError for an answer that is too long."""
    if len(answer.body) > MAX_ANSWER_BYTES:
        raise ValueError(f"the answer to a handshake has {len(answer.body)} bytes, more than {MAX_ANSWER_BYTES}")
    return web.Response(body=answer.body, status=answer.status, content_type=answer.content_type)


def status(code: int, word: str, **details: object) -> web.Response:
    """A response with the state of the receiver."""
    return _json(code, {"status": word, **details})


def _json(code: int, content: object, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(content), status=code, content_type="application/json", headers=headers
    )
