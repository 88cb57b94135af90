"""An HTTP server that counts the notifications it gets, by idempotency key and by event."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import msgspec
from msgspec import Struct

_ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"


class _Transaction(Struct):
    source_id: str


class _Data(Struct):
    transaction: _Transaction


class _Notification(Struct):
    key: str
    data: _Data


_decode = msgspec.json.Decoder(_Notification).decode


class Sink:
    """The counts of all notifications so far."""

    def __init__(self) -> None:
        self.times: Counter[str] = Counter()
        """How often each idempotency key was sent."""
        self.keys: dict[str, set[str]] = {}
        """The idempotency keys of each event, by what makes the event unique: its order."""
        self.url = ""

    @property
    def sent_again(self) -> int:
        """The number of requests that repeated the key of an earlier one."""
        return self.times.total() - len(self.times)

    @property
    def with_two_keys(self) -> int:
        """The number of events that were notified under more than one key."""
        return sum(len(keys) > 1 for keys in self.keys.values())

    def take(self, body: bytes) -> None:
        """Count one notification, given as the JSON that the channel sent."""
        notification = _decode(body)
        self.times[notification.key] += 1
        self.keys.setdefault(notification.data.transaction.source_id, set()).add(notification.key)


class _Connection(asyncio.Protocol):
    # An HTTP library would take more of the two cores than the nodes of the cluster.
    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator:
            return
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return
        self._received = body[length:]
        self._sink.take(body[:length])
        self._transport.write(_ANSWER)


@asynccontextmanager
async def running_sink() -> AsyncIterator[Sink]:
    """Listen on a free port of 127.0.0.1 until the context ends."""
    sink = Sink()
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(sink), "127.0.0.1", 0)
    sink.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    try:
        yield sink
    finally:
        server.close()
