"""Sends signed webhooks to a contender, and notes when their notifications arrive.

One process sends and receives, so that one clock measures both. Raw sockets take less CPU time from the contender
than an HTTP client. One of 20 webhooks is a repeat of an earlier one.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Iterator
from typing import cast

from msgspec import Struct

from benchmarks.harness.backlog import sample_bodies
from benchmarks.harness.load import SECRET, is_whole
from sources import KINDS
from sources.signed_request import SignedRequest

_CONNECTIONS = 64
_REPEATED_EACH = 20
_REPEATED_AFTER = 10
_GIVE_UP_AFTER_S = 30.0
_POLL_S = 0.02


class Webhook(Struct, frozen=True):
    """A signed webhook. Its place in the list is the number in its payload."""

    body: bytes
    signature: str

    def request(self, path: str) -> bytes:
        """Return the complete HTTP request."""
        return (
            b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nUser-Agent: sender/1.0\r\n"
            b"X-Voucherify-Signature: %b\r\nContent-Length: %d\r\n\r\n%b"
        ) % (path.encode(), self.signature.encode(), len(self.body), self.body)


class Sent(Struct, frozen=True):
    """The result of one phase. All times are sorted, in seconds."""

    posted: int
    """The number of webhooks, repeats included."""

    arrived_per_s: float
    """The number of notifications that arrived a second while webhooks were sent."""

    acks_s: list[float]
    received_s: list[float]
    """The time from when the first webhook of each event was due to its notification."""


def webhooks(count: int) -> list[Webhook]:
    """Return `count` webhooks of different events."""
    sign = KINDS["voucherify"].sign
    return [Webhook(body, *sign(SignedRequest(body, {}), SECRET).values()) for body in sample_bodies(count)]


def number_in(notification: bytes) -> int:
    """Return the number of the event in the body of a notification."""
    at = notification.index(b'"order-') + 7
    return int(notification[at : at + 8])


class Traffic:
    """The connections to one receiver, and the notifications that arrived."""

    def __init__(self, events: list[Webhook], port: int, path: str) -> None:
        self._events, self._port, self._path = events, port, path
        self._numbers: Iterator[tuple[int, bool]] = _with_repeats(len(events))
        # In turn, so that no server closes a connection because it was idle for long.
        self._idle: deque[_Connection] = deque()
        self._opening: set[asyncio.Task[None]] = set()
        self._is_closed = False
        self._queued: deque[tuple[int, float]] = deque()
        self._due_s: dict[int, float] = {}
        self._arrived_s: dict[int, float] = {}
        self._acks_s: list[float] = []
        self._at_most = 0
        self._posted = 0
        self.statuses: Counter[int] = Counter()
        """The number of responses by HTTP status."""

    async def open(self) -> None:
        """Open the connections. Raises OSError if the receiver does not listen."""
        for _ in range(_CONNECTIONS):
            await self._connect()

    def close(self) -> None:
        """Close all idle connections."""
        self._is_closed = True
        for connection in tuple(self._idle):
            connection.close()

    def take(self, body: bytes) -> None:
        """Note that a notification has arrived. This is what the sink calls."""
        number = number_in(body)
        if number in self._due_s:
            self._arrived_s.setdefault(number, time.perf_counter())
        self._fill()

    async def at_rate(self, per_second: int, seconds: float) -> Sent:
        """POST webhooks at a fixed rate, which does not depend on the responses.

        Raises RuntimeError if a notification does not arrive.
        """
        begin_s = self._begin()
        for place in range(int(per_second * seconds)):
            due_s = begin_s + place / per_second
            while (early_s := due_s - time.perf_counter()) > 0:  # noqa: ASYNC110 - the clock sets no event
                await asyncio.sleep(early_s)
            self._post(*next(self._numbers), due_s)
            if place % 16 == 0:
                await asyncio.sleep(0)
        return await self._ended(begin_s)

    async def as_fast_as_possible(self, seconds: float, *, at_most: int) -> Sent:
        """POST webhooks while fewer than `at_most` events are on their way.

        Raises RuntimeError if a notification does not arrive.
        """
        begin_s, self._at_most = self._begin(), at_most
        self._fill()
        await asyncio.sleep(seconds)
        self._at_most = 0
        return await self._ended(begin_s)

    def acknowledged(self, connection: _Connection, status: int, took_s: float) -> None:
        """Note a response. The connection then sends the next webhook, if one waits."""
        self.statuses[status] += 1
        self._acks_s.append(took_s)
        self.ready(connection)
        self._fill()

    def ready(self, connection: _Connection) -> None:
        """Add a connection without a request. It sends the next webhook, if one waits."""
        self._idle.append(connection)
        if self._queued:
            self._send(*self._queued.popleft())

    def lost(self, connection: _Connection, webhook: tuple[int, float] | None) -> None:
        """Replace a closed connection, and send its webhook again if it has no response."""
        if connection in self._idle:
            self._idle.remove(connection)
        if self._is_closed:
            return
        if webhook:
            self._queued.appendleft(webhook)
        task = asyncio.create_task(self._connect())
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: _Connection(self), "127.0.0.1", self._port)

    def _begin(self) -> float:
        self._due_s, self._arrived_s, self._acks_s, self._posted = {}, {}, [], 0
        return time.perf_counter()

    def _fill(self) -> None:
        while self._idle and len(self._due_s) - len(self._arrived_s) < self._at_most:
            webhook = next(self._numbers, None)
            if webhook is None:
                self._at_most = 0
                return
            self._post(*webhook, time.perf_counter())

    def _post(self, number: int, is_first: bool, due_s: float) -> None:
        if is_first:
            self._due_s[number] = due_s
        self._posted += 1
        if self._idle:
            self._send(number, due_s)
        else:
            self._queued.append((number, due_s))

    def _send(self, number: int, due_s: float) -> None:
        self._idle.popleft().send(self._events[number].request(self._path), (number, due_s))

    async def _ended(self, begin_s: float) -> Sent:
        end_s = time.perf_counter()
        deadline_s = end_s + _GIVE_UP_AFTER_S
        while len(self._arrived_s) < len(self._due_s) or len(self._acks_s) < self._posted:
            if time.perf_counter() > deadline_s:
                lost, unanswered = len(self._due_s) - len(self._arrived_s), self._posted - len(self._acks_s)
                raise RuntimeError(f"{lost} notifications did not arrive, {unanswered} webhooks have no response")
            await asyncio.sleep(_POLL_S)
        if any(not 200 <= status < 300 for status in self.statuses):
            raise RuntimeError(f"not every webhook was accepted: answers by status {dict(self.statuses)}")
        until_s = max(end_s, begin_s + 0.001)
        return Sent(
            posted=self._posted,
            arrived_per_s=sum(at <= until_s for at in self._arrived_s.values()) / (until_s - begin_s),
            acks_s=sorted(self._acks_s),
            received_s=sorted(at - self._due_s[number] for number, at in self._arrived_s.items()),
        )


def _with_repeats(count: int) -> Iterator[tuple[int, bool]]:
    """Yield the numbers of the webhooks to send, and whether each is the first of its event."""
    for number in range(count):
        yield number, True
        if number % (_REPEATED_EACH - 1) == _REPEATED_AFTER:
            yield number - _REPEATED_AFTER, False


class _Connection(asyncio.Protocol):
    def __init__(self, traffic: Traffic) -> None:
        self._traffic = traffic
        self._webhook: tuple[int, float] | None = None
        self._answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._traffic.ready(self)

    def send(self, request: bytes, webhook: tuple[int, float]) -> None:
        """Send a request. webhook: its number, and when it was due."""
        self._webhook = webhook
        self._transport.write(request)

    def close(self) -> None:
        """Close the connection once its request is written."""
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        if self._webhook is None or not is_whole(self._answer):
            return
        status, took_s = int(self._answer[9:12]), time.perf_counter() - self._webhook[1]
        self._answer, self._webhook = b"", None
        self._traffic.acknowledged(self, status, took_s)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the signature is asyncio's
        self._traffic.lost(self, self._webhook)
