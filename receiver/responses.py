"""What the receiver answers: JSON, `{"status": ...}` or `{"error": ...}`."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import formatdate
from time import time

import msgspec
from aiohttp import HttpVersion10, HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter

_ACCEPTED = b'{"status":"accepted"}'
_HEAD = (
    "HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\n"
    f"Content-Length: {len(_ACCEPTED)}\r\nDate: %s\r\n\r\n"
)


class Accepted(web.StreamResponse):
    """202: Redis has confirmed the body. One for all requests, made once a second.

    It keeps the connection open; where that must close, `closing` gives the answer that says so.
    """

    def __init__(self) -> None:
        super().__init__(status=202)
        self._made_s = 0
        self._bytes = b""

    @property
    def keep_alive(self) -> bool:
        """Always."""
        return True

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Write all of it."""
        now_s = int(time())
        if now_s != self._made_s:
            self._made_s = now_s
            self._bytes = (_HEAD % formatdate(now_s, usegmt=True)).encode("ascii") + _ACCEPTED
        if request.transport is not None:
            request.transport.write(self._bytes)
        if request.protocol.writing_paused:  # a client that sends and does not read
            await request.writer.drain()
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing is left to write."""


def closing(answer: web.StreamResponse) -> web.StreamResponse:
    """The same answer, after which the connection closes."""
    if isinstance(answer, Accepted):
        answer = web.Response(body=_ACCEPTED, status=202, content_type="application/json")
    answer.force_close()
    return answer


def is_kept_alive(request: web.BaseRequest) -> bool:
    """Whether the connection stays open without a word about it. HTTP/1.0 wants the word, so it closes."""
    return request.keep_alive and request.version == HttpVersion11


def use_known_version(request: web.BaseRequest, *, is_malformed: bool = False) -> None:
    """Have it answered in HTTP/1.1 unless it came in HTTP/1.0. What is malformed is 1.0 to aiohttp."""
    if is_malformed or request.version != HttpVersion10:
        request._version = HttpVersion11  # noqa: SLF001 - aiohttp has no other way to choose it


def error(status: int, reason: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """A refusal, in words."""
    return _json(status, {"error": reason}, headers)


def status(code: int, word: str, **more: object) -> web.Response:
    """How the receiver is."""
    return _json(code, {"status": word, **more})


def _json(code: int, content: object, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(content), status=code, content_type="application/json", headers=headers
    )
