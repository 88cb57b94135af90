"""A TCP proxy in front of Redis that drops, refuses and delays."""

from __future__ import annotations

import asyncio
from contextlib import suppress


class TcpProxy:
    """A proxy to start and stop. `delay_s` and `refuses` can be changed at any time."""

    def __init__(self, port: int, upstream: int) -> None:
        self.delay_s = 0.0
        """Delay of each chunk, in both directions."""
        self.refuses = False
        """True closes new connections immediately."""
        self._port = port
        self._upstream = upstream
        self._open: set[asyncio.StreamWriter] = set()
        self._handling: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)

    async def stop(self) -> None:
        self._server.close()
        for task in self._handling:
            task.cancel()
        await asyncio.gather(*self._handling, return_exceptions=True)

    def drop(self) -> None:
        """Close every connection, even with requests under way."""
        for writer in self._open:
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._handling.add(task)
        try:
            with suppress(OSError, asyncio.CancelledError):  # asyncio.streams would log a cancelled handler
                await self._pass(reader, writer)
        finally:
            self._handling.discard(task)
            writer.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refuses:
            return
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._upstream)
        both = {writer, up_writer}
        self._open |= both
        pumps = [
            asyncio.ensure_future(self._pump(reader, up_writer)),
            asyncio.ensure_future(self._pump(up_reader, writer)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._open -= both
            up_writer.transport.abort()
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 18):
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            writer.write(data)
            await writer.drain()
