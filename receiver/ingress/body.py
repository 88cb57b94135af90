"""Reads bodies, with limits on size and time, and on the memory of all bodies that are still arriving."""

from __future__ import annotations

import asyncio

from aiohttp import hdrs
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import StreamReader
from aiohttp.web import BaseRequest, RequestPayloadError

from receiver.errors import RejectedError

_FAULTS = (RequestPayloadError, HttpProcessingError, ConnectionError)


class BodyReader:
    """Reads the bodies of one process.

    A body that came in one piece with its head, as nearly all do, is read immediately. The others together may
    hold `max_total_bytes`: beyond that, the one that has been arriving longest is rejected. So clients that send
    many bodies slowly, for which they need no signature, cannot block other clients.
    """

    def __init__(self, *, max_bytes: int, timeout_s: float, max_total_bytes: int) -> None:
        self.total_bytes = 0
        """Bytes held of bodies that are not complete."""

        self._max_bytes = max_bytes
        self._timeout_s = timeout_s
        self._max_total_bytes = max_total_bytes
        self._under_way: dict[asyncio.Timeout, int] = {}  # the oldest first

    async def read(self, request: BaseRequest) -> bytes:
        """Return the raw bytes. Raises RejectedError.

        413 too large, 408 too slow, 400 incomplete or malformed, 503 too many bodies are arriving.
        """
        if request.content.is_eof():
            return self.whole(request.content)
        try:
            return await self._read_slowly(request)
        except _FAULTS:
            raise _malformed() from None

    def whole(self, content: StreamReader) -> bytes:
        """Return the raw bytes of a body that has come to its end. Raises RejectedError (400, 413)."""
        try:
            body = content.read_nowait()
        except _FAULTS:
            raise _malformed() from None
        if len(body) > self._max_bytes:
            raise self._too_large()
        return body

    async def _read_slowly(self, request: BaseRequest) -> bytes:
        length = request.content_length
        if length is not None and length > self._max_bytes:
            raise self._too_large()
        deadline = asyncio.timeout(self._timeout_s)
        self._under_way[deadline] = 0
        try:
            async with deadline:
                return await self._read_within(deadline, request)
        except TimeoutError:
            if deadline not in self._under_way:
                raise _too_much() from None
            raise RejectedError(408, f"the body did not arrive within {self._timeout_s:g} s") from None
        finally:
            self.total_bytes -= self._under_way.pop(deadline, 0)

    async def _read_within(self, deadline: asyncio.Timeout, request: BaseRequest) -> bytes:
        if request.headers.get(hdrs.EXPECT, "").lower() == "100-continue" and request.transport is not None:
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = bytearray()
        while chunk := await request.content.readany():
            if len(body) + len(chunk) > self._max_bytes:
                raise self._too_large()
            body += chunk
            self._hold(deadline, len(chunk))
        return bytes(body)

    def _hold(self, deadline: asyncio.Timeout, size_bytes: int) -> None:
        if deadline not in self._under_way:  # it was rejected for the memory of others
            raise _too_much()
        self._under_way[deadline] += size_bytes
        self.total_bytes += size_bytes
        while self.total_bytes > self._max_total_bytes:
            oldest = next(iter(self._under_way))
            self.total_bytes -= self._under_way.pop(oldest)
            if oldest is deadline:
                raise _too_much()
            if not oldest.expired():
                oldest.reschedule(0)

    def _too_large(self) -> RejectedError:
        return RejectedError(413, f"the body is larger than {self._max_bytes} bytes")


def _malformed() -> RejectedError:
    return RejectedError(400, "the body is malformed or incomplete")


def _too_much() -> RejectedError:
    return RejectedError(503, "too many bodies are arriving at the same time")
