"""A unix-socket proxy in front of Redis that reacts when certain bytes pass."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path


class Proxy:
    """Sits between clients and Redis.

    on_request: sees what clients send. If it returns True, Redis gets it, and the connection ends unanswered.
    change_request, change_reply: return the bytes to pass on instead, with the same length.
    """

    def __init__(self, upstream: Path, path: Path) -> None:
        self.url = f"unix://{path}"
        self.on_request: Callable[[bytes], bool] = lambda _data: False
        self.change_request: Callable[[bytes], bytes] = bytes
        self.change_reply: Callable[[bytes], bytes] = bytes
        self._upstream = upstream

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_unix_connection(self._upstream)
        answers = asyncio.create_task(self._pass_replies(up_reader, writer))
        with suppress(ConnectionError):
            while data := await reader.read(1 << 20):
                cut = self.on_request(data)
                if cut:
                    answers.cancel()
                    await asyncio.wait([answers])
                up_writer.write(self.change_request(data))
                await up_writer.drain()
                if cut:
                    await up_reader.read(1)  # Redis has run the command
                    break
        answers.cancel()
        up_writer.close()
        writer.close()

    async def _pass_replies(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(1 << 20):
                writer.write(self.change_reply(data))
                await writer.drain()


@asynccontextmanager
async def running_proxy(upstream: Path, path: Path) -> AsyncIterator[Proxy]:
    proxy = Proxy(upstream, path)
    server = await asyncio.start_unix_server(proxy.handle, path)
    try:
        yield proxy
    finally:
        server.close()
