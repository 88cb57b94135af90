"""The target of the channels, a process that can be killed: it records each notification, then answers in a mode.

`python -m tests.chaos.sink PORT RECORD`; each line of its standard input sets the mode of the next answers.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import cast

import msgspec
import uvloop

from tests.chaos.events import EVERY_EVENT, SentNotification, is_refused

OK, FAILING, LIMITED, GARBAGE, SILENT = "ok", "500", "429", "garbage", "silent"

_ANSWERS = {
    OK: b"HTTP/1.1 204 No Content\r\n\r\n",
    "422": b"HTTP/1.1 422 Unprocessable Entity\r\nContent-Length: 0\r\n\r\n",
    FAILING: b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n\r\noops",
    LIMITED: b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n",
    GARBAGE: b"\x16\x03\x01 this is no HTTP\r\n\r\n",
    SILENT: b"",
}
_decode = msgspec.json.Decoder(SentNotification).decode


class _Sink:
    def __init__(self, record: int) -> None:
        self._record = record
        self.mode = OK

    def take(self, body: bytes) -> bytes:
        """Record before answering: SIGKILL takes back nothing that was written to a file."""
        notification = _decode(body)
        numbers = notification.numbers
        refused = notification.rule == EVERY_EVENT and is_refused(numbers[0])
        how = "422" if self.mode == OK and refused else self.mode
        line = f"{time.time():.3f} {','.join(map(str, numbers))} {notification.rule} {notification.key} {how}\n"
        os.write(self._record, line.encode())
        return _ANSWERS[how]

    def read_mode(self) -> None:
        line = os.read(0, 100).decode()
        if not line:
            sys.exit()  # the controlling process has ended
        self.mode = line.split()[-1]


class _Connection(asyncio.Protocol):
    def __init__(self, sink: _Sink) -> None:
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
        self._transport.write(self._sink.take(body[:length]))


async def _serve(port: int, record: str) -> None:
    sink = _Sink(os.open(record, os.O_WRONLY | os.O_APPEND | os.O_CREAT))
    loop = asyncio.get_running_loop()
    loop.add_reader(0, sink.read_mode)
    await loop.create_server(lambda: _Connection(sink), "127.0.0.1", port)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]), sys.argv[2]))
