"""A unix-socket proxy in front of Redis that reacts when certain bytes pass."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path


class Proxy:
    """`on_request(data)` sees each request. If it returns True, Redis gets it, but the client gets no answer."""

    def __init__(self, upstream: Path, path: Path) -> None:
        self.url = f"unix://{path}"
        self.on_request: Callable[[bytes], bool] = lambda _data: False
        self._upstream = upstream

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_unix_connection(self._upstream)
        answers = asyncio.create_task(_pump(up_reader, writer))
        with suppress(ConnectionError):
            while data := await reader.read(1 << 20):
                cut = self.on_request(data)
                if cut:
                    answers.cancel()
                    await asyncio.wait([answers])
                up_writer.write(data)
                await up_writer.drain()
                if cut:
                    await up_reader.read(1)  # Redis has run the command
                    break
        answers.cancel()
        up_writer.close()
        writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(1 << 20):
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def running_proxy(upstream: Path, path: Path) -> AsyncIterator[Proxy]:
    proxy = Proxy(upstream, path)
    server = await asyncio.start_unix_server(proxy.handle, path)
    yield proxy
    server.close()
