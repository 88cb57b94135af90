"""The peers of a counted process: a load generator and a sink that give it the same amounts in each run.

While they write, the process is stopped. So it finds all requests, or all responses, at once, however busy the
machine is. Else the number of its reads and writes would be different in each run.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import socket
import struct
import termios
import threading
import time
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path

from benchmarks.harness.load import sample_requests

AT_ONCE = 64
"""How many requests are open at a time: webhooks to the receiver, and notifications to the sink."""

_TIMEOUT_S = 300.0
_POLL_S = 0.1
_ACCEPTED, _NO_CONTENT = b"HTTP/1.1 202", b"HTTP/1.1 204 No Content\r\n\r\n"
_HEAD_END, _LENGTH = b"\r\n\r\n", b"content-length: "


def wait_until_idle(pid: int) -> None:
    """Wait until a process has done all that it could do, and sleeps (Linux: proc_pid_stat(5), field 3)."""
    while Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(") ")[2][0] != "S":
        time.sleep(0.001)


@contextlib.contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Stop a child process meanwhile, when it is idle."""
    wait_until_idle(pid)
    os.kill(pid, signal.SIGSTOP)
    os.waitid(os.P_PID, pid, os.WSTOPPED)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def deliver(pid: int, messages: Sequence[tuple[socket.socket, bytes]]) -> None:
    """Send messages to a process that finds all of them at once."""
    with stopped(pid):
        for connection, message in messages:
            connection.sendall(message)
        while any(map(_unsent_bytes, (connection for connection, _ in messages))):
            time.sleep(0.001)


def _unsent_bytes(connection: socket.socket) -> int:
    """Return how many bytes the other side's kernel has not confirmed."""
    return struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, b"\0" * 4))[0]


class LoadGenerator:
    """Sends the same webhooks over the same connections."""

    def __init__(self, port: int, at_once: int = AT_ONCE) -> None:
        """port: of the receiver. at_once: how many webhooks are sent together."""
        self._connections = [
            socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT_S) for _ in range(at_once)
        ]
        self._requests = cycle(sample_requests(1024)).__next__

    def send(self, pid: int, count: int) -> None:
        """Send webhooks, and wait for the answers. pid: the receiver. Raises RuntimeError for another than 202."""
        for _ in range(0, count, len(self._connections)):
            deliver(pid, [(connection, self._requests()) for connection in self._connections])
            for connection in self._connections:
                answer = connection.recv(65_536)
                if not answer.startswith(_ACCEPTED):
                    raise RuntimeError(f"a webhook was not accepted: {answer[:200]!r}")


class Sink:
    """Takes notifications, and answers when `at_once` of them are there."""

    def __init__(self, at_once: int) -> None:
        """Listen on a free port."""
        self._at_once = at_once
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/notifications"
        self._received: dict[socket.socket, bytes] = {}

    def run(self, pid: int, ends: threading.Event) -> None:
        """Answer the notifications of a process until `ends` is set."""
        whole: list[socket.socket] = []
        while not ends.is_set():
            readable, _, _ = select.select([self._listener, *self._received], [], [], _POLL_S)
            for connection in readable:
                if connection is self._listener:
                    self._received[self._listener.accept()[0]] = b""
                elif self._is_whole(connection):
                    self._received[connection] = b""
                    whole.append(connection)
            if len(whole) == self._at_once:
                deliver(pid, [(connection, _NO_CONTENT) for connection in whole])
                whole.clear()

    def _is_whole(self, connection: socket.socket) -> bool:
        """Read a part of a request. Returns whether it was the last part."""
        part = connection.recv(65_536)
        if not part:
            del self._received[connection]
            return False
        self._received[connection] += part
        return is_whole(self._received[connection])


def is_whole(request: bytes) -> bool:
    """Return whether a request has come to its end."""
    head, separator, body = request.partition(_HEAD_END)
    at = head.lower().find(_LENGTH)
    return bool(separator) and len(body) >= int(head[at + len(_LENGTH) :].split(b"\r\n", 1)[0])
