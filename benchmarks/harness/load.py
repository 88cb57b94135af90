"""A load generator: sends signed sample webhooks over keep-alive connections, as fast as they are answered.

It uses raw sockets instead of an HTTP client, so that it takes little CPU time from the server on the same
machine.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import Counter
from collections.abc import Sequence
from itertools import cycle
from typing import cast

import uvloop
from msgspec import Struct

from sources import KINDS
from sources.secret import Secret
from sources.signed_request import SignedRequest

SECRET = Secret("benchmark-secret")
EVENT = "customer.voucher.loyalty_card.points_added"


class Load(Struct, frozen=True):
    """The results of one run."""

    seconds: float
    statuses: dict[int, int]
    """The number of responses by HTTP status. Status 0 counts connections that were lost."""

    latencies_s: list[float]
    """The latencies of all requests, sorted."""

    @property
    def per_second(self) -> float:
        """The number of responses a second, with any status."""
        return sum(self.statuses.values()) / self.seconds

    def percentile_s(self, share: float) -> float:
        """Return the latency in seconds of the given percentile. share: for example 0.99."""
        return self.latencies_s[min(len(self.latencies_s) - 1, int(share * len(self.latencies_s)))]


def sample_requests(count: int, path: str = "/webhooks/voucherify") -> list[bytes]:
    """Return `count` complete HTTP requests with different signed bodies."""
    kind = KINDS["voucherify"]
    bodies = [kind.sample(number, EVENT) for number in range(count)]
    return [signed_request(body, path) for body in bodies]


def signed_request(body: bytes, path: str = "/webhooks/voucherify") -> bytes:
    """Return a complete HTTP request with a signed body."""
    kind = KINDS["voucherify"]
    signature = kind.sign(SignedRequest(body, {}), SECRET)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nUser-Agent: sender/1.0\r\n"
        + "".join(f"{name}: {value}\r\n" for name, value in signature.items())
        + f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def put_load(
    port: int,
    requests: Sequence[bytes],
    *,
    connections: int,
    seconds: float,
    tls: ssl.SSLContext | None = None,
) -> Load:
    """Send requests over each connection, one at a time, for `seconds`. Raises OSError if it cannot connect."""
    loop = asyncio.get_running_loop()
    run = _Run(requests)
    clients = [_Client(run) for _ in range(connections)]
    for client in clients:
        await loop.create_connection(lambda client=client: client, "127.0.0.1", port, ssl=tls)  # type: ignore[misc]
    started_s = time.perf_counter()
    for client in clients:
        client.send()
    await asyncio.sleep(seconds)
    run.is_over = True
    took_s = time.perf_counter() - started_s
    statuses, latencies_s = dict(run.statuses), sorted(run.latencies_s)
    for client in clients:
        await client.done
    return Load(seconds=took_s, statuses=statuses, latencies_s=latencies_s)


async def put_each(port: int, requests: Sequence[bytes], *, connections: int) -> dict[int, int]:
    """Send each request once, over so many connections. Returns the number of responses by HTTP status."""
    loop = asyncio.get_running_loop()
    run = _Run(requests)
    run.next_request = iter(requests).__next__
    clients = [_Client(run) for _ in range(min(connections, len(requests)))]
    for client in clients:
        await loop.create_connection(lambda client=client: client, "127.0.0.1", port)  # type: ignore[misc]
        client.send()
    for client in clients:
        await client.done
    return dict(run.statuses)


def run_load(
    port: int,
    requests: Sequence[bytes],
    *,
    connections: int,
    seconds: float,
    tls: ssl.SSLContext | None = None,
) -> Load:
    """Run `put_load` in a new event loop."""
    return uvloop.run(put_load(port, requests, connections=connections, seconds=seconds, tls=tls))


class _Run:
    def __init__(self, requests: Sequence[bytes]) -> None:
        self.next_request = cycle(requests).__next__
        self.statuses: Counter[int] = Counter()
        self.latencies_s: list[float] = []
        self.is_over = False


class _Client(asyncio.Protocol):
    def __init__(self, run: _Run) -> None:
        self._run = run
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def send(self) -> None:
        self._sent_s = time.perf_counter()
        self._transport.write(self._run.next_request())

    def data_received(self, data: bytes) -> None:
        self._answer += data
        if not is_whole(self._answer):
            return
        run = self._run
        run.statuses[int(self._answer[9:12])] += 1
        run.latencies_s.append(time.perf_counter() - self._sent_s)
        self._answer = b""
        if run.is_over:
            self._transport.close()
            return
        try:
            self.send()
        except StopIteration:  # each request was sent
            run.is_over = True
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the signature is asyncio's
        if not self._run.is_over:
            self._run.statuses[0] += 1
        if not self.done.done():
            self.done.set_result(None)


def is_whole(answer: bytes) -> bool:
    """Return True if the head and the body of a response are complete. The response must have a Content-Length."""
    head, separator, body = answer.partition(b"\r\n\r\n")
    if not separator:
        return False
    at = head.find(b"Content-Length: ")
    return at < 0 or len(body) >= int(head[at + 16 :].split(b"\r\n", 1)[0])
