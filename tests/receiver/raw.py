"""Connections that send raw bytes, for what a correct HTTP client cannot send."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sources.voucherify import HEADER, sign
from tests.receiver.serving import PATH, SECRET

BODY = b'{"a":1}'
LENGTH = f"Content-Length: {len(BODY)}"


def head(*lines: str, start: str = f"POST {PATH} HTTP/1.1", body: bytes = BODY) -> bytes:
    """Return a head with the signature of `body`."""
    return "\r\n".join([start, "Host: x", f"{HEADER}: {sign(body, SECRET)}", *lines, "", ""]).encode("latin-1")


GOOD = head(LENGTH) + BODY


class Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.received = b""

    async def send(self, data: bytes) -> None:
        try:
            self._writer.write(data)
            await self._writer.drain()
        except ConnectionError:
            pass  # the receiver has already answered and closed

    def end(self) -> None:
        """Close the sending half of the connection."""
        if not self._writer.is_closing():
            self._writer.write_eof()

    async def until_closed(self, *, seconds: float = 60.0) -> bytes:
        """Return all bytes that arrived, once the receiver has closed the connection."""
        await self._until(None, seconds)
        return self.received

    async def answers(self, count: int) -> list[int]:
        """Return the statuses, once there are so many or the receiver has closed the connection."""
        await self._until(count, 60.0)
        return statuses(self.received)

    async def _until(self, count: int | None, seconds: float) -> None:
        async with asyncio.timeout(seconds):
            while count is None or len(statuses(self.received)) < count:
                try:
                    chunk = await self._reader.read(65536)
                except ConnectionError:
                    return
                if not chunk:
                    return
                self.received += chunk

    def abort(self) -> None:
        self._writer.transport.abort()


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Connection]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    connection = Connection(reader, writer)
    try:
        yield connection
    finally:
        connection.abort()


def statuses(received: bytes) -> list[int]:
    """Return the status of every answer, without the `100 Continue` ones."""
    return [code for code in map(int, re.findall(rb"HTTP/1\.[01] (\d{3}) ", received)) if code != 100]
