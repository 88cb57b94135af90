"""The targets of all channels, in one process: healthy ones, and a failing HTTP service.

`python -m tests.chaos.sinks DIRECTORY` serves until its standard input ends. It writes its ports to the file
`ports` in the directory, and each delivery to `deliveries` as a line with the fields of `Delivery`.
"""

from __future__ import annotations

import asyncio
import email
import os
import random
import re
import socket
import struct
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import IO, Any, cast

import msgspec
import uvloop
from aiosmtpd.smtp import SMTP, Envelope, Session
from msgspec import Struct

FAILING_CHANNEL = "failing"
PORTS, DELIVERIES = "ports", "deliveries"
FILE, CONSOLE = "notifications.jsonl", "console"
"""Files that the channels of these kinds write to; the console is the worker's standard output."""

OK, SLOW, RESET = "ok", "slow", "reset"
WAYS = (SLOW, RESET, "429", "500", "400")
"""Failures of the failing service, request by request; besides these it is sometimes unreachable."""

_FAILING = 0.2
_EACH = _FAILING / (len(WAYS) + 1)
_AWAY_EVERY_S = 6.0
_AWAY_S = _AWAY_EVERY_S * _EACH
SLOW_S = 1.5
"""Seconds until it closes without having accepted a request: the time-out of its channel is shorter."""

_LOOK_EVERY_S = 0.005
_ANSWERS = {
    OK: b"HTTP/1.1 204 No Content\r\n\r\n",
    "400": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno",
    "429": b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n",
    "500": b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n\r\noops",
}
_TEXT = re.compile(r"order-(\d+) (\S+Z)")

Take = Callable[[bytes], str]
"""Function from the body of a request to the way in which it is answered."""


class Delivery(Struct, frozen=True):
    """An attempt that reached the target of its channel."""

    channel: str
    number: int
    """The number of the event."""
    sent_s: float
    """When its webhook was created, just before it was sent."""
    at_s: float
    key: str
    """The key, or `-` where the channel does not send it."""
    how: str


def line_of(channel: str, text: str, key: str = "-", how: str = OK) -> bytes:
    """Return a line of the file; `text` is what the templates of the rules make of a webhook."""
    match = _TEXT.search(text)
    assert match, text
    sent_s = datetime.fromisoformat(match[2]).timestamp()
    return f"{channel} {int(match[1])} {sent_s:.3f} {time.time():.4f} {key} {how}\n".encode()


def read(directory: Path) -> list[Delivery]:
    lines = (line.split() for line in (directory / DELIVERIES).read_text().splitlines())
    return [
        Delivery(channel, int(number), float(sent_s), float(at_s), key, how)
        for channel, number, sent_s, at_s, key, how in lines
    ]


class _Connection(asyncio.Protocol):
    """A connection with HTTP/1.1, one request after another."""

    def __init__(self, take: Take, open_: set[_Connection]) -> None:
        self._take = take
        self._open = open_
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._open.add(self)

    def connection_lost(self, _error: Exception | None) -> None:
        self._open.discard(self)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator:
            return
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return
        self._received = body[length:]
        how = self._take(body[:length])
        if how == SLOW:
            asyncio.get_running_loop().call_later(SLOW_S, self.transport.close)
        elif how == RESET:
            _reset(self.transport)
        else:
            self.transport.write(_ANSWERS[how])


def _reset(transport: asyncio.Transport) -> None:
    """Close with RST instead of FIN."""
    with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as mine:
        mine.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


class _Http:
    def __init__(self, take: Take) -> None:
        self._take = take
        self._open: set[_Connection] = set()
        self.port = 0

    async def start(self) -> int:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(self._take, self._open), "127.0.0.1", self.port
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self.port

    async def come_and_go(self) -> None:
        """Stop listening now and then, and close all connections."""
        while True:
            await asyncio.sleep(_AWAY_EVERY_S - _AWAY_S)
            self._server.close()
            for connection in list(self._open):
                connection.transport.close()  # after the answers were sent
            await asyncio.sleep(_AWAY_S)
            await self.start()


class _Mailbox:
    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write

    async def handle_DATA(self, _server: Any, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        mail = email.message_from_bytes(envelope.content)
        key = mail["Message-ID"].strip("<> ").partition("@")[0]
        self._write(line_of("email", mail["Subject"], key))
        return "250 OK"


async def _follow(file: IO[bytes], take: Callable[[bytes], object]) -> None:
    """Pass on each line that is written to a file, within a few ms."""
    partial = b""
    while True:
        await asyncio.sleep(_LOOK_EVERY_S)
        if new := file.read():
            *lines, partial = (partial + new).split(b"\n")
            for line in lines:
                take(line)


def _opened(path: Path) -> IO[bytes]:
    path.touch()
    return path.open("rb")


async def _serve(directory: Path) -> None:
    record = os.open(directory / DELIVERIES, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    rng = random.Random(1)

    def write(line: bytes) -> None:
        os.write(record, line)

    def healthy(body: bytes) -> str:
        notification = msgspec.json.decode(body)
        write(line_of("http", notification["text"], notification["key"]))
        return OK

    def chat(body: bytes) -> str:
        write(line_of("apprise", msgspec.json.decode(body)["message"]))
        return OK

    def failing(body: bytes) -> str:
        notification, draw = msgspec.json.decode(body), int(rng.random() / _EACH)
        how = WAYS[draw] if draw < len(WAYS) else OK
        write(line_of(FAILING_CHANNEL, notification["text"], notification["key"], how))
        return how

    def filed(line: bytes) -> None:
        notification = msgspec.json.decode(line)
        write(line_of("file", notification["text"], notification["key"]))

    def printed(line: bytes) -> None:
        write(line_of("console", line.decode()))

    loop = asyncio.get_running_loop()
    mailbox = _Mailbox(write)
    mail = await loop.create_server(lambda: SMTP(mailbox, hostname="mail.test", loop=loop), "127.0.0.1", 0)
    failing_service = _Http(failing)
    ports = {
        "http": await _Http(healthy).start(),
        "apprise": await _Http(chat).start(),
        "email": mail.sockets[0].getsockname()[1],
        FAILING_CHANNEL: await failing_service.start(),
    }
    draft = directory / f"{PORTS}.draft"
    draft.write_bytes(msgspec.json.encode(ports))
    draft.rename(directory / PORTS)
    async with asyncio.TaskGroup() as group:
        for work in (
            _follow(_opened(directory / FILE), filed),
            _follow(_opened(directory / CONSOLE), printed),
            failing_service.come_and_go(),
        ):
            group.create_task(work)
        loop.add_reader(0, sys.exit)  # the controlling process has ended


if __name__ == "__main__":
    uvloop.run(_serve(Path(sys.argv[1])))
