"""Sends webhooks as Voucherify does: a body that gets no 2xx within ten seconds is sent again later.

It uses raw connections instead of an HTTP client, because it shares two cores with the stack. The minutes between
Voucherify's retries are seconds here.
"""

from __future__ import annotations

import asyncio
import random
import time
from array import array
from collections import Counter, deque
from collections.abc import Callable

from msgspec import Struct

from tests.chaos.events import request_of

TIMEOUT_S = 10.0
TIMED_OUT, NO_ANSWER = 0, -1


class Pace(Struct, frozen=True, kw_only=True):
    """The rate and the retries of webhooks."""

    per_s: float
    first_retry_s: float = 1.0
    """Wait before the first retry; it doubles with each failure."""
    longest_retry_s: float = 16.0
    in_flight: int = 2000
    duplicates: float = 0.01
    """Share of the webhooks that are sent again after they were accepted."""


class Sender:
    """`run` returns when every webhook got a 2xx."""

    def __init__(
        self, port: int, pace: Pace, rng: random.Random, request: Callable[[int], bytes] = request_of
    ) -> None:
        self.begun = 0
        """Number of started webhooks: those with a lower number were sent at least once."""
        self.accepted = 0
        self.answers: Counter[int] = Counter()
        """Number of answers by HTTP status, TIMED_OUT or NO_ANSWER (the connection ended)."""
        self.ack_s = array("f")
        """Duration of each request that got a 2xx."""
        self.slowest_s = 0.0
        """The longest wait for an answer."""
        self._port = port
        self._pace = pace
        self._rng = rng
        self._request = request
        self._slots = asyncio.Semaphore(pace.in_flight)
        self._idle: deque[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = deque()

    async def run(self, goes_on: Callable[[int], bool]) -> None:
        """Start webhooks while `goes_on(number)` is true, then wait until all of them are accepted."""
        due_s = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            while goes_on(self.begun):
                due_s = max(due_s + 1 / self._pace.per_s, time.perf_counter() - 1.0)
                await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
                group.create_task(self._deliver(self._request(self.begun)))
                self.begun += 1
        for _, writer in self._idle:
            writer.transport.abort()

    async def _deliver(self, request: bytes) -> None:
        wait_s = self._pace.first_retry_s
        while not 200 <= await self._try(request) < 300:
            await asyncio.sleep(wait_s * self._rng.uniform(0.8, 1.2))
            wait_s = min(self._pace.longest_retry_s, wait_s * 2)
        self.accepted += 1
        if self._rng.random() < self._pace.duplicates:
            await asyncio.sleep(wait_s)
            await self._try(request)

    async def _try(self, request: bytes) -> int:
        async with self._slots:
            started_s = time.perf_counter()
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    status = await self._exchange(request)
            except TimeoutError:
                status = TIMED_OUT
            except (OSError, asyncio.IncompleteReadError):
                status = NO_ANSWER
            took_s = time.perf_counter() - started_s
        self.answers[status] += 1
        if status > 0:
            self.slowest_s = max(self.slowest_s, took_s)
        if 200 <= status < 300:
            self.ack_s.append(took_s)
        return status

    async def _exchange(self, request: bytes) -> int:
        reader, writer = await self._connection()
        try:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
            await reader.readexactly(length)
        except BaseException:
            writer.transport.abort()
            raise
        self._idle.append((reader, writer))
        return int(head[9:12])

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof() and not writer.transport.is_closing():
                return reader, writer
            writer.transport.abort()
        return await asyncio.open_connection("127.0.0.1", self._port)
