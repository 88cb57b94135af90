"""Reading bodies: bounded in size and in time, and all that are under way together too."""

from __future__ import annotations

import asyncio

from aiohttp import hdrs
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web import BaseRequest, RequestPayloadError

from receiver.errors import RefusedError


class BodyReader:
    """Reads the bodies of one process.

    What came in one piece with its head, as nearly all do, is taken at once. The others together hold
    `max_total_bytes` at most: beyond, the one that has been read longest gives way, so that senders who drip
    many bodies, and need no signature for it, keep no other out.
    """

    def __init__(self, *, max_bytes: int, timeout_s: float, max_total_bytes: int) -> None:
        self.total_bytes = 0
        """Held of bodies that are not complete."""

        self._max_bytes = max_bytes
        self._timeout_s = timeout_s
        self._max_total_bytes = max_total_bytes
        self._under_way: dict[asyncio.Timeout, int] = {}  # the oldest first

    async def read(self, request: BaseRequest) -> bytes:
        """The raw bytes. Raises RefusedError.

        413 too large, 408 too slow, 400 broken off or malformed, 503 too much is on its way.
        """
        try:
            if not request.content.is_eof():
                return await self._read_slowly(request)
            body = request.content.read_nowait()
        except (RequestPayloadError, HttpProcessingError, ConnectionError):
            raise RefusedError(400, "the body is malformed or was broken off") from None
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
            raise RefusedError(408, f"the body did not arrive within {self._timeout_s:g} s") from None
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
        if deadline not in self._under_way:  # it gave way to another
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

    def _too_large(self) -> RefusedError:
        return RefusedError(413, f"the body is larger than {self._max_bytes} bytes")


def _too_much() -> RefusedError:
    return RefusedError(503, "too many bodies are on their way at once")
