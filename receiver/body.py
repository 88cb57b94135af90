"""Reading a body: bounded in size and in time."""

from __future__ import annotations

import asyncio

from aiohttp import hdrs
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web import BaseRequest, RequestPayloadError

from receiver.errors import RefusedError


async def read_body(request: BaseRequest, *, max_bytes: int, timeout_s: float) -> bytes:
    """The raw bytes. Raises RefusedError: 413 too large, 408 too slow, 400 broken off or malformed."""
    if request.content.is_eof():  # it came in one piece with the head, as nearly always
        body = request.content.read_nowait()
        if len(body) > max_bytes:
            raise _too_large(max_bytes)
        return body
    length = request.content_length
    if length is not None and length > max_bytes:
        raise _too_large(max_bytes)
    try:
        async with asyncio.timeout(timeout_s):
            return await _read_slowly(request, max_bytes)
    except TimeoutError:
        raise RefusedError(408, f"the body did not arrive within {timeout_s:g} s") from None
    except (RequestPayloadError, HttpProcessingError, ConnectionError):
        raise RefusedError(400, "the body is malformed or was broken off") from None


async def _read_slowly(request: BaseRequest, max_bytes: int) -> bytes:
    if request.headers.get(hdrs.EXPECT, "").lower() == "100-continue" and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = bytearray()
    while chunk := await request.content.readany():
        body += chunk
        if len(body) > max_bytes:
            raise _too_large(max_bytes)
    return bytes(body)


def _too_large(max_bytes: int) -> RefusedError:
    return RefusedError(413, f"the body is larger than {max_bytes} bytes")
